"""Which detection matches which object, by COCO's rules, for all IoU thresholds at once.

pycocotools matches image by image in Python and keeps only the scores. Intervals, curves and the
error analysis need the matches themselves. Matching uses one image and one class at a time, so it
is the same in every bootstrap resample and is done once.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from utils.evaluation.pairs import DetectionTruthPairs, find_pairs
from utils.evaluation.schema import IOUS
from utils.evaluation.tables import (
    FALSE_POSITIVE,
    IGNORED,
    TRUE_POSITIVE,
    DetectionTable,
    GroundTruthTable,
    class_names,
    detection_table,
    ground_truth_table,
    numbered_from_one,
)

MAX_DETECTIONS = 100  # of one class on one image, COCO's limit
MAX_AREA = 1e5**2  # pixels; COCO ignores larger objects, and those of negative area
SIZE_LIMITS = ((0, 32**2), (32**2, 96**2), (96**2, MAX_AREA))  # pixels, both ends included
ASPECT_LIMITS = ((0, 2 / 3), (2 / 3, 3 / 2), (3 / 2, np.inf))  # width / height
# COCO computes its thresholds so. Some differ from the literals 0.55 … in the last bit.
_THRESHOLDS = np.linspace(0.5, 0.95, len(IOUS))


@dataclass(frozen=True)
class MatchedResults:
    """Labels, detections, and what each detection is.

    Everything is decided for seven groups of objects (S): 0 all objects; 1 to 3 small, medium and
    large ones; 4 to 6 tall, square and wide ones. Within a group all other objects are treated as
    difficult. An unmatched detection counts only if its own box lies within the group's limits.

    Attributes:
        truth, detections: tables with image ids 1 … n.
        pairs: overlapping detections and objects.
        names: class names by class id.
        images: number of images, with and without objects.
        outcome: int8 (S, T, D), ``TRUE_POSITIVE``, ``FALSE_POSITIVE`` or ``IGNORED``.
        matched_gt: int64 (T, D), row of the object matched in group 0; -1 for none.
        ranked_rows: int64 (n,), the detection rows that count: the best ``MAX_DETECTIONS`` of each
            image and class, by class, then falling score, then image, then row.
        class_offsets: int64 (C + 1,), where each class begins in ``ranked_rows``.
        counted: bool (S, G), objects that count in the group.
        rank: int64 (D,), how many detections of the same image and class have a higher score.
        coco_images: ``images`` of the ground truth in order of id; empty where there are none.
    """

    truth: GroundTruthTable
    detections: DetectionTable
    pairs: DetectionTruthPairs
    names: list[str]
    images: int
    outcome: np.ndarray
    matched_gt: np.ndarray
    ranked_rows: np.ndarray
    class_offsets: np.ndarray
    counted: np.ndarray
    rank: np.ndarray
    coco_images: tuple[dict, ...] = ()

    def of_class(self, class_id: int | None) -> np.ndarray:
        """Rows of the detections of a class that count, best first; of all classes for None."""
        if class_id is None:
            return self.ranked_rows
        return self.ranked_rows[self.class_offsets[class_id] : self.class_offsets[class_id + 1]]

    def scored_rows(self, class_id: int | None) -> tuple[np.ndarray, np.ndarray]:
        """The detections of a class that are true or false positives at IoU 0.5.

        Returns:
            int64 (n,) rows, best first; and bool (n,), whether each is a true positive.
        """
        rows = self.of_class(class_id)
        outcome = self.outcome[0, 0, rows]
        rows, outcome = rows[outcome != IGNORED], outcome[outcome != IGNORED]
        return rows, outcome == TRUE_POSITIVE

    def objects_by_class(self, group: int = 0) -> np.ndarray:
        """int64 (C,): number of objects that count in a group."""
        labels = self.truth.class_ids[self.counted[group]]
        return np.bincount(labels, minlength=len(self.names))

    @cached_property
    def images_of_class(self) -> list[int]:
        """Number of images with countable objects of each class."""
        counted = self.counted[0]
        places = np.stack([self.truth.class_ids[counted], self.truth.image_ids[counted]])
        return np.bincount(np.unique(places, axis=1)[0], minlength=len(self.names)).tolist()

    @cached_property
    def images_with_objects(self) -> int:
        """Number of images with countable objects."""
        return len(np.unique(self.truth.image_ids[self.counted[0]]))


def match_results(ground_truth: dict, results: list[dict]) -> MatchedResults:
    """Match COCO results with a COCO ground truth (``utils.evaluation.coco_files``)."""
    tables = ground_truth_table(ground_truth), detection_table(results)
    images = tuple(sorted(ground_truth["images"], key=lambda image: image["id"]))
    return match_tables(
        *numbered_from_one(ground_truth, *tables),
        names=class_names(ground_truth),
        images=len(images),
        coco_images=images,
    )


def match_tables(
    truth: GroundTruthTable,
    detections: DetectionTable,
    *,
    names: list[str],
    images: int,
    coco_images: tuple[dict, ...] = (),
) -> MatchedResults:
    """Match detections with objects by COCO's rules; image ids must count from 1.

    In each image and class, detections by falling score take the free object with the highest
    IoU, the last of equals. An object that does not count is taken only if none that counts can
    be. Difficult objects can be matched any number of times.
    """
    pairs = find_pairs(truth, detections)
    counted = _within_limits(truth) & ~truth.difficult
    rank = _ranks(detections)
    rows = np.flatnonzero(rank < MAX_DETECTIONS)
    ranked_rows = rows[
        np.lexsort(
            (detections.image_ids[rows], -detections.scores[rows], detections.class_ids[rows])
        )
    ]
    outcome, matched_gt = _match(truth, detections, pairs, rank, counted)
    outcome[(outcome == FALSE_POSITIVE) & ~_within_limits(detections)[:, None]] = IGNORED
    class_offsets = np.searchsorted(detections.class_ids[ranked_rows], np.arange(len(names) + 1))
    return MatchedResults(
        truth, detections, pairs, names, images,
        outcome, matched_gt, ranked_rows, class_offsets, counted, rank, coco_images,
    )  # fmt: skip


def _match(
    truth: GroundTruthTable,
    detections: DetectionTable,
    pairs: DetectionTruthPairs,
    rank: np.ndarray,
    counted: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """(outcome, matched_gt). Round r matches the r-th detection of every image and class.

    Detections of one round belong to different images or classes, so they never compete.
    """
    groups, thresholds = len(counted), len(_THRESHOLDS)
    outcome = np.full((groups, thresholds, len(detections)), FALSE_POSITIVE, np.int8)
    matched_gt = np.full((thresholds, len(detections)), -1, np.int64)
    candidates = pairs.same_class & (pairs.coco >= _THRESHOLDS[0])
    candidates = np.flatnonzero(candidates & (rank[pairs.detection] < MAX_DETECTIONS))
    candidates = candidates[np.argsort(rank[pairs.detection[candidates]], kind="stable")]
    det, gt = pairs.detection[candidates], pairs.truth[candidates]
    overlap = pairs.coco[candidates]
    rounds = np.searchsorted(rank[det], np.arange(rank[det[-1:]].sum() + 2))
    taken = np.zeros((len(truth), groups, thresholds), bool)
    for begin, end in pairwise(rounds.tolist()):
        if begin == end:
            continue
        part = slice(begin, end)
        detections_matched, gt_matched, group, threshold = _match_round(
            det[part], gt[part], overlap[part], counted, taken
        )
        outcome[group, threshold, detections_matched] = np.where(
            counted[group, gt_matched], TRUE_POSITIVE, IGNORED
        )
        all_objects = group == 0
        matched_gt[threshold[all_objects], detections_matched[all_objects]] = gt_matched[
            all_objects
        ]
        once = ~truth.difficult[gt_matched]
        taken[gt_matched[once], group[once], threshold[once]] = True
    return outcome, matched_gt


def _match_round(
    det: np.ndarray, gt: np.ndarray, overlap: np.ndarray, counted: np.ndarray, taken: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The matches of detections that never compete with each other.

    Args:
        det, gt: int64 (P,), rows of possible pairs; those of a detection lie side by side.
        overlap: float64 (P,), their IoU.
        counted: bool (S, G), objects that count in each group.
        taken: bool (G, S, T), objects that better detections have taken.

    Returns:
        Four int64 (M,): rows of the detections and objects matched, and the group and threshold of
        each match.
    """
    # The axes are (pairs, groups, thresholds); behind ``reduceat`` the first is that of detections.
    first = np.flatnonzero(np.diff(det, prepend=-1))  # where the pairs of each detection begin
    free = (overlap[:, None] >= np.minimum(_THRESHOLDS, 1 - 1e-10))[:, None] & ~taken[gt]
    # Objects that count come first, then the higher IoU. The IoU enters by its rank, because adding
    # to it would round small differences away.
    iou_rank = np.unique(overlap, return_inverse=True)[1]
    preference = iou_rank[:, None, None] + len(overlap) * counted[:, gt].T[:, :, None]
    preference = np.where(free, preference, -1)
    best = np.maximum.reduceat(preference, first)
    pair = np.arange(len(det))
    best_of_pair = best[np.cumsum(np.isin(pair, first)) - 1]
    chosen = np.where(free & (preference == best_of_pair), pair[:, None, None], -1)
    chosen = np.maximum.reduceat(chosen, first)  # the last of equals
    i, group, threshold = np.nonzero(chosen >= 0)
    return det[first][i], gt[chosen[i, group, threshold]], group, threshold


