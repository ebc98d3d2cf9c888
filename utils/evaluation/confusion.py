"""The confusion matrix of a detector, with background as a class of its own."""

from __future__ import annotations

import numpy as np

from utils.evaluation.matching import MatchedResults
from utils.evaluation.schema import IOUS, Confusion
from utils.evaluation.tables import FALSE_POSITIVE, TRUE_POSITIVE


def confusion_matrix(matched: MatchedResults, confidence: float) -> Confusion:
    """Predicted against true classes at IoU 0.5, of the detections from ``confidence`` on.

    The diagonal holds the true positives of precision and recall. The other detections and
    objects are matched across classes, the pair with the highest IoU first, none twice. Difficult
    objects and the detections that match them are left out.
    """
    truth, detections, pairs = matched.truth, matched.detections, matched.pairs
    background = len(matched.names)
    counts = np.zeros((background + 1, background + 1), np.int64)
    kept = matched.order[detections.scores[matched.order] >= confidence]
    outcome = matched.outcome[0, 0, kept]
    hits = kept[outcome == TRUE_POSITIVE]
    np.add.at(counts, (detections.class_ids[hits], detections.class_ids[hits]), 1)
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
        np.add.at(counts, (truth.class_ids[b[best]], detections.class_ids[a[best]]), 1)
        free_detection[a[best]], free_object[b[best]] = False, False
        left = left[free_detection[a] & free_object[b]]

    np.add.at(counts[background], detections.class_ids[free_detection], 1)
    np.add.at(counts[:, background], truth.class_ids[free_object], 1)
    return Confusion([*matched.names, "background"], counts.tolist(), confidence, IOUS[0])
