"""From the network's decoded output to the objects on the photo, the same for every runtime.

``nms`` filters by confidence and suppresses duplicates. ``to_detections`` does that, refines boxes
and scores by ``utils.voting``, and maps the boxes back to the photo. NumPy only: it imports neither
``nets`` nor TensorFlow.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from utils.box_pairs import overlapping_pairs, pairs_within
from utils.detections import Detections
from utils.letterbox import Letterbox
from utils.overlap import iou as box_iou
from utils.voting import MIN_SCORE_FACTOR, MIN_SCORE_RATIO, reweighted_scores, vote

MAX_CANDIDATES = 3000  # (box, class) pairs that enter suppression; the weaker ones are dropped
_BLOCK = 1024  # boxes compared at a time: bounds memory, still vectorised


def to_detections(
    boxes: np.ndarray,
    scores: np.ndarray,
    letterbox: Letterbox,
    class_names: Sequence[str],
    *,
    conf: float,
    iou: float,
    max_det: int,
) -> Detections:
    """One image's network output → the objects on its photo, best first.

    Args:
        boxes: (N, 4) ``x0, y0, x1, y1`` in pixels of the network input.
        scores: (N, C), one column a class.
        letterbox: how the photo was placed in the network input.
        class_names: C names.
        conf: lowest score, before re-weighting and after.
        iou: as for ``nms``.
        max_det: how many to return at most.

    Suppression compares boxes before they are clipped to the photo, so that an object at the border
    is treated like any other. Boxes that lie entirely in the padding have no area on the photo.
    They are dropped and do not count towards ``max_det``. The others are moved by
    ``utils.voting.vote``, and ``utils.voting.reweighted_scores`` lowers the scores of those that
    few boxes agree with. Scores that fall below ``conf`` are dropped.

    Raises:
        ValueError: the shapes do not fit each other.
    """
    if np.ndim(scores) == 2 and np.shape(scores)[1] != len(class_names):
        raise ValueError(f"scores of {np.shape(scores)[1]} classes for {len(class_names)} names")
    limits = {"conf": conf, "iou": iou, "max_det": max_det}
    result = suppress(boxes, scores, letterbox, **limits)
    return refine(result, letterbox, class_names, **limits)


class NmsResult(NamedTuple):
    """Boxes that NMS kept for one image, and the boxes that may vote on them.

    Attributes:
        boxes: float32 (M, 4) in pixels of the network input, best score first.
        scores: float32 (M,).
        class_ids: int32 (M,).
        voters: (N, 4) boxes with a score that is high enough to vote.
        voter_scores: (N, C).
    """

    boxes: np.ndarray
    scores: np.ndarray
    class_ids: np.ndarray
    voters: np.ndarray
    voter_scores: np.ndarray


def suppress(
    boxes: np.ndarray,
    scores: np.ndarray,
    letterbox: Letterbox,
    *,
    conf: float,
    iou: float,
    max_det: int,
) -> NmsResult:
    """The first half of ``to_detections``: the objects, before voting."""
    boxes, scores = _arrays(boxes, scores)
    # Most boxes can neither be kept nor vote.
    relevant = _rows_reaching(scores, conf * MIN_SCORE_RATIO)
    boxes, scores = boxes.take(relevant, 0), scores.take(relevant, 0)
    kept, kept_scores, class_ids = nms(boxes, scores, conf=conf, iou=iou, max_det=MAX_CANDIDATES)
    visible = np.flatnonzero(_has_area(letterbox.to_photo(kept)))
    if len(visible) > max_det:  # re-weighting cannot lift a lower score among the best
        lowest = MIN_SCORE_FACTOR * kept_scores[visible[max_det - 1]] if max_det else np.inf
        visible = visible[kept_scores[visible] >= lowest]
    return NmsResult(kept[visible], kept_scores[visible], class_ids[visible], boxes, scores)


def refine(
    result: NmsResult,
    letterbox: Letterbox,
    class_names: Sequence[str],
    *,
    conf: float,
    iou: float,
    max_det: int,
) -> Detections:
    """The second half of ``to_detections``: voting, and the boxes on the photo."""
    moved, votes = vote(
        result.boxes, result.scores, result.class_ids, result.voters, result.voter_scores, iou=iou
    )
    moved = letterbox.to_photo(moved)
    # A box that its voters would move into the padding is not moved.
    hidden = np.flatnonzero(~_has_area(moved))
    if len(hidden):
        moved[hidden] = letterbox.to_photo(result.boxes[hidden])
    scores = reweighted_scores(result.scores, votes)
    order = np.argsort(-scores, kind="stable")
    order = order[scores[order] >= conf][:max_det]
    size = letterbox.width, letterbox.height
    return Detections(moved, scores, result.class_ids, tuple(class_names), size)[order]


def nms(
    boxes: np.ndarray, scores: np.ndarray, *, conf: float, iou: float, max_det: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Greedy non-maximum suppression within each class.

    Candidates are the (box, class) pairs with a score of at least ``conf``, numbered box by box
    (``box * C + class``). The best 3,000 are taken by falling score, of equal scores the lower
    number first. Each is kept unless its IoU with one kept before it in its class is greater than
    ``iou``. Of those kept, the best ``max_det`` are returned. Pairs whose box or score is not
    finite are no candidates. Boxes without area overlap nothing.

    Args:
        boxes: (N, 4) ``x0, y0, x1, y1``, any unit.
        scores: (N, C).
        conf: lowest score, compared in the precision of ``scores``.
        iou: highest IoU that two kept boxes of a class may have, 0 to 1.
        max_det: how many to return at most.

    Returns:
        float32 boxes (M, 4), float32 scores (M,), int32 class ids (M,), best score first.

    Raises:
        ValueError: ``boxes`` is not (N, 4), or ``scores`` not (N, C).
    """
    boxes, scores = _arrays(boxes, scores)
    pairs = _best_candidates(boxes, scores, conf)
    box_ids, class_ids = np.divmod(pairs, max(1, scores.shape[1]))
    corners = boxes[box_ids].astype(np.float64)
    ranks = _greedy(corners, class_ids, iou)[:max_det]
    return (
        boxes[box_ids[ranks]].astype(np.float32),
        scores[box_ids[ranks], class_ids[ranks]].astype(np.float32),
        class_ids[ranks].astype(np.int32),
    )


