"""The loop of a run: epochs, evaluations and saves, and what happens when a step goes wrong."""

from __future__ import annotations

import math
import shlex
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import tensorflow as tf

from utils.data.records import Dataset
from utils.errors import UserError, first_line
from utils.evaluation.bootstrap import mean_of
from utils.runtime.device import out_of_memory
from utils.runtime.distribution import Cluster
from utils.signals import StopRequest
from utils.text import counted
from utils.training.batch_norm import update_bn_photos
from utils.training.choices.batch_size import MICRO_BATCH, micro_batch_of
from utils.training.choices.phases import Phase, phase_at
from utils.training.config import TrainConfig
from utils.training.curves import draw_curves, val_predictions
from utils.training.forgetting import OLD, group_scores
from utils.training.history import History
from utils.training.loader import TrainingLoader
from utils.training.reporting import (
    TensorBoardWriter,
    advance,
    epoch_bar,
    epoch_text,
    interval_text,
    score_text,
    trained_on_text,
)
from utils.training.run_directory import RunDirectory
from utils.training.schedule import Schedule, learning_rate
from utils.training.state import USED_UP, save_state
from utils.training.trainer import Trainer
from utils.training.validation import scored_text

ASK_EVERY = 8  # steps between two checks among hosts whether one was asked to stop
MAX_BAD_STEPS = 20  # in a row whose loss is not finite
RESAMPLES = 300  # of the validation photos, for the interval of the AP


@dataclass
class Run:
    """The parts of a run that the loop moves.

    Attributes:
        choices: what a resumed run must have in common with this one.
        notes: sentences for the log on what was chosen.
        threads: of each operation, where the run is exact.
        validation_photos: of which a run with a time limit may score a sample only.
        val_trained_on: those scored that the checkpoint of ``--weights`` was trained on.
        old_classes: that checkpoint's, where there are new classes beside them.
        stop: tells whether a signal came, once training has begun.
        on_epoch: called with a copy of the row of each epoch that ends.
    """

    config: TrainConfig
    trainer: Trainer
    loader: TrainingLoader
    phases: tuple[Phase, ...]
    schedule: Schedule
    history: History
    directory: RunDirectory
    cluster: Cluster
    choices: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    threads: int | None = None
    validation_photos: int = 0
    val_trained_on: int = 0
    old_classes: tuple[str, ...] = ()
    stop: StopRequest | None = None
    on_epoch: Callable[[dict[str, Any]], None] | None = None

    def progress(self) -> float:
        """Share of the run that is done, the same on all hosts."""
        progress = self.schedule.progress(self.history.step)
        return (
            progress if self.schedule.seconds is None else self.cluster.broadcast_number(progress)
        )

    def out_of_patience(self) -> bool:
        """Whether the AP has not risen for as many evaluations as ``--patience`` allows."""
        patience, without = self.config.patience, self.history.evaluations_without_improvement
        return patience is not None and without >= patience

    def finished(self) -> bool:
        """Whether training is over."""
        return self.progress() >= 1 or self.out_of_patience()

    def asked_to_stop(self) -> bool:
        """Whether any host got a signal; several hosts ask each other only now and then."""
        if self.cluster.hosts > 1 and self.history.step % ASK_EVERY:
            return False
        return self.cluster.reduce_any(self.stop.asked)

    def broadcast(self, decision: bool) -> bool:
        """The chief's decision, on all hosts."""
        return bool(self.cluster.broadcast_number(decision))


def train_to_end(run: Run, val: Dataset) -> bool:
    """Train, evaluate and save until the run ends. Returns False if it was asked to stop before."""
    schedule, history, directory = run.schedule, run.history, run.directory
    over = history.epoch > 0 and not history.losses and run.finished()
    was_finished = over and history.finished
    if over:  # resumed after its last step; it may have been killed before its last evaluation
        if not history.finished:
            finish(run, val)
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
            if not over and run.broadcast(schedule.evaluation_due(history)):
                evaluate(run, val)
                over = run.finished()
            if over:
                finish(run, val)
            directory.log(epoch_text(row, schedule, history))
            directory.write_events(TensorBoardWriter.row, row)
            if over or schedule.saving_due():
                record_progress(run, drawn=True)
            if run.on_epoch:
                run.on_epoch(dict(row))
    finally:
        for message in list(run.loader.unreadable.values()):
            directory.warn(f"{message}; other photos took its place")
    close(run, val)
    if was_finished:
        directory.log(what_next(run))
    return True


def what_next(run: Run) -> str:
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


def _twice_as_long(run: Run) -> str:
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


