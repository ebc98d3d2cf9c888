"""What a detector gets wrong, sorted as TIDE does (Bolya et al., 2020; see ``analysis.Errors``).

A false positive is, by the first that fits: ``location`` (an object of its class at IoU 0.1 to
0.5), ``class`` (an object of another class at IoU 0.5), ``duplicate`` (an object of its class that
is found already), ``background`` (nothing at IoU 0.1) or ``both``. An object that is not found is
``missed`` unless an error of location or class concerns it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from utils.evaluation.analysis import ERROR_KINDS
from utils.evaluation.average_precision import average_precisions
from utils.evaluation.matching import Matching
from utils.evaluation.overlaps import LOWEST, Overlaps
from utils.evaluation.tables import FoundTable, TruthTable
from utils.evaluation.voc import FALSE_POSITIVE, IGNORED, TRUE_POSITIVE

CLASS, LOCATION, BOTH, DUPLICATE, BACKGROUND, MISSED = range(len(ERROR_KINDS))
_FOREGROUND = 0.5


@dataclass(frozen=True)
class Sorted:
    """Errors as columns.

    Attributes:
        rows: int64 (E,), detections that are false positives.
        kinds: int64 (E,), of each of them, an index into ``ERROR_KINDS``.
        objects: int64 (E,), row of the object concerned; −1 for background.
        ious: float64 (E,), IoU with it; 0 for background.
        missed: int64 (M,), rows of objects that are missed.
        found: bool (G,), objects that are found.
    """

    rows: np.ndarray
    kinds: np.ndarray
    objects: np.ndarray
    ious: np.ndarray
    missed: np.ndarray
    found: np.ndarray


def sort_errors(
    truth: TruthTable, found: FoundTable, matching: Matching, overlaps: Overlaps
) -> Sorted:
    """Every error of a detector, each once."""
    order = matching.order
    rows = order[matching.outcome[0, 0, order] == FALSE_POSITIVE]
    hits = order[matching.outcome[0, 0, order] == TRUE_POSITIVE]
    was_found = np.zeros(len(truth), bool)
    was_found[matching.met[0, hits]] = True

    countable = ~truth.difficult[overlaps.truth]
    own, own_iou = _best(overlaps, countable & overlaps.same_class, len(found))
    other, other_iou = _best(overlaps, countable & ~overlaps.same_class, len(found))
    own, own_iou, other, other_iou = own[rows], own_iou[rows], other[rows], other_iou[rows]
    at_own = (own_iou >= LOWEST) & (own_iou < _FOREGROUND)
    at_other = other_iou >= _FOREGROUND
    again = own_iou >= _FOREGROUND
    nothing = np.maximum(own_iou, other_iou) < LOWEST
    kinds = np.select(
        [at_own, at_other, again, nothing], [LOCATION, CLASS, DUPLICATE, BACKGROUND], BOTH
    )
    of_own = at_own | (again & ~at_other)
    objects = np.where(nothing, -1, np.where(of_own, own, other))
    ious = np.where(nothing, 0.0, np.where(of_own, own_iou, other_iou))

    explained = was_found.copy()
    explained[objects[(kinds == LOCATION) | (kinds == CLASS)]] = True
    missed = np.flatnonzero(matching.counted[0] & ~explained)
    return Sorted(rows, kinds, objects, ious, missed, was_found)


def mended_ap50(
    truth: TruthTable, found: FoundTable, matching: Matching, errors: Sorted, images: int, kind: int
) -> np.ndarray:
    """(C,) AP50 by class if all errors of a kind were mended; NaN without objects.

    Mending a class or a location makes the best-scored such detection of each object not found a
    true positive and takes the others away; duplicates, background and both are taken away; missed
    objects leave the count of objects.
    """
    outcome = matching.outcome[0, 0].copy()
    labels = found.class_ids
    counted = matching.counted[:1]
    chosen = np.flatnonzero(errors.kinds == kind)
    if kind == MISSED:
        counted = counted.copy()
        counted[0, errors.missed] = False
    else:
        outcome[errors.rows[chosen]] = IGNORED
    if kind in (CLASS, LOCATION):
        mended = mendable(found, errors, chosen)
        outcome[errors.rows[mended]] = TRUE_POSITIVE
        labels = labels.copy()
        labels[errors.rows[mended]] = truth.class_ids[errors.objects[mended]]
    rows = matching.order
    order = rows[np.lexsort((found.image_ids[rows], -found.scores[rows], labels[rows]))]
    edges = np.searchsorted(labels[order], np.arange(len(matching.edges)))
    changed = replace(
        matching, outcome=outcome[None, None], order=order, edges=edges, counted=counted
    )
    once = np.ones((images, 1))
    return average_precisions(truth, found, changed, once)[:, 0, 0]


def mendable(found: FoundTable, errors: Sorted, chosen: np.ndarray) -> np.ndarray:
    """Of the chosen errors, the best-scored for each object that is not found."""
    chosen = chosen[~errors.found[errors.objects[chosen]]]
    chosen = chosen[np.argsort(-found.scores[errors.rows[chosen]], kind="stable")]
    return chosen[np.unique(errors.objects[chosen], return_index=True)[1]]


def costs(
    truth: TruthTable, found: FoundTable, matching: Matching, errors: Sorted
) -> tuple[np.ndarray, np.ndarray]:
    """(cost of each false positive (E,), cost of each missed object (M,)), in AP50.

    To first order, with precision as it is rather than made monotone: a false positive lowers the
    precision at each true positive after it from t / (n − 1) to t / n, a missed object holds its
    class's AP50 down by one part in its number of objects. A false positive whose mending would
    find an object costs that as well.
    """
    classes = len(matching.edges) - 1
    positives = np.bincount(truth.class_ids[matching.counted[0]], minlength=classes)
    share = 1 / max(1, np.count_nonzero(positives))  # one class's part in the mean
    lowers = np.zeros(len(found))
    gains = np.zeros(classes)
    for class_id in np.flatnonzero(positives):
        rows = matching.of_class(class_id)
        what = matching.outcome[0, 0, rows]
        rows, what = rows[what != IGNORED], what[what != IGNORED]
        hit = what == TRUE_POSITIVE
        true, n = np.cumsum(hit), np.arange(1, len(rows) + 1)
        precision = true / n
        lost = np.where(hit, true / np.maximum(n - 1, 1) - precision, 0.0)
        lowers[rows] = share * np.cumsum(lost[::-1])[::-1] / positives[class_id]
        area = float(precision[hit].sum()) / positives[class_id]
        gains[class_id] = share * max(area, 1 / positives[class_id]) / positives[class_id]
    cost = lowers[errors.rows]
    for kind in (CLASS, LOCATION):
        best = mendable(found, errors, np.flatnonzero(errors.kinds == kind))
        cost[best] += gains[truth.class_ids[errors.objects[best]]]
    return cost, gains[truth.class_ids[errors.missed]]


def _best(overlaps: Overlaps, use: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """For each of ``count`` detections the object with the highest IoU (−1) among the pairs in
    use, the first of equals, and that IoU (0)."""
    best, highest = np.full(count, -1, np.int64), np.zeros(count)
    use = np.flatnonzero(use & (overlaps.iou >= LOWEST))
    use = use[np.lexsort((-overlaps.truth[use], overlaps.iou[use]))]  # the last written stays
    best[overlaps.found[use]] = overlaps.truth[use]
    highest[overlaps.found[use]] = overlaps.iou[use]
    return best, highest
