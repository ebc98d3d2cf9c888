"""Repeat-factor sampling: photos of rare classes are seen more often than others.

Gupta et al., LVIS: A dataset for large vocabulary instance segmentation, 2019, section 4.2.
An epoch keeps its length here, so other photos are seen a little less often than once an epoch.
"""

from __future__ import annotations

import numpy as np

from utils.data.records import Dataset


def repeat_factors(dataset: Dataset, share: float) -> np.ndarray:
    """How often each photo is to be seen, relative to one that has no rare class.

    A class that is on a share f of the photos has the factor √(``share`` / f), at least 1. A photo
    has the highest factor of its classes. Difficult objects do not count.

    Args:
        dataset: the photos.
        share: of the photos, below which a class is rare; 0 for none.

    Returns:
        float64 (N,), 1 or more.
    """
    present = np.zeros((len(dataset), max(len(dataset.classes), 1)), bool)
    for number, record in enumerate(dataset.records):
        present[number, record.class_ids[~record.difficult]] = True
    photos = np.maximum(present.sum(axis=0), 1)
    factors = np.sqrt(np.maximum(share * len(dataset) / photos, 1.0))
    return np.where(present, factors, 1.0).max(axis=1)


def epoch_order(weights: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A random order of as many photos as there are, each in proportion to its weight.

    Systematic resampling: a photo comes as often as its weight over the mean weight says, rounded
    up or down at random. Equal weights give a permutation.

    Args:
        weights: (N,), above 0.
        rng: the source of random numbers.

    Returns:
        int64 (N,) numbers of the photos.
    """
    count = len(weights)
    order = rng.permutation(count)
    if count == 0 or (weights == weights[0]).all():
        return order
    ends = np.cumsum(weights[order])
    points = (rng.random() + np.arange(count)) * (ends[-1] / count)
    picked = np.minimum(np.searchsorted(ends, points, side="right"), count - 1)
    return rng.permutation(order[picked])
