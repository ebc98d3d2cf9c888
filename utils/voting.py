"""Box voting: where the network drew one object several times, the drawings agree on a box, and how
nearly they agree says how far to trust it."""

from __future__ import annotations

import numpy as np

from utils.overlap import iou as box_iou

AGREEMENT = 0.6  # IoU above which two boxes mean the same object
LOWEST_SHARE = 0.5  # of a voter's score in the score of the one that it votes on
MOST_SUPPORT = 10.0  # boxes; as many as one object has in training at most (nets.targets.BEST)
TRUST = 0.25  # power of the support in a score
LEAST_TRUST = MOST_SUPPORT**-TRUST  # what is left of the score of a box that stands alone: 0.56
_BLOCK = 256  # voters at a time: bounds the memory of their overlaps


def vote(
    kept: np.ndarray,
    kept_scores: np.ndarray,
    class_ids: np.ndarray,
    boxes: np.ndarray,
    scores: np.ndarray,
    *,
    iou: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Move each kept box to the mean of those that the network drew nearly there, and count them.

    A box has a say on a kept one where their IoU is greater than ``AGREEMENT``, and than ``iou``,
    and its score for the class is at least ``LOWEST_SHARE`` of the kept one's. It votes on the best
    of those, and weighs as much as that score; so each kept box votes on itself. This is the
    "bounding box voting" of Gidaris & Komodakis (Object detection via a multi-region & semantic
    segmentation-aware CNN model, ICCV 2015), with limits of our own and with one vote for each
    box, so that neighbours are not drawn together. A box that is alone stays where it is. No
    confidence threshold takes part: an object has the same box whichever it was found with.

    The support of a kept box is the number of boxes that agree with it, itself included, each
    counted by how nearly it does: ((IoU − ``AGREEMENT``) / (1 − ``AGREEMENT``))² times how far its
    score lies between ``LOWEST_SHARE`` of the kept one's and all of it. One box may support several
    neighbours.

    Args:
        kept: (M, 4) ``x0, y0, x1, y1``, any unit, best score first, as ``nms`` kept them.
        kept_scores: (M,) of the kept boxes' own classes.
        class_ids: (M,) those classes.
        boxes: (N, 4) all boxes of the network in the same unit; those that are not finite do not
            vote.
        scores: (N, C) for each class.
        iou: the threshold of ``nms``.

    Returns:
        float32 (M, 4) boxes, and their support, float64 (M,).
    """
    moved, support = np.array(kept, np.float32), np.zeros(len(kept))
    if not len(moved):
        return moved, support
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
            support[members] += _agreement(overlap, weights[block, None], least).sum(axis=0)
            choice = np.argmax(may, axis=1)  # the first, which is the best
            valid = may[np.arange(len(block)), choice]
            choice, block = choice[valid], block[valid]
            np.add.at(weight, choice, weights[block])
            np.add.at(total, choice, weights[block, None] * boxes[block])
        heard = weight > 0  # no boxes without area, which overlap nothing
        moved[members[heard]] = total[heard] / weight[heard, None]
    return moved, support


def trusted(scores: np.ndarray, support: np.ndarray) -> np.ndarray:
    """Scores by which boxes that many others agree with come before those that stand alone.

    score × (support / ``MOST_SUPPORT``) ^ ``TRUST``, with a support of 1 to ``MOST_SUPPORT``: a box
    alone keeps ``LEAST_TRUST`` of its score. Limits and power were chosen on folds of three
    datasets; see docs/recipe.md.

    Args:
        scores: (M,) of kept boxes.
        support: (M,) from ``vote``.

    Returns:
        float32 (M,), none above its score.
    """
    share = np.clip(support, 1.0, MOST_SUPPORT) / MOST_SUPPORT
    return (scores * share**TRUST).astype(np.float32)


def _agreement(overlap: np.ndarray, score: np.ndarray, least: np.ndarray) -> np.ndarray:
    """0 to 1: how far boxes of such IoUs and scores agree with those of twice the score ``least``.

    It fades to nothing at its limits, so that no rounding of a runtime makes a score jump.
    """
    near = np.maximum((overlap - AGREEMENT) / (1 - AGREEMENT), 0.0)
    least = np.maximum(least, np.finfo(np.float64).tiny)  # a score of 0 needs no support
    return near**2 * np.clip((score - least) / least, 0.0, 1.0)
