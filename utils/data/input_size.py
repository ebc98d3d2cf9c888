"""The input size that a dataset's objects ask for: ``choose_input_size``."""

from __future__ import annotations

import numpy as np

from utils.data.anchors import object_sizes
from utils.data.records import Dataset

SIZES = (256, 320, 416, 512, 640)  # of the network input, that are chosen from
SMALL_SHARE = 0.1  # of the objects, which may be smaller than ...
SMALL_PIXELS = 24  # ... this (the root of their area): three cells of the finest level


def choose_input_size(dataset: Dataset) -> tuple[int, str]:
    """The smallest size at which nine objects in ten can be seen well, and a sentence why.

    Never larger than the photos themselves: pixels that are made up show nothing.
    """
    sides = np.sqrt(object_sizes(dataset, SIZES[-1]).prod(axis=1))  # at the largest size
    small = float(np.quantile(sides, SMALL_SHARE)) if len(sides) else SMALL_PIXELS
    wanted = SMALL_PIXELS / max(small, 1e-6) * SIZES[-1]
    photo = float(np.median([max(r.width, r.height) for r in dataset.records]))
    possible = [size for size in SIZES if size <= photo] or list(SIZES[:1])
    size = next((size for size in possible if size >= wanted - 1), possible[-1])
    at_size = small * size / SIZES[-1]
    return size, (
        f"input size {size}: nine objects in ten are at least {at_size:.0f} pixels there "
        "(root of their area)"
    )
