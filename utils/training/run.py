"""A training run from its options to its checkpoints: ``train``, whose stages follow in order.

Each stage takes what those before it returned: ``setup`` (devices, saved state), ``inputs`` (data
and what is chosen by it), ``assembly`` (detector, loader, trainer, run directory), ``resume``
(saved state), ``announcement`` (the log), ``provenance`` (what checkpoints record), ``loop``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from utils.data.batches.sample_sheet import draw_sample_sheet
from utils.data.batches.samples import TrainingSamples
from utils.data.records import Dataset
from utils.errors import UserError, first_line
from utils.runtime.distribution import host_was_lost
from utils.signals import StopRequest
from utils.training.announcement import announce
from utils.training.assembly import assemble, make_detector
from utils.training.choices.phases import strongest_phase
from utils.training.config import TrainConfig
from utils.training.forgetting import measured_classes
from utils.training.inputs import Inputs, choose_inputs
from utils.training.loop import score_start, train_to_end
from utils.training.overhead import measure_times
from utils.training.provenance import checkpoint_metadata
from utils.training.resume import restore
from utils.training.run_directory import PREVIEW, RunDirectory
from utils.training.run_parts import TrainingRun
from utils.training.setup import set_up
from utils.training.validation import SCORED_PHOTOS, photos_to_score, sample_photos, sample_text

MAX_SHARE_FOR_START = 0.05  # share of the minutes of a run that scoring its start may take


@dataclass(frozen=True)
class TrainResult:
    """The outcome of a run.

    Attributes:
        path: the run directory.
        best, last: its checkpoints.
        ap: validation AP of ``best``; −1 without one. In a run with a time limit it may be that
            of a sample of the validation photos; the log says so.
        ap_low, ap_high: its 95 % interval; None if unknown, as where too few photos have objects.
        epoch: the epoch of ``best``.
        interrupted: whether the run was asked to stop before its end; it can be resumed.
        history: a row of numbers for each epoch, as in ``metrics.csv``.
        run: its parts, which keep the network in memory: a command that ends its process need not
            wait until that is freed. None in a result of ``utils.api``.
    """

    path: Path
    best: Path
    last: Path
    ap: float
    epoch: int
    ap_low: float | None
    ap_high: float | None
    interrupted: bool
    history: list[dict[str, Any]] = field(repr=False)
    run: TrainingRun | None = field(repr=False, default=None)

    @property
    def metrics(self) -> dict[str, float | None]:
        """Validation scores of ``best``: ``AP``, ``AP50``, ``AP75``, and ``AP/CLASS`` by class;
        with old and new classes ``AP_old`` and ``AP_new``."""
        row = next((row for row in self.history if row["epoch"] == self.epoch), {})
        return {name: value for name, value in row.items() if name.startswith("AP")}


def train(
    config: TrainConfig,
    started: float | None = None,
    on_epoch: Callable[[dict[str, Any]], None] | None = None,
) -> TrainResult:
    """Train a detector.

    Args:
        config: the options.
        started: reading of ``time.monotonic`` from which ``--minutes`` count; default: now.
        on_epoch: called with the row of each epoch that ends.

    Raises:
        UserError: what is wrong with options or data, before anything is written; a full disk; a
            loss that is not finite in many steps; another host that was lost.
    """
    started = time.monotonic() if started is None else started
    with _lost_hosts_explained(), ExitStack() as at_end:
        setup = set_up(config, at_end)
        if setup.cluster.chief and config.out and not config.resume:
            RunDirectory.refuse_used(config.out)  # before anything that takes long
        inputs = choose_inputs(setup)
        detector = make_detector(setup, inputs)
        run = assemble(setup, inputs, detector, started)
        run.on_epoch = on_epoch
        restore(setup, inputs, run)
        announce(inputs, run)
        run.trainer.model.metadata = checkpoint_metadata(inputs, run)
        val = measure_start(run, inputs)
        run.schedule.begin(run.history.step)
        with StopRequest() as run.stop:  # from here on a signal ends the run after its step
            finished = train_to_end(run, val)
    return TrainResult(
        path=run.directory.path,
        best=run.directory.best,
        last=run.directory.last,
        ap=run.history.saved_ap,
        epoch=run.history.saved_epoch,
        ap_low=run.history.saved_ap_low,
        ap_high=run.history.saved_ap_high,
        interrupted=not finished,
        history=[dict(row) for row in run.history.rows],
        run=run,
    )


def measure_start(run: TrainingRun, inputs: Inputs) -> Dataset:
    """Tell the schedule of a run with ``--minutes`` how long its parts take; score the checkpoint
    that a new run starts from, where there is time and its classes can be compared.

    Returns:
        The validation photos that are scored; of many a sample, where time is limited.
    """
    val, seconds, affordable = inputs.val, run.schedule.seconds, True
    times = measure_times(run.trainer, val) if seconds else None
    count = run.choices[SCORED_PHOTOS]
    resumed = count is not None
    if not resumed:
        each = times.photo if times else 0.0  # differs from host to host
        count = int(run.cluster.broadcast_number(photos_to_score(len(val), each, seconds)))
        run.choices[SCORED_PHOTOS] = count
    if count < len(val):
        minutes = None if resumed else inputs.config.minutes
        run.directory.log(sample_text(count, len(val), minutes))
        val = sample_photos(val, count, inputs.config.seed)
        trained_on = set(inputs.split.trained_before.get("val", ()))
        run.leaked_val_photos = sum(record.image_id in trained_on for record in val.records)
    if times:
        evaluation = times.evaluation(len(val))
        run.schedule.expect(evaluation, times.compiling, times.update_bn)
        affordable = evaluation < MAX_SHARE_FOR_START * seconds
    comparable = not measured_classes(val).isdisjoint(run.old_classes)
    if comparable and not run.history.step and run.chief_decides(affordable):
        score_start(run, val)
    return val


def preview(config: TrainConfig) -> Path:
    """``--preview``: draw training photos with the strongest augmentation; returns the path.

    Raises:
        UserError: what is wrong with options or data.
    """
    with ExitStack() as at_end:
        inputs = choose_inputs(set_up(config, at_end))
    phase = strongest_phase(inputs.phases)
    samples = TrainingSamples(
        inputs.train, max(phase.sizes), config.seed, phase.augment, aspect=inputs.aspect,
        crops=inputs.crops, repeats=inputs.repeats,
    )  # fmt: skip
    folder = config.out or Path("runs/preview") / config.data.resolve().name
    path = folder / PREVIEW
    draw_sample_sheet(path, samples, batch_size=8, batches=2, input_sizes=phase.sizes)
    return path


@contextmanager
def _lost_hosts_explained() -> Iterator[None]:
    """
    Raises:
        UserError: inside, TensorFlow failed because another host has gone.
    """
    try:
        yield
    except Exception as error:
        if not host_was_lost(error):
            raise
        raise UserError(
            "another host has gone; start the job again on all of them with --resume "
            f"(TensorFlow says: {first_line(error)})"
        ) from error
