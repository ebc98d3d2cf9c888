"""Choosing the confidence and the NMS threshold that a detector is used with.

Both are tried together: for each NMS threshold the network's own output is suppressed afresh
(detections that went through one NMS cannot tell what another would have kept), then all
confidences are read off one sweep. Choose on photos that are not reported on, such as the
validation split.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from utils.errors import UserError
from utils.evaluation.analysis import OperatingPoint, Tuning
from utils.evaluation.matching import match
from utils.evaluation.operating import Sweep, sweep_class
from utils.evaluation.overlaps import overlaps
from utils.evaluation.tables import class_names, found_table, truth_table

NMS_IOUS = (0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8)
LOWEST_CONFIDENCE = 0.01
_USUAL_IOU = 0.45  # of equally good thresholds, the nearest to this


def tune(
    ground_truth: dict,
    results: Mapping[float, list[dict]],
    split: str,
    precision: float | None = None,
) -> Tuning:
    """The best operating point, all classes together, matches at IoU 0.5.

    Args:
        ground_truth: of the photos tuned on.
        results: COCO results by NMS threshold, none of them cut at a confidence that matters.
        split: what the photos are called.
        precision: with it, the highest recall at this precision or better; by itself, the best F1.

    Raises:
        UserError: no objects, none of them found, or no thresholds reach the precision.
    """
    points: dict[float, OperatingPoint] = {}
    best_precision = 0.0
    for iou, found in results.items():
        sweep = _sweep(ground_truth, found)
        if not sweep.positives:
            raise UserError(f"--tune {split}: there is no object on these photos to tune with")
        point = sweep.best_f1() if precision is None else sweep.precise(precision)
        if point is not None and point.true_positives:
            points[iou] = point
        kept = sweep.true / (sweep.true + sweep.false) if len(sweep.true) else [0.0]
        best_precision = max(best_precision, float(max(kept)))
    if not points:
        raise UserError(
            f"--tune {split}: none of the objects on these photos was found"
            if precision is None or not best_precision
            else f"--tune-precision {precision:g}: no thresholds reach it on the split {split!r}; "
            f"the highest precision there is {best_precision:.3f}"
        )

    def worth(iou: float) -> tuple:
        point = points[iou]
        first = point.f1 if precision is None else point.recall
        return first, point.f1, -abs(iou - _USUAL_IOU), -iou

    iou = max(points, key=worth)
    return Tuning(
        split=split,
        goal="best F1" if precision is None else f"precision of at least {precision:g}",
        confidence=rounded_down(points[iou].confidence),
        iou=iou,
        point=points[iou],
        sweep=[
            {
                "iou": at,
                "confidence": point.confidence,
                "precision": point.precision,
                "recall": point.recall,
                "f1": point.f1,
            }
            for at, point in points.items()
        ],
    )


def rounded_down(confidence: float) -> float:
    """Six digits, and never above the score it comes from, which would lose that detection."""
    return math.floor(confidence * 1e6) / 1e6


def _sweep(ground_truth: dict, results: list[dict]) -> Sweep:
    truth, found = truth_table(ground_truth), found_table(results)
    matching = match(truth, found, overlaps(truth, found), len(class_names(ground_truth)))
    return sweep_class(truth, found, matching, None)