def _arrays(boxes: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    boxes, scores = np.asarray(boxes), np.asarray(scores)
    if boxes.ndim != 2 or boxes.shape[1] != 4 or scores.shape[:-1] != boxes.shape[:1]:
        raise ValueError(f"boxes {boxes.shape} and scores {scores.shape}: not (N, 4) and (N, C)")
    return boxes, scores


def _rows_reaching(scores: np.ndarray, least: float) -> np.ndarray:
    """The rows of (N, C) scores that have one of at least ``least``, ascending.

    Nearly all scores are lower, and looking for the others takes longer than comparing. So the
    results of eight comparisons, a byte each, are looked at as one integer.
    """
    classes = scores.shape[1]
    reached = (scores >= least).reshape(-1)
    rows = np.zeros(len(scores), bool)
    if classes < 8:
        rows[np.flatnonzero(reached) // classes] = True
        return np.flatnonzero(rows)
    whole = len(reached) // 8 * 8
    starts = 8 * np.flatnonzero(reached[:whole].view(np.uint64) != 0)
    rows[starts // classes] = True  # eight scores may be of two rows
    rows[(starts + 7) // classes] = True
    rows[whole // classes :] = True
    chosen = np.flatnonzero(rows)
    return chosen.compress(reached.reshape(-1, classes).take(chosen, 0).any(axis=1))


def _best_candidates(boxes: np.ndarray, scores: np.ndarray, conf: float) -> np.ndarray:
    """The numbers ``box * C + class`` of the candidates, (K,), best first, K ≤ 3,000."""
    flat = scores.reshape(-1)
    pairs = np.flatnonzero(flat >= conf)  # a NaN is not at least anything
    finite = np.isfinite(boxes).all(axis=1)
    if not finite.all():
        pairs = pairs[finite[pairs // scores.shape[1]]]
    values = flat[pairs]
    if np.isinf(values).any():
        pairs = pairs[np.isfinite(values)]
        values = flat[pairs]
    if len(pairs) > MAX_CANDIDATES:
        # A partition finds the lowest score taken without sorting the others. Of the pairs that
        # share it, those with the lowest numbers are taken.
        last = np.partition(values, len(values) - MAX_CANDIDATES)[-MAX_CANDIDATES]
        above = np.flatnonzero(values > last)
        level = np.flatnonzero(values == last)[: MAX_CANDIDATES - len(above)]
        chosen = np.sort(np.concatenate([above, level]))
        pairs, values = pairs[chosen], values[chosen]
    return pairs[np.argsort(-values, kind="stable")]


def _greedy(boxes: np.ndarray, class_ids: np.ndarray, threshold: float) -> np.ndarray:
    """Which of (n, 4) boxes, best first, greedy suppression within classes keeps: (m,) indices.

    The boxes still alive are taken in blocks. So boxes suppressed early cost nothing later, and the
    pairs of a block bound the memory.
    """
    alive = _not_suppressed_by_class_best(boxes, class_ids, threshold)
    kept = [alive[:0]]
    while len(alive):
        block, rest = alive[:_BLOCK], alive[_BLOCK:]
        better, worse = pairs_within(boxes.take(block, 0), threshold, class_ids.take(block))
        chosen = block.compress(nms_keep_mask(len(block), better, worse))
        kept.append(chosen)
        if not len(rest):
            break
        pairs = overlapping_pairs(
            boxes.take(chosen, 0), boxes.take(rest, 0), threshold,
            class_ids.take(chosen), class_ids.take(rest),
        )  # fmt: skip
        survives = np.ones(len(rest), bool)
        survives[pairs.second] = False
        alive = rest.compress(survives)
    return np.concatenate(kept)


def _not_suppressed_by_class_best(
    boxes: np.ndarray, class_ids: np.ndarray, threshold: float
) -> np.ndarray:
    """Indices of the boxes, (n, 4), best first, that the best box of their class does not suppress.

    A cheap first pass: that box is always kept, and usually suppresses most of the others. One IoU
    a box is much less than all pairs.
    """
    ranks = np.arange(len(boxes))
    best = np.zeros(class_ids.max(initial=0) + 1, np.intp)
    best[class_ids[::-1]] = ranks[::-1]  # of several the lowest, which is written last
    best = best.take(class_ids)
    overlap = box_iou(boxes, boxes.take(best, 0))
    return np.flatnonzero((overlap <= threshold) | (ranks == best))


def nms_keep_mask(count: int, better: np.ndarray, worse: np.ndarray) -> np.ndarray:
    """bool (count,), whether greedy suppression keeps each box.

    It works in rounds. A box that no undecided better box overlaps is decided: it is kept, unless a
    kept box has suppressed it. At least the best undecided box is decided in each round.

    Args:
        count: number of boxes, best first.
        better: int (P,), the better box of each pair that overlaps too much.
        worse: int (P,), the other box of each pair.
    """
    kept = np.ones(count, bool)
    while len(better):
        decided = np.ones(count, bool)
        decided[worse] = False
        from_decided = decided.take(better)
        kept[worse.compress(from_decided & kept.take(better))] = False
        open_pairs = ~from_decided & kept.take(better) & kept.take(worse)
        better, worse = better.compress(open_pairs), worse.compress(open_pairs)
    return kept


def _has_area(boxes: np.ndarray) -> np.ndarray:
    return (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
