"""``predict.py --benchmark``: each step is timed, and the table and the file say the same."""

import json
import time
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from utils.detector import Detector
from utils.media.benchmark import TOGETHER, run_benchmark
from utils.runtime.precision_trial import PrecisionTrial
from utils.runtime.runtime import Runtime
from utils.thresholds import Thresholds

THRESHOLDS = Thresholds()
IMAGE = np.zeros((48, 64, 3), np.uint8)


def network(images):
    time.sleep(0.005)
    boxes = np.tile(np.array([[4, 4, 40, 30]], np.float32), (len(images), 1, 1))
    return boxes, np.full((len(images), 1, 1), 0.9, np.float32)


@pytest.fixture
def detector():
    return Detector(
        Runtime(network, ("a",), (64, 64), description="planted", any_shape=True, parallel=2)
    )


def test_a_picture_has_all_steps(detector, tmp_path):
    reads = []

    def read():
        reads.append(1)
        return IMAGE

    found = run_benchmark(detector, detector, "a.jpg", IMAGE, read, runs=6, thresholds=THRESHOLDS)
    steps = ["decode", "letterbox", "network", "suppression", "voting", "drawing", TOGETHER]
    assert list(found.milliseconds) == steps
    assert all(len(times) == 6 for times in found.milliseconds.values())
    medians = {step: row["median"] for step, row in found.percentiles().items()}
    assert medians["network"] >= 5
    assert medians[TOGETHER] >= medians["network"]
    assert found.pictures_a_second > 1000 / medians[TOGETHER]  # two at a time
    assert len(reads) > 12

    text = "\n".join(found.lines())
    for words in ("a.jpg (64×48 pixels, network input 64×64), 6 runs, planted", "99 %", "voting"):
        assert words in text
    found.write(tmp_path / "benchmark.json")
    stored = json.loads((tmp_path / "benchmark.json").read_text())
    assert stored["milliseconds"] == found.percentiles()
    assert (stored["width"], stored["height"], stored["input"]) == (64, 48, [64, 64])


def test_a_precision_that_is_not_decided_yet_is_told(detector):
    trial = PrecisionTrial(detector.runtime, detector.runtime, lambda agreement: detector.runtime)
    on_trial = Detector(replace(detector.runtime, infer=trial))
    run = partial(
        run_benchmark, name="a.jpg", image=IMAGE, read=None, runs=9, thresholds=THRESHOLDS
    )
    assert "float32 was timed" in "\n".join(run(on_trial, on_trial).lines())
    trial.decide_now([])
    assert "float32 was timed" not in "\n".join(run(on_trial, on_trial).lines())


def test_a_frame_of_a_video_is_not_decoded(detector):
    found = run_benchmark(detector, detector, "a.mp4", IMAGE, None, runs=2, thresholds=THRESHOLDS)
    assert "decode" not in found.milliseconds
