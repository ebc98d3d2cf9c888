"""export.py: what it refuses, that a file is whole or absent, and that it checks what it writes."""

import errno
import fcntl
import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import cv2
import numpy as np
import onnx
import openvino
import pytest
from exported import small_detector, write_export
from onnx_network import constant_network

from utils.api import export as api_export
from utils.data.synthetic import write_dataset
from utils.deployment import check, run
from utils.deployment.config import ExportConfig, refuse_contradictions
from utils.deployment.worker import CheckResult
from utils.detector import Detector
from utils.errors import UserError
from utils.files import remove_abandoned
from utils.runtime.export import export as exporting
from utils.runtime.export import process
from utils.runtime.export.earlier import holds_export
from utils.runtime.export.export import default_out, export
from utils.runtime.export.request import ExportRequest
from utils.runtime.export.scratch import make_room, restore_abandoned, scratch_folder
from utils.runtime.export.to_litert import append_facts
from utils.runtime.facts import KEY, Facts
from utils.runtime.runtime import open_runtime
from utils.thresholds import Thresholds

ROOT = Path(__file__).resolve().parents[1]
DESCRIPTION = Facts(("a",), ((8.0, 8.0),) * 9, (64, 64), "mobilenet_v3_small", "0" * 64)


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
    """The conversion writes the request instead, where an export has its description."""

    def convert(module, text, what):
        request = ExportRequest.from_json(text)
        if request.target.suffix:
            network = onnx.ModelProto()
            onnx.helper.set_model_props(network, {KEY: request.to_json()})
            onnx.save(network, request.target)
        else:
            request.target.mkdir()
            (request.target / "model.xml").write_text(f"<{KEY}/>{request.to_json()}")

    monkeypatch.setattr(exporting, "run_module", convert)


def test_a_request_travels_as_json():
    nms = Thresholds(0.1)
    request = ExportRequest(Path("a"), "onnx", Path("b"), "float32", "suppressed", nms)
    assert ExportRequest.from_json(request.to_json()) == request
    request = replace(request, outputs="heads", nms=None)
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
    written = first.read_bytes()
    with pytest.raises(UserError, match="too different"):
        export(weights, format, out, check=refuse)
    assert first.read_bytes() == written  # the earlier export is still there
    export(weights, format, out, outputs="heads")
    assert b'"outputs": "heads"' in first.read_bytes()  # and is replaced
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


def tiny_network():
    return constant_network(np.zeros((1, 4), np.float32), np.zeros((1, 1), np.float32), DESCRIPTION)


def foreign(format, path):
    """The files of another program's network, with the names that an export has."""
    if format == "onnx":
        network = tiny_network()
        network.metadata_props[0].key = "author"
        onnx.save(network, path)
    elif format == "litert":
        path.write_bytes(b"\x20\0\0\0TFL3" + bytes(1000))
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr("labels.txt", "person")
    elif format == "openvino":
        path.mkdir()
        (path / "model.xml").write_text("<net><rt_info/></net>")
        (path / "model.bin").write_bytes(b"their weights")
    else:
        for name in ("assets", "variables"):
            (path / name).mkdir(parents=True)
        for name in ("saved_model.pb", "fingerprint.pb", "variables/variables.index"):
            (path / name).write_bytes(b"their network")


def as_bytes(path):
    files = [path, *sorted(path.rglob("*"))]
    return {one: one.read_bytes() for one in files if one.is_file()}


@pytest.mark.parametrize("format", exporting.PRECISIONS)
def test_a_network_of_another_program_is_never_replaced(monkeypatch, weights, tmp_path, format):
    monkeypatch.setattr(exporting, "run_module", None)
    out = default_out(tmp_path / "theirs.keras", format)
    foreign(format, out)
    theirs = as_bytes(out)
    with pytest.raises(UserError, match=rf"{out}: is there already, .* another --out"):
        export(weights, format, out)
    assert as_bytes(out) == theirs
    first = min(theirs)
    for content in (b"a", theirs[first][:20]):  # nor what is damaged
        first.write_bytes(content)
        with pytest.raises(UserError, match="is there already"):
            export(weights, format, out)
        assert first.read_bytes() == content


