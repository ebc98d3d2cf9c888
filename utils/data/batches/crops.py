"""Crops: training pictures that show large photos as prediction in tiles does.

``predict.py --tile`` shows the network tiles of a large photo at full resolution, and the whole
photo once. So an epoch of ``train.py --tile`` has, for each photo larger than a tile, crops of a
tile's side at random places, and about once the whole photo. Photos up to that size are used whole.

How many crops a photo has follows from its objects and its area: two for each object, at least one,
and at most as many as have the photo's area. Every other crop, at random, is aimed at an object, so
each object is the aim of about one crop an epoch. The others lie anywhere, and most of these are
background where objects are rare.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from utils.data.records import Dataset

CROPS_PER_OBJECT = 2
AIMED = 0.5  # share of the crops that are aimed at an object
# Of an object's area, for it to be trained on. A tile's border cuts an object in two parts, and the
# neighbouring tile shows at least the other one. So with half of the area, every object is taught
# in one of two neighbours, and no part that a person would not call the object is. Less is ignored:
# it is neither an object nor background.
MIN_VISIBLE = 0.5
# Pixels of the network input (root of the area): one cell of the finest level. Smaller objects are
# ignored where a photo is shown whole, as tiles show them larger.
CELL = 8


@dataclass(frozen=True)
class Crops:
    """The pictures of an epoch, in the order of the photos.

    Attributes:
        side: of a crop in pixels of the photo.
        photos: int64 (E,), index of the record that each picture shows.
        whole: bool (E,), whether it shows all of a photo that is larger than a crop.
    """

    side: int
    photos: np.ndarray
    whole: np.ndarray

    @classmethod
    def of(cls, dataset: Dataset, side: int) -> Crops:
        """The crops that the photos need, and one whole view of each larger photo."""
        sizes = np.array([(r.width, r.height) for r in dataset.records], np.int64).reshape(-1, 2)
        objects = np.array([np.count_nonzero(~r.difficult) for r in dataset.records], np.int64)
        larger = sizes.max(axis=1) > side
        counts = crop_counts(sizes, objects, side) + larger
        last = np.cumsum(counts) - 1
        whole = np.zeros(counts.sum(), bool)
        whole[last[larger]] = True
        return cls(side, np.repeat(np.arange(len(counts)), counts), whole)

    def __len__(self) -> int:
        return len(self.photos)

    def visible_size(self, photo: tuple[int, int]) -> tuple[int, int]:
        """(width, height) of the part of a photo of that size that a crop shows."""
        return min(photo[0], self.side), min(photo[1], self.side)


def crop_counts(sizes: np.ndarray, objects: np.ndarray, side: int) -> np.ndarray:
    """int64 (P,): the crops of each photo in an epoch.

    Args:
        sizes: int (P, 2), width and height in pixels.
        objects: int (P,), how many each photo has.
        side: of a crop in pixels.
    """
    by_area = np.rint(np.maximum(sizes, side).astype(np.float64).prod(axis=1) / side**2)
    return np.clip(CROPS_PER_OBJECT * objects, 1, by_area.astype(np.int64))


def crop_corner(
    photo: tuple[int, int],
    view: tuple[float, float],
    targets: np.ndarray,
    u: np.ndarray,
) -> tuple[float, float]:
    """Where a crop begins in its photo: ``x, y`` in pixels.

    A crop that is aimed at an object shows all of it where it fits, otherwise as much as it can
    hold. Each place that does so, or any place, is equally likely.

    Args:
        photo: its (width, height).
        view: (width, height) of the crop, in pixels of the photo. Where it is longer than the
            photo, the crop begins at 0.
        targets: float (N, 4), the boxes that it may be aimed at.
        u: four uniform random numbers in [0, 1): aimed or not, at which, x and y.
    """
    low, high = np.zeros(2), np.maximum(np.subtract(photo, view), 0.0)
    if len(targets) and u[0] < AIMED:
        box = targets[int(u[1] * len(targets))].astype(np.float64)
        ends = np.stack([box[:2], box[2:] - view])  # the crop begins or ends where the box does
        ends = np.clip(ends, 0.0, high)
        low, high = ends.min(axis=0), ends.max(axis=0)
    x, y = low + u[2:4] * (high - low)
    return float(x), float(y)


def too_small(boxes: np.ndarray) -> np.ndarray:
    """bool (N,): which of the (N, 4) boxes in the network input are smaller than ``CELL``."""
    return (boxes[:, 2:] - boxes[:, :2]).prod(axis=1) < CELL**2


def limited_to_crop_size(dataset: Dataset, side: int) -> Dataset:
    """Photos and objects no larger than a crop, for what is chosen by their sizes.

    Objects keep their size but not their place.
    """
    records = []
    for record in dataset.records:
        size = min(record.width, side), min(record.height, side)
        boxes = np.zeros_like(record.boxes)
        boxes[:, 2:] = np.minimum(record.boxes[:, 2:] - record.boxes[:, :2], size)
        records.append(replace(record, width=size[0], height=size[1], boxes=boxes, areas=None))
    return replace(dataset, records=tuple(records))
