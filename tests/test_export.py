"""export.py: what it refuses, that a file is whole or absent, and that it checks what it writes."""

import errno
import fcntl
import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import cv2
import numpy as np
import pytest
from exported import small_detector, write_export

from utils.api import export as api_export
from utils.data.synthetic import write_dataset
from utils.deployment import check
from utils.deployment.config import ExportConfig, refuse_contradictions
from utils.detector import Detector
from utils.errors import UserError
from utils.files import remove_abandoned
from utils.runtime.export import export as exporting
from utils.runtime.export import process
from utils.runtime.export.export import default_out, export
from utils.runtime.export.request import ExportRequest, Suppression
from utils.runtime.export.scratch import make_room, restore_abandoned, scratch_folder
from utils.runtime.runtime import open_runtime

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def model():
    return small_detector()


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("export")
    model.save(folder / "small.keras")
    return folder


@pytest.fixture
def weights(folder):
    return folder / "small.keras"


@pytest.fixture
def fake(monkeypatch):
    """The conversion writes a line instead."""

    def convert(module, text, what):
        request = ExportRequest.from_json(text)
        if request.target.suffix:
            request.target.write_text(request.to_json())
        else:
            request.target.mkdir()
            (request.target / "model.xml").write_text(request.to_json())

    monkeypatch.setattr(exporting, "run_module", convert)


def test_a_request_travels_as_json():
    request = ExportRequest(Path("a"), "onnx", Path("b"), "float32", "suppressed", Suppression(0.1))
    assert ExportRequest.from_json(request.to_json()) == request
    request = replace(request, outputs="heads", suppression=None)
    assert ExportRequest.from_json(request.to_json()) == request


def test_default_names():
    names = [default_out(Path("runs/best.keras"), name).name for name in exporting.PRECISIONS]
    assert names == ["best.onnx", "best_openvino", "best.tflite", "best_saved_model"]


@pytest.mark.parametrize(("format", "name"), [("onnx", "x.onnx"), ("openvino", "x")])
def test_a_file_that_fails_its_check_is_not_left_behind(fake, weights, tmp_path, format, name):
    out = tmp_path / "new" / name

    def refuse(path):
        assert path.exists()
        raise UserError("too different")

    with pytest.raises(UserError, match="too different"):
        export(weights, format, out, check=refuse)
    assert list(out.parent.iterdir()) == []
    assert export(weights, format, out) == out
    first = out if out.is_file() else out / "model.xml"
    written = first.read_text()
    with pytest.raises(UserError, match="too different"):
        export(weights, format, out, check=refuse)
    assert first.read_text() == written  # the earlier export is still there
    export(weights, format, out, outputs="heads")
    assert json.loads(first.read_text())["outputs"] == "heads"  # and is replaced
    assert list(out.parent.iterdir()) == [out]


KILLED = """
import os, signal, sys
from pathlib import Path
from utils.runtime.export import export as exporting
from utils.runtime.export.request import ExportRequest

def convert(module, text, what):
    target = ExportRequest.from_json(text).target
    target.mkdir()
    (target / "model.xml").write_text("new")

def killed(*names):
    os.kill(os.getpid(), signal.SIGKILL)

exporting.run_module = convert
os.replace = killed
exporting.export(sys.argv[1], "openvino", Path(sys.argv[2]))
"""


@pytest.mark.parametrize("earlier", [True, False])
def test_a_kill_between_the_two_renames_loses_nothing(fake, weights, tmp_path, earlier):
    out, other = tmp_path / "x", tmp_path / "y"
    if earlier:
        export(weights, "openvino", out)
        written = (out / "model.xml").read_text()
    done = subprocess.run([sys.executable, "-c", KILLED, weights, out], cwd=ROOT, check=False)
    assert done.returncode == -9
    (left,) = tmp_path.iterdir()  # hidden, with the old one and the new one
    assert left.name.startswith(".part-")
    os.utime(left, (0, 0))
    remove_abandoned(tmp_path)
    assert left.exists() == earlier  # never the only one
    export(weights, "openvino", other)  # it is none of its business
    assert left.exists() == earlier

    def refuse(path):
        assert out.exists() == earlier
        raise UserError("too different")

    with pytest.raises(UserError, match="too different"):
        export(weights, "openvino", out, check=refuse)
    assert sorted(tmp_path.iterdir()) == ([out, other] if earlier else [other])
    if earlier:
        assert (out / "model.xml").read_text() == written


