"""A run that is under way: its parts, its checkpoints, and what a resume needs."""

from __future__ import annotations

import math
import time
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from utils.cli import INTERRUPTED
from utils.data.records import Dataset
from utils.errors import UserError
from utils.runtime.distribution import Cluster
from utils.signals import StopRequest
from utils.training.batch_norm import photos_to_look_at
from utils.training.config import TrainConfig
from utils.training.curves import draw_curves, val_predictions
from utils.training.history import History
from utils.training.loader import Feed
from utils.training.messages import score_text
from utils.training.phases import Phase, phase_at
from utils.training.run_directory import RunDirectory
from utils.training.schedule import Plan
from utils.training.state import save_state
from utils.training.trainer import Trainer

ASK_EVERY = 8  # steps between two questions among hosts whether one was asked to stop


@dataclass
class Run:
    """The parts of a run that the loop moves.

    Attributes:
        choices: what a resumed run must have in common with this one.
        threads: of each operation, where the run is exact.
    """

    config: TrainConfig
    trainer: Trainer
    feed: Feed
    phases: tuple[Phase, ...]
    plan: Plan
    history: History
    directory: RunDirectory
    cluster: Cluster
    stop: StopRequest
    choices: dict[str, Any] = field(default_factory=dict)
    threads: int | None = None

    def progress(self) -> float:
        """Share of the run that lies behind, the same on all hosts."""
        progress = self.plan.progress(self.history.step)
        return progress if self.plan.seconds is None else self.cluster.agree(progress)[0]

    def out_of_patience(self) -> bool:
        """Whether the AP has not risen for as long as ``--patience`` allows."""
        return self.config.patience is not None and self.history.stale >= self.config.patience

    def finished(self) -> bool:
        """Whether there is nothing left to do."""
        return self.progress() >= 1 or self.out_of_patience()

    def asked_to_stop(self) -> bool:
        """Whether a signal came to any host; asked now and then where it costs a message."""
        if self.cluster.hosts > 1 and self.history.step % ASK_EVERY:
            return False
        return self.cluster.any(self.stop.asked)

    def agreed(self, decision: bool) -> bool:
        """The chief's decision, on all hosts."""
        return bool(self.cluster.agree(decision)[0])


def finish(run: Run, val: Dataset) -> None:
    """Score the averaged weights once they are final, with batch-norm statistics of their own."""
    trainer, feed, history = run.trainer, run.feed, run.history
    if trainer.averaging:
        count = photos_to_look_at(history.step * feed.batch_size)
        run.directory.log(f"batch norms: the averaged network looks at {count} training photos")
        last = replace(phase_at(run.phases, 1.0), sizes=(trainer.model.input_size,))
        batches = range(math.ceil(count / feed.batch_size))
        if not trainer.renew_statistics(feed.next(history.step + i, last) for i in batches):
            run.directory.warn(
                "the averaged network keeps the batch-norm statistics of training: for those of "
                "its own there was no memory, or they were not finite"
            )
    evaluate(run, val, last=True)
    history.finished = True


def evaluate(run: Run, val: Dataset, *, last: bool = False) -> None:
    """Score the averaged weights on the validation photos; keep them if they are the best.

    The ``last`` time says nothing of how long to go on: a run that is out of patience stays so.
    """
    trainer, history, directory = run.trainer, run.history, run.directory
    began = time.monotonic()
    metrics, found = trainer.evaluate(val, on_unreadable=directory.warn)
    coco = metrics["coco"]
    history.rows[-1] |= {"AP": coco["AP"], "AP50": coco["AP50"], "AP75": coco["AP75"]}
    history.rows[-1] |= {f"AP/{k}": v for k, v in metrics["coco_classes"]["AP"].items()}
    if coco["AP"] < 0:
        directory.warn("the validation photos show no object; best.keras is simply the newest")
    if not last:
        history.note_score(coco["AP"])
    picture = val_predictions(val, found) if run.cluster.chief else None
    directory.write_event_picture(picture, history.epoch)
    if run.config.histograms:
        directory.write_event_histograms(trainer.model, history.epoch)
    if history.is_best(coco["AP"], val.photos_with_objects):
        with_history(run)
        if run.agreed(directory.save("best.keras", trainer.save)):
            history.note_best(coco["AP"])
            directory.save_picture("val_predictions.jpg", picture)
    run.plan.note_evaluation(time.monotonic() - began)


def with_history(run: Run) -> None:
    """Let the model's next checkpoint hold what has happened so far."""
    run.trainer.model.metadata = {**run.trainer.model.metadata, "history": run.history.rows}


def save_last(run: Run) -> bool:
    """Save ``last.keras``; whether there was room."""
    with_history(run)
    return run.directory.save("last.keras", run.trainer.save)


def record_progress(run: Run, *, drawn: bool) -> bool:
    """Write down what ``--resume`` needs and, with ``drawn``, the table and the curves.

    Returns:
        Whether there was room for it.
    """
    began = time.monotonic()
    facts = {
        "history": asdict(run.history),
        "seconds": run.plan.elapsed(),
        "progress": run.plan.progress(run.history.step),
        "choices": run.choices,
        "threads": run.threads,
    }

    def write() -> None:
        save_state(run.directory.state, run.trainer.variables(), facts)
        if drawn:
            run.directory.write_metrics(run.history.rows)
            draw_curves(run.directory.curves, run.history.rows)

    saved = not run.cluster.chief or run.directory.outlasting_a_full_disk(write)
    run.plan.note_saving(time.monotonic() - began)
    return saved


def close(run: Run) -> None:
    """Save the last weights and say how it went.

    Raises:
        UserError: there was no room for the checkpoints.
    """
    directory, history = run.directory, run.history
    if not save_last(run) or (run.cluster.chief and not directory.best.exists()):
        raise UserError(
            f"{directory.path}: the disk is full, and the checkpoints could not be saved; make "
            f"room, then --out {directory.path} --resume"
        )
    run.cluster.any(False)  # no host leaves while the chief writes
    if history.step < run.plan.steps_per_epoch:
        directory.warn(
            f"the time was over after {history.step} of the {run.plan.steps_per_epoch} steps that "
            "it takes to see each photo once: give it more --minutes"
        )
    if run.out_of_patience():
        directory.log(f"stopped early: no better AP in {history.stale} evaluations")
    directory.log(
        f"done in {run.plan.elapsed() / 60:.1f} minutes: validation AP "
        f"{score_text(history.kept_ap)} in epoch {history.best_epoch}, checkpoint {directory.best}"
    )


def stop_early(run: Run) -> int:
    """Save everything where the run stands; returns the exit status of an interrupted command."""
    saved = record_progress(run, drawn=True) and save_last(run)
    run.directory.warn(
        f"stopped after step {run.history.step}; "
        + ("all of it is saved" if saved else "not all of it could be saved")
        + f"; to go on: --out {run.directory.path} --resume"
    )
    return INTERRUPTED
