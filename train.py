"""Train a detector on a folder of labelled photos. ``python train.py --help`` tells how."""

from __future__ import annotations

import time

STARTED = time.monotonic()  # --minutes counts from here

import math  # noqa: E402
import os  # noqa: E402
from dataclasses import asdict  # noqa: E402
from pathlib import Path  # noqa: E402

from utils.cli import INTERRUPTED, OK, leave, parse, run, to_mapping  # noqa: E402
from utils.errors import UserError  # noqa: E402
from utils.quiet import import_tensorflow  # noqa: E402
from utils.training.config import TrainConfig  # noqa: E402

DESCRIPTION = """\
Train a detector on photos labelled in Pascal VOC XML.

The folder is taken as it is: Annotations/ and JPEGImages/ with or without ImageSets/Main, a
VOCdevkit, or photos and XML files side by side. Without split lists a tenth of the photos is held
out for validation and two tenths for testing."""

EPILOG = """\
examples:
  python train.py --data photos --backbone efficientnet_lite0 --minutes 20
  python train.py --data photos --backbone efficientnet_lite0 --epochs 60 --out runs/mine
  python train.py --data VOCdevkit --split 2007:trainval,2012:trainval --epochs 40
  python train.py --config runs/mine/config.yaml --resume

then:
  python get_map.py --weights runs/mine/best.keras --data photos --split test
  python predict.py --weights runs/mine/best.keras new_photos/"""

DEFAULT_EPOCHS = 100
FEW_PHOTOS = 250  # below this, batches of 4 instead of 8: few photos need many steps
MAX_BAD_STEPS = 20  # in a row whose loss is not finite
RATES_AT_8 = {"adamw": 1e-3, "sgd": 1e-2}  # highest learning rate for batches of 8


