"""Intervals and comparisons: that they hold the truth as often as they say, and their edges."""

from __future__ import annotations

import numpy as np
import pytest

from bench.intervals import claims, coverage
from tests.evaluation_cases import CASES, analysed, generated
from utils.evaluation.bootstrap import HALVES, IOU_50, draw, estimate_class, sample
from utils.evaluation.matching import match_tables
from utils.evaluation.tables import DetectionTable, GroundTruthTable


@pytest.mark.slow
@pytest.mark.parametrize(
    ("images", "classes", "skill"),
    [(70, 3, 1.0), (100, 8, 1.0), (70, 3, 3.0), (300, 3, 3.0), (70, 3, 4.0)],
)
def test_intervals_contain_the_true_value(images, classes, skill):
    result = coverage(images, classes, skill, trials=100)
    # Near 1 the exact bound is on the safe side.
    assert 0.90 <= result["held"]["AP50"] <= (0.99 if skill == 1 else 1.0)
    assert 0.90 <= result["held"]["AP"] <= 0.99


@pytest.mark.slow
def test_equal_detectors_are_called_equal_and_a_difference_is_found():
    assert claims(1.0, 1.0, 120, 100) <= 0.08
    assert claims(1.0, 0.5, 120, 50) >= 0.9


@pytest.mark.slow
@pytest.mark.parametrize(("skill", "images"), [(4.0, 70), (3.0, 70), (-1.0, 30)])
def test_equal_detectors_near_ap_0_and_1_are_called_equal(skill, images):
    assert claims(skill, skill, images, 100) <= 0.08


def test_draws():
    draws = draw(31, 50, seed=4)
    assert (draws.whole.sum(axis=0) == 31).all()
    assert draws.half.shape == (31, HALVES)
    assert (draws.half[:, ::2] + draws.half[:, 1::2] == 1).all()
    assert set(draws.half.sum(axis=0)) == {15, 16}
    np.testing.assert_array_equal(draw(31, 50, seed=4).whole, draws.whole)
    assert (draw(31, 50, seed=5).whole != draws.whole).any()
    assert draw(0, 10).whole.shape == (0, 10)
    assert draw(31, 0).half.shape == (31, 0)  # halves alone say nothing


def test_intervals_are_reproducible_and_contain_the_score():
    case = generated(**CASES["one class"])
    first, second = analysed(*case), analysed(*case)
    assert first.overall == second.overall
    for one in (*first.classes, first.overall):
        for estimate in (one.ap, one.ap50):
            assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1
            assert estimate.high - estimate.low > 0.02
    assert analysed(*case, seed=1).overall.ap != first.overall.ap


def test_more_images_narrow_the_interval():
    few, many = (
        analysed(*generated(3, images=n, classes=1), resamples=300).overall.ap50 for n in (40, 640)
    )
    # Four times as narrow for sixteen times as many.
    assert 2.5 < (few.high - few.low) / (many.high - many.low) < 6


def test_without_resamples_there_are_no_intervals():
    analysis = analysed(*generated(**CASES["five classes"]), resamples=0)
    assert analysis.resamples == 0
    assert all(c.ap.low is None and c.ap50.high is None for c in analysis.classes)


def test_a_class_on_few_images_has_no_interval():
    truth, results = generated(**CASES["80 classes"])
    for one in analysed(truth, results, resamples=50).classes:
        assert (one.ap.low is None) == (one.images < 5)


def perfect(images):
    truth, _ = generated(5, images=images, classes=1, difficult=0)
    return truth, [
        {"image_id": a["image_id"], "category_id": 0, "bbox": a["bbox"], "score": 0.5}
        for a in truth["annotations"]
    ]


def test_a_perfect_score_on_few_images_has_a_wide_interval():
    few, many = (analysed(*perfect(n), resamples=50).overall.ap50 for n in (12, 400))
    assert few.value == many.value == few.high == 1
    assert few.low < 0.8 < 0.98 < many.low < 1


