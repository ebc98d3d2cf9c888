"""The loop of a run: epochs, evaluations and saves, and what happens when a step goes wrong."""

from __future__ import annotations

import math
import shlex
import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import tensorflow as tf

from utils.data.records import Dataset
from utils.errors import UserError, first_line
from utils.evaluation.bootstrap import mean_of
from utils.evaluation.matching import MatchedResults
from utils.runtime.device import out_of_memory
from utils.text import counted
from utils.training.batch_norm import update_bn_photos
from utils.training.choices.batch_size import MICRO_BATCH, micro_batch_of
from utils.training.choices.phases import phase_at
from utils.training.curves import draw_curves, draw_val_predictions
from utils.training.forgetting import OLD, group_scores
from utils.training.reporting import (
    TensorBoardWriter,
    advance,
    epoch_bar,
    epoch_text,
    interval_text,
    score_text,
    trained_on_text,
)
from utils.training.run_parts import TrainingRun
from utils.training.schedule import learning_rate_factor
from utils.training.state import USED_UP, save_state
from utils.training.validation import scored_text

MAX_BAD_STEPS = 20  # in a row whose loss is not finite
RESAMPLES = 300  # of the validation photos, for the interval of the AP


def train_to_end(run: TrainingRun, val: Dataset) -> bool:
    """Train, evaluate and save until the run ends.

    Returns:
        True when the run is complete, False when a signal stopped it.
    """
    schedule, history, directory = run.schedule, run.history, run.directory
    over = history.epoch > 0 and not history.losses and run.finished()
    was_finished = over and history.finished
    if over:  # resumed after its last step; it may have been killed before its last evaluation
        if not history.finished:
            evaluate_last(run, val)
        record_progress(run, drawn=True)
    else:
        history.finished = False
    try:
        while not over:
            row = train_epoch(run)
            if row is None:
                stop_early(run)
                return False
            over = run.progress() >= 1
            if not over and run.chief_decides(schedule.evaluation_due(history)):
                evaluate(run, val)
                over = run.finished()
            if over:
                evaluate_last(run, val)
            directory.log(epoch_text(row, schedule, history))
            directory.write_events(TensorBoardWriter.row, row)
            if over or schedule.saving_due():
                record_progress(run, drawn=True)
            if run.on_epoch:
                run.on_epoch(dict(row))
    finally:
        for message in list(run.loader.unreadable.values()):
            directory.warn(f"{message}; other photos took its place")
    save_and_report(run, val)
    if was_finished:
        directory.log(what_next(run))
    return True


def what_next(run: TrainingRun) -> str:
    """What to do with a run that was resumed although it is finished."""
    out, epochs = run.directory.path, run.history.epoch
    return (
        f"this run is finished, with {counted(epochs, 'epoch')}. To make it longer:\n"
        f"  train.py --out {shlex.quote(str(out))} --resume {_twice_as_long(run)}\n"
        "To train on from it, with other photos or options:\n"
        f"  train.py --data {shlex.quote(str(run.config.data))} "
        f"--weights {shlex.quote(str(run.directory.best))} "
        f"--out {shlex.quote(str(out.with_name(out.name + '-2')))}"
    )


def _twice_as_long(run: TrainingRun) -> str:
    """Twice as much of what has ended the run: the same again would change nothing.

    More patience continues its schedule, so it is of use only where some of that is left. More
    minutes or epochs begin another schedule, in which the evaluations are counted anew.
    """
    config, schedule = run.config, run.schedule
    without = run.history.evaluations_without_improvement
    time_over = schedule.seconds is not None and schedule.elapsed() > USED_UP * schedule.seconds
    if run.out_of_patience() and run.progress() < 1 and not time_over:
        return f"--patience {2 * max(config.patience, without)}"
    if config.minutes and run.history.step < schedule.epochs * schedule.steps_per_epoch:
        return f"--minutes {math.ceil(2 * max(config.minutes, schedule.elapsed() / 60))}"
    return f"--epochs {2 * schedule.epochs}"


