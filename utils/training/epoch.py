"""One epoch: batches in, updates made, what went wrong with a step dealt with."""

from __future__ import annotations

import time

import tensorflow as tf

from utils.errors import UserError
from utils.training.phases import phase_at
from utils.training.progress import epoch_bar, show
from utils.training.run import Run, record_progress
from utils.training.schedule import learning_rate

MAX_BAD_STEPS = 20  # in a row whose loss is not finite


def train_epoch(run: Run) -> dict | None:
    """Train to the end of the epoch, or of the run.

    Returns:
        The epoch's row of numbers; None when the run was asked to stop within it.
    """
    trainer, feed, plan, history = run.trainer, run.feed, run.plan, run.history
    pending: list[tuple] = []  # the last step: its loss is read when the next is on its way
    rate = learning_rate(run.progress(), run.config.schedule)
    began, feed.waited = time.monotonic(), 0.0

    def close_steps() -> None:
        nonlocal began
        while pending:
            note_losses(run, *pending.pop(0))
        history.seconds += time.monotonic() - began
        history.waited += feed.waited
        began, feed.waited = time.monotonic(), 0.0

    with epoch_bar(plan, history) as bar:
        while len(history.losses) + len(pending) < plan.steps_per_epoch:
            progress = run.progress()
            if progress >= 1 and (history.losses or pending):
                break
            if run.asked_to_stop():
                close_steps()
                return None
            if plan.saving_due():
                close_steps()
                record_progress(run, drawn=False)
            phase = phase_at(run.phases, progress)
            trainer.set_backbone_frozen(plan.backbone_frozen(history.step, progress))
            batch = feed.next(history.step, phase)
            rate = learning_rate(progress, run.config.schedule)
            settled = plan.settled(history.step, progress)
            losses = step_within_memory(run, batch, rate, phase.drop_strength, settled)
            history.step += 1
            pending.append((history.step, batch, losses))
            if len(pending) > 1:
                note_losses(run, *pending.pop(0))
            show(bar, plan, history, feed, began)
        close_steps()
    photos = len(history.losses) * feed.batch_size
    return history.close_epoch(
        step=history.step,
        learning_rate=rate * trainer.optimizers.rates["head"],
        photos_per_second=photos / history.seconds,
        waiting_for_data=history.waited / history.seconds,
    )


def step_within_memory(
    run: Run, batch: tuple, rate: float, drop_strength: float, settled: bool
) -> tuple:
    """One update; when memory runs out, again in more and smaller turns.

    Raises:
        UserError: a single photo at a time is too much.
    """
    while True:
        try:
            return run.trainer.step(
                batch, run.history.step + 1, rate, drop_strength, settled=settled
            )
        except tf.errors.ResourceExhaustedError:
            turns = run.trainer.halve_memory()
            run.choices["turns"] = turns
            run.directory.warn(
                f"out of memory; from now on a batch is computed in {turns} parts, each with "
                "batch statistics of its own"
            )


def note_losses(run: Run, number: int, batch: tuple, losses: tuple) -> None:
    """Take note of what a step gave; keep a batch that gave nothing finite.

    Raises:
        UserError: that has happened ``MAX_BAD_STEPS`` times in a row.
    """
    values = [float(part) for part in losses]
    if not run.history.note_step(values):
        kept = run.directory.keep_bad_batch(number, batch)
        if kept:
            run.directory.warn(f"the loss of step {number} is not finite; its batch is in {kept}")
    if run.history.bad_steps >= MAX_BAD_STEPS:
        rate = run.trainer.optimizers.rates["head"]
        raise UserError(
            f"the loss was not finite in the last {run.history.bad_steps} steps; start again with "
            f"a --learning-rate below {rate:g}"
        )
