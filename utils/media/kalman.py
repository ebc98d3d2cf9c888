"""Kalman filters for the boxes of many tracks at once: constant velocity, any time step.

A box is its centre, width and height. Each of these four numbers has a velocity, and noise that is
independent of the other three. So the 8×8 covariance of a track is four 2×2 blocks, and all tracks
are filtered by a few operations on arrays of shape (N, 4).
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

# Standard deviations as shares of the box: of its width for x and width, of its height for y and
# height. Chosen on generated drives other than those that docs/tracking.md reports.
MEASUREMENT_STD = 0.05  # of a detected box
INITIAL_SPEED_STD = 2.0  # a second, of an object that was seen once
ACCELERATION_STD = 1.0  # a second, gained within one second


@dataclass
class BoxFilters:
    """The states of N filters. Arrays are float64 (N, 4), centre x, centre y, width and height,
    but for ``seen_size``.

    Attributes:
        position: estimates, in pixels.
        velocity: estimates, in pixels a second.
        position_variance, covariance, velocity_variance: the 2×2 block of each number.
        seen_size: (N, 2), the estimates of width and height when the object was last seen.
    """

    position: np.ndarray
    velocity: np.ndarray
    position_variance: np.ndarray
    covariance: np.ndarray
    velocity_variance: np.ndarray
    seen_size: np.ndarray

    def __len__(self) -> int:
        return len(self.position)

    @property
    def boxes(self) -> np.ndarray:
        """float64 (N, 4), ``x0, y0, x1, y1``; inverted where a width or height became negative."""
        return to_corners(self.position)

    @property
    def uncertainty(self) -> np.ndarray:
        """float64 (N, 4): one standard deviation of the centre x and y, as a margin to be added to
        ``boxes``."""
        deviation = np.sqrt(self.position_variance[:, :2])
        return np.hstack([-deviation, deviation])

    def select(self, rows: np.ndarray) -> BoxFilters:
        """The filters of a boolean array or of indices."""
        return BoxFilters(*(getattr(self, field.name)[rows] for field in fields(self)))

    def joined(self, other: BoxFilters) -> BoxFilters:
        """These filters, followed by others."""
        return BoxFilters(
            *(
                np.concatenate([getattr(self, field.name), getattr(other, field.name)])
                for field in fields(self)
            )
        )

    def hold_size(self, rows: np.ndarray) -> None:
        """Give the objects where ``rows`` (N,) is true the size that they were last seen with.

        For lost ones: a size that went on shrinking would reach 0 before its object is seen again.
        """
        self.position[rows, 2:] = self.seen_size[rows]
        self.velocity[rows, 2:] = 0
        self.covariance[rows, 2:] = 0

    def predict(self, step_s: float) -> None:
        """Move all states ``step_s`` ≥ 0 seconds ahead, in place.

        The acceleration is continuous white noise (Bar-Shalom, Li & Kirubarajan, Estimation with
        Applications to Tracking and Navigation, 2001, section 6.2.2). So two steps give the same as
        one of their sum, as long as the size stays the same.
        """
        acceleration = (ACCELERATION_STD * _size(self.position)) ** 2
        self.position += step_s * self.velocity
        self.position_variance += (
            2 * step_s * self.covariance
            + step_s**2 * self.velocity_variance
            + acceleration * step_s**3 / 3
        )
        self.covariance += step_s * self.velocity_variance + acceleration * step_s**2 / 2
        self.velocity_variance += acceleration * step_s

    def update(self, rows: np.ndarray, boxes: np.ndarray) -> None:
        """Correct the filters ``rows`` (M,) by their detected boxes (M, 4), in place."""
        measured = to_centres(boxes)
        variance, covariance = self.position_variance[rows], self.covariance[rows]
        innovation = measured - self.position[rows]
        total = variance + (MEASUREMENT_STD * _size(measured)) ** 2
        self.position[rows] += variance / total * innovation
        self.velocity[rows] += covariance / total * innovation
        self.position_variance[rows] = variance * (1 - variance / total)
        self.covariance[rows] = covariance * (1 - variance / total)
        self.velocity_variance[rows] -= covariance**2 / total
        self.seen_size[rows] = self.position[rows, 2:]


def new_filters(boxes: np.ndarray) -> BoxFilters:
    """Filters of objects that were seen once: (N, 4) ``x0, y0, x1, y1`` → N filters at rest."""
    position = to_centres(boxes)
    size = _size(position)
    return BoxFilters(
        position,
        np.zeros_like(position),
        (MEASUREMENT_STD * size) ** 2,
        np.zeros_like(position),
        (INITIAL_SPEED_STD * size) ** 2,
        position[:, 2:].copy(),
    )


def to_centres(boxes: np.ndarray) -> np.ndarray:
    """(N, 4) ``x0, y0, x1, y1`` → float64 (N, 4) centre x, centre y, width, height."""
    boxes = np.asarray(boxes, np.float64)
    return np.hstack([(boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]])


def to_corners(centres: np.ndarray) -> np.ndarray:
    """The inverse of ``to_centres``."""
    half = centres[:, 2:] / 2
    return np.hstack([centres[:, :2] - half, centres[:, :2] + half])


def _size(position: np.ndarray) -> np.ndarray:
    """(N, 4) width, height, width, height; at least a pixel, so that no variance is 0."""
    return np.maximum(np.tile(position[:, 2:], 2), 1.0)
