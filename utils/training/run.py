"""A training run from its options to its checkpoints: ``train`` and its stages, in order."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2
import keras
import numpy as np

from nets.yolo import YOLOv3
from utils.checkpoint import load_checkpoint
from utils.cli import to_mapping
from utils.data.augment import AugmentConfig, augmentation
from utils.data.batches.crops import LEAST_VISIBLE, Crops, as_crops_show
from utils.data.batches.sample_sheet import draw_sample_sheet
from utils.data.batches.samples import TrainingSamples
from utils.data.datasets import SplitInfo
from utils.data.records import Dataset
from utils.data.trained_sizes import trained_sizes
from utils.errors import UserError
from utils.files import check_clock, next_free
from utils.memory import free_memory
from utils.runtime.distribution import Cluster, host_was_lost, is_chief, make_cluster
from utils.signals import StopRequest
from utils.text import counted
from utils.tiling import SIZES_KEY, Tiling
from utils.training import batch_norm, curves
from utils.training.choices.aspect import choose_aspect, shape_text
from utils.training.choices.batch_size import choose_accumulation, choose_batch_size
from utils.training.choices.classes import Sources, match_classes
from utils.training.choices.kept_classes import KeptClasses, unlabelled_text
from utils.training.choices.learning_rate import choose_learning_rates
from utils.training.choices.neck import choose_neck
from utils.training.choices.network import Network, Saved, choose_network
from utils.training.choices.phases import Phase, choose_phases, strongest_phase
from utils.training.choices.recipes import Recipe, choose_recipe
from utils.training.choices.start import (
    check_network,
    from_checkpoint,
    new_detector,
    origins,
    starting_anchors,
)
from utils.training.choices.tile import choose_tile, crops_text, tile_facts
from utils.training.config import TrainConfig, lasting_options, unused_options
from utils.training.data import (
    inherited,
    leak_warnings,
    load_training_data,
    pixel_range_facts,
    with_kept_classes,
    write_provenance,
)
from utils.training.forgetting import measured_classes, not_measured_text, old_classes
from utils.training.history import History
from utils.training.loader import TrainingLoader, training_samples
from utils.training.loop import Run, score_start, train_to_end
from utils.training.numerics import (
    changed_cores,
    has_bfloat16,
    make_deterministic,
    needs_casts,
    set_precision,
)
from utils.training.optimizers import Optimizers
from utils.training.pseudo_labels import PseudoLabels, find_objects
from utils.training.reporting import length_text
from utils.training.run_directory import RunDirectory
from utils.training.schedule import Schedule
from utils.training.state import assign_state, check_choices, made_longer, read_state
from utils.training.step import StepConfig
from utils.training.trainer import Trainer

MOST_FOR_START = 0.05  # share of the minutes of a run that scoring its start may take


@dataclass(frozen=True)
class TrainResult:
    """The outcome of a run.

    Attributes:
        path: the run directory.
        best, last: its checkpoints.
        ap: validation AP of ``best``; −1 without one.
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
    interrupted: bool
    history: list[dict[str, Any]] = field(repr=False)
    run: Run | None = field(repr=False, default=None)

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
        model, start = make_detector(setup, inputs)
        run = assemble(setup, inputs, model, start, started)
        run.on_epoch = on_epoch
        restore(setup, inputs, run)
        announce(setup, inputs, run)
        affordable = True
        if run.schedule.seconds:
            times = run.trainer.expected_times(inputs.val)
            run.schedule.expect(*times)
            affordable = times[0] < MOST_FOR_START * run.schedule.seconds
        comparable = not measured_classes(inputs.val).isdisjoint(run.old_classes)
        if comparable and not run.history.step and run.broadcast(affordable):
            score_start(run, inputs.val)
        run.schedule.begin(run.history.step)
        with StopRequest() as run.stop:  # from here on a signal ends the run after its step
            finished = train_to_end(run, inputs.val)
    return TrainResult(
        path=run.directory.path,
        best=run.directory.best,
        last=run.directory.last,
        ap=run.history.kept_ap,
        epoch=run.history.best_epoch,
        interrupted=not finished,
        history=[dict(row) for row in run.history.rows],
        run=run,
    )


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
        crops=inputs.crops,
    )  # fmt: skip
    folder = config.out or Path("runs/preview") / config.data.resolve().name
    path = folder / "preview.jpg"
    draw_sample_sheet(path, samples, batch_size=8, batches=2, input_sizes=phase.sizes)
    return path


