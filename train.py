"""Train a detector on a folder of labelled photos. ``python train.py --help`` tells how."""

from __future__ import annotations

import time

STARTED = time.monotonic()  # --minutes counts from here

import argparse  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402
from dataclasses import asdict, dataclass, field, replace  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import TYPE_CHECKING, Any, NoReturn  # noqa: E402

from utils.cli import INTERRUPTED, OK, leave, parse, run, to_mapping  # noqa: E402
from utils.errors import UserError  # noqa: E402
from utils.quiet import import_tensorflow  # noqa: E402
from utils.training.config import TrainConfig  # noqa: E402
from utils.training.processor import has_bfloat16  # noqa: E402

ASK_EVERY = 8  # steps between two questions among hosts whether one was asked to stop

if TYPE_CHECKING:
    from utils.data.records import Dataset
    from utils.signals import StopRequest
    from utils.training.distribution import Cluster
    from utils.training.feed import Feed
    from utils.training.history import History
    from utils.training.phases import Phase
    from utils.training.run_directory import RunDirectory
    from utils.training.schedule import Plan
    from utils.training.trainer import Trainer

DESCRIPTION = """\
Train a detector on labelled photos.

The folder is taken as it is: Pascal VOC (Annotations/ and JPEGImages/ with or without
ImageSets/Main, a VOCdevkit, or photos and XML files side by side), COCO JSON, or YOLO txt. Without
split lists a tenth of the photos is held out for validation and two tenths for testing."""

EPILOG = """\
examples:
  python train.py --data photos --backbone efficientnet_lite0 --minutes 20
  python train.py --data photos --backbone efficientnet_lite0 --epochs 60 --out runs/mine
  python train.py --data VOCdevkit --split 2007:trainval,2012:trainval --epochs 40
  python train.py --out runs/mine --resume
  python train.py --data photos --check

then:
  python get_map.py --weights runs/mine/best.keras --data photos --split test
  python predict.py --weights runs/mine/best.keras new_photos/"""

MAX_BAD_STEPS = 20  # in a row whose loss is not finite
# Options that may differ when a run goes on: where, how long by the clock, and how often to save.
MAY_CHANGE = (
    "data", "out", "resume", "check", "fix", "preview", "device", "cache", "minutes", "patience",
    "save-every", "histograms",
)  # fmt: skip
RATES_AT_8 = {"adamw": 1e-3, "sgd": 1e-2}  # highest learning rate for batches of 8


def main(argv: list[str]) -> int | None:
    if "--backbone help" in " ".join(argv).replace("=", " "):
        print_backbones()
        return OK
    config = parse(TrainConfig, with_options_of_run(argv), DESCRIPTION, EPILOG)
    refuse_contradictions(config)
    if config.check:
        from utils.data.doctor import run_doctor

        size = {} if config.input_size == "auto" else {"input_size": config.input_size}
        run_doctor(config.data, **size, out=config.out, fix=config.fix)
        return OK

    # TensorFlow takes seconds to import: not before the options are known to be good.
    if config.fast_math is None:
        config = replace(config, fast_math=has_bfloat16())
    # Read when TensorFlow loads.
    os.environ["ONEDNN_DEFAULT_FPMATH_MODE"] = "BF16" if config.fast_math else "STRICT"
    import_tensorflow()
    from utils.training.distribution import host_was_lost

    try:
        train(config)
    except Exception as error:
        if host_was_lost(error):
            raise UserError(
                "another host has gone; start the job again on all of them with --resume"
            ) from error
        raise


