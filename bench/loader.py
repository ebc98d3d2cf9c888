"""How fast training photos are read and changed, beside a loader of the tutorial kind.

    python -m bench.loader --data DIR [--size 416] [--rounds 5] [--photos 200]

Both run on one thread, in turn, round by round, without a cache. The other loader is written here
for the comparison, as such loaders usually are: Pillow opens the photo and resizes it with bicubic
filtering and jitter, it is pasted on grey, mirrored, its colours changed in HSV by lookup tables,
and dense targets for three grids are filled in Python loops. Ours gives the padded boxes that the
loss assigns on the device. Appends a line to ``bench/results/loader.jsonl``; rates are
medians over the rounds, by the clock and by the processor time of the thread.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import cv2
import numpy as np
from PIL import Image

from utils.cores import available_cores
from utils.data.augment import AUGMENTATIONS
from utils.data.batches.samples import TrainingSamples
from utils.data.datasets import load_datasets
from utils.data.records import Dataset, Record

RESULTS = Path(__file__).parent / "results" / "loader.jsonl"
ANCHORS = np.array(
    [(10, 13), (16, 30), (33, 23), (30, 61), (62, 45), (59, 119), (116, 90), (156, 198), (373, 326)]
)  # published with YOLOv3
GREY = (128, 128, 128)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with labelled photos")
    parser.add_argument("--split", default="trainval", help="list of photos")
    parser.add_argument("--size", type=int, default=416, help="network input in pixels")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--photos", type=int, default=200, help="samples in a round")
    parser.add_argument("--out", type=Path, default=RESULTS, help="file to append the result to")
    options = parser.parse_args()

    cv2.setNumThreads(1)
    dataset, _, _ = load_datasets(options.data, split=options.split)
    loaders = make_loaders(dataset, options.size)
    seconds = {name: {"wall": [], "cpu": []} for name in loaders}
    for load in loaders.values():
        for index in range(20):  # the files into the system's cache, the code into the processor's
            load(index)
    for turn in range(options.rounds):
        for name, load in loaders.items():
            wall, cpu = time.perf_counter(), time.thread_time()
            for index in range(turn * options.photos, (turn + 1) * options.photos):
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

    def tutorial(index: int) -> object:
        record = dataset.records[index % len(dataset)]
        image, boxes = tutorial_sample(record, size, rng)
        return image, tutorial_targets(boxes, size, len(dataset.classes))

    def tutorial_without_targets(index: int) -> object:
        return tutorial_sample(dataset.records[index % len(dataset)], size, rng)

    return {
        "tutorial": tutorial,
        "tutorial, no targets": tutorial_without_targets,
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
        "rounds": options.rounds,
        "photos": options.photos,
        "opencv": cv2.__version__,
        "machine": f"{platform.machine()}, {available_cores()} cores",
        "date": date.today().isoformat(),
    }
    with options.out.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


# The loader of the tutorial kind ----------------------------------------------------------------


def tutorial_sample(
    record: Record, size: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """float32 (S, S, 3) picture in 0–1 and (N, 5) boxes with class ids in it."""
    image = Image.open(record.image).convert("RGB")
    width, height = image.size

    # Resize with jitter of aspect and scale, paste on grey.
    jitter = 0.3
    ratio = (
        width / height * rng.uniform(1 - jitter, 1 + jitter) / rng.uniform(1 - jitter, 1 + jitter)
    )
    scale = rng.uniform(0.25, 2)
    if ratio < 1:
        new_height = int(scale * size)
        new_width = int(new_height * ratio)
    else:
        new_width = int(scale * size)
        new_height = int(new_width / ratio)
    image = image.resize((new_width, new_height), Image.Resampling.BICUBIC)
    left = int(rng.random() * (size - new_width))
    top = int(rng.random() * (size - new_height))
    canvas = Image.new("RGB", (size, size), GREY)
    canvas.paste(image, (left, top))
    mirrored = rng.random() < 0.5
    if mirrored:
        canvas = canvas.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    pixels = np.array(canvas, np.uint8)

    # Hue, saturation and value by lookup tables.
    factors = rng.uniform(-1, 1, 3) * [0.1, 0.7, 0.4] + 1
    hue, saturation, value = cv2.split(cv2.cvtColor(pixels, cv2.COLOR_RGB2HSV))
    levels = np.arange(0, 256, dtype=factors.dtype)
    tables = (
        ((levels * factors[0]) % 180).astype(np.uint8),
        np.clip(levels * factors[1], 0, 255).astype(np.uint8),
        np.clip(levels * factors[2], 0, 255).astype(np.uint8),
    )
    channels = (hue, saturation, value)
    merged = cv2.merge([cv2.LUT(c, t) for c, t in zip(channels, tables, strict=True)])
    pixels = cv2.cvtColor(merged, cv2.COLOR_HSV2RGB)

    boxes = np.concatenate([record.boxes, record.class_ids[:, None]], axis=1)
    boxes[:, [0, 2]] = boxes[:, [0, 2]] * new_width / width + left
    boxes[:, [1, 3]] = boxes[:, [1, 3]] * new_height / height + top
    if mirrored:
        boxes[:, [0, 2]] = size - boxes[:, [2, 0]]
    boxes[:, :4] = np.clip(boxes[:, :4], 0, size)
    sides = boxes[:, 2:4] - boxes[:, :2]
    return pixels.astype(np.float32) / 255, boxes[(sides > 1).all(axis=1)]


def tutorial_targets(boxes: np.ndarray, size: int, classes: int) -> list[np.ndarray]:
    """Three dense grids (G, G, 3, 5 + classes), filled box by box with the best anchor."""
    targets = [np.zeros((size // s, size // s, 3, 5 + classes), np.float32) for s in (8, 16, 32)]
    for x0, y0, x1, y1, class_id in boxes:
        width, height = x1 - x0, y1 - y0
        best, best_overlap = 0, -1.0
        for number, (anchor_width, anchor_height) in enumerate(ANCHORS):
            common = min(width, anchor_width) * min(height, anchor_height)
            overlap = common / (width * height + anchor_width * anchor_height - common)
            if overlap > best_overlap:
                best, best_overlap = number, overlap
        level, anchor = divmod(best, 3)
        grid = targets[level]
        centre_x, centre_y = (x0 + x1) / 2 / size, (y0 + y1) / 2 / size
        column = min(int(centre_x * grid.shape[1]), grid.shape[1] - 1)
        row = min(int(centre_y * grid.shape[0]), grid.shape[0] - 1)
        grid[row, column, anchor, :4] = centre_x, centre_y, width / size, height / size
        grid[row, column, anchor, 4] = 1
        grid[row, column, anchor, 5 + int(class_id)] = 1
    return targets


if __name__ == "__main__":
    main()
