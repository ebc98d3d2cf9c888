"""Choosing photos that are uncertain and differ from each other: ``choose``."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

NEAR_COPY = 0.05  # a photo that differs less from a chosen one is not chosen
MIN_UNCERTAINTY = 0.1  # counts for photos without any: a strange one may show what is not known


@dataclass(frozen=True)
class Chosen:
    """A photo that was chosen.

    Attributes:
        index: which photo.
        difference: from the most similar one chosen before, 0 (a copy) to 1 (nothing in common).
        nearest: the index of that one; None for the first.
    """

    index: int
    difference: float
    nearest: int | None


def choose(uncertainty: np.ndarray, features: np.ndarray, count: int) -> list[Chosen]:
    """Photos to label, the most useful first.

    One by one, the photo with the largest product of uncertainty and difference from those chosen
    before is taken (the farthest point rule of Sener & Savarese, *Active learning for convolutional
    neural networks: a core-set approach*, 2018, weighted by uncertainty). Near copies of chosen
    photos are left out, so there may be fewer than ``count``.

    Args:
        uncertainty: float (N,), 0 to 1.
        features: float32 (N, D), what the photos look like.
        count: how many to choose.
    """
    directions = _directions(features)
    value = MIN_UNCERTAINTY + (1 - MIN_UNCERTAINTY) * uncertainty
    difference = np.ones(len(value))
    nearest = np.full(len(value), -1)
    chosen: list[Chosen] = []
    for _ in range(min(count, len(value))):
        gain = np.where(difference < NEAR_COPY, -1, value * difference)
        best = int(np.argmax(gain))
        if gain[best] < 0:
            break
        before = None if nearest[best] < 0 else int(nearest[best])
        chosen.append(Chosen(best, float(difference[best]), before))
        own = np.clip(1 - directions @ directions[best], 0, 1)
        closer = own < difference
        difference[closer], nearest[closer] = own[closer], best
        difference[best] = 0
    return chosen


def _directions(features: np.ndarray) -> np.ndarray:
    """Features (N, F) → (N, F + 1), centred and of unit length, so dot products are cosine
    similarities. The last column marks photos at the mean, which are copies of each other."""
    apart = features - features.mean(axis=0)
    length = np.linalg.norm(apart, axis=1, keepdims=True)
    away = length > 1e-6
    return np.hstack([np.divide(apart, length, out=np.zeros_like(apart), where=away), ~away])
