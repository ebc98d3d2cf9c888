"""The detector that a run starts from: a fresh one, or a checkpoint."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path

import keras
import numpy as np

from nets.head_weights import bundled_heads, load_head_weights
from nets.yolo import YOLOv3, checked_input_size
from utils.data.augment import AUGMENTATIONS
from utils.data.input_size import choose_input_size
from utils.data.records import Dataset
from utils.errors import UserError
from utils.runtime.distribution import Cluster
from utils.training.automatic import FEW_PHOTOS, choose_batch_size, choose_epochs
from utils.training.config import TrainConfig
from utils.training.pace import photos_seen
from utils.training.phases import PROGRESSIVE
from utils.training.processor import has_bfloat16
from utils.training.recipes import RECIPES, Recipe

PROGRESSIVE_SETTLES_AFTER = 0.15  # of the run, in the last stage of a progressive one
# Times as many sightings of each photo where heads start from random weights, or the backbone too
# (of the plain recipe's 50 that is more than ``MOST_EPOCHS``).
NEW_HEADS_TAKE, NEW_BACKBONES_TAKE = 2, 6


def input_size_for(
    asked: int | str,
    checkpoint: YOLOv3 | None,
    train: Dataset,
    shares: tuple[float, float],
    config: TrainConfig,
    epochs: int,
    replicas: int,
) -> tuple[int, str]:
    """The size asked for, else the checkpoint's, else by the objects and the time; and a sentence
    on it.

    Args:
        asked: ``auto`` or pixels.
        checkpoint: that the run starts from.
        train: photos that are trained on.
        shares: of a square that their pictures take; see ``utils.training.loader``.
        config: the run's options.
        epochs: of the run, at most.
        replicas: devices that share a batch.

    Raises:
        UserError: not a multiple of 32, or an unknown backbone.
    """
    if asked == "auto":
        if checkpoint:
            return checkpoint.input_size, f"input size {checkpoint.input_size}: the checkpoint's"
        seen = None
        if config.minutes:
            scaling = {"width": config.width, "depth": config.depth}
            with _explained(config):
                fast_math = bool(config.fast_math) and has_bfloat16()
                seen = photos_seen(
                    config.backbone, config.minutes, replicas, fast_math=fast_math, **scaling
                )
        return choose_input_size(train, shares, seen, planned=epochs * len(train))
    try:
        return checked_input_size(asked), f"input size {asked}"
    except ValueError as error:
        raise UserError(f"--input-size {asked}: {error}") from None


def batch_size_for(
    asked: int | None, photos: int, model: YOLOv3, cluster: Cluster, largest: int, free: float
) -> tuple[int, str]:
    """Photos in a step on all devices together, and a sentence on it.

    ``largest`` is the side of the run's largest network input in pixels, ``free`` the bytes of
    memory that every host has.

    Raises:
        UserError: it cannot be divided among the devices.
    """
    if asked is None:
        # A GPU says itself when its memory runs out; the CPU's process is killed.
        limit = free if cluster.devices.startswith("CPU") else None
        return choose_batch_size(photos, model, largest, cluster.replicas, cluster.hosts, limit)
    if asked % cluster.replicas:
        raise UserError(
            f"--batch-size {asked}: cannot be divided among {cluster.replicas} devices; take a "
            f"multiple of {cluster.replicas}"
        )
    return asked, f"batches of {asked}"


def turns_for(asked: int | None, batch_size: int, cluster: Cluster) -> int:
    """Parts that each device computes its share of a batch in.

    Raises:
        UserError: the share cannot be divided so.
    """
    turns, share = asked or 1, batch_size // cluster.replicas
    if share % turns:
        raise UserError(
            f"--accumulate {turns}: a device's share of a batch is {share} photos, which cannot "
            f"be divided into {turns} parts"
        )
    return turns


def epochs_for(
    config: TrainConfig, recipe: Recipe, saved: int | None, photos: int
) -> tuple[int, str]:
    """Epochs of the run, if the minutes there are do not end it sooner; and a sentence on them."""
    if config.epochs or saved:
        epochs = saved or config.epochs
        return epochs, f"{epochs} epochs"
    # What starts from random weights has more to learn before it learns by heart.
    times = 1 if config.weights or head_weights_for(config) else NEW_HEADS_TAKE
    if not config.weights and config.backbone_weights == "none":
        times = NEW_BACKBONES_TAKE
    epochs, note = choose_epochs(photos, times * recipe.sightings)
    limit = f", or as many as {config.minutes:g} minutes allow" if config.minutes else ""
    return epochs, f"{note}{limit} (--epochs for more)"


def recipe_for(config: TrainConfig) -> Recipe:
    """The recipe asked for, with what other options say about its parts."""
    changes = {}
    if config.frozen_stages is not None:
        changes["frozen_stages"] = config.frozen_stages
    if config.augmentation:
        changes["augment"] = AUGMENTATIONS[config.augmentation]
    if config.augmentation or config.augment:
        # What is asked for holds from the start to the end.
        changes |= {"familiar": 1, "closing_strength": 1.0}
    if config.frozen_stages == 0:
        changes["frozen_depthwise"] = False
    from_nothing = config.backbone_weights == "none" and not config.weights
    if from_nothing or config.schedule == "step":
        # Never: what rises for as long as it learns, and what falls at the last moment, are better
        # late than on average.
        changes["settled_share"] = 1.0
    elif config.progressive:
        # When nearly all of the average is of the last stage, with its larger pictures.
        changes["settled_share"] = PROGRESSIVE[-1][0] + PROGRESSIVE_SETTLES_AFTER
    return replace(RECIPES[config.recipe], **changes)


def learning_rates_for(
    config: TrainConfig, recipe: Recipe, pretrained: bool, batch_size: int, photos: int
) -> tuple[float, float]:
    """The highest learning rate, that of pyramid and heads, and the backbone's share of it.

    Args:
        config: the run's options.
        recipe: that has rates for a pretrained backbone. One from random weights learns as the
            plain recipe has it: there is nothing that the heads could run ahead of.
        pretrained: whether the backbone is.
        batch_size: photos in a step, on all devices together.
        photos: that are trained on.
    """
    rates = (recipe if pretrained else RECIPES["plain"]).rates[config.optimizer]
    heads = rates.few if photos < FEW_PHOTOS else rates.many
    # In proportion to the batch (Goyal et al., 2017), as far as that holds.
    rate = config.learning_rate or heads * min(batch_size, 16) / 8
    asked = config.backbone_rate if pretrained else None
    return rate, rates.backbone / heads if asked is None else asked


def new_detector(
    config: TrainConfig, classes: Sequence[str], input_size: int, anchors: np.ndarray
) -> tuple[YOLOv3, str]:
    """A detector that starts as the options say, and a sentence on where it starts from.

    Stochastic depth is off by itself in a backbone that starts from published weights: in the few
    hundred steps of a run on one's own photos it is noise that does not have the time to pay.

    Raises:
        UserError: an unknown backbone, or weights that cannot be had or do not fit.
    """
    pretrained = config.backbone_weights != "none"
    heads = head_weights_for(config)
    drop = config.stochastic_depth
    options = {
        "width": config.width,
        "depth": config.depth,
        "stochastic_depth": 0.0 if drop is None and pretrained else drop,
    }
    with _explained(config, " (random ones: --backbone-weights none)" if pretrained else ""):
        model = YOLOv3(
            backbone=config.backbone,
            classes=classes,
            input_size=input_size,
            anchors=anchors,
            backbone_weights=config.backbone_weights if pretrained else None,
            backbone_options={k: v for k, v in options.items() if v is not None},
        )
    if heads:
        try:
            load_head_weights(model, heads)
        except ValueError as error:
            raise UserError(f"--head-weights {config.head_weights}: {error}") from error
    start = {"imagenet": "ImageNet weights", "none": "random weights"}
    note = f"backbone: {start.get(config.backbone_weights, config.backbone_weights)}; "
    return model, f"{note}heads: {f'weights of {heads.name}' if heads else 'random weights'}"


@contextmanager
def _explained(config: TrainConfig, hint: str = "") -> Iterator[None]:
    """What is wrong with the backbone asked for is the user's to mend."""
    try:
        yield
    except ValueError as error:
        raise UserError(f"--backbone {config.backbone}: {error}{hint}") from error


