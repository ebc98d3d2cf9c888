"""Running a detector over frames, and timing it on one."""

from __future__ import annotations

import time
from collections.abc import Iterator
from statistics import median

import numpy as np

from utils.detections import Detections
from utils.detector import Detector
from utils.media.sources import Frame

WARM_UP_RUNS = 3


def detect_frames(
    detector: Detector, frames: Iterator[Frame], *, conf: float, iou: float, max_det: int
) -> Iterator[tuple[Frame, Detections, float]]:
    """Each frame in order, what is on it, and the milliseconds that the network took for it."""
    for batch in _batches(frames, detector.batch_size):
        inputs = [detector.prepare(frame.image) for frame in batch]
        started = time.perf_counter()
        outputs = detector.infer(inputs)
        network_ms = 1000 * (time.perf_counter() - started) / len(batch)
        for frame, output in zip(batch, outputs, strict=True):
            yield frame, detector.finish(output, conf=conf, iou=iou, max_det=max_det), network_ms


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


def _batches(frames: Iterator[Frame], size: int) -> Iterator[list[Frame]]:
    """Lists of up to ``size`` frames; a live frame goes at once."""
    batch: list[Frame] = []
    for frame in frames:
        batch.append(frame)
        if len(batch) == size or frame.source.kind == "live":
            yield batch
            batch = []
    if batch:
        yield batch
