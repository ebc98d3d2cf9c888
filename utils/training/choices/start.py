"""The detector that a run starts from: a checkpoint, or a new one; its weights and anchors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import keras
import numpy as np

from nets.head_weights import bundled_heads, load_head_weights, transfer_weights
from nets.yolo import YOLOv3
from utils.data.anchors import (
    MIN_BOXES,
    MIN_GAIN,
    best_possible_recall,
    choose_anchors,
    object_sizes,
    read_anchors,
)
from utils.data.records import Dataset
from utils.errors import UserError
from utils.training.choices.classes import CheckpointIds, class_origins, class_texts
from utils.training.choices.neck import choose_neck
from utils.training.choices.recipes import RECIPES
from utils.training.config import AUTO, TrainConfig

GOOD_RECALL = 0.95  # best possible recall with which a checkpoint's anchors are kept


def starting_anchors(
    asked: str, train: Dataset, input_size: int, seed: int
) -> tuple[np.ndarray, str]:
    """Nine anchors (9, 2) in pixels of the network input, and a sentence on where they are from.

    Raises:
        UserError: the anchors file is missing or wrong.
    """
    if asked != "auto":
        return read_anchors(Path(asked)), f"anchors: from {asked}"
    choice = choose_anchors(object_sizes(train, input_size), input_size, seed)
    return choice.anchors, choice.note


def new_detector(
    config: TrainConfig, classes: Sequence[str], input_size: int, anchors: np.ndarray
) -> tuple[YOLOv3, str]:
    """A detector that starts as the options say, and a sentence on what it starts from.

    Stochastic depth is off by default over a pretrained backbone: a run of a few hundred steps is
    too short to gain from that noise.

    Raises:
        UserError: an unknown backbone, or weights that cannot be had or do not fit.
    """
    pretrained = config.backbone_weights != "none"
    heads = head_weights_file(config)
    drop = config.stochastic_depth
    options = {
        "width": config.width,
        "depth": config.depth,
        "stochastic_depth": 0.0 if drop is None and pretrained else drop,
    }
    hint = " (for random weights: --backbone-weights none)" if pretrained else ""
    with explain_backbone_errors(config, hint):
        model = YOLOv3(
            backbone=config.backbone,
            classes=classes,
            input_size=input_size,
            anchors=anchors,
            neck=choose_neck(config),
            backbone_weights=config.backbone_weights if pretrained else None,
            backbone_options={k: v for k, v in options.items() if v is not None},
        )
    if heads:
        try:
            load_head_weights(model, heads)
        except ValueError as error:
            if config.head_weights == "auto":
                raise UserError(
                    f"{error}; this file belongs to the project: get it again (a new run can start "
                    "from random heads instead, with --head-weights none)"
                ) from error
            raise UserError(f"--head-weights {config.head_weights}: {error}") from error
    start = {"imagenet": "ImageNet weights", "none": "random weights"}
    note = f"backbone: {start.get(config.backbone_weights, config.backbone_weights)}; "
    return model, f"{note}heads: {f'weights of {heads.name}' if heads else 'random weights'}"


@contextmanager
def explain_backbone_errors(config: TrainConfig, hint: str = "") -> Iterator[None]:
    """
    Raises:
        UserError: inside, the backbone asked for could not be built.
    """
    try:
        yield
    except ValueError as error:
        raise UserError(f"--backbone {config.backbone}: {error}{hint}") from error


def head_weights_file(config: TrainConfig) -> Path | None:
    """The file of weights that feature pyramid and heads start from; None for random weights."""
    if config.head_weights != "auto":
        return None if config.head_weights == "none" else Path(config.head_weights)
    scaled = config.width is not None or config.depth is not None
    if not RECIPES[config.recipe].pretrained_heads or scaled:
        return None
    if config.backbone_weights != "imagenet":
        return None
    return bundled_heads(config.backbone, choose_neck(config))


def check_network(config: TrainConfig, checkpoint: YOLOv3) -> None:
    """
    Raises:
        UserError: a backbone or a neck was asked for, and the checkpoint has another one.
    """
    for name, asked, own in (
        ("backbone", config.backbone, checkpoint.backbone_name),
        ("neck", config.neck, checkpoint.neck),
    ):
        if asked not in (AUTO, own):
            raise UserError(
                f"--{name} {asked}: the checkpoint {config.weights} has {own}; leave --{name} out "
                f"to train on with that, or leave --weights out to start anew with {asked}"
            )


def from_checkpoint(
    config: TrainConfig,
    checkpoint: YOLOv3,
    train: Dataset,
    checkpoint_ids: CheckpointIds,
    input_size: int,
) -> tuple[YOLOv3, list[str]]:
    """A detector that starts from another one, and lines on what is kept, new and dropped.

    Args:
        config: the options.
        checkpoint: the detector of ``--weights``.
        train: the training photos.
        checkpoint_ids: for each of their classes its index in the checkpoint; None for a new class.
        input_size: of the new detector.

    Raises:
        UserError: the anchors file is missing or wrong.
    """
    anchors, anchors_note = _anchors_from(config, checkpoint, train, input_size)
    model = copy_detector(checkpoint, input_size, train.classes, checkpoint_ids, anchors)
    notes = [
        f"from {config.weights}: backbone {checkpoint.backbone_name}, feature pyramid, boxes and "
        "objectness kept",
        *class_texts(checkpoint.classes, train.classes, checkpoint_ids),
        f"  anchors {anchors_note}",
    ]
    return model, notes


def _anchors_from(
    config: TrainConfig, checkpoint: YOLOv3, train: Dataset, input_size: int
) -> tuple[np.ndarray, str]:
    """The checkpoint's anchors; others where these are asked for, or fit the objects badly."""
    kept = _scaled_anchors(checkpoint, input_size)
    if config.anchors != "auto":
        return read_anchors(Path(config.anchors)), f"from {config.anchors}"
    sizes = object_sizes(train, input_size)
    if len(sizes) < MIN_BOXES:
        return kept, "kept"
    recall = best_possible_recall(sizes, kept)
    if recall < GOOD_RECALL:
        choice = choose_anchors(sizes, input_size, config.seed)
        if choice.recall >= recall + MIN_GAIN:
            note = f"new: with the checkpoint's, best possible recall is {recall:.3f}"
            return choice.anchors, f"{note}; {choice.note}"
    return kept, f"kept: best possible recall {recall:.3f}"


