"""Scores by TrackEval, run by an environment of its own: HOTA, CLEAR and identity metrics.

    pip install trackeval        (in that environment)
    python bench/tracking/public_metrics.py FOLDER

FOLDER holds ``truth/DRIVE.txt`` and ``results/TRACKER/DRIVE.txt`` in the format of the MOT
challenge. Prints one JSON object: tracker → drive → metric. It imports nothing of this project.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
from pathlib import Path

import numpy as np
from trackeval.metrics import CLEAR, HOTA, Identity


def read(path: Path) -> np.ndarray:
    """float64 (N, 6): frame, id, x0, y0, x1, y1."""
    rows = [line.split(",")[:6] for line in path.read_text().splitlines()]
    table = np.array(rows, float).reshape(-1, 6)
    table[:, 4:] += table[:, 2:4]
    return table


def overlaps(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """IoU (N, M) of boxes (N, 4) and (M, 4)."""
    top_left = np.maximum(a[:, None, :2], b[None, :, :2])
    bottom_right = np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = np.clip(bottom_right - top_left, 0, None).prod(axis=-1)
    areas = [(boxes[:, 2:] - boxes[:, :2]).prod(axis=1) for boxes in (a, b)]
    return shared / (areas[0][:, None] + areas[1] - shared)


def sequence(truth: np.ndarray, results: np.ndarray) -> dict:
    """What TrackEval's metrics take: ids from 0 and similarities, frame by frame."""
    frames = range(1, int(truth[:, 0].max()) + 1)
    data: dict = {"gt_ids": [], "tracker_ids": [], "similarity_scores": []}
    ids = [np.unique(table[:, 1]) for table in (truth, results)]
    for frame in frames:
        real, found = (table[table[:, 0] == frame] for table in (truth, results))
        data["gt_ids"].append(np.searchsorted(ids[0], real[:, 1]))
        data["tracker_ids"].append(np.searchsorted(ids[1], found[:, 1]))
        data["similarity_scores"].append(overlaps(real[:, 2:], found[:, 2:]))
    return {
        **data,
        "num_timesteps": len(frames),
        "num_gt_ids": len(ids[0]),
        "num_tracker_ids": len(ids[1]),
        "num_gt_dets": len(truth),
        "num_tracker_dets": len(results),
    }


def numbers(results: dict[str, dict]) -> dict[str, float]:
    """The metrics that are reported: shares, and the number of identity switches."""
    hota, clear, identity = (results[name] for name in ("HOTA", "CLEAR", "Identity"))
    return {
        **{name: round(float(np.mean(hota[name])), 4) for name in ("HOTA", "DetA", "AssA")},
        "MOTA": round(float(clear["MOTA"]), 4),
        "IDF1": round(float(identity["IDF1"]), 4),
        "switches": int(clear["IDSW"]),
        "fragments": int(clear["Frag"]),
    }


def main(folder: Path) -> None:
    with contextlib.redirect_stdout(io.StringIO()):
        metrics = [HOTA(), CLEAR({"PRINT_CONFIG": False}), Identity({"PRINT_CONFIG": False})]
    scores: dict[str, dict] = {}
    for tracker in sorted(path.name for path in (folder / "results").iterdir()):
        by_drive: dict[str, dict] = {}
        for truth in sorted((folder / "truth").glob("*.txt")):
            data = sequence(read(truth), read(folder / "results" / tracker / truth.name))
            by_drive[truth.stem] = {
                metric.get_name(): metric.eval_sequence(data) for metric in metrics
            }
        together = {
            metric.get_name(): metric.combine_sequences(
                {drive: results[metric.get_name()] for drive, results in by_drive.items()}
            )
            for metric in metrics
        }
        scores[tracker] = {drive: numbers(results) for drive, results in by_drive.items()}
        scores[tracker]["all"] = numbers(together)
    print(json.dumps(scores))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
