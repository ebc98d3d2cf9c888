"""Random numbers of a training step that depend on nothing but seed, step, layer and sample.

A layer that draws from its own running generator gives other masks when a batch is divided among
devices, and after a resume. Inside ``sample_randomness`` the layers of this project draw for each
sample of the global batch instead, and take the rows that are theirs.
"""

from __future__ import annotations

import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import keras
import tensorflow as tf

_scopes = threading.local()  # several replicas are traced in threads of their own


@dataclass(frozen=True)
class SampleRandomness:
    """Where in the run the present samples are.

    Attributes:
        seed: of the run.
        step: scalar int64 tensor, the number of the training step.
        batch: images in the global batch.
        first: position of the first present sample in the global batch, a tensor or an int.
        strength: factor on drop rates, a tensor or a float; grows in progressive training.
    """

    seed: int
    step: tf.Tensor
    batch: int
    first: tf.Tensor | int = 0
    strength: tf.Tensor | float = 1.0

    def uniform(self, layer: str, samples: tf.Tensor | int) -> tf.Tensor:
        """float32 (samples,) in [0, 1), the same for a sample whoever asks."""
        # Philox is counter-based: the same numbers on every device (Salmon et al., 2011).
        key = tf.stack([tf.constant(self.seed ^ zlib.crc32(layer.encode()), tf.int64), self.step])
        drawn = tf.random.stateless_uniform([self.batch], key, alg="philox")
        return tf.slice(drawn, [tf.cast(self.first, tf.int32)], [samples])


@contextmanager
def sample_randomness(randomness: SampleRandomness) -> Iterator[None]:
    """Layers called inside, in this thread, draw from ``randomness``."""
    before = getattr(_scopes, "current", None)
    _scopes.current = randomness
    try:
        yield
    finally:
        _scopes.current = before


@keras.saving.register_keras_serializable(package="efficient_yolo3")
class StochasticDepth(keras.layers.Dropout):
    """Drops a sample's whole branch (arXiv 1603.09382); outside of ``sample_randomness`` as Keras'
    ``Dropout`` with ``noise_shape`` (None, 1, 1, 1) does."""

    def call(self, inputs, training=False):
        randomness = getattr(_scopes, "current", None)
        if not training or randomness is None or not self.rate:
            return super().call(inputs, training=training)
        rate = self.rate * randomness.strength
        drawn = randomness.uniform(self.name, tf.shape(inputs)[0])
        keep = tf.where(drawn >= rate, 1 / (1 - rate), 0.0)
        return inputs * tf.cast(tf.reshape(keep, [-1, 1, 1, 1]), inputs.dtype)