def head_weights_for(config: TrainConfig) -> Path | None:
    """The file that feature pyramid and heads start from; None without one."""
    if config.head_weights != "auto":
        return None if config.head_weights == "none" else Path(config.head_weights)
    scaled = config.width is not None or config.depth is not None
    if not RECIPES[config.recipe].pretrained_heads or scaled:
        return None
    return bundled_heads(config.backbone) if config.backbone_weights == "imagenet" else None


NEW_ONLY = (
    "anchors",
    "backbone",
    "backbone_weights",
    "head_weights",
    "width",
    "depth",
    "stochastic_depth",
)
PRETRAINED_ONLY = ("freeze_epochs", "frozen_stages", "backbone_rate")


def unused_options(config: TrainConfig) -> str:
    """A sentence on options that were given and have no meaning here; "" without any."""
    names = NEW_ONLY if config.weights else ()
    if not config.weights and config.backbone_weights == "none":
        names = PRETRAINED_ONLY
    defaults = {field.name: field.default for field in fields(config)}
    given = [f"--{n.replace('_', '-')}" for n in names if getattr(config, n) != defaults[n]]
    if not given:
        return ""
    why = "--weights brings its own network" if config.weights else "nothing is pretrained"
    return f"{', '.join(given)}: not used, because {why}"


def copied(model: YOLOv3, input_size: int) -> YOLOv3:
    """The same detector for an input size: its anchors scale with it.

    What is opened from a file computes in float32 on one device. The copy computes under the
    global dtype policy, on the devices of the scope it is made in.
    """
    config = model.get_config()
    config["anchors"] = np.asarray(model.anchors) * input_size / model.input_size
    config["dtype"] = keras.config.dtype_policy().name
    copy = YOLOv3.from_config({**config, "input_size": input_size})
    copy.set_weights(model.get_weights())
    return copy


def check_classes(model: YOLOv3, classes: Sequence[str], path: Path) -> None:
    """
    Raises:
        UserError: the data's classes are not the checkpoint's.
    """
    if set(classes) == set(model.classes):
        return
    raise UserError(
        f"--weights {path}: the checkpoint knows {len(model.classes)} classes "
        f"({_some(model.classes)}), the data has {len(classes)} ({_some(classes)}); leave "
        "--weights out to train new heads, or give matching data"
    )


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
