"""Where labels go, so that none lies on another and they hide little: ``LabelPlaces``."""

from __future__ import annotations

import numpy as np

Box = tuple[int, int, int, int]  # x0, y0, x1, y1 in whole pixels

_OWN_SHARE = 0.3  # of its object that a label may hide without harm
_STEP = 0.02  # a later candidate must hide less by this share of a box to win over an earlier one
_RINGS = (1, 2, 3, 4.5, 6)  # distances from the box, in heights of the label, if all else is taken
_LEADER_COST = 0.5  # a label beside its box may hide half a box more than one apart from it


class LabelPlaces:
    """Places labels one by one, those placed first first.

    Args:
        boxes: the outlines of all objects of the picture.
        width, height: of the picture in pixels.
    """

    def __init__(self, boxes: list[Box], width: int, height: int) -> None:
        self._boxes = np.array(boxes, np.int64).reshape(-1, 4)
        self._areas = np.maximum(_area(self._boxes), 1)
        self._picture = np.array([width, height])
        self._taken = np.zeros((0, 4), np.int64)

    def place(self, index: int, width: int, height: int) -> Box | None:
        """Take a place for the label of a box; None where there is none left near it.

        Along the upper edge of the box, or along the lower one, outside or inside, or beside it; if
        all these are taken, up to six heights of the label away. The place lies in the picture. Of
        all places that no label has, it is the one that hides least of the objects; in a crowd,
        where all hide much, the nearest.

        Args:
            index: of the box.
            width, height: of the label in pixels; no more than the picture's.
        """
        size = np.array([width, height])
        near, apart = _around(self._boxes[index], size)
        corners = np.clip(np.vstack([near, apart]), 0, self._picture - size)
        spots = np.hstack([corners, corners + size])
        free = ~(_shared(spots, self._taken) > 0).any(axis=1)
        if not free.any():
            return None
        hidden = _shared(spots, self._boxes) / self._areas
        hidden[:, index] = np.maximum(hidden[:, index] - _OWN_SHARE, 0)
        cost = np.minimum(hidden.sum(axis=1), 1) + _STEP * np.arange(len(spots))
        cost[len(near) :] += _LEADER_COST
        cost[~free] = np.inf
        best = spots[int(np.argmin(cost))]
        self._taken = np.vstack([self._taken, best])
        return tuple(best.tolist())


def leader(label: Box, box: Box) -> tuple[tuple[int, int], tuple[int, int]] | None:
    """The ends of a line from a label to its box; None where they touch."""
    ends = []
    for low, high in ((0, 2), (1, 3)):
        start, stop = max(label[low], box[low]), min(label[high], box[high])
        middle = (start + stop) // 2
        if start <= stop:  # side by side in this direction
            ends.append((middle, middle))
        elif label[low] > box[high]:
            ends.append((label[low], box[high]))
        else:
            ends.append((label[high], box[low]))
    (x, box_x), (y, box_y) = ends
    return None if (x, y) == (box_x, box_y) else ((x, y), (box_x, box_y))


def _around(box: np.ndarray, size: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Top left corners of labels that touch a box, best first, and of those apart from it."""
    (x0, y0, x1, y1), (width, height) = box.tolist(), size.tolist()
    above, below = y0 - height, y1
    inside = [y0, y1 - height] if y1 - y0 >= 4 * height else []
    middle = (x0 + x1 - width) // 2
    columns = (x0, x1 - width, middle)
    near = [(x, y) for y in (above, *inside, below) for x in columns]
    near += [(x, y) for x in (x1, x0 - width) for y in (y0, y1 - height)]
    near += [(x, y) for y in (above, below) for x in (x0 - width // 2, x1 - width // 2)]
    near += [(x, y) for y in (y0, y1 - height) for x in columns]
    apart = []
    for ring in _RINGS:
        gap = round(ring * height)
        apart += [(x, y) for y in (above - gap, below + gap) for x in columns]
        apart += [(x, y) for x in (x1 + gap, x0 - width - gap) for y in (y0, y1 - height)]
        apart += [(x, y) for x in (x1 + gap, x0 - width - gap) for y in (above - gap, below + gap)]
    return np.array(near), np.array(apart)


def _shared(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(A, 4), (B, 4) → (A, B), the pixels that they share."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    return np.clip(high - low, 0, None).prod(axis=-1)


def _area(boxes: np.ndarray) -> np.ndarray:
    return (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