def test_an_error_between_the_two_renames_loses_nothing(fake, weights, tmp_path, monkeypatch):
    out = export(weights, "openvino", tmp_path / "x")
    written = (out / "model.xml").read_text()
    monkeypatch.setattr(os, "replace", Mock(side_effect=KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        export(weights, "openvino", out, outputs="heads")
    assert (out / "model.xml").read_text() == written
    assert list(tmp_path.iterdir()) == [out]


def test_what_a_living_process_makes_is_left_alone(fake, weights, tmp_path):
    out = export(weights, "openvino", tmp_path / "x")
    with scratch_folder(out) as folder:
        make_room(folder, out)
        restore_abandoned(out)
        assert (folder / "old" / "model.xml").exists()
        assert not out.exists()
    assert (out / "model.xml").exists()
    assert list(tmp_path.iterdir()) == [out]


def test_where_the_system_has_no_locks_nothing_is_cleared_away(
    fake, weights, tmp_path, monkeypatch
):
    monkeypatch.setattr(fcntl, "flock", Mock(side_effect=OSError(errno.ENOLCK, "no locks")))
    out = tmp_path / "x"
    with scratch_folder(out) as folder:
        restore_abandoned(out)
        assert folder.exists()


@pytest.mark.parametrize("name", ["rename", "replace"])
def test_of_two_exports_at_the_same_time_the_later_one_stays(
    fake, weights, tmp_path, monkeypatch, name
):
    """The other process moves the earlier export, or puts its own there, just before this one."""
    out, real = export(weights, "openvino", tmp_path / "x"), getattr(os, name)
    earlier = (out / "model.xml").read_text()

    def late(source, target):
        monkeypatch.setattr(os, name, real)
        if name == "rename":
            shutil.rmtree(out)
        else:
            out.mkdir()
            (out / "model.xml").write_text("the other's")
        real(source, target)

    monkeypatch.setattr(os, name, late)
    export(weights, "openvino", out, outputs="heads")
    assert (out / "model.xml").read_text() not in (earlier, "the other's")
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.parametrize(("format", "name"), [("onnx", "x.onnx"), ("openvino", "x")])
def test_a_folder_that_goes_away_is_one_sentence(fake, weights, tmp_path, format, name):
    out = tmp_path / "new" / name
    with pytest.raises(UserError, match="its folder was removed"):
        export(weights, format, out, check=lambda path: shutil.rmtree(out.parent))
    assert not out.exists()


def test_what_is_no_export_is_never_replaced(fake, weights, tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").touch()
    for format, name, reason in (
        ("openvino", "photos", "has other files"),
        ("onnx", "photos", "is a folder"),
        ("openvino", "photos/a.jpg", "is a file"),
        ("onnx", "best.keras", r"must end in \.onnx"),
        ("litert", "best.onnx", r"must end in \.tflite"),
    ):
        with pytest.raises(UserError, match=reason):
            export(weights, format, tmp_path / name)
    assert [path.name for path in tmp_path.rglob("*")] == ["photos", "a.jpg"]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"format": "onnx", "precision": "float16"}, "can have float32 and int8, not float16"),
        ({"format": "litert", "nms": True}, "onnx and saved_model can hold suppression"),
        ({"format": "onnx", "conf": 0.5}, "thresholds of --nms"),
        ({"format": "onnx", "weights": Path(__file__)}, "is no .keras checkpoint"),
    ],
)
def test_contradictions(weights, options, reason):
    with pytest.raises(UserError, match=reason):
        refuse_contradictions(ExportConfig(**{"weights": weights, **options}))


