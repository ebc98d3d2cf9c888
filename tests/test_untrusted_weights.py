"""Weights files from strangers are refused before their libraries see them; sound ones are not.

``tests/bad_input`` makes the files.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.bad_input.case import Case
from tests.bad_input.checkpoints import checkpoints
from tests.bad_input.exports import exports
from utils.checkpoint_archive import check_weights, open_archive, read_config
from utils.files import read_limited
from utils.runtime.litert_check import check_litert
from utils.runtime.onnx_check import check_onnx
from utils.runtime.openvino_check import check_openvino

ROOT = Path(__file__).parents[1]

# They fit no network of this project, or are damaged so that only the library notices.
LEFT_TO_KERAS = {"backbone-unknown", "backbone-path", "hdf5-other-shape", "hdf5-one-missing"}
REACHING_OUT = {
    "onnx": {
        "data-above", "data-absolute", "data-beside", "data-device", "data-in-memory",
        "custom-operator", "custom-library", "compiled-elsewhere", "endless-loop",
        "functions-of-functions", "nested-20", "memory-constant", "memory-expand", "memory-tile",
        "memory-pad",
    },
    "openvino": {
        "entities", "external-entity", "external-dtd", "deep", "layer-unknown",
        "layer-of-an-extension", "endless-loop", "onnx-inside",
    },
    "litert": {"endless-loop", "other-identifier", "root-beyond", "pickle-described"},
}  # fmt: skip
CHECKS: dict[str, Callable[[Path], None]] = {
    "onnx": lambda folder: check_onnx(folder / "odd-one.onnx"),
    "openvino": lambda folder: check_openvino(folder / "odd-one" / "model.xml"),
    "litert": lambda folder: check_litert(read_limited(folder / "odd-one.tflite", 1 << 30)),
}


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """Sound files of every format, and what their bad ones are made of."""
    folder = tmp_path_factory.mktemp("sound")
    command = [sys.executable, "-m", "tests.bad_input.sound_weights", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True)
    return folder


def written(cases: Iterator[Case], format: str, folder: Path) -> Iterator[tuple[str, Path]]:
    """The name of each case of a format, without the format, and its folder."""
    for case in cases:
        if case.stops and case.name.startswith(f"{format}-"):
            path = folder / case.name
            path.mkdir()
            case.write(path)
            yield case.name.removeprefix(f"{format}-"), path


def look(path: Path) -> None:
    """What comes before Keras opens a checkpoint."""
    with open_archive(path) as archive:
        read_config(archive)
        check_weights(archive)


@pytest.mark.slow
def test_sound_files_pass(sound):
    look(sound / "sound.keras")
    check_onnx(sound / "sound.onnx")
    check_openvino(sound / "openvino" / "model.xml")
    check_litert((sound / "sound.tflite").read_bytes())


@pytest.mark.slow
def test_bad_checkpoints_never_reach_keras(sound, tmp_path):
    passed, count = set(), 0
    for name, folder in written(checkpoints(sound / "sound.keras"), "keras", tmp_path):
        count += 1
        try:
            look(folder / "odd-one.keras")
        except Exception:  # any of many kinds; ``load_checkpoint`` makes one of them
            continue
        passed.add(name)
    assert count > 100
    assert {name for name in passed if "noise" not in name} <= LEFT_TO_KERAS
    assert not list(tmp_path.rglob("canary"))


@pytest.mark.parametrize("format", CHECKS)
def test_networks_that_reach_out_never_reach_their_library(format, sound, tmp_path):
    refused = set()
    for name, folder in written(exports(sound), format, tmp_path):
        try:
            CHECKS[format](folder)
        except Exception:
            refused.add(name)
    assert refused >= REACHING_OUT[format]
