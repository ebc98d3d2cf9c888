"""Conversions that fail: which failures are kept in the cache folder, and for how long."""

from __future__ import annotations

import errno
import shutil
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from utils.errors import UserError
from utils.runtime import fastest
from utils.runtime.export.process import ModuleFailedError, NoRoomError, run_module
from utils.runtime.exported import ExportedNetwork
from utils.runtime.fastest import (
    Candidate,
    converter_key,
    notes_are_valid,
    open_fastest,
    time_candidates,
)
from utils.runtime.runtime import Runtime

BUNDLED = Path(__file__).parents[1] / "model_data" / "signs.keras"


def answering(images):
    return np.zeros((len(images), 1, 4), np.float32), np.zeros((len(images), 1, 1), np.float32)


def run_code(monkeypatch, folder, code):
    (folder / "failing.py").write_text(f"import os, signal, sys\n{code}\n")
    monkeypatch.setenv("PYTHONPATH", str(folder))
    run_module("failing", "", "the conversion")


@pytest.mark.parametrize(
    "code",
    [
        "raise MemoryError",
        "raise OSError(28, os.strerror(28))",
        "print('terminate called after throwing std::bad_alloc'); os.kill(os.getpid(), 6)",
        "print('error: /x: No space left on device'); sys.exit(2)",
        "print('ResourceExhaustedError: OOM when allocating'); sys.exit(1)",
        "sys.exit(130)",
        *(
            f"signal.signal({n}, signal.SIG_DFL); os.kill(os.getpid(), {n})"
            for n in ("signal.SIGINT", "signal.SIGTERM", "signal.SIGBUS", "signal.SIGHUP")
        ),
        "os.kill(os.getpid(), signal.SIGKILL)",
    ],
)
def test_no_room_and_interruptions_are_no_fault_of_the_network(monkeypatch, tmp_path, code):
    with pytest.raises(NoRoomError) as caught:
        run_code(monkeypatch, tmp_path, code)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("raise ValueError('no such layer')", ModuleFailedError),
        ("os.kill(os.getpid(), signal.SIGSEGV)", ModuleFailedError),
        ("print('MemoryError in a log'); print('error: a damaged file'); sys.exit(2)", UserError),
    ],
)
def test_other_failures_are(monkeypatch, tmp_path, code, kind):
    with pytest.raises(kind) as caught:
        run_code(monkeypatch, tmp_path, code)
    assert not isinstance(caught.value, NoRoomError)


@pytest.fixture
def starts(monkeypatch):
    """A function that starts prediction so often, and says how often it tried to convert."""
    tries = []

    def tried(error, count=3):
        def export(*_, **__):
            tries.append(1)
            raise error

        monkeypatch.setattr("utils.runtime.export.export.export", export)
        tries.clear()
        for _ in range(count):
            assert open_fastest(BUNDLED) == "TensorFlow"
        return len(tries)

    monkeypatch.setattr(fastest, "candidates_here", lambda device: [Candidate("openvino")])
    monkeypatch.setattr(fastest, "_open_tensorflow", lambda *_, **__: "TensorFlow")
    folder = ExportedNetwork(BUNDLED).folder
    shutil.rmtree(folder, ignore_errors=True)
    yield tried
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize(
    "error",
    [
        NoRoomError("the system ended the conversion, probably for want of memory"),
        UserError("there is no openvino"),
        OSError(errno.ENOSPC, "No space left on device"),
    ],
)
def test_what_may_succeed_later_is_tried_at_each_start(starts, error, capsys):
    assert starts(error) == 3
    assert capsys.readouterr().err.count("TensorFlow runs the network") == 3
    assert not ExportedNetwork(BUNDLED).read_notes()


def test_ctrl_c_is_passed_on_and_forgotten(starts):
    with pytest.raises(KeyboardInterrupt):
        starts(KeyboardInterrupt())
    assert not ExportedNetwork(BUNDLED).read_notes()
    assert not list(ExportedNetwork(BUNDLED).folder.glob(".part-*"))


def test_what_a_killed_conversion_left_is_removed(starts):
    left = ExportedNetwork(BUNDLED).folder / ".part-of-another"
    left.mkdir(parents=True)
    (left / "model.onnx").write_bytes(b"half")
    starts(NoRoomError("the disk is full"), count=1)
    assert not left.exists()


def test_a_crash_is_remembered_until_versions_or_the_converter_change(starts, monkeypatch, capsys):
    crash = ModuleFailedError("the conversion to openvino crashed (Aborted)\nterminate called")
    assert starts(crash) == 1
    assert f"to try that again, remove {ExportedNetwork(BUNDLED).folder}" in capsys.readouterr().err
    version = fastest.version
    for package in ("openvino", "keras", "onnx"):

        def newer(name, package=package):
            return "99.0" if name == package else version(name)

        monkeypatch.setattr(fastest, "version", newer)
        assert starts(crash) == 1, package
    monkeypatch.setattr(fastest, "version", version)
    assert starts(crash) == 0
    shutil.rmtree(ExportedNetwork(BUNDLED).folder)  # as the message says
    assert starts(crash) == 1


def test_the_code_that_converts_counts(monkeypatch, tmp_path):
    before = converter_key()
    assert "keras" in before
    shutil.copytree(fastest._CONVERTER, tmp_path / "export")
    monkeypatch.setattr(fastest, "_CONVERTER", tmp_path / "export")
    assert converter_key() == before
    (tmp_path / "export" / "to_onnx.py").write_text("a mended version")
    assert converter_key() != before


@pytest.mark.parametrize(
    ("error", "kept"),
    [
        (NoRoomError("the disk is full"), False),
        (UserError("ONNX Runtime cannot use this GPU"), True),
        (ModuleFailedError("crashed"), True),
    ],
)
def test_a_choice_without_a_candidate_that_had_no_room_is_made_again(error, kept, capsys):
    def opener(candidate):
        if candidate.runtime == "onnx":
            raise error
        return Runtime(answering, ("a",), (64, 64))

    candidates = [Candidate("onnx", device="gpu"), Candidate("openvino")]
    notes = time_candidates(candidates, opener)
    assert notes["chosen"] == asdict(Candidate("openvino"))
    assert notes_are_valid(notes, candidates) == kept
    assert str(error) in capsys.readouterr().err
