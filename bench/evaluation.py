"""Speed of scoring beside pycocotools, and whether the numbers are equal.

    python -m bench.evaluation

Appends a line to ``bench/results/evaluation.jsonl``.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import resource
import sys
import time

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from bench.common import append_result
from utils.evaluation.analysis import analyse
from utils.evaluation.coco import NAMES
from utils.evaluation.matching import match_results
from utils.evaluation.metrics import compute_metrics


def main() -> int:
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    result = speed()
    print(json.dumps(result, indent=1))
    append_result("evaluation", {"speed": result})
    return 0


def large_case(
    seed: int = 0, *, images: int = 5000, classes: int = 80, boxes: int = 36_000,
    detections: int = 250_000,
) -> tuple[dict, list[dict]]:  # fmt: skip
    """A ground truth and results of the size of COCO's validation set."""
    rng = np.random.default_rng(seed)
    share = 1 / np.arange(3, classes + 3)
    share /= share.sum()
    image = rng.integers(1, images + 1, boxes)
    label = rng.choice(classes, boxes, p=share)
    size = np.exp(rng.uniform(np.log(8), np.log(300), (boxes, 2)))
    corner = rng.uniform(0, 1, (boxes, 2)) * (640 - size)
    crowd = rng.random(boxes) < 0.02
    truth = {
        "images": [
            {"id": i, "file_name": f"{i}.jpg", "stem": str(i), "width": 640, "height": 640}
            for i in range(1, images + 1)
        ],
        "annotations": [
            {
                "id": i + 1,
                "image_id": int(image[i]),
                "category_id": int(label[i]),
                "bbox": [*corner[i].tolist(), *size[i].tolist()],
                "area": float(size[i][0] * size[i][1]),
                "iscrowd": int(crowd[i]),
            }
            for i in range(boxes)
        ],
        "categories": [{"id": c, "name": f"class {c}"} for c in range(classes)],
    }
    source = rng.integers(0, boxes, detections)
    near = rng.random(detections) < 0.6
    spread = rng.choice([0.03, 0.08, 0.2, 0.4], detections)
    wide = spread[:, None]
    moved = corner[source] + rng.normal(0, 1, (detections, 2)) * size[source] * wide
    grown = size[source] * np.exp(rng.normal(0, 1, (detections, 2)) * wide)
    moved = np.where(near[:, None], moved, rng.uniform(0, 400, (detections, 2)))
    grown = np.where(near[:, None], grown, rng.uniform(8, 200, (detections, 2)))
    right = near & (rng.random(detections) < 0.9)
    predicted = np.where(right, label[source], rng.choice(classes, detections, p=share))
    sure = rng.beta(2, 2, detections), rng.beta(1, 8, detections)
    score = np.where(near & (spread < 0.1), *sure)
    results = [
        {
            "image_id": int(image[s]),
            "category_id": int(c),
            "bbox": [*xy.tolist(), *wh.tolist()],
            "score": float(p),
        }
        for s, c, xy, wh, p in zip(source, predicted, moved, grown, score, strict=True)
    ]
    return truth, results


def by_pycocotools(truth: dict, results: list[dict]) -> np.ndarray:
    """The twelve numbers as pycocotools gives them."""
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = {**truth, "annotations": [dict(a) for a in truth["annotations"]]}
        coco.createIndex()
        evaluation = COCOeval(coco, coco.loadRes([dict(r) for r in results]), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation.stats


def speed() -> dict:
    """Everything that ``get_map.py`` computes, against pycocotools' twelve numbers alone."""
    truth, results = large_case()
    start = time.perf_counter()
    matched = match_results(truth, results)
    metrics = compute_metrics(matched)
    analysis = analyse(matched)
    ours = time.perf_counter() - start
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    start = time.perf_counter()
    twelve = by_pycocotools(truth, results)
    theirs = time.perf_counter() - start
    off = np.abs(np.array([metrics["coco"][name] for name in NAMES]) - twelve).max()
    return {
        "images": len(truth["images"]),
        "boxes": len(truth["annotations"]),
        "detections": len(results),
        "resamples": analysis.resamples,
        "seconds": round(ours, 2),
        "phases": {name: round(s, 2) for name, s in analysis.seconds.items()},
        "pycocotools_seconds": round(theirs, 2),
        "ratio": round(ours / theirs, 3),
        "memory_gib": round(memory, 2),
        "largest_difference_from_pycocotools": float(off),
    }


if __name__ == "__main__":
    sys.exit(main())
