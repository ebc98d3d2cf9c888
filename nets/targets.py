"""Which prediction answers for which object: assignment of ground truth to anchors.

``assign`` goes by the shapes of anchors alone, one for each object; ``assign_by_cost`` chooses
those whose predictions come nearest. Both are vectorised pure functions on the device. Their
result is an index for each prediction, so the loss can gather what it needs and nothing dense is
built on the host.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import tensorflow as tf

from nets.boxes import iou, shape_iou
from nets.yolo import ANCHORS_PER_LEVEL, STRIDES, Predictions

BACKGROUND = -1
PRIMARY_ROUNDS = 8  # objects that want one prediction and still find one each
MAX_ANCHOR_RATIO = 4.0  # of the sides of an object and of the anchors that are candidates for it
IOU_WEIGHT = 3.0  # of −log IoU beside −log score in the cost of a prediction
BEST = 10  # candidates whose IoUs say how many predictions an object gets
_NOBODY = tf.int32.max
_LAST_RESORT = 1e-4  # factor on the fit of anchors that are none of the candidates


def assign(
    boxes: tf.Tensor,
    class_ids: tf.Tensor,
    grids: Sequence[tuple[tf.Tensor | int, tf.Tensor | int]],
    anchors: Sequence[Sequence[float]],
) -> tf.Tensor:
    """Give each prediction the index of the object it answers for, or ``BACKGROUND``.

    Every object takes the anchor whose shape fits it best, of all nine, in the cell that holds
    its centre (YOLOv3, section 2.1). Where two objects want the same place, the better fit has it
    and the other takes its next best anchor that is free.

    Args:
        boxes: float32 (B, M, 4) in pixels of the network input; padding may hold anything.
        class_ids: int32 (B, M), negative for padding and for objects that nobody answers for
            (difficult ones).
        grids: (rows, columns) of the three levels, strides 8, 16, 32.
        anchors: nine (width, height) pairs in pixels.

    Returns:
        int32 (B, N) index into M, in the row order of ``nets.yolo.Predictions``.
    """
    places = _Places(grids)
    at_home = _at_home(boxes, class_ids, places, anchors)
    owner = tf.fill([tf.shape(boxes)[0], places.total], BACKGROUND)
    return _assign_primary(owner, at_home.rows, at_home.fit, at_home.real)


def assign_by_cost(
    predictions: Predictions,
    boxes: tf.Tensor,
    class_ids: tf.Tensor,
    grids: Sequence[tuple[tf.Tensor | int, tf.Tensor | int]],
    anchors: Sequence[Sequence[float]],
) -> tf.Tensor:
    """Give each prediction the index of the object it answers for, by what it predicts.

    The candidates of an object are the anchors whose sides are within ``MAX_ANCHOR_RATIO`` of its
    own, and the one that fits best: in the cell of its centre, the nearest cell to the side and
    the nearest above or below. With p the root of objectness × probability of the object's class,
    a candidate costs −log p − 3 log IoU. As many of the cheapest answer for the object as the IoUs
    of its ten best candidates add up to, one at least: many where many fit, few where few do
    (SimOTA: Ge et al., YOLOX, 2021, section 2.1, with its candidates chosen by anchors instead of
    a region). Where two objects want the same prediction, the one to which it is cheaper has it;
    an object that loses all takes what else is free in its cell.

    Args:
        predictions: decoded, of this batch; no gradient flows through the choice.
        boxes, class_ids, grids, anchors: as for ``assign``.

    Returns:
        int32 (B, N) index into M, in the row order of ``nets.yolo.Predictions``.
    """
    places = _Places(grids)
    at_home = _at_home(boxes, class_ids, places, anchors)
    rows, possible = _candidates(at_home, places)
    cost, overlap = _costs(predictions, boxes, class_ids, rows, possible)
    ranks = tf.argsort(tf.argsort(cost, axis=-1, stable=True), axis=-1, stable=True)
    best = tf.math.top_k(overlap, BEST).values
    count = tf.maximum(tf.cast(tf.reduce_sum(best, axis=-1), tf.int32), 1)  # (B, M)

    beside = tf.fill(tf.shape(rows[..., len(anchors) :]), -1.0)
    last_resort = tf.concat([_LAST_RESORT * at_home.fit, beside], axis=-1)
    quality = tf.where(possible, 1 / (1 + cost), last_resort)
    owner = tf.fill([tf.shape(boxes)[0], places.total], BACKGROUND)
    owner = _assign_primary(owner, rows, quality, at_home.real)
    return _claim(owner, rows, quality, possible & (ranks < count[..., None]))


def _costs(
    predictions: Predictions,
    boxes: tf.Tensor,
    class_ids: tf.Tensor,
    rows: tf.Tensor,
    possible: tf.Tensor,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Cost of each candidate, and its IoU with the object: float32 (B, M, K)."""
    predicted, objectness, logits = (
        tf.stop_gradient(tf.gather(part, rows, batch_dims=1)) for part in predictions
    )
    overlap = tf.where(possible, iou(predicted, boxes[:, :, None, :]), 0.0)
    own_class = tf.maximum(class_ids, 0)[:, :, None, None]
    own_class = tf.broadcast_to(own_class, [*tf.unstack(tf.shape(rows)), 1])
    logit = tf.gather(logits, own_class, axis=-1, batch_dims=3)[..., 0]
    # log σ(x) = −softplus(−x), which stays finite.
    score = -0.5 * (tf.nn.softplus(-logit) + tf.nn.softplus(-objectness))
    cost = -score - IOU_WEIGHT * tf.math.log(overlap + 1e-6)
    return tf.where(possible, tf.maximum(cost, 0.0), cost.dtype.max), overlap


