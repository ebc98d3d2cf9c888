"""VOC average precision against the development kit read line by line, and worked by hand."""

from __future__ import annotations

import time

import numpy as np
import pytest

from tests.evaluation_cases import CASES, generated
from tests.reference import kit_scores
from utils.evaluation import voc
from utils.evaluation.tables import (
    DetectionTable,
    GroundTruthTable,
    class_names,
    detection_table,
    ground_truth_table,
    mean_of_known,
)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("shift", [0, 100])
def test_equals_the_development_kit(name, shift):
    case = CASES[name]
    truth, results = generated(**{**case, "seed": case["seed"] + shift})
    classes = len(class_names(truth))
    tables = ground_truth_table(truth), detection_table(results)
    ap_2007, ap_2010 = voc.voc_average_precisions(*tables, classes)
    for class_id in range(classes):
        expected = kit_scores(truth, results, class_id)
        if expected is None:
            assert ap_2007[class_id] is None
            assert ap_2010[class_id] is None
        else:
            assert ap_2007[class_id] == pytest.approx(expected[0], abs=1e-9)
            assert ap_2010[class_id] == pytest.approx(expected[1], abs=1e-9)


def test_the_cases_are_not_trivial():
    truth, results = generated(**CASES["five classes"])
    _, ap = voc.voc_average_precisions(ground_truth_table(truth), detection_table(results), 5)
    assert ap[2] is None  # only difficult objects
    assert all(0.05 < v < 0.95 for v in ap if v is not None)
    outcome = voc.match_voc(ground_truth_table(truth), detection_table(results)).outcome
    assert set(outcome.tolist()) == {voc.TRUE_POSITIVE, voc.FALSE_POSITIVE, voc.IGNORED}


def test_pairs_in_several_parts_give_the_same(monkeypatch):
    truth, results = generated(**CASES["more than 100 detections an image"])
    tables = ground_truth_table(truth), detection_table(results)
    whole = voc._nearest(*tables)
    for pairs in (1, 7, 500):
        monkeypatch.setattr("utils.evaluation.pairs._PAIRS_AT_ONCE", pairs)
        for part, one in zip(voc._nearest(*tables), whole, strict=True):
            np.testing.assert_array_equal(part, one)


def tables(objects, detections):
    """(image, class, box, difficult) rows and (image, class, box, score) rows as tables."""
    image, label, box, last = zip(*objects, strict=True) if objects else ([], [], [], [])
    truth = GroundTruthTable(
        np.array(image, np.int64),
        np.array(label, np.int64),
        np.array(box, float).reshape(-1, 4),
        np.array(last, bool),
    )
    image, label, box, last = zip(*detections, strict=True) if detections else ([], [], [], [])
    found = DetectionTable(
        np.array(image, np.int64),
        np.array(label, np.int64),
        np.array(box, float).reshape(-1, 4),
        np.array(last, float),
    )
    return truth, found


A, B, FAR = [0, 0, 10, 10], [20, 0, 30, 10], [100, 100, 110, 110]


def test_worked_example():
    # Two objects; by falling score: hit, miss, hit. Precision 1, 1/2, 2/3 at recall 1/2, 1/2, 1.
    pair = tables(
        [(1, 0, A, False), (1, 0, B, False)],
        [(1, 0, A, 0.9), (1, 0, FAR, 0.8), (1, 0, B, 0.7)],
    )
    ap_2007, ap_2010 = voc.voc_average_precisions(*pair, 1)
    assert ap_2007[0] == pytest.approx((6 * 1 + 5 * 2 / 3) / 11)  # recalls 0 … 0.5, 0.6 … 1
    assert ap_2010[0] == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)


def test_recall_is_tested_in_integers():
    # 3 of 10 found reach recall 0.3, which 0.1 * 3 in floating point does not.
    objects = [(1, 0, [20 * i, 0, 20 * i + 10, 10], False) for i in range(10)]
    found = [(1, 0, box, 0.9 - 0.1 * i) for i, (_, _, box, _) in enumerate(objects[:3])]
    ap_2007, ap_2010 = voc.voc_average_precisions(*tables(objects, found), 1)
    assert ap_2007[0] == pytest.approx(4 / 11)
    assert ap_2010[0] == pytest.approx(0.3)


def outcomes(objects, detections):
    return voc.match_voc(*tables(objects, detections)).outcome.tolist()


HIT, MISS, IGNORED = voc.TRUE_POSITIVE, voc.FALSE_POSITIVE, voc.IGNORED


