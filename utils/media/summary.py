"""The summary at the end: how many pictures, how fast, which objects."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from statistics import median

from utils.detections import Detections
from utils.media.frames import Frame
from utils.text import counted

_MOST_CLASSES = 10  # named in the summary


@dataclass
class Summary:
    """Counts over all frames."""

    pictures: int = 0
    frames: int = 0  # of videos
    objects: Counter[str] = field(default_factory=Counter)  # by class name
    network_ms: list[float] = field(default_factory=list)  # milliseconds per picture or frame
    problems: list[str] = field(default_factory=list)

    @property
    def total(self) -> int:
        return self.pictures + self.frames

    def add(self, frame: Frame, detections: Detections, network_ms: float) -> None:
        if frame.index is None:
            self.pictures += 1
        else:
            self.frames += 1
        self.objects.update(detections.names())
        self.network_ms.append(network_ms)

    def lines(self) -> Iterator[str]:
        """The summary, for people."""
        counts = ((self.pictures, "picture"), (self.frames, "video frame"))
        parts = [counted(number, what) for number, what in counts if number]
        speed = f"; network {median(self.network_ms):.1f} ms each" if self.network_ms else ""
        yield f"processed {' and '.join(parts) or 'nothing'}{speed}"
        if self.problems:
            yield f"problems: {len(self.problems)}, see the warnings"
        found = self.objects.most_common()
        named = ", ".join(f"{name} {count}" for name, count in found[:_MOST_CLASSES])
        more = len(found) - _MOST_CLASSES
        yield f"objects: {named or 'none'}" + (f", and {more} more classes" if more > 0 else "")
