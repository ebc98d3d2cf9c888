"""Average precision as the PASCAL VOC development kits score it, in NumPy.

``match`` decides what each detection is; ``average_precisions`` turns that into AP by class. The
rules are those of ``VOCevaldet.m`` and ``VOCap.m`` (Everingham and others, "The PASCAL Visual
Object Classes Challenge", development kits 2007 and 2010). The kits count pixels inclusively and
so add 1 to every width; on the continuous boxes used here the same numbers come without it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from utils.evaluation.pairs import pairs
from utils.evaluation.tables import FoundTable, TruthTable
from utils.overlap import iou as box_iou

MIN_IOU = 0.5
TRUE_POSITIVE, FALSE_POSITIVE, IGNORED = 1, 0, -1


@dataclass(frozen=True)
class Matches:
    """What each detection is, in the order of the detections' table.

    Attributes:
        outcome: int8 (D,), ``TRUE_POSITIVE``, ``FALSE_POSITIVE`` or ``IGNORED``.
        nearest: int64 (D,), row of the object of the same image and class with the highest IoU,
            the first of several; -1 where there is none that it touches.
        iou: float64 (D,), the IoU with it; 0 where there is none.
        rank: int64 (D,), rows of the detections by falling score, ties by image id, then by row.
    """

    outcome: np.ndarray
    nearest: np.ndarray
    iou: np.ndarray
    rank: np.ndarray


@dataclass(frozen=True)
class ClassCurve:
    """One class's counts after each detection that counts, best score first.

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


def match(truth: TruthTable, found: FoundTable, min_iou: float = MIN_IOU) -> Matches:
    """Meet detections with objects.

    A detection meets only the object of its image and class with which its IoU is highest,
    whether that object is difficult or already found. Below ``min_iou`` it is a false positive;
    on a difficult object it is ignored; otherwise the best-scored one is a true positive, and
    those after it are false positives.
    """
    nearest, overlap = _nearest(truth, found)
    rank = np.lexsort((found.image_ids, -found.scores))
    outcome = np.full(len(found), FALSE_POSITIVE, np.int8)
    meets = rank[overlap[rank] >= min_iou]  # by falling score
    difficult = truth.difficult[nearest[meets]]
    outcome[meets[difficult]] = IGNORED
    claims = meets[~difficult]
    _, first = np.unique(nearest[claims], return_index=True)
    outcome[claims[first]] = TRUE_POSITIVE
    return Matches(outcome, nearest, overlap, rank)


def curves(
    truth: TruthTable, found: FoundTable, matches: Matches, classes: int
) -> list[ClassCurve]:
    """The curve of each class id 0 … ``classes`` - 1."""
    positives = np.bincount(truth.class_ids[~truth.difficult], minlength=classes)
    ranked = matches.rank[matches.outcome[matches.rank] != IGNORED]
    ranked = ranked[np.argsort(found.class_ids[ranked], kind="stable")]
    edges = np.searchsorted(found.class_ids[ranked], np.arange(classes + 1))
    hits = matches.outcome[ranked] == TRUE_POSITIVE
    return [
        ClassCurve(np.cumsum(hits[edges[c] : edges[c + 1]]), int(positives[c]))
        for c in range(classes)
    ]


def average_precisions(
    truth: TruthTable, found: FoundTable, classes: int
) -> tuple[list[float | None], list[float | None]]:
    """(11-point AP of 2007, area AP of 2010) by class id; None for a class without objects."""
    of_class = curves(truth, found, match(truth, found), classes)
    return [ap_2007(c) for c in of_class], [ap_2010(c) for c in of_class]


def ap_2007(curve: ClassCurve) -> float | None:
    """Mean over the recalls 0, 0.1 … 1 of the best precision at that recall or beyond.

    "At that recall" is tested in integers, ``10 * tp >= k * positives``: in floating point,
    3 of 10 objects miss a recall of 0.3. None without objects.
    """
    if not curve.positives:
        return None
    envelope = _envelope(curve.precision)
    reached = np.searchsorted(10 * curve.true_positives, np.arange(11) * curve.positives)
    return float(np.append(envelope, 0.0)[reached].mean())


def ap_2010(curve: ClassCurve) -> float | None:
    """Area under precision made monotone, over recall. None without objects."""
    if not curve.positives:
        return None
    steps = np.diff(curve.true_positives, prepend=0)
    return float((steps * _envelope(curve.precision)).sum() / curve.positives)


def mean(values: list[float | None]) -> float | None:
    """Mean over the classes that have objects; None when none has."""
    known = [v for v in values if v is not None]
    return float(np.mean(known)) if known else None


def _envelope(precision: np.ndarray) -> np.ndarray:
    """The best precision at each point or after it."""
    return np.maximum.accumulate(precision[::-1])[::-1]


def _nearest(truth: TruthTable, found: FoundTable) -> tuple[np.ndarray, np.ndarray]:
    """Row of the object with the highest IoU in the same image and class (-1), and that IoU."""
    nearest = np.full(len(found), -1, np.int64)
    overlap = np.zeros(len(found))
    if not len(truth) or not len(found):
        return nearest, overlap
    span = 1 + max(truth.class_ids.max(), found.class_ids.max())
    keys = truth.image_ids * span + truth.class_ids
    for rows, objects in pairs(keys, found.image_ids * span + found.class_ids):
        ious = box_iou(found.boxes[rows], truth.boxes[objects])
        first = np.flatnonzero(np.diff(rows, prepend=-1))  # where each detection's run begins
        best = np.maximum.reduceat(ious, first)
        # The first of equals: the lowest position among those that reach the best.
        counts = np.diff(first, append=len(rows))
        position = np.where(ious == np.repeat(best, counts), np.arange(len(ious)), len(ious))
        chosen = objects[np.minimum.reduceat(position, first)]
        overlap[rows[first]] = best
        nearest[rows[first]] = np.where(best > 0, chosen, -1)
    return nearest, overlap
