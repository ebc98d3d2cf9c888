"""The data of a run and what is chosen by it, before there is a network: the second stage."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

import numpy as np

from nets.yolo import YOLOv3
from utils.checkpoint import load_checkpoint
from utils.data.augment import AugmentConfig, augmentation
from utils.data.batches.crops import MIN_VISIBLE, Crops, limited_to_crop_size
from utils.data.batches.repeats import repeat_factors, repeats_text
from utils.data.datasets import SplitInfo
from utils.data.records import Dataset
from utils.tiling import Tiling
from utils.training.choices.aspect import choose_aspect, shape_text
from utils.training.choices.classes import CheckpointIds, match_classes
from utils.training.choices.kept_classes import KeptClasses
from utils.training.choices.network import Network, Saved, choose_network
from utils.training.choices.phases import Phase, choose_phases, with_saved_sizes
from utils.training.choices.recipes import Recipe, choose_recipe
from utils.training.choices.start import check_network
from utils.training.choices.tile import choose_tile, crops_text
from utils.training.config import TrainConfig
from utils.training.data import load_training_data, with_kept_classes
from utils.training.pseudo_labels import PseudoLabels, make_pseudo_labels
from utils.training.setup import Setup


@dataclass(frozen=True)
class Inputs:
    """The data of a run, and what is chosen before there is a network.

    Attributes:
        config: the options, with the backbone that was chosen.
        checkpoint: that the run starts from.
        checkpoint_ids: for each class its index in the checkpoint; None for a class that is new.
        train, val: the photos; with ``--keep-classes`` those for training with pseudo labels too.
        kept: the classes with ``--keep-classes``; None without.
        pseudo_labels: None where the photos label all classes.
        repeats: how often each photo, or crop, is seen, relative to the others.
        crops: of the training photos; None where they are shown whole.
        aspect: the part of the square network input that training pictures take.
        notes: sentences for the log on what was chosen.
    """

    config: TrainConfig
    checkpoint: YOLOv3 | None
    checkpoint_ids: CheckpointIds
    train: Dataset
    val: Dataset
    split: SplitInfo
    recipe: Recipe
    augment: AugmentConfig
    aspect: tuple[float, float]
    epochs: int
    input_size: int
    phases: tuple[Phase, ...]
    repeats: np.ndarray
    kept: KeptClasses | None = None
    pseudo_labels: PseudoLabels | None = None
    crops: Crops | None = None
    notes: tuple[str, ...] = ()

    @property
    def pretrained(self) -> bool:
        """Whether the backbone starts from trained weights."""
        return self.checkpoint is not None or self.config.backbone_weights != "none"

    @property
    def train_at_crop_size(self) -> Dataset:
        """The training photos; with crops, no record is larger than a crop.

        For choices by object size only: its images are not read.
        """
        return _at_crop_size(self.train, self.tile)

    @property
    def samples(self) -> int:
        """Photos, or crops, in an epoch."""
        return len(self.crops or self.train)

    @property
    def tile(self) -> int | None:
        """Side of the crops in pixels of the photos."""
        return self.crops.side if self.crops else None


@dataclass(frozen=True)
class _Data:
    """What is loaded before anything is chosen; see ``Inputs``.

    Attributes:
        own_labels: the training photos without pseudo labels.
    """

    checkpoint: YOLOv3 | None
    checkpoint_ids: CheckpointIds
    train: Dataset
    own_labels: Dataset
    val: Dataset
    split: SplitInfo
    kept: KeptClasses | None = None
    pseudo_labels: PseudoLabels | None = None


def choose_inputs(setup: Setup) -> Inputs:
    """Load the data, and choose what depends on it. Most input errors are found here."""
    config = setup.config
    data = _load_data(setup)
    tile, tile_note = _tile_of_run(setup, data)
    if data.checkpoint and config.keep_classes:
        data = _keep_classes(setup, data, Tiling(tile or "off"))
    continued = None not in data.checkpoint_ids
    recipe = _recipe_of_run(setup, continued)
    repeats = repeat_factors(data.own_labels, recipe.repeat_threshold)  # of each photo
    crops = Crops.of(data.train, tile) if tile else None
    train_at_crop_size = _at_crop_size(data.train, tile)
    cut = (f"min_visible={MIN_VISIBLE}",) if tile else ()
    augment = augmentation(recipe.augment, (*cut, *config.augment))
    aspect = choose_aspect(train_at_crop_size, augment, rectangular=recipe.rectangular)
    network = choose_network(
        config,
        recipe,
        data.checkpoint,
        train_at_crop_size,
        len(crops or data.train),
        aspect,
        saved=Saved(
            setup.saved_or("options", {}).get("backbone"),
            setup.saved_or("input size"),
            setup.saved_or("epochs"),
        ),
        continued=continued,
        replicas=setup.cluster.replicas,
        validation_photos=len(data.val),
    )
    network = Network(*setup.cluster.broadcast_json(network))  # speed differs from host to host
    phases = choose_phases(
        network.input_size,
        augment,
        multi_scale=config.multi_scale,
        progressive=config.progressive,
        final_strength=recipe.final_strength,
    )
    return Inputs(
        config=replace(config, backbone=network.backbone),
        checkpoint=data.checkpoint,
        checkpoint_ids=data.checkpoint_ids,
        train=data.train,
        val=data.val,
        split=data.split,
        recipe=recipe,
        augment=augment,
        aspect=aspect,
        epochs=network.epochs,
        input_size=network.input_size,
        phases=with_saved_sizes(phases, setup.saved_or("phases", ())),
        kept=data.kept,
        pseudo_labels=data.pseudo_labels,
        crops=crops,
        repeats=repeats[crops.photos] if crops else repeats,
        notes=(
            tile_note,
            crops_text(crops, len(data.train)) if crops else "",
            *network.notes,
            shape_text(network.input_size, aspect),
            repeats_text(repeats),
        ),
    )


def _load_data(setup: Setup) -> _Data:
    """The checkpoint that the run starts from, the photos, and which classes they share."""
    config = setup.config
    checkpoint = load_checkpoint(config.weights) if config.weights else None
    if checkpoint and not setup.saved:
        check_network(config, checkpoint)
    train, val, split = load_training_data(config, checkpoint)
    checkpoint_ids: CheckpointIds = (None,) * len(train.classes)
    if checkpoint:
        checkpoint_ids = match_classes(checkpoint.classes, train.classes, config.rename)
    return _Data(checkpoint, checkpoint_ids, train, train, val, split)


def _tile_of_run(setup: Setup, data: _Data) -> tuple[int | None, str]:
    """The side of the crops in pixels of the photos, None for whole photos; and a sentence why."""
    input_size = setup.config.input_size
    if data.checkpoint and input_size == "auto":
        input_size = data.checkpoint.input_size
    tile, note = choose_tile(setup.config.tile, data.train, input_size)
    return setup.saved_or("tile", tile), note


def _keep_classes(setup: Setup, data: _Data, tiling: Tiling) -> _Data:
    """``--keep-classes``: the classes of the checkpoint too, with pseudo labels of them."""
    train, val, kept = with_kept_classes(
        setup.config, data.checkpoint, data.train, data.val, data.checkpoint_ids
    )
    pseudo_labels = label_kept_classes(setup, train, kept, tiling)
    own_labels = train
    if pseudo_labels:
        own_labels = pseudo_labels.with_searched_photos_only(train)
        train = pseudo_labels.with_pseudo_labels(train)
    return replace(
        data,
        checkpoint_ids=kept.checkpoint_ids,
        train=train,
        own_labels=own_labels,
        val=val,
        kept=kept,
        pseudo_labels=pseudo_labels,
    )


def _recipe_of_run(setup: Setup, continued: bool) -> Recipe:
    """The recipe; a resumed run keeps its threshold of repeats: 0 in runs of older versions."""
    recipe = choose_recipe(setup.config, continued=continued)
    saved = setup.saved_or("recipe", {})
    return replace(recipe, repeat_threshold=saved.get("repeat_threshold", recipe.repeat_threshold))


def _at_crop_size(train: Dataset, tile: int | None) -> Dataset:
    return limited_to_crop_size(train, tile) if tile else train


def label_kept_classes(
    setup: Setup, train: Dataset, kept: KeptClasses, tiling: Tiling
) -> PseudoLabels | None:
    """Pseudo labels for the classes that the training photos do not label.

    A resumed run has those that it began with. None where the photos label all classes, or where
    they did when the run began, which ``check_choices`` refuses.
    """
    if not kept.unlabelled or (setup.saved and not setup.saved_or("pseudo labels")):
        return None
    if setup.saved:
        chief = setup.cluster.chief  # the folder may be on its disk only
        labels = asdict(PseudoLabels.read(setup.directory.pseudo_labels)) if chief else None
        return PseudoLabels(**setup.cluster.broadcast_json(labels))
    return make_pseudo_labels(
        setup.config.weights,
        train,
        {kept.checkpoint_ids[class_id]: class_id for class_id in reversed(kept.unlabelled)},
        setup.cluster,
        seed=setup.config.seed,
        minutes=setup.config.minutes,
        tiling=tiling,
    )
