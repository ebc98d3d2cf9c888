"""Repeat-factor sampling: factors by hand, and orders that keep their proportions."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.data.batches.repeats import epoch_order, repeat_factors, repeats_text
from utils.data.records import Dataset, Record


def photo(number, class_ids, difficult=()):
    count = len(class_ids)
    flags = np.zeros(count, bool)
    flags[list(difficult)] = True
    boxes = np.tile(np.float32([1, 1, 9, 9]), (count, 1))
    return Record(
        f"{number}", Path(f"{number}.jpg"), 10, 10, boxes, np.int32(class_ids), flags
    )  # fmt: skip


def test_factors_worked_by_hand():
    """Of eight photos, class 0 is on six, class 1 on one, class 2 on one where it is difficult.

    The mean class that is on any photo is on 3.5.
    """
    photos = [photo(i, [0]) for i in range(5)]
    photos += [photo(5, [0, 1, 1]), photo(6, [2], difficult=[0]), photo(7, [])]
    dataset = Dataset(tuple(photos), ("often", "rare", "difficult"))
    for share, often in ((0.25, np.sqrt(2)), (0.5, np.sqrt(3.5)), (1.0, np.sqrt(3.5))):
        expected = [1, 1, 1, 1, 1, often, 1, 1]
        np.testing.assert_allclose(repeat_factors(dataset, share), expected)
    np.testing.assert_array_equal(repeat_factors(dataset, 0.0), np.ones(8))


def test_a_sentence_says_how_many_and_how_often():
    assert repeats_text(np.ones(4)) == ""
    one = "1 photo has a rare class and is seen up to 2.0 times as often as photos without one"
    assert repeats_text(np.array([1, 2.0, 1.4])) == one
    two = "2 photos have rare classes and are seen up to 5.5 times as often as photos without one"
    assert repeats_text(np.array([1, 2.0, 5.48])) == two


def test_of_many_classes_that_are_alike_none_is_rare():
    dataset = Dataset(tuple(photo(i, [i % 20]) for i in range(100)), tuple("abcdefghijklmnopqrst"))
    np.testing.assert_array_equal(repeat_factors(dataset, 0.25), np.ones(100))


def test_a_dataset_without_classes_or_photos():
    np.testing.assert_array_equal(repeat_factors(Dataset((photo(0, []),), ()), 0.5), [1])
    assert repeat_factors(Dataset((), ("a",)), 0.5).shape == (0,)
    assert epoch_order(np.zeros(0), np.random.default_rng(0)).shape == (0,)


@given(st.lists(st.floats(1, 30), min_size=1, max_size=60), st.integers(0, 2**32))
def test_each_photo_comes_as_often_as_its_weight_says(weights, seed):
    weights = np.array(weights)
    order = epoch_order(weights, np.random.default_rng(seed))
    assert len(order) == len(weights)
    times = np.bincount(order, minlength=len(weights))
    assert np.abs(times - weights / weights.mean()).max() < 1 + 1e-9


@pytest.mark.parametrize("weight", [1.0, 3.7])
def test_equal_weights_show_each_photo_once(weight):
    order = epoch_order(np.full(50, weight), np.random.default_rng(3))
    assert sorted(order) == list(range(50))
    assert list(order) != list(range(50))


def test_over_many_epochs_the_proportions_are_exact():
    weights = np.array([1.0, 1.0, 2.5, 1.0])
    orders = [epoch_order(weights, np.random.default_rng([7, i])) for i in range(4000)]
    times = np.bincount(np.concatenate(orders)) / 4000
    np.testing.assert_allclose(times, weights / weights.mean(), atol=0.03)
