"""Operating points, miss rates, reliability and the confusion matrix, against plain loops and by
hand."""

from __future__ import annotations

import numpy as np
import pytest

from tests.evaluation_cases import CASES, analysed, generated
from utils.evaluation import confusion
from utils.evaluation.confusion import confusion_matrix
from utils.evaluation.matching import match_results
from utils.evaluation.operating_points import ThresholdCurve, reliability, threshold_curve


def matched(name):
    return match_results(*generated(**CASES[name]))


def counts_from(results, class_id, confidence):
    """True and false positives by a loop over all detections."""
    true = false = 0
    for row in results.ranked_rows.tolist():
        if class_id is not None and results.detections.class_ids[row] != class_id:
            continue
        if results.detections.scores[row] >= confidence:
            true += results.outcome[0, 0, row] == 1
            false += results.outcome[0, 0, row] == 0
    return true, false


@pytest.mark.parametrize("name", ["one class", "five classes"])
@pytest.mark.parametrize("class_id", [0, None])
def test_threshold_curve_counts_what_a_loop_counts(name, class_id):
    results = matched(name)
    curve = threshold_curve(results, class_id)
    assert (np.diff(curve.confidence) < 0).all()
    for i in range(0, len(curve.confidence), 7):
        expected = counts_from(results, class_id, curve.confidence[i])
        assert (curve.true[i], curve.false[i]) == expected
        point = curve.at(curve.confidence[i])
        assert (point.true_positives, point.false_positives) == expected
    best = curve.best_f1()
    f1 = [2 * t / (t + f + curve.positives) for t, f in zip(curve.true, curve.false, strict=True)]
    assert best.f1 == pytest.approx(max(f1))
    assert best.precision == best.true_positives / (best.true_positives + best.false_positives)
    assert best.recall == best.true_positives / curve.positives
    assert best.missed == curve.positives - best.true_positives


def curve_of(true, false, positives):
    confidence = np.linspace(0.9, 0.1, len(true))
    return ThresholdCurve(confidence, np.array(true), np.array(false), positives)


def test_best_f1_by_hand():
    curve = curve_of([1, 2, 2, 3], [0, 0, 1, 4], 4)  # F1 2/5, 4/6, 4/7, 6/11
    assert curve.best_f1().f1 == pytest.approx(4 / 6)
    assert curve.best_f1().confidence == curve.confidence[1]
    nothing = curve_of([], [], 4).best_f1()
    assert (nothing.confidence, nothing.precision, nothing.recall, nothing.f1) == (None, None, 0, 0)


def test_best_recall_by_hand():
    curve = curve_of([1, 2, 2, 3], [0, 0, 1, 4], 4)
    assert curve.best_recall(1.0).recall == 0.5
    assert curve.best_recall(0.66).recall == 0.5
    assert curve.best_recall(0.66).confidence == curve.confidence[1]  # not the lower one
    assert curve.best_recall(3 / 7).recall == 0.75
    assert curve_of([0, 1], [1, 1], 4).best_recall(0.6) is None


def test_log_average_miss_rate_by_hand():
    # 100 images, 10 objects: 5 found before the first false positive, 8 before the 11th.
    curve = curve_of([5, 5, 8, 8], [0, 2, 10, 200], 10)
    rates = np.logspace(-2, 0, 9)  # 0.01 … 1 false positives an image
    missed = np.where(rates < 0.1, 0.5, 0.2)  # reached at 0.1: 10 false positives
    expected = np.exp(np.log(missed).mean())
    assert curve.log_average_miss_rate(100) == pytest.approx(expected)
    assert curve_of([], [], 3).log_average_miss_rate(10) == 1.0
    assert curve_of([3], [0], 3).log_average_miss_rate(10) == pytest.approx(1e-10)
    assert curve_of([], [], 0).log_average_miss_rate(10) is None


def test_curve_keeps_its_ends_and_is_short():
    rng = np.random.default_rng(0)
    hits = np.sort(rng.random(20_000)) < rng.random(20_000) * 0.9
    true = np.cumsum(hits)
    false = np.arange(1, 20_001) - true
    curve = ThresholdCurve(np.linspace(1, 0, 20_000), true, false, int(true[-1]) + 50)
    points = curve.curve()
    assert len(points.recall) == len(points.precision) == len(points.confidence) <= 201
    assert (points.confidence[0], points.confidence[-1]) == (1, 0)
    assert points.recall == sorted(points.recall)
    assert max(np.diff(points.recall)) < 0.01


def test_reliability_by_loop():
    results = matched("one class")
    result = reliability(results)
    bins = [[] for _ in range(10)]
    for row in results.ranked_rows.tolist():
        score, what = results.detections.scores[row], results.outcome[0, 0, row]
        if what != -1 and score >= result.lowest:
            bins[min(sum(score >= k / 10 for k in range(1, 11)), 9)].append((score, what == 1))
    assert result.counts == [len(b) for b in bins]
    total = sum(result.counts)
    error = 0.0
    for i, members in enumerate(bins):
        if members:
            confidence, right = np.mean(members, axis=0)
            assert result.confidence[i] == pytest.approx(confidence)
            assert result.precision[i] == pytest.approx(right)
            error += len(members) / total * abs(confidence - right)
    assert result.error == pytest.approx(error)