def train(config: TrainConfig) -> NoReturn:
    """The whole run, in the order in which things happen; ends the process when it is done."""
    import cv2
    import keras

    from utils.checkpoint import load_checkpoint
    from utils.data.augment import augmentation
    from utils.signals import StopRequest
    from utils.training import build, plots
    from utils.training.data import (
        anchors_for,
        inherited,
        load_training_data,
        write_provenance,
    )
    from utils.training.distribution import is_chief, make_cluster
    from utils.training.exact import make_exact
    from utils.training.feed import Feed, training_samples
    from utils.training.freezing import synchronize_norms
    from utils.training.history import History
    from utils.training.optimizers import Optimizers
    from utils.training.phases import plan_phases
    from utils.training.precision import set_precision
    from utils.training.preview import write_preview
    from utils.training.run_directory import RunDirectory, next_free
    from utils.training.schedule import Plan
    from utils.training.state import assign_state, check_choices, read_state
    from utils.training.step import StepConfig
    from utils.training.trainer import Trainer

    # Where: the devices, and the run to go on with.
    directory, saved, arrays = None, {}, {}
    if config.resume and config.out.exists():
        directory = RunDirectory.open(config.out, resume=True, writes=is_chief())
        saved, arrays = read_state(config.out) if is_chief() else ({}, {})
    threads = make_exact(saved.get("threads")) if config.exact else None
    cluster = make_cluster(config.device)
    if config.exact and cluster.replicas > 1:
        raise UserError("--exact is promised for one device; choose it with --device")
    saved = cluster.broadcast_json(saved)
    before = saved.get("choices", {})  # what was chosen automatically holds
    cv2.setNumThreads(1)  # photos are read by several threads already
    keras.utils.set_random_seed(config.seed)
    set_precision(config.precision)

    # What to learn from, and the network. Whatever is wrong with the input is found out here,
    # before anything is written.
    checkpoint = load_checkpoint(config.weights) if config.weights else None
    train, val, chosen = load_training_data(config, checkpoint)
    input_size, size_note = cluster.broadcast_json(
        build.input_size_for(before.get("input size", config.input_size), checkpoint, train)
    )
    recipe = build.recipe_for(config)
    augment = augmentation(recipe.augment, config.augment)
    phases = plan_phases(
        input_size, augment, multi_scale=config.multi_scale, progressive=config.progressive
    )
    if config.preview:
        print(f"written to {write_preview(config, train, phases, recipe.fitted_canvas)}")
        leave(OK)
    with cluster.strategy.scope():
        if checkpoint:
            model, start_note = build.copied(checkpoint, input_size), f"from {config.weights}"
            anchors_note = "anchors: the checkpoint's"
        else:
            anchors, anchors_note = anchors_for(config.anchors, train, input_size, config.seed)
            model, start_note = build.new_detector(config, train.classes, input_size, anchors)
    pretrained = checkpoint is not None or config.backbone_weights != "none"
    if config.synchronized_norms:
        synchronize_norms(model)

    # How long, how fast, and what learns.
    largest = max(size for phase in phases for size in phase.sizes)
    batch_size, batch_note = cluster.broadcast_json(
        build.batch_size_for(
            before.get("batch size", config.batch_size), len(train), model, cluster, largest
        )
    )
    epochs, epochs_note = build.epochs_for(config, before.get("epochs"), len(train))
    samples, cache_note = training_samples(config, train, input_size, augment, phases, recipe)
    feed = Feed(samples, batch_size, shard=(cluster.host, cluster.hosts))
    plan = Plan(
        steps_per_epoch=feed.steps_per_epoch,
        epochs=epochs,
        seconds=config.minutes * 60 if config.minutes else None,
        freeze_epochs=config.freeze_epochs if pretrained else 0,
        frozen_share=recipe.frozen_share,
        started=STARTED,
        save_every=config.save_every,
    )
    optimizers = Optimizers(
        config.optimizer,
        # In proportion to the batch (Goyal et al., 2017), as far as that holds.
        rate=config.learning_rate or RATES_AT_8[config.optimizer] * min(batch_size, 16) / 8,
        backbone_rate=recipe.backbone_rate if pretrained else 1.0,
        decay=config.weight_decay,
    )
    turns = build.turns_for(before.get("turns", config.accumulate), batch_size, cluster)
    trainer = Trainer(
        model,
        optimizers,
        cluster,
        StepConfig(batch_size, turns, config.seed, recipe.loss, recipe.by_cost),
        precision=config.precision,
        pretrained=pretrained,
        recipe=recipe,
        synchronized_norms=config.synchronized_norms,
    )
    history = History()

    # The run directory, new or gone on with.
    directory = directory or RunDirectory.open(
        config.out or next_free(Path("runs/train"), config.data.resolve().name),
        resume=config.resume,
        writes=cluster.chief,
    )
    choices = {
        "options": lasting_options(config),
        "classes": model.classes,
        "anchors": model.anchors,
        "input size": input_size,
        "batch size": batch_size,
        "epochs": epochs,
        "recipe": asdict(recipe),
        "start": start_note,
        "phases": [asdict(phase) for phase in phases],
        "photos": dict(chosen.splits),
    }
    if not cluster.same(json.loads(json.dumps(choices))):
        raise UserError("the hosts have different options or photos; give all of them the same")
    if saved:
        check_choices(saved["choices"], choices)
        assign_state(directory.state, arrays, trainer.variables(), cluster)
        del arrays  # as large as the model and its optimisers
        history, plan.spent = History.from_saved(saved["history"]), saved["seconds"]
        plan.reached = saved["progress"]
        directory.log(f"going on after step {history.step}, epoch {history.epoch + 1}")
    elif config.resume:
        directory.log(f"nothing to resume in {directory.path}; starting afresh")
    if not saved:  # with this file and --resume the run goes on
        directory.write_config({**to_mapping(config), "out": str(directory.path), "resume": False})
    directory.log(
        f"{len(train)} training and {len(val)} validation photos ({chosen.train}; {chosen.val}), "
        f"{len(train.classes)} classes: {', '.join(train.classes)}"
    )
    directory.log_remarks([*chosen.notes, *train.notes, *val.notes])
    notes = (start_note, size_note, anchors_note, batch_note, epochs_note, cache_note)
    for note in filter(None, (*notes, build.unused_options(config))):
        directory.log(note)
    split_file = directory.split if cluster.chief else None
    facts = inherited(checkpoint, write_provenance(split_file, config, train, val, chosen))
    if cluster.chief:
        plots.draw_labels(directory.labels, train, model.anchors, input_size)
    directory.log(
        f"training {model.backbone_name} at {input_size}×{input_size} on {cluster.devices} for "
        f"{_length(plan)}; files go to {directory.path}"
    )

    # Training.
    model.metadata = {"training": to_mapping(config), **facts}
    if plan.seconds:
        plan.expect(*trainer.expected_times(val))
    plan.begin(history.step)
    with StopRequest() as stop:
        run = Run(config, trainer, feed, phases, plan, history, directory, cluster, stop)
        run.choices, run.threads = {**choices, "turns": turns}, threads
        status, over = OK, history.epoch > 0 and not history.losses and run.finished()
        if over:
            record_progress(run, drawn=True)  # it may have been killed before it had drawn all
        try:
            while not over:
                row = train_epoch(run)
                if row is None:
                    status = stop_early(run)
                    break
                over = run.progress() >= 1
                if over or run.agreed(plan.evaluation_due(history)):
                    evaluate(run, val)
                    over = run.finished()
                directory.log(_describe(row, plan, history))
                directory.write_events(row)
                if over or plan.saving_due():
                    record_progress(run, drawn=True)
        finally:
            for message in list(feed.unreadable.values()):
                directory.warn(f"{message}; other photos stood in for it")

    # What is left behind.
    if status == OK:
        close(run)
    # Not by returning: taking this function's network apart takes half a minute that nobody asked
    # for and that --minutes does not allow.
    leave(status)


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


