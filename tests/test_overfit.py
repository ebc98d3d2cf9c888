"""A detector with random weights can learn eight pictures by heart."""

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from utils.label_files.voc import write_voc_annotation, write_voc_list

ROOT = Path(__file__).resolve().parent.parent


def draw_pictures(folder: Path, count: int) -> None:
    """Discs and squares of several sizes on square noise, some overlapping.

    Training and scoring see square photos at the same shape.
    """
    rng = np.random.default_rng(5)
    for i in range(count):
        image = rng.integers(60, 160, (160, 160, 3), np.uint8)
        boxes, names = [], []
        for _ in range(1 + i % 3):
            w, h = rng.integers(16, 70, 2)
            x, y = rng.integers(0, 160 - w), rng.integers(0, 160 - h)
            name = ("disc", "square")[rng.integers(2)]
            shade = tuple(int(v) for v in rng.integers(0, 256, 3))
            if name == "disc":
                centre = (int(x + w / 2), int(y + h / 2))
                cv2.ellipse(image, centre, (int(w / 2), int(h / 2)), 0, 0, 360, shade, -1)
            else:
                cv2.rectangle(image, (int(x), int(y)), (int(x + w - 1), int(y + h - 1)), shade, -1)
            boxes.append([x, y, x + w, y + h])
            names.append(name)
        image_id = f"picture{i}"
        (folder / "JPEGImages").mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / "JPEGImages" / f"{image_id}.png"), image)
        write_voc_annotation(
            folder / "Annotations" / f"{image_id}.xml",
            f"{image_id}.png",
            160,
            160,
            np.array(boxes),
            names,
        )
    image_ids = [f"picture{i}" for i in range(count)]
    write_voc_list(folder, "train", image_ids[:8])
    write_voc_list(folder, "val", image_ids[8:])


@pytest.mark.slow
def test_eight_pictures_by_heart(tmp_path):
    draw_pictures(tmp_path / "data", 10)
    train = [
        sys.executable, "train.py", "--data", str(tmp_path / "data"),
        "--backbone", "efficientnet_b0", "--backbone-weights", "none", "--augmentation", "none",
        "--stochastic-depth", "0", "--input-size", "160", "--batch-size", "8", "--epochs", "250",
        "--out", str(tmp_path / "run"),
    ]  # fmt: skip
    done = subprocess.run(train, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    score = [
        sys.executable, "get_map.py", "--weights", str(tmp_path / "run" / "last.keras"),
        "--data", str(tmp_path / "data"), "--split", "train", "--out", str(tmp_path / "scores"),
    ]  # fmt: skip
    done = subprocess.run(score, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    metrics = json.loads((tmp_path / "scores" / "metrics.json").read_text())
    assert metrics["coco"]["AP50"] >= 0.99
