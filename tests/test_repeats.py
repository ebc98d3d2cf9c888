"""Repeat-factor sampling: factors by hand, orders that keep their proportions, and its place."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.data.augment import AugmentConfig
from utils.data.batches.crops import Crops
from utils.data.batches.repeats import MAX_REPEAT_FACTOR, epoch_order, repeat_factors, repeats_text
from utils.data.batches.samples import TrainingSamples
from utils.data.records import Dataset, Record
from utils.training.choices.recipes import RECIPES
from utils.training.config import TrainConfig
from utils.training.loader import training_samples


def photo(number, class_ids, difficult=()):
    count = len(class_ids)
    flags = np.zeros(count, bool)
    flags[list(difficult)] = True
    boxes = np.tile(np.float32([1, 1, 9, 9]), (count, 1))
    return Record(f"{number}", Path(f"{number}.jpg"), 10, 10, boxes, np.int32(class_ids), flags)


def photos_of(counts):
    """A photo with one object for each of so many photos of each class."""
    classes = np.repeat(np.arange(len(counts)), counts)
    records = tuple(photo(number, [class_id]) for number, class_id in enumerate(classes))
    return Dataset(records, tuple(f"class {i}" for i in range(len(counts))))


def test_factors_worked_by_hand():
    """Of 16 photos, class 0 is on 12, class 1 on two. Class 2 is on two, but difficult there, and
    class 3 on a single one: neither counts. The mean of the other two is on 7 photos."""
    photos = [photo(i, [0]) for i in range(11)]
    photos += [photo(11, [0, 1, 1]), photo(12, [1]), photo(13, [])]
    photos += [photo(14, [2, 3], difficult=[0]), photo(15, [2], difficult=[0])]
    dataset = Dataset(tuple(photos), ("often", "rare", "difficult", "single"))
    for threshold, often in ((0.25, np.sqrt(4 / 2)), (0.5, np.sqrt(7 / 2)), (1.0, np.sqrt(7 / 2))):
        expected = [1.0] * 11 + [often, often, 1, 1, 1]
        np.testing.assert_allclose(repeat_factors(dataset, threshold), expected)
    np.testing.assert_array_equal(repeat_factors(dataset, 0.0), np.ones(16))


def test_of_many_classes_that_are_alike_none_is_rare():
    np.testing.assert_array_equal(repeat_factors(photos_of([5] * 20), 0.25), np.ones(100))


def test_the_factor_has_a_limit():
    factors = repeat_factors(photos_of([998, 2]), 0.25)
    assert (factors[:998] == 1).all()
    assert (factors[998:] == MAX_REPEAT_FACTOR).all()


def test_mistaken_classes_do_not_make_rare_ones_common():
    usual = repeat_factors(photos_of([300, 300, 20]), 0.25)[600:620]
    mistaken = repeat_factors(photos_of([300, 300, 20, *[1] * 20]), 0.25)
    np.testing.assert_allclose(mistaken[600:620], usual, rtol=0.02)
    assert (mistaken[620:] == 1).all()


def test_a_dataset_without_classes_or_photos():
    np.testing.assert_array_equal(repeat_factors(Dataset((photo(0, []),), ()), 0.5), [1])
    assert repeat_factors(Dataset((), ("a",)), 0.5).shape == (0,)
    assert epoch_order(np.zeros(0), np.random.default_rng(0)).shape == (0,)


def test_a_sentence_says_how_many_and_how_often():
    assert repeats_text(np.array([1, 1.4, 1])) == ""
    assert repeats_text(np.array([1, 2.0, 1.4])).startswith("1 photo has a rare class and is seen")
    text = "2 photos have rare classes and are seen up to 3.4 times as often as photos without one"
    assert repeats_text(np.array([1, 2.0, 3.4])) == text


@given(st.lists(st.floats(1, 30), min_size=1, max_size=60), st.integers(0, 2**32))
def test_each_photo_comes_as_often_as_its_factor_says(factors, seed):
    factors = np.array(factors)
    order = epoch_order(factors, np.random.default_rng(seed))
    assert len(order) == len(factors)
    times = np.bincount(order, minlength=len(factors))
    assert np.abs(times - factors / factors.mean()).max() < 1 + 1e-9


@pytest.mark.parametrize("factor", [1.0, 3.7])
def test_equal_factors_show_each_photo_once(factor):
    order = epoch_order(np.full(50, factor), np.random.default_rng(3))
    assert sorted(order) == list(range(50))
    assert list(order) != list(range(50))


def test_over_many_epochs_proportions_are_exact_and_places_random():
    """Every second photo comes three times as often: 0.5 and 1.5 times an epoch."""
    factors = np.tile([1.0, 3.0], 10)
    orders = np.array([epoch_order(factors, np.random.default_rng([7, i])) for i in range(4000)])
    times = np.bincount(orders.ravel()) / 4000
    np.testing.assert_allclose(times, factors / factors.mean(), atol=0.04)
    for number in range(20):  # any photo is as often early as late
        places = np.nonzero(orders == number)[1]
        assert abs(places.mean() - 9.5) < 0.4, number
    # Copies of a photo are no neighbours, but by chance: 2 of 19 pairs if all were side by side.
    assert (orders[:, 1:] == orders[:, :-1]).mean() < 0.04
    # Which photos come twice is random, too: without the first shuffle their counts go together.
    first, second = ((orders == number).sum(axis=1) for number in (1, 3))
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.15


def test_training_shows_photos_as_often_as_its_repeats_say():
    """Through ``training_samples`` and ``with_config``, which each phase of a run goes through."""
    dataset = photos_of([9, 1])
    repeats = np.array([1.0] * 9 + [4.0])
    config = TrainConfig(data=Path("photos"), cache="off")
    samples, _ = training_samples(
        config, dataset, 32, AugmentConfig(), (), (1.0, 1.0), 1, repeats=repeats
    )
    for part in (samples, samples.with_config(AugmentConfig(), 32)):
        orders = np.concatenate([part._epoch_order(epoch) for epoch in range(300)])
        np.testing.assert_allclose((orders == 9).mean(), 4 / 13, atol=0.02)
    once = TrainingSamples(dataset, 32, 0, AugmentConfig())
    assert sorted(once._epoch_order(0)) == list(range(10))


def test_crops_have_the_factors_of_their_photos():
    dataset = photos_of([2, 2])
    dataset = replace(dataset, records=[replace(r, width=100, height=100) for r in dataset.records])
    crops = Crops.of(dataset, 32)
    assert len(crops) > len(dataset)
    repeats = np.array([1.0, 1.0, 3.0, 3.0])[crops.photos]
    samples = TrainingSamples(dataset, 32, 0, AugmentConfig(), crops=crops, repeats=repeats)
    orders = np.concatenate([samples._epoch_order(epoch) for epoch in range(200)])
    share = (crops.photos[orders] >= 2).mean()
    np.testing.assert_allclose(share, repeats[repeats == 3].sum() / repeats.sum(), atol=0.02)


def test_the_plain_recipe_has_no_rare_classes():
    assert RECIPES["plain"].repeat_threshold == 0
    assert 0 < RECIPES["default"].repeat_threshold < 1
