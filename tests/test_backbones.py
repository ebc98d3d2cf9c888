"""The table of backbones, what it builds, and what it costs."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from nets.backbones import (
    BACKBONES,
    BackboneSpec,
    backbone_cost,
    build_backbone,
    build_classifier,
    classifier_cost,
    compound_scaling,
    resolve,
)
from nets.backbones.catalogue import catalogue, legend
from nets.backbones.measured import DETECTORS
from nets.backbones.tables import EFFICIENTNET

# Millions of parameters and of multiply-adds at the member's own resolution, as published:
# keras.io/api/applications (parameters), the papers' tables and the Lite folder's (multiply-adds).
PUBLISHED = {
    "efficientnet_b0": (5.3, 390),
    "efficientnet_b1": (7.9, 700),
    "efficientnet_b2": (9.2, 1000),
    "efficientnet_b3": (12.3, 1800),
    "efficientnet_b4": (19.5, 4200),
    "efficientnet_b5": (30.6, 9900),
    "efficientnet_b6": (43.3, 19000),
    "efficientnet_b7": (66.7, 37000),
    "efficientnet_lite0": (4.7, 407),
    "efficientnet_lite1": (5.4, 631),
    "efficientnet_lite2": (6.1, 899),
    "efficientnet_lite3": (8.2, 1440),
    "efficientnet_lite4": (13.0, 2640),
    "efficientnetv2_b0": (7.2, None),
    "efficientnetv2_b1": (8.2, None),
    "efficientnetv2_b2": (10.2, None),
    "efficientnetv2_b3": (14.5, None),
    "efficientnetv2_s": (21.6, 8800),
    "efficientnetv2_m": (54.4, 24000),
    "efficientnetv2_l": (119.0, 53000),
    "mobilenet_v3_large": (5.5, 219),
    "mobilenet_v3_small": (2.55, 56),
}


def test_every_promised_member_is_there():
    assert set(BACKBONES) == set(PUBLISHED)


@pytest.mark.parametrize("name", BACKBONES)
def test_cost_is_the_published_one(name):
    cost = classifier_cost(BACKBONES[name])
    parameters, multiply_adds = PUBLISHED[name]
    # some papers leave the moving statistics out, 1 to 2 %
    assert cost.parameters / 1e6 == pytest.approx(parameters, rel=0.02)
    if multiply_adds:
        assert cost.multiply_adds / 1e6 == pytest.approx(multiply_adds, rel=0.06)


@pytest.mark.parametrize("name", ["efficientnet_b0", "efficientnetv2_b0", "mobilenet_v3_small"])
def test_cost_counts_what_keras_counts(name):
    spec = BACKBONES[name]
    assert classifier_cost(spec, 64).parameters == build_classifier(name).count_params()
    model = build_backbone(name, (96, 160, 3))
    cost = backbone_cost(spec, 96, 160)
    assert cost.parameters == model.count_params()
    assert cost.multiply_adds == sum(multiply_adds(layer) for layer in model.layers)


def multiply_adds(layer: keras.Layer) -> int:
    """Kernel weights times the places where they are applied."""
    if not hasattr(layer, "kernel"):
        return 0
    places = np.prod(layer.output.shape[1:3])
    return int(np.prod(layer.kernel.shape) * places)


def test_levels_of_b0_at_416():
    model = build_backbone("efficientnet_b0", (416, 416, 3))
    shapes = [output.shape[1:] for output in model.outputs]
    assert shapes == [(52, 52, 40), (26, 26, 112), (13, 13, 320)]


@pytest.mark.parametrize("name", BACKBONES)
def test_levels_are_the_last_blocks_of_their_strides(name):
    spec, stride, seen = BACKBONES[name], 2, {}
    for row in spec.blocks():
        stride *= row.stride
        seen.setdefault(stride, []).append(row)
    assert [seen[s][-1] for s in (8, 16, 32)] == spec.levels()
    assert max(seen) == 32
    assert spec.levels()[-1] == spec.blocks()[-1]  # what the classifier's top reads


def test_any_multiple_of_32_with_the_same_weights():
    model = build_backbone("efficientnet_lite0", weights="imagenet")
    for height, width in [(32, 32), (96, 160), (224, 64)]:
        outputs = model(np.zeros((1, height, width, 3), np.float32))
        sides = [output.shape[1:3] for output in outputs]
        assert sides == [(height // s, width // s) for s in (8, 16, 32)]


@pytest.mark.parametrize("name", ["efficientnet_b0", "efficientnetv2_b0", "mobilenet_v3_large"])
def test_layers_are_named_by_stage(name):
    stages = len(BACKBONES[name].family.stages)
    model = build_classifier(name)
    prefixes = ("stem_", *(f"stage{i + 1}_block" for i in range(stages)), "top_")
    for layer in model.layers[1:]:  # after the input
        assert layer.name.startswith(prefixes)
        assert "/" not in layer.name
    assert not any(layer.name.startswith("top_") for layer in build_backbone(name).layers)
    assert not any(isinstance(layer, keras.layers.Lambda) for layer in model.layers)


def test_a_new_member_is_one_row(monkeypatch):
    row = BackboneSpec(EFFICIENTNET, width=0.5, depth=0.5, resolution=160, dropout=0.1)
    monkeypatch.setitem(BACKBONES, "efficientnet_b_half", row)
    model = build_backbone("efficientnet_b_half")
    assert [level.shape[-1] for level in model(np.zeros((1, 64, 64, 3)))] == [24, 56, 160]
    classifier = build_classifier("efficientnet_b_half", classes=7)
    assert classifier(np.zeros((1, 160, 160, 3))).shape == (1, 7)
    assert classifier.count_params() == classifier_cost(row, classes=7).parameters


def test_free_scaling_is_what_the_published_rows_are_made_by():
    b3 = dataclasses.replace(BACKBONES["efficientnet_b3"], top1=None)
    scaled = resolve("efficientnet", width=1.2, depth=1.4, dropout=0.3)
    assert dataclasses.replace(scaled, resolution=300, top1=None) == b3


def test_scaling_changes_widths_and_repeats():
    spec = resolve("efficientnet", width=0.75, depth=0.5)
    assert [row.filters for row in spec.levels()] == [32, 88, 240]
    assert len(spec.blocks()) == 1 + 1 + 1 + 2 + 2 + 2 + 1
    assert spec.top_filters == 960


def test_switches_of_the_papers():
    spec = resolve("efficientnet_b0", stochastic_depth=0.5, se_ratio=0.5)
    assert spec.blocks()[0].squeezed == 16
    assert spec.blocks()[8].drop_rate == pytest.approx(0.25)
    assert resolve("efficientnet_b0", se_ratio=0).blocks()[0].squeezed == 0
    assert build_classifier("efficientnet_b0", dropout=0.6).get_layer("top_dropout").rate == 0.6


@pytest.mark.parametrize("name", BACKBONES)
def test_drop_rates_rise_linearly(name):
    rates = [row.drop_rate for row in BACKBONES[name].blocks()]
    end = 0.0 if name.startswith("mobilenet") else 0.2
    np.testing.assert_allclose(rates, np.arange(len(rates)) * end / len(rates), atol=1e-12)


def test_drop_layers_have_their_rates():
    model = build_backbone("efficientnet_b0")
    rates = {layer.name: layer.rate for layer in model.layers if layer.name.endswith("_drop")}
    rows = {f"{row.name}_drop": row.drop_rate for row in BACKBONES["efficientnet_b0"].blocks()}
    assert len(rates) == 9  # the blocks with a skip
    assert rates == {name: rows[name] for name in rates}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "efficientnet_b9"}, "Did you mean efficientnet_b"),
        ({"name": "efficientnet", "width": 0}, "width must be above 0"),
        ({"name": "efficientnet", "depth": -1}, "depth must be above 0"),
        ({"name": "efficientnet_b0", "stochastic_depth": 1}, "below 1"),
        ({"name": "efficientnet_b0", "se_ratio": 2}, "between 0 and 1"),
        ({"name": "efficientnet_lite0", "se_ratio": 0.5}, "no squeeze-excite"),
        ({"name": "efficientnet_b0", "input_shape": (100, 100, 3)}, "multiples of 32"),
        ({"name": "efficientnet_b0", "input_shape": (None, None, 1)}, "multiples of 32"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        build_backbone(**arguments)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision(policy):
    image = np.random.default_rng(0).uniform(0, 255, (1, 64, 64, 3)).astype(np.float32)
    truth = build_classifier("efficientnet_lite0", weights="imagenet")(image)
    keras.config.set_dtype_policy(policy)
    try:
        model = build_classifier("efficientnet_lite0", weights="imagenet")
        levels = build_backbone("efficientnet_b0")(image)
    finally:
        keras.config.set_dtype_policy("float32")
    assert model.get_layer("stem_rescale").output.dtype == "float32"
    assert model.get_layer("stage1_block1_project_conv").output.dtype == policy.split("_")[1]
    assert all(weight.dtype == "float32" for weight in model.weights)
    logits = model(image)
    assert logits.dtype == "float32"
    tolerance = {"mixed_float16": 0.02, "mixed_bfloat16": 0.15}[policy]
    np.testing.assert_allclose(logits, truth, atol=tolerance * np.abs(truth).max())
    assert all(np.isfinite(np.float32(level)).all() for level in levels)


def test_frozen_backbone_does_not_move_in_training():
    model = build_backbone("efficientnet_lite0")
    model.trainable = False
    image = keras.Input((32, 32, 3))
    *_, deepest = model(image)
    whole = keras.Model(image, keras.layers.Conv2D(1, 1)(deepest))
    before = model.get_weights()
    whole.compile("sgd", "mse")
    pictures = np.random.default_rng(0).uniform(0, 255, (8, 32, 32, 3))
    whole.fit(pictures, np.zeros((8, 1, 1, 1)), verbose=0)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_inference_is_not_random():
    model = build_backbone("efficientnet_b0", stochastic_depth=0.9)
    image = np.random.default_rng(0).uniform(0, 255, (2, 64, 64, 3)).astype(np.float32)
    first, second = model(image, training=False), model(image, training=False)
    np.testing.assert_array_equal(first[-1], second[-1])
    assert (np.asarray(model(image, training=True)[-1]) != np.asarray(first[-1])).any()


def test_backbone_survives_safe_saving(tmp_path):
    model = build_backbone("efficientnetv2_b0")
    model.save(tmp_path / "a.keras")
    loaded = keras.saving.load_model(tmp_path / "a.keras", safe_mode=True)
    image = np.random.default_rng(0).uniform(0, 255, (1, 64, 96, 3)).astype(np.float32)
    for old, new in zip(model(image), loaded(image), strict=True):
        np.testing.assert_array_equal(old, new)


def test_compound_rule():
    b0 = compound_scaling(0)
    assert (b0.depth, b0.width, b0.resolution, b0.relative_cost) == (1, 1, 224, 1)
    assert b0.parameters == classifier_cost(BACKBONES["efficientnet_b0"]).parameters
    one = compound_scaling(1)
    assert (one.depth, one.width, one.resolution) == pytest.approx((1.2, 1.1, 258))
    assert one.relative_cost == pytest.approx(1.2 * 1.21 * 1.3225)
    # rounding 1.2 repeats up makes the real network dearer than the rule says
    assert 1.0 < one.multiply_adds / b0.multiply_adds / one.relative_cost < 1.4
    deep = compound_scaling(2, alpha=2.0, beta=1.0, gamma=1.0)
    assert (deep.depth, deep.width, deep.resolution, deep.relative_cost) == (4, 1, 224, 4)


def test_importing_costs_little_beyond_tensorflow():
    code = (
        "import tensorflow, time; start = time.perf_counter(); import nets, nets.backbones; "
        "print(time.perf_counter() - start)"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert float(answer.stdout) < 0.5


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_b7_builds_in_20_seconds_and_2_gigabytes():
    code = (
        "import re, time; from nets.backbones import build_backbone; "
        "start = time.perf_counter(); build_backbone('efficientnet_b7'); "
        "peak = re.search(r'VmHWM:\\s+(\\d+) kB', open('/proc/self/status').read())[1]; "
        "print(time.perf_counter() - start, int(peak) / 2**20)"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    seconds, gigabytes = map(float, answer.stdout.split())
    assert seconds < 20
    assert gigabytes < 2


def test_catalogue_and_docs_are_current():
    table = catalogue()
    assert set(DETECTORS) == set(BACKBONES)
    lines = table.splitlines()
    assert len({len(line) for line in lines}) == 1  # a terminal sees columns
    b0 = next(line for line in lines if "efficientnet_b0" in line)
    assert [cell.strip() for cell in b0.strip("|").split("|")][:4] == [
        "efficientnet_b0",
        "77.1",
        "3.6",
        "1.26",
    ]
    docs = (Path(__file__).parents[1] / "docs" / "backbones.md").read_text(encoding="utf-8")
    assert table in docs
    assert legend() in docs
