"""Box voting against a plain-loop reading of its rule, and what it must leave alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.reference import plain_iou, plain_vote, plain_vote_counts
from utils.letterbox import Letterbox
from utils.postprocess import nms, to_detections
from utils.voting import reweighted_scores, vote


@st.composite
def outputs(draw):
    """Groups of nearly equal boxes, some of them not finite, with scores of few values."""
    groups = draw(st.integers(0, 8))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    centres = np.repeat(rng.uniform(20, 80, (groups, 2)), 12, axis=0)
    sides = rng.uniform(18, 26, (len(centres), 2))
    centres = centres + rng.uniform(-3, 3, centres.shape)
    boxes = np.concatenate([centres - sides / 2, centres + sides / 2], axis=1).astype(np.float32)
    scores = rng.choice([0.0, 0.1, 0.25, 0.5, 0.75, 1.0], (len(boxes), draw(st.integers(1, 3))))
    if draw(st.booleans()) and len(boxes):
        boxes[rng.integers(len(boxes)), rng.integers(4)] = np.nan
        scores[rng.integers(len(boxes)), 0] = np.inf
    return boxes, scores.astype(np.float32)


@settings(max_examples=150, deadline=None)
@given(outputs(), st.sampled_from([0.0, 0.1, 0.5]), st.sampled_from([0.3, 0.6, 0.8, 1.0]))
def test_equals_the_plain_loop(output, conf, iou):
    boxes, scores = output
    kept = nms(boxes, scores, conf=conf, iou=iou, max_det=300)
    moved, votes = vote(*kept, boxes, scores, iou=iou)
    assert moved.dtype == np.float32
    assert moved.shape == kept[0].shape
    expected = plain_vote(*kept, boxes, scores, iou)
    np.testing.assert_allclose(moved, expected, rtol=1e-6, atol=1e-5)
    counted = plain_vote_counts(expected, *kept[1:], boxes, scores)
    np.testing.assert_allclose(votes, counted, rtol=1e-6, atol=1e-6)


def test_by_hand():
    boxes = np.array(
        [
            [0, 0, 10, 10],  # kept
            [0, 0, 10, 8],  # IoU 0.8, half the score: votes
            [0, 0, 10, 7],  # IoU 0.7, too low a score
            [0, 0, 10, 6],  # IoU 0.6, and no more
        ],
        np.float32,
    )
    scores = np.array([[0.8], [0.4], [0.39], [0.8]], np.float32)
    moved, votes = vote(boxes[:1], scores[:1, 0], np.array([0]), boxes, scores, iou=0.45)
    # First the mean of the two that vote: (0.8 · 10 + 0.4 · 8) / 1.2. Each then weighs its score
    # times the square of how far its IoU with that mean lies above 0.6, and so once more.
    bottom = (0.8 * 10 + 0.4 * 8) / 1.2
    for _ in range(2):
        tall, flat = 0.8 * (bottom / 10 - 0.6) ** 2, 0.4 * (8 / bottom - 0.6) ** 2
        bottom = (tall * 10 + flat * 8) / (tall + flat)
    np.testing.assert_allclose(moved, [[0, 0, 10, bottom]], rtol=1e-6)
    # The one of half the score is at the limit and adds nothing.
    near = ((bottom / 10 - 0.6) / 0.4) ** 2 + ((6 / bottom - 0.6) / 0.4) ** 2 * (6 / bottom > 0.6)
    np.testing.assert_allclose(votes, [near], rtol=1e-6)


def test_vote_counts_by_hand():
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 8], [0, 0, 10, 5]], np.float32)
    scores = np.array([[0.8], [0.01], [0.8]], np.float32)
    pair = boxes[:1], scores[:1, 0], np.array([0])
    _, votes = vote(*pair, boxes, scores, iou=0.45)
    np.testing.assert_allclose(votes, [1], rtol=1e-6)  # a low score and a low IoU: not counted
    # Above 0.6, but not above the threshold of nms: they do not vote, and yet count.
    boxes[1:] = [[0, 0, 10, 8], [0, 0, 10, 7]]
    scores[1] = 0.6
    _, votes = vote(*pair, boxes, scores, iou=0.8)
    # IoU 0.8 is half of the way from 0.6 to 1, a score of 0.6 half of that from 0.4 to 0.8; IoU 0.7
    np.testing.assert_allclose(votes, [1 + 0.5**2 * 0.5 + 0.25**2], rtol=1e-5)


def test_voters_far_from_the_mean_lose_weight():
    """Six boxes of an object and two that are a third too tall: those hardly count."""
    tops = [0, 0.5, 1, 1.5, 2, 1]
    boxes = np.array([[0, t, 60, 60 - t] for t in tops] + [[0, 0, 60, 80]] * 2, np.float32)
    scores = np.full((8, 1), 0.8, np.float32)
    mean = boxes.mean(axis=0)[3]
    moved, _ = vote(boxes[:1], scores[:1, 0], np.array([0]), boxes, scores, iou=0.6)
    assert mean > 64
    assert 59 < moved[0, 3] < 60.5


def test_a_mean_that_no_voter_agrees_with_stands():
    """Boxes that are each half as large again on another side: their mean is so on all sides."""
    box, out = np.array([100, 100, 200, 200]), 65
    reach = np.diag([-out, -out, out, out])
    boxes = np.array([box, *(box + side for side in reach for _ in range(3))], np.float32)
    scores = np.array([[0.9]] + [[0.8]] * 12, np.float32)
    kept = boxes[:1], scores[:1, 0], np.array([0])
    moved, votes = vote(*kept, boxes, scores, iou=0.45)
    np.testing.assert_allclose(moved, [np.average(boxes, axis=0, weights=scores[:, 0])], rtol=1e-6)
    assert all(plain_iou(moved[0], one) < 0.6 for one in boxes)
    np.testing.assert_array_equal(votes, [0])
    assert reweighted_scores(kept[1], votes) == pytest.approx(0.9 * 0.1**0.25)


def test_the_more_agree_the_higher_the_score_and_never_above_its_own():
    scores = np.full(5, 0.8, np.float32)
    found = reweighted_scores(scores, np.array([0, 1, 5, 10, 40.0]))
    np.testing.assert_allclose(found / 0.8, [0.1**0.25, 0.1**0.25, 0.5**0.25, 1, 1], rtol=1e-6)
    assert found.dtype == np.float32


def test_detections_are_sorted_by_reweighted_scores_and_none_is_below_the_confidence():
    agreed = np.tile(np.array([5, 5, 25, 25], np.float32), (10, 1))
    boxes = np.concatenate([[[50, 50, 70, 70], [50, 5, 70, 25]], agreed]).astype(np.float32)
    scores = np.array([0.9, 0.5] + [0.8] * 10, np.float32)[:, None]
    letterbox = Letterbox(100, 100, 100, 100)
    found = to_detections(boxes, scores, letterbox, ["x"], conf=0.4, iou=0.5, max_det=9)
    np.testing.assert_allclose(found.boxes, [[5, 5, 25, 25], [50, 50, 70, 70]])
    np.testing.assert_allclose(found.scores, [0.8, 0.9 * 0.1**0.25], rtol=1e-6)


def test_other_classes_do_not_vote():
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 9]], np.float32)
    scores = np.array([[0.8, 0.0], [0.0, 0.8]], np.float32)
    kept = nms(boxes, scores, conf=0.1, iou=0.5, max_det=9)
    np.testing.assert_array_equal(vote(*kept, boxes, scores, iou=0.5)[0], kept[0])


def test_a_box_without_votes_stays():
    """Boxes without area overlap nothing, themselves included; a score of 0 weighs nothing."""
    boxes = np.array([[5, 5, 5, 9], [20, 20, 30, 30]], np.float32)
    scores = np.array([[0.9], [0.0]], np.float32)
    kept = nms(boxes, scores, conf=0.0, iou=0.5, max_det=9)
    np.testing.assert_array_equal(vote(*kept, boxes, scores, iou=0.5)[0], kept[0])
    none = nms(boxes[:0], scores[:0], conf=0, iou=0.5, max_det=9)
    moved, votes = vote(*none, boxes, scores, iou=0.5)
    assert (moved.shape, votes.shape) == ((0, 4), (0,))


@pytest.mark.parametrize("max_det", [0, 1, 2, 9])
def test_max_det_keeps_the_best_reweighted_scores(max_det):
    """The box that no other agrees with has the best score before re-weighting, and drops out."""
    agreed = np.tile(np.array([5, 5, 25, 25], np.float32), (10, 1))
    boxes = np.concatenate([[[50, 50, 70, 70]], agreed, agreed + 60]).astype(np.float32)
    scores = np.array([0.6] + [0.5] * 10 + [0.45] * 10, np.float32)[:, None]
    letterbox = Letterbox(100, 100, 100, 100)
    found = to_detections(boxes, scores, letterbox, ["x"], conf=0.4, iou=0.5, max_det=max_det)
    np.testing.assert_allclose(found.scores, [0.5, 0.45][:max_det])


def test_equal_boxes_agree_on_themselves():
    boxes = np.tile(np.array([5, 5, 55, 55], np.float32), (7, 1))
    scores = np.linspace(0.9, 0.5, 7, dtype=np.float32)[:, None]
    kept = nms(boxes, scores, conf=0.1, iou=0.5, max_det=9)
    np.testing.assert_array_equal(vote(*kept, boxes, scores, iou=0.5)[0], [[5, 5, 55, 55]])


@pytest.mark.parametrize(
    ("iou", "offsets"),
    [
        (0.45, [0, 19.4, 38.9]),  # the one in the middle is suppressed and agrees with both others
        (0.6, [0, 25]),  # IoU 0.6, and no more
        (0.7, [0, 20]),  # IoU 0.667: both are kept
    ],
)
def test_neighbours_are_not_merged(iou, offsets):
    boxes = np.array([[x, 0, x + 100, 40] for x in offsets], np.float32)
    scores = np.linspace(0.9, 0.8, len(boxes), dtype=np.float32)[:, None]
    kept = nms(boxes, scores, conf=0.1, iou=iou, max_det=9)
    assert len(kept[0]) == 2
    moved, _ = vote(*kept, boxes, scores, iou=iou)
    before, after = (plain_iou(*pair.astype(float)) for pair in (kept[0], moved))
    np.testing.assert_array_equal(moved[1], kept[0][1])  # no other box votes on it
    assert after <= max(before, 0.6)  # the first moves by the one in the middle alone


@settings(max_examples=50, deadline=None)
@given(outputs(), st.sampled_from([0.25, 0.5]))
def test_an_object_has_the_same_box_at_every_confidence(output, conf):
    boxes, scores = output
    letterbox = Letterbox(100, 100, 100, 100)
    names = [str(i) for i in range(scores.shape[1])]
    few, many = (
        to_detections(boxes, scores, letterbox, names, conf=at, iou=0.45, max_det=300)
        for at in (conf, 0.05)
    )
    count = int((many.scores >= conf).sum())
    np.testing.assert_allclose(few.boxes, many.boxes[:count], atol=1e-4)
    np.testing.assert_array_equal(few.scores, many.scores[:count])


def test_an_object_at_the_border_is_not_voted_off_the_photo():
    letterbox = Letterbox(400, 200, 400, 400)  # 100 rows of padding above and below
    boxes = np.array([[10, 0, 110, 102], [10, 0, 110, 80], [10, 0, 110, 90]], np.float32)
    scores = np.array([[0.9], [0.8], [0.8]], np.float32)
    found = to_detections(boxes, scores, letterbox, ["x"], conf=0.1, iou=0.5, max_det=9)
    np.testing.assert_allclose(found.boxes, [[10, 0, 110, 2]])