def test_exports_are_known_by_their_description(model, folder, tmp_path):
    path = tmp_path / "small.tflite"
    path.write_bytes(b"\x20\0\0\0TFL3" + bytes(1000))
    assert not holds_export(path, "litert")
    append_facts(path, DESCRIPTION)
    assert holds_export(path, "litert")
    path = tmp_path / "small.onnx"
    onnx.save(tiny_network(), path)
    assert holds_export(path, "onnx")
    network = openvino.Core().read_model(path)
    network.set_rt_info(DESCRIPTION.to_json(), [KEY])
    openvino.save_model(network, tmp_path / "small_openvino" / "model.xml")
    assert holds_export(tmp_path / "small_openvino", "openvino")
    assert holds_export(write_export(model, folder, "saved_model"), "saved_model")


def test_a_folder_into_which_somebody_put_a_file_is_not_replaced(weights, tmp_path):
    out = tmp_path / "model"
    for name in ("variables/variables.index", f"assets.extra/{KEY}.json"):
        (out / name).parent.mkdir(parents=True)
        (out / name).touch()
    assert holds_export(out, "saved_model")
    (out / "assets.extra" / "tf_serving_warmup_requests").touch()
    with pytest.raises(UserError, match=r"other files \(assets.extra/tf_serving_warmup_requests\)"):
        export(weights, "saved_model", out)
    assert (out / "assets.extra" / "tf_serving_warmup_requests").exists()


def test_an_empty_file_is_a_name_that_somebody_reserved(fake, weights, tmp_path):
    out = tmp_path / "reserved.onnx"
    out.touch()
    export(weights, "onnx", out)
    assert out.stat().st_size


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"format": "onnx", "precision": "float16"}, "can have float32 and int8, not float16"),
        ({"format": "litert", "nms": True}, "onnx and saved_model can hold suppression"),
        ({"format": "onnx", "conf": 0.5}, "thresholds of --nms"),
        ({"format": "onnx", "max_det": 5}, "--max-det are thresholds of --nms"),
        ({"format": "onnx", "split": "val"}, "--split val: is a list of photos of --data"),
        ({"format": "onnx", "weights": Path(__file__)}, "is no .keras checkpoint"),
    ],
)
def test_contradictions(weights, options, reason):
    with pytest.raises(UserError, match=reason):
        refuse_contradictions(ExportConfig(**{"weights": weights, **options}))


def test_thresholds_are_those_given_or_noted_and_a_noted_one_is_told(weights, capsys):
    facts = Facts.of_checkpoint(weights)  # notes 0.3 and 0.5
    config = ExportConfig(weights, "onnx", nms=True)
    assert run._nms_thresholds(config, facts) == Thresholds(0.3, 0.5, 300)
    assert "note: the lowest score is 0.3, as get_map.py --tune stored" in capsys.readouterr().out
    config = replace(config, conf=0.4, max_det=7)
    assert run._nms_thresholds(config, facts) == Thresholds(0.4, 0.5, 7)
    assert run._nms_thresholds(config, replace(facts, metadata={})) == Thresholds(0.4, 0.45, 7)
    assert capsys.readouterr().out == ""


def test_that_ap_is_not_computed_with_suppression_is_said(weights, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(run, "check_in_process", lambda _: CheckResult("ONNX", 2, 0, 0, None))
    for options, told in (({"nms": True}, True), ({}, False)):
        config = ExportConfig(weights, "onnx", data=tmp_path, **options)
        assert run._check(tmp_path / "x.onnx", config, None).comparison is None
        assert ("AP is not computed" in capsys.readouterr().out) == told


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