class _AtHome(NamedTuple):
    """How objects lie to the nine anchors in the cells of their centres.

    Attributes:
        real: bool (B, M), whether somebody answers for the object.
        fit: float32 (B, M, 9), IoU of the shapes of object and anchor.
        ratio: float32 (B, M, 9), the larger ratio of their sides, 1 or more.
        centres: float32 (B, M, 2) in pixels.
        cells: int32 (B, M, 9, 2), column and row.
        rows: int32 (B, M, 9), of the predictions.
    """

    real: tf.Tensor
    fit: tf.Tensor
    ratio: tf.Tensor
    centres: tf.Tensor
    cells: tf.Tensor
    rows: tf.Tensor


def _at_home(
    boxes: tf.Tensor, class_ids: tf.Tensor, places: _Places, anchors: Sequence[Sequence[float]]
) -> _AtHome:
    sizes = boxes[..., 2:] - boxes[..., :2]  # (B, M, 2)
    centres = (boxes[..., :2] + boxes[..., 2:]) / 2
    real = (class_ids >= 0) & (sizes[..., 0] > 0) & (sizes[..., 1] > 0)
    shapes = tf.constant(anchors, tf.float32)
    fit = shape_iou(sizes[:, :, None, :], shapes)
    ratios = sizes[:, :, None, :] / shapes
    ratio = tf.reduce_max(tf.maximum(ratios, 1 / tf.maximum(ratios, 1e-9)), axis=-1)
    cells = places.cells(centres)
    return _AtHome(real, fit, ratio, centres, cells, places.rows(cells))


def _candidates(at_home: _AtHome, places: _Places) -> tuple[tf.Tensor, tf.Tensor]:
    """What may answer for an object: nine anchors in its cell, then twice nine beside it.

    Returns:
        int32 (B, M, 27) rows, and bool "may".
    """
    count = at_home.fit.shape[-1]
    near = at_home.ratio < MAX_ANCHOR_RATIO
    near |= tf.one_hot(tf.argmax(at_home.fit, axis=-1), count, True, False, dtype=tf.bool)
    near &= at_home.real[..., None]
    rows, inside = places.neighbours(at_home.centres, at_home.cells)  # (B, M, 9, 2)
    flat = [*tf.unstack(tf.shape(at_home.rows)[:2]), 2 * count]
    return (
        tf.concat([at_home.rows, tf.reshape(rows, flat)], axis=-1),
        tf.concat([near, tf.reshape(inside & near[..., None], flat)], axis=-1),
    )


