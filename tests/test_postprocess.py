"""NMS against a plain-loop reading of its rules, and the way back to the photo."""

from __future__ import annotations

import subprocess
import sys
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.reference import plain_nms
from utils.letterbox import Letterbox
from utils.postprocess import MAX_CANDIDATES, _rows_reaching, nms, to_detections


def assert_same(boxes, scores, **options):
    expected = plain_nms(boxes, scores, **options)
    got_boxes, got_scores, got_classes = nms(boxes, scores, **options)
    assert got_boxes.dtype == got_scores.dtype == np.float32
    assert got_classes.dtype == np.int32
    assert got_boxes.shape == (len(expected), 4)
    assert got_classes.tolist() == [c for _, c in expected]
    np.testing.assert_array_equal(got_boxes, [boxes[b] for b, _ in expected] or np.zeros((0, 4)))
    np.testing.assert_array_equal(got_scores, [scores[b, c] for b, c in expected])


# Few distinct corners and scores, so that ties, equal boxes, exact thresholds, boxes without
# area and inverted boxes come up all the time.
corner = st.integers(0, 6).map(float)
odd = st.sampled_from([float("nan"), float("inf"), -float("inf")])
score = st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.5, 0.75, 1.0])


@st.composite
def outputs(draw):
    n, classes = draw(st.integers(0, 25)), draw(st.integers(1, 4))
    values = corner | odd if draw(st.booleans()) else corner
    boxes = draw(st.lists(values, min_size=4 * n, max_size=4 * n))
    values = score | odd if draw(st.booleans()) else score
    scores = draw(st.lists(values, min_size=n * classes, max_size=n * classes))
    return (
        np.array(boxes, np.float32).reshape(n, 4),
        np.array(scores, np.float32).reshape(n, classes),
    )


@settings(max_examples=400, deadline=None)
@given(
    outputs(),
    st.sampled_from([0.0, 0.1, 0.3, 0.5]),
    st.sampled_from([0.0, 1 / 3, 0.5, 0.6, 1.0]),
    st.integers(0, 12),
)
def test_equals_the_plain_loop(output, conf, iou, max_det):
    assert_same(*output, conf=conf, iou=iou, max_det=max_det)


@pytest.mark.parametrize("seed", range(6))
def test_equals_the_plain_loop_across_blocks_of_crowded_boxes(seed):
    rng = np.random.default_rng(seed)
    centre = rng.integers(0, 5, (400, 2)) * 30 + rng.integers(-12, 13, (400, 2))
    half = rng.integers(5, 15, (400, 2))
    boxes = np.concatenate([centre - half, centre + half], axis=1).astype(np.float32)
    scores = (rng.integers(0, 50, (400, 2)) / 50).astype(np.float32)
    assert_same(boxes, scores, conf=0.02, iou=0.45, max_det=300)


@pytest.mark.parametrize("distinct", [7, 100_000])
def test_only_the_best_3000_candidates_enter(distinct):
    # Boxes apart: what comes out is what went in. With 7 scores the limit falls among ties.
    rng = np.random.default_rng(1)
    x = np.arange(2500) * 10.0
    boxes = np.stack([x, x, x + 5, x + 5], axis=1).astype(np.float32)
    scores = (rng.integers(1, distinct + 1, (2500, 2)) / distinct).astype(np.float32)
    assert len(nms(boxes, scores, conf=0.0, iou=0.5, max_det=10_000)[1]) == MAX_CANDIDATES
    order = sorted((-scores[b, c], b, c) for b in range(2500) for c in range(2))[:3000]
    got_boxes, _, got_classes = nms(boxes, scores, conf=0.0, iou=0.5, max_det=10_000)
    assert got_classes.tolist() == [c for _, _, c in order]
    np.testing.assert_array_equal(got_boxes[:, 0], [10.0 * b for _, b, _ in order])


