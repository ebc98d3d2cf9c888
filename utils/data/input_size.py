"""The input size that the objects of a dataset need: ``input_size_for_objects``."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from utils.data.anchors import object_sizes
from utils.data.batches.input_shape import rectangular_aspect, training_shape
from utils.data.records import Dataset

SIZES = (256, 320, 416, 512, 640, 832, 1024)  # of the network input
MOST_PIXELS = 640 * 640  # of a training picture: the last two are for photos much wider than high
SMALL_SHARE = 0.1  # of the objects, which may be smaller than ...
SMALL_PIXELS = 24  # ... this (the root of their area): three cells of the finest level,
FEWEST_PIXELS = 12  # ... or, where there is little time, this
ENOUGH_PHOTOS = 4000  # seen in a run; below this, more photos gain more than larger ones


def input_size_for_objects(
    dataset: Dataset,
    aspect: tuple[float, float] | None = None,
    seen: Callable[[float], float] | None = None,
    planned: int | None = None,
) -> tuple[int, str]:
    """The smallest size at which nine objects in ten have ``SMALL_PIXELS``, and a sentence why.

    It is not larger than the photos, as enlarging adds no information. It is smaller where a run
    would otherwise see too few photos, as long as nine objects in ten have ``FEWEST_PIXELS``.

    Args:
        dataset: the photos.
        aspect: width and height of the network input in training, relative to the square; None
            for those that fit the photos.
        seen: pixels of a training picture → pictures that a run has the time for; None for any
            number.
        planned: pictures that the run sees, at most.
    """
    sides = np.sqrt(object_sizes(dataset, SIZES[-1]).prod(axis=1))  # at the largest size
    small = float(np.quantile(sides, SMALL_SHARE)) if len(sides) else SIZES[-1]
    photo = float(np.median([max(r.width, r.height) for r in dataset.records]))
    pixels = {size: _pixels(size, aspect or rectangular_aspect(dataset)) for size in SIZES}
    possible = [s for s in SIZES if s <= photo and pixels[s] <= MOST_PIXELS] or list(SIZES[:1])

    def enough(least: float) -> int:
        wanted = least / max(small, 1e-6) * SIZES[-1]
        return next((size for size in possible if size >= wanted - 1), possible[-1])

    size, why = enough(SMALL_PIXELS), ""
    if seen:
        lower = [s for s in possible if enough(FEWEST_PIXELS) <= s <= size]
        enough_photos = min(ENOUGH_PHOTOS, planned or ENOUGH_PHOTOS)
        affordable = [s for s in lower if seen(pixels[s]) >= enough_photos] or lower[:1]
        if affordable[-1] < size:
            size = affordable[-1]
            why = f", and in this time a run sees about {seen(pixels[size]):,.0f} photos of it"
    if not len(sides):
        return size, f"input size {size}: there are no objects to choose by"
    at_size = small * size / SIZES[-1]
    return size, (
        f"input size {size}: nine objects in ten are at least {at_size:.0f} pixels there "
        f"(root of their area){why}"
    )


def _pixels(size: int, aspect: tuple[float, float]) -> int:
    shape = training_shape(size, aspect)
    return shape.width * shape.height
