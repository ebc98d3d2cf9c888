"""Milliseconds of suppression, voting and mapping boxes back to the photo.

    python -m bench.suppression

The boxes are generated: 15 objects with 30 predictions each among predictions of the background,
as many as a network at 416×416 has. The time is that of the thread, so that other work does not
count.
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np

from bench.common import append_result
from utils.letterbox import Letterbox
from utils.postprocess import to_detections

SIZE, CLASSES, OBJECTS, PREDICTIONS = 416, 80, 15, 30
SCENES, REPEATS = 5, 20
THRESHOLDS = ((0.001, 0.6), (0.25, 0.45))  # confidence and IoU of get_map.py and predict.py


def main() -> int:
    scenes = [scene(seed) for seed in range(SCENES)]
    letterbox = Letterbox(640, 480, SIZE, SIZE)
    names = [str(i) for i in range(CLASSES)]
    for conf, iou in THRESHOLDS:
        times = []
        for _ in range(REPEATS):
            for boxes, scores in scenes:
                began = time.thread_time()
                to_detections(boxes, scores, letterbox, names, conf=conf, iou=iou, max_det=300)
                times.append(1000 * (time.thread_time() - began))
        row = {"conf": conf, "iou": iou, "median_ms": round(float(np.median(times)), 2),
               "lowest_ms": round(min(times), 2)}  # fmt: skip
        print(json.dumps(row), flush=True)
        append_result("suppression", row)
    return 0


def scene(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """float32 boxes (N, 4) and scores (N, classes) of one picture."""
    rng = np.random.default_rng(seed)
    count = 3 * sum((SIZE // stride) ** 2 for stride in (8, 16, 32))
    centres = rng.uniform(0, SIZE, (count, 2))
    sides = np.exp(rng.normal(3.5, 0.8, (count, 2)))
    objectness = sigmoid(rng.normal(-7, 1.5, count))
    classes = sigmoid(rng.normal(-5, 1.5, (count, CLASSES)))
    for _ in range(OBJECTS):
        rows = rng.choice(count, PREDICTIONS, replace=False)
        size = rng.uniform(20, 200, 2)
        centre = rng.uniform(50, SIZE - 50, 2)
        centres[rows] = centre + 0.04 * size * rng.normal(size=(PREDICTIONS, 2))
        sides[rows] = size * np.exp(0.07 * rng.normal(size=(PREDICTIONS, 2)))
        objectness[rows] = rng.uniform(0.05, 0.95, PREDICTIONS)
        classes[rows, rng.integers(CLASSES)] = rng.uniform(0.5, 0.99, PREDICTIONS)
    boxes = np.concatenate([centres - sides / 2, centres + sides / 2], axis=1)
    return boxes.astype(np.float32), (objectness[:, None] * classes).astype(np.float32)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


if __name__ == "__main__":
    sys.exit(main())
