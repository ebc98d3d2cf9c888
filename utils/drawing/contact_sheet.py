"""Several pictures on one sheet."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from utils.letterbox import Letterbox, resize

GAP = 8  # pixels between pictures


def contact_sheet(pictures: Sequence[np.ndarray], *, columns: int, cell: int) -> np.ndarray:
    """uint8 (h, w, 3) RGB pictures side by side on white.

    Each is fitted into ``cell`` × ``cell`` pixels; a row is as high as its highest picture.
    """
    fitted = [Letterbox(p.shape[1], p.shape[0], cell, cell) for p in pictures]
    small = [
        resize(p, f.inner_width, f.inner_height) for p, f in zip(pictures, fitted, strict=True)
    ]
    rows = [small[i : i + columns] for i in range(0, len(small), columns)]
    return np.vstack([_band(row, min(columns, len(small)), cell) for row in rows])


def _band(row: Sequence[np.ndarray], columns: int, cell: int) -> np.ndarray:
    height = max(picture.shape[0] for picture in row)
    band = np.full((height + GAP, columns * (cell + GAP), 3), 255, np.uint8)
    for i, picture in enumerate(row):
        top = (height - picture.shape[0]) // 2
        left = i * (cell + GAP) + (cell - picture.shape[1]) // 2
        band[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    return band
