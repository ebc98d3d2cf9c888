"""The box of ``--heatmap-box``."""

from __future__ import annotations

import math
from typing import NamedTuple

from utils.text import exact


class Box(NamedTuple):
    """A box in pixels of the photo, continuous coordinates."""

    x0: float
    y0: float
    x1: float
    y1: float

    def __str__(self) -> str:
        return ",".join(map(exact, self))

    @classmethod
    def parse(cls, text: str) -> Box:
        """``x0,y0,x1,y1`` → the box.

        Raises:
            ValueError: it has another form, or no area.
        """
        try:
            box = cls(*map(float, text.split(",")))
        except (TypeError, ValueError):
            raise ValueError(f"{text!r} is not x0,y0,x1,y1, four numbers in pixels") from None
        if not (all(map(math.isfinite, box)) and box.x0 < box.x1 and box.y0 < box.y1):
            raise ValueError(f"{text!r} has no area; x0,y0 is its upper left corner")
        return box

    def inside(self, width: int, height: int) -> Box | None:
        """The part of it that lies on a photo of that size; None if there is none."""
        x0, y0 = max(self.x0, 0), max(self.y0, 0)
        x1, y1 = min(self.x1, width), min(self.y1, height)
        return Box(x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None
