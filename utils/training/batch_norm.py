"""Batch norms in training: momentum, synchronisation, and statistics for averaged weights.

The averaged network has never seen a training batch: running statistics that are averaged along
with the weights belong to the networks of the run, not to their average. In some runs boxes of
large objects came out up to three per cent too small on each side. So the statistics are
re-estimated from training batches at the end, as after stochastic weight averaging (Izmailov et
al., Averaging weights leads to wider optima, 2018, section 3.2; PyTorch's ``update_bn``).
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
from utils.runtime.distribution import Cluster, spec_by_replica

MIN_PHOTOS, MAX_PHOTOS = 64, 256  # for re-estimation; 420 gave the same scores as 209
SHARE = 1 / 8  # of the photos seen in training, between those limits
LOW_MOMENTUM = 0.9  # noisy, but the moving average of the weights smooths it


def lower_momentum(backbone: keras.Model) -> None:
    """Let the batch norms of a random backbone follow a run of a few hundred steps.

    The published momentum of 0.99 or more is meant for many thousands. After 250 steps a twelfth of
    the statistics would still be the initial ones, and inference would fail.
    """
    for norm in _batch_norms(backbone):
        norm.momentum = min(norm.momentum, LOW_MOMENTUM)


def synchronize(model: keras.Model) -> None:
    """``--sync-batch-norm``: batch norms that learn see the photos of all replicas."""
    for norm in _batch_norms(model):
        norm.synchronized = True


def _batch_norms(model: keras.Model) -> list[keras.layers.BatchNormalization]:
    return [x for x in model._flatten_layers() if isinstance(x, keras.layers.BatchNormalization)]


def is_statistic(variable: keras.Variable) -> bool:
    """Whether a variable is a batch norm's running mean or variance."""
    return variable.name.startswith("moving_")


def update_bn_photos(seen: int) -> int:
    """Photos for re-estimation after a run that has seen so many, each counted once an epoch."""
    return round(min(max(SHARE * seen, MIN_PHOTOS), MAX_PHOTOS))


def batch_statistics(
    model: YOLOv3,
    statistics: Sequence[keras.Variable],
    cluster: Cluster,
    batches: Iterable[Sequence[tf.Tensor]],
) -> list[np.ndarray]:
    """The statistics of batches in the batch norms of ``model``, averaged over the batches.

    Frozen batch norms keep theirs. There is no stochastic depth, as in prediction.

    Args:
        model: the detector; its running statistics are overwritten.
        statistics: the variables that hold them, all of them or some.
        cluster: the devices; each takes its share of a batch.
        batches: this host's shares of training batches, at least one.

    Returns:
        For each of ``statistics`` its new value, float64.
    """
    strategy = cluster.strategy
    backbone = folded(model.backbone)

    def replica(images):
        present = tf.shape(images)[0]
        randomness = SampleRandomness(0, tf.constant(0, tf.int64), present, strength=0.0)
        with sample_randomness(randomness):
            features = backbone(tf.cast(images, tf.float32), training=True)
            model.head(features, training=True)
        if cluster.replicas > 1:
            context = tf.distribute.get_replica_context()
            means = context.all_reduce("MEAN", [tf.identity(v.value) for v in statistics])
            for variable, mean in zip(statistics, means, strict=True):
                variable.value.assign(mean)

    # As for the training step: sizes may differ.
    signature = [spec_by_replica(tf.TensorSpec([None, None, None, 3], tf.uint8), strategy)]

    @tf.function(jit_compile=False, input_signature=signature)
    def forward(images):
        strategy.run(replica, args=(images,))

    means = [np.zeros(v.shape) for v in statistics]
    with cluster.strategy.scope(), _no_momentum(model):
        for number, batch in enumerate(batches, 1):
            forward(cluster.split(batch)[0])
            for mean, variable in zip(means, statistics, strict=True):
                mean += (variable.numpy() - mean) / number
    return means


@contextmanager
def _no_momentum(model: YOLOv3) -> Iterator[None]:
    """Inside, running statistics are those of the last batch alone.

    Only in functions that are compiled inside: others keep the momentum they were compiled with.
    """
    norms = _batch_norms(model)
    before = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, momentum in zip(norms, before, strict=True):
            norm.momentum = momentum
