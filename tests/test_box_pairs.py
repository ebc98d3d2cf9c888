"""Pairs of boxes found in windows are all the pairs that a full comparison finds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import utils.box_pairs
from utils.box_pairs import overlapping_pairs, pairs_sharing_area, pairs_within
from utils.overlap import iou


def compared(first, second, limit, first_groups, second_groups):
    """Every pair, by a full matrix."""
    overlap = iou(first[:, None], second)
    over = (overlap > limit) & (first_groups[:, None] == second_groups)
    return {(i, j): overlap[i, j] for i, j in zip(*np.nonzero(over), strict=True)}


def random_boxes(rng, count, size, inverted):
    """Some of them equal, touching, empty or turned inside out; whole numbers make ties."""
    corners = rng.uniform(-size, size, (count, 2)).round(rng.integers(0, 3))
    sides = np.exp(rng.normal(0, 1, (count, 2))) * size / 4
    sides = sides.round(rng.integers(0, 3))
    if inverted:
        sides[:: rng.integers(2, 5)] *= -1
        sides[1 :: rng.integers(3, 6)] *= 0
    return np.concatenate([corners, corners + sides], axis=1)


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    counts=st.tuples(st.integers(0, 40), st.integers(0, 40)),
    limit=st.sampled_from([0.0, 0.1, 0.45, 0.5, 0.6, 0.9, 1.0]),
    groups=st.integers(1, 4),
    size=st.sampled_from([3.0, 300.0, 1e30]),
    inverted=st.booleans(),
    few=st.sampled_from([0, utils.box_pairs._FEW_PAIRS]),
)
def test_all_pairs_are_found(seed, counts, limit, groups, size, inverted, few):
    rng = np.random.default_rng(seed)
    first, second = (random_boxes(rng, count, size, inverted) for count in counts)
    second[: len(first)] = first[: len(second)][rng.permutation(min(counts))]  # equal boxes
    first_groups, second_groups = (rng.integers(0, groups, count) for count in counts)
    expected = compared(first, second, limit, first_groups, second_groups)
    within = {(i, j) for i, j in compared(first, first, limit, *[first_groups] * 2) if i < j}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(utils.box_pairs, "_FEW_PAIRS", few)
        found = overlapping_pairs(first, second, limit, first_groups, second_groups)
        plain = overlapping_pairs(first, second, limit)
        lower, higher = pairs_within(first, limit, first_groups)
    got = dict(zip(zip(found.first, found.second, strict=True), found.iou, strict=True))
    assert got == expected
    assert (np.diff(found.first) >= 0).all()
    assert groups > 1 or len(plain.iou) == len(expected)
    assert sorted(zip(lower, higher, strict=True)) == sorted(within)


def test_parts_change_nothing(monkeypatch):
    boxes = random_boxes(np.random.default_rng(0), 300, 50.0, False)
    groups = np.arange(300) % 2
    whole = overlapping_pairs(boxes, boxes, 0.3), pairs_within(boxes, 0.3, groups)
    monkeypatch.setattr(utils.box_pairs, "_MAX_PAIRS", 100)
    parts = overlapping_pairs(boxes, boxes, 0.3), pairs_within(boxes, 0.3, groups)
    np.testing.assert_equal(parts, whole)


@pytest.mark.parametrize("limit", [0.0, 0.6])
def test_the_whole_matrix_is_not_compared(limit, monkeypatch):
    compared_pairs = []

    def counting(a, b):
        compared_pairs.append(len(a))
        return iou(a, b)

    monkeypatch.setattr(utils.box_pairs, "box_iou", counting)
    boxes = random_boxes(np.random.default_rng(0), 2000, 2000.0, False)
    boxes[:, 2:] = boxes[:, :2] + 20
    overlapping_pairs(boxes, boxes, limit)
    assert sum(compared_pairs) < 0.01 * 2000**2


@settings(deadline=None)
@given(st.integers(0, 2**32))
def test_boxes_of_all_sizes_that_share_area(seed: int) -> None:
    rng = np.random.default_rng(seed)
    count = int(rng.integers(0, 80))
    corners = rng.integers(-50, 300, (count, 2)) / rng.choice([1, 2])
    sides = 2.0 ** rng.integers(-2, 9, (count, 2)) * rng.choice([0, 0.7, 1.0], (count, 2))
    boxes = np.concatenate([corners, corners + sides], axis=1)
    groups = rng.integers(0, 4, count)
    overlap = iou(boxes[:, None], boxes)
    expected = np.argwhere(np.triu((overlap > 0) & (groups[:, None] != groups), 1))
    found = [np.stack(np.sort(pair, axis=0), axis=1) for pair in pairs_sharing_area(boxes, groups)]
    rows = np.concatenate([np.zeros((0, 2), int), *found]).tolist()
    assert sorted(rows) == expected.tolist()  # each pair once
