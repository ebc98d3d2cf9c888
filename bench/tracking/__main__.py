"""Tracking measured on drives whose truth is known: ``python -m bench.tracking``.

Ten drives with simulated detections, and five of them drawn and seen by the bundled detector. The
project's tracker stands beside plain IoU matching and beside public trackers of the ByteTrack kind;
a public package scores them all. Both run in environments of their own, which the options name::

    python -m venv /elsewhere/metrics && /elsewhere/metrics/bin/pip install trackeval
    python -m venv /elsewhere/trackers
    /elsewhere/trackers/bin/pip install "supervision<0.28" trackers

Appends a line to ``bench/results/tracking.jsonl``: scores of each tracker on each drive and on all,
and milliseconds a frame. ``--speed`` measures only those of the project's tracker with 100 objects.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np

from bench.common import append_result
from bench.tracking.drives import Drive, plan_drive
from bench.tracking.mot_files import write_detections, write_truth
from bench.tracking.plain import PlainTracker
from bench.tracking.simulated import simulated_detections
from utils.cli import option, parse, run
from utils.detections import Detections
from utils.media.tracking import Tracker

CONF = 0.25  # lowest score that begins a track, as predict.py has it by default
SEEN = (4, 5, 6, 7, 9)  # the drives that the detector sees: those with the fewest frames
WEIGHTS = Path(__file__).parents[2] / "model_data" / "signs.keras"
OURS, PLAIN = "this project", "plain IoU"


@dataclass(frozen=True)
class TrackingConfig:
    """The options of the measurement."""

    metrics: Path = option(Path("metrics/bin/python"), help="Python with trackeval", metavar="FILE")
    trackers: Path | None = option(
        None, help="Python with supervision and trackers; without, they are left out",
        metavar="FILE",
    )  # fmt: skip
    first: int = option(0, help="seed of the first drive; constants were chosen on 100 to 109")
    detector: bool = option(True, help="also with the bundled detector on drawn frames")
    speed: bool = option(False, help="only milliseconds a frame for 100 objects")


def main(argv: list[str]) -> int:
    config = parse(TrackingConfig, argv, "Measure tracking.")
    line: dict = {"ms_of_100_objects": round(speed(), 3)}
    print(line)
    if not config.speed:
        drives = [plan_drive(config.first + i) for i in range(10)]
        simulated = {drive.seed: list(simulated_detections(drive)) for drive in drives}
        line["simulated"] = compare(config, drives, simulated)
        if config.detector:
            drives = [drive for drive in drives if drive.seed % 10 in SEEN]
            line["detector"] = compare(config, drives, detected(drives))
    append_result("tracking", line)
    return 0


def compare(
    config: TrackingConfig, drives: list[Drive], found: dict[int, list[Detections]]
) -> dict:
    """Scores of all trackers on the same detections, and milliseconds a frame."""
    with tempfile.TemporaryDirectory() as name:
        folder, rates, ms = Path(name), {}, {}
        for drive in drives:
            file = f"{drive.seed:03d}.txt"
            write_truth(folder / "truth" / file, drive)
            write_detections(folder / "detections" / file, found[drive.seed])
            frames = len(drive.times_s)
            rates[file[:-4]] = (frames, round((frames - 1) / float(drive.times_s[-1]), 2))
            for tracker_name, tracker in ((OURS, Tracker(CONF)), (PLAIN, PlainTracker(CONF))):
                results, times = follow(tracker, drive, found[drive.seed])
                write_detections(folder / "results" / tracker_name / file, results)
                ms.setdefault(tracker_name, []).extend(times)
        ms = {name: round(median(times), 3) for name, times in ms.items()}
        (folder / "rates.json").write_text(json.dumps(rates))
        if config.trackers:
            ms |= by_others(config.trackers, "public_trackers.py", folder, str(CONF))
        scores = by_others(config.metrics, "public_metrics.py", folder)
    for tracker_name, by_drive in scores.items():
        print(f"{tracker_name:36} {by_drive['all']} {ms[tracker_name]} ms", flush=True)
    return {"scores": scores, "ms_a_frame": ms}


def follow(
    tracker: Tracker | PlainTracker, drive: Drive, found: Iterable[Detections]
) -> tuple[list[Detections], list[float]]:
    """The tracked detections of each frame, and the milliseconds that each took."""
    results, times = [], []
    for detections, time_s in zip(found, drive.times_s, strict=True):
        started = time.perf_counter()
        results.append(tracker.update(detections, float(time_s)))
        times.append(1000 * (time.perf_counter() - started))
    return results, times


def detected(drives: list[Drive]) -> dict[int, list[Detections]]:
    """What the bundled detector finds on the drawn frames of each drive."""
    from bench.tracking.pictures import draw_frames
    from utils.detector import Detector

    detector, conf = Detector(WEIGHTS), Tracker(CONF).low_conf
    return {
        drive.seed: [detector(image, conf=conf) for image in draw_frames(drive)] for drive in drives
    }


def by_others(python: Path, script: str, *arguments: object) -> dict:
    """What a script prints that runs in an environment of its own."""
    call = [python, Path(__file__).with_name(script), *map(str, arguments)]
    done = subprocess.run(call, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def speed(objects: int = 100, frames: int = 300) -> float:
    """Median milliseconds that a frame takes with that many objects, a fifth with a low score."""
    rng = np.random.default_rng(0)
    places, size = rng.uniform(0, (1920, 1080), (objects, 2)), rng.uniform(40, 120, (objects, 2))
    speeds, class_ids = rng.normal(0, 60, (objects, 2)), rng.integers(0, 3, objects)
    tracker, times = Tracker(CONF), []
    for i in range(frames):
        middle = places + speeds * i / 30 + rng.normal(0, 2, (objects, 2))
        boxes = np.hstack([middle - size / 2, middle + size / 2]).astype(np.float32)
        scores = np.where(rng.random(objects) < 0.8, 0.8, 0.15).astype(np.float32)
        detections = Detections(boxes, scores, class_ids.astype(np.int32), ("a", "b", "c"))
        started = time.perf_counter()
        tracker.update(detections, i / 30)
        times.append(1000 * (time.perf_counter() - started))
    return median(times)


if __name__ == "__main__":
    sys.exit(run(main))
