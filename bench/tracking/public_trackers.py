"""Public trackers of the ByteTrack kind, run by an environment of its own.

    pip install "supervision<0.28" trackers        (in that environment)
    python bench/tracking/public_trackers.py FOLDER CONF

FOLDER holds ``detections/DRIVE.txt`` in the format of the MOT challenge and ``rates.json`` with the
frames a second of each drive. Writes ``results/TRACKER/DRIVE.txt`` and prints the milliseconds a
frame of each tracker as JSON. It imports nothing of this project.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import supervision
from trackers import ByteTrackTracker

Update = Callable[[supervision.Detections], supervision.Detections]


def supervision_bytetrack(rate: float, conf: float) -> Update:
    tracker = supervision.ByteTrack(track_activation_threshold=conf, frame_rate=rate)
    return tracker.update_with_detections


def trackers_bytetrack(rate: float, conf: float) -> Update:
    tracker = ByteTrackTracker(
        frame_rate=rate, track_activation_threshold=conf, high_conf_det_threshold=conf
    )
    return tracker.update


def trackers_bytetrack_defaults(rate: float, conf: float) -> Update:
    """Its own thresholds for scores, 0.7 and 0.6."""
    return ByteTrackTracker(frame_rate=rate).update


TRACKERS = {
    "supervision ByteTrack": supervision_bytetrack,
    "trackers ByteTrack": trackers_bytetrack,
    "trackers ByteTrack, its thresholds": trackers_bytetrack_defaults,
}


def frames_of(path: Path, count: int) -> list[supervision.Detections]:
    """The detections of each of ``count`` frames."""
    rows = [line.split(",")[:7] for line in path.read_text().splitlines()]
    table = np.array(rows, float).reshape(-1, 7)
    table[:, 4:6] += table[:, 2:4]
    frames = []
    for frame in range(1, count + 1):
        rows = table[table[:, 0] == frame]
        frames.append(
            supervision.Detections(
                xyxy=rows[:, 2:6], confidence=rows[:, 6], class_id=np.zeros(len(rows), int)
            )
        )
    return frames


def main(folder: Path, conf: float) -> None:
    drives = json.loads((folder / "rates.json").read_text())
    times: dict[str, list[float]] = {name: [] for name in TRACKERS}
    for name, make in TRACKERS.items():
        (folder / "results" / name).mkdir(parents=True, exist_ok=True)
        for drive, (frames, rate) in drives.items():
            update = make(rate, conf)
            lines = []
            detections = frames_of(folder / "detections" / f"{drive}.txt", frames)
            for number, found in enumerate(detections, start=1):
                started = time.perf_counter()
                tracked = update(found)
                times[name].append(1000 * (time.perf_counter() - started))
                for box, track_id in zip(tracked.xyxy, tracked.tracker_id, strict=True):
                    if track_id >= 0:
                        x0, y0, x1, y1 = box
                        lines.append(
                            f"{number},{track_id},{x0:.2f},{y0:.2f},{x1 - x0:.2f},{y1 - y0:.2f}\n"
                        )
            (folder / "results" / name / f"{drive}.txt").write_text("".join(lines))
    print(json.dumps({name: round(statistics.median(ms), 3) for name, ms in times.items()}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]))
