"""Which frames of a video are processed: ``--start``, ``--end``, ``--stride`` and ``--fps``."""

from __future__ import annotations

import re
from dataclasses import dataclass

_STAMP_ERROR_S = 0.0006  # time stamps are often rounded to milliseconds


@dataclass(frozen=True)
class FrameSelection:
    """The frames of each video that are processed; all pictures are.

    Attributes:
        start_s, end_s: seconds from the start of the video; ``end_s`` itself is out.
        stride: every N-th frame, the first one included.
        fps: at most so many frames a second: of each period of 1/fps the first frame.
    """

    start_s: float = 0.0
    end_s: float | None = None
    stride: int = 1
    fps: float | None = None

    def takes(self, index: int, time_s: float, before_s: float | None) -> bool:
        """Whether a frame is processed.

        Args:
            index: its number in the video, from 0.
            time_s: its time.
            before_s: the time of the frame before it; None for the first one.
        """
        if time_s < self.start_s or self.is_past(time_s) or index % self.stride:
            return False
        if self.fps is None or before_s is None or before_s < self.start_s:
            return True
        return self._period(time_s) != self._period(before_s)

    def is_past(self, time_s: float) -> bool:
        """Whether a time lies behind the part that is processed."""
        return self.end_s is not None and time_s >= self.end_s

    def why_none(self, last_s: float | None, end_s: float) -> str:
        """Why no frame of a video was processed.

        Args:
            last_s: the time of its last frame, or of the last one before ``--end``.
            end_s: where the video ends, or its first time behind ``--end``.
        """
        if last_s is not None and last_s >= self.start_s:
            return f"--stride {self.stride} leaves out every frame of the part that is asked for"
        if self.is_past(end_s):
            return f"it has no frame between {self.start_s:g} and {self.end_s:g} s"
        end = f"it ends at {end_s:.1f} s" if last_s is None else f"its last is at {last_s:.2f} s"
        return f"it has no frame from {self.start_s:g} s on: {end}"

    def rate(self, fps: float) -> float:
        """Frames a second that are taken of a video with ``fps``."""
        return min(fps / self.stride, self.fps or fps)

    def _period(self, time_s: float) -> int:
        return int((time_s + _STAMP_ERROR_S) * self.fps)


EVERY_FRAME = FrameSelection()


def seconds(text: str) -> float:
    """``90``, ``1:30`` or ``0:01:30.5`` → seconds.

    Raises:
        ValueError: anything else.
    """
    if not re.fullmatch(r"(\d+:){0,2}\d+(\.\d*)?", text):
        raise ValueError(f"{text!r} is no time; give seconds (90.5), m:ss or h:mm:ss")
    total = 0.0
    for part in text.split(":"):
        total = 60 * total + float(part)
    return total
