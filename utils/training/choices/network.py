"""The backbone, the input size and the epochs of a run: one choice.

A stronger backbone, more pixels and more epochs all take time. With ``--minutes`` the speed of this
machine is measured, and of all backbones and sizes those are taken that promise the highest AP in
that time (``utils.training.choices.expected``).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

from nets.head_weights import BUNDLED
from nets.yolo import YOLOv3, checked_input_size
from utils.cpu import has_bfloat16
from utils.data.input_size import MIN_OBJECT_SIDE_SHORT_RUN, SizeNeeds
from utils.data.records import Dataset
from utils.errors import UserError
from utils.text import minutes_text
from utils.training.choices.epochs import MAX_EPOCHS, choose_epochs, epochs_text
from utils.training.choices.expected import BACKBONE, STEP_TIME, expected_points
from utils.training.choices.recipes import CONTINUED, Recipe
from utils.training.choices.speed import photos_seen
from utils.training.choices.start import explain_backbone_errors
from utils.training.config import AUTO, TrainConfig

# Photos that a run with --minutes sees at most, where its epochs would be fewer: what more would
# teach few photos is to know them by heart.
MAX_SEEN = 16_000


class Network(NamedTuple):
    """What is trained, and for how long.

    Attributes:
        backbone: its name; ``auto`` where a checkpoint brings its own.
        input_size: side of the square network input in pixels.
        epochs: of the run, which ``--minutes`` may end sooner.
        notes: sentences on what was chosen and why.
    """

    backbone: str
    input_size: int
    epochs: int
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Saved:
    """The choices of the run that is resumed; all None for a new run."""

    backbone: str | None = None
    input_size: int | None = None
    epochs: int | None = None


def choose_network(
    config: TrainConfig,
    recipe: Recipe,
    checkpoint: YOLOv3 | None,
    train: Dataset,
    samples: int,
    aspect: tuple[float, float],
    *,
    saved: Saved = Saved(),
    continued: bool = False,
    replicas: int = 1,
    validation_photos: int = 0,
) -> Network:
    """What the options ask for; what they leave open by the highest AP to be expected.

    Args:
        config: the options.
        recipe: the recipe.
        checkpoint: the detector that the run starts from.
        train: the training photos, with the sizes that are shown of them.
        samples: photos, or crops of them, in an epoch.
        aspect: the part of the square network input that training pictures take.
        saved: the choices of the run that is resumed.
        continued: whether the run starts from a detector that knows all of its classes.
        replicas: devices that share a batch.
        validation_photos: that there are.

    Raises:
        UserError: an input size that is no multiple of 32, an unknown backbone, or a file of
            weights without the name of the backbone that it belongs to.
    """
    backbones = _backbones(config, saved)
    needs = SizeNeeds.of(train, aspect)
    sizes = _sizes(saved.input_size or config.input_size, checkpoint, needs, config)
    epochs = {}
    for backbone in backbones:
        named = replace(config, backbone=backbone)
        epochs[backbone] = choose_epochs(named, recipe, samples, saved.epochs, continued=continued)
        if config.minutes and not (config.epochs or saved.epochs):
            most = MAX_SEEN // CONTINUED if continued else MAX_SEEN
            more = min(math.ceil(most / samples), MAX_EPOCHS)
            epochs[backbone] = max(epochs[backbone], more)
    open_choice = len(backbones) > 1 or len(sizes) > 1
    seen = None
    if config.minutes and open_choice:
        seen = _seen(config, backbones, replicas, validation_photos)

    def photos(backbone: str, size: int) -> float:
        planned = epochs[backbone] * samples
        return min(planned, seen(backbone, needs.pixels(size))) if seen else planned

    def points(candidate: tuple[str, int]) -> float:
        backbone, size = candidate
        return expected_points(backbone, size, needs.needed or size, photos(backbone, size))

    candidates = [(backbone, size) for backbone in backbones for size in sizes]
    backbone, size = max(candidates, key=points)
    notes = [
        _backbone_text(backbone, backbones, config, saved),
        _size_text(size, sizes, needs, checkpoint, config, saved),
        epochs_text(config, epochs[backbone], samples, saved.epochs),
    ]
    if seen:
        count = photos(backbone, size)
        limit = minutes_text(config.minutes)
        notes.append(
            (
                f"all of them fit into {limit}"
                if count == epochs[backbone] * samples
                else f"in {limit} it sees about {count:,.0f} photos of that size"
            )
            + "; of the backbones and sizes that is what promises the highest AP"
        )
    return Network(backbone, size, epochs[backbone], tuple(filter(None, notes)))


def _backbones(config: TrainConfig, saved: Saved) -> tuple[str, ...]:
    """The backbones to choose from."""
    if config.backbone != AUTO:
        return (config.backbone,)
    if saved.backbone:
        return (saved.backbone,)
    if config.weights:
        return (AUTO,)
    if config.backbone_weights not in ("imagenet", "none"):
        raise UserError(
            f"--backbone-weights {config.backbone_weights}: give --backbone too, the network that "
            "these weights are of (`--backbone help` lists all)"
        )
    if config.head_weights not in (AUTO, "none"):
        raise UserError(
            f"--head-weights {config.head_weights}: give --backbone too, the network that these "
            "heads were trained on (`--backbone help` lists all)"
        )
    if config.minutes:
        return tuple(BUNDLED)
    return (max(BUNDLED, key=BACKBONE.__getitem__),)


def _sizes(
    asked: int | str, checkpoint: YOLOv3 | None, needs: SizeNeeds, config: TrainConfig
) -> tuple[int, ...]:
    """The input sizes to choose from."""
    if asked != AUTO:
        try:
            return (checked_input_size(asked),)
        except ValueError as error:
            raise UserError(f"--input-size {asked}: {error}") from None
    if checkpoint:
        return (checkpoint.input_size,)
    if not config.minutes:
        return (needs.default,)
    least = needs.smallest(MIN_OBJECT_SIDE_SHORT_RUN)
    return tuple(size for size in needs.possible if least <= size) or needs.possible[-1:]


def _seen(
    config: TrainConfig, backbones: tuple[str, ...], replicas: int, validation_photos: int
) -> Callable[[str, float], float]:
    """(backbone, pixels of a training picture) → estimate of how many a run sees."""
    first = backbones[0]
    with explain_backbone_errors(config):
        seen = photos_seen(
            first,
            config.minutes,
            replicas,
            fast_math=bool(config.fast_math) and has_bfloat16(),
            validation_photos=validation_photos,
            width=config.width,
            depth=config.depth,
        )
    return lambda backbone, pixels: (
        seen(pixels) * STEP_TIME.get(first, 1.0) / STEP_TIME.get(backbone, 1.0)
    )


def _backbone_text(
    backbone: str, backbones: tuple[str, ...], config: TrainConfig, saved: Saved
) -> str:
    if config.backbone != AUTO or backbone == AUTO:
        return ""
    if saved.backbone:
        return f"backbone {backbone}: that of the run that is resumed"
    of = "of those" if len(backbones) > 1 else "the most accurate of those"
    return (
        f"backbone {backbone}: {of} whose pretrained heads come with the project "
        "(--backbone efficientnet_b0 and others: `--backbone help`)"
    )


def _size_text(
    size: int,
    sizes: tuple[int, ...],
    needs: SizeNeeds,
    checkpoint: YOLOv3 | None,
    config: TrainConfig,
    saved: Saved,
) -> str:
    if saved.input_size or config.input_size != AUTO:
        return f"input size {size}"
    if checkpoint:
        return f"input size {size}: the checkpoint's"
    return needs.sentence(size)
