"""What a detector's file says about it: read without TensorFlow, and strictly."""

import json
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from utils.errors import UserError
from utils.runtime.facts import OFFSET_SPAN, Facts

WEIGHTS = Path(__file__).resolve().parents[1] / "model_data" / "signs.keras"


@pytest.fixture(scope="module")
def facts():
    return Facts.of_checkpoint(WEIGHTS)


def test_facts_of_a_checkpoint_are_those_of_the_model(facts):
    from nets.yolo import OFFSET_SPAN as SPAN
    from utils.checkpoint import load_checkpoint

    model = load_checkpoint(WEIGHTS)
    assert facts.class_names == model.classes
    assert facts.anchors == model.anchors
    assert facts.input_size == (model.input_size, model.input_size)
    assert facts.backbone == model.backbone_name
    assert facts.metadata == model.metadata
    assert facts.precision == "float32"
    assert facts.offset_span == OFFSET_SPAN == SPAN
    assert facts.decoding_params is None


def test_reading_a_checkpoint_imports_no_tensorflow():
    code = (
        "import sys; from utils.runtime.facts import Facts; "
        f"Facts.of_checkpoint({str(WEIGHTS)!r}); "
        "assert not {'tensorflow', 'keras'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=WEIGHTS.parents[1])


def test_json_gives_the_same_facts(facts):
    assert Facts.from_json(facts.to_json(), "here") == facts
    assert Facts.from_json(facts.to_json().encode(), "here") == facts


def test_numbers_that_json_does_not_have_are_left_out(facts):
    nan = {"a": [float("nan"), {"b": float("-inf")}], "c": 0.5}
    again = Facts.from_json(replace(facts, metadata=nan).to_json(), "here")
    assert again.metadata == {"a": [None, {"b": None}], "c": 0.5}


def test_the_hash_is_of_the_weights_alone(facts, tmp_path):
    other = tmp_path / "other.keras"
    with zipfile.ZipFile(WEIGHTS) as old, zipfile.ZipFile(other, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            new.writestr(name, data.replace(b'"input_size": 416', b'"input_size": 352'))
    again = Facts.of_checkpoint(other)
    assert again.input_size == (352, 352)
    assert again.weights_sha256 == facts.weights_sha256


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("class_names", []),
        ("class_names", ["a", "a"]),
        ("class_names", "ab"),
        ("class_names", ["a\nb"]),
        ("class_names", ["\x1b[31mred"]),
        ("class_names", ["a\uffff"]),  # XML cannot hold it
        ("class_names", ["a" * 1001]),
        ("anchors", [[1, 2]] * 8),
        ("anchors", [[1, -2]] * 9),
        ("anchors", [[1, float("inf")]] * 9),
        ("input_size", [320, 321]),
        ("input_size", [True, 320]),
        ("offset_span", 0),
        ("outputs", "masks"),
        ("metadata", None),
        ("backbone", 5),
        ("weights_sha256", None),
    ],
)
def test_a_value_that_cannot_be_is_refused(facts, key, value):
    text = json.dumps({**json.loads(facts.to_json()), key: value})
    with pytest.raises(UserError, match=f"^--weights x.onnx: .*{key}"):
        Facts.from_json(text, "--weights x.onnx")


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "3", "{}", "[" * 100_000, b"\xff\xfe{"])
def test_no_facts_at_all(text):
    with pytest.raises(UserError, match=r"^here: "):
        Facts.from_json(text, "here")


def test_a_missing_description_and_a_newer_one(facts):
    with pytest.raises(UserError, match=r"not a detector that export\.py wrote"):
        Facts.from_json(None, "here")
    newer = json.dumps({**json.loads(facts.to_json()), "format": 2})
    with pytest.raises(UserError, match="newer version"):
        Facts.from_json(newer, "here")


def test_what_is_no_checkpoint(tmp_path):
    with pytest.raises(UserError, match="no such file"):
        Facts.of_checkpoint(tmp_path / "none.keras")
    path = tmp_path / "broken.keras"
    path.write_bytes(WEIGHTS.read_bytes()[:1000])
    with pytest.raises(UserError, match="not a checkpoint that can be opened"):
        Facts.of_checkpoint(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps({"registered_name": "Functional"}))
        archive.writestr("model.weights.h5", b"")
    with pytest.raises(UserError, match="no detector of this project"):
        Facts.of_checkpoint(path)


def test_values_that_would_fill_the_memory_are_not_parsed(facts, tmp_path):
    values = "[]," * 10_000_000  # 30 MB, of which Python makes 650
    text = facts.to_json()[:-1] + f', "x": [{values}0]}}'
    with pytest.raises(UserError, match=r"damaged .its values would fill the memory"):
        Facts.from_json(text, "here")
    path = tmp_path / "full.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", text)
        archive.writestr("model.weights.h5", b"")
    with pytest.raises(UserError, match=r"the values in config\.json would fill the memory"):
        Facts.of_checkpoint(path)