def train_epoch(run: TrainingRun) -> dict | None:
    """Train to the end of the epoch, or of the run.

    Returns:
        The epoch's row of numbers; None when the run was asked to stop within it.
    """
    trainer, loader, schedule, history = run.trainer, run.loader, run.schedule, run.history
    pending: list[tuple] = []  # the last step: its loss is read when the next one is computing
    rate_factor = learning_rate_factor(run.progress(), run.config.schedule)
    began, loader.waited = time.monotonic(), 0.0

    def close_steps() -> None:
        nonlocal began
        while pending:
            note_losses(run, *pending.pop(0))
        history.seconds += time.monotonic() - began
        history.waited += loader.waited
        began, loader.waited = time.monotonic(), 0.0

    with epoch_bar(schedule, history) as bar:
        while len(history.losses) + len(pending) < schedule.steps_per_epoch:
            progress = run.progress()
            if progress >= 1 and (history.losses or pending):
                break
            if run.asked_to_stop():
                close_steps()
                return None
            if schedule.saving_due():
                close_steps()
                record_progress(run, drawn=False)
            phase = phase_at(run.phases, progress)
            trainer.set_backbone_frozen(schedule.backbone_frozen(history.step, progress))
            batch = loader.next(history.step, phase)
            rate_factor = learning_rate_factor(progress, run.config.schedule)
            uniform = schedule.uniform_average(history.step, progress)
            losses = step_within_memory(run, batch, rate_factor, phase.drop_strength, uniform)
            history.step += 1
            pending.append((history.step, batch, losses))
            if len(pending) > 1:
                note_losses(run, *pending.pop(0))
            advance(bar, schedule, history, loader, began)
        close_steps()
    photos = len(history.losses) * loader.batch_size
    return history.close_epoch(
        step=history.step,
        learning_rate=rate_factor * trainer.optimizers.rates["heads"],
        photos_per_second=photos / history.seconds,
        waiting_for_data=history.waited / history.seconds,
    )


def step_within_memory(
    run: TrainingRun, batch: tuple, rate_factor: float, drop_strength: float, uniform_average: bool
) -> tuple:
    """One update; when memory runs out, again with more accumulation steps.

    Raises:
        UserError: there is no memory for a single photo.
    """
    while True:
        try:
            return run.trainer.step(
                batch,
                run.history.step + 1,
                rate_factor,
                drop_strength,
                uniform_average=uniform_average,
            )
        except tf.errors.OpError as error:
            if not out_of_memory(error):
                raise
            try:
                steps = run.trainer.accumulate_more()
            except UserError as stop:  # what it says may have another reason, after all
                raise UserError(f"{stop} (TensorFlow says: {first_line(error)})") from error
            run.choices[MICRO_BATCH] = micro_batch_of(steps, run.loader.batch_size, run.cluster)
            run.directory.warn(
                f"out of memory; from now on a batch is computed in {steps} parts, each with "
                "batch statistics of its own"
            )


def note_losses(run: TrainingRun, number: int, batch: tuple, losses: tuple) -> None:
    """Record a step's losses; save its batch where they are not finite.

    Raises:
        UserError: that has happened ``MAX_BAD_STEPS`` times in a row.
    """
    values = [float(part) for part in losses]
    if not run.history.note_step(values):
        kept = run.directory.save_bad_batch(number, batch)
        if kept:
            run.directory.warn(f"the loss of step {number} is not finite; its batch is in {kept}")
    if run.history.bad_steps >= MAX_BAD_STEPS:
        rate = run.trainer.optimizers.rates["heads"]
        raise UserError(
            f"the loss was not finite in the last {run.history.bad_steps} steps; start again with "
            f"a --learning-rate below {rate:g}"
        )


def score_start(run: TrainingRun, val: Dataset) -> None:
    """Score the old classes before the first step, so that the run can say what it forgets."""
    metrics = run.trainer.evaluate(val, on_unreadable=run.directory.warn).metrics
    scores = group_scores(metrics["coco_classes"]["AP"], run.old_classes)
    run.history.old_ap_at_start = scores.get(OLD)
    if OLD in scores:
        run.directory.log(f"AP of the old classes before training: {scores[OLD]:.3f}")


def evaluate(run: TrainingRun, val: Dataset, *, last: bool = False) -> None:
    """Score the averaged weights on the validation photos; save them if they are the best.

    The ``last`` evaluation does not count for ``--patience``: a run that it has ended stays ended.
    """
    trainer, history, directory = run.trainer, run.history, run.directory
    began = time.monotonic()
    metrics, found, matched = trainer.evaluate(val, on_unreadable=directory.warn)
    history.rows[-1] |= score_columns(metrics, run, val)
    ap = metrics["coco"]["AP"]
    if ap < 0:
        directory.warn("the validation photos have no objects; best.keras is simply the newest")
    if not last:
        history.note_score(ap)
    picture = draw_val_predictions(val, found) if run.cluster.chief else None
    if picture is not None:
        directory.write_events(TensorBoardWriter.picture, picture, history.epoch)
    if run.config.histograms:
        directory.write_events(TensorBoardWriter.histograms, trainer.model, history.epoch)
    if history.should_replace_best(ap, val.photos_with_objects) and save_best(run, ap, matched):
        directory.save_picture("val_predictions.jpg", picture)
    run.schedule.note_evaluation(time.monotonic() - began)


def score_columns(metrics: Mapping[str, Any], run: TrainingRun, val: Dataset) -> dict[str, Any]:
    """What an evaluation adds to the row of its epoch, in the order of ``metrics.csv``."""
    coco, by_class = metrics["coco"], metrics["coco_classes"]["AP"]
    columns = {name: coco[name] for name in ("AP", "AP50", "AP75")}
    columns |= group_scores(by_class, run.old_classes)
    columns |= {f"AP/{name}": ap for name, ap in by_class.items()}
    if len(val) < run.validation_photos:
        columns["val_photos"] = len(val)
    if run.leaked_val_photos:
        columns["val_trained_on"] = run.leaked_val_photos
    return columns