# The stages of ``train``, in order -----------------------------------------------------------


@dataclass(frozen=True)
class Setup:
    """Where a run computes, and what it resumes.

    Attributes:
        config: the options, with the neck that was chosen; --minutes are the chief's.
        cluster: the devices.
        threads: of each operation, where the run is exact.
        directory: of the run that is resumed, locked; None for a new run.
        saved: facts of the saved state, on all hosts; empty for a new run.
        arrays: of the saved state, on the chief.
        at_end: unlocks the run directory when the run ends, or fails.
        notes: sentences for the log on what was chosen.
    """

    config: TrainConfig
    cluster: Cluster
    threads: int | None
    directory: RunDirectory | None
    saved: dict[str, Any]
    arrays: dict[str, np.ndarray]
    at_end: ExitStack
    notes: list[str] = field(default_factory=list)

    def saved_choice(self, name: str, asked: Any = None) -> Any:
        """The choice of the run that is resumed; what the options ask for in a new run."""
        return self.saved.get("choices", {}).get(name, asked)


@dataclass(frozen=True)
class Inputs:
    """The data of a run, and what is chosen before there is a network.

    Attributes:
        config: the options, with the backbone that was chosen.
        checkpoint: that the run starts from.
        sources: for each class its index in the checkpoint; None for a class that is new.
        train, val: the photos; with ``--keep-classes`` those for training with pseudo labels too.
        kept: the classes with ``--keep-classes``; None without.
        pseudo_labels: None where the photos label all classes.
        crops: of the training photos; None where they are shown whole.
        aspect: the part of the square network input that training pictures take.
    """

    config: TrainConfig
    checkpoint: YOLOv3 | None
    sources: Sources
    train: Dataset
    val: Dataset
    split: SplitInfo
    recipe: Recipe
    augment: AugmentConfig
    aspect: tuple[float, float]
    epochs: int
    input_size: int
    phases: tuple[Phase, ...]
    kept: KeptClasses | None = None
    pseudo_labels: PseudoLabels | None = None
    crops: Crops | None = None

    @property
    def shown(self) -> Dataset:
        """The training photos with the sizes of what is shown of them, for choices by size."""
        return as_crops_show(self.train, self.crops.side) if self.crops else self.train

    @property
    def samples(self) -> int:
        """Photos, or crops, in an epoch."""
        return len(self.crops or self.train)

    @property
    def tile(self) -> int | None:
        """Side of the crops in pixels of the photos."""
        return self.crops.side if self.crops else None


def set_up(config: TrainConfig, at_end: ExitStack) -> Setup:
    """Read the run to resume, if any, and choose the devices, before anything is computed."""
    check_clock()
    directory, saved, arrays = None, {}, {}
    if config.resume and config.out.exists():
        directory = RunDirectory.open(config.out, resume=True, writes=is_chief())
        at_end.enter_context(closing(directory))
        saved, arrays = read_state(config.out) if is_chief() else ({}, {})
    threads = make_deterministic(saved.get("threads")) if config.exact else None
    cluster = make_cluster(config.device)
    if config.exact and cluster.replicas > 1:
        raise UserError("--exact is promised for one device; choose it with --device")
    saved = cluster.broadcast_json(saved)
    saved, minutes = made_longer(saved, config.epochs, cluster.broadcast_json(config.minutes))
    config = replace(config, minutes=minutes)
    of_run = saved.get("choices", {}).get("options", {})
    config = replace(config, neck=choose_neck(config, of_run.get("neck")))
    cv2.setNumThreads(1)  # several threads read photos already
    keras.utils.set_random_seed(config.seed)
    set_precision(config.precision)
    return Setup(config, cluster, threads, directory, saved, arrays, at_end)


