"""What each error costs in AP50: the costliest errors, and the images with the highest cost."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from utils.evaluation import tide
from utils.evaluation.matching import MatchedResults, position_in_run
from utils.evaluation.schema import ERROR_KINDS, ErrorItem, ImageCost

MAX_PER_KIND_AND_CLASS = 12
MAX_ERRORS = 1500
MAX_IMAGES = 100


@dataclass(frozen=True)
class ErrorCosts:
    """All errors with their costs, as columns (n): false positives first, then missed objects.

    Attributes:
        kind: index into ``ERROR_KINDS``.
        detection: row of the detection; −1 for a missed object.
        truth: row of the object concerned; −1 for background.
        iou: of the two; 0 where one is missing.
        image: image id.
        label: class id of the detection, or of the missed object.
        cost: in AP50.
    """

    kind: np.ndarray
    detection: np.ndarray
    truth: np.ndarray
    iou: np.ndarray
    image: np.ndarray
    label: np.ndarray
    cost: np.ndarray

    def counts(self, column: np.ndarray, size: int) -> np.ndarray:
        """int64 (size, kinds): errors of each kind by ``image`` or ``label``."""
        counts = np.zeros((size, len(ERROR_KINDS)), np.int64)
        np.add.at(counts, (column, self.kind), 1)
        return counts


def error_costs(matched: MatchedResults, errors: tide.ErrorBreakdown) -> ErrorCosts:
    """The errors of a breakdown with their costs."""
    truth, detections = matched.truth, matched.detections
    cost, missed_cost = _costs(matched, errors)
    none = np.full(len(errors.missed), -1, np.int64)
    join = np.concatenate
    return ErrorCosts(
        kind=join([errors.kinds, np.full(len(none), tide.MISSED)]),
        detection=join([errors.rows, none]),
        truth=join([errors.objects, errors.missed]),
        iou=join([errors.ious, np.zeros(len(none))]),
        image=join([detections.image_ids[errors.rows], truth.image_ids[errors.missed]]),
        label=join([detections.class_ids[errors.rows], truth.class_ids[errors.missed]]),
        cost=join([cost, missed_cost]),
    )


def worst_errors(matched: MatchedResults, costs: ErrorCosts) -> list[ErrorItem]:
    """The costliest errors of each kind and class, the costliest first.

    All missed objects of a class cost the same. Among equal costs the larger object, or the higher
    score, comes first.
    """
    areas = np.append(matched.truth.areas, 0.0)[costs.truth]  # −1 reads the 0
    scores = np.append(matched.detections.scores, 0.0)[costs.detection]
    size = np.where(costs.detection < 0, areas, scores)
    order = np.lexsort((-size, -costs.cost, costs.kind, costs.label))
    group = costs.label[order] * len(ERROR_KINDS) + costs.kind[order]
    starts = np.append(True, group[1:] != group[:-1])[: len(group)]
    order = order[position_in_run(starts) < MAX_PER_KIND_AND_CLASS]
    order = order[np.argsort(-costs.cost[order], kind="stable")][:MAX_ERRORS]
    return [_error_item(matched, costs, int(i)) for i in order]


def all_errors(matched: MatchedResults, costs: ErrorCosts) -> list[ErrorItem]:
    """Every error, the costliest first."""
    order = np.argsort(-costs.cost, kind="stable")
    return [_error_item(matched, costs, int(i)) for i in order]


def worst_images(matched: MatchedResults, costs: ErrorCosts) -> list[ImageCost]:
    """The images with errors, the one with the highest sum of costs first."""
    size = matched.images + 1  # image ids count from 1
    total = np.bincount(costs.image, costs.cost, size)
    kinds = costs.counts(costs.image, size)
    order = np.argsort(-total, kind="stable")[:MAX_IMAGES]
    return [
        ImageCost(
            **image_fields(matched, int(i)),
            cost=float(total[i]),
            errors=dict(zip(ERROR_KINDS, kinds[i].tolist(), strict=True)),
        )
        for i in order
        if kinds[i].any()
    ]


def image_fields(matched: MatchedResults, image_id: int) -> dict[str, int | str]:
    """``image_id``, ``stem`` and ``file_name``, with which every item in ``schema`` begins."""
    image = matched.coco_images[image_id - 1]
    return {"image_id": image_id, "stem": image["stem"], "file_name": image["file_name"]}


def object_fields(matched: MatchedResults, row: int) -> dict:
    """``true_class`` and ``true_box`` of an object; None for background (−1)."""
    if row < 0:
        return {"true_class": None, "true_box": None}
    return {
        "true_class": matched.names[matched.truth.class_ids[row]],
        "true_box": matched.truth.boxes[row].tolist(),
    }


def _error_item(matched: MatchedResults, costs: ErrorCosts, i: int) -> ErrorItem:
    detections, row, gt = matched.detections, int(costs.detection[i]), int(costs.truth[i])
    detected = row >= 0
    return ErrorItem(
        kind=ERROR_KINDS[costs.kind[i]],
        **image_fields(matched, int(costs.image[i])),
        predicted_class=matched.names[detections.class_ids[row]] if detected else None,
        score=float(detections.scores[row]) if detected else None,
        box=detections.boxes[row].tolist() if detected else None,
        **object_fields(matched, gt),
        iou=float(costs.iou[i]) if detected and gt >= 0 else None,
        cost=float(costs.cost[i]),
    )


def _costs(matched: MatchedResults, errors: tide.ErrorBreakdown) -> tuple[np.ndarray, np.ndarray]:
    """(cost of each false positive (E,), cost of each missed object (M,)), in AP50.

    Costs are first-order, with precision as measured, not made monotone. A false positive lowers
    the precision at each later true positive from t / (n − 1) to t / n. A missed object lowers its
    class's AP50 by one part in the number of objects. If correcting a false positive would find an
    object, it costs that as well.
    """
    truth, detections = matched.truth, matched.detections
    positives = matched.objects_by_class()
    class_share = 1 / max(1, np.count_nonzero(positives))  # of the mean over classes
    precision_cost = np.zeros(len(detections))
    object_cost = np.zeros(len(positives))
    for class_id in np.flatnonzero(positives):
        rows, hit = matched.scored_rows(class_id)
        true, n = np.cumsum(hit), np.arange(1, len(rows) + 1)
        precision = true / n
        lost = np.where(hit, true / np.maximum(n - 1, 1) - precision, 0.0)
        precision_cost[rows] = class_share * np.cumsum(lost[::-1])[::-1] / positives[class_id]
        area = float(precision[hit].sum()) / positives[class_id]
        gain = class_share * max(area, 1 / positives[class_id])
        object_cost[class_id] = gain / positives[class_id]
    cost = precision_cost[errors.rows]
    for kind in (tide.CLASS, tide.LOCATION):
        best = errors.correctable(detections.scores, np.flatnonzero(errors.kinds == kind))
        cost[best] += object_cost[truth.class_ids[errors.objects[best]]]
    return cost, object_cost[truth.class_ids[errors.missed]]
