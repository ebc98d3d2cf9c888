"""``FrameDrawer``: the drawn picture of a frame, for files and for the window."""

from __future__ import annotations

import numpy as np

from utils.detections import Detections
from utils.drawing.caption import draw_caption
from utils.media.frames import Frame
from utils.media.outputs import Draw
from utils.media.rate import Rate


class FrameDrawer:
    """Draws what is found on each frame, and on videos an overlay if asked.

    Args:
        draw: gives the picture of a frame, with what is found.
        overlay: draw the number of the frame, its time and the frames a second that are done.
    """

    def __init__(self, draw: Draw, *, overlay: bool = False) -> None:
        self._draw = draw
        self._overlay = overlay
        self._rate = Rate()
        self._last: tuple[Frame, np.ndarray] | None = None  # a file and the window may ask for it

    def __call__(self, frame: Frame, detections: Detections) -> np.ndarray:
        """uint8 (H, W, 3) RGB, not to be changed. Frames come in order; the last one may again."""
        if self._last is None or self._last[0] is not frame:
            picture = self._draw(frame, detections)
            if self._overlay and frame.index is not None:
                draw_caption(picture, self._caption(frame))
            self._last = frame, picture
        return self._last[1]

    def _caption(self, frame: Frame) -> str:
        rate = self._rate.count()
        minutes, seconds = divmod(round(frame.time_s, 1), 60)
        parts = [f"frame {frame.index}", f"{minutes:.0f}:{seconds:04.1f}"]
        return "  ".join([*parts, f"{rate:.1f} fps"] if rate else parts)
