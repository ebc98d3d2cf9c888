"""Intersection over union in NumPy, for everything outside the network: NMS and scoring."""

from __future__ import annotations

import numpy as np


def iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """IoU of boxes ``x0, y0, x1, y1`` in continuous coordinates, so without ``+ 1``.

    ``a`` (..., 4) and ``b`` (..., 4) broadcast against each other; the result is (...), float64.
    It is 0 wherever the boxes share no area: for empty, inverted and merely touching boxes too.
    The quotient itself is formed, not ``intersection > threshold * union``: an IoU that equals a
    decimal threshold, say 3/5 and 0.6, then also compares equal to it.
    """
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    ax0, ay0, ax1, ay1 = (a[..., i] for i in range(4))
    bx0, by0, bx1, by1 = (b[..., i] for i in range(4))
    with np.errstate(over="ignore", invalid="ignore"):  # boxes of any finite size are legal
        width = np.minimum(ax1, bx1) - np.maximum(ax0, bx0)
        height = np.minimum(ay1, by1) - np.maximum(ay0, by0)
        shared = np.maximum(width, 0) * np.maximum(height, 0)
        union = (ax1 - ax0) * (ay1 - ay0) + (bx1 - bx0) * (by1 - by0) - shared
        # Where area is shared both boxes are proper and the union is positive; elsewhere any
        # positive number will do.
        return shared / np.where(shared > 0, union, 1.0)