def choose_inputs(setup: Setup) -> Inputs:
    """Load the data, and choose what depends on it. Most input errors are found here."""
    config, cluster = setup.config, setup.cluster
    checkpoint = load_checkpoint(config.weights) if config.weights else None
    if checkpoint and not setup.saved:
        check_network(config, checkpoint)
    train, val, split = load_training_data(config, checkpoint)
    sources: Sources = (None,) * len(train.classes)
    if checkpoint:
        sources = match_classes(checkpoint.classes, train.classes, config.rename)
    kept, pseudo_labels = None, None
    if checkpoint and config.keep_classes:
        train, val, kept = with_kept_classes(config, checkpoint, train, val, sources)
        sources = kept.sources
        pseudo_labels = label_kept_classes(setup, train, kept)
    if pseudo_labels:
        train = pseudo_labels.added_to(train)
    continued = None not in sources
    recipe = choose_recipe(config, continued=continued)
    tile, tile_note = choose_tile(
        config.tile, train, checkpoint.input_size if checkpoint and config.input_size == "auto"
        else config.input_size,
    )  # fmt: skip
    tile = setup.saved_choice("tile", tile)
    crops = Crops.of(train, tile) if tile else None
    shown = as_crops_show(train, tile) if tile else train
    cut = (f"min_visible={LEAST_VISIBLE}",) if tile else ()
    augment = augmentation(recipe.augment, (*cut, *config.augment))
    aspect = choose_aspect(shown, augment, rectangular=recipe.rectangular)
    network = choose_network(
        config,
        recipe,
        checkpoint,
        shown,
        len(crops or train),
        aspect,
        saved=Saved(
            setup.saved_choice("options", {}).get("backbone"),
            setup.saved_choice("input size"),
            setup.saved_choice("epochs"),
        ),
        continued=continued,
        replicas=cluster.replicas,
    )
    network = Network(*cluster.broadcast_json(network))  # speed differs from host to host
    phases = choose_phases(
        network.input_size,
        augment,
        multi_scale=config.multi_scale,
        progressive=config.progressive,
        final_strength=recipe.final_strength,
    )
    setup.notes.extend(
        [
            tile_note,
            crops_text(crops, len(train)) if crops else "",
            *network.notes,
            shape_text(network.input_size, aspect),
        ]
    )
    return Inputs(
        replace(config, backbone=network.backbone), checkpoint, sources, train, val, split, recipe,
        augment, aspect, network.epochs, network.input_size, phases, kept, pseudo_labels, crops,
    )  # fmt: skip


def label_kept_classes(setup: Setup, train: Dataset, kept: KeptClasses) -> PseudoLabels | None:
    """Pseudo labels for the classes that the training photos do not label.

    A resumed run has those that it began with. None where the photos label all classes, or where
    they did when the run began, which ``check_choices`` refuses.
    """
    if not kept.unlabelled or (setup.saved and not setup.saved_choice("pseudo labels")):
        return None
    if setup.saved:
        chief = setup.cluster.chief  # the folder may be on its disk only
        labels = asdict(PseudoLabels.read(setup.directory.pseudo_labels)) if chief else None
        return PseudoLabels(**setup.cluster.broadcast_json(labels))
    return find_objects(
        setup.config.weights,
        train,
        {kept.sources[class_id]: class_id for class_id in reversed(kept.unlabelled)},
        setup.cluster,
        seed=setup.config.seed,
        minutes=setup.config.minutes,
    )


def make_detector(setup: Setup, inputs: Inputs) -> tuple[YOLOv3, str]:
    """The detector to train, on all devices, and a sentence on what it starts from."""
    config, size = inputs.config, inputs.input_size
    with setup.cluster.strategy.scope():
        if inputs.checkpoint:
            start = f"from {config.weights}"
            model, notes = from_checkpoint(
                config, inputs.checkpoint, inputs.shown, inputs.sources, size
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
                config.anchors, inputs.shown, size, config.seed
            )
            model, start = new_detector(config, inputs.train.classes, size, anchors)
            start = setup.saved_choice("start", start)  # heads were others in an older version
            notes = [start, anchors_note]
    if config.sync_batch_norm:
        batch_norm.synchronize(model)
    setup.notes.extend(notes)
    return model, start


