"""Whether intervals and comparisons are right as often as they say, on simulated detectors.

    python -m bench.intervals

Objects differ in difficulty, and so do photos. That is the same for all detectors of a comparison,
as with real ones; each has random noise of its own besides. Appends a line to
``bench/results/evaluation.jsonl``.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

import numpy as np

from bench.common import append_result
from utils.evaluation.bootstrap import Samples, compare, draw, estimate_mean, sample
from utils.evaluation.coco import coco_average_precisions
from utils.evaluation.matching import MatchedResults, match_tables
from utils.evaluation.schema import Comparison, Estimate
from utils.evaluation.tables import DetectionTable, GroundTruthTable

TRIALS = 200
SETS = (  # images, classes, skill
    (30, 2, 1.0), (70, 1, 1.0), (70, 3, 1.0), (70, 10, 1.0), (300, 5, 1.0), (300, 30, 1.0),
    (70, 3, 3.0), (300, 3, 3.0), (70, 3, 4.0), (300, 3, 4.0), (70, 10, 4.0),
    (70, 3, -2.0), (30, 2, -3.0),
)  # fmt: skip
EQUALS = ((300, 1.0), (70, 1.0), (70, 3.0), (70, 4.0), (30, -1.0))  # images, skill
BETTER, WORSE = 1.0, 0.795  # skills whose AP50 differ by 5 points
_POPULATION = 20_000  # images, three times
_STEP, _SIDE = 40, 20  # objects are squares in a row, too far apart to be confused


def main() -> int:
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    line = {"coverage": [coverage(*one) for one in SETS], "comparison": comparison()}
    print(json.dumps(line["comparison"], indent=1))
    append_result("evaluation", line)
    return 0


def samples_of(
    truth: GroundTruthTable, found: DetectionTable, classes: int, images: int, seed: int
) -> Samples:
    return sample(matched(truth, found, classes, images), draw(images, seed=seed))


def matched(
    truth: GroundTruthTable, found: DetectionTable, classes: int, images: int
) -> MatchedResults:
    return match_tables(truth, found, names=class_names(classes), images=images)


def class_names(classes: int) -> list[str]:
    return [f"class {c}" for c in range(classes)]


def population(skill: float, classes: int, **options) -> np.ndarray:
    """(10,) AP at each IoU, mean over classes, of a very large set."""
    values = []
    for seed in range(3):
        rng = np.random.default_rng(1_000_000 + seed)
        truth, (found,) = simulate(rng, _POPULATION, [skill], classes=classes, **options)
        results = matched(truth, found, classes, _POPULATION)
        values.append(coco_average_precisions(results)[..., 0].mean(axis=0))
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
    """Share of trials in which AP50 is reported as significantly different."""
    return float(np.mean([
        compared(skill, other, images, seed).ap50.more_than_luck for seed in range(trials)
    ]))  # fmt: skip


def compared(skill: float, other: float, images: int, seed: int, classes: int = 3) -> Comparison:
    rng = np.random.default_rng(seed)
    truth, both = simulate(rng, images, [skill, other], classes=classes)
    this, that = (samples_of(truth, found, classes, images, seed) for found in both)
    held = images_of_class(truth, classes)
    return compare(this, that, "other", class_names(classes), held, images)


def images_of_class(truth: GroundTruthTable, classes: int) -> list[int]:
    return [len(np.unique(truth.image_ids[truth.class_ids == c])) for c in range(classes)]


def _holds(estimate: Estimate, value: float) -> bool:
    return estimate.low <= value <= estimate.high


def simulate(
    generator: np.random.Generator,
    images: int,
    skills: Sequence[float],
    *,
    classes: int = 3,
    objects: float = 3.0,
    false: float = 2.0,
) -> tuple[GroundTruthTable, list[DetectionTable]]:
    """A test set and what detectors of the given skills find on it.

    Args:
        generator: source of randomness.
        images: photos.
        skills: one a detector; 0 finds about half of the objects, 1 three quarters.
        classes: class 0 is the commonest, by a power law.
        objects: mean objects a photo.
        false: mean detections on nothing a photo.
    """
    counts = generator.poisson(objects, images)
    total = int(counts.sum())
    image_ids = np.repeat(np.arange(1, images + 1), counts)
    share = np.arange(1, classes + 1) ** -0.7
    share /= share.sum()
    labels = generator.choice(classes, total, p=share)
    place = np.arange(total) - np.repeat(np.cumsum(counts) - counts, counts)
    boxes = np.zeros((total, 4))
    boxes[:, 0], boxes[:, 2], boxes[:, 3] = place * _STEP, place * _STEP + _SIDE, _SIDE
    truth = GroundTruthTable(image_ids, labels, boxes, np.zeros(total, bool))
    photo = generator.normal(0, 0.7, images)
    ease = generator.normal(0, 1, total) + np.repeat(photo, counts)
    found = []
    for skill in skills:
        worth = skill + ease + generator.normal(0, 0.7, total)
        seen = np.flatnonzero(worth > 0)
        drawn = boxes[seen] + generator.normal(0, 2, (len(seen), 4))
        extra = generator.poisson(false * generator.gamma(1, 1, images))
        n = int(extra.sum())
        nowhere = np.tile([0.0, 500, _SIDE, 500 + _SIDE], (n, 1))
        found.append(
            DetectionTable(
                np.concatenate([image_ids[seen], np.repeat(np.arange(1, images + 1), extra)]),
                np.concatenate([labels[seen], generator.choice(classes, n, p=share)]),
                np.concatenate([drawn, nowhere]),
                np.concatenate([_score(worth[seen]), _score(generator.normal(-0.8, 1, n))]),
            )
        )
    return truth, found


def _score(worth: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-worth))


if __name__ == "__main__":
    sys.exit(main())