class _Places:
    """The arithmetic of rows: which row of the predictions is (cell, anchor)."""

    def __init__(self, grids: Sequence[tuple]) -> None:
        heights = tf.stack([tf.cast(height, tf.int32) for height, _ in grids])
        widths = tf.stack([tf.cast(width, tf.int32) for _, width in grids])
        rows = heights * widths * ANCHORS_PER_LEVEL
        self.total = tf.reduce_sum(rows)
        # All of these are (9,): one entry for each anchor.
        self._start = tf.repeat(tf.cumsum(rows, exclusive=True), ANCHORS_PER_LEVEL)
        self._width = tf.repeat(widths, ANCHORS_PER_LEVEL)
        self._height = tf.repeat(heights, ANCHORS_PER_LEVEL)
        self._stride = tf.repeat(tf.constant(STRIDES, tf.float32), ANCHORS_PER_LEVEL)
        self._anchor = tf.tile(tf.range(ANCHORS_PER_LEVEL), [len(STRIDES)])

    def cells(self, centres: tf.Tensor) -> tf.Tensor:
        """(B, M, 2) centres in pixels → int32 (B, M, 9, 2) column and row of their cells.

        A centre on the picture's right or lower edge belongs to the last cell.
        """
        cells = tf.cast(tf.floor(centres[:, :, None, :] / self._stride[:, None]), tf.int32)
        last = tf.stack([self._width - 1, self._height - 1], axis=-1)
        return tf.clip_by_value(cells, 0, last)

    def rows(self, cells: tf.Tensor) -> tf.Tensor:
        """int32 (B, M, 9, 2) cells → (B, M, 9) rows of the predictions."""
        flat = cells[..., 1] * self._width + cells[..., 0]
        return self._start + flat * ANCHORS_PER_LEVEL + self._anchor

    def neighbours(self, centres: tf.Tensor, cells: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The nearest cell to the side and the nearest above or below.

        Returns:
            int32 rows and bool "lies in the grid", both (B, M, 9, 2).
        """
        within = centres[:, :, None, :] / self._stride[:, None] - tf.cast(cells, tf.float32)
        step = tf.where(within < 0.5, -1, 1)  # (B, M, 9, 2)
        still = tf.zeros_like(step[..., 0])
        rows, inside = [], []
        for move in (
            tf.stack([step[..., 0], still], axis=-1),
            tf.stack([still, step[..., 1]], axis=-1),
        ):
            cell = cells + move
            ok = (cell >= 0) & (cell < tf.stack([self._width, self._height], axis=-1))
            ok = tf.reduce_all(ok, axis=-1)
            inside.append(ok)
            rows.append(tf.where(ok, self.rows(cell), 0))
        return tf.stack(rows, axis=-1), tf.stack(inside, axis=-1)


def _assign_primary(
    owner: tf.Tensor, rows: tf.Tensor, quality: tf.Tensor, real: tf.Tensor
) -> tf.Tensor:
    """Each object takes the best of its rows that is still free, a round at a time.

    Args:
        owner: int32 (B, N), who has each row so far.
        rows: int32 (B, M, K), the rows each object may have.
        quality: float32 (B, M, K), how well it fits there; negative where it may not.
        real: bool (B, M), whether it takes part.
    """
    waiting = real
    itself = tf.range(tf.shape(rows)[1])[None, :]
    for _ in range(PRIMARY_ROUNDS):
        free = tf.gather(owner, rows, batch_dims=1) == BACKGROUND
        wish = tf.where(free & waiting[..., None], quality, -1.0)
        best = tf.argmax(wish, axis=-1, output_type=tf.int32)  # (B, M)
        row = tf.gather(rows, best, batch_dims=2)
        value = tf.gather(wish, best, batch_dims=2)
        owner = _claim(owner, row[..., None], value[..., None], (waiting & (value >= 0))[..., None])
        waiting &= tf.gather(owner, row, batch_dims=1) != itself
    return owner


def _claim(owner: tf.Tensor, rows: tf.Tensor, quality: tf.Tensor, wanted: tf.Tensor) -> tf.Tensor:
    """Hand free rows to the object that fits them best; ties go to the lower index.

    Args:
        owner: int32 (B, N), who has each row so far.
        rows: int32 (B, M, K), the rows each object asks for.
        quality: float32 (B, M, K), how well it fits there.
        wanted: bool (B, M, K), whether it asks at all.
    """
    batch, total = tf.shape(owner)[0], tf.shape(owner)[1]
    flat = tf.reshape(rows + tf.range(batch)[:, None, None] * total, [-1, 1])
    quality = tf.reshape(tf.where(wanted, quality, -1.0), [-1])
    truth = tf.range(tf.shape(rows)[1])[None, :, None] + tf.zeros_like(rows)

    best = tf.tensor_scatter_nd_max(tf.fill([batch * total], -1.0), flat, quality)
    wins = tf.reshape(wanted, [-1]) & (quality >= tf.gather_nd(best, flat))
    claim = tf.where(wins, tf.reshape(truth, [-1]), _NOBODY)
    claimed = tf.tensor_scatter_nd_min(tf.fill([batch * total], _NOBODY), flat, claim)
    claimed = tf.reshape(claimed, [batch, total])
    return tf.where((owner == BACKGROUND) & (claimed != _NOBODY), claimed, owner)