def test_a_candidate_beyond_the_limit_neither_comes_out_nor_suppresses():
    # 3,000 strong copies of one box fill the limit; a weaker box elsewhere is not looked at.
    boxes = np.array([[0, 0, 10, 10]] * 3000 + [[50, 50, 60, 60]], np.float32)
    scores = np.array([[0.9]] * 3000 + [[0.8]], np.float32)
    kept, _, _ = nms(boxes, scores, conf=0.1, iou=0.5, max_det=300)
    assert kept.tolist() == [[0, 0, 10, 10]]


def test_by_hand():
    boxes = np.array(
        [
            [0, 0, 10, 10],
            [0, 0, 10, 5],  # IoU 0.5 with the first: not greater than 0.5, so kept
            [0, 0, 10, 6],  # 0.6 with the first: dropped
            [0, 0, 10, 10],  # as the first, of another class: kept
            [20, 20, 20, 30],  # no area: overlaps nothing, so both
            [20, 20, 20, 30],
        ],
        np.float32,
    )
    scores = np.array([[0.9, 0], [0.8, 0], [0.7, 0], [0, 0.6], [0.5, 0], [0.5, 0]], np.float32)
    kept, kept_scores, classes = nms(boxes, scores, conf=0.5, iou=0.5, max_det=300)
    np.testing.assert_array_equal(kept, boxes[[0, 1, 3, 4, 5]])
    np.testing.assert_allclose(kept_scores, [0.9, 0.8, 0.6, 0.5, 0.5], rtol=1e-6)
    assert classes.tolist() == [0, 0, 1, 0, 0]


def test_a_suppressed_box_suppresses_nothing():
    boxes = np.array([[0, 0, 10, 10], [4, 0, 14, 10], [8, 0, 18, 10]], np.float32)
    scores = np.array([[0.9], [0.8], [0.7]], np.float32)
    kept, _, _ = nms(boxes, scores, conf=0.1, iou=0.3, max_det=300)
    np.testing.assert_array_equal(kept, boxes[[0, 2]])


def test_a_long_chain_of_overlaps():
    # Each box overlaps only its neighbours: every second one stays, across block borders.
    x = np.arange(1001) * 6.0
    boxes = np.stack([x, 0 * x, x + 10, 0 * x + 10], axis=1).astype(np.float32)
    scores = np.linspace(0.9, 0.2, 1001, dtype=np.float32)[:, None]
    kept, _, _ = nms(boxes, scores, conf=0.1, iou=0.2, max_det=1000)
    np.testing.assert_array_equal(kept, boxes[::2])


@pytest.mark.parametrize("classes", [1, 2, 7, 8, 9, 20, 80])
@pytest.mark.parametrize("share", [0.0, 0.002, 0.5, 1.0])
def test_rows_that_reach_a_score(classes, share):
    rng = np.random.default_rng(classes)
    scores = rng.random((101, classes), np.float32)
    scores[rng.random(scores.shape) < 0.05] = np.nan
    least = np.float32(1 - share)
    expected = np.flatnonzero((scores >= least).any(axis=1))
    assert list(_rows_reaching(scores, least)) == list(expected)
    assert list(_rows_reaching(np.asfortranarray(scores), least)) == list(expected)
    assert not len(_rows_reaching(scores[:0], least))


def test_the_cap_applies_over_all_classes_after_suppression():
    boxes = np.array([[0, 0, 9, 9], [0, 0, 9, 9], [50, 0, 59, 9]], np.float32)
    scores = np.array([[0.9, 0.3], [0.8, 0.2], [0.1, 0.4]], np.float32)
    _, kept_scores, classes = nms(boxes, scores, conf=0.1, iou=0.5, max_det=2)
    np.testing.assert_allclose(kept_scores, [0.9, 0.4], rtol=1e-6)
    assert classes.tolist() == [0, 1]


def test_a_score_at_the_confidence_passes_in_float32():
    boxes = np.array([[0, 0, 9, 9]], np.float32)
    for conf in (0.1, 0.3, 0.7, 0.9):
        assert len(nms(boxes, np.full((1, 1), conf, np.float32), conf=conf, iou=0.5, max_det=9)[1])


