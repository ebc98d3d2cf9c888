"""The error breakdown of TIDE (Bolya et al., 2020; see ``schema.Errors``).

A false positive gets the first kind that fits:

- ``location``: an object of its class at IoU 0.1 to 0.5.
- ``class``: an object of another class at IoU 0.5.
- ``duplicate``: an object of its class that another detection matches.
- ``background``: no object at IoU 0.1.
- ``both``: the rest.

An unmatched object is ``missed``, unless a location or class error concerns it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from utils.evaluation.coco import coco_average_precisions
from utils.evaluation.matching import MatchedResults
from utils.evaluation.pairs import MIN_RELATED_IOU, DetectionTruthPairs
from utils.evaluation.schema import ERROR_KINDS
from utils.evaluation.tables import FALSE_POSITIVE, IGNORED, TRUE_POSITIVE

CLASS, LOCATION, BOTH, DUPLICATE, BACKGROUND, MISSED = range(len(ERROR_KINDS))
_FOREGROUND_IOU = 0.5


@dataclass(frozen=True)
class ErrorBreakdown:
    """Every error once, as columns.

    Attributes:
        rows: int64 (E,), detections that are false positives.
        kinds: int64 (E,), their kinds, as indices into ``ERROR_KINDS``.
        objects: int64 (E,), row of the object concerned; −1 for background.
        ious: float64 (E,), IoU with it; 0 for background.
        missed: int64 (M,), rows of objects that are missed.
        found: bool (G,), objects with a true positive.
    """

    rows: np.ndarray
    kinds: np.ndarray
    objects: np.ndarray
    ious: np.ndarray
    missed: np.ndarray
    found: np.ndarray

    def correctable(self, scores: np.ndarray, chosen: np.ndarray) -> np.ndarray:
        """Of the chosen errors, the one with the highest score for each object not found."""
        chosen = chosen[~self.found[self.objects[chosen]]]
        chosen = chosen[np.argsort(-scores[self.rows[chosen]], kind="stable")]
        return chosen[np.unique(self.objects[chosen], return_index=True)[1]]


def break_down_errors(matched: MatchedResults) -> ErrorBreakdown:
    """Give every false positive and every missed object its kind."""
    truth, pairs, order = matched.truth, matched.pairs, matched.ranked_rows
    rows = order[matched.outcome[0, 0, order] == FALSE_POSITIVE]
    hits = order[matched.outcome[0, 0, order] == TRUE_POSITIVE]
    found = np.zeros(len(truth), bool)
    found[matched.matched_gt[0, hits]] = True

    countable = ~truth.difficult[pairs.truth]
    count = len(matched.detections)
    own, own_iou = _nearest(pairs, countable & pairs.same_class, count)
    other, other_iou = _nearest(pairs, countable & ~pairs.same_class, count)
    own, own_iou, other, other_iou = own[rows], own_iou[rows], other[rows], other_iou[rows]
    location = (own_iou >= MIN_RELATED_IOU) & (own_iou < _FOREGROUND_IOU)
    other_class = other_iou >= _FOREGROUND_IOU
    duplicate = own_iou >= _FOREGROUND_IOU
    background = np.maximum(own_iou, other_iou) < MIN_RELATED_IOU
    kinds = np.select(
        [location, other_class, duplicate, background], [LOCATION, CLASS, DUPLICATE, BACKGROUND],
        BOTH,
    )  # fmt: skip
    of_own = location | (duplicate & ~other_class)
    objects = np.where(background, -1, np.where(of_own, own, other))
    ious = np.where(background, 0.0, np.where(of_own, own_iou, other_iou))

    explained = found.copy()
    explained[objects[(kinds == LOCATION) | (kinds == CLASS)]] = True
    missed = np.flatnonzero(matched.counted[0] & ~explained)
    return ErrorBreakdown(rows, kinds, objects, ious, missed, found)


def corrected_ap50(matched: MatchedResults, errors: ErrorBreakdown, kind: int) -> np.ndarray:
    """(C,) AP50 by class with all errors of one kind corrected; NaN without objects.

    For class and location errors, the detection with the highest score of each object not found
    becomes a true positive, and the others are removed. Duplicates, background and both are
    removed. Missed objects no longer count.
    """
    detections = matched.detections
    outcome = matched.outcome[0, 0].copy()
    labels = detections.class_ids
    counted = matched.counted[:1]
    chosen = np.flatnonzero(errors.kinds == kind)
    if kind == MISSED:
        counted = counted.copy()
        counted[0, errors.missed] = False
    else:
        outcome[errors.rows[chosen]] = IGNORED
    if kind in (CLASS, LOCATION):
        corrected = errors.correctable(detections.scores, chosen)
        outcome[errors.rows[corrected]] = TRUE_POSITIVE
        labels = labels.copy()
        labels[errors.rows[corrected]] = matched.truth.class_ids[errors.objects[corrected]]
    rows = matched.ranked_rows
    order = rows[np.lexsort((detections.image_ids[rows], -detections.scores[rows], labels[rows]))]
    edges = np.searchsorted(labels[order], np.arange(len(matched.class_offsets)))
    changed = replace(
        matched,
        outcome=outcome[None, None],
        ranked_rows=order,
        class_offsets=edges,
        counted=counted,
    )
    return coco_average_precisions(changed)[:, 0, 0]


def _nearest(
    pairs: DetectionTruthPairs, use: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """For each of ``count`` detections, the object with the highest IoU among the pairs in use.

    Returns:
        Its row, the first of equals (−1 for none), and the IoU (0 for none).
    """
    nearest, highest = np.full(count, -1, np.int64), np.zeros(count)
    use = np.flatnonzero(use & (pairs.iou >= MIN_RELATED_IOU))
    use = use[np.lexsort((-pairs.truth[use], pairs.iou[use]))]  # the last one written stays
    nearest[pairs.detection[use]] = pairs.truth[use]
    highest[pairs.detection[use]] = pairs.iou[use]
    return nearest, highest
