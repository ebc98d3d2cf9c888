"""The compiled training step: forward, assignment, loss, gradients, update, moving average."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import keras
import tensorflow as tf

from nets.loss import LossConfig, Losses, detection_loss
from nets.targets import assign
from nets.yolo import STRIDES, YOLOv3, decode
from utils.training.ema import MovingAverage

CLIP_NORM = 10.0  # of all gradients together; ordinary steps stay below it
MOMENTUM = 0.9


class Optimizers:
    """One optimiser for the head and one for the backbone, which learns more slowly.

    Two rather than one: the backbone is thawed later, and an Adam whose step count has run on
    without it would take its first steps three times too long.
    """

    def __init__(self, kind: str, *, rate: float, backbone_rate: float, decay: float) -> None:
        self.rates = {"head": rate, "backbone": rate * backbone_rate}
        self.parts = {name: _optimizer(kind, rate, decay) for name in self.rates}

    def build(self, model: YOLOv3) -> None:
        """Create the slots for every variable that may ever learn."""
        for name, variables in _parts(model).items():
            self.parts[name].exclude_from_weight_decay(
                [v for v in variables if v.name not in ("kernel", "depthwise_kernel")]
            )
            self.parts[name].build(variables)

    def set_rate(self, factor: float) -> None:
        """``factor`` times each part's highest learning rate."""
        for name, optimizer in self.parts.items():
            optimizer.learning_rate = self.rates[name] * factor

    def apply(self, model: YOLOv3, gradients: Sequence[tf.Tensor]) -> None:
        """Update the trainable variables of ``model`` with gradients in that order."""
        by_id = dict(zip(map(id, model.trainable_variables), gradients, strict=True))
        for name, variables in _parts(model).items():
            if variables:
                self.parts[name].apply([by_id[id(v)] for v in variables], variables)

    @property
    def variables(self) -> list[keras.Variable]:
        return [v for optimizer in self.parts.values() for v in optimizer.variables]


def _parts(model: YOLOv3) -> dict[str, list[keras.Variable]]:
    return {
        "head": model.head.trainable_variables,
        "backbone": model.backbone.trainable_variables,
    }


def _optimizer(kind: str, rate: float, decay: float) -> keras.optimizers.Optimizer:
    if kind == "adamw":
        return keras.optimizers.AdamW(rate, weight_decay=decay)
    return keras.optimizers.SGD(rate, momentum=MOMENTUM, nesterov=True, weight_decay=decay)


def build_train_step(
    model: YOLOv3, optimizers: Optimizers, average: MovingAverage, loss: LossConfig
) -> Callable[[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor], Losses]:
    """Compile a step for the variables that are trainable now; build anew after a thaw.

    Returns:
        (images uint8 (B, S, S, 3), boxes (B, M, 4), class ids (B, M), step number from 1) →
        the losses of the batch, with the model, optimisers and average updated. A step whose
        loss or gradients are not finite changes nothing; its losses say so.
    """

    statistics = [v for v in model.non_trainable_variables if v.name.startswith("moving_")]

    @tf.function(
        jit_compile=False,  # XLA loses on CPUs and recompiles for every count of boxes
        input_signature=[
            tf.TensorSpec([None, None, None, 3], tf.uint8),
            tf.TensorSpec([None, None, 4], tf.float32),
            tf.TensorSpec([None, None], tf.int32),
            tf.TensorSpec([], tf.int64),
        ],
    )
    def step(images, boxes, class_ids, number):
        before = [tf.identity(v.value) for v in statistics]
        size = tf.shape(images)
        grids = [(size[1] // stride, size[2] // stride) for stride in STRIDES]
        owner = assign(boxes, class_ids, grids, model.anchors)
        with tf.GradientTape() as tape:
            raw = model.raw(tf.cast(images, tf.float32), training=True)
            losses = detection_loss(decode(raw, model.anchors), boxes, class_ids, owner, loss)
        gradients = tape.gradient(losses.total, model.trainable_variables)
        gradients, norm = tf.clip_by_global_norm(gradients, CLIP_NORM)
        if tf.math.is_finite(norm):
            optimizers.apply(model, gradients)
            average.update(number)
            return losses
        # The forward pass has already mixed this batch into the running statistics.
        for variable, value in zip(statistics, before, strict=True):
            variable.assign(value)
        return Losses(*(tf.fill([], float("nan")) for _ in losses))

    return step
