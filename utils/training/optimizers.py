"""What changes the weights: AdamW or SGD, one for the head and one for the backbone."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import tensorflow as tf

from nets.yolo import YOLOv3

MOMENTUM = 0.9


class Optimizers:
    """One optimiser for the head and one for the backbone, which learns more slowly.

    Two rather than one: the backbone is thawed later, and an Adam whose step count has run on
    without it would take its first steps three times too long.
    """

    def __init__(self, kind: str, *, rate: float, backbone_rate: float, decay: float) -> None:
        self.kind, self.decay = kind, decay
        self.rates = {"head": rate, "backbone": rate * backbone_rate}
        self.parts: dict[str, keras.optimizers.Optimizer] = {}

    def build(self, model: YOLOv3) -> None:
        """Create the slots for every variable that may ever learn; within the strategy's scope."""
        for name, variables in _parts(model).items():
            self.parts[name] = _optimizer(self.kind, self.rates[name], self.decay)
            self.parts[name].exclude_from_weight_decay(
                [v for v in variables if v.name not in ("kernel", "depthwise_kernel")]
            )
            self.parts[name].build(variables)

    def set_rate(self, factor: float) -> None:
        """``factor`` times each part's highest learning rate."""
        for name, optimizer in self.parts.items():
            optimizer.learning_rate = self.rates[name] * factor

    def apply(self, model: YOLOv3, gradients: Sequence[tf.Tensor]) -> None:
        """Update the trainable variables of ``model`` with gradients in that order.

        The gradients are those of the whole batch, summed over replicas already.
        """
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


class _GradientsAreSums:
    """The step sums gradients over replicas itself, before it clips them; Keras would again."""

    def _all_reduce_sum_gradients(self, grads_and_vars):
        return grads_and_vars


class _AdamW(_GradientsAreSums, keras.optimizers.AdamW):
    """Loshchilov & Hutter, Decoupled weight decay regularization (2019)."""


class _SGD(_GradientsAreSums, keras.optimizers.SGD):
    """With Nesterov's momentum."""


def _optimizer(kind: str, rate: float, decay: float) -> keras.optimizers.Optimizer:
    if kind == "adamw":
        return _AdamW(rate, weight_decay=decay)
    return _SGD(rate, momentum=MOMENTUM, nesterov=True, weight_decay=decay)
