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
from utils.ragged import ragged_ranges

_MAX_PAIRS = 1 << 20  # compared at a time; bounds memory
# All pairs are compared without windows where the first and second boxes make up to _SMALL_MATRIX
# pairs, of which up to _FEW_PAIRS are of one group: windows would take longer.
_SMALL_MATRIX = 1 << 15
_FEW_PAIRS = 1 << 12
_SLACK = 1e-12  # relative to the largest coordinate: rounding must not move a side out of a window


class BoxPairs(NamedTuple):
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
) -> BoxPairs:
    """The pairs with an IoU above ``limit``.

    Args:
        first: float64 (M, 4) ``x0, y0, x1, y1``, finite.
        second: float64 (N, 4), finite.
        limit: an IoU, 0 or more.
        first_groups, second_groups: integers from 0, (M,) and (N,); boxes of different groups are
            no pairs.
    """
    if not len(first) or not len(second):
        return BoxPairs(np.zeros(0, np.intp), np.zeros(0, np.intp), np.zeros(0))
    if first_groups is None or second_groups is None:
        first_groups, second_groups = np.zeros(len(first), int), np.zeros(len(second), int)
    if len(first) * len(second) <= _SMALL_MATRIX:
        same = first_groups[:, None] == second_groups
        if np.count_nonzero(same) <= _FEW_PAIRS:
            return _above(limit, first, second, *_nonzero(same))
    near = _near_pairs(first, second, limit, first_groups, second_groups)
    parts = [_above(limit, first, second, i, j) for i, j in near]
    return parts[0] if len(parts) == 1 else BoxPairs(*map(np.concatenate, zip(*parts, strict=True)))


def pairs_within(
    boxes: np.ndarray, limit: float, groups: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The pairs of boxes of one set with an IoU above ``limit``, each pair once.

    Args:
        boxes: float64 (N, 4), finite.
        limit: an IoU, 0 or more.
        groups: (N,) integers from 0; boxes of different groups are no pairs.

    Returns:
        (P,) lower and (P,) higher indices, in no particular order.
    """
    count = len(boxes)
    if groups is None:
        groups = np.zeros(count, int)
    if count**2 <= _FEW_PAIRS:
        i, j = _nonzero(np.triu(groups[:, None] == groups, 1))
        return _above(limit, boxes, boxes, i, j)[:2]
    # Of each pair, the box that starts further left finds the other one in its window.
    sides, _, high, slack = _with_group_offsets(boxes, boxes, limit, groups, groups)
    order = np.argsort(sides)
    sides, boxes, groups = sides.take(order), boxes.take(order, 0), groups.take(order)
    until = np.searchsorted(sides, high.take(order) + slack, "right")
    counts = np.maximum(until - np.arange(1, count + 1), 0)
    below, above = _windows(boxes[:, 1::2], boxes[:, 1::2], limit)
    below, above = below - slack, above + slack
    tops = np.ascontiguousarray(boxes[:, 1])
    found = []
    for i, j in ragged_ranges(np.arange(1, count + 1), counts, _MAX_PAIRS):
        top = tops.take(j)
        near = (top >= below.take(i)) & (top <= above.take(i)) & (groups.take(i) == groups.take(j))
        pairs = _above(limit, boxes, boxes, i.compress(near), j.compress(near))
        found.append((order.take(pairs.first), order.take(pairs.second)))
    one, other = found[0] if len(found) == 1 else map(np.concatenate, zip(*found, strict=True))
    return np.minimum(one, other), np.maximum(one, other)


def pairs_sharing_area(
    boxes: np.ndarray, groups: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The pairs of boxes of two groups that share area, each pair once; in parts.

    Boxes of very different sizes would make windows useless. So boxes of about one size lie in a
    grid whose cells are as long as the longest of them, and smaller ones are looked for there: each
    touches four cells at most.

    Args:
        boxes: float64 (N, 4) ``x0, y0, x1, y1``, finite.
        groups: integers (N,); boxes of one group are no pairs.

    Yields:
        (P,) indices and (P,) those of their partners, in no particular order.
    """
    for i, j, cell, length in _grid_candidates(boxes):
        other_group = groups.take(i) != groups.take(j)
        i, j, cell = (side.compress(other_group) for side in (i, j, cell))
        one, partner = boxes.take(i, 0), boxes.take(j, 0)
        corner = np.maximum(one[:, :2], partner[:, :2])
        shared = (np.minimum(one[:, 2:], partner[:, 2:]) > corner).all(axis=1)
        # They meet in several cells; that of the corner counts.
        shared &= _keys(np.floor(corner / length)) == cell
        yield i.compress(shared), j.compress(shared)


def _grid_candidates(
    boxes: np.ndarray,
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, float]]:
    """Pairs of boxes that touch one cell of a grid, of the level of the larger one; in parts.

    Yields:
        (P,) indices of the smaller boxes, (P,) of the larger ones, (P,) numbers of the cells, and
        the length of a cell's side. A pair comes once for each cell that both touch.
    """
    lengths = (boxes[:, 2:] - boxes[:, :2]).max(axis=1, initial=0)
    proper = np.flatnonzero((boxes[:, 2:] > boxes[:, :2]).all(axis=1))
    levels = np.ceil(np.log2(np.maximum(lengths[proper], 1.0))).astype(int)
    by_level = {level: proper[levels == level] for level in np.unique(levels).tolist()}
    for level, larger in by_level.items():
        length = 2.0**level
        keys, rows = _cells(boxes[larger], length)
        order = np.argsort(keys)
        keys, larger_of = keys[order], larger[rows[order]]
        for other, smaller in by_level.items():
            if other > level:
                continue
            cells, rows = _cells(boxes[smaller], length)
            start = np.searchsorted(keys, cells)
            counts = np.searchsorted(keys, cells, "right") - start
            used = np.flatnonzero(counts)
            start, counts, cells = start[used], counts[used], cells[used]
            rows = smaller[rows[used]]
            for entry, place in ragged_ranges(start, counts, _MAX_PAIRS):
                i, j, cell = rows.take(entry), larger_of.take(place), cells.take(entry)
                if other == level:  # each pair comes in both orders
                    once = i < j
                    i, j, cell = (side.compress(once) for side in (i, j, cell))
                yield i, j, cell, length