def main(argv: list[str]) -> int:
    if "--backbone help" in " ".join(argv).replace("=", " "):
        print_backbones()
        return OK
    config = parse(TrainConfig, argv, DESCRIPTION, EPILOG)
    if config.resume and config.out is None:
        raise UserError("--resume needs --out, the run directory to go on with")
    if config.only_listed and config.classes is None:
        raise UserError("--only-listed needs --classes, the list")

    # TensorFlow takes seconds to import: not before the options are known to be good.
    if config.fast_math:
        os.environ["ONEDNN_DEFAULT_FPMATH_MODE"] = "BF16"  # read when TensorFlow loads
    import_tensorflow()
    import keras

    from utils.checkpoint import load_checkpoint
    from utils.data.augment import AUGMENTATIONS
    from utils.data.pipeline import TrainingSamples, training_batches
    from utils.detector import Detector
    from utils.training import build, plots
    from utils.training.data import (
        anchors_for,
        inherited,
        load_training_data,
        write_provenance,
    )
    from utils.training.device import use_device
    from utils.training.events import write_events
    from utils.training.history import History
    from utils.training.run_directory import RunDirectory, next_free
    from utils.training.schedule import Plan
    from utils.training.state import check_choices, load_state
    from utils.training.step import Optimizers
    from utils.training.trainer import Trainer

    device = use_device(config.device)
    keras.utils.set_random_seed(config.seed)

    # What to learn from, and the network. Whatever is wrong with the input is found out here,
    # before anything is written.
    checkpoint = load_checkpoint(config.weights) if config.weights else None
    input_size = build.input_size_for(config.input_size, checkpoint)
    train, val, chosen = load_training_data(config, checkpoint)
    if checkpoint:
        model, anchors_note = build.resized(checkpoint, input_size), "anchors: the checkpoint's"
    else:
        anchors, anchors_note = anchors_for(config.anchors, train, input_size, config.seed)
        model = build.new_detector(config, train.classes, input_size, anchors)

    # How long, how fast, and what learns.
    batch_size = config.batch_size or (4 if len(train) < FEW_PHOTOS else 8)
    pretrained = checkpoint is not None or config.backbone_weights != "none"
    plan = Plan(
        steps_per_epoch=math.ceil(len(train) / batch_size),
        epochs=config.epochs or (None if config.minutes else DEFAULT_EPOCHS),
        seconds=config.minutes * 60 if config.minutes else None,
        freeze_epochs=config.freeze_epochs if pretrained else 0,
        started=STARTED,
    )
    optimizers = Optimizers(
        config.optimizer,
        # In proportion to the batch (Goyal et al., 2017), as far as that holds.
        rate=config.learning_rate or RATES_AT_8[config.optimizer] * min(batch_size, 16) / 8,
        backbone_rate=config.backbone_rate if pretrained else 1.0,
        decay=config.weight_decay,
    )
    trainer = Trainer(model, optimizers, pretrained=pretrained, frozen_stages=config.frozen_stages)
    history = History()
    samples = TrainingSamples(train, input_size, config.seed, AUGMENTATIONS[config.augmentation])

    # The run directory, new or gone on with.
    directory = RunDirectory.open(
        config.out or next_free(Path("runs/train"), config.data.resolve().name),
        resume=config.resume,
    )
    choices = {
        "classes": model.classes,
        "anchors": model.anchors,
        "input size": input_size,
        "batch size": batch_size,
        "seed": config.seed,
        "augmentation": config.augmentation,
        "photos": dict(chosen.splits),
    }
    if config.resume and directory.state.exists():
        facts = load_state(directory.state, trainer.variables())
        check_choices(facts["choices"], choices)
        history, plan.spent = History(**facts["history"]), facts["seconds"]
        directory.log(f"going on after epoch {history.epoch}")
    elif config.resume:
        directory.log(f"nothing to resume in {directory.path}; starting afresh")
    # So that --config with this file and --resume go on with this run.
    directory.write_config({**to_mapping(config), "out": str(directory.path), "resume": False})
    directory.log(
        f"{len(train)} training and {len(val)} validation photos ({chosen.train}; {chosen.val}), "
        f"{len(train.classes)} classes: {', '.join(train.classes)}"
    )
    directory.log_remarks([*chosen.notes, *train.notes, *val.notes])
    directory.log(anchors_note)
    plots.draw_labels(directory.labels, train, model.anchors, input_size)
    model.metadata = {
        "training": to_mapping(config),
        **inherited(checkpoint, write_provenance(directory.split, config, train, val, chosen)),
    }
    directory.log(
        f"training {model.backbone_name} at {input_size}×{input_size} on {device} for "
        f"{_length(plan)}, batches of {batch_size}; files go to {directory.path}"
    )

    # Training.
    if plan.seconds:
        plan.expect(*trainer.expected_times(val))
    batches = iter(training_batches(samples, batch_size, first_step=history.step))
    plan.begin(history.step)
    over = directory.best.exists() and plan.progress(history.step) >= 1
    try:
        while not over:
            row = train_epoch(trainer, batches, samples, plan, history)
            over = plan.progress(history.step) >= 1
            if over or plan.evaluation_due(history):
                evaluate(trainer, val, plan, history, directory)
            directory.log(_describe(row, plan, history))
            write_events(directory.events, row)
            if over or plan.saving_due():
                record_progress(trainer, plan, history, directory, choices)
    except KeyboardInterrupt:
        trainer.save(directory.last)
        directory.warn(
            f"interrupted after epoch {history.epoch}; the weights of this moment are in "
            f"{directory.last}; to go on: --out {directory.path} --resume"
        )
        return INTERRUPTED
    finally:
        for message in list(samples.unreadable.values()):
            directory.warn(f"{message}; other photos stood in for it")

    # What is left behind.
    trainer.save(directory.last)
    plots.draw_val_predictions(directory.val_predictions, val, Detector(directory.best))
    directory.log(
        f"done in {plan.elapsed() / 60:.1f} minutes: validation AP {_score(history.best_ap)} in "
        f"epoch {history.best_epoch}, checkpoint {directory.best}"
    )
    return OK


def print_backbones() -> None:
    """``--backbone help``."""
    import_tensorflow()
    from nets.backbones.catalogue import catalogue, legend

    print(catalogue())
    print(legend())


