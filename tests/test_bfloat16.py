"""Dense convolutions in bfloat16: the maps and gradients of float32 within its rounding."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from nets.bfloat16 import Bfloat16Convolution, with_bfloat16_convolutions
from nets.folding import folded

PRECISION = 2.0**-8  # of a bfloat16 number, rounded to nearest
RNG = np.random.default_rng(0)


def conv(x, filters, kernel, name, **options):
    """A convolution with a batch norm that changes something."""
    x = keras.layers.Conv2D(filters, kernel, padding="same", use_bias=False, name=name, **options)(
        x
    )
    norm = keras.layers.BatchNormalization(name=f"{name}_bn")
    y = norm(x)
    for variable, low in zip(norm.weights, (0.5, -0.3, -0.3, 0.5), strict=True):
        variable.assign(RNG.uniform(low, low + 1, variable.shape))
    return y


@pytest.fixture(scope="module")
def network():
    """Every kind of convolution that a detector has."""
    keras.utils.set_random_seed(0)
    x = image = keras.Input((None, None, 3))
    x = conv(x, 32, 3, "stem", strides=2)
    x = conv(x, 48, 1, "expand")
    x = keras.layers.DepthwiseConv2D(3, padding="same", use_bias=False, name="depthwise")(x)
    x = conv(x, 32, 1, "project")
    x = conv(x, 40, 3, "wide", strides=2)
    x = conv(x, 24, 1, "thin")
    outputs = keras.layers.Conv2D(18, 1, name="out")(x)
    return keras.Model(image, outputs)


def outputs_and_gradients(network, variables):
    images = tf.constant(np.random.default_rng(1).uniform(-1, 1, (2, 32, 48, 3)), tf.float32)
    with tf.GradientTape() as tape:
        maps = network(images, training=False)
        total = tf.reduce_mean(maps**2)
    return [maps, *tape.gradient(total, variables)]


@pytest.mark.parametrize("fold", [False, True])
def test_maps_and_gradients_are_those_of_float32(network, fold):
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = not fold
    variables = network.trainable_variables
    plain = folded(network)
    expected = outputs_and_gradients(plain, variables)
    got = outputs_and_gradients(with_bfloat16_convolutions(plain), variables)
    assert all(value.dtype == tf.float32 for value in got)
    for ours, theirs in zip(got, expected, strict=True):
        # errors of a dozen roundings, most of which cancel
        error = np.linalg.norm(ours - theirs) / np.linalg.norm(theirs)
        assert error < 4 * PRECISION
    assert not np.array_equal(got[0], expected[0])


def test_one_convolution_is_that_of_rounded_numbers():
    """Sums of products are exact to float32; inputs and results are rounded."""
    image = keras.Input((None, None, 32))
    layer = keras.layers.Conv2D(40, 1, use_bias=False)
    model = with_bfloat16_convolutions(keras.Model(image, layer(image)))
    x = RNG.normal(size=(1, 5, 7, 32)).astype(np.float32)

    def rounded(value):
        return tf.cast(tf.cast(value, tf.bfloat16), tf.float64).numpy()

    expected = rounded(x) @ rounded(layer.kernel)[0, 0]
    np.testing.assert_allclose(model(x), expected, rtol=PRECISION, atol=1e-5)


def test_only_dense_convolutions_are_in_bfloat16(network):
    converted = with_bfloat16_convolutions(network)
    found = [
        layer.layer.name for layer in converted.layers if isinstance(layer, Bfloat16Convolution)
    ]
    assert found == ["expand", "project", "wide"]
    assert {id(v) for v in converted.variables} == {id(v) for v in network.variables}
