"""TensorBoard events of a run: ``tensorboard --logdir runs/train``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf


class EventWriter:
    """Appends to one events file, made at the first use; every call leaves it complete.

    One file a process, not one an epoch: TensorBoard reads the files of a folder in the order of
    their names and never goes back.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._writer: tf.summary.SummaryWriter | None = None

    def row(self, row: Mapping[str, Any]) -> None:
        """One epoch's row of ``metrics.csv`` as scalars, at the epoch as step."""
        with self._at(row["epoch"]):
            for name, value in row.items():
                if name != "epoch" and isinstance(value, int | float) and math.isfinite(value):
                    tf.summary.scalar(name, value)
        self._writer.flush()

    def picture(self, picture: np.ndarray, epoch: int) -> None:
        """The sheet of validation photos, uint8 (H, W, 3)."""
        with self._at(epoch):
            tf.summary.image("validation", picture[None])
        self._writer.flush()

    def histograms(self, model: keras.Model, epoch: int) -> None:
        """The distribution of every variable that learns."""
        with self._at(epoch):
            for variable in model.trainable_variables:
                tf.summary.histogram(variable.path, variable.numpy())
        self._writer.flush()

    def _at(self, epoch: int):
        if self._writer is None:
            self._writer = tf.summary.create_file_writer(str(self.folder))
        return self._writer.as_default(step=epoch)