def with_options_of_run(argv: list[str]) -> list[str]:
    """The arguments; for ``--resume``, before them the file of options that the run has written.

    So ``--out DIR --resume`` is enough, and what differs from the run is known to be asked for.
    """
    early = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    early.add_argument("--out", type=Path)
    early.add_argument("--config")
    early.add_argument("--resume", action="store_true")
    try:
        given, _ = early.parse_known_args(argv)
    except argparse.ArgumentError:  # what is wrong is said by the parser that knows all options
        return argv
    if not given.resume or given.config or not given.out:
        return argv
    own = given.out.expanduser() / "config.yaml"
    return ["--config", str(own), *argv] if own.is_file() else argv


def refuse_contradictions(config: TrainConfig) -> None:
    """
    Raises:
        UserError: options that do not go together.
    """
    if config.resume and config.out is None:
        raise UserError("--resume needs --out, the run directory to go on with")
    if config.only_listed and config.classes is None:
        raise UserError("--only-listed needs --classes, the list")
    if config.fix and not config.check:
        raise UserError("--fix needs --check, which finds what there is to fix")
    if config.synchronized_norms and (config.accumulate or 1) > 1:
        raise UserError("--synchronized-norms cannot see a whole batch that --accumulate divides")
    if config.exact and config.minutes:
        raise UserError("--exact cannot hold with --minutes: a clock is never exact; give --epochs")


