"""``near_pairs``: all pairs of 64-bit hashes that differ in a few bits, without comparing all.

Multi-index hashing (Norouzi, Punjani and Fleet, 2012). Of two hashes that differ in at most 7 bits,
one of the four 16-bit quarters differs in at most one bit. So each hash is looked up in four sorted
tables: as it is, and with each bit of the quarter flipped.
"""

from __future__ import annotations

import numpy as np

from utils.ragged import ragged_ranges

QUARTERS = 4
BITS = 16
MAX_PAIRS = 1 << 21  # compared at once: bounds the memory
MAX_EQUAL = 32  # pairs of one hash with equal ones before it


def near_pairs(hashes: np.ndarray, distance: int) -> np.ndarray:
    """Pairs of indices whose hashes are near.

    In a run of equal hashes, each is paired with at most ``MAX_EQUAL`` others. The same holds
    between two runs that are near. Otherwise a thousand black pictures would make a million pairs.

    Args:
        hashes: uint64 (N,).
        distance: bits in which they may differ, at most 7.

    Returns:
        int64 (M, 2) of a < b; by b, then the nearest first, then by a.
    """
    if distance > 2 * QUARTERS - 1:
        raise ValueError(f"at most {2 * QUARTERS - 1} bits, not {distance}")
    values, group = np.unique(hashes, return_inverse=True)
    found = [_equal(group)]
    members = np.split(np.argsort(group, kind="stable"), np.cumsum(np.bincount(group))[:-1])
    for a, b in _near_values(values, distance):
        found.append(_across(members[a], members[b]))
        found.append(_across(members[b], members[a]))
    pairs = np.concatenate(found)
    apart = np.bitwise_count(hashes[pairs[:, 0]] ^ hashes[pairs[:, 1]])
    return pairs[np.lexsort((pairs[:, 0], apart, pairs[:, 1]))]


def _near_values(values: np.ndarray, distance: int) -> list[tuple[int, int]]:
    """Indices a < b in sorted distinct ``values`` that differ in 1 to ``distance`` bits."""
    found: set[tuple[int, int]] = set()
    for quarter in range(QUARTERS):
        keys = (values >> np.uint64(BITS * quarter)).astype(np.uint16)
        order = np.argsort(keys, kind="stable")
        table = keys[order]
        for flipped in (0, *(1 << bit for bit in range(BITS))):
            wanted = keys ^ np.uint16(flipped)
            begin = np.searchsorted(table, wanted, "left")
            counts = np.searchsorted(table, wanted, "right") - begin
            for a, position in ragged_ranges(begin, counts, MAX_PAIRS):
                b = order[position]
                near = (a < b) & (np.bitwise_count(values[a] ^ values[b]) <= distance)
                found.update(zip(a[near].tolist(), b[near].tolist(), strict=True))
    return sorted(found)


def _equal(group: np.ndarray) -> np.ndarray:
    """Pairs within runs of equal hashes."""
    order = np.argsort(group, kind="stable")
    pairs = []
    for step in range(1, MAX_EQUAL + 1):
        a, b = order[:-step], order[step:]
        same = group[a] == group[b]
        if not same.any():
            break
        pairs.append(np.stack([a[same], b[same]], axis=1))
    return np.concatenate([np.empty((0, 2), np.int64), *pairs])


def _across(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Pairs of the first few of one run with all of another, where a < b."""
    few = first[:MAX_EQUAL]
    pairs = np.stack(np.meshgrid(few, second, indexing="ij"), axis=-1).reshape(-1, 2)
    return pairs[pairs[:, 0] < pairs[:, 1]]