def _ranks(detections: DetectionTable) -> np.ndarray:
    """int64 (D,): how many detections of the same image and class have a higher score."""
    order = np.lexsort((-detections.scores, detections.class_ids, detections.image_ids))
    images, labels = detections.image_ids[order], detections.class_ids[order]
    starts = np.ones(len(order), bool)
    starts[1:] = (images[1:] != images[:-1]) | (labels[1:] != labels[:-1])
    rank = np.empty(len(order), np.int64)
    rank[order] = position_in_run(starts)
    return rank


def position_in_run(starts: np.ndarray) -> np.ndarray:
    """bool (n,), True where a run begins → int64 (n,), position of each item in its run."""
    position = np.arange(len(starts))
    return position - np.maximum.accumulate(np.where(starts, position, 0))


def _within_limits(table: GroundTruthTable | DetectionTable) -> np.ndarray:
    """bool (S, n): which boxes lie within the limits of each group."""
    width = table.boxes[:, 2] - table.boxes[:, 0]
    height = table.boxes[:, 3] - table.boxes[:, 1]
    with np.errstate(divide="ignore", invalid="ignore"):
        aspect = np.nan_to_num(width / height, nan=1.0)
    groups = [(table.areas >= 0) & (table.areas <= MAX_AREA)]
    groups += [(table.areas >= low) & (table.areas <= high) for low, high in SIZE_LIMITS]
    groups += [(aspect >= low) & (aspect < high) for low, high in ASPECT_LIMITS]
    return np.stack(groups)