def lasting_options(config: TrainConfig) -> dict[str, Any]:
    """The options that a resumed run must have in common with the one that it goes on with."""
    mapping = to_mapping(config)
    return {name: value for name, value in mapping.items() if name not in MAY_CHANGE}


def print_backbones() -> None:
    """``--backbone help``."""
    import_tensorflow()
    from nets.backbones.catalogue import catalogue, legend

    print(catalogue())
    print(legend())


def train_epoch(run: Run) -> dict | None:
    """Train to the end of the epoch, or of the run.

    Returns:
        The epoch's row of numbers; None when the run was asked to stop within it.
    """
    from utils.training.phases import phase_at
    from utils.training.progress import epoch_bar, show
    from utils.training.schedule import learning_rate

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
            losses = step_within_memory(run, batch, rate, phase.drop_strength)
            history.step += 1
            pending.append((history.step, batch, losses))
            if len(pending) > 1:
                note_losses(run, *pending.pop(0))
            show(bar, plan, history, feed)
        close_steps()
    photos = len(history.losses) * feed.batch_size
    return history.close_epoch(
        step=history.step,
        learning_rate=rate * trainer.optimizers.rates["head"],
        photos_per_second=photos / history.seconds,
        waiting_for_data=history.waited / history.seconds,
    )


def step_within_memory(run: Run, batch: tuple, rate: float, drop_strength: float) -> tuple:
    """One update; when memory runs out, again in more and smaller turns.

    Raises:
        UserError: a single photo at a time is too much.
    """
    import tensorflow as tf

    while True:
        try:
            return run.trainer.step(batch, run.history.step + 1, rate, drop_strength)
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


def evaluate(run: Run, val: Dataset) -> None:
    """Score the averaged weights on the validation photos; keep them if they are the best."""
    from utils.training.plots import val_predictions

    trainer, history, directory = run.trainer, run.history, run.directory
    began = time.monotonic()
    metrics, found = trainer.evaluate(val, on_unreadable=directory.warn)
    coco = metrics["coco"]
    history.rows[-1] |= {"AP": coco["AP"], "AP50": coco["AP50"], "AP75": coco["AP75"]}
    history.rows[-1] |= {f"AP/{k}": v for k, v in metrics["coco_classes"]["AP"].items()}
    if coco["AP"] < 0:
        directory.warn("the validation photos show no object; best.keras is simply the newest")
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
    from utils.training.plots import draw_curves
    from utils.training.state import save_state

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
    if run.out_of_patience():
        directory.log(f"stopped early: no better AP in {history.stale} evaluations")
    directory.log(
        f"done in {run.plan.elapsed() / 60:.1f} minutes: validation AP {_score(history.kept_ap)} "
        f"in epoch {history.best_epoch}, checkpoint {directory.best}"
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


def _describe(row: dict, plan: Plan, history: History) -> str:
    """The epoch as one line of the log."""
    from utils.training.progress import time_text

    of = f"/{plan.epochs}" if plan.epochs else ""
    loss = "not finite" if row["loss"] is None else f"{row['loss']:.3f}"
    text = f"epoch {row['epoch']}{of}: loss {loss}"
    if row["skipped_steps"]:
        text += f" ({row['skipped_steps']} steps skipped: loss not finite)"
    if "AP" in row:
        text += f", AP50 {_score(row['AP50'])}, AP {_score(row['AP'])}"
        if history.best_epoch == row["epoch"]:  # a later one that is as good, luck aside, is kept
            text += " (best so far)" if history.kept_ap >= history.best_ap else " (kept)"
    text += f", {row['photos_per_second']:.1f} photos/s"
    return f"{text}, {time_text(plan.seconds_left(history.step))} left"


def _score(value: float) -> str:
    return f"{value:.3f}" if value >= 0 else "–"


def _length(plan: Plan) -> str:
    parts = [f"{plan.epochs} epochs"] if plan.epochs else []
    parts += [f"{plan.seconds / 60:g} minutes"] if plan.seconds else []
    return " or ".join(parts)


if __name__ == "__main__":
    leave(run(main))
