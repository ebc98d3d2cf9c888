"""What the evaluation promises, measured: speed beside pycocotools, and whether the intervals and
comparisons are right as often as they say. Appends a line to ``results/evaluation.jsonl``."""

from __future__ import annotations

import contextlib
import io
import json
import resource
import sys
import time
from pathlib import Path

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from bench.simulated import simulate
from utils.evaluation.analyse import analyse
from utils.evaluation.analysis import Comparison, Estimate
from utils.evaluation.average_precision import average_precisions
from utils.evaluation.bootstrap import Samples, compare, draw, estimate_mean, sample
from utils.evaluation.coco import NAMES
from utils.evaluation.matched_results import open_case
from utils.evaluation.matching import match
from utils.evaluation.metrics import evaluate_case
from utils.evaluation.overlaps import overlaps
from utils.evaluation.tables import FoundTable, TruthTable

RESULTS = Path(__file__).parent / "results" / "evaluation.jsonl"
TRIALS = 200
SETS = (  # images, classes, skill
    (30, 2, 1.0), (70, 1, 1.0), (70, 3, 1.0), (70, 10, 1.0), (300, 5, 1.0), (300, 30, 1.0),
    (70, 3, 3.0), (300, 3, 3.0), (70, 3, 4.0), (300, 3, 4.0), (70, 10, 4.0),
)  # fmt: skip
EQUALS = ((300, 1.0), (70, 1.0), (70, 3.0), (70, 4.0), (30, -1.0))  # images, skill
BETTER, WORSE = 1.0, 0.795  # skills whose AP50 differ by 5 points
_POPULATION = 20_000  # images, three times


def main() -> int:
    line = {"speed": speed()}
    print(json.dumps(line["speed"], indent=1))
    line["coverage"] = [coverage(*one) for one in SETS]
    line["comparison"] = comparison()
    print(json.dumps(line["comparison"], indent=1))
    with RESULTS.open("a") as file:
        file.write(json.dumps(line) + "\n")
    return 0


# Speed ------------------------------------------------------------------------------------------


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
    said = np.where(right, label[source], rng.choice(classes, detections, p=share))
    sure = rng.beta(2, 2, detections), rng.beta(1, 8, detections)
    score = np.where(near & (spread < 0.1), *sure)
    results = [
        {
            "image_id": int(image[s]),
            "category_id": int(c),
            "bbox": [*xy.tolist(), *wh.tolist()],
            "score": float(p),
        }
        for s, c, xy, wh, p in zip(source, said, moved, grown, score, strict=True)
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
    case = open_case(truth, results)
    metrics = evaluate_case(case)
    analysis = analyse(truth, results, case=case)
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


# Intervals and comparisons ----------------------------------------------------------------------


def samples_of(
    truth: TruthTable, found: FoundTable, classes: int, images: int, seed: int
) -> Samples:
    matching = match(truth, found, overlaps(truth, found), classes)
    return sample(truth, found, matching, draw(images, seed=seed))


def population(skill: float, classes: int, **options) -> np.ndarray:
    """(10,) AP at each IoU, mean over classes, of a set so large that luck plays no part."""
    values = []
    for seed in range(3):
        rng = np.random.default_rng(1_000_000 + seed)
        truth, (found,) = simulate(rng, _POPULATION, [skill], classes=classes, **options)
        matching = match(truth, found, overlaps(truth, found), classes)
        values.append(average_precisions(truth, found, matching)[..., 0].mean(axis=0))
    return np.mean(values, axis=0)


def coverage(images: int, classes: int, skill: float = 1.0, trials: int = TRIALS) -> dict:
    """How often the 95 % intervals of AP50 and AP hold the population's."""
    true = population(skill, classes)
    held = {"AP50": [], "AP": [], "AP50 by plain percentiles": []}
    width = []
    for seed in range(trials):
        truth, (found,) = simulate(np.random.default_rng(seed), images, [skill], classes=classes)
        samples = samples_of(truth, found, classes, images, seed)
        counts = images_of_class(truth, classes), images
        at_half = estimate_mean(samples, slice(0, 1), *counts)
        held["AP50"].append(_holds(at_half, true[0]))
        held["AP"].append(_holds(estimate_mean(samples, slice(None), *counts), true.mean()))
        low, high = np.nanpercentile(np.nanmean(samples.whole[:, 0], axis=0), (2.5, 97.5))
        held["AP50 by plain percentiles"].append(low <= true[0] <= high)
        width.append(at_half.high - at_half.low)
    result = {
        "images": images,
        "classes": classes,
        "skill": skill,
        "AP50": round(float(true[0]), 3),
        "width": round(float(np.mean(width)), 3),
        "held": {name: float(np.mean(values)) for name, values in held.items()},
    }
    print(json.dumps(result))
    return result


def comparison(images: int = 300, trials: int = TRIALS) -> dict:
    """How often a difference is claimed: between equals, and where AP50 differs by 5 points."""
    return {
        "images": images,
        "trials": trials,
        "claimed_between_equals": [
            {"images": n, "skill": skill, "claimed": claims(skill, skill, n, trials)}
            for n, skill in EQUALS
        ],
        "true_difference": round(float(population(BETTER, 3)[0] - population(WORSE, 3)[0]), 4),
        "claimed_where_there_is_one": claims(BETTER, WORSE, images, trials),
    }


def claims(skill: float, other: float, images: int, trials: int) -> float:
    """Share of trials in which AP50 is said to differ by more than luck."""
    return float(np.mean([
        compared(skill, other, images, seed).ap50.more_than_luck for seed in range(trials)
    ]))  # fmt: skip


def compared(skill: float, other: float, images: int, seed: int, classes: int = 3) -> Comparison:
    rng = np.random.default_rng(seed)
    truth, both = simulate(rng, images, [skill, other], classes=classes)
    this, that = (samples_of(truth, found, classes, images, seed) for found in both)
    held = images_of_class(truth, classes)
    return compare(this, that, "other", [f"class {c}" for c in range(classes)], held, images)


def images_of_class(truth: TruthTable, classes: int) -> list[int]:
    return [len(np.unique(truth.image_ids[truth.class_ids == c])) for c in range(classes)]


def _holds(estimate: Estimate, value: float) -> bool:
    return estimate.low <= value <= estimate.high


if __name__ == "__main__":
    sys.exit(main())
