"""Detections and objects side by side: all pairs of one image, or of one image and class."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

_PAIRS_AT_ONCE = 1_000_000  # bounds memory where images hold hundreds of objects


def pairs(truth_keys: np.ndarray, found_keys: np.ndarray) -> Iterator[tuple[np.ndarray, ...]]:
    """Rows (found, truth) of all pairs with equal keys, in parts, by found row, then truth row."""
    order = np.argsort(truth_keys, kind="stable")
    start = np.searchsorted(truth_keys[order], found_keys, side="left")
    count = np.searchsorted(truth_keys[order], found_keys, side="right") - start
    rows = np.flatnonzero(count)
    if not len(rows):
        return
    total = np.cumsum(count[rows])
    cuts = np.searchsorted(total, np.arange(_PAIRS_AT_ONCE, total[-1], _PAIRS_AT_ONCE))
    for part in np.split(rows, np.unique(cuts)):
        if len(part):
            counts = count[part]
            first = np.cumsum(counts) - counts  # where each detection's run of pairs begins
            within = np.arange(counts.sum()) - np.repeat(first, counts)
            yield np.repeat(part, counts), order[np.repeat(start[part], counts) + within]
