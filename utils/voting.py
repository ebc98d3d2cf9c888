"""Box voting: where the network drew one object several times, the drawings agree on a box."""

from __future__ import annotations

import numpy as np

from utils.overlap import iou as box_iou

LOWEST_IOU = 0.6  # of a box with the one that it votes on
LOWEST_SHARE = 0.5  # of a voter's score in the score of the one that it votes on
_BLOCK = 64  # kept boxes at a time: bounds the memory of their overlaps


def vote(
    kept: np.ndarray,
    kept_scores: np.ndarray,
    class_ids: np.ndarray,
    boxes: np.ndarray,
    scores: np.ndarray,
) -> np.ndarray:
    """Move each kept box to the mean of those that the network drew nearly there.

    The boxes that vote on one of a class are those, itself included, whose IoU with it is
    ``LOWEST_IOU`` or more and whose score for that class is ``LOWEST_SHARE`` of its score or more;
    they weigh as much as that score (the "bounding box voting" of Gidaris & Komodakis, Object
    detection via a multi-region & semantic segmentation-aware CNN model, ICCV 2015, with a floor
    for the scores). What suppression kept, and how sure that is, does not change, and neither does
    a box that is alone. No confidence threshold takes part, so an object has the same box
    whichever it was found with.

    Args:
        kept: (M, 4) ``x0, y0, x1, y1``, any unit.
        kept_scores: (M,) of the kept boxes' own classes.
        class_ids: (M,) those classes.
        boxes: (N, 4) all boxes of the network in the same unit; those that are not finite do not
            vote.
        scores: (N, C) for each class.

    Returns:
        float32 (M, 4).
    """
    moved = np.asarray(kept, np.float64).copy()
    finite = np.isfinite(boxes).all(axis=1)
    for class_id in np.unique(class_ids):
        members = np.flatnonzero(class_ids == class_id)
        weights = np.where(finite & np.isfinite(scores[:, class_id]), scores[:, class_id], 0)
        for start in range(0, len(members), _BLOCK):
            block = members[start : start + _BLOCK]
            least = LOWEST_SHARE * kept_scores[block]
            voters = np.flatnonzero((weights > 0) & (weights >= least.min()))
            corners = np.asarray(boxes[voters], np.float64)
            agree = box_iou(moved[block, None], corners) >= LOWEST_IOU  # (b, voters)
            votes = weights[voters] * (agree & (weights[voters] >= least[:, None]))
            total = votes.sum(axis=1)
            alone = total == 0  # without area, or with a score of nothing
            mean = votes @ corners / np.where(alone, 1, total)[:, None]
            moved[block] = np.where(alone[:, None], moved[block], mean)
    return moved.astype(np.float32)
