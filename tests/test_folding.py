"""Frozen batch norms folded into convolutions: the same maps and gradients, fewer operations."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from nets.backbones import build_backbone
from nets.folding import FoldedConvolution, folded, folded_detector
from nets.yolo import YOLOv3
from utils.training.freezing import set_backbone_trainable

BACKBONES = ("efficientnet_lite0", "efficientnetv2_b0", "mobilenet_v3_small")


@pytest.fixture(params=BACKBONES)
def backbone(request):
    """With batch norms that change something, as trained ones do; in float64, so that the same
    arithmetic in another order is the same to many digits."""
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float64")
    try:
        model = build_backbone(request.param, stochastic_depth=0)
    finally:
        keras.config.set_dtype_policy(policy)
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            for variable, low, high in zip(
                layer.weights, (0.5, -0.3, -0.3, 0.5), (1.5, 0.3, 0.3, 1.5), strict=True
            ):
                variable.assign(rng.uniform(low, high, variable.shape))
    return model


def outputs_and_gradients(network, variables):
    images = tf.constant(np.random.default_rng(1).uniform(0, 255, (2, 64, 64, 3)))
    with tf.GradientTape() as tape:
        maps = network(images, training=True)
        total = tf.add_n([tf.reduce_mean(m**2) for m in maps])
    return maps, tape.gradient(total, variables)


def test_maps_and_gradients_are_the_same(backbone):
    set_backbone_trainable(backbone, frozen_stages=2, freeze_batch_norms=True)
    variables = backbone.trainable_variables
    expected = outputs_and_gradients(backbone, variables)
    network = folded(backbone)
    assert any(isinstance(layer, FoldedConvolution) for layer in network.layers)
    got = outputs_and_gradients(network, variables)
    for ours, theirs in zip(tf.nest.flatten(got), tf.nest.flatten(expected), strict=True):
        scale = float(tf.reduce_max(tf.abs(theirs)))
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9 * scale)


def test_folding_for_training_leaves_folding_for_inference_as_it_was():
    model = build_backbone("efficientnet_lite0", stochastic_depth=0)
    set_backbone_trainable(model, frozen_stages=2, freeze_batch_norms=False)

    def count(network):
        return sum(isinstance(layer, FoldedConvolution) for layer in network.layers)

    few, all_of_them = count(folded(model)), count(folded(model, inference=True))
    assert (few, all_of_them) == (count(folded(model)), count(folded(model, inference=True)))
    assert 0 < few < all_of_them


def test_new_weights_are_seen_by_what_was_folded_before(backbone):
    set_backbone_trainable(backbone, frozen_stages=2, freeze_batch_norms=True)
    network = folded(backbone)
    for variable in backbone.variables:
        if variable.name in ("kernel", "moving_variance", "beta"):
            variable.assign(variable * 0.9)
    images = tf.constant(np.random.default_rng(1).uniform(0, 255, (1, 64, 64, 3)))
    for ours, theirs in zip(network(images), backbone(images), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9)


def test_norms_that_learn_are_left_alone():
    model = build_backbone("efficientnet_lite0", stochastic_depth=0)
    set_backbone_trainable(model, frozen_stages=0, freeze_batch_norms=False)
    assert folded(model) is model
    set_backbone_trainable(model, frozen_stages=2, freeze_batch_norms=False)
    kept = [x for x in folded(model).layers if isinstance(x, keras.layers.BatchNormalization)]
    assert {layer.name for layer in kept} == {
        layer.name for layer in model.layers
        if isinstance(layer, keras.layers.BatchNormalization) and layer.trainable
    }  # fmt: skip


def trained_detector():
    """With batch norms that change something, and 64×96 images for it."""
    model = YOLOv3("mobilenet_v3_small", ["a", "b"], input_size=64)
    rng = np.random.default_rng(0)
    for variable in model.variables:
        if variable.name in ("moving_variance", "moving_mean", "beta"):
            low = 0.5 if variable.name == "moving_variance" else -0.2
            variable.assign(rng.uniform(low, low + 1, variable.shape))
    return model, rng.uniform(0, 255, (2, 64, 96, 3)).astype(np.float32)


@pytest.mark.parametrize("constant", [False, True])
def test_a_detector_says_the_same_folded(constant):
    model, images = trained_detector()
    expected = model(images, training=False)
    got = folded_detector(model, constant=constant)(images)
    np.testing.assert_allclose(got["boxes"], expected["boxes"], rtol=1e-3, atol=1e-2)
    np.testing.assert_allclose(got["scores"], expected["scores"], rtol=1e-3, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("constant", [False, True])
def test_later_weights_reach_a_compiled_detector_unless_they_are_constant(constant):
    model, images = trained_detector()
    detect = tf.function(folded_detector(model, constant=constant))
    before = detect(images)["scores"].numpy()
    stem = next(x for x in model.backbone.layers if isinstance(x, keras.layers.Conv2D))
    stem.kernel.assign(-stem.kernel)
    assert np.array_equal(detect(images)["scores"], before) == constant
