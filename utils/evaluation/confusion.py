"""The confusion matrix of a detector, with background as a class of its own."""

from __future__ import annotations

import numpy as np

from utils.evaluation.analysis import IOUS, Confusion
from utils.evaluation.matching import Matching
from utils.evaluation.overlaps import Overlaps
from utils.evaluation.tables import FoundTable, TruthTable
from utils.evaluation.voc import FALSE_POSITIVE, TRUE_POSITIVE


def confusion_matrix(
    truth: TruthTable,
    found: FoundTable,
    matching: Matching,
    overlaps: Overlaps,
    names: list[str],
    confidence: float,
) -> Confusion:
    """What detections from ``confidence`` on say against what is there, at IoU 0.5.

    The diagonal holds the true positives of precision and recall; only what these leave over is
    matched across classes, the pair with the highest IoU first, none twice. Difficult objects and
    the detections that meet them are left out.
    """
    background = len(names)
    counts = np.zeros((background + 1, background + 1), np.int64)
    kept = matching.order[found.scores[matching.order] >= confidence]
    what = matching.outcome[0, 0, kept]
    hits = kept[what == TRUE_POSITIVE]
    np.add.at(counts, (found.class_ids[hits], found.class_ids[hits]), 1)
    free_found = np.zeros(len(found), bool)
    free_found[kept[what == FALSE_POSITIVE]] = True
    free_truth = matching.counted[0].copy()
    free_truth[matching.met[0, hits]] = False

    left = np.flatnonzero(~overlaps.same_class & (overlaps.iou >= IOUS[0]))
    left = left[free_found[overlaps.found[left]] & free_truth[overlaps.truth[left]]]
    left = left[np.argsort(-overlaps.iou[left], kind="stable")]
    while len(left):
        a, b = overlaps.found[left], overlaps.truth[left]
        # A pair that comes first for both of its sides is the best for both.
        firsts = (np.unique(side, return_index=True)[1] for side in (a, b))
        best = np.intersect1d(*firsts)
        np.add.at(counts, (truth.class_ids[b[best]], found.class_ids[a[best]]), 1)
        free_found[a[best]], free_truth[b[best]] = False, False
        left = left[free_found[a] & free_truth[b]]

    np.add.at(counts[background], found.class_ids[free_found], 1)
    np.add.at(counts[:, background], truth.class_ids[free_truth], 1)
    return Confusion([*names, "background"], counts.tolist(), confidence, IOUS[0])
