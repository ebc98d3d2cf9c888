"""Prediction from start to end: the first photo, a folder, a video.

    python -m bench.prediction --weights best.keras

The photos are generated scenes. ``predict.py`` runs in processes of its own, with the network
converted and its precision decided beforehand. Nothing is drawn of the video. Rates of a folder and
a video are end to end, without the start: of two runs of the same kind, a short one and a long one,
the difference counts. While other programs use the cores, seconds and rates say nothing; ``load``
tells whether they did. Processor time then still does, but for one picture at a time: there the
threads of a network wait for each other at work.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import NamedTuple

import cv2
import psutil

from bench.common import ROOT, append_result, write_scenes
from utils.cli import OK, option, parse, run
from utils.detector import Detector, NetworkInput
from utils.drawing.boxes import draw_detections
from utils.images import save_image

VIDEO_SIZE, FPS = (1280, 720), 30
WARM_UP_S = 10  # of the video, before memory counts
SHORT_S = 2  # of the shorter video
SETTLED = 20  # photos, by which the precision is decided


class Run(NamedTuple):
    """A process that has ended.

    Attributes:
        seconds: from its start to its end.
        of_cores: seconds of processor time, over all cores.
        growth_mib: of its memory after the warm-up.
    """

    seconds: float
    of_cores: float
    growth_mib: float


@dataclass(frozen=True)
class PredictionConfig:
    """The options of this measurement."""

    weights: Path = option(ROOT / "model_data" / "signs.keras", help="a checkpoint", metavar="FILE")
    photos: int = option(1000, help="photos in the folder", low=10)
    seconds: int = option(60, help="length of the video", low=4)
    repeats: int = option(5, help="cold starts; their median is the result", low=1)


def main(argv: list[str]) -> int:
    config = parse(PredictionConfig, argv, __doc__.split("\n\n")[0])
    load = round(os.getloadavg()[0], 1)  # before the measurement adds to it
    alone = Detector(config.weights)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        photos = make_photos(folder / "photos", config.photos)
        for photo in photos[:SETTLED]:
            alone(photo)
        alone = Detector(config.weights)  # in the precision decided on
        rows = {
            "cold_start": cold_start(config, photos[0]),
            "folder": rates_of_folder(config, alone, photos, folder),
            "video": rate_of_video(config, photos, folder),
        }
    row = {"runtime": alone.runtime.description, "weights": config.weights.name, "load": load}
    row |= rows
    print(json.dumps(row, indent=1))
    append_result("prediction", row)
    return OK


def make_photos(folder: Path, count: int) -> list[Path]:
    """Generated scenes under many names."""
    write_scenes(folder.parent / "scenes", 20)
    scenes = sorted((folder.parent / "scenes").rglob("*.jpg"))
    folder.mkdir()
    paths = [folder / f"{i:05}.jpg" for i in range(count)]
    for i, path in enumerate(paths):
        path.hardlink_to(scenes[i % len(scenes)])
    return paths


def cold_start(config: PredictionConfig, photo: Path) -> dict[str, float]:
    """Median seconds of a process from its start to the boxes of one photo, and of its cores."""
    code = "import sys; from utils.detector import Detector; Detector(sys.argv[1])(sys.argv[2])"
    command = [sys.executable, "-c", code, config.weights, photo]
    runs = [run_timed(command) for _ in range(config.repeats)]
    return {
        "seconds": round(median(one.seconds for one in runs), 2),
        "of_cores": round(median(one.of_cores for one in runs), 2),
    }


def rates_of_folder(
    config: PredictionConfig, alone: Detector, photos: list[Path], folder: Path
) -> dict[str, float]:
    """Photos a second: one after the other, before and after; and ``predict.py`` on the folder."""
    few = photos[: max(10, len(photos) // 10)]

    def one_after_the_other() -> tuple[float, float]:
        began, before = time.perf_counter(), time.process_time()
        for photo in few:
            image = alone.read(photo)
            save_image(folder / "drawn.jpg", draw_detections(image, alone(image)))
        return time.perf_counter() - began, time.process_time() - before

    part = folder / "few"
    part.mkdir()
    for photo in few:
        (part / photo.name).hardlink_to(photo)
    times = [one_after_the_other()]
    short = predict(config, part, folder / "few_drawn")
    long = predict(config, photos[0].parent, folder / "many_drawn")
    times.append(one_after_the_other())
    seconds, of_cores = (sum(part) / 2 / len(few) for part in zip(*times, strict=True))
    more = len(photos) - len(few)
    return {
        "one_at_a_time": round(1 / seconds, 1),
        "together": round(more / (long.seconds - short.seconds), 1),
        "ratio": round(more / (long.seconds - short.seconds) * seconds, 2),
        "processor_ms": {
            "one_at_a_time": round(1000 * of_cores, 2),
            "together": round(1000 * (long.of_cores - short.of_cores) / more, 2),
        },
    }


def rate_of_video(config: PredictionConfig, photos: list[Path], folder: Path) -> dict[str, float]:
    """Frames a second end to end and of the network alone; growth of memory in MiB."""
    images = [cv2.resize(cv2.imread(str(photo)), VIDEO_SIZE) for photo in photos[:10]]
    counts = {"short": SHORT_S * FPS, "long": config.seconds * FPS}
    for name, count in counts.items():
        path = folder / f"{name}.mp4"
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), FPS, VIDEO_SIZE)
        for i in range(count):
            writer.write(images[i // 5 % len(images)])
        writer.release()
    detector = Detector(config.weights, throughput=True)
    frames = [cv2.cvtColor(image, cv2.COLOR_BGR2RGB) for image in images] * 30
    inputs = [detector.preprocess(frame) for frame in frames]
    rates = [rate_of_network(detector, inputs)]
    runs = {
        name: predict(config, folder / f"{name}.mp4", folder / name, "--no-pictures")
        for name in counts
    }
    rates.append(rate_of_network(detector, inputs))
    network, network_ms = (sum(pair) / 2 for pair in zip(*rates, strict=True))
    more = counts["long"] - counts["short"]
    together = more / (runs["long"].seconds - runs["short"].seconds)
    return {
        "frames_a_second": round(together, 1),
        "network_alone": round(network, 1),
        "ratio": round(together / network, 2),
        "processor_ms": {
            "together": round(1000 * (runs["long"].of_cores - runs["short"].of_cores) / more, 2),
            "network_alone": round(network_ms, 2),
        },
        "memory_growth_mib": runs["long"].growth_mib,
    }


def rate_of_network(detector: Detector, inputs: Sequence[NetworkInput]) -> tuple[float, float]:
    """Pictures a second of the network alone, and milliseconds of processor time for each."""
    size = detector.batch_size
    batches = [inputs[i : i + size] for i in range(0, len(inputs), size)]
    with ThreadPoolExecutor(detector.runtime.parallel) as pool:
        list(pool.map(detector.infer, batches[:20]))
        began, before = time.perf_counter(), time.process_time()
        list(pool.map(detector.infer, batches))
        seconds, of_cores = time.perf_counter() - began, time.process_time() - before
    return len(inputs) / seconds, 1000 * of_cores / len(inputs)


def predict(config: PredictionConfig, source: Path, out: Path, *options: str) -> Run:
    """A run of ``predict.py``."""
    return run_timed(
        [sys.executable, "predict.py", "--weights", config.weights, source, "--out", out, *options]
    )


def run_timed(command: list[object]) -> Run:
    """Run a command to its end, and watch its memory.

    Raises:
        RuntimeError: it failed.
    """
    began, before = time.perf_counter(), os.times()
    process = psutil.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    early = latest = 0
    while process.poll() is None:
        try:
            latest = process.memory_info().rss or latest
        except psutil.NoSuchProcess:
            break
        if time.perf_counter() - began < WARM_UP_S:
            early = latest
        time.sleep(0.01)
    if process.wait():
        raise RuntimeError(f"failed: {' '.join(map(str, command))}")
    seconds, after = time.perf_counter() - began, os.times()
    of_cores = (
        after.children_user + after.children_system - before.children_user - before.children_system
    )
    return Run(seconds, of_cores, round((latest - early) / 2**20, 1))


if __name__ == "__main__":
    sys.exit(run(main))
