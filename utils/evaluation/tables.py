"""Objects and detections as columns: what every NumPy metric reads.

The files hold COCO's lists of dictionaries. ``ground_truth_table`` and ``detection_table`` turn
them into arrays once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from utils.detections import xyxy

TRUE_POSITIVE, FALSE_POSITIVE, IGNORED = 1, 0, -1  # what a detection is, after matching


@dataclass(frozen=True)
class GroundTruthTable:
    """All labelled objects, in the order of the file.

    Attributes:
        image_ids: int64 (G,).
        class_ids: int64 (G,).
        boxes: float64 (G, 4), ``x0, y0, x1, y1`` in pixels of the photo.
        difficult: bool (G,).
        areas: float64 (G,), ``area`` of the file, which decides an object's size group. In COCO it
            is the area of the outline. Default: from the corners.
        box_areas: float64 (G,), width × height of the file, used for IoU. Default: from the
            corners.
    """

    image_ids: np.ndarray
    class_ids: np.ndarray
    boxes: np.ndarray
    difficult: np.ndarray
    areas: np.ndarray | None = None
    box_areas: np.ndarray | None = None

    def __post_init__(self) -> None:
        for name in ("areas", "box_areas"):
            if getattr(self, name) is None:
                object.__setattr__(self, name, _areas(self.boxes))

    def __len__(self) -> int:
        return len(self.image_ids)


@dataclass(frozen=True)
class DetectionTable:
    """All detections, in the order of the file.

    Attributes:
        image_ids: int64 (D,).
        class_ids: int64 (D,).
        boxes: float64 (D, 4), ``x0, y0, x1, y1`` in pixels of the photo.
        scores: float64 (D,).
        areas: float64 (D,), width × height of the file. Default: from the corners.
    """

    image_ids: np.ndarray
    class_ids: np.ndarray
    boxes: np.ndarray
    scores: np.ndarray
    areas: np.ndarray | None = None

    def __post_init__(self) -> None:
        if self.areas is None:
            object.__setattr__(self, "areas", _areas(self.boxes))

    def __len__(self) -> int:
        return len(self.image_ids)


def ground_truth_table(ground_truth: dict) -> GroundTruthTable:
    """The annotations of a COCO ground truth; ``iscrowd`` means difficult."""
    annotations = ground_truth["annotations"]
    return GroundTruthTable(
        image_ids=_column(annotations, "image_id", np.int64),
        class_ids=_column(annotations, "category_id", np.int64),
        boxes=xyxy([item["bbox"] for item in annotations]),
        difficult=_column(annotations, "iscrowd", bool),
        areas=_column(annotations, "area", np.float64),
        box_areas=_box_areas(annotations),
    )


def detection_table(results: list[dict]) -> DetectionTable:
    """COCO results."""
    return DetectionTable(
        image_ids=_column(results, "image_id", np.int64),
        class_ids=_column(results, "category_id", np.int64),
        boxes=xyxy([item["bbox"] for item in results]),
        scores=_column(results, "score", np.float64),
        areas=_box_areas(results),
    )


def class_names(ground_truth: dict) -> list[str]:
    """The names of a COCO ground truth's categories, in order of their ids (0, 1, …)."""
    return [c["name"] for c in sorted(ground_truth["categories"], key=lambda c: c["id"])]


def numbered_from_one(
    ground_truth: dict, truth: GroundTruthTable, detections: DetectionTable
) -> tuple[GroundTruthTable, DetectionTable]:
    """The tables with image ids 1 … n, in the order of the ground truth's own ids."""
    known = np.array(sorted(image["id"] for image in ground_truth["images"]), np.int64)
    return (
        replace(truth, image_ids=np.searchsorted(known, truth.image_ids) + 1),
        replace(detections, image_ids=np.searchsorted(known, detections.image_ids) + 1),
    )


def mean_of_known(values: Sequence[float | None] | np.ndarray) -> float | None:
    """Mean of the values that are neither None nor NaN; None without any.

    Metrics use it for the mean over classes: a class without countable objects has no value.
    """
    values = np.asarray(values, np.float64)
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else None


def _column(items: list[dict], key: str, dtype: type) -> np.ndarray:
    return np.array([item[key] for item in items], dtype)


def _box_areas(items: list[dict]) -> np.ndarray:
    return np.array([item["bbox"][2] * item["bbox"][3] for item in items], np.float64)


def _areas(boxes: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore", invalid="ignore"):  # boxes of any finite size are legal
        return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
