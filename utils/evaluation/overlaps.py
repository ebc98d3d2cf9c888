"""Which detections overlap which objects of their image, found once for every analysis."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from utils.evaluation.pairs import pairs
from utils.evaluation.tables import FoundTable, TruthTable
from utils.overlap import iou as box_iou

LOWEST = 0.1  # IoU below which a detection has nothing to do with an object
CROWD_LOWEST = 0.5


@dataclass(frozen=True)
class Overlaps:
    """Pairs of a detection and an object of its image, whatever their classes, by detection row,
    then by object row.

    A pair is here when its IoU is at least ``LOWEST``, or its ``coco`` at least ``CROWD_LOWEST``.

    Attributes:
        found: int64 (P,), row of the detection.
        truth: int64 (P,), row of the object.
        iou: float64 (P,).
        coco: float64 (P,), what COCO takes for IoU: with a difficult object, which is a crowd to
            COCO, the share of the detection that lies inside it.
        same_class: bool (P,).
    """

    found: np.ndarray
    truth: np.ndarray
    iou: np.ndarray
    coco: np.ndarray
    same_class: np.ndarray


def overlaps(truth: TruthTable, found: FoundTable) -> Overlaps:
    """All pairs that matter."""
    parts = [_part(truth, found, *rows) for rows in pairs(truth.image_ids, found.image_ids)]
    if not parts:
        nothing = np.zeros(0, np.int64)
        return Overlaps(nothing, nothing, np.zeros(0), np.zeros(0), np.zeros(0, bool))
    return Overlaps(*map(np.concatenate, zip(*parts, strict=True)))


def _part(truth: TruthTable, found: FoundTable, row: np.ndarray, other: np.ndarray) -> tuple:
    a, b = found.boxes[row], truth.boxes[other]
    same = found.class_ids[row] == truth.class_ids[other]
    touching = np.flatnonzero(
        (np.minimum(a[:, 2], b[:, 2]) > np.maximum(a[:, 0], b[:, 0]))
        & (np.minimum(a[:, 3], b[:, 3]) > np.maximum(a[:, 1], b[:, 1]))
    )
    row, other, a, b, same = (
        row[touching],
        other[touching],
        a[touching],
        b[touching],
        same[touching],
    )
    plain = box_iou(a, b)
    coco = _as_coco(a, b, found.areas[row], truth.sides[other], truth.difficult[other])
    kept = np.flatnonzero((plain >= LOWEST) | (coco >= CROWD_LOWEST))
    return row[kept], other[kept], plain[kept], coco[kept], same[kept]


def _as_coco(
    a: np.ndarray, b: np.ndarray, area_a: np.ndarray, area_b: np.ndarray, crowd: np.ndarray
) -> np.ndarray:
    """IoU from the widths and heights that the files give, rounded as pycocotools rounds."""
    width = np.minimum(a[:, 2], b[:, 2]) - np.maximum(a[:, 0], b[:, 0])
    height = np.minimum(a[:, 3], b[:, 3]) - np.maximum(a[:, 1], b[:, 1])
    with np.errstate(over="ignore", invalid="ignore"):
        shared = width * height
        union = np.where(crowd, area_a, area_a + area_b - shared)
        return np.where(union > 0, shared / np.where(union > 0, union, 1.0), 0.0)