def test_nothing_in_nothing_out():
    kept, scores, classes = nms(np.zeros((0, 4)), np.zeros((0, 3)), conf=0, iou=0.5, max_det=9)
    assert kept.shape == (0, 4)
    assert scores.shape == classes.shape == (0,)
    assert len(nms(np.zeros((5, 4)), np.zeros((5, 3)), conf=0.1, iou=0.5, max_det=9)[1]) == 0
    assert len(nms(np.zeros((5, 4)), np.zeros((5, 0)), conf=0.1, iou=0.5, max_det=9)[1]) == 0


@pytest.mark.parametrize(("boxes", "scores"), [((4,), (4, 1)), ((3, 5), (3, 1)), ((3, 4), (2, 1))])
def test_shapes_that_do_not_fit(boxes, scores):
    with pytest.raises(ValueError, match="not \\(N, 4\\) and \\(N, C\\)"):
        nms(np.zeros(boxes), np.zeros(scores), conf=0.1, iou=0.5, max_det=9)


def test_inputs_are_not_changed():
    rng = np.random.default_rng(0)
    boxes, scores = rng.random((50, 4), np.float32), rng.random((50, 3), np.float32)
    before = boxes.copy(), scores.copy()
    nms(boxes, scores, conf=0.1, iou=0.5, max_det=9)
    np.testing.assert_array_equal(boxes, before[0])
    np.testing.assert_array_equal(scores, before[1])


@pytest.mark.parametrize(("width", "height"), [(640, 480), (300, 900), (1200, 400), (20, 30)])
def test_back_to_the_photo(width, height):
    letterbox = Letterbox(width, height, 416, 416)
    truth = np.array(
        [[0.1 * width, 0.2 * height, 0.5 * width, 0.9 * height], [0, 0, width, height]],
        np.float32,
    )
    found = to_detections(
        letterbox.to_input(truth),
        np.array([[0.9, 0.0], [0.0, 0.8]], np.float32),
        letterbox,
        ["cat", "dog"],
        conf=0.25,
        iou=0.45,
        max_det=300,
    )
    np.testing.assert_allclose(found.boxes, truth, atol=0.01)
    assert found.names() == ["cat", "dog"]
    assert found.class_names == ("cat", "dog")


def test_boxes_are_clipped_after_suppression_and_those_in_the_padding_dropped():
    letterbox = Letterbox(400, 200, 400, 400)  # 100 rows of padding above and below
    boxes = np.array(
        [
            [10, 10, 90, 90],  # in the padding
            [-50, 110, 50, 160],  # over the left edge
            [-50, 110, 200, 160],  # IoU 0.4 with it, but 0.25 of what is left on the photo
            [300, 150, 300, 180],  # no area
        ],
        np.float32,
    )
    scores = np.array([[0.9], [0.8], [0.7], [0.6]], np.float32)
    options = {"conf": 0.1, "iou": 0.3}
    found = to_detections(boxes, scores, letterbox, ["x"], max_det=300, **options)
    np.testing.assert_allclose(found.boxes, [[0, 10, 50, 60]])
    # What is dropped takes no place among the max_det.
    one = to_detections(boxes, scores, letterbox, ["x"], max_det=1, **options)
    np.testing.assert_allclose(one.boxes, [[0, 10, 50, 60]])


def test_class_names_must_fit_the_scores():
    with pytest.raises(ValueError, match="3 classes for 2 names"):
        to_detections(
            np.zeros((1, 4)),
            np.zeros((1, 3)),
            Letterbox(9, 9, 32, 32),
            ["a", "b"],
            conf=0.1,
            iou=0.5,
            max_det=9,
        )


def test_needs_neither_tensorflow_nor_the_network():
    code = (
        "import sys, utils.postprocess; "
        "sys.exit(any(m.split('.')[0] in ('tensorflow', 'keras', 'nets') for m in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_time_for_the_largest_usual_output():
    rng = np.random.default_rng(0)
    corner = rng.uniform(0, 350, (10_647, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(10, 60, (10_647, 2))], axis=1)
    boxes, scores = boxes.astype(np.float32), rng.random((10_647, 80), np.float32)
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        nms(boxes, scores, conf=0.001, iou=0.6, max_det=300)
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 0.2  # about 0.01 alone on a core; the rest is for busy machines
