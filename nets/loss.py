"""The training loss: CIoU for boxes, cross-entropy of two kinds for objectness and classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import tensorflow as tf

from nets.boxes import ciou, iou, pairwise_iou
from nets.targets import BACKGROUND
from nets.yolo import Predictions


@dataclass(frozen=True)
class LossConfig:
    """Weights and thresholds of the loss.

    Attributes:
        box, objectness, classes: factors of the three parts.
        ignore_iou: a prediction that answers for no object but overlaps one above this IoU is
            neither rewarded nor punished (YOLOv3, section 2.1: 0.5).
        objectness_from_iou: how far the objectness target of a positive is its IoU with the
            object (1) instead of 1 (0), so that scores rank boxes by how well they fit.
        doubt: of the labels, where a prediction insists on an object and none is labelled: the q of
            generalised cross-entropy, 0 to 1. At 0 a prediction costs the more, the surer it is,
            without end, and after many sightings the network knows by heart which objects of its
            photos were forgotten. The price: what it is wrongly sure of, it unlearns slowly.
    """

    box: float = 5.0
    objectness: float = 1.0
    classes: float = 1.0
    ignore_iou: float = 0.5
    objectness_from_iou: float = 1.0
    doubt: float = 0.7

    def __post_init__(self) -> None:
        if not 0 <= self.doubt <= 1:
            raise ValueError(f"doubt is 0 to 1, not {self.doubt}")


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
    owner: tf.Tensor,
    config: LossConfig,
    count: tf.Tensor | None = None,
) -> Losses:
    """Loss of a batch, each part summed over predictions and divided by the positives.

    Args:
        predictions: decoded predictions, N rows an image.
        boxes: float32 (B, M, 4), ground truth in pixels of the network input, zeros for padding.
        class_ids: int32 (B, M), negative for padding and for objects to ignore: predictions that
            overlap those are not punished either.
        owner: int32 (B, N) from ``nets.targets.assign``.
        config: weights and thresholds.
        count: what the sums are divided by, where the batch is a part of a larger one that
            several devices or turns share; this batch's own ``loss_count`` when None.
    """
    count = loss_count(tally(owner)) if count is None else count
    positives = tf.where(owner != BACKGROUND)  # (P, 2): image, row
    truth = tf.stack(
        [positives[:, 0], tf.cast(tf.gather_nd(owner, positives), tf.int64)], axis=-1
    )  # (P, 2): image, object

    predicted_boxes = tf.gather_nd(predictions.boxes, positives)  # (P, 4)
    true_boxes = tf.gather_nd(boxes, truth)
    box = tf.reduce_sum(1.0 - ciou(predicted_boxes, true_boxes)) / count

    fit = tf.stop_gradient(iou(predicted_boxes, true_boxes))
    target = 1.0 - config.objectness_from_iou * (1.0 - fit)
    targets = tf.scatter_nd(positives, target, tf.shape(owner, out_type=tf.int64))
    counted = (owner != BACKGROUND) | ~_overlapping(predictions.boxes, boxes, config.ignore_iou)
    claimed = tf.nn.sigmoid_cross_entropy_with_logits(targets, predictions.objectness)
    empty = generalised_cross_entropy(predictions.objectness, config.doubt)
    objectness = tf.where(owner != BACKGROUND, claimed, empty)
    objectness = tf.reduce_sum(tf.where(counted, objectness, 0.0)) / count

    logits = tf.gather_nd(predictions.class_logits, positives)  # (P, classes)
    labels = tf.one_hot(tf.gather_nd(class_ids, truth), tf.shape(logits)[-1])
    classes = tf.nn.sigmoid_cross_entropy_with_logits(labels, logits)
    classes = tf.reduce_sum(classes) / count

    parts = (config.box * box, config.objectness * objectness, config.classes * classes)
    return Losses(sum(parts), *parts)


def generalised_cross_entropy(logits: tf.Tensor, q: float) -> tf.Tensor:
    """What logits cost where the label says no: (1 − (1 − p)^q) / q with p = σ(logit).

    Equation 6 of Zhang & Sabuncu, Generalized cross entropy loss for training deep neural networks
    with noisy labels (2018), whose q of 0.7 is the default here. Its gradient p · (1 − p)^q is that
    of cross-entropy where p is small, and fades where the network is sure; for q = 0 it is
    cross-entropy itself.
    """
    surprise = tf.nn.softplus(logits)  # −log(1 − p)
    return -tf.math.expm1(-q * surprise) / q if q else surprise


def tally(owner: tf.Tensor) -> tf.Tensor:
    """float32 (2,): positives and images of a batch; tallies of its parts may be added."""
    positives = tf.math.count_nonzero(owner != BACKGROUND, dtype=tf.int32)
    return tf.cast(tf.stack([positives, tf.shape(owner)[0]]), tf.float32)


def loss_count(tallied: tf.Tensor) -> tf.Tensor:
    """What the loss is divided by: the positives, or the images where those are more.

    A batch of empty pictures would else weigh thousands of times what an ordinary one does.
    """
    return tf.reduce_max(tallied)


def _overlapping(predicted: tf.Tensor, boxes: tf.Tensor, threshold: float) -> tf.Tensor:
    """bool (B, N): predictions whose IoU with some object is above the threshold."""
    overlaps = pairwise_iou(tf.stop_gradient(predicted), boxes)  # (B, N, M)
    return tf.reduce_max(overlaps, axis=-1) > threshold
