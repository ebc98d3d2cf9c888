"""The input sizes that the objects of a dataset need: ``SizeNeeds``, ``input_size_for_objects``."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from utils.data.anchors import object_sizes
from utils.data.batches.input_shape import rectangular_aspect, training_shape
from utils.data.records import Dataset

INPUT_SIZES = (256, 320, 416, 512, 640, 832, 1024)  # side of the network input in pixels
DEFAULT_SIZE = 416  # where the objects need less, and the photos have it
MAX_TRAINING_PIXELS = (
    640 * 640
)  # of a training picture: the last two are for photos much wider than high
# The side of an object is the root of its area, in pixels of the network input.
SMALL_QUANTILE = 0.1  # of the sides: this share of the objects may be smaller than ...
MIN_OBJECT_SIDE = 24  # ... this: three cells of the finest level (stride 8)
MIN_OBJECT_SIDE_SHORT_RUN = 12  # instead, where there is little time


@dataclass(frozen=True)
class SizeNeeds:
    """What sizes of the network input make sense for a dataset.

    Attributes:
        possible: sides in pixels, ascending; none is larger than the photos, as enlarging adds no
            information.
        needed: the side in pixels, not rounded, at which nine objects in ten have
            ``MIN_OBJECT_SIDE``; None without objects.
        aspect: width and height of the network input in training, relative to the square.
    """

    possible: tuple[int, ...]
    needed: float | None
    aspect: tuple[float, float]

    @classmethod
    def of(cls, dataset: Dataset, aspect: tuple[float, float] | None = None) -> SizeNeeds:
        """The sizes for a dataset.

        Args:
            dataset: the photos.
            aspect: width and height of the network input in training, relative to the square; None
                for those that fit the photos.
        """
        sides = np.sqrt(object_sizes(dataset, INPUT_SIZES[-1]).prod(axis=1))  # at the largest size
        photo = float(np.median([max(r.width, r.height) for r in dataset.records]))
        aspect = aspect or rectangular_aspect(dataset)
        possible = tuple(
            s for s in INPUT_SIZES if s <= photo and _pixels(s, aspect) <= MAX_TRAINING_PIXELS
        )
        needed = None
        if len(sides):
            small = max(float(np.quantile(sides, SMALL_QUANTILE)), 1e-6)
            needed = MIN_OBJECT_SIDE / small * INPUT_SIZES[-1]
        return cls(possible or INPUT_SIZES[:1], needed, aspect)

    def pixels(self, size: int) -> int:
        """Pixels of a training picture at any size, also one that is not ``possible``."""
        return _pixels(size, self.aspect)

    def smallest(self, least: float = MIN_OBJECT_SIDE) -> int:
        """The smallest possible size at which nine objects in ten have a side of ``least``."""
        wanted = (self.needed or 0.0) * least / MIN_OBJECT_SIDE
        return next((size for size in self.possible if size >= wanted - 1), self.possible[-1])

    @property
    def default(self) -> int:
        """The size without a limit of time: what the objects need, at least ``DEFAULT_SIZE``."""
        if self.needed is None:
            return self.possible[0]
        return max(self.smallest(), *(size for size in self.possible if size <= DEFAULT_SIZE))

    def sentence(self, size: int) -> str:
        """How large objects are in a network input of this size."""
        if self.needed is None:
            return f"input size {size}: there are no objects to choose by"
        return (
            f"input size {size}: nine objects in ten are at least "
            f"{MIN_OBJECT_SIDE * size / self.needed:.0f} pixels there (root of their area)"
        )


def input_size_for_objects(
    dataset: Dataset, aspect: tuple[float, float] | None = None
) -> tuple[int, str]:
    """The size that a run without a limit of time takes, and a sentence why.

    Args:
        dataset, aspect: as for ``SizeNeeds.of``.
    """
    needs = SizeNeeds.of(dataset, aspect)
    return needs.default, needs.sentence(needs.default)


def _pixels(size: int, aspect: tuple[float, float]) -> int:
    shape = training_shape(size, aspect)
    return shape.width * shape.height
