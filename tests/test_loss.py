"""The loss against plain NumPy, and what it must leave alone."""

import numpy as np
import pytest
import tensorflow as tf

from nets.boxes import pairwise_iou
from nets.loss import LossConfig, _overlapping, detection_loss, generalised_cross_entropy
from nets.targets import assign
from nets.yolo import Predictions, decode
from tests.reference import ANCHORS, plain_loss

GRIDS = [(8, 8), (4, 4), (2, 2)]


def example(seed=0, classes=3):
    rng = np.random.default_rng(seed)
    raw = [rng.normal(0, 0.7, (2, h, w, 3 * (5 + classes))).astype("f4") for h, w in GRIDS]
    boxes = np.zeros((2, 4, 4), np.float32)
    boxes[0, :3] = [[3, 4, 20, 30], [20, 10, 60, 62], [1, 1, 63, 60]]
    boxes[1, 0] = [30, 30, 48, 44]
    class_ids = np.array([[0, 2, -1, -1], [1, -1, -1, -1]], np.int32)  # the third is to ignore
    predictions = decode(raw, ANCHORS)
    matched_gt = assign(tf.constant(boxes), tf.constant(class_ids), GRIDS, ANCHORS)
    return predictions, boxes, class_ids, matched_gt


@pytest.mark.parametrize(
    "config",
    [LossConfig(), LossConfig(2.0, 3.0, 0.5, ignore_iou=0.3, objectness_from_iou=0.0),
     LossConfig(objectness_from_iou=0.5, gce_q=0.0)],
)  # fmt: skip
def test_agrees_with_plain_numpy(config):
    predictions, boxes, class_ids, matched_gt = example()
    got = detection_loss(
        predictions, tf.constant(boxes), tf.constant(class_ids), matched_gt, config
    )
    arrays = Predictions(*(np.array(p) for p in predictions))
    expected = plain_loss(arrays, boxes, class_ids, matched_gt.numpy(), config)
    assert [float(v) for v in got] == pytest.approx(expected, rel=1e-3)


def test_an_ignored_object_protects_what_overlaps_it():
    """The same boxes cost objectness when nothing is there, and not where a difficult one is."""
    predictions, boxes, class_ids, _ = example()
    boxes[:] = 0
    class_ids[:] = -1
    background = tf.fill([2, predictions.boxes.shape[1]], -1)
    args = (tf.constant(class_ids), background, LossConfig())
    empty = detection_loss(predictions, tf.constant(boxes), *args)
    boxes[0, 0] = np.array(predictions.boxes)[0, 100]
    protected = detection_loss(predictions, tf.constant(boxes), *args)
    assert float(protected.objectness) < float(empty.objectness)
    assert float(protected.box) == float(protected.classes) == 0


