"""A moving average of the weights, which is what gets validated and saved."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import keras
import tensorflow as tf

LONGEST = 2000  # steps that an average spans at most


class MovingAverage:
    """Moving average of the variables that training changes.

    While a run is young it is exponential: after t steps it spans n = (10 + t) / 9 of them, a decay
    1 − 1/n of (1 + t) / (10 + t), so that the random start is soon forgotten (the rule of
    TensorFlow's ``ExponentialMovingAverage``). Once the run has settled n grows by one a step: all
    steps from then on count alike, with what there was before as n of them (averaging as Polyak &
    Juditsky, 1992; Izmailov et al., Averaging weights leads to wider optima, 2018). It never spans
    more than ``LONGEST`` steps. Make it within the scope of the strategy that the variables belong
    to.
    """

    def __init__(self, variables: Sequence[keras.Variable], longest: int = LONGEST) -> None:
        """``longest`` is the widest span in steps; 1 follows the variables without averaging."""
        self.variables, self._longest = list(variables), float(longest)
        self._strategy = tf.distribute.get_strategy()
        self.averages = [tf.Variable(v.value, trainable=False) for v in self.variables]
        self.span = tf.Variable(1.0, trainable=False, name="span")

    def update(self, step: tf.Tensor, settled: tf.Tensor) -> None:
        """Take in the current values.

        Runs inside a ``tf.function``, across replicas: each device updates its own copy.

        Args:
            step: its number, from 1.
            settled: bool, whether all steps count alike from here on.
        """
        young = (10 + tf.cast(step, tf.float32)) / 9
        span = tf.where(settled, self.span + 1, young)
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
        """The model holds the averages inside, and its own weights again afterwards."""
        own = [v.numpy() for v in self.variables]
        for variable, average in zip(self.variables, self.averages, strict=True):
            variable.assign(average.numpy())
        try:
            yield
        finally:
            for variable, value in zip(self.variables, own, strict=True):
                variable.assign(value)
