"""A moving average of the weights, which is what gets validated and saved."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import keras
import tensorflow as tf

LONGEST = 0.9995  # an average over about the last 2,000 steps at most


class MovingAverage:
    """Exponential moving average of the variables that training changes.

    The decay after t steps is min((1 + t) / (10 + t), ``LONGEST``), so a short run averages
    over about its last tenth and the random start is soon forgotten (the rule of TensorFlow's
    ``ExponentialMovingAverage``; averaging as Polyak & Juditsky, 1992). Make it within the scope
    of the strategy that the variables belong to.
    """

    def __init__(self, variables: Sequence[keras.Variable], longest: float = LONGEST) -> None:
        """``longest`` is the highest decay; 0 follows the variables without averaging."""
        self.variables, self._longest = list(variables), longest
        self._strategy = tf.distribute.get_strategy()
        self.averages = [tf.Variable(v.value, trainable=False) for v in self.variables]

    def update(self, step: tf.Tensor) -> None:
        """Take in the current values; ``step`` counts from 1.

        Runs inside a ``tf.function``, across replicas: each device updates its own copy.
        """
        t = tf.cast(step, tf.float32)
        decay = tf.minimum((1 + t) / (10 + t), self._longest)

        def blend(average: tf.Variable, value: tf.Tensor, decay: tf.Tensor) -> None:
            average.assign_sub((1 - decay) * (average - value))

        for average, variable in zip(self.averages, self.variables, strict=True):
            self._strategy.extended.update(
                average, blend, args=(variable.value, decay), group=False
            )

    @contextmanager
    def applied(self) -> Iterator[None]:
        """The model holds the averages inside, and its own weights again afterwards."""
        own = [v.numpy() for v in self.variables]
        for variable, average in zip(self.variables, self.averages, strict=True):
            variable.assign(average.numpy())
        try:
            yield
        finally:
            for variable, value in zip(self.variables, own, strict=True):
                variable.assign(value)
