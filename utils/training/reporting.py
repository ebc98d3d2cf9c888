"""What a run reports: a line an epoch in the log, a progress bar, TensorBoard events."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tqdm import tqdm

from utils.data.records import Dataset
from utils.evaluation.bootstrap import MIN_IMAGES
from utils.memory import memory_used
from utils.text import counted, minutes_text
from utils.training.forgetting import scores_text
from utils.training.history import History
from utils.training.loader import TrainingLoader
from utils.training.schedule import Schedule

EVERY = 5  # steps between two updates of the bar's numbers


def epoch_text(row: Mapping[str, Any], schedule: Schedule, history: History) -> str:
    """The epoch as one line of the log."""
    of = "" if schedule.seconds else f"/{schedule.epochs}"  # the clock may end it sooner
    loss = "not finite" if row["loss"] is None else f"{row['loss']:.3f}"
    text = f"epoch {row['epoch']}{of}: loss {loss}"
    if row["skipped_steps"]:
        text += f" ({row['skipped_steps']} steps skipped: loss not finite)"
    if "AP" in row:
        text += f", AP50 {score_text(row['AP50'])}, AP {score_text(row['AP'])}"
        text += scores_text(row) + trained_on_text(row)
        if history.saved_epoch == row["epoch"]:  # its AP may be slightly lower than the highest
            text += " (best so far)" if history.saved_ap >= history.highest_ap else " (kept)"
    text += f", {row['photos_per_second']:.1f} photos/s"
    return f"{text}, {time_text(schedule.seconds_left(history.step))} left"


def score_text(value: float) -> str:
    """``0.512``; a dash where there is no score."""
    return f"{value:.3f}" if value >= 0 else "–"


def interval_text(history: History, val: Dataset) -> str:
    """How sure the AP of ``best.keras`` is; "" where nothing is known of it."""
    photos = counted(val.photos_with_objects, "photo")
    if history.saved_ap_low is None:
        few = 0 < val.photos_with_objects < MIN_IMAGES
        return f" (of {photos} with objects; that says little)" if few else ""
    return f" ({history.saved_ap_low:.3f}–{history.saved_ap_high:.3f}, 95 % interval of {photos})"


def trained_on_text(row: Mapping[str, Any]) -> str:
    """`` (12 validation photos were trained on before)`` beside a score; "" where none were."""
    count = row.get("val_trained_on", 0)
    what = counted(count, "validation photo was", "validation photos were")
    return f" ({what} trained on before)" if count else ""


def length_text(schedule: Schedule) -> str:
    """``20 epochs or 5 minutes``."""
    minutes = f" or {minutes_text(schedule.seconds / 60)}" if schedule.seconds else ""
    return f"{counted(schedule.epochs, 'epoch')}{minutes}"


def time_text(seconds: float | None) -> str:
    """``1:02:03`` or ``2:03``."""
    if seconds is None:
        return "unknown time"
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def epoch_bar(schedule: Schedule, history: History) -> tqdm:
    """A progress bar over the steps of the epoch, on a terminal only."""
    return tqdm(
        total=schedule.steps_per_epoch,
        initial=len(history.losses),
        desc=f"epoch {history.epoch + 1}",
        unit="step",
        leave=False,
        dynamic_ncols=True,
        disable=None,
    )


def advance(
    bar: tqdm, schedule: Schedule, history: History, loader: TrainingLoader, began: float
) -> None:
    """Another step is done: show losses, AP, speed, waiting for data, memory, time left.

    ``history`` has the epoch's seconds until ``began``, on the monotonic clock.
    """
    bar.update()
    if bar.disable or bar.n % EVERY or not history.losses:
        return
    total, box, objectness, classes = history.losses[-1]
    rate = bar.format_dict["rate"] or 0.0
    seconds = max(history.seconds + time.monotonic() - began, 1e-9)
    waiting = (history.waited + loader.waited) / seconds
    score = f", AP {history.highest_ap:.3f}" if history.highest_ap >= 0 else ""
    bar.set_postfix_str(
        f"loss {total:.2f} = box {box:.2f} + obj {objectness:.2f} + cls {classes:.2f}{score}, "
        f"{rate * loader.batch_size:.1f} photos/s, data {waiting:.0%}, "
        f"{memory_used() / 2**30:.1f} GiB, {time_text(schedule.seconds_left(history.step))} left",
        refresh=False,
    )


class TensorBoardWriter:
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
        """The distribution of every trainable variable."""
        with self._at(epoch):
            for variable in model.trainable_variables:
                tf.summary.histogram(variable.path, variable.numpy())
        self._writer.flush()

    def _at(self, epoch: int):
        if self._writer is None:
            self._writer = tf.summary.create_file_writer(str(self.folder))
        return self._writer.as_default(step=epoch)