def found_by_chance(images, share, seed):
    """The interval of AP50 of a detector that finds a share of the objects, and nothing else."""
    generator = np.random.default_rng(seed)
    ids, classes = np.arange(1, images + 1), np.zeros(images, int)
    boxes = np.tile([0.0, 0, 40, 40], (images, 1))
    found = np.flatnonzero(generator.random(images) < share)
    matched = match_tables(
        GroundTruthTable(ids, classes, boxes, np.zeros(images, bool)),
        DetectionTable(ids[found], classes[found], boxes[found], generator.random(len(found))),
        names=["cat"], images=images,
    )  # fmt: skip
    return estimate_class(sample(matched, draw(images, 200, seed)), 0, IOU_50, images)


@pytest.mark.parametrize(("images", "share"), [(8, 0.2), (12, 0.105), (30, 0.025), (100, 0.025)])
def test_intervals_near_ap_0_contain_the_true_value(images, share):
    true = (int(100 * share) + 1) / 101  # precision 1 at the recalls up to the share
    intervals = [found_by_chance(images, share, seed) for seed in range(80)]
    assert any(one.value == 0 for one in intervals)
    assert np.mean([one.low <= true <= one.high for one in intervals]) >= 0.93


def test_a_class_of_which_nothing_is_found_has_an_interval():
    nothing = found_by_chance(30, 0.0, 0)
    assert (nothing.value, nothing.low) == (0, 0)
    assert 1 - 0.05 ** (1 / 30) < nothing.high < 0.12
    assert found_by_chance(1000, 0.0, 0).high < 0.02


def test_a_class_without_errors_widens_the_interval_of_the_mean():
    truth, results = perfect(20)
    truth["categories"].append({"id": 1, "name": "other"})
    for n, annotation in enumerate(list(truth["annotations"]), 1):
        other = {**annotation, "id": 10_000 + n, "category_id": 1}
        truth["annotations"].append(other)
        results.append({**results[n - 1], "category_id": 1})
    both = analysed(truth, results, resamples=200).overall.ap50
    flawed = results[:-2]
    one = analysed(truth, flawed, resamples=200)
    # Class 0 has no spread: the binomial bound, halved by the mean, is part of the interval.
    bound = (1 - 0.05 ** (1 / one.classes[0].images)) / 2
    assert one.overall.ap50.value - one.overall.ap50.low >= bound
    assert both.value - both.low == pytest.approx(np.hypot(bound, bound), abs=1e-3)


def test_a_small_difference_in_one_of_several_perfect_classes_is_not_significant():
    truth, results = generated(5, images=40, classes=3, difficult=0), []
    truth = truth[0]
    results = [
        {"image_id": a["image_id"], "category_id": a["category_id"], "bbox": a["bbox"],
         "score": 0.9 - 1e-4 * n}
        for n, a in enumerate(truth["annotations"])
    ]  # fmt: skip
    compared = analysed(truth, results, other=("less", results[2:])).comparison.ap50
    assert compared.value > 0
    assert compared.low < 0 < compared.high
    assert compared.more_than_luck is False


def test_compared_with_itself():
    truth, results = generated(**CASES["five classes"])
    compared = analysed(truth, results, resamples=50, other=("same", results)).comparison
    for difference in (compared.ap, compared.ap50):
        assert (difference.value, difference.low, difference.high) == (0, 0, 0)
        assert difference.more_than_luck is False
    assert compared.classes["class 2"].value is None  # difficult objects only
    assert compared.classes["class 2"].more_than_luck is None


def test_compared_with_much_worse():
    truth, results = generated(**CASES["one class"])
    compared = analysed(truth, results, other=("half", results[::4])).comparison
    assert compared.ap50.this > compared.ap50.other
    assert compared.ap50.value == pytest.approx(compared.ap50.this - compared.ap50.other)
    assert compared.ap50.low > 0
    assert compared.ap50.more_than_luck is True
    turned = analysed(truth, results[::4], other=("all", results)).comparison
    assert turned.ap50.value == pytest.approx(-compared.ap50.value)
    assert turned.ap50.high < 0


@pytest.mark.parametrize("name", CASES)
def test_every_case_can_be_analysed(name):
    truth, results = generated(**CASES[name])
    analysis = analysed(truth, results, resamples=20, other=("other", results[1:]))
    assert len(analysis.classes) == len(truth["categories"])
    assert analysis.overall.detections == len(results)


def test_nothing_at_all():
    analysis = analysed({"images": [], "annotations": [], "categories": []}, [], resamples=10)
    assert analysis.overall.ap.value is None
    assert analysis.confusion.counts == [[0]]
