"""``HeatMap``: heat in the cells of the network's levels, and on the pixels of the photo."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from utils.letterbox import Letterbox

Box = Sequence[float]


@dataclass(frozen=True, eq=False)
class HeatMap:
    """The sum of the maps of one or several levels.

    Attributes:
        levels: float32 (input height / stride, input width / stride), not negative, by stride.
        letterbox: where the photo lies in the network input.
        class_name: what the heat is evidence for; None for objectness.
        box: ``x0, y0, x1, y1`` in pixels of the photo, if it is that of one object.
        score: the best of the predictions that the map explains, 0 to 1.
        overlap: the highest IoU of a prediction with the box; None without a box.
    """

    levels: dict[int, np.ndarray]
    letterbox: Letterbox
    class_name: str | None = None
    box: tuple[float, float, float, float] | None = None
    score: float = 0.0
    overlap: float | None = None

    def on_photo(
        self, width: int | None = None, height: int | None = None, region: Box | None = None
    ) -> np.ndarray:
        """The heat on the photo, or on a part of it: float32 (height, width).

        It is linear between the centres of the cells: the centre of cell i lies stride · (i + ½)
        pixels from the border of the network input.

        Args:
            width, height: how many pixels the result has; by default one for each of the photo.
            region: ``x0, y0, x1, y1`` in pixels of the photo; all of it when None.
        """
        box = self.letterbox
        x0, y0, x1, y1 = region or (0, 0, box.width, box.height)
        width = width or max(1, round(x1 - x0))
        height = height or max(1, round(y1 - y0))
        x = (x0 + (np.arange(width) + 0.5) * (x1 - x0) / width) * box.scale[0] + box.left
        y = (y0 + (np.arange(height) + 0.5) * (y1 - y0) / height) * box.scale[1] + box.top
        heat = np.zeros((height, width), np.float32)
        for stride, cells in self.levels.items():
            rows, columns = cells.shape
            heat += _linear(y / stride, rows) @ cells @ _linear(x / stride, columns).T
        return heat

    def share_in(self, box: Box) -> float:
        """The share of the heat on the photo that lies in a box of the photo, 0 to 1."""
        inner = self.letterbox.inner_width, self.letterbox.inner_height
        heat = self.on_photo(*inner).astype(np.float64)
        scale = self.letterbox.scale
        across = _covered(box[0] * scale[0], box[2] * scale[0], inner[0])
        down = _covered(box[1] * scale[1], box[3] * scale[1], inner[1])
        return float(down @ heat @ across / max(heat.sum(), 1e-30))

    @cached_property
    def highest(self) -> float:
        """The largest value on the photo, to about a pixel of the network input."""
        return float(self.on_photo(self.letterbox.inner_width, self.letterbox.inner_height).max())


def _linear(positions: np.ndarray, cells: int) -> np.ndarray:
    """float32 (len(positions), cells): what each cell adds at the positions, in cells from the
    border; each row has a sum of 1. Before the first centre and after the last, the value stays."""
    centres = np.clip(positions - 0.5, 0, cells - 1)
    return np.maximum(1 - np.abs(centres[:, None] - np.arange(cells)), 0).astype(np.float32)


def _covered(low: float, high: float, count: int) -> np.ndarray:
    """(count,) the share of each pixel ``[i, i + 1)`` that lies between two coordinates."""
    start = np.arange(count)
    return np.clip(np.minimum(high, start + 1) - np.maximum(low, start), 0, 1)
