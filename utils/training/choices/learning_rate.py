"""The highest learning rates of a run. ``utils.training.schedule`` says how they rise and fall."""

from __future__ import annotations

from utils.text import counted
from utils.training.choices.recipes import CONTINUED, FEW_PHOTOS, RECIPES, Recipe
from utils.training.config import TrainConfig

# Rates grow in proportion to the batch (Goyal et al., 2017), up to here.
BATCH, LARGEST_BATCH = 8, 16


def choose_learning_rates(
    config: TrainConfig,
    recipe: Recipe,
    *,
    pretrained: bool,
    batch_size: int,
    photos: int,
    continued: bool = False,
) -> tuple[float, float, str]:
    """The rate of pyramid and heads, the backbone's as a factor on it, and a sentence on both.

    A network over a random backbone takes the plain recipe's rates, the same for all its parts:
    the backbone has nothing that a high rate could spoil.

    Args:
        config: the run's options.
        recipe: the recipe.
        pretrained: whether the backbone starts from trained weights.
        batch_size: photos in a step, on all devices together.
        photos: number of training photos.
        continued: whether the run starts from a detector that knows all of its classes.
    """
    rates = (recipe if pretrained else RECIPES["plain"]).rates[config.optimizer]
    heads = rates.few if photos < FEW_PHOTOS else rates.many
    chosen = heads * min(batch_size, LARGEST_BATCH) / BATCH
    rate = config.learning_rate or (chosen / CONTINUED if continued else chosen)
    asked = config.backbone_rate if pretrained else None
    factor = rates.backbone / heads if asked is None else asked

    text = f"learning rate up to {rate:g}"
    if pretrained:
        text += f", {factor:g} times that for the backbone"
        if config.freeze_epochs is None and recipe.frozen_share:
            text += f", which is frozen for the first {recipe.frozen_share:.0%} of the run"
        elif config.freeze_epochs:
            text += f", which is frozen for {counted(config.freeze_epochs, 'epoch')}"
    return rate, factor, text
