"""From records to training batches: decode, augment, batch, ahead of the network.

The position in the data is one number, the index of a sample since the start of the run. Epoch,
order and every random number follow from (seed, index), so a run can start anywhere and see what
it would have seen, whatever the number of workers or of hosts. Other strengths or another size from
some step on are another ``TrainingSamples`` and another stream from that step; making them takes
no time, and the decoded photos that a cache keeps are shared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import tensorflow as tf

from utils.data.augment import IGNORED, AugmentConfig
from utils.data.augment.compose import Drawn, Photo, Picture, compose
from utils.data.augment.draw import draw_sample
from utils.data.batches.image_cache import PhotoReader
from utils.data.batches.input_shape import canvas_of
from utils.data.records import Dataset, Record
from utils.errors import UserError
from utils.images import read_image

WORKERS = 4  # decoding and resizing release Python's lock


@dataclass
class Reports:
    """What went wrong in the threads that read photos.

    Attributes:
        failure: what ended the stream, if anything did; TensorFlow hides the exception itself.
        unreadable: message by record image id, for photos that failed to load; the next photo of
            the same epoch stood in for each.
    """

    failure: Exception | None = None
    unreadable: dict[str, str] = field(default_factory=dict)


class TrainingSamples:
    """Augmented training samples by index; any index from 0 on is valid.

    Attributes:
        dataset, size, seed, config: what the samples are made of; not to be changed.
        reports: what went wrong so far.
    """

    def __init__(
        self,
        dataset: Dataset,
        size: int,
        seed: int,
        config: AugmentConfig,
        reader: PhotoReader = read_image,
        shares: tuple[float, float] = (1.0, 1.0),
        familiar: int = 1,
    ) -> None:
        """Nothing is read yet.

        Args:
            dataset: the labelled photos.
            size: side in pixels of the square that the network input lies in.
            seed: of every random number.
            config: strengths of the augmentation.
            reader: reads photos; see ``utils.data.batches.image_cache``.
            shares: of the square's width and height that the network input takes; see
                ``utils.data.batches.input_shape``.
            familiar: the sighting from which on a photo is changed at full strength; before, in
                proportion to how often it has been seen.
        """
        self.shares, self.familiar = shares, familiar
        self.dataset, self.size, self.seed, self.config = dataset, size, seed, config
        self.reports = Reports()
        self._reader = reader
        self._order: tuple[int, np.ndarray] = (-1, np.empty(0, np.int64))

    @property
    def unreadable(self) -> dict[str, str]:
        """Message by record image id, for photos that failed to load."""
        return self.reports.unreadable

    def __getitem__(self, index: int) -> Picture:
        """uint8 (H, W, 3) picture, float32 (N, 4) boxes, int32 (N,) class ids.

        Raises:
            UserError: no photo of the dataset can be read.
        """
        return self.sample(index, self.size)

    def sample(self, index: int, size: int) -> Picture:
        """As ``self[index]``, at another size of the network input.

        Raises:
            UserError: no photo of the dataset can be read.
        """
        epoch, place = divmod(index, len(self.dataset))
        order = self._epoch_order(epoch)
        config = self.config
        if epoch + 1 < self.familiar:
            config = config.at_strength((epoch + 1) / self.familiar)
        draw = draw_sample(self.seed, epoch, place, len(order), config)
        canvas = canvas_of(size, self.shares)
        return compose(draw, lambda at, work: self._with_photo(order, at, work), canvas, config)

    def with_config(self, config: AugmentConfig, size: int | None = None) -> TrainingSamples:
        """The same photos in the same order, changed differently: for a later part of a run.

        What goes wrong is reported where it was before.
        """
        other = TrainingSamples(
            self.dataset, size or self.size, self.seed, config, self._reader, self.shares,
            self.familiar,
        )  # fmt: skip
        other.reports = self.reports
        return other

    def _with_photo(self, order: np.ndarray, at: int, work: Callable[[Photo], Drawn]) -> Drawn:
        """``work`` done with the photo at that place, or the next one that can be read."""
        for step in range(len(order)):
            record = self.dataset.records[order[(at + step) % len(order)]]
            try:
                return work(self._photo(record))
            except UserError as error:
                self.reports.unreadable[record.image_id] = str(error)
        raise UserError(f"none of the {len(order)} training photos can be read")

    def _photo(self, record: Record) -> Photo:
        class_ids = np.where(record.difficult, IGNORED, record.class_ids).astype(np.int32)

        def pixels(reduce: int) -> tuple[np.ndarray, int]:
            image = self._reader(record.image, reduce=reduce)
            if image.shape[:2] != (-(-record.height // reduce), -(-record.width // reduce)):
                raise UserError(
                    f"{record.image}: is not the picture of {record.width}×{record.height} pixels "
                    "that its labels are for; was it replaced?"
                )
            return image, reduce

        return Photo(record.width, record.height, record.boxes, class_ids, pixels)

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
        if samples.reports.failure:
            raise samples.reports.failure from None
        raise


def input_size_at(sizes: Sequence[int], seed: int, step: int) -> int:
    """Side of the network input in a step of multi-scale training: any of ``sizes``."""
    return sizes[np.random.default_rng([seed, 3, step]).integers(len(sizes))]


def training_batches(
    samples: TrainingSamples,
    batch_size: int,
    first_step: int,
    *,
    workers: int = WORKERS,
    shard: tuple[int, int] = (0, 1),
    sizes: Sequence[int] = (),
) -> tf.data.Dataset:
    """An endless stream of batches from step ``first_step`` on.

    Batches are always full: the stream runs on from one epoch into the next. Row ``r`` of the
    whole batch of step ``s`` is sample ``s × batch_size + r``.

    Args:
        samples: what the batches are made of.
        batch_size: rows of the whole batch, over all hosts.
        first_step: 0, or where to go on.
        workers: threads that decode and augment; the batches are the same for any number.
        shard: (i, n) yields the i-th of n equal parts of each batch, for the i-th of n hosts.
        sizes: sides of the network input for multi-scale training, one for each whole batch; by
            itself that of ``samples``.

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

    def load(position: np.ndarray) -> Picture:
        step, row = divmod(int(position), rows)
        size = input_size_at(sizes, samples.seed, step) if len(sizes) > 1 else sizes[0]
        try:
            picture = samples.sample(step * batch_size + part * rows + row, size)
        except Exception as error:
            samples.reports.failure = error
            raise
        if not len(picture.boxes):
            nothing = np.zeros((1, 4), np.float32), np.full(1, IGNORED, np.int32)
            picture = Picture(picture.image, *nothing)
        return picture

    def sample(position: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        image, boxes, class_ids = tf.numpy_function(
            load, [position], [tf.uint8, tf.float32, tf.int32], stateful=False
        )
        canvas = canvas_of(sizes[0], samples.shares)
        known = len(sizes) == 1
        image.set_shape([canvas.height, canvas.width, 3] if known else [None, None, 3])
        boxes.set_shape([None, 4])
        class_ids.set_shape([None])
        return image, boxes, class_ids

    # There is nothing to tune here, and the thread that tunes sleeps for up to a minute, which
    # whoever drops the stream has to wait for: a run would stand still where a phase begins.
    options = tf.data.Options()
    options.autotune.enabled = False
    return (
        tf.data.Dataset.range(first_step * rows, np.iinfo(np.int64).max)
        .map(sample, num_parallel_calls=workers, deterministic=True)
        .padded_batch(
            rows,
            padding_values=(np.uint8(0), np.float32(0), np.int32(IGNORED)),
            drop_remainder=True,
        )
        .prefetch(2)
        .with_options(options)
    )
