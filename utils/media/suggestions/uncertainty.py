"""How unsure a detector is of photos: ``class_margins``, ``photo_uncertainty``.

An object with a score of 0.5 may as well be one as not: its margin is smallest there. Classes are
balanced, so that the many objects of a frequent class do not decide alone (margins summed over a
photo, with class weights: Brust, Käding & Denzler, *Active learning for deep object detection*,
2019; here the largest of each class counts, so that crowded photos are not preferred).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from utils.detections import Detections

LOWEST_SCORE = 0.05  # of objects that count


def class_margins(found: Detections) -> np.ndarray:
    """float64 (classes,): for each class how unsure its most unsure object is, 0 (sure, or none)
    to 1 (a score of 0.5)."""
    margins = np.zeros(len(found.class_names))
    unsure = 1 - np.abs(2 * found.scores.astype(np.float64) - 1)
    np.maximum.at(margins, found.class_ids, unsure)
    return margins


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


def photo_uncertainty(margins: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(N, classes) margins → (N,), 0 to 1: their weighted sum, as a share of the largest."""
    sums = margins @ weights
    return sums / sums.max() if len(sums) and sums.max() > 0 else sums
