"""The shape of the network input in training: no wider or higher than the photos need.

The detector takes squares. Photos of 4:3 letterboxed in a square leave a quarter of it grey, and a
training step computes that quarter too. In training all photos share a rectangle that nine in ten
of them fit into instead. Objects keep the size that they have in the square; the other photos are
made smaller, to three quarters at the smallest.
"""

from __future__ import annotations

import math

import numpy as np

from utils.data.augment.compose import Canvas
from utils.data.records import Dataset

STRIDE = 32
FITTING = 0.9  # of the photos
SMALLEST_SCALE = 0.75  # of the others, relative to the square
SMALLEST_SHARE = 0.3  # of the square's side, for panoramas


def canvas_shares(dataset: Dataset) -> tuple[float, float]:
    """Shares of a square's width and height that nine in ten letterboxed photos fit into."""
    sides = np.array([(r.width, r.height) for r in dataset.records], np.float64)
    sides /= sides.max(axis=1, keepdims=True)
    shares = np.quantile(sides, FITTING, axis=0)
    shares = np.maximum(shares, SMALLEST_SCALE * sides.max(axis=0))
    width, height = np.maximum(shares, SMALLEST_SHARE)
    return float(width), float(height)


def canvas_of(size: int, shares: tuple[float, float]) -> Canvas:
    """The canvas for a square network input of ``size`` pixels."""
    frame = (round(size * shares[0]), round(size * shares[1]))
    width, height = (math.ceil(side / STRIDE) * STRIDE for side in frame)
    return Canvas(width, height, frame)
