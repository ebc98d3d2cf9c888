"""How fast training photos are read and augmented, beside a loader written the tutorial way.

    python -m bench.loader --data DIR [--size 416] [--repeats 5] [--photos 200]

Both run alternately on one thread, without a cache. ``bench.tutorial`` says what the other loader
does. Ours gives the padded boxes that the loss assigns on the device. Appends a line to
``bench/results/loader.jsonl``. Rates are medians over the repeats, by wall time and by the
processor time of the thread.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import cv2
import numpy as np

from bench import tutorial
from bench.common import append_result
from utils.cores import available_cores
from utils.data.augment import AUGMENTATIONS
from utils.data.batches.samples import TrainingSamples
from utils.data.datasets import load_datasets
from utils.data.records import Dataset


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with labelled photos")
    parser.add_argument("--split", default="trainval", help="list of photos")
    parser.add_argument("--size", type=int, default=416, help="network input in pixels")
    parser.add_argument("--repeats", type=int, default=5, help="measurements of each loader")
    parser.add_argument("--photos", type=int, default=200, help="samples in a measurement")
    parser.add_argument("--no-record", action="store_true", help="do not append the result")
    options = parser.parse_args()

    cv2.setNumThreads(1)
    dataset, _, _ = load_datasets(options.data, split=options.split)
    loaders = make_loaders(dataset, options.size)
    seconds = {name: {"wall": [], "cpu": []} for name in loaders}
    for load in loaders.values():
        for index in range(20):  # warms the caches of files and code
            load(index)
    for repeat in range(options.repeats):
        for name, load in loaders.items():
            wall, cpu = time.perf_counter(), time.thread_time()
            for index in range(repeat * options.photos, (repeat + 1) * options.photos):
                load(index)
            seconds[name]["wall"].append(time.perf_counter() - wall)
            seconds[name]["cpu"].append(time.thread_time() - cpu)
    report(dataset, options, seconds)


def make_loaders(dataset: Dataset, size: int) -> dict[str, Callable[[int], object]]:
    """Loaders by name: sample index → a sample."""
    full = AUGMENTATIONS["full"]
    ours = TrainingSamples(dataset, size, 0, full)
    mosaic = TrainingSamples(dataset, size, 0, replace(full, mosaic=1.0))
    rng = np.random.default_rng(0)

    anchors, classes = tutorial.ANCHORS * size / 416, len(dataset.classes)

    def without_targets(index: int) -> tuple[np.ndarray, np.ndarray]:
        return tutorial.load_sample(dataset.records[index % len(dataset)], size, rng)

    def with_targets(index: int) -> object:
        image, boxes = without_targets(index)
        return image, tutorial.dense_targets([boxes[:, :4]], [boxes[:, 4]], anchors, size, classes)

    return {
        "tutorial": with_targets,
        "tutorial, no targets": without_targets,
        "ours": ours.__getitem__,
        "ours, mosaic": mosaic.__getitem__,
    }


def report(dataset: Dataset, options: argparse.Namespace, seconds: dict) -> None:
    rates = {
        name: {kind: options.photos / statistics.median(times[kind]) for kind in times}
        for name, times in seconds.items()
    }
    base = rates["tutorial"]
    print(f"{len(dataset)} photos, {options.size} pixels, one thread, samples a second:")
    for name, rate in rates.items():
        print(
            f"  {name:22} {rate['wall']:6.0f} (wall)  {rate['cpu']:6.0f} (processor)   "
            f"×{rate['wall'] / base['wall']:.2f}  ×{rate['cpu'] / base['cpu']:.2f}"
        )
    line = {
        "data": options.data.name,
        "size": options.size,
        "samples_per_second": {
            name: {kind: round(value, 1) for kind, value in rate.items()}
            for name, rate in rates.items()
        },
        "times_tutorial": {
            name: {kind: round(rate[kind] / base[kind], 2) for kind in rate}
            for name, rate in rates.items()
        },
        "repeats": options.repeats,
        "photos": options.photos,
        "opencv": cv2.__version__,
        "machine": f"{platform.machine()}, {available_cores()} cores",
    }
    if not options.no_record:
        append_result("loader", line)


if __name__ == "__main__":
    main()
