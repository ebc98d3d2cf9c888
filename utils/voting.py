"""Box voting: where the network drew one object several times, the drawings agree on a box, and how
nearly they agree says how far to trust it."""

from __future__ import annotations

import numpy as np

from utils.overlap import iou as box_iou

AGREEMENT = 0.6  # IoU above which two boxes mean the same object
LOWEST_SHARE = 0.5  # of a voter's score in the score of the one that it votes on
MOST_SUPPORT = 10.0  # boxes; an object has at most as many positives in training (nets.targets)
ROUNDS = 3  # of voting; with a fourth AP on cells was the same within 0.0002
TRUST = 0.25  # power of the support in a score
LEAST_TRUST = MOST_SUPPORT**-TRUST  # what is left of the score of a box that stands alone: 0.56
_BLOCK = 64  # voters at a time: their overlaps stay in the cache, and memory is bounded


def vote(
    kept: np.ndarray,
    kept_scores: np.ndarray,
    class_ids: np.ndarray,
    boxes: np.ndarray,
    scores: np.ndarray,
    *,
    iou: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Move each kept box to where those agree that the network drew nearly there, and count them.

    A box has a say on a kept one where their IoU is greater than ``AGREEMENT``, and than ``iou``,
    and its score for the class is at least ``LOWEST_SHARE`` of the kept one's. It votes on the best
    of those, and weighs as much as that score; so each kept box votes on itself. This is the
    "bounding box voting" of Gidaris & Komodakis (Object detection via a multi-region & semantic
    segmentation-aware CNN model, ICCV 2015), with limits of our own and with one vote for each
    box, so that neighbours share no voters. A box that is alone stays where it is. No
    confidence threshold takes part: an object has the same box whichever it was found with.

    The mean of the voters gives way to those that are far off. So it is taken again, ``ROUNDS``
    times in all, each voter now weighing its score times how nearly it agrees with the mean before:
    ((IoU − ``AGREEMENT``) / (1 − ``AGREEMENT``))², nothing below ``AGREEMENT``. That is a
    redescending estimate of location by iteratively reweighted least squares (Holland & Welsch,
    Robust regression using iteratively reweighted least-squares, 1977).

    The support of a kept box is the number of boxes that agree with where it came to lie, each
    counted by how nearly, as above, times how far its score lies between ``LOWEST_SHARE`` of the
    kept one's and all of it. One box may support several neighbours.

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
    moved, support = np.array(kept, np.float64), np.zeros(len(kept))
    if not len(moved):
        return moved.astype(np.float32), support
    weak = LOWEST_SHARE * kept_scores.min()
    rows = np.flatnonzero(np.isfinite(boxes).all(axis=1) & (scores >= weak).any(axis=1))
    boxes, scores = np.asarray(boxes[rows], np.float64), np.asarray(scores[rows], np.float64)
    for class_id in np.unique(class_ids):
        members = np.flatnonzero(class_ids == class_id)
        weights = scores[:, class_id]
        least = LOWEST_SHARE * np.asarray(kept_scores[members], np.float64)
        sure = np.flatnonzero(np.isfinite(weights) & (weights > 0) & (weights >= least.min()))
        drawn, weights = boxes[sure], weights[sure]
        choice = _choices(moved[members], least, drawn, weights, max(AGREEMENT, iou))
        votes = np.flatnonzero(choice >= 0)
        moved[members] = _agreed(moved[members], drawn[votes], weights[votes], choice[votes])
        support[members] = _support(moved[members], least, drawn, weights)
    return moved.astype(np.float32), support


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


def _choices(
    kept: np.ndarray, least: np.ndarray, boxes: np.ndarray, scores: np.ndarray, limit: float
) -> np.ndarray:
    """(N,) which of the (M,) kept boxes each of the (N,) boxes votes on, −1 for none."""
    choice = np.full(len(boxes), -1)
    for start in range(0, len(boxes), _BLOCK):
        block = slice(start, start + _BLOCK)
        may = (box_iou(boxes[block, None], kept) > limit) & (scores[block, None] >= least)
        first = np.argmax(may, axis=1)  # which is the best
        choice[block] = np.where(may[np.arange(len(may)), first], first, -1)
    return choice


def _agreed(
    kept: np.ndarray, boxes: np.ndarray, scores: np.ndarray, choice: np.ndarray
) -> np.ndarray:
    """(M, 4) kept boxes, moved by the (V,) votes on them."""
    kept = _means(kept, boxes, scores, choice)
    for _ in range(ROUNDS - 1):
        near = _nearness(box_iou(boxes, kept[choice]))
        kept = _means(kept, boxes, scores * near, choice)
    return kept


def _means(
    kept: np.ndarray, boxes: np.ndarray, weights: np.ndarray, choice: np.ndarray
) -> np.ndarray:
    """(M, 4) weighted means of the (V,) votes; a kept box that none weighs on stays.

    Those are boxes without area, which overlap nothing; and, rarely, a mean of voters on all sides
    that none of them agrees with.
    """
    total, weight = np.zeros_like(kept), np.zeros(len(kept))
    np.add.at(weight, choice, weights)
    np.add.at(total, choice, weights[:, None] * boxes)
    heard = weight > 0
    return np.where(heard[:, None], total / np.where(heard, weight, 1.0)[:, None], kept)


def _support(
    kept: np.ndarray, least: np.ndarray, boxes: np.ndarray, scores: np.ndarray
) -> np.ndarray:
    """(M,) how many of the (N,) boxes agree with each of the (M,) kept ones.

    What one adds fades to nothing at its limits, so that no rounding of a runtime makes a score
    jump.
    """
    support = np.zeros(len(kept))
    least = np.maximum(least, np.finfo(np.float64).tiny)  # a score of 0 needs no support
    for start in range(0, len(boxes), _BLOCK):
        block = slice(start, start + _BLOCK)
        near = _nearness(box_iou(boxes[block, None], kept))
        sure = np.clip((scores[block, None] - least) / least, 0.0, 1.0)
        support += (near * sure).sum(axis=0)
    return support


def _nearness(overlap: np.ndarray) -> np.ndarray:
    """How nearly boxes of such IoUs agree, 0 to 1."""
    return np.maximum((overlap - AGREEMENT) / (1 - AGREEMENT), 0.0) ** 2