def test_iou_of_exactly_a_half_matches():
    assert outcomes([(1, 0, A, False)], [(1, 0, [0, 0, 10, 5], 0.9)]) == [HIT]
    assert outcomes([(1, 0, A, False)], [(1, 0, [0, 0, 10, 4.99], 0.9)]) == [MISS]


def test_only_the_object_with_the_highest_iou_can_match():
    # The second detection reaches 0.5 with the free object too, but lies nearer the found one.
    objects = [(1, 0, [0, 0, 10, 10], False), (1, 0, [2, 0, 12, 10], False)]
    found = [(1, 0, [0, 0, 10, 10], 0.9), (1, 0, [0.5, 0, 10.5, 10], 0.8)]
    assert outcomes(objects, found) == [HIT, MISS]


def test_difficult_objects_count_neither_way():
    objects = [(1, 0, A, True), (1, 0, [3, 0, 13, 10], False)]
    found = [(1, 0, A, 0.9), (1, 0, A, 0.8), (1, 0, [3, 0, 13, 10], 0.7)]
    assert outcomes(objects, found) == [IGNORED, IGNORED, HIT]
    ap_2007, ap_2010 = voc.voc_average_precisions(*tables(objects, found), 1)
    assert ap_2007 == ap_2010 == [1.0]


def test_of_equal_ious_the_first_object_matches():
    # Both objects are equally near; the first is difficult.
    middle = [(1, 0, [1, 0, 11, 10], 0.9)]
    first_difficult = [(1, 0, A, True), (1, 0, [2, 0, 12, 10], False)]
    assert outcomes(first_difficult, middle) == [IGNORED]
    assert outcomes(first_difficult[::-1], middle) == [HIT]


def test_equal_scores_go_by_image_then_by_place_in_the_file():
    objects = [(1, 0, A, False), (2, 0, A, False)]
    found = [(2, 0, FAR, 0.5), (1, 0, A, 0.5), (1, 0, A, 0.5), (2, 0, A, 0.5)]
    matches = voc.match_voc(*tables(objects, found))
    assert matches.rank.tolist() == [1, 2, 0, 3]
    assert matches.outcome.tolist() == [MISS, HIT, MISS, HIT]


def test_image_and_class_must_agree():
    objects = [(1, 0, A, False)]
    assert outcomes(objects, [(2, 0, A, 0.9), (1, 1, A, 0.8), (1, 0, A, 0.1)]) == [MISS, MISS, HIT]


def test_boxes_without_area_and_inverted_boxes_match_nothing():
    objects = [(1, 0, [5, 5, 5, 5], False), (1, 0, A, False)]
    assert outcomes(objects, [(1, 0, [5, 5, 5, 5], 0.9), (1, 0, [10, 10, 0, 0], 0.8)]) == [MISS] * 2
    huge = [(1, 0, [-1e308, -1e308, 1e308, 1e308], 0.9), (1, 0, A, 0.8)]
    assert outcomes(objects, huge) == [MISS, HIT]


def test_a_class_without_countable_objects_is_outside_the_mean():
    pair = tables([(1, 0, A, False), (1, 1, A, True)], [(1, 0, A, 0.9), (1, 2, A, 0.9)])
    ap_2007, _ = voc.voc_average_precisions(*pair, 3)
    assert ap_2007 == [1.0, None, None]
    assert mean_of_known(ap_2007) == 1.0
    assert mean_of_known([None, None]) is None


def test_objects_never_found_give_zero():
    ap_2007, ap_2010 = voc.voc_average_precisions(*tables([(1, 0, A, False)], []), 1)
    assert ap_2007 == ap_2010 == [0.0]


@pytest.mark.slow
def test_time_at_the_size_of_coco():
    rng = np.random.default_rng(0)
    corner = rng.uniform(0, 400, (36_000, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(10, 200, (36_000, 2))], axis=1)
    images, labels = rng.integers(1, 5001, 36_000), rng.integers(0, 80, 36_000)
    truth = GroundTruthTable(images, labels, boxes, rng.random(36_000) < 0.05)
    source = rng.integers(0, 36_000, 250_000)
    near = boxes[source] + rng.normal(0, 8, (250_000, 4))
    found = DetectionTable(images[source], labels[source], near, rng.random(250_000))
    start = time.perf_counter()
    voc.voc_average_precisions(truth, found, 80)
    assert time.perf_counter() - start < 3  # about 0.2 alone on a core
