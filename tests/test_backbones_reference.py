"""Every member that keras.applications offers agrees with it; wrong networks would not."""

import dataclasses

import keras
import numpy as np
import pytest

from nets.backbones import BACKBONES, WeightsError, build, build_backbone
from tests.keras_reference import CONSTRUCTORS, disagreement, ours, parameters, reference

TOLERANCE = 1e-4
SIZES = [(64, 64), (96, 96), (96, 160)]  # an even and an odd multiple of 32, and not a square
SMALL = ["efficientnet_b0", "efficientnetv2_b0", "efficientnetv2_s", "mobilenet_v3_small"]


@pytest.fixture(autouse=True)
def _forget_models():
    yield
    keras.backend.clear_session()


@pytest.mark.parametrize("name", SMALL)
def test_small_members_agree(name, tmp_path):
    truth = reference(name, tmp_path / "a.h5")
    models = ours(name, tmp_path / "a.h5")
    assert parameters(models[1]) == parameters(truth)
    for size in SIZES:
        assert disagreement(models, truth, size) < TOLERANCE


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in CONSTRUCTORS if name not in SMALL])
def test_other_members_agree(name, tmp_path):
    truth = reference(name, tmp_path / "a.h5")
    models = ours(name, tmp_path / "a.h5")
    assert parameters(models[1]) == parameters(truth)
    assert disagreement(models, truth, (64, 64)) < TOLERANCE


def row_with(name: str, **changes) -> dict:
    """The table with a change to the member's family."""
    row = BACKBONES[name]
    return {name: dataclasses.replace(row, family=dataclasses.replace(row.family, **changes))}


@pytest.fixture(scope="module")
def b0(tmp_path_factory):
    path = tmp_path_factory.mktemp("b0") / "a.h5"
    return reference("efficientnet_b0", path), path


@pytest.mark.parametrize(
    "changes",
    [
        {"scale": 1 / 255, "offset": 0.0},
        {"scale": 1 / 128, "offset": -1.0},
        # keras.applications' own scaling when it is not asked for "imagenet"
        {
            "scale": tuple(1 / (255 * np.sqrt(d)) for d in (0.229, 0.224, 0.225)),
            "offset": tuple(
                -m / np.sqrt(d)
                for m, d in zip((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), strict=True)
            ),
        },
    ],
)
def test_other_preprocessing_is_noticed(changes, b0, monkeypatch):
    truth, path = b0
    monkeypatch.setattr("nets.backbones.weights._without_normalization", lambda e, _: e[1:])
    for name, row in row_with("efficientnet_b0", **changes).items():
        monkeypatch.setitem(BACKBONES, name, row)
    assert disagreement(ours("efficientnet_b0", path), truth, (64, 64)) > 10 * TOLERANCE


def test_other_epsilon_is_noticed(b0, monkeypatch):
    truth, path = b0
    monkeypatch.setattr("nets.layers.EPSILON", 1e-5)
    assert disagreement(ours("efficientnet_b0", path), truth, (64, 64)) > 10 * TOLERANCE


def test_other_padding_is_noticed(b0, monkeypatch):
    truth, path = b0

    def padded_evenly(x, filters, kernel, *, stride=1, **rest):
        if stride == 2:  # as PyTorch pads: a pixel on every side
            x = keras.layers.ZeroPadding2D(1)(x)
            x = keras.layers.Cropping2D(((0, 1), (0, 1)))(x)
            x = keras.layers.ZeroPadding2D(((0, 1), (0, 1)))(x)
        return original(x, filters, kernel, stride=stride, **rest)

    original = build.conv_norm_act
    monkeypatch.setattr(build, "conv_norm_act", padded_evenly)
    models = ours("efficientnet_b0", path)
    image = np.zeros((1, 64, 64, 3), np.float32)
    assert models[0](image)[0].shape[1] >= 8
    small = truth(image)[0].shape
    difference = np.abs(np.asarray(models[0](image)[0])[:, :8, :8] - np.asarray(truth(image)[0]))
    assert small == difference.shape
    assert difference.max() > 10 * TOLERANCE * np.abs(truth(image)[0]).max()


def test_other_squeeze_excite_width_is_refused(b0):
    with pytest.raises(WeightsError, match="block1a_se_reduce has shapes"):
        build_backbone("efficientnet_b0", weights=b0[1], se_ratio=0.5)
