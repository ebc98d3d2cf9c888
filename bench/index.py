"""How fast a large dataset opens: ``python -m bench.index``.

Writes tiny photos with XML, and opens them with and without a cache. Appends a line to
``bench/results/index.jsonl``: seconds, memory per object, time to the first batch, and the same for
a hundredth of the photos. Every measurement is a process of its own.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from bench.common import append_result
from utils.cli import option, parse, run


@dataclass(frozen=True)
class IndexConfig:
    """The options of the measurement."""

    photos: int = option(100_000, help="photos of the large dataset", low=100)
    lists: bool = option(True, help="write split lists; without, a split is made from the seed")
    measure: str = option("", help="internal, for the processes that measure", metavar="WHAT")
    data: Path | None = option(None, help="internal, for the processes that measure", metavar="DIR")


def main(argv: list[str]) -> int:
    config = parse(IndexConfig, argv, "Measure how fast a large dataset opens.")
    if config.measure:
        print(json.dumps(MEASUREMENTS[config.measure](config.data)))
        return 0
    line = {"photos": config.photos, "lists": config.lists}
    with tempfile.TemporaryDirectory() as folder:
        for count, name in ((max(config.photos // 100, 100), "small"), (config.photos, "large")):
            data = Path(folder) / name
            write_photos(data, count, config.lists)
            time.sleep(2.2)  # a folder that has just changed is not cached
            environment = {**os.environ, "EFFICIENT_YOLO3_CACHE": f"{folder}/cache"}
            steps: dict = {}
            for step in ("cold", "warm", "load_cold", "load", "batch"):
                call = [sys.executable, "-m", "bench.index", "--measure", step.split("_")[0]]
                done = subprocess.run(
                    [*call, "--data", data], env=environment, check=True, stdout=subprocess.PIPE
                )
                steps[step] = json.loads(done.stdout.splitlines()[-1])
                print(f"{count} photos, {step}: {steps[step]}", flush=True)
            line[name] = steps
    objects = line["large"]["load"]["objects"] - line["small"]["load"]["objects"]
    extra = line["large"]["load"]["bytes"] - line["small"]["load"]["bytes"]
    line["bytes_an_object"] = round(extra / objects, 1)
    print(json.dumps(line))
    append_result("index", line)
    return 0


def write_photos(folder: Path, count: int, lists: bool) -> None:
    """Photos of 48 × 36 random blocks, each with an XML of one to three objects."""
    import cv2
    import numpy as np

    for name in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (folder / name).mkdir(parents=True)
    rng, numbers = random.Random(0), np.random.default_rng(0)
    image_ids = [f"{i:06}" for i in range(count)]
    for image_id in image_ids:
        blocks = numbers.integers(0, 256, (6, 8, 3), np.uint8)
        pixels = cv2.resize(blocks, (48, 36), interpolation=cv2.INTER_NEAREST)
        cv2.imwrite(str(folder / f"JPEGImages/{image_id}.jpg"), pixels)
        objects = "".join(
            f"<object><name>{rng.choice(['cat', 'dog', 'bird'])}</name><pose>Unspecified</pose>"
            "<truncated>0</truncated><difficult>0</difficult><bndbox>"
            f"<xmin>{rng.randint(1, 20)}</xmin><ymin>{rng.randint(1, 15)}</ymin>"
            f"<xmax>{rng.randint(25, 48)}</xmax><ymax>{rng.randint(20, 36)}</ymax>"
            "</bndbox></object>"
            for _ in range(rng.randint(1, 3))
        )
        (folder / f"Annotations/{image_id}.xml").write_text(
            f"<annotation><filename>{image_id}.jpg</filename><size><width>48</width>"
            f"<height>36</height><depth>3</depth></size>{objects}</annotation>"
        )
    if lists:
        parts = {
            "train": image_ids[: count * 7 // 10],
            "val": image_ids[count * 7 // 10 : count * 8 // 10],
            "test": image_ids[count * 8 // 10 :],
        }
        for name, part in parts.items():
            (folder / f"ImageSets/Main/{name}.txt").write_text("\n".join(part) + "\n")


def measure_index(data: Path) -> dict:
    """Open the index: the first time without a cache (cold), then with it (warm)."""
    from utils.data.folder.index import open_index

    before, began = _resident(), time.perf_counter()
    index = open_index(data)
    seconds = time.perf_counter() - began
    return {
        "seconds": round(seconds, 3),
        "us_a_photo": _each(seconds, len(index.entries)),
        "objects": len(index.labels.boxes),
        "bytes": _resident() - before,
    }


def measure_load(data: Path) -> dict:
    """Load training and validation photos and find the test photos; seconds and memory.

    The objects are those of training and validation.
    """
    from utils.data.datasets import load_datasets

    before, began = _resident(), time.perf_counter()
    train, val, info = load_datasets(data)
    seconds = time.perf_counter() - began
    objects = len(train.records.boxes) + len(val.records.boxes)
    return {
        "seconds": round(seconds, 3),
        "us_a_photo": _each(seconds, len(train) + len(val) + len(info.test)),
        "objects": objects,
        "bytes": _resident() - before,
        "notes": len(info.notes),
    }


def measure_batch(data: Path) -> dict:
    """From a warm start to the first batch of 8 at 416, TensorFlow's own start left out."""
    from utils.quiet import import_tensorflow

    import_tensorflow()
    import tensorflow as tf

    from utils.data.augment import AUGMENTATIONS
    from utils.data.batches.pipeline import training_batches
    from utils.data.batches.samples import TrainingSamples
    from utils.data.datasets import load_datasets

    next(iter(tf.data.Dataset.range(3).batch(2)))  # TensorFlow's first use of a pipeline
    began = time.perf_counter()
    train, _, _ = load_datasets(data)
    loaded = time.perf_counter() - began
    samples = TrainingSamples(train, 416, 0, AUGMENTATIONS["full"])
    next(iter(training_batches(samples, 8, first_step=0)))
    return {"seconds": round(time.perf_counter() - began, 3), "loading": round(loaded, 3)}


MEASUREMENTS = {
    "cold": measure_index, "warm": measure_index, "load": measure_load, "batch": measure_batch,
}  # fmt: skip


def _each(seconds: float, count: int) -> float:
    return round(seconds / count * 1e6, 1)


def _resident() -> int:
    """Bytes of memory that this process holds now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    sys.exit(run(main))
