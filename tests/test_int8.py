"""8-bit integers: which layers get them, what that costs, and the photos to measure ranges on."""

import re
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import onnx
import openvino
import pytest
from exported import pictures, small_detector, write_export
from label_folders import fill, lists

from nets.backbones import build_backbone
from nets.necks import NECKS
from nets.yolo import build_head
from utils.data.datasets import load_split
from utils.deployment.calibration import calibration_inputs
from utils.deployment.config import ExportConfig, refuse_contradictions
from utils.errors import UserError
from utils.files import content_hash, size_of
from utils.images import read_image
from utils.runtime.export.export import export
from utils.runtime.export.layer_groups import GROUPS, pattern
from utils.runtime.facts import Facts
from utils.runtime.runtime import open_runtime

WEIGHTS = Path(__file__).resolve().parents[1] / "model_data" / "signs.keras"
FORMATS = ("onnx", "openvino", "litert")


@pytest.fixture(scope="module")
def model():
    return small_detector()


@pytest.fixture(scope="module")
def files(model, tmp_path_factory):
    """Format → the float32 and the INT8 file."""
    folder = tmp_path_factory.mktemp("int8")
    return {
        name: (
            write_export(model, folder, name),
            write_export(model, folder, name, precision="int8", calibration=smooth(16)),
        )
        for name in FORMATS
    }


def smooth(count):
    """Pictures of large random patches, uint8 (count, 64, 64, 3)."""
    return pictures(count, 8, 8).repeat(8, axis=1).repeat(8, axis=2)


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMATS)
def test_answers_as_float32_but_for_rounding(name, files, model):
    float32, int8 = files[name]
    runtime = open_runtime(int8, device="cpu")
    assert runtime.class_names == model.classes
    assert "int8" in runtime.description
    image = smooth(20)[19:]  # not among those that ranges were measured on
    boxes, scores = runtime.infer(image)
    expected = model(image, training=False)
    assert np.abs(scores - expected["scores"]).mean() < 0.1 * np.std(expected["scores"])
    assert np.abs(boxes - expected["boxes"]).mean() < 0.5  # pixels
    if runtime.any_shape:  # the shape of a wide photo, in batches
        wide = np.concatenate([image[:, :32], image[:, 32:]])
        expected_scores = model(wide, training=False)["scores"]
        scores_of_wide = runtime.infer(wide)[1]
        assert scores_of_wide.shape == expected_scores.shape
        difference = np.abs(scores_of_wide - expected_scores).mean()
        assert difference < 0.15 * np.std(expected_scores)
    assert not np.array_equal(scores, open_runtime(float32, device="cpu").infer(image)[1])
    assert size_of(int8) < 0.5 * size_of(float32)  # 0.3 for larger backbones


@pytest.mark.slow
def test_decoding_and_the_last_convolutions_stay_float(files):
    graph = onnx.load(files["onnx"][1]).graph
    quantised = {node.input[0] for node in graph.node if node.op_type == "QuantizeLinear"}
    assert any(name.startswith("backbone/") for name in quantised)
    assert not any(re.match(r"decode|boxes|scores|head/head\d_out", name) for name in quantised)
    network = openvino.Core().read_model(files["openvino"][1] / "model.xml")
    rounded = {
        target.get_node().get_friendly_name()
        for node in network.get_ops()
        if node.get_type_name() == "FakeQuantize"
        for target in node.output(0).get_target_inputs()
    }
    assert "head/head3_conv" in " ".join(rounded)
    assert not re.search(r"decode|head\d_out", " ".join(rounded))


