"""From the objects of each tile to those of the picture: ``merge_views``.

The network sees a large picture several times: as a whole, and in tiles that overlap, of one or
more sizes (levels). Each of these views has been through suppression and voting on its own. What
remains is to count an object once that several views show, whole or in part. The rules:

- A view gives the objects that the next finer level may not have whole: those longer than its tiles
  overlap. Smaller ones lie whole in a finer tile, which shows them better.
- A box is *cut* where it touches an inner border of its tile, one that is no border of the picture.
  A cut box is dropped if another tile of that size has the place away from its own inner borders.
  For that tile sees all that the first one saw of the object, and more of it.
- Two boxes are compared within what both views see. So a cut box equals the visible part of the box
  that has the whole object.
- A large box within one of its class that its view has not whole is a part of that object.
- Boxes that are not cut come first, then those with a higher score. A box is dropped if it agrees
  with a better one of another view. Boxes of one view never drop each other. A box is compared with
  the one box of each view that it agrees with best, one of its own class if there is any, so that
  neighbours do not drop each other. A box that equals it comes before one that only contains it,
  which may be a loose box around several objects.
- A box that is not cut has score and class of the surest box that it drops, if they nearly coincide
  and that one is surer. It shows best where the object is, while the network is often surer of a
  part, which it sees larger. So lower thresholds, which let more of the unsure boxes in, lose no
  sure object. A box around a part that looks otherwise does not become surer by it.
- Cut boxes that remain, and agree where their tiles overlap, are joined to the box around them. The
  best one gives its class.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from utils.box_pairs import overlapping_pairs, pairs_sharing_area
from utils.detections import Detections
from utils.overlap import iou as box_iou
from utils.postprocess import unsuppressed

SAME_OBJECT = 0.4  # IoU of two boxes of one class, within what both views see
SAME_PLACE = 0.5  # the same for two classes: one object that two views take for different things
SAME_BOX = 0.7  # IoU, within what both views see, from which one box has the score of the other
COVERED = 0.7  # share of a box that lies in a box of its class, for it to be a part of that object
LARGE_PART = 0.25  # of what a view shows of an object that it has not whole
TOUCHES = 1 / 64  # of the tile's longer side: so near to its border a box may be cut


class View(NamedTuple):
    """What a network saw of a picture.

    Attributes:
        area: ``x0, y0, x1, y1`` of the tile, or of the whole picture, in pixels of the picture.
        detections: the objects on it, in pixels of the picture.
        shortest: objects up to this length lie whole in tiles of the next finer level, in pixels of
            the picture; 0 where there is none.
    """

    area: Sequence[int]
    detections: Detections
    shortest: float = 0.0


def merge_views(views: Sequence[View], *, max_det: int) -> Detections:
    """The objects of a picture, best first.

    Args:
        views: the whole picture, then its tiles. At least the whole picture.
        max_det: how many to return at most.
    """
    whole = views[0]
    found = _together(views)
    lengths = (found.boxes[:, 2:] - found.boxes[:, :2]).max(axis=1, initial=0)
    shortest = np.array([view.shortest for view in views], np.float64)[found.views]
    found = found.take(lengths > shortest)
    areas = np.array([view.area for view in views], np.float64)
    found = found.take(~_better_seen(found, areas))
    found = found.take(np.lexsort([-found.scores, found.cut]))  # stable
    pairs = _agreeing(found)
    by_whole = ~found.cut[pairs.first]
    whole_boxes, dropped = pairs.first[by_whole], pairs.second[by_whole]
    kept = unsuppressed(len(found.scores), whole_boxes, dropped)
    drops = kept[whole_boxes] & pairs.near[by_whole]
    found = _surest(found, whole_boxes[drops], dropped[drops])
    found = _joined(found, pairs, kept)
    order = np.argsort(-found.scores, kind="stable")[:max_det]
    names, size = whole.detections.class_names, (int(whole.area[2]), int(whole.area[3]))
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
        areas: float64 (N, 4), what the view of each box shows.
        cut: bool (N,), whether the box touches an inner border.
    """

    boxes: np.ndarray
    scores: np.ndarray
    class_ids: np.ndarray
    views: np.ndarray
    areas: np.ndarray
    cut: np.ndarray

    def take(self, rows: np.ndarray) -> _Found:
        return _Found(*(part[rows] for part in self))


class _Agreeing(NamedTuple):
    """Pairs of boxes that show the same object.

    Attributes:
        first: indices (P,) of the better boxes.
        second: indices (P,) of the others.
        near: bool (P,), whether the two nearly coincide.
    """

    first: np.ndarray
    second: np.ndarray
    near: np.ndarray


