"""``utils.api``: options by keyword, errors, several runs in a process, scores as get_map.py's."""

import inspect
import json
import os
import subprocess
import sys
import warnings
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from utils import api
from utils.api import Detector, evaluate, train
from utils.cli import from_keywords
from utils.cpu import FAST_MATH_VARIABLE
from utils.data.synthetic import write_dataset
from utils.errors import UserError
from utils.evaluation.config import MapConfig
from utils.training.config import TrainConfig
from utils.training.numerics import needs_casts

ROOT = Path(__file__).resolve().parent.parent
SIGNS = ROOT / "model_data" / "signs.keras"


def test_importing_it_is_light():
    code = (
        "import sys, utils.api; print('tensorflow' in sys.modules or 'matplotlib' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.strip() == "False", done.stderr


def test_the_options_are_those_of_the_commands():
    shown = inspect.signature(train).parameters
    assert {o.name for o in fields(TrainConfig)} - set(shown) == {"check", "fix", "preview"}
    assert shown["patience"].default is None
    assert shown["weight_decay"].default == 0.0005
    shown = inspect.signature(evaluate).parameters
    assert {o.name for o in fields(MapConfig)} <= set(shown)
    assert shown["split"].default == "test"
    assert "bootstrap resamples" in evaluate.__doc__
    assert "quiet" in train.__doc__


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"minuts": 5}, ["'minuts'", "minutes"]),
        ({"minutes": 0.01}, ["minutes", "0.01", "0.1"]),
        ({"minutes": "soon"}, ["minutes", "'soon'"]),
        ({"epochs": 2.5}, ["epochs", "2.5"]),
        ({"epochs": True}, ["epochs"]),
        ({"cache": "tape"}, ["cache", "tape", "disk"]),
        ({"input_size": "large"}, ["input_size", "large"]),
        ({"device": None}, ["device"]),
        ({"check": True}, ["check", "train.py"]),
        ({"resume": True}, ["resume", "out"]),
        ({"exact": True, "minutes": 5}, ["exact", "minutes"]),
        ({"config": "nowhere.yaml"}, ["nowhere.yaml"]),
    ],
)
def test_wrong_options_raise_with_their_name(options, words):
    with pytest.raises(UserError) as caught:
        train("photos", **options)
    assert all(word in str(caught.value) for word in words), caught.value


@pytest.mark.parametrize("flags", ["avx512_bf16", "avx512_bf16 amx_bf16", "avx2", ""])
@pytest.mark.parametrize("loaded_with", [False, True])
@pytest.mark.parametrize("asked", [False, True, None])
def test_arithmetic_is_as_asked_or_the_user_is_told(
    tmp_path, monkeypatch, flags, loaded_with, asked
):
    """Only with amx_bf16 does oneDNN round, as was set when TensorFlow was loaded."""
    monkeypatch.setitem(sys.modules, "tensorflow", sys)
    environment = {FAST_MATH_VARIABLE: "BF16"} if loaded_with else {}
    (tmp_path / "cpuinfo").write_text(f"flags\t\t: {flags}\n")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fast = api._fast_math(asked, environment, tmp_path / "cpuinfo")
    wanted = loaded_with if asked is None else asked
    if flags in ("avx512_bf16", "avx2"):
        assert fast == wanted
    assert bool(caught) == (fast != wanted)
    assert all(f"fast_math={asked}: not possible" in str(one.message) for one in caught)


CONVOLUTION = """
import numpy as np, tensorflow as tf
x, k = (np.random.default_rng(0).normal(size=s).astype("float32")
        for s in ((2, 32, 32, 64), (3, 3, 64, 64)))
found = tf.function(tf.nn.conv2d)(x, k, 1, "VALID")
views = np.lib.stride_tricks.sliding_window_view(np.float64(x), (3, 3), (1, 2))
expected = np.einsum("bhwckl,klco->bhwo", views, np.float64(k), optimize=True)
error = np.abs(found - expected).max()
assert error < 1e-3, error  # 0.2 with rounded factors
"""


