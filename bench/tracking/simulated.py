"""Detections of a drive as a detector might give them: noise, misses, false positives."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bench.tracking.drives import HEIGHT, WIDTH, Drive
from utils.data.synthetic.signs import CLASSES
from utils.detections import Detections
from utils.postprocess import nms

BOX_NOISE = 0.03  # standard deviation as a share of the box, where it is wholly visible
HIDDEN_NOISE = 0.09  # and where nearly nothing is
MISSED = 0.03  # of the objects, at random, whatever their visibility
SCORE_NOISE = 0.1
FALSE_POSITIVES = 0.4  # a frame, anywhere
SPOTS = 3  # places in the picture that are again and again taken for an object
SPOT_SHARE = 0.3  # of the frames


def simulated_detections(drive: Drive) -> Iterator[Detections]:
    """The detections of each frame with a score of at least 0.05, after suppression."""
    rng = np.random.default_rng([drive.seed, 25])
    class_ids = np.array([CLASSES.index(kind) if kind else -1 for kind in drive.kinds])
    wrong = np.unique(class_ids[class_ids >= 0])  # classes of false positives
    spots = _random_boxes(rng, SPOTS)
    spot_classes = rng.choice(wrong, SPOTS)
    for frame in range(len(drive.times_s)):
        rows, boxes = drive.truth(frame)
        found = rng.random(len(rows)) > MISSED
        rows, boxes = rows[found], boxes[found]
        visible = drive.visible[rows, frame]
        score = 0.05 + 0.8 * visible + rng.normal(0, SCORE_NOISE, len(rows))
        noise = BOX_NOISE * visible + HIDDEN_NOISE * (1 - visible)
        parts = [(_noisy(rng, boxes, noise), score, class_ids[rows])]
        some = rng.random(SPOTS) < SPOT_SHARE
        parts.append((spots[some], rng.uniform(0.1, 0.4, some.sum()), spot_classes[some]))
        count = rng.poisson(FALSE_POSITIVES)
        parts.append(
            (
                _random_boxes(rng, count),
                rng.uniform(0.05, 0.5, count),
                rng.choice(wrong, count),
            )
        )
        boxes, score, classes = (np.concatenate(part) for part in zip(*parts, strict=True))
        scores = np.zeros((len(boxes), len(CLASSES)))
        scores[np.arange(len(boxes)), classes] = np.clip(score, 0, 0.95)
        yield Detections(
            *nms(boxes, scores, conf=0.05, iou=0.45, max_det=300), CLASSES, (WIDTH, HEIGHT)
        )


def _noisy(rng: np.random.Generator, boxes: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Boxes (N, 4) whose sides move by a share ``noise`` (N,) of their width and height."""
    size = np.tile(boxes[:, 2:] - boxes[:, :2], 2)
    return boxes + noise[:, None] * size * rng.standard_normal(boxes.shape)


def _random_boxes(rng: np.random.Generator, count: int) -> np.ndarray:
    side = rng.uniform(15, 60, (count, 1))
    corner = rng.uniform(0, 1, (count, 2)) * ([WIDTH, HEIGHT] - side)
    return np.hstack([corner, corner + side])
