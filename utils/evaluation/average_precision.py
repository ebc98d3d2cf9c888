"""COCO's average precision from decisions made once, for any number of resamples of the images.

A resample is a column of weights: how often each image is drawn. An image drawn twice counts twice
in every sum, so AP with weights is AP of the resampled set; with a column of ones it is COCO's AP.
"""

from __future__ import annotations

import numpy as np

from utils.evaluation.matching import Matching
from utils.evaluation.tables import FoundTable, TruthTable
from utils.evaluation.voc import IGNORED, TRUE_POSITIVE

RECALLS = np.linspace(0, 1, 101)  # COCO reads precision at these
_CELLS_AT_ONCE = 500_000  # detections × resamples held at a time: about what a cache holds


def average_precisions(
    truth: TruthTable,
    found: FoundTable,
    matching: Matching,
    weights: np.ndarray | None = None,
    *,
    group: int = 0,
    thresholds: slice = slice(None),
) -> np.ndarray:
    """(C, T, B) AP of each class, IoU threshold and resample; NaN where no object counts.

    Args:
        truth, found, matching: the evaluation. Image ids must count from 1.
        weights: (images, B), how often each image is drawn; by itself once each, B = 1. float32
            is enough for resamples, float64 gives COCO's numbers.
        group: of ``Matching``.
        thresholds: which of the IoU thresholds.
    """
    if weights is None:
        images = int(max(truth.image_ids.max(initial=0), found.image_ids.max(initial=0)))
        weights = np.ones((images, 1))
    outcome = matching.outcome[group, thresholds]
    classes = len(matching.edges) - 1
    result = np.full((classes, len(outcome), weights.shape[1]), np.nan, weights.dtype)
    things = np.flatnonzero(matching.counted[group])
    things = things[np.argsort(truth.class_ids[things], kind="stable")]
    edges = np.searchsorted(truth.class_ids[things], np.arange(classes + 1))
    for class_id in range(classes):
        own = truth.image_ids[things[edges[class_id] : edges[class_id + 1]]] - 1
        rows = matching.of_class(class_id)
        decided = outcome[:, rows]
        # What follows the last object found changes nothing.
        used = np.flatnonzero((decided == TRUE_POSITIVE).any(axis=0))
        rows, decided = (rows[: used[-1] + 1], decided[:, : used[-1] + 1]) if len(used) else (
            rows[:0], decided[:, :0]
        )  # fmt: skip
        images = found.image_ids[rows] - 1
        step = max(1, _CELLS_AT_ONCE // max(1, len(rows)))
        for start in range(0, weights.shape[1] if len(own) else 0, step):
            part = weights[:, start : start + step]
            result[class_id, :, start : start + step] = _class(part, own, images, decided)
    return result


def _class(
    weights: np.ndarray, objects: np.ndarray, images: np.ndarray, decided: np.ndarray
) -> np.ndarray:
    """(T, b) AP of one class: ``objects`` and ``images`` are image rows of its objects and of its
    detections (n), ``decided`` (T, n) what these are."""
    positives = weights[objects].sum(axis=0)  # (b,)
    drawn = weights[images]  # (n, b)
    before = np.cumsum(drawn, axis=0)
    result = np.zeros((len(decided), weights.shape[1]), weights.dtype)
    for t, what in enumerate(decided):
        hit = np.flatnonzero(what == TRUE_POSITIVE)
        if not len(hit):
            continue
        true = np.cumsum(drawn[hit], axis=0)
        # Precision only ever rises at a true positive: no other point needs looking at.
        precision = before[hit]
        ignored = np.flatnonzero(what == IGNORED)
        if len(ignored):
            gone = np.cumsum(drawn[ignored], axis=0)
            at = np.searchsorted(ignored, hit)  # ignored ones before each
            later = at > 0
            precision[later] -= gone[at[later] - 1]
        precision = np.divide(true, precision, out=precision, where=precision > 0)
        precision = np.maximum.accumulate(precision[::-1], axis=0)[::-1]
        reached = _reached(true, positives)
        precision[1:] *= reached[1:] - reached[:-1]
        precision[0] *= reached[0]
        result[t] = precision.sum(axis=0) / len(RECALLS)
    result[:, positives == 0] = np.nan
    return result


def _reached(true: np.ndarray, positives: np.ndarray) -> np.ndarray:
    """How many of COCO's 101 recalls are reached: with double precision exactly as COCO compares
    them, with single precision as whole numbers, tp · 100 ≥ k · positives."""
    if true.dtype == np.float64:
        with np.errstate(invalid="ignore"):
            return np.searchsorted(RECALLS, true / positives, side="right").astype(float)
    share = true * (100 / np.maximum(positives, 1))
    share += np.float32(1 + 1e-4)
    return np.floor(share, out=share)
