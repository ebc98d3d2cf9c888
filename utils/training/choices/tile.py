"""``--tile``: whether training shows crops of the photos, and how large these are."""

from __future__ import annotations

import numpy as np

from utils.data.anchors import object_sizes
from utils.data.batches.crops import CELL, Crops
from utils.data.input_size import MAX_TRAINING_PIXELS
from utils.data.records import Dataset
from utils.text import counted
from utils.tiling import TILE_KEY, Tiling

SMALL_SHARE = 0.5  # of the objects; where more are smaller than a cell, auto takes crops
USUAL_LARGEST = int(
    MAX_TRAINING_PIXELS**0.5
)  # the input size that auto has where it needs the most


def choose_tile(asked: str, train: Dataset, input_size: int | str) -> tuple[int | None, str]:
    """The side of the crops in pixels of the photos, None for whole photos; and a sentence why.

    ``auto`` takes crops where most objects would be smaller than a cell of the finest level on
    photos that are shown whole. The side is then that of the network input, so that a crop is
    shown at full resolution.

    Args:
        asked: ``auto``, ``off`` or pixels.
        train: the training photos.
        input_size: of the network in pixels; ``auto`` where it is not known yet, which counts as
            the largest that it usually has.
    """
    if asked != "auto":
        return (None, "") if asked == "off" else (int(asked), "")
    size = USUAL_LARGEST if input_size == "auto" else input_size
    sides = np.sqrt(object_sizes(train, size).prod(axis=1))
    longest = float(np.median([max(r.width, r.height) for r in train.records]))
    if not len(sides):
        return None, "tile auto: photos are shown whole, as there are no objects to choose by"
    share = float((sides < CELL).mean())
    why = (
        f"{share:.0%} of the objects would be smaller than {CELL} pixels in whole photos at an "
        f"input size of {size}"
    )
    if share <= SMALL_SHARE or longest <= size:
        return None, f"tile auto: photos are shown whole, as {why}"
    return size, f"tile auto: crops of {size} pixels, as {why}"


def crops_text(crops: Crops, photos: int) -> str:
    """A sentence on what an epoch has."""
    whole = int(crops.whole.sum())
    return (
        f"tiles of {crops.side} pixels: an epoch has {counted(len(crops) - whole, 'crop')} of "
        f"{counted(photos, 'photo')}, and {whole:,} larger than that as a whole; validation looks "
        "at tiles, too"
    )


def tile_facts(side: int | None) -> dict[str, dict[str, float]]:
    """What checkpoints record, for ``--tile auto`` of prediction: the side of a crop in pixels, and
    the overlap of the tiles of validation."""
    return {} if side is None else {TILE_KEY: {"side": side, "overlap": Tiling(side).overlap}}
