"""The shape of the network input in training: no wider or higher than the photos need.

The detector takes squares. Photos of 4:3 letterboxed in a square leave a quarter of it grey, and a
training step computes that quarter too. Rectangular training gives all photos one rectangle that
nine in ten of them fit into. Objects keep the size that they have in the square. The other photos
are made smaller, to three quarters at the smallest.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from utils.data.records import Dataset

STRIDE = 32
FITTING = 0.9  # of the photos
MIN_SCALE = 0.75  # of the others, relative to the square
MIN_SHORT_SIDE = 0.3  # of the square's side, for panoramas


class TrainingShape(NamedTuple):
    """The shape of a network input in training.

    Attributes:
        width, height: in pixels, multiples of 32.
        inner: (width, height) before they were rounded up; a photo at a scale of 1 is letterboxed
            into it.
    """

    width: int
    height: int
    inner: tuple[int, int]

    @classmethod
    def square(cls, size: int) -> TrainingShape:
        return cls(size, size, (size, size))


def rectangular_aspect(dataset: Dataset) -> tuple[float, float]:
    """Width and height, relative to a square, that nine in ten letterboxed photos fit into."""
    sides = np.array([(r.width, r.height) for r in dataset.records], np.float64)
    sides /= sides.max(axis=1, keepdims=True)
    aspect = np.quantile(sides, FITTING, axis=0)
    aspect = np.maximum(aspect, MIN_SCALE * sides.max(axis=0))
    width, height = np.maximum(aspect, MIN_SHORT_SIDE)
    return float(width), float(height)


def training_shape(size: int, aspect: tuple[float, float]) -> TrainingShape:
    """The shape for a network input of ``size`` pixels and an aspect relative to that square."""
    inner = (round(size * aspect[0]), round(size * aspect[1]))
    width, height = (math.ceil(side / STRIDE) * STRIDE for side in inner)
    return TrainingShape(width, height, inner)
