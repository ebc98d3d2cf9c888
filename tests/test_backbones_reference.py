"""Every member that keras.applications offers agrees with it; wrong networks would not."""

import dataclasses

import keras
import numpy as np
import pytest

from nets.backbones import BACKBONES, WeightsError, build, build_backbone
from tests.keras_reference import CONSTRUCTORS, disagreement, ours, parameters, reference

pytestmark = pytest.mark.slow  # each builds networks of keras.applications

TOLERANCE = 1e-4
SIZES = [(64, 64), (96, 96), (96, 160)]  # an even and an odd multiple of 32, and not a square
SMALL = ["efficientnet_b0", "efficientnetv2_b0", "mobilenet_v3_small"]  # one of each family


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


@pytest.mark.parametrize("name", [name for name in CONSTRUCTORS if name not in SMALL])
def test_other_members_agree(name, tmp_path):
    truth = reference(name, tmp_path / "a.h5")
    models = ours(name, tmp_path / "a.h5")
    assert parameters(models[1]) == parameters(truth)
    assert disagreement(models, truth, (64, 64)) < TOLERANCE


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
    row = BACKBONES["efficientnet_b0"]
    changed = dataclasses.replace(row, family=dataclasses.replace(row.family, **changes))
    monkeypatch.setitem(BACKBONES, "efficientnet_b0", changed)
    assert disagreement(ours("efficientnet_b0", path), truth, (64, 64)) > 10 * TOLERANCE


def test_other_epsilon_is_noticed(b0, monkeypatch):
    truth, path = b0
    monkeypatch.setattr("nets.layers.EPSILON", 1e-5)
    assert disagreement(ours("efficientnet_b0", path), truth, (64, 64)) > 10 * TOLERANCE


def test_other_padding_is_noticed(b0, monkeypatch):
    truth, path = b0
    original = build.conv_norm_act

    def shifted(x, *args, stride=1, **rest):
        if stride == 2:  # a row and a column of zeros before the picture, not after it
            x = keras.layers.ZeroPadding2D(((1, 0), (1, 0)))(x)
            x = keras.layers.Cropping2D(((0, 1), (0, 1)))(x)
        return original(x, *args, stride=stride, **rest)

    monkeypatch.setattr(build, "conv_norm_act", shifted)
    assert disagreement(ours("efficientnet_b0", path), truth, (64, 64)) > 10 * TOLERANCE


def test_other_squeeze_excite_width_is_refused(b0):
    with pytest.raises(WeightsError, match="block1a_se_reduce has shapes"):
        build_backbone("efficientnet_b0", weights=b0[1], se_ratio=0.5)
