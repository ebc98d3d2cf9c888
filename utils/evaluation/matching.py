"""Which detection finds which object, by COCO's rules, for all IoU thresholds at once.

pycocotools decides this image by image in Python and keeps the scores only; the intervals, curves
and the error analysis need the decisions themselves. Matching depends on one image and one class
alone, so it is the same in every bootstrap resample and is done once. The average precisions that
follow from it equal pycocotools' (the tests hold them together).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from utils.evaluation.analysis import IOUS
from utils.evaluation.overlaps import Overlaps
from utils.evaluation.tables import FoundTable, TruthTable
from utils.evaluation.voc import FALSE_POSITIVE, IGNORED, TRUE_POSITIVE

MAX_DETECTIONS = 100  # of one class on one image, COCO's limit
LARGEST = 1e5**2  # pixels; COCO counts no object beyond, nor one of negative area
SIZE_LIMITS = ((0, 32**2), (32**2, 96**2), (96**2, LARGEST))  # pixels, both ends included
ASPECT_LIMITS = ((0, 2 / 3), (2 / 3, 3 / 2), (3 / 2, np.inf))  # width / height
# COCO's own thresholds are these floats; 0.55 and its like differ from the literals in the last
# place.
_THRESHOLDS = np.linspace(0.5, 0.95, len(IOUS))


@dataclass(frozen=True)
class Matching:
    """What each detection is, for each group of objects and each IoU threshold.

    The groups (S): 0 all objects, 1 to 3 small, medium and large ones, 4 to 6 tall, square and
    wide ones. In a group, other objects are as difficult ones, and detections that match nothing
    count only if they lie within the group's limits themselves.

    Attributes:
        outcome: int8 (S, T, D), ``voc.TRUE_POSITIVE``, ``FALSE_POSITIVE`` or ``IGNORED``.
        met: int64 (T, D), row of the object matched in group 0; -1 for none.
        order: int64 (n,), rows of the detections that count by class, then falling score, then
            image, then row: the best ``MAX_DETECTIONS`` of each image and class.
        edges: int64 (C + 1,), where each class begins in ``order``.
        counted: bool (S, G), objects that count in the group.
        rank: int64 (D,), how many of its image and class come before each detection.
    """

    outcome: np.ndarray
    met: np.ndarray
    order: np.ndarray
    edges: np.ndarray
    counted: np.ndarray
    rank: np.ndarray

    def of_class(self, class_id: int) -> np.ndarray:
        """Rows of the detections of a class that count, best first."""
        return self.order[self.edges[class_id] : self.edges[class_id + 1]]


def match(truth: TruthTable, found: FoundTable, overlaps: Overlaps, classes: int) -> Matching:
    """Meet detections with objects as COCO does.

    In each image and class, detections by falling score take the free object with the highest
    IoU, the last of equals; an object that does not count is taken only where none that counts
    can be. Difficult objects can be met any number of times.
    """
    inside_truth, inside_found = _inside(truth), _inside(found)
    counted = inside_truth & ~truth.difficult
    rank = _ranks(found)
    rows = np.flatnonzero(rank < MAX_DETECTIONS)
    order = rows[np.lexsort((found.image_ids[rows], -found.scores[rows], found.class_ids[rows]))]
    outcome, met = _take(truth, found, overlaps, rank, counted)
    unmatched_outside = (outcome == FALSE_POSITIVE) & ~inside_found[:, None]
    outcome[unmatched_outside] = IGNORED
    edges = np.searchsorted(found.class_ids[order], np.arange(classes + 1))
    return Matching(outcome, met, order, edges, counted, rank)


def _take(
    truth: TruthTable,
    found: FoundTable,
    overlaps: Overlaps,
    rank: np.ndarray,
    counted: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Round r lets the r-th detection of every image and class choose: none disturbs another."""
    groups, thresholds = len(counted), len(_THRESHOLDS)
    outcome = np.full((groups, thresholds, len(found)), FALSE_POSITIVE, np.int8)
    met = np.full((thresholds, len(found)), -1, np.int64)
    chosen = overlaps.same_class & (overlaps.coco >= _THRESHOLDS[0])
    chosen = np.flatnonzero(chosen & (rank[overlaps.found] < MAX_DETECTIONS))
    chosen = chosen[np.argsort(rank[overlaps.found[chosen]], kind="stable")]
    detection, thing, overlap = (
        column[chosen] for column in (overlaps.found, overlaps.truth, overlaps.coco)
    )
    rounds = np.searchsorted(rank[detection], np.arange(rank[detection[-1:]].sum() + 2))
    taken = np.zeros((len(truth), groups, thresholds), bool)
    for begin, end in pairwise(rounds.tolist()):
        if begin == end:
            continue
        d, g, v = detection[begin:end], thing[begin:end], overlap[begin:end]
        first = np.flatnonzero(np.diff(d, prepend=-1))  # where each detection's run begins
        free = (v[:, None] >= np.minimum(_THRESHOLDS, 1 - 1e-10))[:, None] & ~taken[g]
        # (pairs, groups, thresholds): what counts comes first, then the higher IoU; by place among
        # the IoUs, since adding to an IoU would round away what tells two of them apart
        place = np.unique(v, return_inverse=True)[1]
        worth = np.where(free, place[:, None, None] + len(v) * counted[:, g].T[:, :, None], -1)
        best = np.maximum.reduceat(worth, first)
        run = np.cumsum(np.isin(np.arange(end - begin), first)) - 1
        at = np.where(free & (worth == best[run]), np.arange(end - begin)[:, None, None], -1)
        at = np.maximum.reduceat(at, first)  # the last of equals
        n, s, t = np.nonzero(at >= 0)
        mine, theirs = d[first][n], g[at[n, s, t]]
        outcome[s, t, mine] = np.where(counted[s, theirs], TRUE_POSITIVE, IGNORED)
        whole = s == 0
        met[t[whole], mine[whole]] = theirs[whole]
        once = ~truth.difficult[theirs]
        taken[theirs[once], s[once], t[once]] = True
    return outcome, met


def _ranks(found: FoundTable) -> np.ndarray:
    """int64 (D,): how many of its image and class come before each detection."""
    order = np.lexsort((-found.scores, found.class_ids, found.image_ids))
    images, labels = found.image_ids[order], found.class_ids[order]
    fresh = np.ones(len(order), bool)
    fresh[1:] = (images[1:] != images[:-1]) | (labels[1:] != labels[:-1])
    position = np.arange(len(order))
    rank = np.empty(len(order), np.int64)
    rank[order] = position - np.maximum.accumulate(np.where(fresh, position, 0))
    return rank


def _inside(table: TruthTable | FoundTable) -> np.ndarray:
    """bool (S, n): which boxes lie within the limits of each group."""
    width = table.boxes[:, 2] - table.boxes[:, 0]
    height = table.boxes[:, 3] - table.boxes[:, 1]
    with np.errstate(divide="ignore", invalid="ignore"):
        aspect = np.nan_to_num(width / height, nan=1.0)
    groups = [(table.areas >= 0) & (table.areas <= LARGEST)]
    groups += [(table.areas >= low) & (table.areas <= high) for low, high in SIZE_LIMITS]
    groups += [(aspect >= low) & (aspect < high) for low, high in ASPECT_LIMITS]
    return np.stack(groups)
