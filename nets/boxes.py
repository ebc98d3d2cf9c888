"""Box geometry on tensors: the IoU family.

A box is ``x0, y0, x1, y1`` in the last axis, continuous coordinates, any unit. Everything here
is a pure function of float32 tensors.
"""

from __future__ import annotations

import math

import tensorflow as tf

EPSILON = 1e-7  # keeps divisions finite for boxes without area


def area(boxes: tf.Tensor) -> tf.Tensor:
    """(…, 4) boxes → (…) areas; a box turned inside out has none."""
    sides = tf.maximum(boxes[..., 2:] - boxes[..., :2], 0.0)
    return sides[..., 0] * sides[..., 1]


def iou(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    """Intersection over union of boxes that broadcast together: (…, 4), (…, 4) → (…)."""
    top_left = tf.maximum(a[..., :2], b[..., :2])
    bottom_right = tf.minimum(a[..., 2:], b[..., 2:])
    sides = tf.maximum(bottom_right - top_left, 0.0)
    intersection = sides[..., 0] * sides[..., 1]
    return intersection / (area(a) + area(b) - intersection + EPSILON)


def pairwise_iou(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    """IoU of every box of ``a`` (…, N, 4) with every box of ``b`` (…, M, 4) → (…, N, M).

    Works axis by axis on (…, N, M) planes: several times faster on a CPU than broadcasting
    (…, N, M, 2) tensors, whose innermost axis is too short to vectorise.
    """
    ax0, ay0, ax1, ay1 = (side[..., :, None] for side in tf.unstack(a, axis=-1))
    bx0, by0, bx1, by1 = (side[..., None, :] for side in tf.unstack(b, axis=-1))
    width = tf.maximum(tf.minimum(ax1, bx1) - tf.maximum(ax0, bx0), 0.0)
    height = tf.maximum(tf.minimum(ay1, by1) - tf.maximum(ay0, by0), 0.0)
    intersection = width * height
    union = area(a)[..., :, None] + area(b)[..., None, :] - intersection
    return intersection / (union + EPSILON)


def shape_iou(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    """IoU of widths and heights laid over one another at a common corner.

    (…, 2), (…, 2) that broadcast together → (…). This is the measure by which YOLOv3 matches
    objects to anchors.
    """
    sides = tf.minimum(a, b)
    intersection = sides[..., 0] * sides[..., 1]
    union = a[..., 0] * a[..., 1] + b[..., 0] * b[..., 1] - intersection
    return intersection / (union + EPSILON)


def ciou(predicted: tf.Tensor, truth: tf.Tensor) -> tf.Tensor:
    """Complete IoU of aligned boxes, (…, 4), (…, 4) → (…), at most 1.

    IoU − ρ²/c² − αv: the distance of the centres over the diagonal of the enclosing box, and the
    difference in aspect ratio (Zheng et al., "Distance-IoU Loss", AAAI 2020, equations 10 to 12).
    The weight α carries no gradient, as in the paper's own implementation notes.
    """
    overlap = iou(predicted, truth)

    enclosing = tf.maximum(predicted[..., 2:], truth[..., 2:]) - tf.minimum(
        predicted[..., :2], truth[..., :2]
    )
    squared_diagonal = tf.reduce_sum(enclosing**2, axis=-1) + EPSILON
    centre_offset = (predicted[..., :2] + predicted[..., 2:] - truth[..., :2] - truth[..., 2:]) / 2
    squared_distance = tf.reduce_sum(centre_offset**2, axis=-1)

    angle_difference = _aspect_angle(truth) - _aspect_angle(predicted)
    v = (2 / math.pi * angle_difference) ** 2
    alpha = tf.stop_gradient(v / (1 - overlap + v + EPSILON))
    return overlap - squared_distance / squared_diagonal - alpha * v


def _aspect_angle(boxes: tf.Tensor) -> tf.Tensor:
    sides = tf.maximum(boxes[..., 2:] - boxes[..., :2], 0.0)
    return tf.atan2(sides[..., 0], sides[..., 1] + EPSILON)
