"""The confusion matrix of a detector, with background as a class of its own."""

from __future__ import annotations

import numpy as np

from utils.evaluation.matching import MatchedResults
from utils.evaluation.schema import IOUS, Confusion
from utils.evaluation.tables import FALSE_POSITIVE, TRUE_POSITIVE

MAX_ROWS = 2000  # classes with a row of their own: the matrix has the square of their number


def confusion_matrix(matched: MatchedResults, confidence: float) -> Confusion:
    """Predicted against true classes at IoU 0.5, of the detections from ``confidence`` on.

    The diagonal holds the true positives of precision and recall. The other detections and
    objects are matched across classes, the pair with the highest IoU first, none twice. Difficult
    objects and the detections that match them are left out. Of more than ``MAX_ROWS`` classes
    those with the fewest objects share the row and column ``other classes``. If one of them is
    taken for another, that is no true positive: both sides count as background.
    """
    truth, detections, pairs = matched.truth, matched.detections, matched.pairs
    names, row_of_class = _rows(matched)
    true_rows, found_rows = row_of_class[truth.class_ids], row_of_class[detections.class_ids]
    background = len(names)
    counts = np.zeros((background + 1, background + 1), np.int64)
    kept = matched.ranked_rows[detections.scores[matched.ranked_rows] >= confidence]
    outcome = matched.outcome[0, 0, kept]
    hits = kept[outcome == TRUE_POSITIVE]
    np.add.at(counts, (found_rows[hits], found_rows[hits]), 1)
    free_detection = np.zeros(len(detections), bool)
    free_detection[kept[outcome == FALSE_POSITIVE]] = True
    free_object = matched.counted[0].copy()
    free_object[matched.matched_gt[0, hits]] = False

    left = np.flatnonzero(~pairs.same_class & (pairs.iou >= IOUS[0]))
    left = left[free_detection[pairs.detection[left]] & free_object[pairs.truth[left]]]
    left = left[np.argsort(-pairs.iou[left], kind="stable")]
    while len(left):
        a, b = pairs.detection[left], pairs.truth[left]
        # A pair that comes first for both its detection and its object is the best for both.
        firsts = (np.unique(side, return_index=True)[1] for side in (a, b))
        best = np.intersect1d(*firsts)
        true, found = true_rows[b[best]], found_rows[a[best]]
        shared = true == found  # the row of two different classes
        np.add.at(counts, (true[~shared], found[~shared]), 1)
        np.add.at(counts[background], found[shared], 1)
        np.add.at(counts[:, background], true[shared], 1)
        free_detection[a[best]], free_object[b[best]] = False, False
        left = left[free_detection[a] & free_object[b]]

    np.add.at(counts[background], found_rows[free_detection], 1)
    np.add.at(counts[:, background], true_rows[free_object], 1)
    return Confusion([*names, "background"], counts.tolist(), confidence, IOUS[0])


def _rows(matched: MatchedResults) -> tuple[list[str], np.ndarray]:
    """The names of the rows without background, and the row of each class."""
    names = list(matched.names)
    if len(names) <= MAX_ROWS:
        return names, np.arange(len(names))
    objects = np.bincount(matched.truth.class_ids, minlength=len(names))
    own = np.sort(np.argsort(-objects, kind="stable")[:MAX_ROWS])
    rows = np.full(len(names), MAX_ROWS)
    rows[own] = np.arange(MAX_ROWS)
    return [*(names[i] for i in own), "other classes"], rows