@pytest.mark.parametrize("count", [1, 127, 128, 129, 300])
def test_many_objects_are_compared_a_few_at_a_time(count, monkeypatch):
    rng = np.random.default_rng(count)
    corners = rng.uniform(0, 64, (2, 2, 60 + count, 2)).astype("f4")
    predicted, boxes = np.split(np.concatenate([corners.min(0), corners.max(0)], -1), [60], axis=1)
    boxes[1, count // 2 :] = 0  # padding
    expected = pairwise_iou(predicted, boxes).numpy().max(-1) > 0.5
    widths = []

    def compared(a, b):
        widths.append(b.shape[1])
        return pairwise_iou(a, b)

    monkeypatch.setattr("nets.loss.pairwise_iou", compared)
    assert np.array_equal(_overlapping(tf.constant(predicted), tf.constant(boxes), 0.5), expected)
    assert max(widths) <= 128
    assert sum(widths) == count
    anything = tf.TensorSpec([None, None, 4])
    traced = tf.function(_overlapping, input_signature=[anything, anything, tf.TensorSpec([])])
    assert np.array_equal(traced(predicted, boxes, 0.5), expected)


def test_the_gradient_is_the_same_with_many_objects():
    """Of a step, which has any number of them: padding beyond one block changes nothing."""
    predictions, boxes, class_ids, matched_gt = example()

    @tf.function(input_signature=[tf.TensorSpec([2, None, 4]), tf.TensorSpec([2, None], tf.int32)])
    def gradient(boxes, class_ids):
        with tf.GradientTape() as tape:
            tape.watch(predictions.objectness)
            tape.watch(predictions.boxes)
            losses = detection_loss(predictions, boxes, class_ids, matched_gt, LossConfig())
        return tape.gradient(losses.total, [predictions.objectness, predictions.boxes])

    few = gradient(boxes, class_ids)
    more = np.pad(boxes, [(0, 0), (0, 296), (0, 0)])
    many = gradient(more, np.pad(class_ids, [(0, 0), (0, 296)], constant_values=-1))
    for one, other in zip(few, many, strict=True):
        assert np.array_equal(one, other)


def test_a_batch_without_objects_is_finite_and_moderate():
    predictions, boxes, class_ids, _ = example()
    background = tf.fill([2, predictions.boxes.shape[1]], -1)
    losses = detection_loss(
        predictions, tf.zeros_like(boxes), tf.fill(class_ids.shape, -1), background, LossConfig()
    )
    per_image = predictions.boxes.shape[1] * 0.9
    assert 0 < float(losses.total) < per_image


def test_padding_changes_nothing():
    predictions, boxes, class_ids, matched_gt = example()
    wide = np.pad(boxes, ((0, 0), (0, 5), (0, 0)))
    ids = np.pad(class_ids, ((0, 0), (0, 5)), constant_values=-1)
    a = detection_loss(
        predictions, tf.constant(boxes), tf.constant(class_ids), matched_gt, LossConfig()
    )
    again = assign(tf.constant(wide), tf.constant(ids), GRIDS, ANCHORS)
    b = detection_loss(predictions, tf.constant(wide), tf.constant(ids), again, LossConfig())
    assert np.array_equal(matched_gt, again)
    assert [float(v) for v in a] == [float(v) for v in b]


def test_gradients_reach_every_output_and_only_through_predictions():
    rng = np.random.default_rng(0)
    raw = [tf.Variable(rng.normal(0, 0.5, (2, h, w, 24)).astype("f4")) for h, w in GRIDS]
    _, boxes, class_ids, matched_gt = example()
    with tf.GradientTape() as tape:
        losses = detection_loss(
            decode(raw, ANCHORS),
            tf.constant(boxes),
            tf.constant(class_ids),
            matched_gt,
            LossConfig(),
        )
    gradients = tape.gradient(losses.total, raw)
    flat = np.concatenate([np.array(g).reshape(2, -1, 8) for g in gradients], axis=1)
    assert np.isfinite(flat).all()
    positive = matched_gt.numpy() >= 0
    assert (np.abs(flat[positive]).sum(axis=0) > 0).all()  # x, y, w, h, objectness, classes
    assert (flat[~positive][:, [0, 1, 2, 3, 5, 6, 7]] == 0).all()


@pytest.mark.parametrize("q", [0.0, 0.3, 0.7, 1.0])
def test_what_is_sure_where_nothing_is_labelled_pulls_less_with_larger_q(q):
    """The gradient is p (1 − p)^q, at any logit that float32 holds."""
    logits = tf.constant([-60.0, -4.6, 0.0, 2.0, 6.0, 60.0])
    with tf.GradientTape() as tape:
        tape.watch(logits)
        cost = generalised_cross_entropy(logits, q)
    p = 1 / (1 + np.exp(-logits.numpy().astype(np.float64)))
    rest = 1 / (1 + np.exp(logits.numpy().astype(np.float64)))
    np.testing.assert_allclose(tape.gradient(cost, logits), p * rest**q, rtol=1e-4, atol=1e-30)
    expected = (1 - rest**q) / q if q else -np.log(rest)
    np.testing.assert_allclose(cost, expected, rtol=1e-4, atol=1e-7)
