"""The parts of a run, put together: detector, loader, schedule, trainer, run directory."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nets.yolo import YOLOv3
from utils.errors import UserError
from utils.files import next_free
from utils.memory import free_memory
from utils.runtime.distribution import Cluster
from utils.runtime.facts import Facts
from utils.tiling import Tiling
from utils.training import batch_norm
from utils.training.choices.batch_size import (
    MICRO_BATCH,
    choose_accumulation,
    choose_batch_size,
    fit_accumulation,
    micro_batch_of,
)
from utils.training.choices.kept_classes import unlabelled_text
from utils.training.choices.learning_rate import choose_learning_rates
from utils.training.choices.start import from_checkpoint, new_detector, starting_anchors
from utils.training.config import lasting_options
from utils.training.forgetting import old_classes
from utils.training.history import History
from utils.training.inputs import Inputs
from utils.training.loader import TrainingLoader, training_samples
from utils.training.numerics import needs_casts, rounds_convolutions
from utils.training.optimizers import Optimizers
from utils.training.resume import changed_weights_text, pseudo_labels_facts
from utils.training.run_directory import RunDirectory
from utils.training.run_parts import TrainingRun
from utils.training.schedule import Schedule
from utils.training.setup import Setup
from utils.training.state import STARTING_WEIGHTS, check_choices
from utils.training.step import StepConfig
from utils.training.trainer import Trainer
from utils.training.validation import SCORED_PHOTOS


@dataclass(frozen=True)
class StartingDetector:
    """The detector of a run before its first step.

    Attributes:
        model: on all devices.
        origin: a sentence on what its weights come from.
        notes: sentences for the log on what was chosen.
    """

    model: YOLOv3
    origin: str
    notes: tuple[str, ...]


@dataclass(frozen=True)
class BatchAndRates:
    """Batch size, accumulation steps and learning rates of a run.

    Attributes:
        batch_size: photos, on all devices together.
        accumulation_steps: parts in which each device computes its share of a batch.
        micro_batch: what is saved of them; see ``choices.batch_size.micro_batch_of``.
        rate: highest learning rate of pyramid and heads.
        backbone_rate_factor: the backbone's, as a factor on it.
        notes: sentences for the log on what was chosen.
    """

    batch_size: int
    accumulation_steps: int
    micro_batch: int
    rate: float
    backbone_rate_factor: float
    notes: tuple[str, ...]


def make_detector(setup: Setup, inputs: Inputs) -> StartingDetector:
    """Build the detector on all devices, and give it the weights that it starts from."""
    config, size = inputs.config, inputs.input_size
    with setup.cluster.strategy.scope():
        if inputs.checkpoint:
            origin = setup.saved_or("start", f"from {config.weights}")  # it may have moved
            model, notes = from_checkpoint(
                config, inputs.checkpoint, inputs.train_at_crop_size, inputs.checkpoint_ids, size
            )
            if inputs.kept:
                named = config.classes is not None
                notes.append(unlabelled_text(inputs.kept, classes_given=named))
            if inputs.pseudo_labels:
                photos = len(inputs.split.splits["train"])
                unlabelled = inputs.kept.unlabelled
                notes.append(inputs.pseudo_labels.text(inputs.train.classes, unlabelled, photos))
        else:
            anchors, anchors_note = starting_anchors(
                config.anchors, inputs.train_at_crop_size, size, config.seed
            )
            model, origin = new_detector(config, inputs.train.classes, size, anchors)
            origin = setup.saved_or("start", origin)  # heads were others in an older version
            notes = [origin, anchors_note]
    if config.sync_batch_norm:
        batch_norm.synchronize(model)
    return StartingDetector(model, origin, tuple(notes))


def assemble(
    setup: Setup, inputs: Inputs, detector: StartingDetector, started: float
) -> TrainingRun:
    """Choose batch and learning rates, and put loader, schedule, trainer and folder together."""
    config, cluster = inputs.config, setup.cluster
    chosen = choose_batch_and_rates(setup, inputs, detector.model)
    samples, cache_note = training_samples(
        config, inputs.train, inputs.input_size, inputs.augment, inputs.phases, inputs.aspect,
        inputs.recipe.augment_warmup_epochs, inputs.crops, inputs.repeats,
    )  # fmt: skip
    shard = (cluster.host, cluster.hosts)
    loader = TrainingLoader(samples, chosen.batch_size, shard, cluster.input_device)
    setup.at_end.enter_context(closing(loader))
    schedule = make_schedule(inputs, loader.steps_per_epoch, started)
    trainer = make_trainer(cluster, inputs, detector.model, chosen)
    choices = lasting_choices(inputs, detector, chosen)
    directory = _open_directory(setup, choices, inputs.repeats)
    record_choices(choices, setup, inputs, chosen, directory)
    return TrainingRun(
        config=config,
        trainer=trainer,
        loader=loader,
        phases=inputs.phases,
        schedule=schedule,
        history=History(),
        directory=directory,
        cluster=cluster,
        choices=choices,
        notes=(*inputs.notes, *detector.notes, setup.device_note, *chosen.notes, cache_note),
        threads=setup.threads,
        validation_photos=len(inputs.val),
        leaked_val_photos=len(inputs.split.trained_before.get("val", ())),
        old_classes=old_classes(detector.model.classes, inputs.checkpoint_ids),
    )


def choose_batch_and_rates(setup: Setup, inputs: Inputs, model: YOLOv3) -> BatchAndRates:
    """How many photos a step takes, in how many parts, and its learning rates.

    Raises:
        UserError: the batch cannot be divided among the devices, or into so many parts.
    """
    config, cluster = inputs.config, setup.cluster
    batch_size, batch_note = cluster.broadcast_json(
        choose_batch_size(
            setup.saved_or("batch size", config.batch_size),
            inputs.samples,
            model,
            cluster,
            largest=max(size for phase in inputs.phases for size in phase.sizes),
            free=cluster.reduce_min(free_memory()),
            resumed=setup.saved_or("batch size") is not None,
        )
    )
    if setup.saved:
        accumulation_steps, micro_batch = fit_accumulation(
            setup.saved["choices"], config.accumulate, batch_size, cluster
        )
        if accumulation_steps > 1:
            batch_note += f", each device's share in {accumulation_steps} parts"
    else:
        accumulation_steps = choose_accumulation(config.accumulate, batch_size, cluster)
        micro_batch = micro_batch_of(accumulation_steps, batch_size, cluster)
    rate, backbone_rate_factor, rates_note = choose_learning_rates(
        config,
        inputs.recipe,
        pretrained=inputs.pretrained,
        batch_size=batch_size,
        continued=None not in inputs.checkpoint_ids,
        saved=(setup.saved_or("learning rate"), setup.saved_or("backbone rate")),
    )
    return BatchAndRates(
        batch_size=batch_size,
        accumulation_steps=accumulation_steps,
        micro_batch=micro_batch,
        rate=rate,
        backbone_rate_factor=backbone_rate_factor,
        notes=(batch_note, rates_note),
    )


def make_schedule(inputs: Inputs, steps_per_epoch: int, started: float) -> Schedule:
    """The schedule of the run, whose process started at ``started`` on the monotonic clock."""
    config, recipe = inputs.config, inputs.recipe
    return Schedule(
        steps_per_epoch=steps_per_epoch,
        epochs=inputs.epochs,
        seconds=config.minutes * 60 if config.minutes else None,
        freeze_epochs=config.freeze_epochs if inputs.pretrained else 0,
        frozen_share=recipe.frozen_share,
        average_start_epoch=recipe.average_start_epoch,
        average_start=recipe.average_start,
        started=started,
        save_every=config.save_every,
    )


def make_trainer(cluster: Cluster, inputs: Inputs, model: YOLOv3, chosen: BatchAndRates) -> Trainer:
    """What makes the steps of the run."""
    config, recipe = inputs.config, inputs.recipe
    rounds = config.precision == "float32" and rounds_convolutions(
        config.fast_math, on_gpu=cluster.on_gpu
    )
    return Trainer(
        model,
        Optimizers(
            config.optimizer,
            rate=chosen.rate,
            backbone_rate_factor=chosen.backbone_rate_factor,
            decay=config.weight_decay,
        ),
        cluster,
        StepConfig(
            chosen.batch_size,
            chosen.accumulation_steps,
            config.seed,
            recipe.loss,
            recipe.simota,
            bfloat16_convolutions=rounds and needs_casts(),
        ),
        precision=config.precision,
        pretrained=inputs.pretrained,
        recipe=recipe,
        tiling=Tiling(inputs.tile or "off"),
        sync_batch_norm=config.sync_batch_norm,
    )


def lasting_choices(
    inputs: Inputs, detector: StartingDetector, chosen: BatchAndRates
) -> dict[str, Any]:
    """What hosts, and a run and the one that it resumes, must have in common; JSON values."""
    recipe = asdict(inputs.recipe)
    del recipe["rates"]  # the rate that follows from them stands beside it
    weights = inputs.config.weights
    return {
        "options": lasting_options(inputs.config),
        "classes": detector.model.classes,
        "anchors": detector.model.anchors,
        "tile": inputs.tile,
        "input size": inputs.input_size,
        "batch size": chosen.batch_size,
        "epochs": inputs.epochs,
        "learning rate": chosen.rate,
        "backbone rate": chosen.backbone_rate_factor,
        "recipe": recipe,
        "start": detector.origin,
        STARTING_WEIGHTS: weights and Facts.of_checkpoint(weights).weights_sha256,
        "phases": [asdict(phase) for phase in inputs.phases],
        "photos": dict(inputs.split.splits),
        "pseudo labels": pseudo_labels_facts(inputs),
    }


def record_choices(
    choices: dict[str, Any],
    setup: Setup,
    inputs: Inputs,
    chosen: BatchAndRates,
    directory: RunDirectory,
) -> None:
    """Set in ``choices`` what is saved with them but not compared when the run is resumed."""
    weights_now = choices[STARTING_WEIGHTS]
    began_with = setup.saved_or(STARTING_WEIGHTS, weights_now)
    if warning := changed_weights_text(inputs.config.weights, began_with, weights_now):
        directory.warn(warning)
    choices[STARTING_WEIGHTS] = began_with
    choices[MICRO_BATCH] = chosen.micro_batch  # a step that runs out of memory changes it
    # How many validation photos are scored is measured; None until then. Older versions scored all.
    every = len(inputs.val) if setup.saved else None
    choices[SCORED_PHOTOS] = setup.saved_or(SCORED_PHOTOS, every)


def _open_directory(setup: Setup, choices: dict[str, Any], repeats: np.ndarray) -> RunDirectory:
    """The run directory, new or resumed, once hosts and the saved state have the same choices.

    Hosts draw the same order of photos, so their labels must agree on which are seen more often.
    """
    config, cluster = setup.config, setup.cluster
    if not cluster.all_equal([json.loads(json.dumps(choices)), repeats.tolist()]):
        raise UserError("the hosts have different options or photos; give all of them the same")
    if setup.saved:
        check_choices(setup.saved["choices"], choices)
    if setup.directory:
        return setup.directory
    directory = RunDirectory.open(
        config.out or next_free(Path("runs/train"), config.data.resolve().name),
        resume=config.resume,
        writes=cluster.chief,
    )
    return setup.at_end.enter_context(closing(directory))
