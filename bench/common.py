"""What the measurements share: where the project and its results lie, and small generated data."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np

from utils.files import atomic_write

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "bench" / "results"
MAX_BYTES = 60_000  # of a picture in docs/


def append_result(name: str, row: dict) -> None:
    """Append a row to ``bench/results/NAME.jsonl``, with today's date."""
    with open(RESULTS / f"{name}.jsonl", "a", encoding="utf-8") as file:
        file.write(json.dumps({"date": time.strftime("%Y-%m-%d", time.gmtime()), **row}) + "\n")


def save_small_jpeg(path: Path, picture: np.ndarray, most_bytes: int = MAX_BYTES) -> None:
    """A uint8 (H, W, 3) BGR picture for docs/, in the best quality of at most ``most_bytes``."""
    for quality in range(90, 20, -5):
        _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
        if len(data) <= most_bytes:
            break
    with atomic_write(path, "wb") as file:
        file.write(data)
    print(f"{path}: {len(data) / 1000:.0f} kB, quality {quality}")


def read_results(name: str) -> list[dict]:
    """All rows of ``bench/results/NAME.jsonl``; none where it does not exist."""
    path = RESULTS / f"{name}.jsonl"
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def write_scenes(folder: Path, photos: int) -> None:
    """A small set of generated road scenes."""
    subprocess.run(
        [sys.executable, "-m", "utils.commands.synthetic", "--out", str(folder),
         "--train", str(photos), "--val", "4", "--test", "2", "--seed", "11"],
        check=True, cwd=ROOT, capture_output=True,
    )  # fmt: skip
