"""From the objects of each tile to those of the picture: ``merge_views``.

The network sees a large picture several times: as a whole, and in overlapping tiles of one or more
sizes (levels). Each of these views has been through suppression and voting on its own. An object
that several views show, whole or in part, must count once. A box is *cut* where it touches an inner
border of its tile, one that is no border of the picture. The steps:

1. Drop the small objects of a coarse view. Objects no longer than the overlap of the next finer
   tiles lie whole in one of these, which shows them better.
2. Drop the cut boxes that another tile of the same size has away from its own inner borders
   (``_cut_but_whole_elsewhere``). It sees all that the first one saw of the object, and more.
3. Pair boxes of different views that show the same object (``_same_object_pairs``). Two boxes are
   compared within what both views see, so a cut box equals the visible part of the whole object.
   A large box inside one of its class that its view has not whole is a part of that object. Of each
   view a box is paired with its best match only, so that neighbours do not drop each other. A match
   of the own class comes first, and an equal box before one that only contains it, which may be a
   loose box around several objects.
4. Suppress greedily over these pairs: boxes that are not cut come first, then higher scores. Boxes
   of one view never suppress each other.
5. Give a whole box the score and class of the surest box that it suppresses, where the two nearly
   coincide. The network is often surer of a part, which it sees larger. So lower thresholds, which
   let more unsure boxes in, lose no sure object.
6. Join the cut boxes that remain and match where their tiles overlap. The best one gives score and
   class.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from utils.box_pairs import overlapping_pairs, pairs_sharing_area
from utils.detections import Detections
from utils.overlap import iou as box_iou
from utils.postprocess import nms_keep_mask
from utils.union_find import UnionFind

SAME_OBJECT = 0.4  # IoU of two boxes of one class, within what both views see
SAME_PLACE = 0.5  # the same for two classes: one object that two views take for different things
SAME_BOX = 0.7  # IoU, within what both views see, from which one box has the score of the other
COVERED = 0.7  # share of a box that lies in a box of its class, for it to be a part of that object
LARGE_PART = 0.25  # of what a view shows of an object that it has not whole
TOUCHES = 1 / 64  # of the tile's longer side: so near to its border a box may be cut


class View(NamedTuple):
    """What a network saw of a picture.

    Attributes:
        bounds: ``x0, y0, x1, y1`` of the tile, or of the whole picture, in pixels of the picture.
        detections: the objects on it, in pixels of the picture.
        min_length: in pixels of the picture; objects no longer than this are left to the next finer
            level. 0 where there is none.
    """

    bounds: Sequence[int]
    detections: Detections
    min_length: float = 0.0


def merge_views(views: Sequence[View], *, max_det: int) -> Detections:
    """The objects of a picture, best first.

    Args:
        views: the whole picture, then its tiles. At least the whole picture.
        max_det: how many to return at most.
    """
    whole = views[0]
    found = _concatenated(views)
    lengths = (found.boxes[:, 2:] - found.boxes[:, :2]).max(axis=1, initial=0)
    min_lengths = np.array([view.min_length for view in views], np.float64)[found.views]
    found = found.take(lengths > min_lengths)
    bounds = np.array([view.bounds for view in views], np.float64)
    found = found.take(~_cut_but_whole_elsewhere(found, bounds))
    found = found.take(np.lexsort([-found.scores, found.cut]))  # stable
    pairs = _same_object_pairs(found)
    by_whole = ~found.cut[pairs.first]
    whole_boxes, dropped = pairs.first[by_whole], pairs.second[by_whole]
    kept = nms_keep_mask(len(found.scores), whole_boxes, dropped)
    drops = kept[whole_boxes] & pairs.near[by_whole]
    found = _with_highest_score(found, whole_boxes[drops], dropped[drops])
    found = _with_parts_joined(found, pairs, kept)
    order = np.argsort(-found.scores, kind="stable")[:max_det]
    names, size = whole.detections.class_names, (int(whole.bounds[2]), int(whole.bounds[3]))
    return Detections(
        found.boxes[order].astype(np.float32),
        found.scores[order],
        found.class_ids[order],
        names,
        size,
    )


class _Found(NamedTuple):
    """The boxes of all views.

    Attributes:
        boxes: float64 (N, 4).
        scores: float32 (N,).
        class_ids: int32 (N,).
        views: int (N,), 0 for the whole picture.
        bounds: float64 (N, 4), what the view of each box shows.
        cut: bool (N,), whether the box touches an inner border.
    """

    boxes: np.ndarray
    scores: np.ndarray
    class_ids: np.ndarray
    views: np.ndarray
    bounds: np.ndarray
    cut: np.ndarray

    def take(self, rows: np.ndarray) -> _Found:
        return _Found(*(part[rows] for part in self))


class _SameObject(NamedTuple):
    """Pairs of boxes that show the same object.

    Attributes:
        first: indices (P,) of the better boxes.
        second: indices (P,) of the others.
        near: bool (P,), whether the two nearly coincide.
    """

    first: np.ndarray
    second: np.ndarray
    near: np.ndarray


def _concatenated(views: Sequence[View]) -> _Found:
    counts = [len(view.detections) for view in views]
    boxes = np.concatenate([view.detections.boxes for view in views]).astype(np.float64)
    bounds = np.array([view.bounds for view in views], np.float64)
    low, high = (np.repeat(limits, counts, axis=0) for limits in _insides(bounds))
    return _Found(
        boxes,
        np.concatenate([view.detections.scores for view in views]),
        np.concatenate([view.detections.class_ids for view in views]),
        np.repeat(np.arange(len(views)), counts),
        np.repeat(bounds, counts, axis=0),
        ((boxes[:, :2] <= low) | (boxes[:, 2:] >= high)).any(axis=1),
    )


def _insides(bounds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(V, 2) lowest and highest coordinates of what lies away from a view's inner borders.

    A border of the picture is no limit.

    Args:
        bounds: float64 (V, 4) of the views, the whole picture first.
    """
    near = TOUCHES * (bounds[:, 2:] - bounds[:, :2]).max(axis=1, keepdims=True)
    low, high = bounds[:, :2], bounds[:, 2:]
    return (
        np.where(low > bounds[0, :2], low + near, -np.inf),
        np.where(high < bounds[0, 2:], high - near, np.inf),
    )


