"""The highest learning rates of a run. ``utils.training.schedule`` says how they rise and fall."""

from __future__ import annotations

from utils.text import counted
from utils.training.choices.recipes import CONTINUED, RECIPES, Recipe
from utils.training.config import TrainConfig

# Rates grow in proportion to the batch (Goyal et al., 2017), up to here.
BATCH, MAX_BATCH = 8, 16


def choose_learning_rates(
    config: TrainConfig,
    recipe: Recipe,
    *,
    pretrained: bool,
    batch_size: int,
    continued: bool = False,
    saved: tuple[float | None, float | None] = (None, None),
) -> tuple[float, float, str]:
    """The rate of pyramid and heads, the backbone's as a factor on it, and a sentence on both.

    A network over a random backbone takes the plain recipe's rates, the same for all its parts:
    the backbone has nothing that a high rate could spoil.

    Args:
        config: the run's options.
        recipe: the recipe.
        pretrained: whether the backbone starts from trained weights.
        batch_size: photos in a step, on all devices together.
        continued: whether the run starts from a detector that knows all of its classes.
        saved: rate and factor of the run that is resumed, which keeps them; None for a new run.
    """
    rates = (recipe if pretrained else RECIPES["plain"]).rates[config.optimizer]
    chosen = rates.heads * min(batch_size, MAX_BATCH) / BATCH
    rate = config.learning_rate or (chosen / CONTINUED if continued else chosen)
    asked = config.backbone_rate if pretrained else None
    factor = rates.backbone / rates.heads if asked is None else asked
    if None not in saved:
        rate, factor = saved

    text = f"learning rate up to {rate:g}"
    if pretrained:
        text += f", {factor:g} times that for the backbone"
        if config.freeze_epochs is None and recipe.frozen_share:
            text += f", which is frozen for the first {recipe.frozen_share:.0%} of the run"
        elif config.freeze_epochs:
            text += f", which is frozen for {counted(config.freeze_epochs, 'epoch')}"
    return rate, factor, text
