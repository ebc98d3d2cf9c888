"""Batches for the network: samples decoded and augmented by worker threads, ahead of time.

To change augmentation or size at a step, make a new ``TrainingSamples`` and a stream from that
step. That takes no time, and both share the cache of decoded photos.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import tensorflow as tf

from utils.cores import available_cores
from utils.data.augment import IGNORED
from utils.data.batches.input_shape import training_shape
from utils.data.batches.samples import Sample, TrainingSamples

# Threads that decode and augment. Most of that releases Python's lock, and the rest does not: so
# there are at most so many, however many cores there are.
MIN_WORKERS, MAX_WORKERS = 4, 16
AHEAD = 2  # batches that wait for the step


def workers_for(cores: int) -> int:
    """Threads that decode and augment: one a core, within bounds."""
    return min(max(cores, MIN_WORKERS), MAX_WORKERS)


def next_batch(batches: Iterator, samples: TrainingSamples) -> tuple[tf.Tensor, ...]:
    """The next batch; an exception in a worker thread is raised as it was.

    Raises:
        UserError: no photo of the dataset can be read.
    """
    try:
        return next(batches)
    except tf.errors.OpError:
        if samples.errors.failure:
            raise samples.errors.failure from None
        raise


def input_size_at(sizes: Sequence[int], seed: int, step: int) -> int:
    """Side of the network input in a step of multi-scale training: any of ``sizes``."""
    return sizes[np.random.default_rng([seed, 3, step]).integers(len(sizes))]


def training_batches(
    samples: TrainingSamples,
    batch_size: int,
    first_step: int,
    *,
    workers: int | None = None,
    shard: tuple[int, int] = (0, 1),
    sizes: Sequence[int] = (),
    device: str | None = None,
) -> tf.data.Dataset:
    """An endless stream of batches from step ``first_step`` on.

    Batches are always full: a batch may reach from one epoch into the next. Row ``r`` of the
    whole batch of step ``s`` is sample ``s × batch_size + r``.

    Args:
        samples: what the batches are made of.
        batch_size: rows of the whole batch, over all hosts.
        first_step: 0, or the step at which a resumed run continues.
        workers: threads that decode and augment; the batches are the same for any number.
            Default: ``workers_for`` the cores of this process.
        shard: (i, n) yields the i-th of n equal parts of each batch, for the i-th of n hosts.
        sizes: sides of the network input for multi-scale training, one drawn for each whole batch;
            default: the size of ``samples``.
        device: TensorFlow's name of a device to which batches are copied ahead of time, such as
            ``/GPU:0``: the next one while a step computes. Default: they stay in main memory.

    Yields:
        images uint8 (B, H, W, 3), boxes float32 (B, M, 4) with zero rows for padding, and class
        ids int32 (B, M), −1 for padding and ignored objects. M is the largest count in the batch,
        at least 1.

    Raises:
        ValueError: the batch cannot be divided among that many hosts.
    """
    part, parts = shard
    rows, left_over = divmod(batch_size, parts)
    if left_over or not 0 <= part < parts:
        raise ValueError(f"part {part} of {parts} parts of a batch of {batch_size}")
    sizes = tuple(sizes) or (samples.size,)

    def load(position: np.ndarray) -> Sample:
        step, row = divmod(int(position), rows)
        size = input_size_at(sizes, samples.seed, step) if len(sizes) > 1 else sizes[0]
        try:
            sample = samples.sample(step * batch_size + part * rows + row, size)
        except Exception as error:
            samples.errors.failure = error
            raise
        if not len(sample.boxes):
            padding = np.zeros((1, 4), np.float32), np.full(1, IGNORED, np.int32)
            sample = Sample(sample.image, *padding)
        return sample

    def tensors(position: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        image, boxes, class_ids = tf.numpy_function(
            load, [position], [tf.uint8, tf.float32, tf.int32], stateful=False
        )
        shape = training_shape(sizes[0], samples.aspect)
        known = len(sizes) == 1
        image.set_shape([shape.height, shape.width, 3] if known else [None, None, 3])
        boxes.set_shape([None, 4])
        class_ids.set_shape([None])
        return image, boxes, class_ids

    # Autotuning has nothing to do here. Its thread sleeps for up to a minute, and whoever drops the
    # stream waits for that thread: a run would stand still at the start of a phase.
    options = tf.data.Options()
    options.autotune.enabled = False
    # A private thread pool. Python's garbage collector may run in any of these threads and drop an
    # old stream, which waits for work of TensorFlow's shared pool: in that pool it would deadlock.
    threads = workers or workers_for(available_cores())
    options.threading.private_threadpool_size = threads
    batches = (
        tf.data.Dataset.range(first_step * rows, np.iinfo(np.int64).max)
        .map(
            tensors,
            num_parallel_calls=threads,
            deterministic=True,
        )
        .padded_batch(
            rows,
            padding_values=(np.uint8(0), np.float32(0), np.int32(IGNORED)),
            drop_remainder=True,
        )
        .prefetch(AHEAD)
        .with_options(options)
    )
    if device is None:
        return batches
    # Its last step, as TensorFlow asks for. The buffer is the device's memory, and small.
    on_device = batches.apply(tf.data.experimental.prefetch_to_device(device, AHEAD))
    return on_device.with_options(options)
