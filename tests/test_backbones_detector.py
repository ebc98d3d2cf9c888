"""What every backbone must do inside a detector: two sizes, a training step, a safe round trip.

One member of each family runs by default; ``pytest --all-backbones`` takes all.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf

from nets.backbones import BACKBONES
from nets.loss import LossConfig, detection_loss
from nets.targets import assign
from nets.yolo import YOLOv3, decode

pytestmark = pytest.mark.slow  # each trains a detector

SIZES = [(64, 96), (96, 64)]
FAMILIES = ("efficientnet_lite0", "efficientnet_b0", "efficientnetv2_b0", "mobilenet_v3_small")


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name in FAMILIES else pytest.mark.all_backbones)
        for name in BACKBONES
    ],
)
def test_detector(name, tmp_path):
    keras.utils.set_random_seed(0)
    model = YOLOv3(backbone=name, classes=["a", "b"], input_size=96)
    rng = np.random.default_rng(0)
    images = [rng.uniform(0, 255, (2, *size, 3)).astype(np.float32) for size in SIZES]

    check_gradients(model, images[0])

    model.save(tmp_path / "a.keras")
    loaded = keras.saving.load_model(tmp_path / "a.keras", safe_mode=True)
    for image, size in zip(images, SIZES, strict=True):
        rows = 3 * sum(size[0] * size[1] // stride**2 for stride in (8, 16, 32))
        before, after = model(image), loaded(image)
        assert before["boxes"].shape == (2, rows, 4)
        assert before["scores"].shape == (2, rows, 2)
        for key in ("boxes", "scores"):
            assert np.isfinite(before[key]).all()
            np.testing.assert_array_equal(before[key], after[key])


def check_gradients(model: YOLOv3, images: np.ndarray) -> None:
    """One step of gradient descent: all gradients finite, and the statistics move."""
    height, width = images.shape[1:3]
    boxes = tf.constant([[[8, 8, 40, 40], [50, 20, 90, 60]]] * 2, tf.float32)
    class_ids = tf.constant([[0, 1]] * 2)
    grids = [(height // stride, width // stride) for stride in (8, 16, 32)]
    matched_gt = assign(boxes, class_ids, grids, model.anchors)
    before = [weight.numpy() for weight in model.non_trainable_weights]
    with tf.GradientTape() as tape:
        predictions = decode(model.raw(images, training=True), model.anchors)
        losses = detection_loss(predictions, boxes, class_ids, matched_gt, LossConfig())
    variables = model.trainable_variables
    gradients = tape.gradient(losses.total, [variable.value for variable in variables])
    for variable, gradient in zip(variables, gradients, strict=True):
        assert gradient is not None, f"{variable.path} has no gradient"
        assert np.isfinite(gradient).all(), f"{variable.path} has a gradient that is not finite"
    keras.optimizers.SGD(1e-3).apply(gradients, variables)
    for old, weight in zip(before, model.non_trainable_weights, strict=True):
        assert (old != weight.numpy()).any(), f"{weight.path} did not move"