def _together(views: Sequence[View]) -> _Found:
    counts = [len(view.detections) for view in views]
    boxes = np.concatenate([view.detections.boxes for view in views]).astype(np.float64)
    areas = np.array([view.area for view in views], np.float64)
    low, high = (np.repeat(limits, counts, axis=0) for limits in _insides(areas))
    return _Found(
        boxes,
        np.concatenate([view.detections.scores for view in views]),
        np.concatenate([view.detections.class_ids for view in views]),
        np.repeat(np.arange(len(views)), counts),
        np.repeat(areas, counts, axis=0),
        ((boxes[:, :2] <= low) | (boxes[:, 2:] >= high)).any(axis=1),
    )


def _insides(areas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(V, 2) lowest and highest coordinates of what lies away from a view's inner borders.

    A border of the picture is no limit.

    Args:
        areas: float64 (V, 4) of the views, the whole picture first.
    """
    near = TOUCHES * (areas[:, 2:] - areas[:, :2]).max(axis=1, keepdims=True)
    low, high = areas[:, :2], areas[:, 2:]
    return (
        np.where(low > areas[0, :2], low + near, -np.inf),
        np.where(high < areas[0, 2:], high - near, np.inf),
    )


def _better_seen(found: _Found, areas: np.ndarray) -> np.ndarray:
    """bool (N,): the cut boxes whose place another tile of that size has inside.

    The boxes come in the order of the views. One view at a time bounds the memory, and only the
    tiles that share area with it are looked at: a large picture has tens of thousands.
    """
    low, high = _insides(areas)
    better = np.zeros(len(found.scores), bool)
    cut = np.flatnonzero(found.cut)
    starts = np.searchsorted(found.views[cut], np.arange(len(areas) + 1))
    for view, tiles in _same_size_beside(areas, np.flatnonzero(np.diff(starts))):
        mine = cut[starts[view] : starts[view + 1]]
        boxes = found.boxes[mine, None]
        inside = (boxes[..., :2] > low[tiles]) & (boxes[..., 2:] < high[tiles])
        better[mine] = inside.all(axis=2).any(axis=1)
    return better


def _same_size_beside(areas: np.ndarray, views: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Each of the views, and the tiles of its size that share area with it, itself among them."""
    sizes = areas[:, 2:] - areas[:, :2]
    for width, height in np.unique(sizes, axis=0):
        level = (sizes == (width, height)).all(axis=1)
        tiles = np.flatnonzero(level)
        tiles = tiles[np.argsort(areas[tiles, 1], kind="stable")]
        tops = areas[tiles, 1]
        mine = views[level[views]]
        first = np.searchsorted(tops, areas[mine, 1] - height, "right")
        stop = np.searchsorted(tops, areas[mine, 1] + height, "left")
        for view, i, j in zip(mine.tolist(), first.tolist(), stop.tolist(), strict=True):
            rows = tiles[i:j]
            yield view, rows[np.abs(areas[rows, 0] - areas[view, 0]) < width]


def _agreeing(found: _Found) -> _Agreeing:
    """The pairs in which the second box shows the same object as the first, a better one."""
    nothing = np.zeros(0, int)
    agreeing = [(nothing, nothing, np.zeros(0))]
    for first, second in _touching(found):
        # Both directions, since a box looks for its like among better and worse ones.
        a, b = np.concatenate([first, second]), np.concatenate([second, first])
        value = _agreement(found, a, b)
        agree = np.flatnonzero(value)
        agreeing.append((a[agree], b[agree], value[agree]))
    a, b, value = (np.concatenate(part) for part in zip(*agreeing, strict=True))
    # Of each view only the box that ``b`` agrees with best, one of its class first.
    other_class = found.class_ids[a] != found.class_ids[b]
    rank = np.lexsort([a, -value, other_class, found.views[a], b])
    a, b, value = a[rank], b[rank], value[rank]
    best = np.ones(len(a), bool)
    best[1:] = (b[1:] != b[:-1]) | (found.views[a[1:]] != found.views[a[:-1]])
    chosen = np.flatnonzero(best & (a < b))
    return _Agreeing(a[chosen], b[chosen], value[chosen] >= 1 + SAME_BOX)


def _touching(found: _Found) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pairs of boxes of two views that share area, and lie in what both views show; in parts."""
    for first, second in pairs_sharing_area(found.boxes, found.views):
        low = np.maximum(found.areas[first, :2], found.areas[second, :2])
        high = np.minimum(found.areas[first, 2:], found.areas[second, 2:])
        both = (low < high).all(axis=1)
        for side in (first, second):
            boxes = found.boxes[side]
            both &= ((boxes[:, :2] < high) & (boxes[:, 2:] > low)).all(axis=1)
        yield first[both], second[both]


def _agreement(found: _Found, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(P,) how far boxes ``b`` show the same object as ``a``; 0 where they do not.

    1 plus the IoU of the two boxes. Where they overlap less, and ``b`` is a part of ``a``: the
    share of ``b`` that lies in ``a``, 1 at most.
    """
    one, other = found.boxes[a], found.boxes[b]
    cut_a, cut_b = found.cut[a], found.cut[b]
    either = (cut_a | cut_b)[:, None]
    shown = _clipped(one, found.areas[b])
    seen = box_iou(
        np.where(either, shown, one),
        np.where(either, _clipped(other, found.areas[a]), other),
    )
    same_class = found.class_ids[a] == found.class_ids[b]
    agree = seen > np.where(same_class, SAME_OBJECT, SAME_PLACE)
    # A part need not touch the border that cuts its object. Small boxes are other objects.
    part = (shown != one).any(axis=1) & (_sizes(other) >= LARGE_PART * _sizes(shown))
    covered = _covered(one, other) * ((cut_b | part) & ~cut_a & same_class)
    return np.where(agree, 1 + seen, covered * (covered > COVERED))


def _clipped(boxes: np.ndarray, areas: np.ndarray) -> np.ndarray:
    limits = np.concatenate([areas[:, 2:], areas[:, 2:]], axis=1)
    lowest = np.concatenate([areas[:, :2], areas[:, :2]], axis=1)
    return np.clip(boxes, lowest, limits)


def _covered(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """(P,) share of the area of ``other`` that lies in ``one``."""
    sides = np.minimum(one[:, 2:], other[:, 2:]) - np.maximum(one[:, :2], other[:, :2])
    area = _sizes(other)
    return np.maximum(sides, 0).prod(axis=1) / np.where(area > 0, area, 1.0)


def _sizes(boxes: np.ndarray) -> np.ndarray:
    """(N,) areas."""
    return (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)


def _surest(found: _Found, whole: np.ndarray, dropped: np.ndarray) -> _Found:
    """The boxes, where ``whole`` (P,) have score and class of the surest that they drop (P,)."""
    surer = found.scores[dropped] > found.scores[whole]
    whole, dropped = whole[surer], dropped[surer]
    same_class = found.class_ids[whole] == found.class_ids[dropped]
    last = np.lexsort([same_class, found.scores[dropped]])  # the last one assigned stays
    whole, dropped = whole[last], dropped[last]
    scores, class_ids = found.scores.copy(), found.class_ids.copy()
    scores[whole], class_ids[whole] = found.scores[dropped], found.class_ids[dropped]
    return found._replace(scores=scores, class_ids=class_ids)


def _joined(found: _Found, pairs: _Agreeing, kept: np.ndarray) -> _Found:
    """The boxes that are kept, with the parts of one object joined."""
    both = found.cut[pairs.first] & kept[pairs.first] & kept[pairs.second]
    group = _groups(len(kept), pairs.first[both], pairs.second[both])
    # The best box of a group comes first in it, and gives score and class.
    names, leaders, places = np.unique(group[kept], return_index=True, return_inverse=True)
    rows = np.flatnonzero(kept)
    boxes = np.empty((len(names), 4))
    for side, extreme in enumerate((np.minimum, np.minimum, np.maximum, np.maximum)):
        boxes[:, side] = found.boxes[rows[leaders], side]
        extreme.at(boxes[:, side], places, found.boxes[rows, side])
    joined = found.take(rows[leaders])._replace(boxes=boxes)
    # A joined box may be one that another view has whole.
    parts = np.flatnonzero(np.bincount(places, minlength=len(names)) > 1)
    others = np.flatnonzero(~joined.cut)
    ids = joined.class_ids
    again = overlapping_pairs(
        boxes[parts], joined.boxes[others], SAME_OBJECT, ids[parts], ids[others]
    )
    again_parts = parts[again.first]
    joined = _surest(joined, others[again.second], again_parts)
    return joined.take(np.setdiff1d(np.arange(len(names)), again_parts))


def _groups(count: int, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """int (count,): the lowest number among those that pairs connect a number with."""
    parent = list(range(count))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    for i, j in zip(first.tolist(), second.tolist(), strict=True):
        one, other = sorted((root(i), root(j)))
        parent[other] = one
    return np.array([root(i) for i in range(count)], int)
