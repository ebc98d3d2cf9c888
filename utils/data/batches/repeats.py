"""Repeat-factor sampling: photos of rare classes are seen more often than others.

Gupta et al., LVIS: A dataset for large vocabulary instance segmentation, 2019, appendix B.2.
An epoch keeps its length here, so other photos are seen less often than once an epoch.
"""

from __future__ import annotations

import numpy as np

from utils.data.records import Dataset
from utils.text import counted

MAX_REPEAT_FACTOR = 4.0  # times as often as photos without a rare class
NOTED = 1.5  # the log mentions photos from this factor on


def repeat_factors(dataset: Dataset, threshold: float) -> np.ndarray:
    """How often each photo is to be seen, relative to one that has no rare class.

    A class that is on a share f of the photos has the factor √(t / f), from 1 to
    ``MAX_REPEAT_FACTOR``. A photo has the highest factor of its classes. t is ``threshold``, or the
    mean f of the classes where that is less: among a hundred classes hardly any is on a quarter of
    the photos, and that does not make all of them rare. Difficult objects do not count, nor do
    classes on a single photo: those are often mistakes, and one picture over and over teaches
    little.

    Args:
        dataset: the photos.
        threshold: the share of the photos from which on no class is rare; 0 for no rare classes.

    Returns:
        float64 (N,), 1 or more.
    """
    if not threshold:
        return np.ones(len(dataset))
    present = [np.unique(record.class_ids[~record.difficult]) for record in dataset.records]
    photos = np.zeros(len(dataset.classes), np.int64)
    for class_ids in present:
        photos[class_ids] += 1
    counted_classes = photos > 1
    if not counted_classes.any():
        return np.ones(len(dataset))
    enough = min(threshold * len(dataset), photos[counted_classes].mean())
    factors = np.clip(np.sqrt(enough / np.maximum(photos, 1)), 1.0, MAX_REPEAT_FACTOR)
    factors[~counted_classes] = 1.0
    return np.array([factors[class_ids].max(initial=1.0) for class_ids in present])


def repeats_text(factors: np.ndarray) -> str:
    """A sentence on the photos with a factor of ``NOTED`` or more; "" where there are none."""
    often = int((factors >= NOTED).sum())
    if not often:
        return ""
    photos = counted(often, "photo has a rare class and is", "photos have rare classes and are")
    return f"{photos} seen up to {factors.max():.1f} times as often as photos without one"


def epoch_order(factors: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A random order of as many photos as there are, each in proportion to its factor.

    Systematic resampling: a photo comes as often as its factor over the mean factor says, rounded
    up or down at random. Equal factors give a permutation.

    Args:
        factors: (N,), above 0.
        rng: the source of random numbers.

    Returns:
        int64 (N,) numbers of the photos.
    """
    count = len(factors)
    order = rng.permutation(count)
    if count == 0 or (factors == factors[0]).all():
        return order
    ends = np.cumsum(factors[order])
    points = (rng.random() + np.arange(count)) * (ends[-1] / count)
    picked = np.minimum(np.searchsorted(ends, points, side="right"), count - 1)
    return rng.permutation(order[picked])
