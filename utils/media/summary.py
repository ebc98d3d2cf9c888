"""The summary at the end: how many pictures, how fast, which objects."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from statistics import median

from utils.detections import Detections
from utils.media.frames import Frame
from utils.text import counted

_MAX_CLASSES = 10  # named in the summary
_MAX_TIMES = 100_000  # kept, the newest: a camera may run for weeks


class LiveRate:
    """How many frames a second came from a camera or stream, and how many were processed."""

    def __init__(self, first: Frame) -> None:
        self._first = self._last = first.index, first.time_s
        self._looked_at = -1  # the first one ends no gap

    def add(self, frame: Frame) -> None:
        self._last = frame.index, frame.time_s
        self._looked_at += 1

    def __str__(self) -> str:
        came, passed = (last - first for first, last in zip(self._first, self._last, strict=True))
        if passed <= 0:
            return "one frame"
        return (
            f"{came / passed:.1f} frames a second came, {self._looked_at / passed:.1f} were looked "
            "at"
        )


@dataclass
class Summary:
    """Counts over all frames."""

    pictures: int = 0
    frames: int = 0  # of videos
    objects: Counter[str] = field(default_factory=Counter)  # by class name
    network_ms: deque[float] = field(default_factory=partial(deque, maxlen=_MAX_TIMES))  # of each
    problems: list[str] = field(default_factory=list)
    live: dict[str, LiveRate] = field(default_factory=dict)  # of cameras and streams, by name

    @property
    def total(self) -> int:
        return self.pictures + self.frames

    def add(self, frame: Frame, detections: Detections, network_ms: float) -> None:
        if frame.index is None:
            self.pictures += 1
        else:
            self.frames += 1
            if frame.duration_s is None:
                self.live.setdefault(frame.source.name, LiveRate(frame)).add(frame)
        self.objects.update(detections.names())
        self.network_ms.append(network_ms)

    def lines(self) -> Iterator[str]:
        """The summary, for people."""
        counts = ((self.pictures, "picture"), (self.frames, "video frame"))
        parts = [counted(number, what) for number, what in counts if number]
        speed = f"; network {median(self.network_ms):.1f} ms" if self.network_ms else ""
        if speed:  # the first one includes what a runtime does once: compiling, trying a precision
            speed += " each" if self.total > 1 else " (the first picture takes longest)"
        yield f"processed {' and '.join(parts) or 'nothing'}{speed}"
        for name, rate in self.live.items():
            yield f"{name}: {rate}"
        if self.problems:
            yield f"problems: {len(self.problems)}, see the warnings"
        found = self.objects.most_common()
        named = ", ".join(f"{name} {count}" for name, count in found[:_MAX_CLASSES])
        more = len(found) - _MAX_CLASSES
        yield f"objects: {named or 'none'}" + (f", and {more} more classes" if more > 0 else "")