@pytest.mark.slow
@pytest.mark.skipif(not needs_casts(), reason="oneDNN may round on this CPU")
def test_where_the_network_casts_one_dnn_does_not_round():
    """So a run without fast math is whole float32 after one with it."""
    done = subprocess.run(
        [sys.executable, "-c", CONVOLUTION], env=os.environ | {FAST_MATH_VARIABLE: "BF16"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_data_that_is_not_given_is_named():
    with pytest.raises(UserError, match="data"):
        train()
    with pytest.raises(UserError, match="nowhere"):
        evaluate(SIGNS, "nowhere")
    with pytest.raises(UserError, match=r"gone\.keras"):
        evaluate("gone.keras", "nowhere")


def test_values_are_read_as_on_the_command_line():
    config = from_keywords(
        TrainConfig,
        {
            "data": "photos", "out": Path("runs/x"), "minutes": np.float32(2), "input_size": 320,
            "augment": ["mosaic=0.5", "rotation=5"], "batch-size": np.int64(4), "seed": 7,
        },
    )  # fmt: skip
    assert (config.data, config.out) == (Path("photos"), Path("runs/x"))
    assert (config.minutes, config.input_size, config.batch_size) == (2.0, 320, 4)
    assert config.augment == ("mosaic=0.5", "rotation=5")


def test_keywords_win_over_a_file(tmp_path):
    (tmp_path / "options.yaml").write_text("data: photos\nepochs: 3\nseed: 5\n")
    config = from_keywords(TrainConfig, {"epochs": 9}, file=tmp_path / "options.yaml")
    assert (config.data, config.epochs, config.seed) == (Path("photos"), 9, 5)


@pytest.fixture(scope="module")
def signs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("signs") / "data"
    write_dataset(folder, train=10, val=4, test=6, seed=3, workers=1)
    return folder


@pytest.mark.slow
def test_scores_are_those_of_get_map(signs, tmp_path, capsys):
    evaluation = evaluate(SIGNS, signs, resamples=100, quiet=True)
    assert capsys.readouterr() == ("", "")
    command = [sys.executable, "get_map.py", "--weights", SIGNS, "--data", signs, "--no-report"]
    subprocess.run(
        [*map(str, command), "--resamples", "100", "--out", str(tmp_path / "out")],
        check=True, cwd=ROOT, capture_output=True,
    )  # fmt: skip
    written = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert evaluation.metrics["coco"] == pytest.approx(written["coco"], abs=1e-6)
    assert evaluation.metrics["voc2010"]["mAP"] == pytest.approx(written["voc2010"]["mAP"])
    low, high = (written["analysis"]["overall"]["ap"][end] for end in ("low", "high"))
    assert (evaluation.ap.low, evaluation.ap.high) == pytest.approx((low, high), abs=1e-6)
    counts = {one["kind"]: one["count"] for one in written["analysis"]["errors"]["kinds"]}
    kinds = [error["kind"] for error in evaluation.errors]
    assert {kind: kinds.count(kind) for kind in counts} == counts
    assert json.loads(json.dumps(evaluation.errors)) == evaluation.errors
    again = evaluate(
        None, signs, detections=tmp_path / "out" / "detections.json", resamples=0, quiet=True,
        out=tmp_path / "again", report=False,
    )  # fmt: skip
    assert again.metrics["coco"]["AP"] == pytest.approx(written["coco"]["AP"])
    assert (tmp_path / "again" / "metrics.json").exists()
    with pytest.raises(UserError, match=r"classes.*errors"):
        again.to_pandas("photos")
    found = Detector(SIGNS, "tensorflow")(next((signs / "JPEGImages").glob("*.jpg")))
    assert found.image_size is not None
    assert len(found[found.scores > 2]) == 0


RUNS = """
import gc, random, sys
from pathlib import Path
import ctypes, cv2, numpy as np, psutil
from utils.api import train
from utils.errors import UserError

data, out = map(Path, sys.argv[1:])
options = dict(epochs=1, batch_size=5, input_size=64, backbone="mobilenet_v3_small",
               backbone_weights="none", augmentation="none", fast_math=False, quiet=True)

def memory():
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)  # what is free, but not yet given back
    return psutil.Process().memory_info().rss

def fail(row):
    raise RuntimeError("stop here")

random.seed(1); np.random.seed(1); cv2.setNumThreads(2)
expected = random.Random(1).random(), np.random.RandomState(1).random()
used, results, rows = [], [], []
for name in "abcde":
    if name == "c":  # one refused, one that fails in the middle
        try:
            train(data, out=out / "refused", **{**options, "input_size": 100})
        except UserError as error:
            assert "multiple of 32" in str(error)
        try:
            train(data, out=out / "failed", on_epoch=fail, **options)
        except RuntimeError as error:
            assert str(error) == "stop here"
    results.append(train(data, out=out / name, on_epoch=rows.append, **options))
    used.append(memory())
assert (random.random(), np.random.random()) == expected and cv2.getNumThreads() == 2
assert [result.history for result in results] == [[row] for row in rows]
for result in results:
    assert result.run is None and not result.interrupted
    assert result.ap_low is None and result.ap_high is None  # four photos say too little
    assert result.best.exists() and result.last.exists() and result.path.parent == out
    assert {"AP", "AP50", "AP75"} <= set(result.metrics)
    assert abs(result.history[0]["loss"] - results[0].history[0]["loss"]) < 1e-3
again = train(out=out / "failed", resume=True, quiet=True)  # its folder is not locked
assert again.history[0]["loss"] > 0
print([value >> 20 for value in used])
assert used[-1] < 1.1 * used[0], used
"""


@pytest.mark.slow
def test_five_runs_in_one_process(signs, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", RUNS, str(signs), str(tmp_path)],
        capture_output=True, text=True, cwd=ROOT, timeout=1200,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == 1, done.stdout  # quiet
