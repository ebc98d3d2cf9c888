"""Choosing the confidence and NMS thresholds that a detector is used with.

Both are tried together. For each NMS threshold, NMS runs again on the network's own output. Then
one curve gives the result of every confidence. Choose on photos that are not used for reporting,
such as the validation split.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

from utils.errors import UserError
from utils.evaluation.matching import match_results
from utils.evaluation.operating_points import threshold_curve
from utils.evaluation.schema import OperatingPoint, Tuning

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
        results: COCO results by NMS threshold, down to a low confidence.
        split: name of the split, for messages.
        precision: choose the highest recall at this precision or better. Default: the best F1.

    Raises:
        UserError: no objects, none of them found, or no thresholds reach the precision.
    """
    points: dict[float, OperatingPoint] = {}
    best_precision = 0.0
    for iou, found in results.items():
        curve = threshold_curve(match_results(ground_truth, found))
        if not curve.positives:
            raise UserError(f"--tune {split}: there is no object on these photos to tune with")
        point = curve.best_f1() if precision is None else curve.best_recall(precision)
        if point is not None and point.true_positives:
            points[iou] = point
        precisions = curve.true / (curve.true + curve.false) if len(curve.true) else [0.0]
        best_precision = max(best_precision, float(max(precisions)))
    if not points:
        raise UserError(
            f"--tune {split}: none of the objects on these photos was found"
            if precision is None or not best_precision
            else f"--tune-precision {precision:g}: no thresholds reach it on the split {split!r}; "
            f"the highest precision there is {best_precision:.3f}"
        )

    def quality(iou: float) -> tuple:
        point = points[iou]
        first = point.f1 if precision is None else point.recall
        return first, point.f1, -abs(iou - _USUAL_IOU), -iou

    iou = max(points, key=quality)
    return Tuning(
        split=split,
        goal="best F1" if precision is None else f"precision of at least {precision:g}",
        confidence=rounded_down(points[iou].confidence),
        iou=iou,
        point=points[iou],
        thresholds_tried=[
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


def store_operating_point(weights: Path, tuning: Tuning) -> None:
    """Write the thresholds into the checkpoint, where ``predict.py`` finds them."""
    from utils.checkpoint import update_metadata

    operating_point = {
        "conf": tuning.confidence,
        "iou": tuning.iou,
        "split": tuning.split,
        "goal": tuning.goal,
        "precision": tuning.point.precision,
        "recall": tuning.point.recall,
        "f1": tuning.point.f1,
    }
    update_metadata(weights, {"operating_point": operating_point})


def rounded_down(confidence: float) -> float:
    """Six digits, never above the given score: rounding up would lose that detection."""
    return math.floor(confidence * 1e6) / 1e6
