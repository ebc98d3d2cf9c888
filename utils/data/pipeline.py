"""From records to training batches: decode, augment, batch, ahead of the network.

The position in the data is one number, the index of a sample since the start of the run. Epoch,
order and every random number follow from (seed, index), so a run can start anywhere and see what
it would have seen, whatever the number of workers.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from utils.data.augment import IGNORED, AugmentConfig, augment
from utils.data.records import Dataset
from utils.errors import UserError
from utils.images import read_image

WORKERS = 4  # decoding and resizing release Python's lock


class TrainingSamples:
    """Augmented training samples by index; any index from 0 on is valid.

    Attributes:
        failure: what ended the stream, if anything did; TensorFlow hides the exception itself.
        unreadable: message by record stem, for photos that failed to load; the next photo of
            the same epoch stood in for each.
    """

    def __init__(self, dataset: Dataset, size: int, seed: int, config: AugmentConfig) -> None:
        self.dataset, self.size, self.seed, self.config = dataset, size, seed, config
        self.unreadable: dict[str, str] = {}
        self.failure: Exception | None = None
        self._order: tuple[int, np.ndarray] = (-1, np.empty(0, np.int64))

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """uint8 (S, S, 3) picture, float32 (N, 4) boxes, int32 (N,) class ids.

        Raises:
            UserError: no photo of the dataset can be read.
        """
        epoch, place = divmod(index, len(self.dataset))
        order = self._epoch_order(epoch)
        rng = np.random.default_rng([self.seed, 1, epoch, place])
        for step in range(len(order)):
            record = self.dataset.records[order[(place + step) % len(order)]]
            try:
                image = read_image(record.image)
            except UserError as error:
                self.unreadable[record.stem] = str(error)
                continue
            class_ids = np.where(record.difficult, IGNORED, record.class_ids)
            return augment(image, record.boxes, class_ids, self.size, rng, self.config)
        raise UserError(f"none of the {len(order)} training photos can be read")

    def _epoch_order(self, epoch: int) -> np.ndarray:
        cached_epoch, order = self._order
        if cached_epoch != epoch:
            rng = np.random.default_rng([self.seed, 0, epoch])
            order = rng.permutation(len(self.dataset))
            self._order = (epoch, order)
        return order


def next_batch(batches: Iterator, samples: TrainingSamples) -> tuple[tf.Tensor, ...]:
    """The next batch; what goes wrong in a worker is raised as what it was.

    Raises:
        UserError: no photo of the dataset can be read.
    """
    try:
        return next(batches)
    except tf.errors.OpError:
        if samples.failure:
            raise samples.failure from None
        raise


def training_batches(samples: TrainingSamples, batch_size: int, first_step: int) -> tf.data.Dataset:
    """An endless stream of batches from step ``first_step`` on.

    Batches are always full: the stream runs on from one epoch into the next.

    Yields:
        images uint8 (B, S, S, 3), boxes float32 (B, M, 4) with zero rows for padding, and class
        ids int32 (B, M), −1 for padding and ignored objects. M is the largest count in the batch,
        at least 1.
    """

    def load(index: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        try:
            image, boxes, class_ids = samples[int(index)]
        except Exception as error:
            samples.failure = error
            raise
        if not len(boxes):
            boxes, class_ids = np.zeros((1, 4), np.float32), np.full(1, IGNORED, np.int32)
        return image, boxes, class_ids

    def sample(index: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        image, boxes, class_ids = tf.numpy_function(
            load, [index], [tf.uint8, tf.float32, tf.int32], stateful=False
        )
        image.set_shape([samples.size, samples.size, 3])
        boxes.set_shape([None, 4])
        class_ids.set_shape([None])
        return image, boxes, class_ids

    start = first_step * batch_size
    return (
        tf.data.Dataset.range(start, np.iinfo(np.int64).max)
        .map(sample, num_parallel_calls=WORKERS, deterministic=True)
        .padded_batch(
            batch_size,
            padding_values=(np.uint8(0), np.float32(0), np.int32(IGNORED)),
            drop_remainder=True,
        )
        .prefetch(2)
    )