def train_epoch(trainer, batches, samples, plan, history) -> dict:
    """Train to the end of the epoch, or of the run. Returns the epoch's row of numbers."""
    from tqdm import tqdm

    from utils.data.pipeline import next_batch
    from utils.training.schedule import learning_rate

    began, losses, photos, waited = time.monotonic(), [], 0, 0.0
    bar = tqdm(
        total=plan.steps_per_epoch,
        desc=f"epoch {history.epoch + 1}",
        unit="step",
        leave=False,
        dynamic_ncols=True,
        disable=None,  # no bar where nobody watches
    )
    with bar:
        for _ in range(plan.steps_per_epoch):
            progress = plan.progress(history.step)
            if progress >= 1 and losses:
                break
            trainer.set_backbone_frozen(plan.backbone_frozen(history.step, progress))
            asked = time.monotonic()
            batch = next_batch(batches, samples)
            waited += time.monotonic() - asked
            rate = learning_rate(progress)
            losses.append(trainer.step(batch, history.step + 1, rate))
            history.step += 1
            photos += len(batch[0])
            if not bar.disable and len(losses) % 5 == 1:  # reading a loss waits for the device
                total, box, objectness, classes = (float(x) for x in losses[-1])
                bar.set_postfix_str(
                    f"loss {total:.2f} (box {box:.2f}, objectness {objectness:.2f}, classes "
                    f"{classes:.2f}), {_time(plan.seconds_left(history.step))} left",
                    refresh=False,
                )
            bar.update()
    seconds = time.monotonic() - began
    row = history.close_epoch(
        losses,
        step=history.step,
        learning_rate=rate * trainer.optimizers.rates["head"],
        photos_per_second=photos / seconds,
        waiting_for_data=waited / seconds,
    )
    if history.bad_steps >= MAX_BAD_STEPS:
        raise UserError(
            f"the loss was not finite in the last {history.bad_steps} steps; start again with a "
            f"--learning-rate below {trainer.optimizers.rates['head']:g}"
        )
    return row


def evaluate(trainer, val, plan, history, directory) -> None:
    """Score the averaged weights on the validation photos; keep them if they are the best."""
    began = time.monotonic()
    metrics = trainer.evaluate(val, on_unreadable=directory.warn)
    coco = metrics["coco"]
    history.rows[-1] |= {"AP": coco["AP"], "AP50": coco["AP50"], "AP75": coco["AP75"]}
    history.rows[-1] |= {f"AP/{k}": v for k, v in metrics["coco_classes"]["AP"].items()}
    if coco["AP"] < 0:
        directory.warn("the validation photos show no object; best.keras is simply the newest")
    if history.is_best(coco["AP"]):
        trainer.save(directory.best)
    plan.note_evaluation(time.monotonic() - began)


def record_progress(trainer, plan, history, directory, choices) -> None:
    """Write down what ``--resume`` needs, the table and the curves."""
    from utils.training.plots import draw_curves
    from utils.training.state import save_state

    facts = {"history": asdict(history), "seconds": plan.elapsed(), "choices": choices}
    save_state(directory.state, trainer.variables(), facts)
    directory.write_metrics(history.rows)
    draw_curves(directory.curves, history.rows)
    plan.note_saving()


def _describe(row, plan, history) -> str:
    """The epoch as one line of the log."""
    of = f"/{plan.epochs}" if plan.epochs else ""
    text = f"epoch {row['epoch']}{of}: loss {row['loss']:.3f}"
    if row["skipped_steps"]:
        text += f" ({row['skipped_steps']} steps skipped: loss not finite)"
    if "AP" in row:
        text += f", AP50 {_score(row['AP50'])}, AP {_score(row['AP'])}"
        text += " (best so far)" if history.best_epoch == row["epoch"] else ""
    text += f", {row['photos_per_second']:.1f} photos/s"
    return f"{text}, {_time(plan.seconds_left(history.step))} left"


def _score(value: float) -> str:
    return f"{value:.3f}" if value >= 0 else "–"


def _length(plan) -> str:
    parts = [f"{plan.epochs} epochs"] if plan.epochs else []
    parts += [f"{plan.seconds / 60:g} minutes"] if plan.seconds else []
    return " or ".join(parts)


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "unknown time"
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


if __name__ == "__main__":
    leave(run(main))
