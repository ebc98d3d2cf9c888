"""Box voting and score re-weighting after non-maximum suppression.

The network predicts a large part of the objects several times. Voting averages those predictions
to a better box. Their number says how reliable the object is, and re-weights its score.
"""

from __future__ import annotations

import numpy as np

from utils.overlap import iou as box_iou

VOTE_IOU = 0.6  # two boxes with a higher IoU are taken for the same object
MIN_SCORE_RATIO = 0.5  # between the scores of a voter and of the kept box
MAX_VOTES = 10.0  # more change nothing; an object has at most 10 positives in training (SimOTA)
ROUNDS = 3  # of voting; with a fourth, AP on blood cells was the same within 0.0002
SCORE_POWER = 0.25  # of the vote count in a re-weighted score
MIN_SCORE_FACTOR = MAX_VOTES**-SCORE_POWER  # 0.56: for a box that no other box agrees with
_BLOCK = 64  # voters at a time: their overlaps stay in the processor's cache


def vote(
    kept: np.ndarray,
    kept_scores: np.ndarray,
    class_ids: np.ndarray,
    boxes: np.ndarray,
    scores: np.ndarray,
    *,
    iou: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Move each kept box to the weighted mean of its voters, and count the boxes that agree.

    A box votes on a kept box if their IoU is above ``VOTE_IOU`` and above ``iou``. Its score for
    the class must be at least ``MIN_SCORE_RATIO`` of the kept box's score. Its vote goes to the
    best such kept box, with its score as the weight. Every kept box votes on itself. This is the
    "bounding box voting" of Gidaris & Komodakis (Object detection via a multi-region & semantic
    segmentation-aware CNN model, ICCV 2015). But each box has one vote, so that neighbours share
    no voters. The confidence threshold plays no part: an object has the same box at every
    threshold.

    The mean is repeated ``ROUNDS`` times, so that voters far from it lose weight. From the second
    round on, a weight is score × ((IoU − ``VOTE_IOU``) / (1 − ``VOTE_IOU``))², with the IoU of the
    voter and the mean before, and 0 below ``VOTE_IOU``. That is a redescending estimate of location
    by iteratively reweighted least squares (Holland & Welsch, Robust regression using iteratively
    reweighted least-squares, 1977).

    The vote count of a kept box sums two factors over all boxes: the weight by IoU as above, with
    the moved box, and how far the box's score lies between ``MIN_SCORE_RATIO`` of the kept one's
    and all of it, 0 to 1. A box may count for several neighbours.

    Args:
        kept: (M, 4) ``x0, y0, x1, y1``, any unit, best score first, as ``nms`` kept them.
        kept_scores: (M,) of the kept boxes' own classes.
        class_ids: (M,) those classes.
        boxes: (N, 4) all boxes of the network in the same unit; those that are not finite do not
            vote.
        scores: (N, C) for each class.
        iou: the threshold of ``nms``.

    Returns:
        float32 (M, 4) boxes, and float64 (M,) vote counts.
    """
    moved, votes = np.array(kept, np.float64), np.zeros(len(kept))
    if not len(moved):
        return moved.astype(np.float32), votes
    weak = MIN_SCORE_RATIO * kept_scores.min()
    rows = np.flatnonzero(np.isfinite(boxes).all(axis=1) & (scores >= weak).any(axis=1))
    boxes, scores = np.asarray(boxes[rows], np.float64), np.asarray(scores[rows], np.float64)
    for class_id in np.unique(class_ids):
        members = np.flatnonzero(class_ids == class_id)
        weights = scores[:, class_id]
        least = MIN_SCORE_RATIO * np.asarray(kept_scores[members], np.float64)
        may_vote = np.flatnonzero(np.isfinite(weights) & (weights > 0) & (weights >= least.min()))
        voters, weights = boxes[may_vote], weights[may_vote]
        choice = _choices(moved[members], least, voters, weights, max(VOTE_IOU, iou))
        used = np.flatnonzero(choice >= 0)
        moved[members] = _weighted_means(moved[members], voters[used], weights[used], choice[used])
        votes[members] = _vote_counts(moved[members], least, voters, weights)
    return moved.astype(np.float32), votes


def reweighted_scores(scores: np.ndarray, votes: np.ndarray) -> np.ndarray:
    """Scores that are higher for boxes that many others agree with.

    score × (votes / ``MAX_VOTES``) ^ ``SCORE_POWER``, with the vote count limited to 1 …
    ``MAX_VOTES``. Limits and power were chosen on folds of three datasets; see docs/recipe.md.

    Args:
        scores: (M,) of kept boxes.
        votes: (M,) vote counts from ``vote``.

    Returns:
        float32 (M,), none above its score.
    """
    share = np.clip(votes, 1.0, MAX_VOTES) / MAX_VOTES
    return (scores * share**SCORE_POWER).astype(np.float32)


def _choices(
    kept: np.ndarray, least: np.ndarray, boxes: np.ndarray, scores: np.ndarray, limit: float
) -> np.ndarray:
    """(N,) which of the (M,) kept boxes each of the (N,) boxes votes on, −1 for none."""
    choice = np.full(len(boxes), -1)
    for start in range(0, len(boxes), _BLOCK):
        block = slice(start, start + _BLOCK)
        allowed = (box_iou(boxes[block, None], kept) > limit) & (scores[block, None] >= least)
        first = np.argmax(allowed, axis=1)  # the best comes first
        choice[block] = np.where(allowed[np.arange(len(allowed)), first], first, -1)
    return choice


def _weighted_means(
    kept: np.ndarray, boxes: np.ndarray, scores: np.ndarray, choice: np.ndarray
) -> np.ndarray:
    """(M, 4) kept boxes, moved to the weighted means of the (V,) boxes that vote on them.

    A box whose voters all have weight 0 stays where it is. That happens to boxes without area, and
    rarely to a mean that lies between its voters and overlaps none of them enough.
    """
    means, weights = kept, scores
    for turn in range(ROUNDS):
        if turn:
            weights = scores * _iou_weight(box_iou(boxes, means[choice]))
        total, weight = np.zeros_like(kept), np.zeros(len(kept))
        np.add.at(weight, choice, weights)
        np.add.at(total, choice, weights[:, None] * boxes)
        voted = weight > 0
        means = np.where(voted[:, None], total / np.where(voted, weight, 1.0)[:, None], means)
    return means


def _vote_counts(
    kept: np.ndarray, least: np.ndarray, boxes: np.ndarray, scores: np.ndarray
) -> np.ndarray:
    """(M,) how many of the (N,) boxes agree with each of the (M,) kept ones.

    Both factors fall to 0 continuously at their limits. So the rounding of a runtime cannot make a
    score jump.
    """
    votes = np.zeros(len(kept))
    least = np.maximum(least, np.finfo(np.float64).tiny)  # no division by a score of 0
    for start in range(0, len(boxes), _BLOCK):
        block = slice(start, start + _BLOCK)
        by_iou = _iou_weight(box_iou(boxes[block, None], kept))
        by_score = np.clip((scores[block, None] - least) / least, 0.0, 1.0)
        votes += (by_iou * by_score).sum(axis=0)
    return votes


def _iou_weight(overlap: np.ndarray) -> np.ndarray:
    """0 at ``VOTE_IOU`` and below, 1 at an IoU of 1, quadratic between."""
    return np.maximum((overlap - VOTE_IOU) / (1 - VOTE_IOU), 0.0) ** 2
