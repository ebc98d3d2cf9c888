"""The live progress bar of an epoch."""

from __future__ import annotations

import time

from tqdm import tqdm

from utils.memory import memory_used
from utils.training.history import History
from utils.training.loader import Feed
from utils.training.schedule import Plan

EVERY = 5  # steps between two looks at the numbers


def epoch_bar(plan: Plan, history: History) -> tqdm:
    """A bar over the steps of the epoch; none where nobody watches."""
    return tqdm(
        total=plan.steps_per_epoch,
        initial=len(history.losses),
        desc=f"epoch {history.epoch + 1}",
        unit="step",
        leave=False,
        dynamic_ncols=True,
        disable=None,
    )


def show(bar: tqdm, plan: Plan, history: History, feed: Feed, began: float) -> None:
    """Another step is done: losses, AP, photos a second, waiting for data, memory, time left.

    ``history`` knows the epoch's seconds until ``began``, on the monotonic clock.
    """
    bar.update()
    if bar.disable or bar.n % EVERY or not history.losses:
        return
    total, box, objectness, classes = history.losses[-1]
    rate = bar.format_dict["rate"] or 0.0
    seconds = max(history.seconds + time.monotonic() - began, 1e-9)
    waiting = (history.waited + feed.waited) / seconds
    score = f", AP {history.best_ap:.3f}" if history.best_ap >= 0 else ""
    bar.set_postfix_str(
        f"loss {total:.2f} = box {box:.2f} + obj {objectness:.2f} + cls {classes:.2f}{score}, "
        f"{rate * feed.batch_size:.1f} photos/s, data {waiting:.0%}, "
        f"{memory_used() / 2**30:.1f} GiB, {time_text(plan.seconds_left(history.step))} left",
        refresh=False,
    )


def time_text(seconds: float | None) -> str:
    """``1:02:03`` or ``2:03``."""
    if seconds is None:
        return "unknown time"
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
