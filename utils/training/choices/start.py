"""The detector that a run starts from: a checkpoint, or a new one; its weights and anchors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import keras
import numpy as np

from nets.head_weights import bundled_heads, load_head_weights
from nets.yolo import YOLOv3
from utils.data.anchors import choose_anchors, object_sizes, read_anchors
from utils.data.records import Dataset
from utils.errors import UserError
from utils.training.choices.recipes import RECIPES
from utils.training.config import TrainConfig


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
    return bundled_heads(config.backbone) if config.backbone_weights == "imagenet" else None


def copy_detector(model: YOLOv3, input_size: int) -> YOLOv3:
    """The same detector for another input size. Its anchors scale with the size.

    A detector opened from a file computes in float32 on one device. The copy follows the global
    dtype policy and the strategy's scope that it is made in.
    """
    config = model.get_config()
    config["anchors"] = np.asarray(model.anchors) * input_size / model.input_size
    config["dtype"] = keras.config.dtype_policy().name
    copy = YOLOv3.from_config({**config, "input_size": input_size})
    copy.set_weights(model.get_weights())
    return copy
