"""A moving average of the weights. Its weights are validated and saved."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import keras
import tensorflow as tf

MAX_SPAN = 2000  # steps that an average spans at most


class MovingAverage:
    """Moving average of the variables that training changes.

    At first it is exponential. After t steps it spans n = (10 + t) / 9 of them: its decay 1 − 1/n
    is (1 + t) / (10 + t). So the random start is soon forgotten (the rule of TensorFlow's
    ``ExponentialMovingAverage``). Later it is uniform: n grows by one a step. All steps from then
    on have equal weight, and the average so far has the weight of n steps (Polyak & Juditsky,
    1992; Izmailov et al., Averaging weights leads to wider optima, 2018). It never spans more than
    ``MAX_SPAN`` steps. Make it within the strategy's scope that the variables belong to.
    """

    def __init__(self, variables: Sequence[keras.Variable], longest: int = MAX_SPAN) -> None:
        """``longest`` is the widest span in steps; 1 follows the variables without averaging."""
        self.variables, self._longest = list(variables), float(longest)
        self._strategy = tf.distribute.get_strategy()
        self.averages = [tf.Variable(v.value, trainable=False) for v in self.variables]
        self.span = tf.Variable(1.0, trainable=False, name="span")

    def update(self, step: tf.Tensor, uniform: tf.Tensor) -> None:
        """Add the current values.

        Runs inside a ``tf.function``, across replicas: each device updates its own copy.

        Args:
            step: its number, from 1.
            uniform: bool, whether steps have equal weight from here on.
        """
        exponential = (10 + tf.cast(step, tf.float32)) / 9
        span = tf.where(uniform, self.span + 1, exponential)
        self.span.assign(tf.clip_by_value(span, 1.0, self._longest))
        share = 1 / self.span

        def blend(average: tf.Variable, value: tf.Tensor, share: tf.Tensor) -> None:
            average.assign_sub(share * (average - value))

        for average, variable in zip(self.averages, self.variables, strict=True):
            self._strategy.extended.update(
                average, blend, args=(variable.value, share), group=False
            )

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Inside, the model has the averaged weights; afterwards its own again."""
        own = [v.numpy() for v in self.variables]
        for variable, average in zip(self.variables, self.averages, strict=True):
            variable.assign(average.numpy())
        try:
            yield
        finally:
            for variable, value in zip(self.variables, own, strict=True):
                variable.assign(value)
