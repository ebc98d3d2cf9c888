"""The layers against plain NumPy, and what training must and must not change."""

import keras
import numpy as np
import pytest

from nets.layers import (
    Block,
    activate,
    conv_norm_act,
    fused_mbconv,
    mbconv,
    squeeze_excite,
    stochastic_depth,
)
from tests.reference import plain_conv, sigmoid

RNG = np.random.default_rng(0)


def block(**changes) -> Block:
    values = {
        "name": "stage1_block1",
        "kind": "mbconv",
        "inputs": 8,
        "expanded": 16,
        "filters": 8,
        "kernel": 3,
        "stride": 1,
        "squeezed": 4,
        "drop_rate": 0.0,
        "activation": "swish",
        "se_activation": "swish",
        "se_gate": "sigmoid",
        "momentum": 0.9,
    }
    return Block(**(values | changes))


def model_of(function, channels: int = 8) -> keras.Model:
    image = keras.Input((None, None, channels))
    return keras.Model(image, function(image))


@pytest.mark.parametrize("size", [(6, 8), (7, 5)])
@pytest.mark.parametrize(("kernel", "stride"), [(3, 2), (5, 2), (3, 1), (1, 1)])
def test_conv_norm_act_is_the_formula(size, kernel, stride):
    model = model_of(
        lambda x: conv_norm_act(x, 4, kernel, stride=stride, activation="swish", name="a"), 3
    )
    weights = RNG.normal(size=(kernel, kernel, 3, 4))
    gamma, beta, mean = RNG.normal(size=(3, 4))
    variance = RNG.uniform(0.001, 0.01, 4)  # small, so that the epsilon counts
    model.get_layer("a_conv").set_weights([weights])
    model.get_layer("a_bn").set_weights([gamma, beta, mean, variance])
    x = RNG.normal(size=(*size, 3))

    y = (plain_conv(x, weights, stride) - mean) / np.sqrt(variance + 1e-3) * gamma + beta

    np.testing.assert_allclose(model(x[None])[0], y * sigmoid(y), rtol=1e-3, atol=1e-3)


def test_squeeze_excite_is_the_formula():
    model = model_of(
        lambda x: squeeze_excite(x, 4, activation="relu", gate="hard_sigmoid", name="a_se")
    )
    reduce, reduce_bias = RNG.normal(size=(8, 4)), RNG.normal(size=4)
    expand, expand_bias = RNG.normal(size=(4, 8)) * 3, RNG.normal(size=8)
    model.get_layer("a_se_reduce").set_weights([reduce[None, None], reduce_bias])
    model.get_layer("a_se_expand").set_weights([expand[None, None], expand_bias])
    x = RNG.normal(size=(2, 5, 6, 8))

    hidden = np.maximum(x.mean((1, 2)) @ reduce + reduce_bias, 0)
    gate = np.clip(hidden @ expand + expand_bias + 3, 0, 6) / 6

    np.testing.assert_allclose(model(x), x * gate[:, None, None], rtol=1e-4, atol=1e-5)


def test_leaky_relu_has_the_slope_of_yolo():
    model = model_of(lambda x: activate(x, "leaky_relu", "a"))
    np.testing.assert_allclose(model(np.full((1, 1, 1, 8), -2.0)), -0.2, rtol=1e-6)


def test_squeeze_excite_survives_float16():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = model_of(
            lambda x: squeeze_excite(x, 4, activation="swish", gate="sigmoid", name="a_se")
        )
    finally:
        keras.config.set_dtype_policy("float32")
    y = np.asarray(model(np.full((1, 208, 208, 8), 5.0)))  # the sum, 216,320, is no float16
    assert y.dtype == np.float16
    assert np.isfinite(y).all()


@pytest.mark.parametrize(
    ("change", "skips"), [({}, True), ({"stride": 2}, False), ({"filters": 16}, False)]
)
@pytest.mark.parametrize("function", [mbconv, fused_mbconv])
def test_blocks_add_their_input_where_it_fits(function, change, skips):
    row = block(**change)
    model = model_of(lambda x: function(x, row))
    for name in ("stage1_block1_project_bn",):  # a branch of zeros leaves the skip alone
        layer = model.get_layer(name)
        layer.set_weights([np.zeros_like(weight) for weight in layer.get_weights()])
    x = RNG.normal(size=(1, 6, 6, 8)).astype(np.float32)
    y = np.asarray(model(x))
    assert y.shape == (1, 6 // row.stride, 6 // row.stride, row.filters)
    np.testing.assert_array_equal(y, x if skips else np.zeros_like(y))


def test_layers_of_a_block():
    def names(function, row):
        return {layer.name.removeprefix("stage1_block1_") for layer in weighted(function, row)}

    def weighted(function, row):
        return [layer for layer in model_of(lambda x: function(x, row)).layers if layer.weights]

    se = {"se_reduce", "se_expand"}
    depthwise = {"depthwise_conv", "depthwise_bn"}
    expand, project = {"expand_conv", "expand_bn"}, {"project_conv", "project_bn"}
    assert names(mbconv, block()) == expand | depthwise | se | project
    assert names(mbconv, block(expanded=8, squeezed=0)) == depthwise | project
    assert names(fused_mbconv, block()) == expand | se | project
    assert names(fused_mbconv, block(expanded=8, squeezed=0)) == project


def test_fused_block_without_expansion_is_one_activated_convolution():
    model = model_of(lambda x: fused_mbconv(x, block(expanded=8, squeezed=0, stride=2)))
    kernel = RNG.normal(size=(3, 3, 8, 8))
    model.get_layer("stage1_block1_project_conv").set_weights([kernel])
    x = RNG.normal(size=(6, 6, 8))
    y = plain_conv(x, kernel, 2) / np.sqrt(1 + 1e-3)
    np.testing.assert_allclose(model(x[None])[0], y * sigmoid(y), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_stochastic_depth_drops_whole_branches(rate):
    model = model_of(lambda x: stochastic_depth(x, rate, name="a_drop"))
    x = RNG.uniform(1, 2, (4000, 2, 2, 8)).astype(np.float32)
    ratio = np.asarray(model(x, training=True)) / x

    assert np.ptp(ratio, axis=(1, 2, 3)).max() < 1e-6  # each sample whole or gone
    dropped = ratio[:, 0, 0, 0] == 0
    np.testing.assert_allclose(ratio[~dropped], 1 / (1 - rate), rtol=1e-5)
    deviation = np.sqrt(rate * (1 - rate) / len(x))
    assert abs(dropped.mean() - rate) < 4 * deviation
    np.testing.assert_array_equal(model(x, training=False), x)


def test_dropped_block_keeps_its_input():
    model = model_of(lambda x: mbconv(x, block(drop_rate=0.5)))
    x = RNG.normal(size=(64, 4, 4, 8)).astype(np.float32)
    same = np.all(np.asarray(model(x, training=True)) == x, axis=(1, 2, 3))
    assert 0 < same.sum() < 64


@pytest.mark.parametrize("trainable", [True, False])
def test_batch_norm_moves_only_when_trainable(trainable):
    model = model_of(lambda x: mbconv(x, block()))
    layer = model.get_layer("stage1_block1_depthwise_bn")
    layer.trainable = trainable
    before = layer.get_weights()
    model.compile("sgd", "mse")
    x = RNG.normal(3, 2, (8, 4, 4, 8)).astype(np.float32)
    model.fit(x, x, epochs=1, verbose=0)
    moved = [bool((a != b).any()) for a, b in zip(before, layer.get_weights(), strict=True)]
    assert moved == [trainable] * 4
