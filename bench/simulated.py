"""Labelled photos and detectors out of a hat, in any number and at any skill, to try statistics on.

Objects differ in how easy they are, photos too, and all detectors of a comparison feel that alike,
as real ones do; each has luck of its own besides.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from utils.evaluation.tables import FoundTable, TruthTable

_STEP, _SIDE = 40, 20  # objects are squares in a row, too far apart to be confused


def simulate(
    generator: np.random.Generator,
    images: int,
    skills: Sequence[float],
    *,
    classes: int = 3,
    objects: float = 3.0,
    false: float = 2.0,
) -> tuple[TruthTable, list[FoundTable]]:
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
    truth = TruthTable(image_ids, labels, boxes, np.zeros(total, bool))
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
            FoundTable(
                np.concatenate([image_ids[seen], np.repeat(np.arange(1, images + 1), extra)]),
                np.concatenate([labels[seen], generator.choice(classes, n, p=share)]),
                np.concatenate([drawn, nowhere]),
                np.concatenate([_score(worth[seen]), _score(generator.normal(-0.8, 1, n))]),
            )
        )
    return truth, found


def _score(worth: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-worth))