def test_a_missing_package_is_named_with_its_command(monkeypatch, weights):
    monkeypatch.setattr(exporting, "find_spec", lambda name: None)
    with pytest.raises(
        UserError, match=r'needs onnx and onnxruntime; .*pip install -e "\.\[onnx\]"'
    ):
        export(weights, "onnx")


def test_errors_of_the_converting_process(weights, tmp_path, monkeypatch):
    (tmp_path / "broken.keras").write_bytes(weights.read_bytes()[:5000])
    with pytest.raises(UserError, match="not a checkpoint that can be opened"):
        export(tmp_path / "broken.keras", "onnx")

    def ended(code, text=""):
        done = subprocess.CompletedProcess([], code, text)
        monkeypatch.setattr(process.subprocess, "run", lambda *args, **kwargs: done)

    ended(2, "noise\nerror: it is wrong\n")
    with pytest.raises(UserError, match=r"^it is wrong$"):
        process.run_module("m", "x", "the work")
    for code in (-9, -15, 130):  # what the system ended says nothing about the network
        ended(code)
        with pytest.raises(UserError, match="ended the work, probably for want of memory"):
            process.run_module("m", "x", "the work")
    ended(-11)
    with pytest.raises(RuntimeError, match=r"^the work crashed \(Segmentation fault\)$"):
        process.run_module("m", "x", "the work")
    ended(1, "Traceback")
    with pytest.raises(RuntimeError, match="Traceback"):
        process.run_module("m", "x", "the work")


def test_outputs_that_differ_are_seen(model, folder):
    infer = open_runtime(write_export(model, folder, "onnx")).infer
    inputs = check.network_inputs((64, 64), None, most=2)

    def other(images):
        boxes, scores = infer(images)
        return boxes + 0.25, scores * 0.9

    same = check.compare_outputs(infer, infer, inputs, any_shape=True)
    assert (same.photos, same.box, same.score) == (2, 0, 0)
    differing = check.compare_outputs(other, infer, inputs, any_shape=False)
    assert differing.box == pytest.approx(0.25, abs=1e-4)
    highest = max(infer(image[None])[1].max() for image in inputs)
    assert differing.score == pytest.approx(0.1 * highest, rel=1e-4)

    def broken(images):
        boxes, scores = infer(images)
        return boxes * np.nan, scores

    assert check.compare_outputs(broken, infer, inputs, any_shape=False).box == np.inf


@pytest.mark.slow
def test_the_command_compares_scores_and_opens(weights, folder):
    """ONNX by the whole command, with labelled photos."""
    write_dataset(folder / "photos", train=0, val=0, test=6)
    names = (folder / "photos").rglob("*.xml")
    text = {path: path.read_text() for path in names}
    for path, xml in text.items():  # the detector's own classes
        first, *rest = xml.split("<name>")
        path.write_text(first + "".join("<name>kat<" + r.split("<", 1)[1] for r in rest))
    out = folder / "command.onnx"
    done = subprocess.run(
        [sys.executable, "export.py", "--weights", weights, "--format", "onnx", "--out", out,
         "--data", folder / "photos"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "on 6 photos, largest difference from the checkpoint in float32: box" in done.stdout
    assert "AP50" in done.stdout
    assert f"written to {out}" in done.stdout
    picture = cv2.imread(str(next((folder / "photos").rglob("*.jpg"))))
    assert Detector(out)(picture, conf=0.01).class_names == ("ĥundo", "kat")


@pytest.mark.slow
def test_from_python_a_file_too_different_is_removed(weights, tmp_path, monkeypatch):
    monkeypatch.setitem(check.TOLERANCES, "float32", (0.0, 0.0))
    with pytest.raises(UserError, match="the export answers otherwise than the checkpoint"):
        api_export(weights, "onnx", out=tmp_path / "x.onnx", quiet=True)
    assert list(tmp_path.iterdir()) == []
