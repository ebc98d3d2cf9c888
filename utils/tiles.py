"""Tiles: equal, overlapping parts of a large picture, for looking at it at full resolution."""

from __future__ import annotations

import numpy as np

from utils.tiling import TILE_OVERLAP


def tile_layout(height: int, width: int, side: int, overlap: float = TILE_OVERLAP) -> np.ndarray:
    """The tiles that cover a picture, row by row.

    All tiles are squares of one size. Neighbours share ``overlap`` of their side; the last ones of
    a row and of a column are moved inwards, so they share more, and none leaves the picture. Where
    the picture is shorter than ``side``, tiles are as short as the picture.

    Args:
        height, width: of the picture in pixels, at least 1.
        side: of a tile in pixels, at least 1.
        overlap: at least this share of a tile's side lies in the next tile, 0 to below 1.

    Returns:
        int64 (N, 4) ``x0, y0, x1, y1`` in pixels, half-open: ``image[y0:y1, x0:x1]`` is a tile.
    """
    if min(height, width, side) < 1 or not 0 <= overlap < 1:
        raise ValueError(f"no tiles of {side} pixels, overlap {overlap}, in {width}×{height}")
    top, left = (
        grid.ravel()
        for grid in np.meshgrid(
            _starts(height, side, overlap), _starts(width, side, overlap), indexing="ij"
        )
    )
    return np.stack([left, top, left + min(side, width), top + min(side, height)], axis=1)


def _starts(length: int, side: int, overlap: float) -> np.ndarray:
    """int64: where the tiles of one axis begin."""
    if length <= side:
        return np.zeros(1, np.int64)
    step = max(1, int(side * (1 - overlap) + 1e-9))  # 10 × (1 − 0.2) is 8, not 7.999…
    last = length - side
    return np.append(np.arange(0, last, step, dtype=np.int64), last)
