"""How unsure a detector is of photos: ``class_uncertainty``, ``photo_uncertainty``.

A score of 0.5 is most uncertain: uncertainty = 1 − |2·score − 1|. Classes are balanced, so that the
many objects of a frequent class do not decide alone (summed over a photo, with class weights:
Brust, Käding & Denzler, *Active learning for deep object detection*, 2019; here the largest of each
class counts, so that crowded photos are not preferred).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from utils.detections import Detections

LOWEST_SCORE = 0.05  # of objects that count


def class_uncertainty(found: Detections) -> np.ndarray:
    """float64 (classes,): of each class the largest uncertainty of an object, 0 (sure, or no
    object) to 1 (a score of 0.5)."""
    by_class = np.zeros(len(found.class_names))
    uncertainty = 1 - np.abs(2 * found.scores.astype(np.float64) - 1)
    np.maximum.at(by_class, found.class_ids, uncertainty)
    return by_class


def class_weights(found: Sequence[Detections]) -> np.ndarray:
    """float64 (classes,): 1 on average, more for classes with few objects on all these photos.

    The expected number of objects of a class is the sum of their scores. Its square root counts, so
    that one odd detection of a class that never occurs does not decide.
    """
    expected = np.ones(len(found[0].class_names))
    for one in found:
        np.add.at(expected, one.class_ids, one.scores.astype(np.float64))
    weights = 1 / np.sqrt(expected)
    return weights / weights.mean()


def photo_uncertainty(uncertainty_by_class: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(N, classes) → (N,), 0 to 1: the sum weighted by class, as a share of the largest."""
    sums = uncertainty_by_class @ weights
    return sums / sums.max() if len(sums) and sums.max() > 0 else sums
