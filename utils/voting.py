"""Box voting: where the network drew one object several times, the drawings agree on a box."""

from __future__ import annotations

import numpy as np

from utils.overlap import iou as box_iou

AGREEMENT = 0.6  # IoU above which two boxes mean the same object
LOWEST_SHARE = 0.5  # of a voter's score in the score of the one that it votes on
_BLOCK = 256  # voters at a time: bounds the memory of their overlaps


def vote(
    kept: np.ndarray,
    kept_scores: np.ndarray,
    class_ids: np.ndarray,
    boxes: np.ndarray,
    scores: np.ndarray,
    *,
    iou: float,
) -> np.ndarray:
    """Move each kept box to the mean of those that the network drew nearly there.

    A box has a say on a kept one where their IoU is greater than ``AGREEMENT``, and than ``iou``,
    and its score for the class is at least ``LOWEST_SHARE`` of the kept one's. It votes on the best
    of those, and weighs as much as that score; so each kept box votes on itself. This is the
    "bounding box voting" of Gidaris & Komodakis (Object detection via a multi-region & semantic
    segmentation-aware CNN model, ICCV 2015), with limits of our own and with one vote for each
    box, so that neighbours are not drawn together. What suppression kept, and how sure that is,
    does not change, and neither does a box that is alone. No confidence threshold takes part: an
    object has the same box whichever it was found with.

    Args:
        kept: (M, 4) ``x0, y0, x1, y1``, any unit, best score first, as ``nms`` kept them.
        kept_scores: (M,) of the kept boxes' own classes.
        class_ids: (M,) those classes.
        boxes: (N, 4) all boxes of the network in the same unit; those that are not finite do not
            vote.
        scores: (N, C) for each class.
        iou: the threshold of ``nms``.

    Returns:
        float32 (M, 4).
    """
    moved = np.array(kept, np.float32)
    if not len(moved):
        return moved
    weak = LOWEST_SHARE * kept_scores.min()
    rows = np.flatnonzero(np.isfinite(boxes).all(axis=1) & (scores >= weak).any(axis=1))
    boxes, scores = np.asarray(boxes[rows], np.float64), np.asarray(scores[rows], np.float64)
    for class_id in np.unique(class_ids):
        members = np.flatnonzero(class_ids == class_id)
        weights = scores[:, class_id]
        least = LOWEST_SHARE * np.asarray(kept_scores[members], np.float64)
        voters = np.flatnonzero(np.isfinite(weights) & (weights > 0) & (weights >= least.min()))
        total, weight = np.zeros((len(members), 4)), np.zeros(len(members))
        for start in range(0, len(voters), _BLOCK):
            block = voters[start : start + _BLOCK]
            overlap = box_iou(boxes[block, None], np.asarray(kept[members], np.float64))
            may = (overlap > max(AGREEMENT, iou)) & (weights[block, None] >= least)
            choice = np.argmax(may, axis=1)  # the first, which is the best
            valid = may[np.arange(len(block)), choice]
            choice, block = choice[valid], block[valid]
            np.add.at(weight, choice, weights[block])
            np.add.at(total, choice, weights[block, None] * boxes[block])
        heard = weight > 0  # no boxes without area, which overlap nothing
        moved[members[heard]] = total[heard] / weight[heard, None]
    return moved
