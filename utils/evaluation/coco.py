"""COCO's average precision, on the images or on resamples of them, and its twelve numbers.

A resample is a column of weights: how often each image is drawn. An image drawn twice counts twice
in every sum. With weights of one, AP is COCO's. The tests compare every number with pycocotools.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from utils.evaluation.matching import MatchedResults
from utils.evaluation.tables import IGNORED, TRUE_POSITIVE, mean_of_known

NAMES = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl")
RECALLS = np.linspace(0, 1, 101)  # COCO reads precision at these
_AT_75 = 5  # the sixth threshold is 0.75
_SMALL, _MEDIUM, _LARGE = 1, 2, 3  # groups of MatchedResults
_CELLS_AT_ONCE = 500_000  # detections × resamples held at a time: about what a cache holds


@dataclass(frozen=True)
class CocoScores:
    """The numbers that pycocotools gives.

    Attributes:
        summary: the twelve by ``NAMES``; -1 where nothing counts.
        ap: AP (IoU 0.50 to 0.95) of each class id; None for a class without objects.
        ap50: AP at IoU 0.50 of each class id; None likewise.
    """

    summary: dict[str, float]
    ap: list[float | None]
    ap50: list[float | None]


def coco_scores(matched: MatchedResults) -> CocoScores:
    """COCO's scores.

    Difficult objects are crowds in COCO: finding one counts neither way. A detection matches one
    by the share of the *detection* that lies inside it, not by IoU.
    """

    def mean(values: np.ndarray) -> float:
        known = mean_of_known(values)
        return -1.0 if known is None else known

    def precision(group: int) -> np.ndarray:  # (C, T)
        return coco_average_precisions(matched, group=group)[..., 0]

    def recall(detections: int, group: int = 0) -> float:
        return mean(_recalls(matched, detections, group))

    ap = precision(0)
    values = (
        mean(ap), mean(ap[:, 0]), mean(ap[:, _AT_75]),
        *(mean(precision(group)) for group in (_SMALL, _MEDIUM, _LARGE)),
        recall(1), recall(10), recall(100),
        *(recall(100, group) for group in (_SMALL, _MEDIUM, _LARGE)),
    )  # fmt: skip
    return CocoScores(
        summary=dict(zip(NAMES, values, strict=True)),
        ap=[mean_of_known(row) for row in ap],
        ap50=[mean_of_known(row[:1]) for row in ap],
    )


def coco_average_precisions(
    matched: MatchedResults,
    weights: np.ndarray | None = None,
    *,
    group: int = 0,
    thresholds: slice = slice(None),
) -> np.ndarray:
    """(C, T, B) AP of each class, IoU threshold and resample; NaN where no object counts.

    Args:
        matched: the evaluation.
        weights: (images, B), how often each image is drawn. Default: each once, B = 1. float64
            gives COCO's numbers; float32 is enough for resamples.
        group: of ``MatchedResults``.
        thresholds: which of the IoU thresholds.
    """
    truth, detections = matched.truth, matched.detections
    if weights is None:
        weights = np.ones((matched.images, 1))
    outcome = matched.outcome[group, thresholds]
    classes = len(matched.names)
    result = np.full((classes, len(outcome), weights.shape[1]), np.nan, weights.dtype)
    objects = np.flatnonzero(matched.counted[group])
    objects = objects[np.argsort(truth.class_ids[objects], kind="stable")]
    edges = np.searchsorted(truth.class_ids[objects], np.arange(classes + 1))
    for class_id in range(classes):
        object_images = truth.image_ids[objects[edges[class_id] : edges[class_id + 1]]] - 1
        rows = matched.of_class(class_id)
        hits = np.flatnonzero((outcome[:, rows] == TRUE_POSITIVE).any(axis=0))
        rows = rows[: hits[-1] + 1 if len(hits) else 0]  # what follows the last hit changes nothing
        images = detections.image_ids[rows] - 1
        step = max(1, _CELLS_AT_ONCE // max(1, len(rows)))
        for start in range(0, weights.shape[1] if len(object_images) else 0, step):
            part = weights[:, start : start + step]
            result[class_id, :, start : start + step] = _class_ap(
                part, object_images, images, outcome[:, rows]
            )
    return result


def _class_ap(
    weights: np.ndarray, object_images: np.ndarray, images: np.ndarray, outcome: np.ndarray
) -> np.ndarray:
    """(T, b) AP of one class.

    Args:
        weights: (images, b).
        object_images: rows of ``weights`` of the class's objects.
        images: (n,) rows of ``weights`` of its detections, best first.
        outcome: (T, n) what the detections are.
    """
    positives = weights[object_images].sum(axis=0)  # (b,)
    drawn = weights[images]  # (n, b)
    before = np.cumsum(drawn, axis=0)
    result = np.zeros((len(outcome), weights.shape[1]), weights.dtype)
    for t, of_threshold in enumerate(outcome):
        hit = np.flatnonzero(of_threshold == TRUE_POSITIVE)
        if not len(hit):
            continue
        true = np.cumsum(drawn[hit], axis=0)
        # Precision rises only at true positives, so only these points are needed.
        precision = before[hit]
        ignored = np.flatnonzero(of_threshold == IGNORED)
        if len(ignored):
            ignored_count = np.cumsum(drawn[ignored], axis=0)
            at = np.searchsorted(ignored, hit)  # number of ignored ones before each hit
            later = at > 0
            precision[later] -= ignored_count[at[later] - 1]
        precision = np.divide(true, precision, out=precision, where=precision > 0)
        precision = np.maximum.accumulate(precision[::-1], axis=0)[::-1]
        reached = _reached(true, positives)
        precision[1:] *= reached[1:] - reached[:-1]
        precision[0] *= reached[0]
        result[t] = precision.sum(axis=0) / len(RECALLS)
    result[:, positives == 0] = np.nan
    return result


def _reached(true: np.ndarray, positives: np.ndarray) -> np.ndarray:
    """How many of COCO's 101 recalls are reached.

    In double precision the comparison is COCO's own. In single precision it is made in whole
    numbers: tp · 100 ≥ k · positives.
    """
    if true.dtype == np.float64:
        with np.errstate(invalid="ignore"):
            return np.searchsorted(RECALLS, true / positives, side="right").astype(float)
    share = true * (100 / np.maximum(positives, 1))
    share += np.float32(1 + 1e-4)
    return np.floor(share, out=share)


def _recalls(matched: MatchedResults, detections: int, group: int) -> np.ndarray:
    """(C, T) share of the objects that the best ``detections`` of each image and class find; NaN
    without objects."""
    positives = matched.objects_by_class(group)
    rows = matched.ranked_rows[matched.rank[matched.ranked_rows] < detections]
    hits = matched.outcome[group][:, rows] == TRUE_POSITIVE
    labels = matched.detections.class_ids[rows]
    counts = [np.bincount(labels[hit], minlength=len(positives)) for hit in hits]
    return np.stack(counts, axis=1) / np.where(positives, positives, np.nan)[:, None]
