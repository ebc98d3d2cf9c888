"""The feature pyramid of a run: the lighter one, unless another is asked for."""

from __future__ import annotations

from utils.training.config import AUTO, TrainConfig

OF_RECIPE = {"default": "pan", "plain": "yolov3"}  # names in ``nets.necks.NECKS``


def choose_neck(config: TrainConfig, saved: str | None = None) -> str:
    """The neck's name, or ``auto`` where a checkpoint brings its own.

    Args:
        config: the options.
        saved: the option of the run that is resumed; None for a new run.
    """
    if config.neck != AUTO:
        return config.neck
    return saved or (AUTO if config.weights else OF_RECIPE[config.recipe])
