"""Ranges of different lengths, one behind the other: ``ragged_ranges``."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np


def ragged_ranges(
    start: np.ndarray, counts: np.ndarray, block: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The pairs (i, start[i]), (i, start[i] + 1), …, ``counts[i]`` of them for each i.

    Args:
        start: integers (N,).
        counts: integers (N,), 0 or more.
        block: about how many pairs come at once, to bound the memory. All pairs of an i come
            together.

    Yields:
        int64 (P,) i, ascending, and (P,) numbers beside it; at least once, maybe without pairs.
    """
    for part in _blocks(counts, block):
        number = counts[part]
        i = np.repeat(np.arange(part.start, part.stop), number)
        first = np.cumsum(number) - number  # where the pairs of each i begin
        yield i, np.arange(len(i)) + np.repeat(start[part] - first, number)


def _blocks(counts: np.ndarray, block: int) -> Iterator[slice]:
    """Slices of ``counts`` whose sums are about ``block``."""
    if counts.sum() <= block:
        yield slice(0, len(counts))
        return
    numbers = np.cumsum(counts) // block
    starts = np.flatnonzero(np.diff(numbers, prepend=-1))
    for start, stop in zip(starts, [*starts[1:], len(counts)], strict=True):
        yield slice(int(start), int(stop))
