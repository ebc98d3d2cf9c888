"""Pairs of a detection and an object on the same image."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from utils.evaluation.tables import DetectionTable, GroundTruthTable
from utils.overlap import iou as box_iou
from utils.ragged import ragged_ranges

MIN_RELATED_IOU = 0.1  # below this a detection and an object are unrelated, as in TIDE
MIN_CROWD_OVERLAP = 0.5
_PAIRS_AT_ONCE = 1_000_000  # bounds memory where images hold hundreds of objects


@dataclass(frozen=True)
class DetectionTruthPairs:
    """Overlapping pairs of any classes, ordered by detection row, then by object row.

    A pair is listed when its IoU is at least ``MIN_RELATED_IOU``, or its ``coco`` overlap at least
    ``MIN_CROWD_OVERLAP``.

    Attributes:
        detection: int64 (P,), row of the detection.
        truth: int64 (P,), row of the object.
        iou: float64 (P,).
        coco: float64 (P,), IoU as COCO computes it. For a difficult object, which is a crowd in
            COCO, it is the share of the detection that lies inside the object.
        same_class: bool (P,).
    """

    detection: np.ndarray
    truth: np.ndarray
    iou: np.ndarray
    coco: np.ndarray
    same_class: np.ndarray


def find_pairs(truth: GroundTruthTable, detections: DetectionTable) -> DetectionTruthPairs:
    """All pairs that overlap enough to matter."""
    parts = [
        _overlapping(truth, detections, *rows)
        for rows in rows_with_equal_keys(detections.image_ids, truth.image_ids)
    ]
    if not parts:
        nothing = np.zeros(0, np.int64)
        return DetectionTruthPairs(nothing, nothing, np.zeros(0), np.zeros(0), np.zeros(0, bool))
    return DetectionTruthPairs(*map(np.concatenate, zip(*parts, strict=True)))


def rows_with_equal_keys(
    left: np.ndarray, right: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Row numbers (left, right) of all pairs with equal keys, by left row, then right row.

    They come in parts of about ``_PAIRS_AT_ONCE`` pairs. All pairs of a left row are in one part.
    """
    order = np.argsort(right, kind="stable")
    start = np.searchsorted(right[order], left, side="left")
    counts = np.searchsorted(right[order], left, side="right") - start
    for rows, places in ragged_ranges(start, counts, _PAIRS_AT_ONCE):
        if len(rows):
            yield rows, order[places]


def _overlapping(
    truth: GroundTruthTable, detections: DetectionTable, rows: np.ndarray, objects: np.ndarray
) -> tuple[np.ndarray, ...]:
    """The columns of ``DetectionTruthPairs`` for those of the given pairs that overlap enough."""
    a, b = detections.boxes[rows], truth.boxes[objects]
    touching = np.flatnonzero(
        (np.minimum(a[:, 2], b[:, 2]) > np.maximum(a[:, 0], b[:, 0]))
        & (np.minimum(a[:, 3], b[:, 3]) > np.maximum(a[:, 1], b[:, 1]))
    )
    rows, objects, a, b = rows[touching], objects[touching], a[touching], b[touching]
    iou = box_iou(a, b)
    coco = _coco_overlap(
        a, b, detections.areas[rows], truth.box_areas[objects], truth.difficult[objects]
    )
    kept = np.flatnonzero((iou >= MIN_RELATED_IOU) | (coco >= MIN_CROWD_OVERLAP))
    rows, objects = rows[kept], objects[kept]
    same_class = detections.class_ids[rows] == truth.class_ids[objects]
    return rows, objects, iou[kept], coco[kept], same_class


def _coco_overlap(
    a: np.ndarray, b: np.ndarray, area_a: np.ndarray, area_b: np.ndarray, crowd: np.ndarray
) -> np.ndarray:
    """IoU from the widths and heights in the files, rounded as pycocotools rounds."""
    width = np.minimum(a[:, 2], b[:, 2]) - np.maximum(a[:, 0], b[:, 0])
    height = np.minimum(a[:, 3], b[:, 3]) - np.maximum(a[:, 1], b[:, 1])
    with np.errstate(over="ignore", invalid="ignore"):
        shared = width * height
        union = np.where(crowd, area_a, area_a + area_b - shared)
        return np.where(union > 0, shared / np.where(union > 0, union, 1.0), 0.0)
