"""TensorBoard events: the numbers of each epoch, for ``tensorboard --logdir runs/train``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf


def write_events(folder: Path, row: Mapping[str, Any]) -> None:
    """Append one epoch's row of ``metrics.csv`` as scalars, at the epoch as step."""
    with tf.summary.create_file_writer(str(folder)).as_default(step=row["epoch"]):
        for name, value in row.items():
            if name != "epoch" and isinstance(value, int | float) and math.isfinite(value):
                tf.summary.scalar(name, value)


def write_picture(folder: Path, picture: np.ndarray, epoch: int) -> None:
    """Append the sheet of validation photos, uint8 (H, W, 3)."""
    with tf.summary.create_file_writer(str(folder)).as_default(step=epoch):
        tf.summary.image("validation", picture[None])


def write_histograms(folder: Path, model: keras.Model, epoch: int) -> None:
    """Append the distribution of every variable that learns."""
    with tf.summary.create_file_writer(str(folder)).as_default(step=epoch):
        for variable in model.trainable_variables:
            tf.summary.histogram(variable.path, variable.numpy())
