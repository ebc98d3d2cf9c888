"""What changes while a run goes on: image size, augmentation, dropped blocks.

An ordinary run is one phase, and a closing one in which photos are changed little. Before that, a
progressive run grows from small, hardly changed pictures to large and strongly changed ones, as
EfficientNetV2 does (Tan & Le, 2021, section 4.2), so that its early steps are cheap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from utils.data.augment import AugmentConfig

CLOSING_SHARE = 0.2  # of a run, in which photos come nearer to what they are in prediction
# Stages of a progressive run: where each begins, its share of the input size, and its strength of
# augmentation. The last is the longest: what a detector knows of small objects it learns there.
PROGRESSIVE = ((0.0, 0.7, 0.5), (0.3, 0.85, 0.75), (0.6, 1.0, 1.0))
MULTI_SCALE = (0.75, 1.25)  # of the input size: the range of --multi-scale
STRIDE = 32


@dataclass(frozen=True)
class Phase:
    """A stretch of the run.

    Attributes:
        begins: progress of the run, 0 to 1, from which on it holds.
        sizes: sides of the network input in pixels; with several each batch has one of them.
        augment: how strongly photos are changed.
        drop_strength: factor on the rates at which blocks of the backbone are dropped.
    """

    begins: float
    sizes: tuple[int, ...]
    augment: AugmentConfig
    drop_strength: float = 1.0


def plan_phases(
    input_size: int,
    augment: AugmentConfig,
    *,
    multi_scale: bool,
    progressive: bool,
    closing_strength: float,
) -> tuple[Phase, ...]:
    """The phases of a run, in order; the first begins at 0.

    Args:
        input_size: of the finished detector, in pixels.
        augment: how strongly photos are changed, at its strongest.
        multi_scale: whether batches differ in size, from three to five quarters of the input size.
        progressive: whether size and strength grow over the run.
        closing_strength: factor on how strongly photos are changed in the last ``CLOSING_SHARE``
            of the run, which has neither mosaic nor mixup: real photos hold neither.
    """
    calm = replace(augment, mosaic=0.0, mixup=0.0).at_strength(closing_strength)
    stages = []
    for begins, share, strength in PROGRESSIVE if progressive else PROGRESSIVE[-1:]:
        size = _multiple(input_size * share)
        stages.append(
            Phase(
                begins=begins if progressive else 0.0,
                sizes=_around(size) if multi_scale else (size,),
                augment=augment.at_strength(strength),
                drop_strength=strength if progressive else 1.0,
            )
        )
    if augment != calm:
        stages.append(replace(stages[-1], begins=1 - CLOSING_SHARE, augment=calm))
    return tuple(stages)


def phase_at(phases: Sequence[Phase], progress: float) -> Phase:
    """The phase that a run with this progress is in."""
    return next(phase for phase in reversed(phases) if phase.begins <= progress)


def liveliest(phases: Sequence[Phase]) -> Phase:
    """The phase in which photos are changed the most: the last before the closing one."""
    return [phase for phase in phases if phase.begins < 1 - CLOSING_SHARE][-1]


def _around(size: int) -> tuple[int, ...]:
    low, high = (_multiple(size * factor) for factor in MULTI_SCALE)
    return tuple(int(s) for s in np.arange(low, high + 1, STRIDE))


def _multiple(size: float) -> int:
    return max(round(size / STRIDE), 1) * STRIDE
