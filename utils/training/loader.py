"""Batches for the training loop, from any step on and through the phases of the run."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence

import numpy as np
import tensorflow as tf

from utils.data.augment import AugmentConfig
from utils.data.batches.crops import Crops
from utils.data.batches.image_cache import photo_reader
from utils.data.batches.pipeline import next_batch, training_batches
from utils.data.batches.samples import TrainingSamples
from utils.data.records import Dataset
from utils.training.choices.phases import Phase
from utils.training.config import TrainConfig


def training_samples(
    config: TrainConfig,
    train: Dataset,
    input_size: int,
    augment: AugmentConfig,
    phases: Sequence[Phase],
    aspect: tuple[float, float],
    warmup_epochs: int,
    crops: Crops | None = None,
    repeats: np.ndarray | None = None,
) -> tuple[TrainingSamples, str]:
    """Training samples as the options ask for them, and a sentence on the cache of photos.

    Args:
        config: the run's options.
        train: the training photos.
        input_size: side of the square network input in pixels.
        augment: strengths of the augmentation.
        phases: of the run.
        aspect: the part of that square that training pictures take.
        warmup_epochs: epochs until augmentation has its full strength.
        crops: of the photos; None to show photos whole.
        repeats: how often each photo, or crop, is seen, relative to the others.
    """
    sizes = {size for phase in phases for size in phase.sizes}
    reader, note = photo_reader(config.cache, train, sorted(sizes), augment, crops=crops)
    samples = TrainingSamples(
        train, input_size, config.seed, augment, reader, aspect, warmup_epochs, crops, repeats
    )
    return samples, note


class TrainingLoader:
    """This host's share of the batches, in an order that does not depend on hosts or threads.

    Attributes:
        device: to which batches are copied ahead of time; None for main memory.
        waited: seconds spent waiting for data since it was last set to 0.
    """

    def __init__(
        self,
        samples: TrainingSamples,
        batch_size: int,
        shard: tuple[int, int] = (0, 1),
        device: str | None = None,
    ) -> None:
        self.samples, self.batch_size, self.shard = samples, batch_size, shard
        self.device = device
        self.waited = 0.0
        self._phase: Phase | None = None
        self._batches: Iterator[tuple[tf.Tensor, ...]] = iter(())

    @property
    def steps_per_epoch(self) -> int:
        """Steps that see as many photos, or crops, as the dataset has."""
        return math.ceil(len(self.samples) / self.batch_size)

    @property
    def unreadable(self) -> dict[str, str]:
        """Message by image id, for the photos that could not be read so far."""
        return self.samples.unreadable

    def close(self) -> None:
        """End the stream of batches, in this thread.

        Left to Python's garbage collector, it might be dropped in a thread of another stream, and
        wait there for ever for work that this thread would have to do.
        """
        self._phase, self._batches = None, iter(())

    def next(self, step: int, phase: Phase) -> tuple[tf.Tensor, ...]:
        """The batch of a step, counted from 0; steps are asked for in order.

        Raises:
            UserError: no photo of the dataset can be read.
        """
        began = time.monotonic()
        if phase != self._phase:
            self._phase = phase
            largest = max(phase.sizes)
            changed = self.samples.with_config(phase.augment, largest)
            several = phase.sizes if len(phase.sizes) > 1 else ()
            self._batches = iter(
                training_batches(
                    changed, self.batch_size, step, shard=self.shard, sizes=several,
                    device=self.device,
                )
            )  # fmt: skip
        batch = next_batch(self._batches, self.samples)
        self.waited += time.monotonic() - began
        return batch
