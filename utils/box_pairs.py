"""All pairs of boxes that overlap by more than a limit, without comparing all pairs.

Two boxes with an IoU above t share more than t of either width, so their left sides are near each
other. Boxes sorted by their left sides have all such partners of a box within a window. Suppression
and voting compare thousands of boxes of dozens of classes, and nearly all pairs lie outside.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from utils.overlap import iou as box_iou

_MOST_PAIRS = 1 << 20  # compared at a time; bounds memory
_SLACK = 1e-12  # relative to the largest coordinate: rounding must not move a side out of a window


class Pairs(NamedTuple):
    """Pairs of boxes.

    Attributes:
        first: (P,) indices of boxes among the first ones, ascending.
        second: (P,) indices of their partners among the second ones.
        iou: float64 (P,).
    """

    first: np.ndarray
    second: np.ndarray
    iou: np.ndarray


def overlapping_pairs(
    first: np.ndarray,
    second: np.ndarray,
    limit: float,
    first_groups: np.ndarray | None = None,
    second_groups: np.ndarray | None = None,
    *,
    later_only: bool = False,
) -> Pairs:
    """The pairs with an IoU above ``limit``.

    Args:
        first: float64 (M, 4) ``x0, y0, x1, y1``, finite.
        second: float64 (N, 4), finite.
        limit: an IoU, 0 or more.
        first_groups, second_groups: integers from 0, (M,) and (N,); boxes of different groups are
            no pairs.
        later_only: only pairs whose second index is above the first one.
    """
    if not len(first) or not len(second):
        return Pairs(np.zeros(0, np.intp), np.zeros(0, np.intp), np.zeros(0))
    parts = list(_pairs_in_parts(first, second, limit, first_groups, second_groups, later_only))
    return parts[0] if len(parts) == 1 else Pairs(*map(np.concatenate, zip(*parts, strict=True)))


def _pairs_in_parts(
    first: np.ndarray,
    second: np.ndarray,
    limit: float,
    first_groups: np.ndarray | None,
    second_groups: np.ndarray | None,
    later_only: bool,
) -> Iterator[Pairs]:
    low, high = _windows(first[:, 0::2], second[:, 0::2], limit)
    sides = second[:, 0]
    largest = max(np.abs(sides).max(), np.abs(first).max())
    if first_groups is not None:  # groups lie beside each other, too far apart to share windows
        apart = 2 * (largest + (second[:, 2] - sides).max(initial=0) + 1)
        low = np.maximum(low, -apart / 2) + first_groups * apart
        high = np.minimum(high, apart / 2) + first_groups * apart
        sides = sides + second_groups * apart
        largest = largest + apart * (1 + second_groups.max())
    order = np.argsort(sides)
    sides = sides[order]
    start = np.searchsorted(sides, low - _SLACK * largest)
    counts = np.searchsorted(sides, high + _SLACK * largest, "right") - start
    counts = np.maximum(counts, 0)
    below, above = _windows(first[:, 1::2], second[:, 1::2], limit)
    below, above = below - _SLACK * largest, above + _SLACK * largest
    tops = second[order, 1]
    groups = None if second_groups is None else second_groups[order]
    for part in _parts(counts):
        i = np.repeat(np.arange(part.start, part.stop), counts[part])
        ends = np.cumsum(counts[part])
        j = np.arange(len(i)) + np.repeat(start[part] - ends + counts[part], counts[part])
        near = (tops[j] >= below[i]) & (tops[j] <= above[i])
        if groups is not None:
            near &= groups[j] == first_groups[i]
        i, j = i[near], order[j[near]]
        if later_only:
            i, j = i[j > i], j[j > i]
        overlap = box_iou(first[i], second[j])
        over = np.flatnonzero(overlap > limit)
        yield Pairs(i[over], j[over], overlap[over])


def _windows(first: np.ndarray, second: np.ndarray, limit: float) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest start of a partner, on one axis.

    Of lengths a and b the pair shares more than t·max(a, b), so b < a / t. A partner that starts
    earlier does so by less than (1 − t)·b, and one that starts later by less than (1 − t)·a.

    Args:
        first: (M, 2) start and end of the first boxes on that axis.
        second: (N, 2) of the others.
        limit: t, an IoU.
    """
    lengths = first[:, 1] - first[:, 0]
    longest = np.max(second[:, 1] - second[:, 0], initial=0)
    with np.errstate(over="ignore"):  # of boxes without end
        partners = np.minimum(lengths / limit, longest) if limit > 0 else longest
    return first[:, 0] - (1 - limit) * partners, first[:, 0] + (1 - limit) * lengths


def _parts(counts: np.ndarray) -> Iterator[slice]:
    """Slices of the first boxes whose windows hold about ``_MOST_PAIRS`` boxes together."""
    if counts.sum() <= _MOST_PAIRS:
        yield slice(0, len(counts))
        return
    places = np.cumsum(counts) // _MOST_PAIRS
    starts = np.flatnonzero(np.diff(places, prepend=-1))
    for start, stop in zip(starts, [*starts[1:], len(counts)], strict=True):
        yield slice(int(start), int(stop))
