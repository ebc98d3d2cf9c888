"""Generated ground truths and detections for the tests of the metrics."""

from __future__ import annotations

import numpy as np

from utils.evaluation.analysis import analyse
from utils.evaluation.matching import match_results
from utils.evaluation.metrics import compute_metrics
from utils.evaluation.schema import Analysis


def metrics_of(truth: dict, results: list[dict]) -> dict:
    """The metrics of COCO results."""
    return compute_metrics(match_results(truth, results))


def analysed(
    truth: dict, results: list[dict], *, other: tuple[str, list[dict]] | None = None, **options
) -> Analysis:
    """The analysis of COCO results; ``other`` are the name and results to compare with."""
    if other:
        options["other"] = other[0], match_results(truth, other[1])
    return analyse(match_results(truth, results), **options)


def generated(
    seed: int,
    *,
    images: int,
    classes: int,
    objects: float = 5,
    detections: float = 8,
    difficult: float = 0.15,
) -> tuple[dict, list[dict]]:
    """A COCO ground truth and COCO results.

    Objects of all sizes; detections near objects, some of the wrong class, some on nothing, many
    scores equal. Every fourth image has no objects, every fourth class from the third none but
    perhaps difficult ones. Corners are multiples of a quarter, so that they are exact.
    """
    rng = np.random.default_rng(seed)
    quarter = lambda values: np.round(np.asarray(values) * 4) / 4  # noqa: E731
    truth = {
        "images": [
            {"id": i, "file_name": f"{i:04}.jpg", "stem": f"{i:04}", "width": 500, "height": 400}
            for i in range(1, images + 1)
        ],
        "annotations": [],
        "categories": [{"id": c, "name": f"class {c}"} for c in range(classes)],
    }
    results: list[dict] = []
    for image in range(1, images + 1):
        count = 0 if image % 4 == 0 else rng.poisson(objects)
        size = quarter(np.exp(rng.uniform(np.log(6), np.log(200), (count, 2))))
        corner = quarter(rng.uniform(0, 1, (count, 2)) * ([500, 400] - size))
        labels = rng.integers(0, classes, count)
        for xy, wh, label in zip(corner, size, labels, strict=True):
            hard = rng.random() < difficult or label % 4 == 2
            truth["annotations"].append(
                {
                    "id": len(truth["annotations"]) + 1,
                    "image_id": image,
                    "category_id": int(label),
                    "bbox": [*xy.tolist(), *wh.tolist()],
                    "area": float(wh.prod()),
                    "iscrowd": int(hard),
                }
            )
        for _ in range(rng.poisson(detections)):
            if count and rng.random() < 0.75:
                i = rng.integers(count)
                spread = np.maximum(size[i], 4) * rng.choice([0.03, 0.1, 0.25])
                xy = quarter(corner[i] + rng.normal(0, 1, 2) * spread)
                wh = np.maximum(0.25, quarter(size[i] + rng.normal(0, 1, 2) * spread))
                label = labels[i] if rng.random() < 0.85 else rng.integers(classes)
            else:
                wh = quarter(rng.uniform(5, 150, 2))
                xy = quarter(rng.uniform(0, 300, 2))
                label = rng.integers(classes)
            results.append(
                {
                    "image_id": image,
                    "category_id": int(label),
                    "bbox": [*xy.tolist(), *wh.tolist()],
                    "score": float(np.round(rng.random(), rng.choice([1, 2, 6]))),
                }
            )
    rng.shuffle(results)
    return truth, results


CASES = {
    "one class": {"seed": 1, "images": 40, "classes": 1},
    "five classes": {"seed": 2, "images": 60, "classes": 5},
    "80 classes": {"seed": 3, "images": 60, "classes": 80, "objects": 12, "detections": 25},
    "more than 100 detections an image": {
        "seed": 4,
        "images": 6,
        "classes": 2,
        "objects": 40,
        "detections": 330,
    },
    "all difficult": {"seed": 5, "images": 12, "classes": 3, "difficult": 1.0},
    "no objects": {"seed": 6, "images": 6, "classes": 2, "objects": 0},
    "no detections": {"seed": 7, "images": 8, "classes": 3, "detections": 0},
    "neither": {"seed": 8, "images": 3, "classes": 1, "objects": 0, "detections": 0},
}