def assemble(setup: Setup, inputs: Inputs, model: YOLOv3, start: str, started: float) -> Run:
    """Choose batch and learning rates, and put loader, schedule, trainer and folder together."""
    config, cluster, recipe = inputs.config, setup.cluster, inputs.recipe
    photos = inputs.samples
    pretrained = inputs.checkpoint is not None or config.backbone_weights != "none"
    batch_size, batch_note = cluster.broadcast_json(
        choose_batch_size(
            setup.saved_choice("batch size", config.batch_size),
            photos,
            model,
            cluster,
            largest=max(size for phase in inputs.phases for size in phase.sizes),
            free=cluster.reduce_min(free_memory()),
        )
    )
    samples, cache_note = training_samples(
        config, inputs.train, inputs.input_size, inputs.augment, inputs.phases, inputs.aspect,
        recipe.augment_warmup_epochs, inputs.crops,
    )  # fmt: skip
    shard = (cluster.host, cluster.hosts)
    loader = TrainingLoader(samples, batch_size, shard, cluster.input_device)
    schedule = Schedule(
        steps_per_epoch=loader.steps_per_epoch,
        epochs=inputs.epochs,
        seconds=config.minutes * 60 if config.minutes else None,
        freeze_epochs=config.freeze_epochs if pretrained else 0,
        frozen_share=recipe.frozen_share,
        average_start_epoch=recipe.average_start_epoch,
        average_start=recipe.average_start,
        started=started,
        save_every=config.save_every,
    )
    rate, backbone_rate, rates_note = choose_learning_rates(
        config,
        recipe,
        pretrained=pretrained,
        batch_size=batch_size,
        photos=photos,
        continued=None not in inputs.sources,
    )
    accumulation_steps = choose_accumulation(
        setup.saved_choice("accumulation steps", config.accumulate), batch_size, cluster
    )
    trainer = Trainer(
        model,
        Optimizers(
            config.optimizer, rate=rate, backbone_rate=backbone_rate, decay=config.weight_decay
        ),
        cluster,
        StepConfig(
            batch_size,
            accumulation_steps,
            config.seed,
            recipe.loss,
            recipe.simota,
            narrow=config.precision == "float32"
            and rounds_convolutions(config, cluster)
            and needs_casts(),
        ),
        precision=config.precision,
        pretrained=pretrained,
        recipe=recipe,
        tiling=Tiling(inputs.tile or "off"),
        sync_batch_norm=config.sync_batch_norm,
    )
    setup.notes.extend([batch_note, rates_note, cache_note])
    choices = {
        "options": lasting_options(config),
        "classes": model.classes,
        "anchors": model.anchors,
        "tile": inputs.tile,
        "input size": inputs.input_size,
        "batch size": batch_size,
        "epochs": inputs.epochs,
        "learning rate": rate,
        "backbone rate": backbone_rate,
        "recipe": asdict(recipe),
        "start": start,
        "phases": [asdict(phase) for phase in inputs.phases],
        "photos": dict(inputs.split.splits),
        "pseudo labels": pseudo_labels_facts(inputs),
    }
    directory = open_directory(setup, choices)
    # Not compared with the saved choices: a step that runs out of memory changes it.
    choices["accumulation steps"] = accumulation_steps
    return Run(
        config, trainer, loader, inputs.phases, schedule, History(), directory, cluster, choices,
        setup.threads, len(inputs.split.trained_before.get("val", ())),
        old_classes(model.classes, inputs.sources),
    )  # fmt: skip


def rounds_convolutions(config: TrainConfig, cluster: Cluster) -> bool:
    """Whether convolutions round their inputs to bfloat16."""
    return bool(config.fast_math) and has_bfloat16() and cluster.devices.startswith("CPU")


def pseudo_labels_facts(inputs: Inputs) -> dict[str, Any] | None:
    """What the pseudo labels of a resumed run must have in common with those it began with."""
    if not inputs.kept or not inputs.kept.unlabelled:
        return None
    return {
        "classes": [inputs.kept.classes[i] for i in inputs.kept.unlabelled],
        "digest": inputs.pseudo_labels.digest() if inputs.pseudo_labels else None,
    }


