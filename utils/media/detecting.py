"""Running a detector over frames, and timing it on one."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from statistics import median

import numpy as np

from utils.detections import Detections
from utils.detector import Detector
from utils.media.frames import Frame
from utils.streaming import detect_stream

WARM_UP_RUNS = 3


def detect_frames(
    detector: Detector, frames: Iterator[Frame], *, conf: float, iou: float, max_det: int
) -> Iterator[tuple[Frame, Detections, float]]:
    """Each frame in order, what is on it, and the milliseconds that the network took for it."""
    inputs = ((frame, detector.prepare(frame.image)) for frame in frames)
    finish = partial(detector.finish, conf=conf, iou=iou, max_det=max_det)
    yield from detect_stream(
        detector, inputs, finish, lambda frame: frame.source.kind in ("live", "stream")
    )


def benchmark(
    detector: Detector, image: np.ndarray, *, runs: int, conf: float, iou: float, max_det: int
) -> dict[str, float]:
    """Median milliseconds of each step on one picture, batches of one, after a warm-up.

    The medians are of the steps, and ``together`` of their sum.
    """
    times = []
    for _ in range(WARM_UP_RUNS + runs):
        start = time.perf_counter()
        network_input = detector.prepare(image)
        prepared = time.perf_counter()
        (output,) = detector.infer([network_input])
        inferred = time.perf_counter()
        detector.finish(output, conf=conf, iou=iou, max_det=max_det)
        done = time.perf_counter()
        times.append((prepared - start, inferred - prepared, done - inferred, done - start))
    names = ("preprocessing", "network", "postprocessing", "together")
    columns = zip(*times[WARM_UP_RUNS:], strict=True)
    return {name: 1000 * median(column) for name, column in zip(names, columns, strict=True)}
