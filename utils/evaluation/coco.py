"""COCO's twelve numbers, and AP by class, by pycocotools."""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from utils.evaluation.tables import class_names

NAMES = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl")


@dataclass(frozen=True)
class CocoScores:
    """What pycocotools says.

    Attributes:
        summary: the twelve by ``NAMES``; -1 where nothing counts.
        ap: AP (IoU 0.50 to 0.95) of each class id; None for a class without objects.
        ap50: AP at IoU 0.50 of each class id; None likewise.
    """

    summary: dict[str, float]
    ap: list[float | None]
    ap50: list[float | None]


def score(ground_truth: dict, results: list[dict]) -> CocoScores:
    """Score COCO results against a COCO ground truth; neither is changed.

    Difficult objects are crowds to COCO: finding one counts neither way. Whether one is found is
    judged by the share of the *detection* that lies inside it, not by IoU.
    """
    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools reports by printing
        truth = _index(ground_truth, [dict(a) for a in ground_truth["annotations"]])
        evaluation = COCOeval(truth, _index(ground_truth, _numbered(results)), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    # (IoU threshold, recall, class), all areas, 100 detections an image
    precision = evaluation.eval["precision"][..., 0, -1]
    classes = range(len(class_names(ground_truth)))
    return CocoScores(
        summary=dict(zip(NAMES, map(float, evaluation.stats), strict=True)),
        ap=[_mean(precision[:, :, c]) for c in classes],
        ap50=[_mean(precision[0, :, c]) for c in classes],
    )


def _index(ground_truth: dict, annotations: list[dict]) -> COCO:
    # Not COCO.loadRes: it fails on an empty list and alters the caller's items.
    coco = COCO()
    coco.dataset = {
        "images": ground_truth["images"],
        "categories": ground_truth["categories"],
        "annotations": annotations,
    }
    coco.createIndex()
    return coco


def _numbered(results: list[dict]) -> list[dict]:
    """Results as the annotations that pycocotools compares: with ids from 1 and areas."""
    return [
        {**r, "id": i, "area": r["bbox"][2] * r["bbox"][3], "iscrowd": 0}
        for i, r in enumerate(results, 1)
    ]


def _mean(precision: np.ndarray) -> float | None:
    counted = precision[precision > -1]
    return float(counted.mean()) if counted.size else None