def train_epoch(run: Run) -> dict | None:
    """Train to the end of the epoch, or of the run.

    Returns:
        The epoch's row of numbers; None when the run was asked to stop within it.
    """
    trainer, loader, schedule, history = run.trainer, run.loader, run.schedule, run.history
    pending: list[tuple] = []  # the last step: its loss is read when the next one is computing
    rate = learning_rate(run.progress(), run.config.schedule)
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
            rate = learning_rate(progress, run.config.schedule)
            uniform = schedule.uniform_average(history.step, progress)
            losses = step_within_memory(run, batch, rate, phase.drop_strength, uniform)
            history.step += 1
            pending.append((history.step, batch, losses))
            if len(pending) > 1:
                note_losses(run, *pending.pop(0))
            advance(bar, schedule, history, loader, began)
        close_steps()
    photos = len(history.losses) * loader.batch_size
    return history.close_epoch(
        step=history.step,
        learning_rate=rate * trainer.optimizers.rates["head"],
        photos_per_second=photos / history.seconds,
        waiting_for_data=history.waited / history.seconds,
    )


def step_within_memory(
    run: Run, batch: tuple, rate: float, drop_strength: float, uniform_average: bool
) -> tuple:
    """One update; when memory runs out, again with more accumulation steps.

    Raises:
        UserError: there is no memory for a single photo.
    """
    while True:
        try:
            return run.trainer.step(
                batch, run.history.step + 1, rate, drop_strength, uniform_average=uniform_average
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


def note_losses(run: Run, number: int, batch: tuple, losses: tuple) -> None:
    """Record a step's losses; save its batch where they are not finite.

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


def score_start(run: Run, val: Dataset) -> None:
    """Score the old classes before the first step, so that the run can say what it forgets."""
    metrics = run.trainer.evaluate(val, on_unreadable=run.directory.warn).metrics
    scores = group_scores(metrics["coco_classes"]["AP"], run.old_classes)
    run.history.old_ap_at_start = scores.get(OLD)
    if OLD in scores:
        run.directory.log(f"AP of the old classes before training: {scores[OLD]:.3f}")


def evaluate(run: Run, val: Dataset, *, last: bool = False) -> None:
    """Score the averaged weights on the validation photos; save them if they are the best.

    The ``last`` evaluation does not count for ``--patience``: a run that it has ended stays ended.
    """
    trainer, history, directory = run.trainer, run.history, run.directory
    began = time.monotonic()
    metrics, found, matched = trainer.evaluate(val, on_unreadable=directory.warn)
    coco = metrics["coco"]
    history.rows[-1] |= {"AP": coco["AP"], "AP50": coco["AP50"], "AP75": coco["AP75"]}
    by_class = metrics["coco_classes"]["AP"]
    history.rows[-1] |= group_scores(by_class, run.old_classes)
    history.rows[-1] |= {f"AP/{k}": v for k, v in by_class.items()}
    if len(val) < run.validation_photos:
        history.rows[-1]["val_photos"] = len(val)
    if run.val_trained_on:
        history.rows[-1]["val_trained_on"] = run.val_trained_on
    if coco["AP"] < 0:
        directory.warn("the validation photos have no objects; best.keras is simply the newest")
    if not last:
        history.note_score(coco["AP"])
    picture = val_predictions(val, found) if run.cluster.chief else None
    if picture is not None:
        directory.write_events(TensorBoardWriter.picture, picture, history.epoch)
    if run.config.histograms:
        directory.write_events(TensorBoardWriter.histograms, trainer.model, history.epoch)
    if history.is_best(coco["AP"], val.photos_with_objects):
        add_history_to_metadata(run)
        if run.broadcast(directory.save("best.keras", trainer.save)):
            interval = mean_of(matched, RESAMPLES)
            history.note_best(coco["AP"], interval.low, interval.high)
            directory.save_picture("val_predictions.jpg", picture)
    run.schedule.note_evaluation(time.monotonic() - began)


def finish(run: Run, val: Dataset) -> None:
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


def add_history_to_metadata(run: Run) -> None:
    """The model's next checkpoint gets the rows of the epochs so far."""
    run.trainer.model.metadata = {**run.trainer.model.metadata, "history": run.history.rows}


def save_last(run: Run) -> bool:
    """Save ``last.keras``. Returns whether the disk had space."""
    add_history_to_metadata(run)
    return run.directory.save("last.keras", run.trainer.save)


def record_progress(run: Run, *, drawn: bool) -> bool:
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

    saved = not run.cluster.chief or run.directory.survives_full_disk(write)
    run.schedule.note_saving(time.monotonic() - began)
    return saved


def close(run: Run, val: Dataset) -> None:
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
        f"{score_text(history.kept_ap)}{interval_text(history, val)}"
        f"{scored_text(len(val), run.validation_photos)}"
        f"{trained_on_text(history.rows[-1])} in epoch "
        f"{history.best_epoch}, checkpoint {directory.best}"
    )
    best = next((row for row in history.rows if row["epoch"] == history.best_epoch), {})
    if OLD in best:
        before = history.old_ap_at_start
        compared = f", {before:.3f} before training" if before is not None else ""
        directory.log(f"AP of the old classes: {best[OLD]:.3f}{compared}")


def stop_early(run: Run) -> None:
    """Save everything at the step where the run was asked to stop."""
    saved = record_progress(run, drawn=True) and save_last(run)
    run.directory.warn(
        f"stopped after step {run.history.step}; "
        + ("everything is saved" if saved else "not everything could be saved")
        + f"; to continue: --out {run.directory.path} --resume"
    )
