"""TensorBoard events: the numbers of each epoch, for ``tensorboard --logdir runs/train``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf


def write_events(folder: Path, row: Mapping[str, Any]) -> None:
    """Append one epoch's row of ``metrics.csv`` as scalars, at the epoch as step."""
    with tf.summary.create_file_writer(str(folder)).as_default(step=row["epoch"]):
        for name, value in row.items():
            if name != "epoch" and isinstance(value, int | float) and math.isfinite(value):
                tf.summary.scalar(name, value)
