"""COCO's twelve numbers, and AP by class.

They follow from ``matching`` and ``precision``, which do for all images at once what pycocotools
does one image at a time, several times faster; the tests hold every number against pycocotools.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from utils.evaluation.average_precision import average_precisions
from utils.evaluation.matching import Matching
from utils.evaluation.tables import FoundTable, TruthTable
from utils.evaluation.voc import TRUE_POSITIVE

NAMES = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl")
_AT_75 = 5  # the sixth threshold is 0.75
_SMALL, _MEDIUM, _LARGE = 1, 2, 3  # of Matching's groups


@dataclass(frozen=True)
class CocoScores:
    """What pycocotools would say.

    Attributes:
        summary: the twelve by ``NAMES``; -1 where nothing counts.
        ap: AP (IoU 0.50 to 0.95) of each class id; None for a class without objects.
        ap50: AP at IoU 0.50 of each class id; None likewise.
    """

    summary: dict[str, float]
    ap: list[float | None]
    ap50: list[float | None]


def score(truth: TruthTable, found: FoundTable, matching: Matching) -> CocoScores:
    """COCO's scores; image ids must count from 1.

    Difficult objects are crowds to COCO: finding one counts neither way. Whether one is found is
    judged by the share of the *detection* that lies inside it, not by IoU.
    """

    def precision(group: int) -> np.ndarray:  # (C, T)
        return average_precisions(truth, found, matching, group=group)[..., 0]

    def recall(detections: int, group: int = 0) -> float:
        return _mean(_recalls(truth, found, matching, detections, group))

    ap = precision(0)
    values = (
        _mean(ap), _mean(ap[:, 0]), _mean(ap[:, _AT_75]),
        *(_mean(precision(group)) for group in (_SMALL, _MEDIUM, _LARGE)),
        recall(1), recall(10), recall(100),
        *(recall(100, group) for group in (_SMALL, _MEDIUM, _LARGE)),
    )  # fmt: skip
    return CocoScores(
        summary=dict(zip(NAMES, values, strict=True)),
        ap=[_or_none(_mean(row)) for row in ap],
        ap50=[_or_none(_mean(row[:1])) for row in ap],
    )


def _recalls(
    truth: TruthTable, found: FoundTable, matching: Matching, detections: int, group: int
) -> np.ndarray:
    """(C, T) share of the objects found by the best so many of each image and class; NaN without
    objects."""
    classes = len(matching.edges) - 1
    positives = np.bincount(truth.class_ids[matching.counted[group]], minlength=classes)
    rows = matching.order[matching.rank[matching.order] < detections]
    hits = matching.outcome[group][:, rows] == TRUE_POSITIVE
    labels = found.class_ids[rows]
    counts = [np.bincount(labels[hit], minlength=classes) for hit in hits]
    return np.stack(counts, axis=1) / np.where(positives, positives, np.nan)[:, None]


def _mean(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else -1.0


def _or_none(value: float) -> float | None:
    return None if value < 0 else value
