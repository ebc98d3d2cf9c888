"""Several pictures on one sheet."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from utils.letterbox import Letterbox, resize

GAP = 8  # pixels between pictures


def contact_sheet(pictures: Sequence[np.ndarray], *, columns: int, cell: int) -> np.ndarray:
    """uint8 (h, w, 3) RGB pictures side by side on white, each fitted into ``cell`` pixels."""
    columns = min(columns, len(pictures))
    rows = -(-len(pictures) // columns)
    step = cell + GAP
    sheet = np.full((rows * step + GAP, columns * step + GAP, 3), 255, np.uint8)
    for i, picture in enumerate(pictures):
        row, column = divmod(i, columns)
        fitted = Letterbox(picture.shape[1], picture.shape[0], cell, cell)
        top, left = GAP + row * step + fitted.top, GAP + column * step + fitted.left
        small = resize(picture, fitted.inner_width, fitted.inner_height)
        sheet[top : top + small.shape[0], left : left + small.shape[1]] = small
    return sheet
