"""``--precision``: Keras' dtype policy, and the loss scale that float16 needs."""

from __future__ import annotations

import keras
import tensorflow as tf

FIRST_SCALE = 2.0**15
LARGEST_SCALE = 2.0**24
GROW_EVERY = 1000  # good steps after which a larger scale is tried


class LossScale:
    """Dynamic loss scaling (Micikevicius et al., Mixed precision training, 2018, section 3.2).

    float16 loses gradients below 6e-8. The loss is multiplied by ``value`` before the gradients
    are computed and they are divided by it; on overflow the step is skipped and the scale halved.
    With other precisions it stays 1. Runs inside a ``tf.function``, across replicas.
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
        if self.good_steps % GROW_EVERY == 0:
            self.value.assign(tf.minimum(self.value * 2, LARGEST_SCALE))

    def note_bad(self) -> tf.Tensor:
        """A step was not finite; whether the scale was to blame, and has been lowered."""
        if not self.active:
            return tf.constant(False)
        lower = self.value > 1
        self.good_steps.assign(0)
        self.value.assign(tf.maximum(self.value / 2, 1.0))
        return lower

    @property
    def variables(self) -> list[tf.Variable]:
        return [self.value, self.good_steps] if self.active else []


def set_precision(precision: str) -> None:
    """Layers built from here on compute in this precision; their weights stay float32."""
    keras.config.set_dtype_policy(precision)
