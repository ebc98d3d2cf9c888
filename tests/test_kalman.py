"""The Kalman filters of boxes against the eight-dimensional equations written out."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from utils.media import kalman
from utils.media.kalman import new_filters, to_centres, to_corners

SIDES = st.floats(4, 400)
BOX = st.tuples(st.floats(-200, 2000), st.floats(-200, 2000), SIDES, SIDES)  # centre and size
STEPS = st.lists(st.tuples(st.floats(0, 2), st.none() | BOX), max_size=12)


class PlainFilter:
    """One box by the textbook: state (8,) and covariance (8, 8), positions before velocities."""

    def __init__(self, measured: np.ndarray) -> None:
        size = np.tile(measured[2:], 2)
        self.x = np.concatenate([measured, np.zeros(4)])
        deviations = [kalman.MEASUREMENT_STD * size, kalman.INITIAL_SPEED_STD * size]
        self.p = np.diag(np.concatenate(deviations) ** 2)

    def predict(self, t: float) -> None:
        size = np.maximum(np.tile(self.x[2:4], 2), 1)
        moves = np.eye(8) + t * np.eye(8, k=4)
        noise = np.kron(
            [[t**3 / 3, t**2 / 2], [t**2 / 2, t]], np.diag((kalman.ACCELERATION_STD * size) ** 2)
        )
        self.x = moves @ self.x
        self.p = moves @ self.p @ moves.T + noise

    def update(self, measured: np.ndarray) -> None:
        size = np.tile(measured[2:], 2)
        observes = np.eye(4, 8)
        total = observes @ self.p @ observes.T + np.diag((kalman.MEASUREMENT_STD * size) ** 2)
        gain = self.p @ observes.T @ np.linalg.inv(total)
        self.x = self.x + gain @ (measured - observes @ self.x)
        self.p = (np.eye(8) - gain @ observes) @ self.p


@settings(max_examples=60, deadline=None)
@given(first=st.lists(BOX, min_size=1, max_size=4), steps=STEPS)
def test_filters_equal_the_textbook(first, steps):
    """All tracks are predicted; those with an even number are also updated."""
    first = np.array(first)
    filters = new_filters(to_corners(first))
    plain = [PlainFilter(measured) for measured in first]
    for step, measured in steps:
        filters.predict(step)
        for one in plain:
            one.predict(step)
        if measured is not None:
            rows = np.arange(0, len(first), 2)
            boxes = np.tile(measured, (len(rows), 1))
            filters.update(rows, to_corners(boxes))
            for row in rows:
                plain[row].update(np.array(measured))
    state = np.hstack([filters.position, filters.velocity])
    np.testing.assert_allclose(state, [one.x for one in plain], rtol=1e-6, atol=1e-6)
    blocks = [
        [np.diag(one.p[:4, :4]), np.diag(one.p[:4, 4:]), np.diag(one.p[4:, 4:])] for one in plain
    ]
    ours = [filters.position_variance, filters.covariance, filters.velocity_variance]
    np.testing.assert_allclose(np.stack(ours, axis=1), blocks, rtol=1e-6, atol=1e-6)


@settings(max_examples=40, deadline=None)
@given(box=BOX, first=st.floats(0, 2), second=st.floats(0, 2))
def test_two_steps_are_one_of_their_sum(box, first, second):
    twice, once = new_filters(to_corners(np.array([box]))), new_filters(to_corners(np.array([box])))
    for filters in (twice, once):
        filters.velocity[:, :2] = 30.0  # the size stays
    twice.predict(first)
    twice.predict(second)
    once.predict(first + second)
    for name in ("position", "position_variance", "covariance", "velocity_variance"):
        np.testing.assert_allclose(getattr(twice, name), getattr(once, name), 1e-9, atol=1e-12)


def test_a_steady_motion_is_learnt():
    """A box of 40×20 that moves 90 and −30 pixels a second and grows by 8."""
    times = np.arange(0, 2, 0.04)
    centres = np.stack([50 + 90 * times, 80 - 30 * times, 40 + 8 * times, 20 + 8 * times], axis=1)
    filters = new_filters(to_corners(centres[:1]))
    for centre in centres[1:]:
        filters.predict(0.04)
        filters.update(np.array([0]), to_corners(centre[None]))
    np.testing.assert_allclose(filters.velocity[0], [90, -30, 8, 8], rtol=0.02)
    filters.predict(0.5)
    np.testing.assert_allclose(filters.position[0, :2], centres[-1, :2] + [45, -15], atol=1)
    assert (filters.uncertainty[0] * [-1, -1, 1, 1] > 0).all()


def test_boxes_and_centres_are_inverse():
    boxes = np.array([[1.0, 2, 5, 10], [-3, 0, 0, 1]])
    np.testing.assert_allclose(to_centres(boxes), [[3, 6, 4, 8], [-1.5, 0.5, 3, 1]])
    np.testing.assert_allclose(to_corners(to_centres(boxes)), boxes)


def test_selected_and_joined_filters():
    filters = new_filters(np.array([[0, 0, 10, 10], [50, 50, 70, 80], [5, 5, 9, 9]], float))
    both = filters.select(np.array([2])).joined(filters.select(np.array([True, False, False])))
    assert len(both) == 2
    np.testing.assert_allclose(both.boxes, [[5, 5, 9, 9], [0, 0, 10, 10]])