def _scaled_anchors(model: YOLOv3, input_size: int) -> np.ndarray:
    return np.asarray(model.anchors) * input_size / model.input_size


def origins(
    config: TrainConfig,
    checkpoint: YOLOv3 | None,
    classes: Sequence[str],
    checkpoint_ids: CheckpointIds,
) -> dict[str, list[dict[str, str]]]:
    """``class_origins`` for the metadata of the new checkpoints."""
    if checkpoint is None:
        return {name: [] for name in classes}
    before = checkpoint.metadata.get("class_origins", {})
    return class_origins(str(config.weights), checkpoint.classes, before, classes, checkpoint_ids)


def copy_detector(
    model: YOLOv3,
    input_size: int,
    classes: Sequence[str] | None = None,
    old_ids: CheckpointIds | None = None,
    anchors: np.ndarray | None = None,
) -> YOLOv3:
    """A detector with another's weights, for another input size, classes or anchors.

    A detector opened from a file computes in float32 on one device. The copy follows the global
    dtype policy and the strategy's scope that it is made in.

    Args:
        model: the detector.
        input_size: of the copy.
        classes: of the copy; those of ``model`` when None.
        old_ids: for each class its index in ``model``; None for one that ``model`` does not know.
        anchors: of the copy; when None those of ``model``, scaled with the input size.
    """
    config = model.get_config()
    scaled = _scaled_anchors(model, input_size)
    config["anchors"] = scaled if anchors is None else anchors
    config["classes"] = list(classes or model.classes)
    config["dtype"] = keras.config.dtype_policy().name
    copy = YOLOv3.from_config({**config, "input_size": input_size})
    if old_ids is None:
        old_ids = tuple(range(len(model.classes)))
    transfer_weights(model, copy, old_ids, scaled)
    return copy
