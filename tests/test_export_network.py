"""The network for export answers as the model does, whatever backbone and policy."""

import keras
import numpy as np
import pytest

from nets.backbones import BACKBONES
from nets.export_network import HEADS, export_network
from nets.necks import NECKS
from nets.yolo import YOLOv3

SOME = ("efficientnet_lite0", "efficientnetv2_b0", "mobilenet_v3_small")
EVERY = [
    name if name in SOME else pytest.param(name, marks=pytest.mark.all_backbones)
    for name in BACKBONES
]


def trained(backbone, policy="float32", neck="yolov3", **options):
    """A detector whose batch norms change something, as trained ones do."""
    model = YOLOv3(
        backbone, ["a", "b"], input_size=64, dtype=keras.DTypePolicy(policy),
        backbone_options=options, neck=neck,
    )  # fmt: skip
    rng = np.random.default_rng(0)
    for variable in model.variables:
        if variable.name in ("moving_variance", "gamma"):
            variable.assign(rng.uniform(0.8, 1.2, variable.shape))
        elif variable.name in ("moving_mean", "beta"):
            variable.assign(rng.uniform(-0.1, 0.1, variable.shape))
    return model


def pictures(*shape):
    return np.random.default_rng(1).integers(0, 256, (*shape, 3), np.uint8)


@pytest.mark.slow
@pytest.mark.parametrize("backbone", EVERY)
def test_same_boxes_and_scores(backbone):
    model = trained(backbone)
    network = export_network(model)
    kinds = {type(layer) for part in network.layers for layer in getattr(part, "layers", ())}
    assert keras.layers.BatchNormalization not in kinds
    for images in (pictures(2, 64, 96), pictures(1, 32, 64)):
        expected, got = model(images, training=False), network(images)
        assert set(got) == {"boxes", "scores"}
        np.testing.assert_allclose(got["boxes"], expected["boxes"], atol=2e-3)
        np.testing.assert_allclose(got["scores"], expected["scores"], atol=1e-5)


@pytest.mark.parametrize("neck", NECKS)
def test_raw_heads(neck):
    model = trained("mobilenet_v3_small", neck=neck)
    images = pictures(2, 64, 32)
    got = export_network(model, heads=True)(images)
    assert tuple(got) == HEADS
    for ours, theirs in zip(got.values(), model.raw(images), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-4)


def test_from_mixed_precision_float32_comes_out():
    mixed = trained("mobilenet_v3_small", "mixed_float16", stochastic_depth=0.2)
    full = YOLOv3.from_config(mixed.get_config() | {"dtype": "float32"})
    full.set_weights(mixed.get_weights())
    network = export_network(mixed)
    images = pictures(1, 64, 64)
    expected, got = full(images, training=False), network(images)
    for name in expected:
        assert got[name].dtype == "float32"
        np.testing.assert_allclose(got[name], expected[name], atol=1e-3)


@pytest.mark.slow
def test_no_tensor_has_more_than_four_dimensions():
    import tensorflow as tf

    network = export_network(trained("mobilenet_v3_small"), input_shape=(1, 64, 64))
    function = tf.function(network).get_concrete_function(tf.TensorSpec((1, 64, 64, 3), tf.uint8))
    for operation in function.graph.get_operations():
        for tensor in operation.outputs:
            assert tensor.shape.rank is None or tensor.shape.rank <= 4, operation
