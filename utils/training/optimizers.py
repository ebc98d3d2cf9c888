"""What changes the weights: AdamW or SGD for head and backbone, and the loss scale of float16."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import tensorflow as tf

from nets.yolo import YOLOv3

MOMENTUM = 0.9
FIRST_SCALE, MAX_SCALE = 2.0**15, 2.0**24  # of the loss
GROW_EVERY = 1000  # good steps after which a larger scale is tried


class Optimizers:
    """One optimiser for pyramid and heads, and one for the backbone, which learns more slowly.

    They are two because the backbone is unfrozen later. Adam corrects its first steps by its step
    count; with the heads' count the backbone's first steps would be three times too large.

    Args:
        kind: ``adamw`` or ``sgd``.
        rate: highest learning rate of pyramid and heads.
        backbone_rate_factor: the backbone's highest learning rate, as a factor on ``rate``.
        decay: decoupled weight decay of convolution kernels.

    Attributes:
        rates: the highest learning rates, by "heads" (pyramid and heads) and "backbone".
    """

    def __init__(
        self, kind: str, *, rate: float, backbone_rate_factor: float, decay: float
    ) -> None:
        self.kind, self.decay = kind, decay
        self.rates = {"heads": rate, "backbone": rate * backbone_rate_factor}
        self.parts: dict[str, keras.optimizers.Optimizer] = {}

    def build(self, model: YOLOv3) -> None:
        """Create the slots of every trainable variable; within the strategy's scope."""
        for name, variables in _parts(model).items():
            self.parts[name] = _optimizer(self.kind, self.rates[name], self.decay)
            self.parts[name].exclude_from_weight_decay(
                [v for v in variables if v.name not in ("kernel", "depthwise_kernel")]
            )
            self.parts[name].build(variables)

    def set_rate_factor(self, factor: float) -> None:
        """Set each learning rate to ``factor`` times its highest value."""
        for name, optimizer in self.parts.items():
            optimizer.learning_rate = self.rates[name] * factor

    def apply(self, model: YOLOv3, gradients: Sequence[tf.Tensor]) -> None:
        """Update the trainable variables of ``model`` with gradients in the same order.

        The gradients are those of the whole batch, already summed over replicas.
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
        "heads": model.head.trainable_variables,
        "backbone": model.backbone.trainable_variables,
    }


class _GradientsAreSums:
    """Keeps Keras from summing gradients over replicas: the step has done so, before clipping."""

    def _all_reduce_sum_gradients(self, grads_and_vars):
        return grads_and_vars


class _AdamW(_GradientsAreSums, keras.optimizers.AdamW):
    """Loshchilov & Hutter, Decoupled weight decay regularization (2019)."""

    def _distributed_tf_update_step(self, distribution, grads_and_vars, learning_rate):
        """Keras' formula; where there is one replica, in one pass over the memory instead of a
        dozen, and with the powers computed once for all variables. With batches of 4 at 256 pixels
        the one pass saves a twentieth of a step on a CPU."""
        if distribution.num_replicas_in_sync > 1:
            super()._distributed_tf_update_step(distribution, grads_and_vars, learning_rate)
            return
        step = keras.ops.cast(self.iterations + 1, "float32")  # as weights in all precisions
        powers = tf.pow(self.beta_1, step), tf.pow(self.beta_2, step)
        rate = tf.convert_to_tensor(learning_rate)
        for gradient, variable in grads_and_vars:
            index = self._get_variable_index(variable)
            tf.raw_ops.ResourceApplyAdam(
                var=variable.handle,
                m=self._momentums[index].value.handle,
                v=self._velocities[index].value.handle,
                beta1_power=powers[0],
                beta2_power=powers[1],
                lr=rate,
                beta1=self.beta_1,
                beta2=self.beta_2,
                epsilon=self.epsilon,
                grad=gradient,
            )


class _SGD(_GradientsAreSums, keras.optimizers.SGD):
    """With Nesterov's momentum."""


def _optimizer(kind: str, rate: float, decay: float) -> keras.optimizers.Optimizer:
    if kind == "adamw":
        return _AdamW(rate, weight_decay=decay)
    return _SGD(rate, momentum=MOMENTUM, nesterov=True, weight_decay=decay)


class LossScale:
    """Dynamic loss scaling (Micikevicius et al., Mixed precision training, 2018, section 3.2).

    float16 loses gradients below 6e-8. The loss is multiplied by ``value`` before the gradients
    are computed and they are divided by it; on overflow the step is skipped and the scale halved.
    With other precisions the scale stays 1. Runs inside a ``tf.function``, across replicas.
    """

    def __init__(self, precision: str) -> None:
        self.active = precision == "mixed_float16"
        start = FIRST_SCALE if self.active else 1.0
        self.value = tf.Variable(start, trainable=False, name="loss_scale")
        self.good_steps = tf.Variable(0, trainable=False, name="good_steps", dtype=tf.int64)

    def note_good(self) -> None:
        """A step was finite."""
        if not self.active:
            return
        self.good_steps.assign_add(1)
        larger = tf.minimum(self.value * 2, MAX_SCALE)
        self.value.assign(tf.where(self.good_steps % GROW_EVERY == 0, larger, self.value))

    def note_bad(self) -> tf.Tensor:
        """A step was not finite. Whether it was because of the scale, which is now lower."""
        if not self.active:
            return tf.constant(False)
        lower = self.value > 1
        self.good_steps.assign(0)
        self.value.assign(tf.maximum(self.value / 2, 1.0))
        return lower

    @property
    def variables(self) -> list[tf.Variable]:
        return [self.value, self.good_steps] if self.active else []
