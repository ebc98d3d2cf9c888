"""Batch-norm statistics for weights that were averaged.

The mean of the networks along a run was itself never run on a training batch: the running
statistics that were averaged with the weights belong to those networks, not to their mean. Large
objects came out up to three per cent too small on each side by that, in some runs. Hence, as
after stochastic weight averaging (Izmailov et al., Averaging weights leads to wider optima, 2018,
section 3.2), the averaged network looks at training pictures once more, and learns nothing from
them but the means and variances of its channels.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import keras
import numpy as np
import tensorflow as tf

from nets.folding import folded
from nets.randomness import SampleRandomness, sample_randomness
from nets.yolo import YOLOv3
from utils.runtime.distribution import Cluster

FEWEST_PHOTOS, MOST_PHOTOS = 64, 256  # that are looked at; 420 gave the same scores as 209
SHARE = 1 / 8  # of the photos that were trained on, between those limits


def is_statistic(variable: keras.Variable) -> bool:
    """Whether a variable is a batch norm's running mean or variance."""
    return variable.name.startswith("moving_")


def photos_to_look_at(trained_on: int) -> int:
    """How many photos a run looks at that has trained on so many, each time counted."""
    return round(min(max(SHARE * trained_on, FEWEST_PHOTOS), MOST_PHOTOS))


def batch_statistics(
    model: YOLOv3,
    statistics: Sequence[keras.Variable],
    cluster: Cluster,
    batches: Iterable[Sequence[tf.Tensor]],
) -> list[np.ndarray]:
    """Mean over batches of what the batch norms of ``model`` see, as it is now.

    Norms that are frozen keep their statistics. No block is dropped, as in prediction.

    Args:
        model: the detector; its running statistics are overwritten.
        statistics: the variables that hold them, all of them or some.
        cluster: the devices; each looks at its share of a batch.
        batches: this host's shares of training batches, at least one.

    Returns:
        For each of ``statistics`` its new value, float64.
    """
    strategy = cluster.strategy
    backbone = folded(model.backbone)

    def replica(images):
        present = tf.shape(images)[0]
        undisturbed = SampleRandomness(0, tf.constant(0, tf.int64), present, strength=0.0)
        with sample_randomness(undisturbed):
            features = backbone(tf.cast(images, tf.float32), training=True)
            model.head(features, training=True)
        if cluster.replicas > 1:
            context = tf.distribute.get_replica_context()
            means = context.all_reduce("MEAN", [tf.identity(v.value) for v in statistics])
            for variable, mean in zip(statistics, means, strict=True):
                variable.value.assign(mean)

    # As for the training step: sizes may differ, and values for each replica have no signature.
    signature = [tf.TensorSpec([None, None, None, 3], tf.uint8)]

    @tf.function(jit_compile=False, input_signature=None if cluster.replicas > 1 else signature)
    def look(images):
        strategy.run(replica, args=(images,))

    means = [np.zeros(v.shape) for v in statistics]
    with cluster.strategy.scope(), _no_memory(model):
        for number, batch in enumerate(batches, 1):
            look(cluster.split(batch)[0])
            for mean, variable in zip(means, statistics, strict=True):
                mean += (variable.numpy() - mean) / number
    return means


@contextmanager
def _no_memory(model: YOLOv3) -> Iterator[None]:
    """Inside, running statistics are those of the last batch alone.

    Only for functions that are compiled inside: others have their momentum built in.
    """
    norms = [x for x in model._flatten_layers() if isinstance(x, keras.layers.BatchNormalization)]
    before = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, momentum in zip(norms, before, strict=True):
            norm.momentum = momentum
