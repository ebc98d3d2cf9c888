"""The training loss: CIoU for boxes, cross-entropy for classes and for objectness of positives,
generalised cross-entropy for objectness of negatives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import tensorflow as tf

from nets.boxes import ciou, iou, pairwise_iou
from nets.targets import BACKGROUND
from nets.yolo import Predictions

OBJECTS_AT_A_TIME = 128  # compared with all predictions; bounds memory


@dataclass(frozen=True)
class LossConfig:
    """Weights and thresholds of the loss.

    Attributes:
        box, objectness, classes: factors of the three parts.
        ignore_iou: a negative that overlaps an object above this IoU has no objectness loss
            (YOLOv3, section 2.1: 0.5).
        objectness_from_iou: weight of the IoU in the objectness target of a positive: 1 − this ×
            (1 − IoU). At 1 the target is the IoU, so scores rank boxes by how well they fit. At 0
            the target is 1.
        gce_q: the q of generalised cross-entropy for the objectness of negatives, 0 to 1. It limits
            what a confident prediction costs where no object is labelled. At 0 the cost has no
            limit, and over many epochs the network memorises which objects were not labelled. The
            price: it unlearns confident false positives slowly.
    """

    box: float = 5.0
    objectness: float = 1.0
    classes: float = 1.0
    ignore_iou: float = 0.5
    objectness_from_iou: float = 1.0
    gce_q: float = 0.7

    def __post_init__(self) -> None:
        if not 0 <= self.gce_q <= 1:
            raise ValueError(f"gce_q must be 0 to 1, not {self.gce_q}")


class Losses(NamedTuple):
    """Scalars, float32, already weighted; ``total`` is their sum."""

    total: tf.Tensor
    box: tf.Tensor
    objectness: tf.Tensor
    classes: tf.Tensor


def detection_loss(
    predictions: Predictions,
    boxes: tf.Tensor,
    class_ids: tf.Tensor,
    matched_gt: tf.Tensor,
    config: LossConfig,
    normalizer: tf.Tensor | None = None,
) -> Losses:
    """Loss of a batch, each part summed over predictions and divided by the positives.

    Args:
        predictions: decoded predictions, N rows an image.
        boxes: float32 (B, M, 4), ground truth in pixels of the network input, zeros for padding.
        class_ids: integers (B, M), negative for padding and for objects to ignore: negatives that
            overlap those have no objectness loss either.
        matched_gt: int64 (B, N) from ``nets.targets``.
        config: weights and thresholds.
        normalizer: what the sums are divided by, where the batch is a part of a larger one that is
            shared among devices or micro-batches; this batch's own ``loss_normalizer`` when None.
    """
    if normalizer is None:
        normalizer = loss_normalizer(normalizer_counts(matched_gt))
    # Not int32, which a GPU would leave to the host; see ``nets.targets``.
    class_ids, matched_gt = tf.cast(class_ids, tf.int64), tf.cast(matched_gt, tf.int64)
    positives = tf.where(matched_gt != BACKGROUND)  # (P, 2): image, row
    truth = tf.stack(  # (P, 2): image, object
        [positives[:, 0], tf.gather_nd(matched_gt, positives)], axis=-1
    )

    predicted_boxes = tf.gather_nd(predictions.boxes, positives)  # (P, 4)
    true_boxes = tf.gather_nd(boxes, truth)
    box = tf.reduce_sum(1.0 - ciou(predicted_boxes, true_boxes)) / normalizer

    fit = tf.stop_gradient(iou(predicted_boxes, true_boxes))
    target = 1.0 - config.objectness_from_iou * (1.0 - fit)
    targets = tf.scatter_nd(positives, target, tf.shape(matched_gt, out_type=tf.int64))
    has_loss = (matched_gt != BACKGROUND) | ~_overlapping(
        predictions.boxes, boxes, config.ignore_iou
    )
    positive = tf.nn.sigmoid_cross_entropy_with_logits(targets, predictions.objectness)
    negative = generalised_cross_entropy(predictions.objectness, config.gce_q)
    objectness = tf.where(matched_gt != BACKGROUND, positive, negative)
    objectness = tf.reduce_sum(tf.where(has_loss, objectness, 0.0)) / normalizer

    logits = tf.gather_nd(predictions.class_logits, positives)  # (P, classes)
    labels = tf.one_hot(tf.gather_nd(class_ids, truth), tf.shape(logits)[-1])
    classes = tf.nn.sigmoid_cross_entropy_with_logits(labels, logits)
    classes = tf.reduce_sum(classes) / normalizer

    parts = (config.box * box, config.objectness * objectness, config.classes * classes)
    return Losses(sum(parts), *parts)


def generalised_cross_entropy(logits: tf.Tensor, q: float) -> tf.Tensor:
    """The loss of logits whose label is 0: (1 − (1 − p)^q) / q with p = σ(logit).

    Equation 6 of Zhang & Sabuncu, Generalized cross entropy loss for training deep neural networks
    with noisy labels (2018), whose q of 0.7 is the default here. Its gradient p · (1 − p)^q is that
    of cross-entropy where p is small, and fades where the network is sure; for q = 0 it is
    cross-entropy itself.
    """
    cross_entropy = tf.nn.softplus(logits)  # −log(1 − p)
    return -tf.math.expm1(-q * cross_entropy) / q if q else cross_entropy


def normalizer_counts(matched_gt: tf.Tensor) -> tf.Tensor:
    """float32 (2,): positives and images of a batch, the input of ``loss_normalizer``.

    Counts of a batch's parts may be added.
    """
    positives = tf.math.count_nonzero(matched_gt != BACKGROUND)
    images = tf.shape(matched_gt)[0]
    return tf.stack([tf.cast(positives, tf.float32), tf.cast(images, tf.float32)])


def loss_normalizer(counts: tf.Tensor) -> tf.Tensor:
    """What the loss is divided by: the positives, or the images where those are more.

    Without this floor a batch of empty pictures would weigh thousands of times an ordinary one.
    """
    return tf.reduce_max(counts)


def _overlapping(predicted: tf.Tensor, boxes: tf.Tensor, threshold: float) -> tf.Tensor:
    """bool (B, N): predictions whose IoU with some object is above the threshold.

    Objects are compared ``OBJECTS_AT_A_TIME``, as a photo may have thousands of them.
    """
    predicted = tf.stop_gradient(predicted)

    def compare(start: tf.Tensor, found: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        end = start + OBJECTS_AT_A_TIME
        overlaps = pairwise_iou(predicted, boxes[:, start:end])  # (B, N, up to OBJECTS_AT_A_TIME)
        return end, found | (tf.reduce_max(overlaps, axis=-1) > threshold)

    nothing = tf.constant(0), tf.zeros_like(predicted[..., 0], tf.bool)
    _, found = tf.while_loop(
        lambda start, _: start < tf.shape(boxes)[1], compare, nothing, parallel_iterations=1
    )
    return found
