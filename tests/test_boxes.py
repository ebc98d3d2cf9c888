"""IoU family against plain Python on numbers."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from nets.boxes import ciou, iou, pairwise_iou, shape_iou
from tests.reference import plain_ciou, plain_iou

sides = st.floats(1, 400)
corner = st.floats(-200, 400)
boxes = st.tuples(corner, corner, sides, sides).map(
    lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3])
)


@given(boxes, boxes)
@settings(max_examples=200, deadline=None)
def test_agrees_with_plain_arithmetic(a, b):
    ta, tb = tf.constant([a], tf.float32), tf.constant([b], tf.float32)
    assert iou(ta, tb).numpy()[0] == pytest.approx(plain_iou(a, b), abs=2e-4)
    assert ciou(ta, tb).numpy()[0] == pytest.approx(plain_ciou(a, b), abs=1e-3)
    assert pairwise_iou(ta, tb).numpy()[0, 0] == pytest.approx(plain_iou(a, b), abs=2e-4)


def test_ciou_by_hand():
    # 10×10 boxes, 5 apart: IoU 50/150, centre distance² 25, enclosing 15×10, diagonal² 325.
    a, b = tf.constant([[0.0, 0, 10, 10]]), tf.constant([[5.0, 0, 15, 10]])
    assert ciou(a, b).numpy()[0] == pytest.approx(1 / 3 - 25 / 325, abs=1e-5)
    assert ciou(a, a).numpy()[0] == pytest.approx(1, abs=1e-5)


def test_pairwise_shape_and_order():
    a = tf.constant(np.random.default_rng(0).uniform(0, 50, (2, 5, 4)), tf.float32)
    b = tf.concat([a[:, 3:4], a[:, :2]], axis=1)
    table = pairwise_iou(a, b).numpy()
    assert table.shape == (2, 5, 3)
    for i in range(2):
        for n in range(5):
            for m in range(3):
                assert table[i, n, m] == pytest.approx(iou(a[i, n], b[i, m]).numpy(), abs=1e-6)


def test_empty_and_inverted_boxes_give_zero_and_finite_gradients():
    predicted = tf.Variable([[5.0, 5, 5, 5], [9, 9, 2, 2], [0, 0, 1e-4, 1e-4]])
    truth = tf.constant([[0.0, 0, 10, 10]] * 3)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(1 - ciou(predicted, truth))
    assert np.all(iou(predicted, truth).numpy() < 1e-6)
    assert np.isfinite(tape.gradient(loss, predicted).numpy()).all()


def test_shape_iou():
    got = shape_iou(tf.constant([[10.0, 20]]), tf.constant([[20.0, 10]])).numpy()
    assert got == pytest.approx(100 / 300)
