"""The phases of a run: what changes in image size, augmentation and stochastic depth.

An ordinary run has one phase, and then a final one with little augmentation, as YOLOX has epochs
without (Ge et al., 2021, section 2.1). A progressive run first grows from small pictures and weak
augmentation to large pictures and strong augmentation, so that its early steps are cheap. So does
EfficientNetV2 (Tan & Le, 2021, section 4.2).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from utils.data.augment import AugmentConfig

FINAL_SHARE = 0.2  # the final phase's share of the run; its photos are more like those predicted on
# Phases of a progressive run: where each begins, its factors on input size and augmentation.
# That at full size is the longest, together with the final phase: there small objects are learned.
PROGRESSIVE_PHASES = ((0.0, 0.7, 0.5), (0.3, 0.85, 0.75), (0.6, 1.0, 1.0))
MULTI_SCALE = (0.75, 1.25)  # of the input size: the range of --multi-scale, at least a stride
STRIDE = 32


@dataclass(frozen=True)
class Phase:
    """A part of the run.

    Attributes:
        begins: progress of the run, 0 to 1, at which it begins.
        sizes: sides of the network input in pixels. With several, each batch has one of them.
        augment: strengths of the augmentation.
        drop_strength: factor on the rates of stochastic depth.
    """

    begins: float
    sizes: tuple[int, ...]
    augment: AugmentConfig
    drop_strength: float = 1.0


def choose_phases(
    input_size: int,
    augment: AugmentConfig,
    *,
    multi_scale: bool,
    progressive: bool,
    final_strength: float,
) -> tuple[Phase, ...]:
    """The phases of a run, in order; the first begins at 0.

    Args:
        input_size: of the finished detector, in pixels.
        augment: the full strengths of the augmentation.
        multi_scale: whether batches differ in size, within ``MULTI_SCALE`` of the input size.
        progressive: whether size and strength grow over the run.
        final_strength: factor on the augmentation in the final phase, which also has no mosaic and
            no mixup.
    """
    final = replace(augment, mosaic=0.0, mixup=0.0).at_strength(final_strength)
    phases = []
    growing = PROGRESSIVE_PHASES if progressive else PROGRESSIVE_PHASES[-1:]
    for begins, size_factor, strength in growing:
        size = _multiple(input_size * size_factor)
        phases.append(
            Phase(
                begins=begins if progressive else 0.0,
                sizes=_around(size) if multi_scale else (size,),
                augment=augment.at_strength(strength),
                drop_strength=strength if progressive else 1.0,
            )
        )
    if augment != final:
        phases.append(replace(phases[-1], begins=1 - FINAL_SHARE, augment=final))
    return tuple(phases)


def with_saved_sizes(
    phases: tuple[Phase, ...], saved: Sequence[Mapping[str, Any]]
) -> tuple[Phase, ...]:
    """The phases of a run that is resumed, with its sizes: older versions varied small input sizes
    less with ``--multi-scale``, or not at all.

    Args:
        phases: as this version chooses them.
        saved: the phases of the run as JSON values. Where there are more or fewer, nothing changes.
    """
    if len(saved) != len(phases):
        return phases
    return tuple(
        replace(phase, sizes=tuple(before["sizes"]))
        for phase, before in zip(phases, saved, strict=True)
    )


def phase_at(phases: Sequence[Phase], progress: float) -> Phase:
    """The phase of a run at this progress."""
    return next(phase for phase in reversed(phases) if phase.begins <= progress)


def strongest_phase(phases: Sequence[Phase]) -> Phase:
    """The phase with the strongest augmentation: the last before the final one."""
    return [phase for phase in phases if phase.begins < 1 - FINAL_SHARE][-1]


def _around(size: int) -> tuple[int, ...]:
    low, high = (_multiple(size * factor) for factor in MULTI_SCALE)
    low, high = max(min(low, size - STRIDE), STRIDE), max(high, size + STRIDE)
    return tuple(int(s) for s in np.arange(low, high + 1, STRIDE))


def _multiple(size: float) -> int:
    return max(round(size / STRIDE), 1) * STRIDE
