"""Train a detector on a folder of labelled photos. ``python train.py --help`` tells how."""

from __future__ import annotations

import time

STARTED = time.monotonic()  # --minutes counts from here

import json  # noqa: E402
from dataclasses import asdict, replace  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import NoReturn  # noqa: E402

from utils.cli import OK, leave, parse, run, to_mapping  # noqa: E402
from utils.errors import UserError  # noqa: E402
from utils.quiet import import_tensorflow  # noqa: E402
from utils.training.config import TrainConfig  # noqa: E402
from utils.training.options import (  # noqa: E402
    lasting_options,
    refuse_contradictions,
    with_options_of_run,
)
from utils.training.processor import has_bfloat16, set_fast_math  # noqa: E402

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

    config = replace(config, fast_math=set_fast_math(config.fast_math))
    # TensorFlow takes seconds to import: not before the options are known to be good.
    import_tensorflow()
    from utils.runtime.distribution import host_was_lost

    try:
        train(config)
    except Exception as error:
        if host_was_lost(error):
            what = str(error).strip().partition("\n")[0][:200]
            raise UserError(
                "another host has gone; start the job again on all of them with --resume "
                f"(TensorFlow says: {what})"
            ) from error
        raise


def train(config: TrainConfig) -> NoReturn:
    """The whole run, in the order in which things happen; ends the process when it is done."""
    import cv2
    import keras

    from utils.checkpoint import load_checkpoint
    from utils.data.augment import augmentation
    from utils.data.batches.input_shape import training_shape
    from utils.files import next_free
    from utils.memory import free_memory
    from utils.runtime.distribution import is_chief, make_cluster
    from utils.signals import StopRequest
    from utils.training import build, curves
    from utils.training.data import (
        anchors_for,
        inherited,
        load_training_data,
        write_provenance,
    )
    from utils.training.epoch import train_epoch
    from utils.training.exact import make_exact, other_cores
    from utils.training.freezing import synchronize_norms
    from utils.training.history import History
    from utils.training.loader import Feed, training_samples, training_shares
    from utils.training.messages import epoch_text, learning_text, length_text
    from utils.training.optimizers import Optimizers
    from utils.training.phases import plan_phases
    from utils.training.precision import set_precision
    from utils.training.preview import write_preview
    from utils.training.run import (
        Run,
        close,
        evaluate,
        finish,
        record_progress,
        stop_early,
    )
    from utils.training.run_directory import RunDirectory
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
    config = replace(config, minutes=cluster.broadcast_json(config.minutes))  # the chief's clock
    before = saved.get("choices", {})  # what was chosen automatically holds
    cv2.setNumThreads(1)  # photos are read by several threads already
    keras.utils.set_random_seed(config.seed)
    set_precision(config.precision)

    # What to learn from, and the network. Whatever is wrong with the input is found out here,
    # before anything is written.
    checkpoint = load_checkpoint(config.weights) if config.weights else None
    train, val, chosen = load_training_data(config, checkpoint)
    recipe = build.recipe_for(config)
    augment = augmentation(recipe.augment, config.augment)
    shares = training_shares(train, augment, recipe.fitted_canvas)
    epochs, epochs_note = build.epochs_for(config, recipe, before.get("epochs"), len(train))
    asked_size = before.get("input size", config.input_size)
    input_size, size_note = cluster.broadcast_json(
        build.input_size_for(
            asked_size, checkpoint, train, shares, config, epochs, cluster.replicas
        )
    )
    phases = plan_phases(
        input_size,
        augment,
        multi_scale=config.multi_scale,
        progressive=config.progressive,
        closing_strength=recipe.closing_strength,
    )
    if config.preview:
        print(f"written to {write_preview(config, train, phases, shares)}")
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
    free = cluster.least(free_memory())
    batch_size, batch_note = cluster.broadcast_json(
        build.batch_size_for(
            before.get("batch size", config.batch_size), len(train), model, cluster, largest, free
        )
    )
    samples, cache_note = training_samples(
        config, train, input_size, augment, phases, shares, recipe.familiar
    )
    feed = Feed(samples, batch_size, shard=(cluster.host, cluster.hosts))
    plan = Plan(
        steps_per_epoch=feed.steps_per_epoch,
        epochs=epochs,
        seconds=config.minutes * 60 if config.minutes else None,
        freeze_epochs=config.freeze_epochs if pretrained else 0,
        frozen_share=recipe.frozen_share,
        settled_epochs=recipe.settled_epochs,
        settled_share=recipe.settled_share,
        started=STARTED,
        save_every=config.save_every,
    )
    rate, backbone_rate = build.learning_rates_for(
        config, recipe, pretrained, batch_size, len(train)
    )
    optimizers = Optimizers(
        config.optimizer, rate=rate, backbone_rate=backbone_rate, decay=config.weight_decay
    )
    learning_note = learning_text(plan, rate, backbone_rate, pretrained)
    turns = build.turns_for(before.get("turns", config.accumulate), batch_size, cluster)
    trainer = Trainer(
        model,
        optimizers,
        cluster,
        StepConfig(batch_size, turns, config.seed, recipe.loss, recipe.simota),
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
        "learning rate": rate,
        "backbone rate": backbone_rate,
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
        if config.exact and (change := other_cores(threads)):
            directory.warn(change)
    elif config.resume:
        directory.log(f"nothing to resume in {directory.path}; starting afresh")
    if not saved:  # with this file and --resume the run goes on
        directory.write_config({**to_mapping(config), "out": str(directory.path), "resume": False})
    directory.log(
        f"{len(train)} training and {len(val)} validation photos ({chosen.train}; {chosen.val}), "
        f"{len(train.classes)} classes: {', '.join(train.classes)}"
    )
    directory.log_remarks([*chosen.notes, *train.notes, *val.notes])
    picture = training_shape(input_size, shares)
    shape_note = f"training pictures of {picture.width}×{picture.height}, as the photos need"
    notes = (start_note, size_note, shape_note if picture.width != picture.height else "")
    notes += (anchors_note, batch_note, learning_note, epochs_note, cache_note)
    if config.fast_math and has_bfloat16() and cluster.devices.startswith("CPU"):
        notes += ("convolutions round their inputs to bfloat16 (--no-fast-math: they do not)",)
    for note in filter(None, (*notes, build.unused_options(config))):
        directory.log(note)
    split_file = directory.split if cluster.chief else None
    facts = inherited(checkpoint, write_provenance(split_file, config, train, val, chosen))
    if cluster.chief:
        curves.draw_labels(directory.labels, train, model.anchors, input_size)
    directory.log(
        f"training {model.backbone_name} at {input_size}×{input_size} on {cluster.devices} for "
        f"{length_text(plan)}; files go to {directory.path}"
    )

    # Training.
    found = ("input size", "batch size", "epochs", "learning rate", "backbone rate")
    model.metadata = {
        "training": to_mapping(config), "chosen": {name: choices[name] for name in found}, **facts
    }  # fmt: skip
    if plan.seconds:
        plan.expect(*trainer.expected_times(val))
    plan.begin(history.step)
    with StopRequest() as stop:
        run = Run(config, trainer, feed, phases, plan, history, directory, cluster, stop)
        run.choices, run.threads = {**choices, "turns": turns}, threads
        status, over = OK, history.epoch > 0 and not history.losses and run.finished()
        if over:  # it may have been killed before it had scored and drawn all
            if not history.finished:
                finish(run, val)
            record_progress(run, drawn=True)
        else:
            history.finished = False  # more --minutes may have been given to one that was
        try:
            while not over:
                row = train_epoch(run)
                if row is None:
                    status = stop_early(run)
                    break
                over = run.progress() >= 1
                if not over and run.agreed(plan.evaluation_due(history)):
                    evaluate(run, val)
                    over = run.finished()
                if over:
                    finish(run, val)
                directory.log(epoch_text(row, plan, history))
                directory.write_events(row)
                if over or plan.saving_due():
                    record_progress(run, drawn=True)
        finally:
            for message in list(feed.unreadable.values()):
                directory.warn(f"{message}; other photos stood in for it")
        if status == OK:
            close(run)

    # Not by returning: taking this function's network apart takes half a minute that nobody asked
    # for and that --minutes does not allow.
    leave(status)


def print_backbones() -> None:
    """``--backbone help``."""
    import_tensorflow()
    from nets.backbones.catalogue import catalogue, legend

    print(catalogue())
    print(legend())


if __name__ == "__main__":
    leave(run(main))
