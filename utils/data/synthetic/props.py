"""What a split draws its scenes with: ``Background`` and ``Props``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Patch = tuple[np.ndarray, np.ndarray]  # uint8 (h, w, 3) RGB and float32 (h, w) alpha in 0–1
PatchMaker = Callable[[np.random.Generator, int], Patch]  # a sheet of that many pixels a side


@dataclass(frozen=True)
class Background:
    """A kind of background.

    Attributes:
        paint: ``(rng, height, width, horizon)`` → uint8 (height, width, 3).
        weight: how often it is chosen, among weights that sum to 1.
        ground: whether things can stand on it, from row ``horizon`` down.
    """

    paint: Callable[[np.random.Generator, int, int, int], np.ndarray]
    weight: float
    ground: bool


@dataclass(frozen=True)
class Props:
    """The generators of a split: backgrounds, clutter that hangs or stands, and occluders."""

    backgrounds: tuple[Background, ...]
    hung: tuple[PatchMaker, ...]
    standing: tuple[PatchMaker, ...]
    occluders: tuple[PatchMaker, ...]


def opaque(picture: np.ndarray) -> Patch:
    """A patch that covers its whole rectangle."""
    return picture, np.ones(picture.shape[:2], np.float32)