def open_directory(setup: Setup, choices: dict[str, Any]) -> RunDirectory:
    """The run directory, new or resumed, once hosts and the saved state have the same choices."""
    config, cluster = setup.config, setup.cluster
    if not cluster.all_equal(json.loads(json.dumps(choices))):
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


def restore(setup: Setup, inputs: Inputs, run: Run) -> None:
    """Continue from the saved state, or write down options and pseudo labels of a new run."""
    saved, directory = setup.saved, run.directory
    if saved:
        assign_state(directory.state, setup.arrays, run.trainer.variables(), setup.cluster)
        setup.arrays.clear()  # as large as the model and its optimizers
        run.history = History(**saved["history"])
        run.schedule.seconds_before = saved["seconds"]
        run.schedule.progress_before = saved["progress"]
        run.schedule.base_step = run.history.base_step
        directory.log(f"resuming after step {run.history.step}, epoch {run.history.epoch + 1}")
        if 0 < run.history.step == run.history.base_step:  # it has just been made longer
            directory.log(f"the finished run goes on for {length_text(run.schedule)} in all")
            directory.write_config(
                {**to_mapping(inputs.config), "out": str(directory.path), "resume": False}
            )
        if setup.threads and (change := changed_cores(setup.threads)):
            directory.warn(change)
        return
    if setup.config.resume:
        directory.log(f"nothing to resume in {directory.path}; starting a new run")
    if inputs.pseudo_labels and directory.writes:
        inputs.pseudo_labels.save(directory.pseudo_labels)
    directory.write_config(
        {**to_mapping(inputs.config), "out": str(directory.path), "resume": False}
    )


def announce(setup: Setup, inputs: Inputs, run: Run) -> None:
    """Log what was chosen and why; draw the labels; give checkpoints their metadata."""
    config, cluster, directory, model = run.config, run.cluster, run.directory, run.trainer.model
    train, val, split = inputs.train, inputs.val, inputs.split
    directory.log(
        f"{len(train)} training and {len(val)} validation photos ({split.train}; {split.val}), "
        f"{counted(len(train.classes), 'class', 'classes')}: {', '.join(train.classes)}"
    )
    for warning in leak_warnings(inputs.checkpoint, split, len(val)):
        directory.warn(warning)
    directory.log_remarks([*split.notes, *train.notes, *val.notes])
    notes = [*setup.notes, train.pixel_ranges.sentence(), unused_options(config)]
    if run.old_classes or inputs.kept:
        notes.append(not_measured_text(val, inputs.sources))
    if rounds_convolutions(config, cluster):
        notes.append("convolutions round their inputs to bfloat16 (--no-fast-math: float32)")
    for note in filter(None, notes):
        directory.log(note)
    if cluster.chief:
        curves.draw_labels(directory.labels, inputs.shown, model.anchors, inputs.input_size)
    directory.log(
        f"training {model.backbone_name} at {inputs.input_size}×{inputs.input_size} on "
        f"{cluster.devices} for {length_text(run.schedule)}; files go to {directory.path}"
    )
    split_file = directory.split if cluster.chief else None
    unlabelled = inputs.kept.unlabelled if inputs.kept else ()
    chosen = ("input size", "batch size", "epochs", "learning rate", "backbone rate")
    sizes = trained_sizes(train, inputs.input_size, inputs.tile)
    model.metadata = {
        "training": to_mapping(config),
        "chosen": {name: run.choices[name] for name in chosen},
        **tile_facts(inputs.tile),
        **pixel_range_facts(inputs.checkpoint, train),
        **({SIZES_KEY: sizes.to_metadata()} if sizes else {}),
        "class_origins": origins(config, inputs.checkpoint, train.classes, inputs.sources),
        "pseudo_labelled": [model.classes[i] for i in unlabelled],
        **inherited(inputs.checkpoint, write_provenance(split_file, config, train, val, split)),
    }


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
        what = str(error).strip().partition("\n")[0][:200]
        raise UserError(
            "another host has gone; start the job again on all of them with --resume "
            f"(TensorFlow says: {what})"
        ) from error
