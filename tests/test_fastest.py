"""``--runtime auto``: the choice, what it is kept with, and a precision on trial."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from dataclasses import asdict, replace
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from utils.checkpoint import update_metadata
from utils.detector import Detector
from utils.errors import UnreadableFileError, UserError
from utils.evaluation.run_detector import in_one_precision
from utils.runtime import fastest
from utils.runtime.device_option import gpu_number
from utils.runtime.export.process import run_module
from utils.runtime.exported import ExportedNetwork, remove_oldest
from utils.runtime.facts import Facts
from utils.runtime.fastest import (
    Candidate,
    TrialNotes,
    candidates_here,
    notes_are_valid,
    open_fastest,
    time_candidates,
)
from utils.runtime.parallel_copies import open_copies, open_on_cores, pooled
from utils.runtime.precision_trial import (
    ENOUGH_DETECTIONS,
    ENOUGH_PHOTOS,
    MAX_PHOTOS,
    Agreement,
    PrecisionTrial,
)
from utils.runtime.runtime import Runtime, open_runtime

ROOT = Path(__file__).parents[1]
BUNDLED = ROOT / "model_data" / "signs.keras"
needs_openvino = pytest.mark.skipif(not find_spec("openvino"), reason="needs openvino")


def finding(box, score, count=1):
    """A runtime that finds an object ``count`` times, far apart from each other."""

    def infer(images):
        boxes = np.zeros((len(images), count, 4), np.float32)
        boxes[:] = np.asarray(box, np.float32) + 60 * np.arange(count)[:, None]
        return boxes, np.full((len(images), count, 1), score, np.float32)

    return Runtime(infer, ("a",), (64, 64), any_shape=True)


def trial_of(reference, fast):
    decisions = []

    def on_decision(agreement):
        decisions.append(agreement)
        return fast if agreement.passed else reference

    return PrecisionTrial(reference, fast, on_decision), decisions


# The score of an object that no other box agrees with is lowered to 0.56 of it.
REFERENCE = finding((10, 10, 40, 40), 0.9, count=2)
IMAGES = np.zeros((1, 192, 192, 3), np.uint8)
OTHERS = [np.full_like(IMAGES, number) for number in range(MAX_PHOTOS)]  # with the same objects


@pytest.mark.parametrize(
    ("fast", "good"),
    [
        (finding((10.5, 10, 40, 40), 0.88, count=2), True),
        (finding((10, 10, 30, 40), 0.9, count=2), False),  # another box
        (finding((10, 10, 40, 40), 0.7, count=2), False),  # another score
        (finding((10, 10, 40, 40), 0.1, count=2), False),  # nothing
        (finding((10, 10, 40, 40), 0.9, count=3), False),  # one more
    ],
)
def test_a_precision_is_taken_where_its_detections_agree(fast, good):
    trial, decisions = trial_of(REFERENCE, fast)
    for images in OTHERS[:5]:
        boxes, _ = trial(images)
        if not decisions:  # until it is decided, float32 answers
            assert boxes[0, 0, 0] == REFERENCE.infer(IMAGES)[0][0, 0, 0]
    (agreement,) = decisions
    assert agreement.passed == good
    assert agreement.detections >= ENOUGH_DETECTIONS
    expected = fast if good else REFERENCE
    np.testing.assert_array_equal(trial(IMAGES)[0], expected.infer(IMAGES)[0])


def test_a_network_that_finds_nothing_is_not_tried_for_ever():
    trial, decisions = trial_of(finding((0, 0, 9, 9), 0.01), finding((0, 0, 9, 9), 0.01))
    for images in OTHERS:
        trial(images)
    assert decisions == [Agreement(photos=MAX_PHOTOS)]
    assert not decisions[0].passed  # nothing was seen to agree


def test_one_photo_with_many_objects_decides_nothing():
    many = finding((10, 10, 40, 40), 0.9, count=ENOUGH_DETECTIONS)
    trial, decisions = trial_of(many, many)
    for images in OTHERS[:ENOUGH_PHOTOS]:
        assert not decisions
        trial(images)
    (agreement,) = decisions
    assert agreement.passed
    assert agreement.photos == ENOUGH_PHOTOS


def test_the_same_photo_again_and_again_decides_nothing_and_other_photos_still_do():
    many = finding((10, 10, 40, 40), 0.9, count=ENOUGH_DETECTIONS)
    trial, decisions = trial_of(many, many)
    for _ in range(3 * MAX_PHOTOS):
        trial(IMAGES)
    assert not decisions
    assert trial.undecided
    for images in OTHERS[1:ENOUGH_PHOTOS]:
        assert not decisions
        trial(images)
    (agreement,) = decisions
    assert agreement.passed
    assert agreement.photos == ENOUGH_PHOTOS
    assert not trial.undecided


def test_a_trial_in_several_threads_is_decided_once():
    trial, decisions = trial_of(REFERENCE, REFERENCE)
    threads = [threading.Thread(target=lambda: list(map(trial, OTHERS))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(decisions) == 1


@pytest.mark.parametrize(("photos", "good"), [(MAX_PHOTOS, True), (ENOUGH_PHOTOS - 1, False)])
def test_a_decided_trial_keeps_to_one_precision(photos, good):
    fast = finding((10.5, 10, 40, 40), 0.88, count=2)
    trial, decisions = trial_of(REFERENCE, fast)
    chosen = trial.decide_now(np.concatenate(OTHERS[:photos]))
    assert chosen is (fast if good else REFERENCE)
    for _ in range(MAX_PHOTOS):
        np.testing.assert_array_equal(trial(IMAGES)[0], chosen.infer(IMAGES)[0])
    assert len(decisions) == good


def test_all_photos_are_scored_in_one_precision(tmp_path, capsys):
    paths = [picture(tmp_path, images[0], f"{i}.png") for i, images in enumerate(OTHERS)]
    records = [SimpleNamespace(image=path) for path in (tmp_path / "none.png", *paths)]
    trial, _ = trial_of(REFERENCE, replace(REFERENCE, description="narrow"))
    detector = in_one_precision(Detector(replace(REFERENCE, infer=trial)), records)
    assert detector.runtime.description == "narrow"
    assert "narrow" in capsys.readouterr().out
    assert in_one_precision(detector, records) is detector


def slow(milliseconds):
    def infer(images):
        threading.Event().wait(milliseconds / 1000)
        return np.zeros((1, 1, 4), np.float32), np.zeros((1, 1, 1), np.float32)

    return Runtime(infer, ("a",), (64, 64))


def test_the_fastest_is_chosen_and_a_reduced_precision_only_for_a_gain():
    def choice(**milliseconds):
        candidates = [Candidate("openvino", name) for name in milliseconds]
        found = time_candidates(candidates, lambda one: slow(milliseconds[one.precision]))
        return found["chosen"]["precision"], found["instead"]["precision"]

    assert choice(float32=6, bfloat16=1) == ("bfloat16", "float32")
    assert choice(float32=1, bfloat16=6) == ("float32", "float32")


def test_many_pictures_are_timed_in_full_batches_and_a_single_one_alone(monkeypatch):
    """A stand-in for a GPU takes 8 ms for a batch of any size, one for a CPU 2 ms a picture."""
    gpu, cpu = Candidate("tensorflow", device="gpu"), Candidate("openvino")
    now = [0.0]
    monkeypatch.setattr(fastest.time, "perf_counter", lambda: now[0])

    def opener(candidate):
        def infer(images):
            now[0] += 0.008 if candidate == gpu else 0.002 * len(images)

        return Runtime(infer, ("a",), (64, 64), batch_size=8 if candidate == gpu else 1)

    for in_batches, ms, best in ((False, 8.0, cpu), (True, 1.0, gpu)):
        found = time_candidates([gpu, cpu], opener, in_batches=in_batches)
        assert found["milliseconds"] == {str(gpu): ms, str(cpu): 2.0}
        assert found["chosen"] == asdict(best)


def test_a_choice_is_that_of_the_model_of_the_gpu(monkeypatch):
    monkeypatch.setattr(fastest, "gpu_likely", lambda: False)
    keys = {fastest.machine_key(None)}
    monkeypatch.setattr(fastest, "gpu_likely", lambda: True)
    for model in ("H100", "T4"):
        monkeypatch.setattr(fastest, "gpu_models", lambda model=model: [model])
        keys |= {fastest.machine_key(None, in_batches=many) for many in (False, True)}
        assert model in fastest.machine_key("gpu:0")
    assert len(keys) == 5
    monkeypatch.setattr(fastest, "gpu_models", None)  # not asked: it takes seconds
    assert "GPU" in fastest.machine_key("cpu")


def test_what_cannot_be_opened_is_left_out(capsys):
    def opener(candidate):
        if candidate.device == "gpu":
            raise UserError("no such GPU")
        return slow(0)

    found = time_candidates([Candidate("onnx", device="gpu"), Candidate("openvino")], opener)
    assert found["chosen"] == asdict(Candidate("openvino"))
    assert "no such GPU" in capsys.readouterr().err
    with pytest.raises(UserError, match="no such GPU"):
        time_candidates([Candidate("onnx", device="gpu")], opener)
    calls = []
    with pytest.raises(UserError, match="full"):  # converted only once
        time_candidates(
            [Candidate("openvino"), Candidate("openvino", "bfloat16")], full_disk(calls)
        )
    assert len(calls) == 1


def full_disk(calls):
    def opener(candidate):
        calls.append(candidate)
        raise UserError("the disk is full")

    return opener


def test_candidates_by_what_is_installed(monkeypatch):
    installed = {"openvino", "ai_edge_litert", "onnxruntime"}
    monkeypatch.setattr(fastest, "find_spec", lambda name: name if name in installed else None)
    monkeypatch.setattr(fastest, "has_bfloat16", lambda: True)
    monkeypatch.setattr(fastest, "gpu_likely", lambda: False)
    both = [Candidate("openvino"), Candidate("openvino", "bfloat16")]
    assert candidates_here(None) == candidates_here("auto") == candidates_here("cpu") == both
    installed.remove("openvino")
    assert candidates_here("auto") == [Candidate("litert")]
    installed.clear()
    assert candidates_here("auto") == []
    monkeypatch.setattr(fastest, "gpu_likely", lambda: True)
    monkeypatch.setattr(fastest, "onnx_runtime_has_cuda", lambda: True)
    monkeypatch.setattr(fastest, "tensorflow_has_gpu", lambda: True)
    assert candidates_here("gpu:1") == [
        Candidate("onnx", device="gpu:1"), Candidate("tensorflow", device="gpu:1"),
    ]  # fmt: skip
    assert candidates_here("cpu") == []


def test_a_gpu_that_no_runtime_can_use_is_told_of(monkeypatch):
    told = []
    monkeypatch.setattr(fastest, "warn_of_unused_gpu", lambda: told.append(True))
    monkeypatch.setattr(fastest, "gpu_likely", lambda: True)
    monkeypatch.setattr(fastest, "onnx_runtime_has_cuda", lambda: False)
    monkeypatch.setattr(fastest, "tensorflow_has_gpu", lambda: False)
    for device in ("cpu", "gpu", "auto", None):
        candidates_here(device)
    assert len(told) == 2
    monkeypatch.setattr(fastest, "onnx_runtime_has_cuda", lambda: True)
    candidates_here("auto")
    assert len(told) == 2


def test_a_runtime_is_never_called_by_two_threads_at_a_time():
    busy = [0, 0]

    def infer_of(index):
        def infer(images):
            busy[index] += 1
            assert busy[index] == 1
            threading.Event().wait(0.002)
            busy[index] -= 1
            return (images,)

        return infer

    run = pooled([infer_of(0), infer_of(1)])
    failed = []

    def work():
        try:
            for _ in range(20):
                run(IMAGES)
        except AssertionError as error:
            failed.append(error)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed


@pytest.mark.parametrize(
    ("cores", "shares"), [(2, [1] * 2), (8, [1] * 8), (9, [2] + [1] * 7), (20, [3] * 4 + [2] * 4)]
)
def test_copies_share_the_cores(monkeypatch, cores, shares):
    monkeypatch.setattr("utils.runtime.parallel_copies.available_cores", lambda: cores)
    threads = []

    def open_one(count):
        threads.append(count)
        return REFERENCE

    assert open_on_cores(open_one).parallel == len(shares)
    assert threads == shares


def test_several_gpus_get_a_network_each():
    devices = []

    def open_one(device):
        devices.append(device)
        return replace(REFERENCE, description=f"here, {device}")

    runtime = open_copies(open_one, "gpu:2,0,2")
    assert devices == ["gpu:0", "gpu:2"]
    assert (runtime.parallel, runtime.description) == (2, "here, gpu:0 and 1 more GPU")
    assert gpu_number("gpu:3,1") == 1
    with pytest.raises(UserError, match="gpu:0,1"):
        open_copies(open_one, "gpu:0;1")


def test_networks_used_longest_ago_are_removed(tmp_path):
    for i, name in enumerate("abcd"):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (i, i))
    os.utime(tmp_path / "a", (9, 9))
    remove_oldest(tmp_path, 2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "d"]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    import keras

    from nets.yolo import YOLOv3

    keras.utils.set_random_seed(1)
    path = tmp_path_factory.mktemp("weights") / "tiny.keras"
    model = YOLOv3("mobilenet_v3_small", classes=["a", "b"], input_size=96)
    model.save(path)
    return path


def test_without_another_runtime_tensorflow_runs_and_a_line_says_so(
    checkpoint, monkeypatch, capsys
):
    monkeypatch.setattr(fastest, "candidates_here", lambda device: [])
    opened = []
    monkeypatch.setattr(fastest, "_open_tensorflow", lambda *args, **_: opened.append(args) or 7)
    assert open_fastest(checkpoint) == 7
    assert "pip install openvino" in capsys.readouterr().err
    monkeypatch.undo()
    monkeypatch.setattr(fastest, "_open_tensorflow", lambda *args, **_: opened.append(args) or 8)
    monkeypatch.setenv("EFFICIENT_YOLO3_CACHE", "off")
    assert open_fastest(checkpoint) == 8
    assert len(opened) == 2


@pytest.mark.slow
@needs_openvino
def test_a_checkpoint_is_converted_once_and_answers_as_in_tensorflow(checkpoint, tmp_path):
    photos = np.random.default_rng(0).integers(0, 256, (3, 60, 80, 3), np.uint8)
    limits = {"conf": 0.0, "max_det": 30}
    expected = Detector(checkpoint, "tensorflow")(photos, **limits)
    for throughput in (False, True):  # exported by the first, opened from the cache by the second
        runtime = open_runtime(checkpoint, "openvino", throughput=throughput)
        assert "float32" in runtime.description
        for mine, theirs in zip(Detector(runtime)(photos, **limits), expected, strict=True):
            np.testing.assert_allclose(mine.boxes, theirs.boxes, atol=0.01)
            np.testing.assert_allclose(mine.scores, theirs.scores, atol=1e-4)
    # Thresholds noted later are the checkpoint's; the network stays the same.
    update_metadata(checkpoint, {"operating_point": {"conf": 0.125, "iou": 0.5}})
    (folder,) = ExportedNetwork(checkpoint).folder.parent.iterdir()
    before = (folder / "openvino" / "model.bin").stat().st_mtime_ns
    code = (
        "import sys; from utils.detector import Detector\n"
        f"detector = Detector({str(checkpoint)!r})\n"
        "assert detector.operating_point['conf'] == 0.125, detector.operating_point\n"
        f"detector({str(picture(tmp_path, photos[0]))!r})\n"
        "heavy = {'tensorflow', 'keras', 'matplotlib', 'pandas', 'onnx'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "print(detector.runtime.description)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "OpenVINO" in done.stdout
    assert "converting" not in done.stderr
    assert (folder / "openvino" / "model.bin").stat().st_mtime_ns == before
    notes = ExportedNetwork(checkpoint).read_notes()  # without times on a busy machine
    assert all({"milliseconds", "agrees"} & set(one) for one in notes.values())


def picture(folder, pixels, name="photo.png"):
    from PIL import Image

    path = folder / name
    Image.fromarray(pixels).save(path)
    return path


@pytest.mark.parametrize("agrees", [True, False])
def test_a_decision_on_a_precision_is_kept(checkpoint, monkeypatch, agrees):
    other = finding((10, 10, 40, 40), 0.9 if agrees else 0.3, count=2)
    runtimes = {"float32": REFERENCE, "bfloat16": replace(other, description="narrow")}
    both = [Candidate("openvino"), Candidate("openvino", "bfloat16")]
    times = {"milliseconds": {str(one): 1.0 for one in both}}
    choice = {"chosen": asdict(both[1]), "instead": asdict(both[0]), **times}
    measurements = []
    monkeypatch.setattr(fastest, "candidates_here", lambda device: both)
    monkeypatch.setattr(fastest, "time_candidates", lambda *_: measurements.append(1) or choice)
    monkeypatch.setattr(fastest, "busy", lambda: not measurements)  # the first time only
    monkeypatch.setattr(
        ExportedNetwork, "open", lambda self, runtime, precision, **_: runtimes[precision]
    )
    ExportedNetwork(checkpoint).folder.mkdir(parents=True, exist_ok=True)
    (ExportedNetwork(checkpoint).folder / "notes.json").unlink(missing_ok=True)
    # One in each process: the trial goes on where it was, and counts none twice.
    for images in (*OTHERS[: ENOUGH_PHOTOS - 1], *OTHERS[:ENOUGH_PHOTOS]):
        trial = open_fastest(checkpoint)
        assert "once its detections" in trial.description
        trial.infer(images)
    for _ in range(2):  # the decision is kept, times once they were taken on an idle machine
        opened = open_fastest(checkpoint)
        assert ("narrow" in opened.description) == agrees
        assert "once" not in opened.description
    assert len(measurements) == 2


@pytest.mark.parametrize("throughput", [False, True])
def test_pictures_come_in_batches_before_and_after_a_precision_is_decided(
    checkpoint, monkeypatch, throughput
):
    sizes = {"float32": [], "bfloat16": []}

    def opened(self, runtime, precision, threads, **_):
        def infer(images):
            sizes[precision].append(len(images))
            return REFERENCE.infer(images)

        return replace(REFERENCE, infer=infer, batch_size=2 if threads else 1)

    both = [Candidate("openvino"), Candidate("openvino", "bfloat16")]
    choice = {"chosen": asdict(both[1]), "instead": asdict(both[0])}
    choice["milliseconds"] = {str(one): 1.0 for one in both}
    monkeypatch.setattr(fastest, "candidates_here", lambda device: both)
    monkeypatch.setattr(fastest, "time_candidates", lambda *_: choice)
    monkeypatch.setattr(ExportedNetwork, "open", opened)
    monkeypatch.setattr(ExportedNetwork, "read_notes", lambda self: {})
    monkeypatch.setattr(ExportedNetwork, "write_notes", lambda self, changes: None)
    detector = Detector(open_fastest(checkpoint, throughput=throughput))
    pictures = 20
    different = [np.full_like(IMAGES[0], number) for number in range(pictures)]
    assert len(detector(different)) == pictures
    pairs = 2 if throughput else 1
    assert detector.batch_size == pairs
    # The trial itself looks at one picture at a time; afterwards only the faster one runs.
    assert sizes["float32"].count(2) == (ENOUGH_PHOTOS // 2 if throughput else 0)
    after = [size for size in sizes["bfloat16"] if size == pairs]
    assert sum(after) >= pictures - ENOUGH_PHOTOS


def test_notes_of_a_trial_without_its_photos_are_ignored():
    note = {"agrees": True, "photos": 4, "detections": 60, "agreeing": 60}
    network = SimpleNamespace(read_notes=lambda: {"trial": note})
    assert TrialNotes(network, "trial").read() == (None, Agreement())
    note["inputs"] = ["0a", "0b"]
    agrees, agreement = TrialNotes(network, "trial").read()
    assert (agrees, agreement, agreement.inputs) == (True, Agreement(4, 60, 60), ["0a", "0b"])


def test_damaged_notes_are_ignored(checkpoint):
    network = ExportedNetwork(checkpoint)
    (network.folder / "notes.json").unlink(missing_ok=True)
    network.write_notes({"a": 1})
    network.write_notes({"b": 2})
    assert network.read_notes() == {"a": 1, "b": 2}
    (network.folder / "notes.json").write_text("[")
    assert network.read_notes() == {}
    (network.folder / "notes.json").write_text(json.dumps([1]))
    assert network.read_notes() == {}


GOOD_NOTES = {
    "chosen": asdict(Candidate("openvino")),
    "instead": asdict(Candidate("openvino")),
    "milliseconds": {str(Candidate("openvino")): 3.5},
}


@pytest.mark.parametrize(
    "notes",
    [
        None, "x", [], {}, {"chosen": {}}, GOOD_NOTES | {"milliseconds": {}},
        GOOD_NOTES | {"milliseconds": {str(Candidate("openvino")): "3"}},
        GOOD_NOTES | {"chosen": {"runtime": "openvino", "speed": 1}},
        GOOD_NOTES | {"instead": asdict(Candidate("onnx", device="gpu"))},  # no longer there
    ],
)  # fmt: skip
def test_notes_of_other_versions_and_machines_are_not_used(notes):
    assert notes_are_valid(GOOD_NOTES, [Candidate("openvino")])
    assert not notes_are_valid(notes, [Candidate("openvino")])


def test_a_gpu_that_is_asked_for_has_nothing_to_do_with_openvino(checkpoint, monkeypatch, capsys):
    monkeypatch.setattr(fastest, "gpu_likely", lambda: False)
    monkeypatch.setattr(fastest, "_open_tensorflow", lambda *args, **_: 7)
    assert open_fastest(checkpoint, device="gpu") == 7
    assert not capsys.readouterr().err


@pytest.mark.parametrize("name", ["network.onnx", "openvino"])
def test_a_damaged_file_in_the_cache_is_made_anew(checkpoint, monkeypatch, name):
    network = ExportedNetwork(checkpoint)
    runtime = name.removeprefix("network.")
    path = network.folder / name

    def export(weights, runtime, path, **_):
        exports.append(path)
        path.mkdir() if runtime == "openvino" else path.write_text("new")

    def opener(path, **_):
        if not exports:
            raise UnreadableFileError("damaged")
        return REFERENCE

    exports = []
    network.folder.mkdir(parents=True, exist_ok=True)
    path.mkdir(exist_ok=True) if runtime == "openvino" else path.write_text("old")
    monkeypatch.setattr("utils.runtime.export.export.export", export)
    monkeypatch.setattr(f"utils.runtime.{runtime}_runtime.open_{runtime}", opener)
    assert network.open(runtime).class_names == REFERENCE.class_names
    assert exports == [path]
    shutil.rmtree(network.folder)


def test_a_checkpoint_that_training_replaces_meanwhile_is_not_kept(checkpoint, monkeypatch):
    network = ExportedNetwork(checkpoint)
    other = replace(network.facts, weights_sha256="of another")

    def export(weights, runtime, path, *, check, **_):
        monkeypatch.setattr(Facts, "of_checkpoint", lambda *_: other)
        check(path)

    monkeypatch.setattr("utils.runtime.export.export.export", export)
    with pytest.raises(UserError, match="was replaced while it was converted"):
        network.open("onnx")


def test_modules_in_the_current_folder_are_not_run(tmp_path, monkeypatch):
    (tmp_path / "zipfile.py").write_text("raise SystemExit('run from the current folder')")
    monkeypatch.chdir(tmp_path)
    run_module("utils.runtime.facts", "", "a test")
