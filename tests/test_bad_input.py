"""Bad input: no traceback, no hang, no full memory, nothing lost or written elsewhere.

``tests/bad_input`` makes the cases and judges what the commands do.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def check(folder: Path, *options: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.bad_input", "--out", folder / "corpus", "--table", *options],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    lines = done.stdout.splitlines()
    broken = [line for line in lines if line.startswith("BROKEN")]
    assert not broken, "\n".join(broken)
    assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-3000:]
    return lines


@pytest.mark.slow
def test_bad_labels_and_lists(tmp_path):
    kinds = ("voc", "coco", "label-studio", "detections", "classes", "list", "yolo")
    *_, last = check(tmp_path, "--quick", *(word for kind in kinds for word in ("--kind", kind)))
    assert int(last.split()[0]) >= 200


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["image", "configuration", "video", "request"])
def test_other_bad_files(kind, tmp_path):
    *_, last = check(tmp_path, "--quick", "--kind", kind)
    assert int(last.split()[0]) >= 30


@pytest.mark.slow
def test_bad_weights(tmp_path):
    """``predict.py``; other commands and SavedModels: ``python -m tests.bad_input --help``."""
    *_, last = check(tmp_path, "--quick", "--kind", "weights")
    assert int(last.split()[0]) >= 200
