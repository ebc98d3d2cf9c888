"""Box voting and score re-weighting after non-maximum suppression.

The network predicts a large part of the objects several times. Voting averages those predictions
to a better box. Their number says how reliable the object is, and re-weights its score.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from utils.box_pairs import overlapping_pairs
from utils.overlap import iou as box_iou

VOTE_IOU = 0.6  # two boxes with a higher IoU are taken for the same object
MIN_SCORE_RATIO = 0.5  # between the scores of a voter and of the kept box
MAX_VOTES = 10.0  # more change nothing; an object has at most 10 positives in training (SimOTA)
ROUNDS = 3  # of voting; with a fourth, AP on blood cells was the same within 0.0002
SCORE_POWER = 0.25  # of the vote count in a re-weighted score
MIN_SCORE_FACTOR = MAX_VOTES**-SCORE_POWER  # 0.56: for a box that no other box agrees with


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
    kept = np.asarray(kept, np.float64)
    if not len(kept):
        return kept.astype(np.float32), np.zeros(0)
    least = MIN_SCORE_RATIO * np.asarray(kept_scores, np.float64)
    voters = _voters(least, class_ids, boxes, scores)
    choice = _choices(kept, least, class_ids, voters, max(VOTE_IOU, iou))
    used = np.flatnonzero(choice >= 0)
    moved = _weighted_means(kept, voters.boxes[used], voters.scores[used], choice[used])
    return moved.astype(np.float32), _vote_counts(moved, least, class_ids, voters)


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


class _Voters(NamedTuple):
    """Boxes that may vote, once for each class that they may vote for.

    Attributes:
        boxes: float64 (V, 4).
        scores: float64 (V,) for that class, above 0.
        class_ids: (V,).
    """

    boxes: np.ndarray
    scores: np.ndarray
    class_ids: np.ndarray


def _voters(
    least: np.ndarray, class_ids: np.ndarray, boxes: np.ndarray, scores: np.ndarray
) -> _Voters:
    """The boxes whose score is high enough for the weakest kept box of a class."""
    lowest = np.full(scores.shape[1], np.inf)
    np.minimum.at(lowest, class_ids, least)
    places = np.flatnonzero(scores >= lowest)  # ``np.nonzero`` of a matrix takes longer
    found = scores.reshape(-1).take(places).astype(np.float64)
    rows, classes = np.divmod(places, scores.shape[1])
    classes = classes.astype(class_ids.dtype)  # they are compared with those
    corners = boxes.take(rows, 0).astype(np.float64)
    usable = np.isfinite(found) & (found > 0) & np.isfinite(corners).all(axis=1)
    return _Voters(corners.compress(usable, 0), found.compress(usable), classes.compress(usable))


def _choices(
    kept: np.ndarray, least: np.ndarray, class_ids: np.ndarray, voters: _Voters, limit: float
) -> np.ndarray:
    """(V,) which of the (M,) kept boxes each voter votes on, −1 for none."""
    pairs = overlapping_pairs(kept, voters.boxes, limit, class_ids, voters.class_ids)
    allowed = voters.scores.take(pairs.second) >= least.take(pairs.first)
    chosen, voting = pairs.first.compress(allowed), pairs.second.compress(allowed)
    choice = np.full(len(voters.boxes), -1)
    choice[voting[::-1]] = chosen[::-1]  # of several the first, which is written last
    return choice


def _weighted_means(
    kept: np.ndarray, boxes: np.ndarray, scores: np.ndarray, choice: np.ndarray
) -> np.ndarray:
    """(M, 4) kept boxes, moved to the weighted means of the (V,) boxes that vote on them.

    A box whose voters all have weight 0 stays where it is. That happens to boxes without area, and
    rarely to a mean that lies between its voters and overlaps none of them enough.
    """
    means, weights = kept, scores
    # One row to sum the weights, four for the weighted sides; each sums into bins of its own.
    factors = np.concatenate([np.ones((1, len(boxes))), boxes.T])
    bins = (choice + len(kept) * np.arange(5)[:, None]).reshape(-1)
    for turn in range(ROUNDS):
        if turn:
            weights = scores * _iou_weight(box_iou(boxes, means.take(choice, 0)))
        sums = np.bincount(bins, (weights * factors).reshape(-1), 5 * len(kept))
        weight, *total = sums.reshape(5, -1)
        voted = weight > 0
        means = np.where(voted, total / np.where(voted, weight, 1.0), means.T).T
    return means


def _vote_counts(
    kept: np.ndarray, least: np.ndarray, class_ids: np.ndarray, voters: _Voters
) -> np.ndarray:
    """(M,) how many of the voters agree with each of the (M,) kept boxes.

    Both factors fall to 0 continuously at their limits. So the rounding of a runtime cannot make a
    score jump.
    """
    pairs = overlapping_pairs(kept, voters.boxes, VOTE_IOU, class_ids, voters.class_ids)
    lowest = np.maximum(least, np.finfo(np.float64).tiny).take(pairs.first)  # no division by 0
    by_score = np.clip((voters.scores.take(pairs.second) - lowest) / lowest, 0.0, 1.0)
    return np.bincount(pairs.first, _iou_weight(pairs.iou) * by_score, len(kept))


def _iou_weight(overlap: np.ndarray) -> np.ndarray:
    """0 at ``VOTE_IOU`` and below, 1 at an IoU of 1, quadratic between."""
    return np.maximum((overlap - VOTE_IOU) / (1 - VOTE_IOU), 0.0) ** 2
