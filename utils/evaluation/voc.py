"""Average precision as the PASCAL VOC development kits compute it, in NumPy.

``match_voc`` decides what each detection is. ``voc_average_precisions`` turns that into AP by
class. The rules are those of ``VOCevaldet.m`` and ``VOCap.m`` (Everingham and others, "The PASCAL
Visual Object Classes Challenge", development kits 2007 and 2010). The kits count pixels
inclusively and add 1 to every width. Continuous boxes give the same numbers without it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from utils.evaluation.pairs import rows_with_equal_keys
from utils.evaluation.tables import (
    FALSE_POSITIVE,
    IGNORED,
    TRUE_POSITIVE,
    DetectionTable,
    GroundTruthTable,
)
from utils.overlap import iou as box_iou

VOC_MIN_IOU = 0.5


@dataclass(frozen=True)
class VocMatches:
    """What each detection is, in the order of the detections' table.

    Attributes:
        outcome: int8 (D,), ``TRUE_POSITIVE``, ``FALSE_POSITIVE`` or ``IGNORED``.
        rank: int64 (D,), rows of the detections by falling score, ties by image id, then by row.
    """

    outcome: np.ndarray
    rank: np.ndarray


@dataclass(frozen=True)
class VocCurve:
    """Running counts of one class, over its detections by falling score.

    Attributes:
        true_positives: int64 (n,), running count.
        positives: number of objects that count (not difficult).
    """

    true_positives: np.ndarray
    positives: int

    @property
    def precision(self) -> np.ndarray:
        """float64 (n,)."""
        return self.true_positives / np.arange(1, len(self.true_positives) + 1)


def match_voc(
    truth: GroundTruthTable, detections: DetectionTable, min_iou: float = VOC_MIN_IOU
) -> VocMatches:
    """Match detections with objects.

    A detection can match only the object of its image and class with the highest IoU, even if
    that object is difficult or already found. Below ``min_iou`` it is a false positive. On a
    difficult object it is ignored. Otherwise the detection with the highest score is a true
    positive, and the others are false positives.
    """
    nearest, overlap = _nearest(truth, detections)
    rank = np.lexsort((detections.image_ids, -detections.scores))
    outcome = np.full(len(detections), FALSE_POSITIVE, np.int8)
    matching = rank[overlap[rank] >= min_iou]  # by falling score
    difficult = truth.difficult[nearest[matching]]
    outcome[matching[difficult]] = IGNORED
    rivals = matching[~difficult]
    _, first = np.unique(nearest[rivals], return_index=True)
    outcome[rivals[first]] = TRUE_POSITIVE
    return VocMatches(outcome, rank)


def class_curves(
    truth: GroundTruthTable, detections: DetectionTable, matches: VocMatches, classes: int
) -> list[VocCurve]:
    """The curve of each class id 0 … ``classes`` - 1."""
    positives = np.bincount(truth.class_ids[~truth.difficult], minlength=classes)
    ranked = matches.rank[matches.outcome[matches.rank] != IGNORED]
    ranked = ranked[np.argsort(detections.class_ids[ranked], kind="stable")]
    edges = np.searchsorted(detections.class_ids[ranked], np.arange(classes + 1))
    hits = matches.outcome[ranked] == TRUE_POSITIVE
    return [
        VocCurve(np.cumsum(hits[edges[c] : edges[c + 1]]), int(positives[c]))
        for c in range(classes)
    ]


def voc_average_precisions(
    truth: GroundTruthTable, detections: DetectionTable, classes: int
) -> tuple[list[float | None], list[float | None]]:
    """(11-point AP of 2007, area AP of 2010) by class id; None for a class without objects."""
    curves = class_curves(truth, detections, match_voc(truth, detections), classes)
    return [ap_2007(c) for c in curves], [ap_2010(c) for c in curves]


def ap_2007(curve: VocCurve) -> float | None:
    """Mean over the recalls 0, 0.1 … 1 of the best precision at that recall or beyond.

    "At that recall" is tested in integers, ``10 * tp >= k * positives``: in floating point,
    3 of 10 objects miss a recall of 0.3. None without objects.
    """
    if not curve.positives:
        return None
    envelope = _envelope(curve.precision)
    reached = np.searchsorted(10 * curve.true_positives, np.arange(11) * curve.positives)
    return float(np.append(envelope, 0.0)[reached].mean())


def ap_2010(curve: VocCurve) -> float | None:
    """Area under precision made monotone, over recall. None without objects."""
    if not curve.positives:
        return None
    steps = np.diff(curve.true_positives, prepend=0)
    return float((steps * _envelope(curve.precision)).sum() / curve.positives)


def _envelope(precision: np.ndarray) -> np.ndarray:
    """The best precision at each point or after it."""
    return np.maximum.accumulate(precision[::-1])[::-1]


def _nearest(truth: GroundTruthTable, detections: DetectionTable) -> tuple[np.ndarray, np.ndarray]:
    """The object that each detection may match.

    Returns:
        int64 (D,) row of the object of the same image and class with the highest IoU, the first of
        several, -1 where there is none that it touches; and float64 (D,) that IoU, 0 without one.
    """
    nearest = np.full(len(detections), -1, np.int64)
    highest = np.zeros(len(detections))
    if not len(truth) or not len(detections):
        return nearest, highest
    span = 1 + max(truth.class_ids.max(), detections.class_ids.max())
    keys = [table.image_ids * span + table.class_ids for table in (detections, truth)]
    for rows, objects in rows_with_equal_keys(*keys):
        ious = box_iou(detections.boxes[rows], truth.boxes[objects])
        first = np.flatnonzero(np.diff(rows, prepend=-1))  # where the pairs of each detection begin
        best = np.maximum.reduceat(ious, first)
        # The first of equals: the lowest position among those with the best IoU.
        counts = np.diff(first, append=len(rows))
        position = np.where(ious == np.repeat(best, counts), np.arange(len(ious)), len(ious))
        chosen = objects[np.minimum.reduceat(position, first)]
        highest[rows[first]] = best
        nearest[rows[first]] = np.where(best > 0, chosen, -1)
    return nearest, highest
