"""The necks: their wiring against NumPy, and the names under which checkpoints know them."""

import json
import zipfile
from dataclasses import fields

import keras
import numpy as np
import pytest

from nets.necks import NECKS
from nets.yolo import YOLOv3, build_head
from tests.reference import plain_conv
from utils import checkpoint_archive
from utils.checkpoint import load_checkpoint
from utils.training.config import AUTO, TrainConfig

WIDTHS = (40, 112, 320)


@pytest.fixture(scope="module")
def pan():
    """A neck and heads whose batch norms are not the identity."""
    keras.utils.set_random_seed(3)
    head = build_head([(None, None, None, width) for width in WIDTHS], classes=2, neck="pan")
    rng = np.random.default_rng(0)
    for layer in head.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            shapes = [tuple(weight.shape) for weight in layer.weights]
            layer.set_weights([rng.uniform(0.5, 1.5, shape) for shape in shapes])
    return head


class ByHand:
    """The neck as in the docstring, in NumPy; maps are (H, W, C)."""

    def __init__(self, head):
        self.head = head

    def conv(self, x, name, stride=1):
        kernel = np.array(self.head.get_layer(f"{name}_conv").kernel, np.float64)
        gamma, beta, mean, variance = self.head.get_layer(f"{name}_bn").get_weights()
        y = (plain_conv(x, kernel, stride) - mean) / np.sqrt(variance + 1e-3) * gamma + beta
        return np.where(y > 0, y, 0.1 * y)

    def up(self, x, name):
        return self.conv(x, name).repeat(2, axis=0).repeat(2, axis=1)

    def block(self, name, *maps):
        x = self.conv(np.concatenate(maps, axis=-1), f"{name}_1")
        return x + self.conv(self.conv(x, f"{name}_2"), f"{name}_3")

    def __call__(self, c3, c4, c5):
        c3, c4, c5 = (self.conv(c, f"c{i}_lateral") for i, c in ((3, c3), (4, c4), (5, c5)))
        down4 = self.block("c4", self.up(c5, "p5_to_p4"), c4)
        p3 = self.block("p3", self.up(down4, "p4_to_p3"), c3)
        p4 = self.block("p4", self.conv(p3, "p3_to_p4", stride=2), down4)
        p5 = self.block("p5", self.conv(p4, "p4_to_p5", stride=2), c5)
        return [self.out(p, f"head{i}") for i, p in ((3, p3), (4, p4), (5, p5))]

    def out(self, p, name):
        kernel, bias = self.head.get_layer(f"{name}_out").get_weights()
        return plain_conv(self.conv(p, name), kernel, 1) + bias


def test_the_light_neck_leads_down_and_up_again(pan):
    rng = np.random.default_rng(1)
    features = [
        rng.standard_normal((12 // s, 8 // s, width)).astype(np.float32)
        for s, width in zip((1, 2, 4), WIDTHS, strict=True)
    ]
    got = pan([feature[None] for feature in features])
    for output, expected in zip(got, ByHand(pan)(*features), strict=True):
        np.testing.assert_allclose(output[0], expected, rtol=1e-3, atol=1e-4)


def test_its_widths_do_not_depend_on_the_backbone(pan):
    other = build_head([(None, None, None, width) for width in (48, 120, 352)], 2, "pan")
    different = {
        layer.name
        for layer in pan.layers
        if layer.weights
        and [w.shape for w in layer.weights]
        != [w.shape for w in other.get_layer(layer.name).weights]
    }
    assert different == {"c3_lateral_conv", "c4_lateral_conv", "c5_lateral_conv"}
    assert [output.shape[-1] for output in pan.outputs] == [3 * 7] * 3


@pytest.mark.parametrize("name", NECKS)
def test_maps_that_heads_look_at_are_named(name):
    head = build_head([(None, None, None, width) for width in WIDTHS], 1, name)
    for level, layer in zip((3, 4, 5), NECKS[name].maps, strict=True):
        into = head.get_layer(f"head{level}_conv").input
        assert into is head.get_layer(layer).output


@pytest.mark.parametrize("name", NECKS)
def test_a_checkpoint_keeps_its_neck(name, tmp_path):
    model = YOLOv3("mobilenet_v3_small", ["a"], input_size=64, neck=name)
    model.save(tmp_path / "m.keras")
    assert load_checkpoint(tmp_path / "m.keras").neck == name


def test_checkpoints_that_name_no_neck_have_the_published_one(tmp_path):
    """Those are from before there was a second one."""
    today, before = tmp_path / "today.keras", tmp_path / "before.keras"
    YOLOv3("mobilenet_v3_small", ["a"], input_size=64, neck="yolov3").save(today)
    with zipfile.ZipFile(today) as archive, zipfile.ZipFile(before, "w") as other:
        for name in archive.namelist():
            content = archive.read(name)
            if name == checkpoint_archive.CONFIG:
                config = json.loads(content)
                del config["config"]["neck"]
                content = json.dumps(config).encode()
            other.writestr(name, content)
    assert load_checkpoint(before).neck == "yolov3"


def test_an_unknown_neck_is_named():
    with pytest.raises(ValueError, match="no neck 'bifpn'; there are yolov3, pan"):
        YOLOv3("efficientnet_lite0", ["a"], neck="bifpn")


def test_archives_and_options_name_the_necks_there_are():
    assert set(NECKS) == checkpoint_archive._NECKS
    [option] = [field for field in fields(TrainConfig) if field.name == "neck"]
    assert option.metadata["choices"] == (AUTO, *NECKS)