def test_scores_outside_0_to_1_have_no_calibration():
    truth, results = generated(**CASES["five classes"])
    for factor, known in ((1.0, True), (5.0, False), (-1.0, False)):
        scaled = [{**r, "score": factor * r["score"]} for r in results]
        error = analysed(truth, scaled, resamples=0).reliability.error
        assert (error is not None) == known


def test_confusion_of_a_generated_case_adds_up():
    results = matched("five classes")
    matrix = confusion_matrix(results, 0.3)
    counts = np.array(matrix.counts)
    objects = results.objects_by_class()
    assert counts[:5].sum(axis=1).tolist() == objects.tolist()
    for c in range(5):
        true, false = counts_from(results, c, 0.3)
        assert counts[c, c] == true
        assert counts[:, c].sum() - counts[c, c] == false
    assert matrix.names[-1] == "background"
    off_diagonal = counts[:5, :5] - np.diag(np.diag(counts)[:5])
    assert off_diagonal.sum() > 0


def test_confusion_by_hand():
    def item(label, x, **more):
        return {"image_id": 1, "category_id": label, "bbox": [x, 0.0, 10.0, 10.0], **more}

    truth = {
        "images": [{"id": 1, "file_name": "1.jpg", "stem": "1", "width": 500, "height": 50}],
        "annotations": [
            item(label, x, id=i, area=100.0, iscrowd=0)
            for i, (label, x) in enumerate([(0, 0.0), (0, 100.0), (1, 200.0)], 1)
        ],
        "categories": [{"id": c, "name": str(c)} for c in range(2)],
    }
    results = [
        item(0, 0.0, score=0.9),  # right
        item(1, 0.0, score=0.95),  # on an object that its own class has found: background
        item(1, 100.0, score=0.8),  # 0 taken for 1
        item(1, 101.0, score=0.85),  # again, and worse placed: background
        item(0, 300.0, score=0.7),  # on nothing
        item(1, 200.0, score=0.05),  # below the threshold, so its object is missed
    ]
    matrix = confusion_matrix(match_results(truth, results), 0.1)
    assert matrix.counts == [[1, 1, 0], [0, 0, 1], [1, 2, 0]]


def test_confusion_of_very_many_classes_adds_up(monkeypatch):
    results = matched("five classes")
    whole = np.array(confusion_matrix(results, 0.3).counts)
    monkeypatch.setattr(confusion, "MAX_ROWS", 3)
    matrix = confusion_matrix(results, 0.3)
    objects = np.bincount(results.truth.class_ids, minlength=5)  # difficult ones, too
    own = sorted(np.argsort(-objects, kind="stable")[:3])
    others = sorted(set(range(5)) - set(own))
    groups = [*([i] for i in own), others, [5]]
    expected = [[whole[np.ix_(a, b)].sum() for b in groups] for a in groups]
    assert matrix.counts == expected
    assert matrix.names == [*(results.names[i] for i in own), "other classes", "background"]


def test_one_of_the_other_classes_taken_for_another_is_no_true_positive(monkeypatch):
    """Classes 2 and 3 share a row; one object of each, and both detections name the other."""
    labels = (0, 0, 1, 1, 2, 3)
    truth = {
        "images": [{"id": 1, "file_name": "1.jpg", "stem": "1", "width": 500, "height": 50}],
        "annotations": [
            {"id": i + 1, "image_id": 1, "category_id": label, "bbox": [20.0 * i, 0.0, 10.0, 10.0],
             "area": 100.0, "iscrowd": 0} for i, label in enumerate(labels)
        ],
        "categories": [{"id": c, "name": str(c)} for c in range(4)],
    }  # fmt: skip
    given = (0, 1, 1, 1, 3, 2)
    results = [
        {"image_id": 1, "category_id": label, "bbox": [20.0 * i, 0.0, 10.0, 10.0], "score": 0.9}
        for i, label in enumerate(given)
    ]
    monkeypatch.setattr(confusion, "MAX_ROWS", 2)
    matrix = confusion_matrix(match_results(truth, results), 0.1)
    assert matrix.counts == [[1, 1, 0, 0], [0, 2, 0, 0], [0, 0, 0, 2], [0, 0, 2, 0]]


def test_overall_counts_are_the_sums_over_classes():
    analysis = analysed(*generated(**CASES["five classes"]), resamples=0)
    for key in ("true_positives", "false_positives", "missed"):
        assert getattr(analysis.overall.at_confidence, key) == sum(
            getattr(c.at_confidence, key) for c in analysis.classes
        )
    assert analysis.overall.at_confidence == analysis.overall.best
    assert analysis.confidence == analysis.overall.best.confidence
    assert np.trace(analysis.confusion.counts) == analysis.overall.best.true_positives
    assert analysis.overall.ap.value == pytest.approx(np.mean(analysis.overall.ap_by_iou))
