"""``Place``: a background generator and what the composer must know of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Place:
    """A kind of background.

    Attributes:
        paint: ``(rng, height, width, horizon)`` → uint8 (height, width, 3).
        weight: how often it is chosen, among weights that sum to 1.
        ground: whether things can stand on it, from row ``horizon`` down.
    """

    paint: Callable[[np.random.Generator, int, int, int], np.ndarray]
    weight: float
    ground: bool
