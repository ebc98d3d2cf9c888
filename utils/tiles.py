"""Tiles: equal, overlapping parts of a large picture, for looking at it at full resolution."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from utils.errors import UserError
from utils.tiling import TILE_OVERLAP

MAX_TILES = 100_000  # of a picture: 20,000×20,000 pixels have 6,500 of 320 pixels


class Area(NamedTuple):
    """What the network sees of a picture at a time.

    Attributes:
        bounds: ``x0, y0, x1, y1`` in pixels, half-open: ``image[y0:y1, x0:x1]``.
        min_length: in pixels; objects no longer than this are left to the next finer level, where
            they lie whole in a tile. 0 where there is none.
    """

    bounds: tuple[int, int, int, int]
    min_length: float


def picture_areas(
    height: int, width: int, sides: Sequence[int], overlap: float, name: str = ""
) -> list[Area]:
    """The whole picture, then its tiles of all levels, the largest first.

    Args:
        height, width: of the picture in pixels.
        sides: of tiles in pixels, the smallest first.
        overlap: of neighbouring tiles, as a share of their side.
        name: of the picture, for the error.

    Raises:
        UserError: more than ``MAX_TILES``.
    """
    count = sum(_count(height, s, overlap) * _count(width, s, overlap) for s in sides)
    if count > MAX_TILES:
        raise UserError(
            f"{name or 'a picture'}: its {width}×{height} pixels would have {count:,} tiles, and "
            f"{MAX_TILES:,} are allowed; give larger tiles, or less overlap"
        )
    min_lengths = [0.0, *(overlap * side for side in sides)]
    areas = [Area((0, 0, width, height), min_lengths[len(sides)])]
    for level in reversed(range(len(sides))):
        for bounds in tile_layout(height, width, sides[level], overlap).tolist():
            areas.append(Area(tuple(bounds), min_lengths[level]))
    return areas


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
    last = length - side
    return np.append(np.arange(0, last, _step(side, overlap), dtype=np.int64), last)


def _count(length: int, side: int, overlap: float) -> int:
    """How many tiles one axis has."""
    return 1 if length <= side else 1 - (side - length) // _step(side, overlap)


def _step(side: int, overlap: float) -> int:
    """From one tile to the next, in pixels."""
    return max(1, int(side * (1 - overlap) + 1e-9))  # 10 × (1 − 0.2) is 8, not 7.999…
