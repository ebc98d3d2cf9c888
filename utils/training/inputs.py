"""The data of a run and what is chosen by it, before there is a network: the second stage."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

import numpy as np

from nets.yolo import YOLOv3
from utils.checkpoint import load_checkpoint
from utils.data.augment import AugmentConfig, augmentation
from utils.data.batches.crops import LEAST_VISIBLE, Crops, limited_to_crop_size
from utils.data.batches.repeats import repeat_factors, repeats_text
from utils.data.datasets import SplitInfo
from utils.data.records import Dataset
from utils.tiling import Tiling
from utils.training.choices.aspect import choose_aspect, shape_text
from utils.training.choices.classes import Sources, match_classes
from utils.training.choices.kept_classes import KeptClasses
from utils.training.choices.network import Network, Saved, choose_network
from utils.training.choices.phases import Phase, choose_phases, with_saved_sizes
from utils.training.choices.recipes import Recipe, choose_recipe
from utils.training.choices.start import check_network
from utils.training.choices.tile import choose_tile, crops_text
from utils.training.config import TrainConfig
from utils.training.data import load_training_data, with_kept_classes
from utils.training.pseudo_labels import PseudoLabels, find_objects
from utils.training.setup import Setup


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
        repeats: how often each photo, or crop, is seen, relative to the others.
        crops: of the training photos; None where they are shown whole.
        aspect: the part of the square network input that training pictures take.
        notes: sentences for the log on what was chosen.
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
    repeats: np.ndarray
    kept: KeptClasses | None = None
    pseudo_labels: PseudoLabels | None = None
    crops: Crops | None = None
    notes: tuple[str, ...] = ()

    @property
    def shown(self) -> Dataset:
        """The training photos with the sizes of what is shown of them, for choices by size."""
        return limited_to_crop_size(self.train, self.crops.side) if self.crops else self.train

    @property
    def samples(self) -> int:
        """Photos, or crops, in an epoch."""
        return len(self.crops or self.train)

    @property
    def tile(self) -> int | None:
        """Side of the crops in pixels of the photos."""
        return self.crops.side if self.crops else None


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
    tile, tile_note = choose_tile(
        config.tile, train, checkpoint.input_size if checkpoint and config.input_size == "auto"
        else config.input_size,
    )  # fmt: skip
    tile = setup.saved_choice("tile", tile)
    kept, pseudo_labels = None, None
    if checkpoint and config.keep_classes:
        train, val, kept = with_kept_classes(config, checkpoint, train, val, sources)
        sources = kept.sources
        pseudo_labels = label_kept_classes(setup, train, kept, Tiling(tile or "off"))
    labelled = train
    if pseudo_labels:
        labelled = pseudo_labels.looked_at(train)
        train = pseudo_labels.added_to(train)
    continued = None not in sources
    recipe = choose_recipe(config, continued=continued)
    threshold = setup.saved_choice("recipe", {}).get("repeat_threshold", recipe.repeat_threshold)
    recipe = replace(recipe, repeat_threshold=threshold)  # 0 in runs of older versions
    factors = repeat_factors(labelled, threshold)
    crops = Crops.of(train, tile) if tile else None
    shown = limited_to_crop_size(train, tile) if tile else train
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
        validation_photos=len(val),
    )
    network = Network(*cluster.broadcast_json(network))  # speed differs from host to host
    phases = choose_phases(
        network.input_size,
        augment,
        multi_scale=config.multi_scale,
        progressive=config.progressive,
        final_strength=recipe.final_strength,
    )
    phases = with_saved_sizes(phases, setup.saved_choice("phases", ()))
    notes = (
        tile_note,
        crops_text(crops, len(train)) if crops else "",
        *network.notes,
        shape_text(network.input_size, aspect),
        repeats_text(factors),
    )
    return Inputs(
        config=replace(config, backbone=network.backbone),
        checkpoint=checkpoint,
        sources=sources,
        train=train,
        val=val,
        split=split,
        recipe=recipe,
        augment=augment,
        aspect=aspect,
        epochs=network.epochs,
        input_size=network.input_size,
        phases=phases,
        kept=kept,
        pseudo_labels=pseudo_labels,
        crops=crops,
        repeats=factors[crops.photos] if crops else factors,
        notes=notes,
    )


def label_kept_classes(
    setup: Setup, train: Dataset, kept: KeptClasses, tiling: Tiling
) -> PseudoLabels | None:
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
        tiling=tiling,
    )