def save_best(run: TrainingRun, ap: float, matched: MatchedResults) -> bool:
    """Save ``best.keras`` with the AP of an evaluation. Returns whether the disk had space."""
    add_history_to_metadata(run)
    if not run.chief_decides(run.directory.save("best.keras", run.trainer.save)):
        return False
    interval = mean_of(matched, RESAMPLES)
    run.history.note_best(ap, interval.low, interval.high)
    return True


def evaluate_last(run: TrainingRun, val: Dataset) -> None:
    """The last evaluation. Averaged weights first get batch-norm statistics of their own."""
    trainer, loader, history = run.trainer, run.loader, run.history
    if trainer.averaging:
        count = update_bn_photos(history.step * loader.batch_size)
        run.directory.log(f"batch norms: statistics of {count} training photos")
        last = replace(phase_at(run.phases, 1.0), sizes=(trainer.model.input_size,))
        batches = range(math.ceil(count / loader.batch_size))
        if not trainer.update_bn(loader.next(history.step + i, last) for i in batches):
            run.directory.warn(
                "batch norms keep the averaged statistics of training: there was no memory to "
                "re-estimate them, or the new ones were not finite"
            )
    evaluate(run, val, last=True)
    history.finished = True


def add_history_to_metadata(run: TrainingRun) -> None:
    """The model's next checkpoint gets the rows of the epochs so far."""
    run.trainer.model.metadata = {**run.trainer.model.metadata, "history": run.history.rows}


def save_last(run: TrainingRun) -> bool:
    """Save ``last.keras``. Returns whether the disk had space."""
    add_history_to_metadata(run)
    return run.directory.save("last.keras", run.trainer.save)


def record_progress(run: TrainingRun, *, drawn: bool) -> bool:
    """Save the state and, with ``drawn``, the table and the curves.

    Returns:
        Whether the disk had space.
    """
    began = time.monotonic()
    facts = {
        "history": asdict(run.history),
        "seconds": run.schedule.elapsed(),
        "progress": run.schedule.progress(run.history.step),
        "choices": run.choices,
        "threads": run.threads,
        "minutes": run.config.minutes,
        "steps per epoch": run.schedule.steps_per_epoch,
    }

    def write() -> None:
        save_state(run.directory.state, run.trainer.variables(), facts)
        if drawn:
            run.directory.write_metrics(run.history.rows)
            draw_curves(run.directory.curves, run.history.rows)

    saved = not run.cluster.chief or run.directory.write_or_warn(write)
    run.schedule.note_saving(time.monotonic() - began)
    return saved


def save_and_report(run: TrainingRun, val: Dataset) -> None:
    """Save the last weights and log the result.

    Raises:
        UserError: the disk had no space for the checkpoints, or the best one was removed.
    """
    directory, history = run.directory, run.history
    if not save_last(run):
        raise UserError(
            f"{directory.path}: the disk is full, and the checkpoints could not be saved; "
            f"free some space, then --out {directory.path} --resume"
        )
    if run.cluster.chief and not directory.best.exists():
        raise UserError(
            f"{directory.best}: is missing, as the disk was full when it was to be saved, or it "
            f"was removed; the last weights are in {directory.last}"
        )
    run.cluster.reduce_any(False)  # no host leaves while the chief writes
    if history.step < run.schedule.steps_per_epoch:
        directory.warn(
            f"the time was over after {history.step} of the {run.schedule.steps_per_epoch} steps "
            "of one epoch: give the run more --minutes"
        )
    if run.out_of_patience():
        without = history.evaluations_without_improvement
        directory.log(f"stopped early: no better AP in {counted(without, 'evaluation')}")
    directory.log(
        f"done in {run.schedule.elapsed() / 60:.1f} minutes: validation AP "
        f"{score_text(history.saved_ap)}{interval_text(history, val)}"
        f"{scored_text(len(val), run.validation_photos)}"
        f"{trained_on_text(history.rows[-1])} in epoch "
        f"{history.saved_epoch}, checkpoint {directory.best}"
    )
    best = next((row for row in history.rows if row["epoch"] == history.saved_epoch), {})
    if OLD in best:
        before = history.old_ap_at_start
        compared = f", {before:.3f} before training" if before is not None else ""
        directory.log(f"AP of the old classes: {best[OLD]:.3f}{compared}")


def stop_early(run: TrainingRun) -> None:
    """Save everything at the step where the run was asked to stop."""
    saved = record_progress(run, drawn=True) and save_last(run)
    run.directory.warn(
        f"stopped after step {run.history.step}; "
        + ("everything is saved" if saved else "not everything could be saved")
        + f"; to continue: --out {run.directory.path} --resume"
    )
