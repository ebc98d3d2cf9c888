"""Which prediction answers for which object: assignment of ground truth to anchors.

``assign`` goes by the shapes of anchors alone; ``assign_by_cost`` chooses among the same candidates
those whose predictions come nearest. Both are vectorised pure functions on the device. Their
result is an index for each prediction, so the loss can gather what it needs and nothing dense is
built on the host.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import tensorflow as tf

from nets.boxes import iou, shape_iou
from nets.yolo import ANCHORS_PER_LEVEL, STRIDES, Predictions

BACKGROUND = -1
PRIMARY_ROUNDS = 3  # objects of one shape in one cell that still find an anchor each
_NOBODY = tf.int32.max
IOU_WEIGHT = 3.0  # of −log IoU beside −log score in the cost of a prediction
BEST = 10  # candidates whose IoUs say how many predictions an object gets


@dataclass(frozen=True)
class AssignConfig:
    """How many predictions answer for an object.

    Attributes:
        by_cost: choose among the candidates by what they predict (``assign_by_cost``), instead of
            taking all of them.
        max_anchor_ratio: candidates beside the best anchor are those whose sides are within this
            factor of the object's; None for the best anchor only, the rule of the paper.
        neighbours: with a ratio, also in the nearest cell to the side and above or below.
    """

    by_cost: bool = True
    max_anchor_ratio: float | None = 4.0
    neighbours: bool = True


def assign(
    boxes: tf.Tensor,
    class_ids: tf.Tensor,
    grids: Sequence[tuple[tf.Tensor | int, tf.Tensor | int]],
    anchors: Sequence[Sequence[float]],
    config: AssignConfig | None = None,
) -> tf.Tensor:
    """Give each prediction the index of the object it answers for, or ``BACKGROUND``.

    Every object first takes the anchor whose shape fits it best, of all nine, in the cell that
    holds its centre (YOLOv3, section 2.1). Where two objects want the same place, the better fit
    has it and the other takes its next best anchor that is free.

    With ``max_anchor_ratio``, the anchors left over in that cell whose sides are within that
    factor of the object's answer for it too, and with ``neighbours`` so do the same anchors of
    the nearest cell to the side and the nearest above or below. More positives an object make
    training on few photos faster.

    Args:
        boxes: float32 (B, M, 4) in pixels of the network input; padding may hold anything.
        class_ids: int32 (B, M), negative for padding and for objects that nobody answers for
            (difficult ones).
        grids: (rows, columns) of the three levels, strides 8, 16, 32.
        anchors: nine (width, height) pairs in pixels.
        config: which of them; the defaults when None.

    Returns:
        int32 (B, N) index into M, in the row order of ``nets.yolo.Predictions``.
    """
    config = config or AssignConfig()
    places = _Places(grids)
    real, fit, ratio, centres, cells, home = _at_home(boxes, class_ids, places, anchors)
    owner = tf.fill([tf.shape(boxes)[0], places.total], BACKGROUND)
    owner = _assign_primary(owner, home, fit, real)
    if config.max_anchor_ratio is None:
        return owner

    fits = (ratio < config.max_anchor_ratio) & real[..., None]  # (B, M, 9)
    owner = _claim(owner, home, fit, fits)
    if not config.neighbours:
        return owner
    rows, inside = places.neighbours(centres, cells)  # (B, M, 9, 2)
    both = tf.shape(rows)
    return _claim(
        owner,
        tf.reshape(rows, [both[0], both[1], 18]),
        tf.repeat(fit, 2, axis=-1),
        tf.reshape(inside & fits[..., None], [both[0], both[1], 18]),
    )


def assign_by_cost(
    predictions: Predictions,
    boxes: tf.Tensor,
    class_ids: tf.Tensor,
    grids: Sequence[tuple[tf.Tensor | int, tf.Tensor | int]],
    anchors: Sequence[Sequence[float]],
    config: AssignConfig | None = None,
) -> tf.Tensor:
    """Give each prediction the index of the object it answers for, by what it predicts.

    The candidates of an object are those that ``assign`` would take, and the best anchor in the
    neighbouring cells, however small or large the object. With p the root of objectness
    × probability of the object's class, a candidate costs −log p − 3 log IoU. As many of the
    cheapest answer for the object as the IoUs of its ten best candidates add up to, one at least:
    many where many fit, few where few do (SimOTA: Ge et al., YOLOX, 2021, section 2.1, with its
    candidates chosen by anchors instead of a region). Where two objects want the same prediction,
    the one to which it is cheaper has it.

    Args:
        predictions: decoded, of this batch; no gradient flows through the choice.
        boxes, class_ids, grids, anchors, config: as for ``assign``.

    Returns:
        int32 (B, N) index into M, in the row order of ``nets.yolo.Predictions``.
    """
    config = config or AssignConfig()
    rows, _, possible, total = _candidates(boxes, class_ids, grids, anchors, config)
    cost, overlap = _costs(predictions, boxes, class_ids, rows, possible)
    ranks = tf.argsort(tf.argsort(cost, axis=-1, stable=True), axis=-1, stable=True)
    best = tf.math.top_k(overlap, min(BEST, rows.shape[-1])).values
    count = tf.maximum(tf.cast(tf.reduce_sum(best, axis=-1), tf.int32), 1)  # (B, M)

    quality = tf.where(possible, 1 / (1 + cost), -1.0)
    owner = tf.fill([tf.shape(boxes)[0], total], BACKGROUND)
    owner = _assign_primary(owner, rows, quality, tf.reduce_any(possible, axis=-1))
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


def _at_home(
    boxes: tf.Tensor, class_ids: tf.Tensor, places: _Places, anchors: Sequence[Sequence[float]]
) -> tuple[tf.Tensor, ...]:
    """How objects lie to the nine anchors in the cells of their centres.

    Returns:
        bool (B, M) "somebody answers for it"; float32 (B, M, 9) IoU of the shapes and the larger
        ratio of their sides; (B, M, 2) centres; int32 (B, M, 9, 2) cells and (B, M, 9) rows.
    """
    sizes = boxes[..., 2:] - boxes[..., :2]  # (B, M, 2)
    centres = (boxes[..., :2] + boxes[..., 2:]) / 2
    real = (class_ids >= 0) & (sizes[..., 0] > 0) & (sizes[..., 1] > 0)
    shapes = tf.constant(anchors, tf.float32)
    fit = shape_iou(sizes[:, :, None, :], shapes)
    ratios = sizes[:, :, None, :] / shapes
    ratio = tf.reduce_max(tf.maximum(ratios, 1 / tf.maximum(ratios, 1e-9)), axis=-1)
    cells = places.cells(centres)
    return real, fit, ratio, centres, cells, places.rows(cells)


def _candidates(
    boxes: tf.Tensor,
    class_ids: tf.Tensor,
    grids: Sequence[tuple[tf.Tensor | int, tf.Tensor | int]],
    anchors: Sequence[Sequence[float]],
    config: AssignConfig,
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
    """What may answer for an object: K = 9 anchors in its cell, and with neighbours 27.

    Returns:
        int32 (B, M, K) rows, float32 fit of the anchor's shape, bool "may", and N.
    """
    places = _Places(grids)
    real, fit, ratio, centres, cells, home = _at_home(boxes, class_ids, places, anchors)
    count = len(anchors)
    near = tf.one_hot(tf.argmax(fit, axis=-1), count, True, False, dtype=tf.bool)
    if config.max_anchor_ratio is not None:
        near |= ratio < config.max_anchor_ratio
    near &= real[..., None]
    if config.max_anchor_ratio is None or not config.neighbours:
        return home, fit, near, places.total
    rows, inside = places.neighbours(centres, cells)  # (B, M, 9, 2)
    flat = [*tf.unstack(tf.shape(home)[:2]), 2 * count]
    return (
        tf.concat([home, tf.reshape(rows, flat)], axis=-1),
        tf.concat([fit, tf.repeat(fit, 2, axis=-1)], axis=-1),
        tf.concat([near, tf.reshape(inside & near[..., None], flat)], axis=-1),
        places.total,
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
    owner: tf.Tensor, home: tf.Tensor, fit: tf.Tensor, real: tf.Tensor
) -> tf.Tensor:
    """Each object takes the best-fitting anchor still free in its cell, a round at a time."""
    waiting = real
    itself = tf.range(tf.shape(fit)[1])[None, :]
    for _ in range(PRIMARY_ROUNDS):
        free = tf.gather(owner, home, batch_dims=1) == BACKGROUND
        wish = tf.where(free & waiting[..., None], fit, -1.0)
        best = tf.argmax(wish, axis=-1, output_type=tf.int32)  # (B, M)
        row = tf.gather(home, best, batch_dims=2)
        quality = tf.gather(wish, best, batch_dims=2)
        owner = _claim(
            owner, row[..., None], quality[..., None], (waiting & (quality >= 0))[..., None]
        )
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