@pytest.mark.slow
def test_every_layer_of_the_network_is_in_one_group():
    for name in ("efficientnet_b0", "efficientnetv2_s", "mobilenet_v3_small"):
        backbone = build_backbone(name)
        heads = [build_head(backbone.output_shape, 1, neck=neck) for neck in NECKS]
        layers = [layer for part in (backbone, *heads) for layer in part.layers]
        for layer in layers:
            if not isinstance(layer, keras.layers.InputLayer):
                found = [group for group in GROUPS if pattern([group]).search(f"x/{layer.name}")]
                assert len(found) == 1, (name, layer.name, found)
    assert pattern(["decoding"]).search("decode8/centres")
    assert pattern(["decoding"]).search("yolov3_1/decoding_1/mul")
    assert not pattern().search("decode8/centres")


def facts_of(folder, **parts):
    """Facts of a checkpoint that was trained, validated or tested on photos of a folder."""
    hashes = {
        part: {name: content_hash(folder / "JPEGImages" / f"{name}.jpg") for name in names}
        for part, names in parts.items()
    }
    facts = Facts.of_checkpoint(WEIGHTS)
    return replace(
        facts, class_names=("cat", "dog"), input_size=(320, 320), metadata={"hashes": hashes}
    )


def shades(inputs):
    """The colour of each picture of one colour, as its middle pixel."""
    return {tuple(image[image.shape[0] // 2, image.shape[1] // 2].tolist()) for image in inputs}


def test_ranges_are_measured_on_training_photos_alone(tmp_path):
    ids = fill(tmp_path, 10)
    lists(tmp_path, train=ids[:7], test=[*ids[7:], ids[0]])  # one photo is in both
    facts = facts_of(tmp_path, train=ids[3:7], val=ids[1:2], test=ids[2:3])
    scored = load_split(tmp_path, "test", classes=facts.class_names)
    inputs = calibration_inputs(tmp_path, facts, scored, any_shape=False)
    assert [image.shape for image in inputs] == [(320, 320, 3)] * 4
    usable = [
        read_image(tmp_path / "JPEGImages" / f"{name}.jpg").reshape(-1, 3)[0] for name in ids[3:7]
    ]
    assert shades(inputs) == {tuple(colour.tolist()) for colour in usable}
    again = calibration_inputs(tmp_path, facts, scored, any_shape=False)
    assert all(map(np.array_equal, inputs, again))
    fewer = calibration_inputs(tmp_path, facts, scored, any_shape=True, photos=2)
    assert [image.shape for image in fewer] == [(256, 320, 3)] * 2  # the photos are 40×30


def test_without_a_usable_training_photo_there_is_one_sentence(tmp_path):
    ids = fill(tmp_path, 4)
    lists(tmp_path, train=ids[:2], test=ids[2:])
    facts = facts_of(tmp_path, test=ids[:2])
    scored = load_split(tmp_path, "test", classes=facts.class_names)
    with pytest.raises(UserError, match="no photo of 'train' can be used"):
        calibration_inputs(tmp_path, facts, scored, any_shape=False)


def test_where_all_training_photos_are_scored_another_list_is_asked_for(tmp_path):
    ids = fill(tmp_path, 3)
    lists(tmp_path, train=ids)
    facts = facts_of(tmp_path)
    scored = load_split(tmp_path, "train", classes=facts.class_names)
    with pytest.raises(UserError, match=r"no photo of 'train' .* all are scored .* --split"):
        calibration_inputs(tmp_path, facts, scored, any_shape=False)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "--int8: the range of every activation is measured on your photos; give --data"),
        ({"data": Path("photos"), "nms": True}, "--int8 and --nms exclude each other"),
        ({"data": Path("photos"), "precision": "float16"}, "--int8 and --precision float16"),
        ({"data": Path("photos"), "format": "saved_model"}, "saved_model can have float32, not"),
    ],
)
def test_what_int8_cannot_go_with_is_refused(options, message):
    options = {"weights": WEIGHTS, "format": "onnx", "int8": True, **options}
    with pytest.raises(UserError, match=message):
        refuse_contradictions(ExportConfig(**options))


def test_int8_without_network_inputs_is_an_error():
    with pytest.raises(ValueError, match="needs network inputs"):
        export(WEIGHTS, "onnx", precision="int8")
