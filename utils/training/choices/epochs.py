"""How many epochs a run has."""

from __future__ import annotations

import math

from utils.text import counted, minutes_text
from utils.training.choices.recipes import CONTINUED, Recipe
from utils.training.choices.start import head_weights_file
from utils.training.config import TrainConfig

MIN_SEEN = 4_000  # photos that a run sees at least, counted once an epoch
MAX_EPOCHS = 200
# Times as many epochs where the heads start from random weights, or the backbone too (with the
# plain recipe's 50 that is more than ``MAX_EPOCHS``).
NEW_HEADS, NEW_BACKBONE = 2, 6


def choose_epochs(
    config: TrainConfig,
    recipe: Recipe,
    photos: int,
    saved: int | None = None,
    *,
    continued: bool = False,
) -> int:
    """Epochs of the run. ``--minutes`` may end it sooner.

    A pretrained detector sees each photo ``recipe.epochs`` times. More would overfit. What starts
    from random weights has more to learn. A run over few photos is longer, so that it sees
    ``MIN_SEEN`` photos in all.

    Args:
        config: the run's options.
        recipe: the recipe.
        photos: number of training photos.
        saved: the choice of the run that is resumed, None for a new run.
        continued: whether the run starts from a detector that knows all of its classes.
    """
    if saved or config.epochs:
        return saved or config.epochs
    if config.weights:
        times = 1
    elif config.backbone_weights == "none":
        times = NEW_BACKBONE
    else:
        times = 1 if head_weights_file(config) else NEW_HEADS
    fewest = MIN_SEEN // CONTINUED if continued else MIN_SEEN
    return min(max(times * recipe.epochs, math.ceil(fewest / photos)), MAX_EPOCHS)


def epochs_text(config: TrainConfig, epochs: int, photos: int, saved: int | None = None) -> str:
    """A sentence on the epochs of the run; arguments as for ``choose_epochs``."""
    if saved or config.epochs:
        return counted(epochs, "epoch")
    limit = f", or as many as fit into {minutes_text(config.minutes)}" if config.minutes else ""
    return (
        f"{counted(epochs, 'epoch')}: {epochs * photos:,} photos seen in all{limit} "
        "(--epochs for more)"
    )