def _cut_but_whole_elsewhere(found: _Found, bounds: np.ndarray) -> np.ndarray:
    """bool (N,): the cut boxes whose place another tile of that size has inside.

    The boxes come in the order of the views. One view at a time bounds the memory, and only the
    tiles that share area with it are compared: a large picture has tens of thousands.
    """
    low, high = _insides(bounds)
    better = np.zeros(len(found.scores), bool)
    cut = np.flatnonzero(found.cut)
    starts = np.searchsorted(found.views[cut], np.arange(len(bounds) + 1))
    for view, tiles in _same_size_beside(bounds, np.flatnonzero(np.diff(starts))):
        mine = cut[starts[view] : starts[view + 1]]
        boxes = found.boxes[mine, None]
        inside = (boxes[..., :2] > low[tiles]) & (boxes[..., 2:] < high[tiles])
        better[mine] = inside.all(axis=2).any(axis=1)
    return better


def _same_size_beside(bounds: np.ndarray, views: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Each of the views, and the tiles of its size that share area with it, itself among them."""
    sizes = bounds[:, 2:] - bounds[:, :2]
    for width, height in np.unique(sizes, axis=0):
        level = (sizes == (width, height)).all(axis=1)
        tiles = np.flatnonzero(level)
        tiles = tiles[np.argsort(bounds[tiles, 1], kind="stable")]
        tops = bounds[tiles, 1]
        mine = views[level[views]]
        first = np.searchsorted(tops, bounds[mine, 1] - height, "right")
        stop = np.searchsorted(tops, bounds[mine, 1] + height, "left")
        for view, i, j in zip(mine.tolist(), first.tolist(), stop.tolist(), strict=True):
            rows = tiles[i:j]
            yield view, rows[np.abs(bounds[rows, 0] - bounds[view, 0]) < width]


def _same_object_pairs(found: _Found) -> _SameObject:
    """The pairs in which the second box shows the same object as the first, a better one."""
    nothing = np.zeros(0, int), np.zeros(0, int), np.zeros(0), np.zeros(0)
    parts = [nothing]
    for first, second in _overlapping_across_views(found):
        # Both directions, since the best match of a box may be better or worse than the box.
        a, b = np.concatenate([first, second]), np.concatenate([second, first])
        iou, coverage = _match_quality(found, a, b)
        same = np.flatnonzero((iou > 0) | (coverage > 0))
        parts.append((a[same], b[same], iou[same], coverage[same]))
    a, b, iou, coverage = (np.concatenate(part) for part in zip(*parts, strict=True))
    # Of each view only the box that ``b`` matches best, one of its class first.
    other_class = found.class_ids[a] != found.class_ids[b]
    rank = np.lexsort([a, -coverage, -iou, other_class, found.views[a], b])
    a, b, iou = a[rank], b[rank], iou[rank]
    best = np.ones(len(a), bool)
    best[1:] = (b[1:] != b[:-1]) | (found.views[a[1:]] != found.views[a[:-1]])
    chosen = np.flatnonzero(best & (a < b))
    return _SameObject(a[chosen], b[chosen], iou[chosen] >= SAME_BOX)


def _overlapping_across_views(found: _Found) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pairs of boxes of two views that share area, and lie in what both views show; in parts."""
    for first, second in pairs_sharing_area(found.boxes, found.views):
        low = np.maximum(found.bounds[first, :2], found.bounds[second, :2])
        high = np.minimum(found.bounds[first, 2:], found.bounds[second, 2:])
        both = (low < high).all(axis=1)
        for side in (first, second):
            boxes = found.boxes[side]
            both &= ((boxes[:, :2] < high) & (boxes[:, 2:] > low)).all(axis=1)
        yield first[both], second[both]


def _match_quality(found: _Found, a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How well boxes ``b`` show the same object as ``a``, by two measures.

    Args:
        a, b: int (P,), pairs of indices.

    Returns:
        (P,) IoU within what both views see, 0 where it is too low for the same object; and (P,)
        share of ``b`` inside ``a`` where ``b`` is a part of it, 0 where it is none.
    """
    one, other = found.boxes[a], found.boxes[b]
    cut_a, cut_b = found.cut[a], found.cut[b]
    either = (cut_a | cut_b)[:, None]
    shown = _clipped(one, found.bounds[b])
    iou = box_iou(
        np.where(either, shown, one),
        np.where(either, _clipped(other, found.bounds[a]), other),
    )
    same_class = found.class_ids[a] == found.class_ids[b]
    same = iou > np.where(same_class, SAME_OBJECT, SAME_PLACE)
    # A part need not touch the border that cuts its object. Small boxes are other objects.
    part = (shown != one).any(axis=1) & (_areas(other) >= LARGE_PART * _areas(shown))
    coverage = _covered(one, other) * ((cut_b | part) & ~cut_a & same_class)
    return iou * same, coverage * (~same & (coverage > COVERED))


def _clipped(boxes: np.ndarray, bounds: np.ndarray) -> np.ndarray:
    limits = np.concatenate([bounds[:, 2:], bounds[:, 2:]], axis=1)
    lowest = np.concatenate([bounds[:, :2], bounds[:, :2]], axis=1)
    return np.clip(boxes, lowest, limits)


def _covered(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """(P,) share of the area of ``other`` that lies in ``one``."""
    sides = np.minimum(one[:, 2:], other[:, 2:]) - np.maximum(one[:, :2], other[:, :2])
    area = _areas(other)
    return np.maximum(sides, 0).prod(axis=1) / np.where(area > 0, area, 1.0)


def _areas(boxes: np.ndarray) -> np.ndarray:
    """(N,) areas of boxes."""
    return (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)


def _with_highest_score(found: _Found, whole: np.ndarray, dropped: np.ndarray) -> _Found:
    """The boxes, where those of ``whole`` have score and class of the surest that they drop.

    Args:
        whole, dropped: int (P,), pairs of indices.
    """
    surer = found.scores[dropped] > found.scores[whole]
    whole, dropped = whole[surer], dropped[surer]
    same_class = found.class_ids[whole] == found.class_ids[dropped]
    last = np.lexsort([same_class, found.scores[dropped]])  # the last one assigned stays
    whole, dropped = whole[last], dropped[last]
    scores, class_ids = found.scores.copy(), found.class_ids.copy()
    scores[whole], class_ids[whole] = found.scores[dropped], found.class_ids[dropped]
    return found._replace(scores=scores, class_ids=class_ids)


def _with_parts_joined(found: _Found, pairs: _SameObject, kept: np.ndarray) -> _Found:
    """The boxes that are kept, with the parts of one object joined."""
    both = found.cut[pairs.first] & kept[pairs.first] & kept[pairs.second]
    group = _groups(len(kept), pairs.first[both], pairs.second[both])
    # The best box of a group comes first in it, and gives score and class.
    group_ids, first_of_group, group_of_box = np.unique(
        group[kept], return_index=True, return_inverse=True
    )
    rows = np.flatnonzero(kept)
    best = rows[first_of_group]
    boxes = np.empty((len(group_ids), 4))
    for side, extreme in enumerate((np.minimum, np.minimum, np.maximum, np.maximum)):
        boxes[:, side] = found.boxes[best, side]
        extreme.at(boxes[:, side], group_of_box, found.boxes[rows, side])
    joined = found.take(best)._replace(boxes=boxes)
    # A joined box may be one that another view has whole.
    parts = np.flatnonzero(np.bincount(group_of_box, minlength=len(group_ids)) > 1)
    others = np.flatnonzero(~joined.cut)
    ids = joined.class_ids
    again = overlapping_pairs(
        boxes[parts], joined.boxes[others], SAME_OBJECT, ids[parts], ids[others]
    )
    again_parts = parts[again.first]
    joined = _with_highest_score(joined, others[again.second], again_parts)
    return joined.take(np.setdiff1d(np.arange(len(group_ids)), again_parts))


def _groups(count: int, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """int (count,): the lowest number among those that pairs connect a number with."""
    sets: UnionFind[int] = UnionFind()
    for i, j in zip(first.tolist(), second.tolist(), strict=True):
        sets.join(i, j)
    return np.array([sets.find(i) for i in range(count)], int)
