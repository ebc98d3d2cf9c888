"""The example of docs/scaling.md for Ray Data, run as it stands there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import cv2
import numpy as np
import pytest

from utils.data.synthetic.scenes import draw_scene
from utils.detector import Detector

ROOT = Path(__file__).resolve().parent.parent
WEIGHTS = ROOT / "model_data" / "signs.keras"


def example() -> str:
    """The block of the page that imports Ray."""
    text = (ROOT / "docs" / "scaling.md").read_text("utf-8")
    blocks = re.findall(r"(?:^    .*\n|^\n)+", text, re.MULTILINE)
    (block,) = (block for block in blocks if "import ray" in block)
    return textwrap.dedent(block)


def test_the_page_has_the_example():
    compile(example(), "docs/scaling.md", "exec")


@pytest.mark.slow
def test_the_example_finds_what_a_detector_finds(tmp_path, monkeypatch):
    pytest.importorskip("ray")
    monkeypatch.setenv("EFFICIENT_YOLO3_CACHE", "off")  # TensorFlow in all processes
    import pyarrow.parquet as parquet

    photos = tmp_path / "photos"
    photos.mkdir()
    for i in range(5):
        cv2.imwrite(str(photos / f"{i}.jpg"), draw_scene(0, "test", i).image[..., ::-1])
    code = example().replace("/shared/best.keras", str(WEIGHTS))
    code = code.replace("/shared/", f"{tmp_path}/").replace("batch_size=64", "batch_size=2")
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "RAY_USAGE_STATS_ENABLED": "0"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    rows = sorted(
        parquet.read_table(tmp_path / "found").to_pylist(), key=lambda row: (row["path"], row["x0"])
    )
    expected = []
    for path in sorted(photos.iterdir()):
        for one in Detector(WEIGHTS)(path, conf=0.25):
            expected.append((str(path), *one.box, one.class_name, one.score))
    expected.sort()
    assert len(rows) == len(expected) > 3
    for row, (path, *box, name, score) in zip(rows, expected, strict=True):
        assert (row["path"], row["class"]) == (path, name)
        np.testing.assert_allclose([row[side] for side in ("x0", "y0", "x1", "y1")], box, atol=0.01)
        assert row["score"] == pytest.approx(score, abs=1e-4)