def _cells(boxes: np.ndarray, cell: float) -> tuple[np.ndarray, np.ndarray]:
    """The cells of a grid that boxes touch, as numbers, beside the index of the box.

    Args:
        boxes: float64 (N, 4), no side longer than a cell.
        cell: its side.
    """
    first, last = np.floor(boxes[:, :2] / cell), np.floor(boxes[:, 2:] / cell)
    corners = [_keys(np.where(far, last, first)) for far in ((0, 0), (0, 1), (1, 0), (1, 1))]
    keys = np.stack(corners, axis=1)
    new = np.ones(keys.shape, bool)  # a box within a cell is in it once
    new[:, 1] = last[:, 1] > first[:, 1]
    new[:, 2] = last[:, 0] > first[:, 0]
    new[:, 3] = new[:, 1] & new[:, 2]
    return keys[new], np.nonzero(new)[0]


def _keys(cells: np.ndarray) -> np.ndarray:
    """int64 (N,): one number for each cell of a grid, from its (N, 2) column and row."""
    return (cells[:, 0].astype(np.int64) << 31) + cells[:, 1].astype(np.int64)


def _above(
    limit: float, first: np.ndarray, second: np.ndarray, i: np.ndarray, j: np.ndarray
) -> BoxPairs:
    """Those of the pairs (i, j) with an IoU above the limit."""
    # ``take`` and ``compress`` give what indexing gives, several times as fast for rows.
    overlap = box_iou(first.take(i, 0), second.take(j, 0))
    over = np.flatnonzero(overlap > limit)
    return BoxPairs(i.take(over), j.take(over), overlap.take(over))


def _near_pairs(
    first: np.ndarray,
    second: np.ndarray,
    limit: float,
    first_groups: np.ndarray,
    second_groups: np.ndarray,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The pairs (i, j) of a group that lie in each other's windows, in parts."""
    sides, low, high, slack = _with_group_offsets(first, second, limit, first_groups, second_groups)
    order = np.argsort(sides)
    sides = sides.take(order)
    start = np.searchsorted(sides, low - slack)
    counts = np.searchsorted(sides, high + slack, "right") - start
    counts = np.maximum(counts, 0)
    below, above = _windows(first[:, 1::2], second[:, 1::2], limit)
    below, above = below - slack, above + slack
    tops = second[:, 1].take(order)
    groups = second_groups.take(order)
    for i, j in ragged_ranges(start, counts, _MAX_PAIRS):
        top = tops.take(j)
        near = (top >= below.take(i)) & (top <= above.take(i))
        near &= groups.take(j) == first_groups.take(i)
        yield i.compress(near), order.take(j.compress(near))


def _with_group_offsets(
    first: np.ndarray,
    second: np.ndarray,
    limit: float,
    first_groups: np.ndarray,
    second_groups: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Left sides of the second boxes and windows of the first ones, shifted by group.

    Each group gets a large offset in x of its own, so that windows never reach another group (the
    trick of torchvision's ``batched_nms``).

    Returns:
        (N,) left sides, (M,) lowest and (M,) highest one of a partner, and a bound on rounding.
    """
    low, high = _windows(first[:, 0::2], second[:, 0::2], limit)
    sides = second[:, 0]
    largest = max(np.abs(sides).max(), np.abs(first).max())
    group_offset = 2 * (largest + (second[:, 2] - sides).max(initial=0) + 1)
    low = np.maximum(low, -group_offset / 2) + first_groups * group_offset
    high = np.minimum(high, group_offset / 2) + first_groups * group_offset
    largest = largest + group_offset * (1 + second_groups.max())
    return sides + second_groups * group_offset, low, high, _SLACK * largest


def _nonzero(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns where a matrix is true; ``np.nonzero`` takes several times as long."""
    return np.divmod(np.flatnonzero(mask), mask.shape[1])


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
