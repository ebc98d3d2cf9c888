"""Prediction from start to end: the first photo, a folder, a video.

    python -m bench.prediction --weights best.keras

The photos are generated scenes. ``predict.py`` runs in processes of its own, with the network
converted beforehand. Rates of a folder and a video are end to end; nothing is drawn of the video.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import cv2
import psutil

from bench.common import ROOT, append_result, write_scenes
from utils.cli import OK, option, parse, run
from utils.detector import Detector

VIDEO_SIZE, FPS = (1280, 720), 30
WARM_UP_S = 10  # of the video, before memory counts


@dataclass(frozen=True)
class PredictionConfig:
    """The options of this measurement."""

    weights: Path = option(
        ROOT / "model_data" / "signs_lite0.keras", help="a checkpoint", metavar="FILE"
    )
    photos: int = option(1000, help="photos in the folder", low=10)
    seconds: int = option(60, help="length of the video", low=1)
    repeats: int = option(5, help="cold starts; their median is the result", low=1)


def main(argv: list[str]) -> int:
    config = parse(PredictionConfig, argv, __doc__.split("\n\n")[0])
    alone = Detector(config.weights)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        photos = make_photos(folder / "photos", config.photos)
        alone([photos[0], photos[1]])
        rows = {
            "cold_start": cold_start(config, photos[0]),
            "folder": rates_of_folder(config, alone, photos, folder),
            "video": rate_of_video(config, photos, folder),
        }
    row = {"runtime": alone.runtime.description, "weights": config.weights.name, **rows}
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
    times, of_cores = [], []
    for _ in range(config.repeats):
        began, before = time.perf_counter(), os.times()
        subprocess.run([sys.executable, "-c", code, config.weights, photo], cwd=ROOT, check=True)
        times.append(time.perf_counter() - began)
        after = os.times()
        of_cores.append(
            after.children_user + after.children_system
            - before.children_user - before.children_system
        )  # fmt: skip
    return {"seconds": round(median(times), 2), "of_cores": round(median(of_cores), 2)}


def rates_of_folder(
    config: PredictionConfig, alone: Detector, photos: list[Path], folder: Path
) -> dict[str, float]:
    """Photos a second: one after the other, and ``predict.py`` on the folder without its start."""
    few = photos[: max(10, len(photos) // 10)]
    began = time.perf_counter()
    for photo in few:
        detections = alone(photo)
        cv2.imwrite(str(folder / "drawn.jpg"), detections.draw(photo)[..., ::-1])
    one_at_a_time = len(few) / (time.perf_counter() - began)
    start = predict(config, [photos[0]], folder / "one")
    seconds = predict(config, [photos[0].parent], folder / "many")
    together = len(photos) / (seconds["seconds"] - start["seconds"])
    return {
        "one_at_a_time": round(one_at_a_time, 1),
        "together": round(together, 1),
        "ratio": round(together / one_at_a_time, 2),
    }


def rate_of_video(config: PredictionConfig, photos: list[Path], folder: Path) -> dict[str, float]:
    """Frames a second end to end and of the network alone; growth of memory in MiB."""
    path = folder / "film.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), FPS, VIDEO_SIZE)
    images = [cv2.resize(cv2.imread(str(photo)), VIDEO_SIZE) for photo in photos[:10]]
    for i in range(config.seconds * FPS):
        writer.write(images[i // 5 % len(images)])
    writer.release()
    start = predict(config, [photos[0]], folder / "one")
    done = predict(config, [path], folder / "film", "--no-pictures")
    detector = Detector(config.weights, throughput=True)
    frames = [cv2.cvtColor(image, cv2.COLOR_BGR2RGB) for image in images] * 30
    inputs = [detector.prepare(frame) for frame in frames]
    detector(frames[:20])
    began = time.perf_counter()
    with ThreadPoolExecutor(detector.runtime.parallel) as pool:
        list(pool.map(lambda one: detector.infer([one]), inputs))
    network = len(inputs) / (time.perf_counter() - began)
    together = config.seconds * FPS / (done["seconds"] - start["seconds"])
    return {
        "frames_a_second": round(together, 1),
        "network_alone": round(network, 1),
        "ratio": round(together / network, 2),
        "memory_growth_mib": done["growth_mib"],
    }


def predict(
    config: PredictionConfig, sources: list[Path], out: Path, *options: str
) -> dict[str, float]:
    """Seconds of a run of ``predict.py``, and how its memory grew after the warm-up."""
    began = time.perf_counter()
    process = psutil.Popen(
        [sys.executable, "predict.py", "--weights", config.weights, *sources, "--out", out,
         *options],
        cwd=ROOT, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    early = latest = 0
    while process.poll() is None:
        try:
            latest = process.memory_info().rss or latest
        except psutil.NoSuchProcess:
            break
        if time.perf_counter() - began < WARM_UP_S:
            early = latest
        time.sleep(0.05)
    seconds = time.perf_counter() - began
    if process.wait():
        raise RuntimeError(f"predict.py failed on {sources}")
    return {"seconds": seconds, "growth_mib": round((latest - early) / 2**20, 1)}


if __name__ == "__main__":
    sys.exit(run(main))
