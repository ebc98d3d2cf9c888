"""Label assignment: which prediction is positive for which ground-truth object.

``assign`` compares the shapes of anchors only and gives each object one positive, as YOLOv3 does.
``assign_simota`` compares the predictions themselves and gives each object as many positives as
fit it. Both are vectorised pure functions on the device. Their result is ``matched_gt``: for each
prediction the index of its object, or ``BACKGROUND``.

Integers that depend on the batch are int64. TensorFlow keeps int32 in main memory, as those are
mostly shapes: on a GPU, most operations on them would wait for a copy there and back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import tensorflow as tf

from nets.boxes import iou, shape_iou
from nets.yolo import ANCHORS_PER_LEVEL, STRIDES, Predictions

BACKGROUND = -1
PRIMARY_ROUNDS = 8  # as many objects may want the same prediction, and each still gets one
MAX_ANCHOR_RATIO = 4.0  # between the sides of an object and of its candidate anchors
IOU_WEIGHT = 3.0  # of −log IoU, relative to −log score, in the cost of a prediction
SIMOTA_CANDIDATES = 10  # the sum of their IoUs is dynamic k, the number of positives of an object
_UNASSIGNED = tf.int64.max  # a free prediction while objects are assigned: their lowest index wins
_FALLBACK_WEIGHT = 1e-4  # on the shape IoU of anchors that are not candidates


def assign(
    boxes: tf.Tensor,
    class_ids: tf.Tensor,
    grids: Sequence[tuple[tf.Tensor | int, tf.Tensor | int]],
    anchors: Sequence[Sequence[float]],
) -> tf.Tensor:
    """One positive for each object, chosen by the shapes of anchors.

    An object is assigned to the anchor of highest shape IoU, of all nine, in the cell that holds
    its centre (YOLOv3, section 2.1). Where two objects want the same prediction, the one with the
    higher IoU gets it. The other takes its next best free anchor.

    Args:
        boxes: float32 (B, M, 4) in pixels of the network input; padding may hold anything.
        class_ids: integers (B, M), negative for padding and for objects without positives
            (difficult ones).
        grids: (height, width) in cells of the three levels, strides 8, 16, 32.
        anchors: nine (width, height) pairs in pixels.

    Returns:
        ``matched_gt``, int64 (B, N): index into M, or ``BACKGROUND``. The N predictions are in the
        order of ``nets.yolo.Predictions``.
    """
    class_ids = tf.cast(class_ids, tf.int64)
    grid = _PredictionGrid(grids)
    centre = _centre_cells(boxes, class_ids, grid, anchors)
    matched_gt = _all_free(boxes, grid)
    matched_gt = _assign_primary(matched_gt, centre.prediction_ids, centre.shape_iou, centre.valid)
    return _with_background(matched_gt)


def assign_simota(
    predictions: Predictions,
    boxes: tf.Tensor,
    class_ids: tf.Tensor,
    grids: Sequence[tuple[tf.Tensor | int, tf.Tensor | int]],
    anchors: Sequence[Sequence[float]],
) -> tf.Tensor:
    """SimOTA with candidates chosen by anchors (Ge et al., YOLOX, 2021, section 2.1).

    Candidates of an object: the anchors whose sides are within ``MAX_ANCHOR_RATIO`` of its own,
    and the anchor of highest shape IoU. Each counts in three cells: that of the object's centre,
    the nearest one to the side, and the nearest one above or below. YOLOX takes a region instead.

    Cost of a candidate: −log p − ``IOU_WEIGHT`` · log IoU, where p is the root of objectness ×
    probability of the object's class.

    Dynamic k: an object gets as many positives as the IoUs of its ``SIMOTA_CANDIDATES`` best
    candidates add up to, rounded down, and at least one. They are its cheapest candidates. Where
    two objects want the same prediction, the one with the lower cost gets it. An object that loses
    all of its candidates takes a free prediction of its centre cell.

    Args:
        predictions: decoded, of this batch; no gradient flows through the assignment.
        boxes, class_ids, grids, anchors: as for ``assign``.

    Returns:
        ``matched_gt``, int64 (B, N), as ``assign``.
    """
    class_ids = tf.cast(class_ids, tf.int64)
    grid = _PredictionGrid(grids)
    centre = _centre_cells(boxes, class_ids, grid, anchors)
    prediction_ids, is_candidate = _candidates(centre, grid)
    cost, overlap = _costs(predictions, boxes, class_ids, prediction_ids, is_candidate)
    order = tf.cast(tf.argsort(cost, axis=-1, stable=True), tf.int64)
    ranks = tf.cast(tf.argsort(order, axis=-1, stable=True), tf.int64)
    best = tf.math.top_k(overlap, SIMOTA_CANDIDATES).values
    dynamic_k = tf.maximum(tf.cast(tf.reduce_sum(best, axis=-1), tf.int64), 1)  # (B, M)

    beside = tf.fill(tf.shape(prediction_ids[..., len(anchors) :]), -1.0)
    fallback = tf.concat([_FALLBACK_WEIGHT * centre.shape_iou, beside], axis=-1)
    quality = tf.where(is_candidate, 1 / (1 + cost), fallback)
    matched_gt = _all_free(boxes, grid)
    matched_gt = _assign_primary(matched_gt, prediction_ids, quality, centre.valid)
    wanted = is_candidate & (ranks < dynamic_k[..., None])
    return _with_background(_assign_free(matched_gt, prediction_ids, quality, wanted))


def _all_free(boxes: tf.Tensor, grid: _PredictionGrid) -> tf.Tensor:
    """``matched_gt`` before any object is assigned."""
    return tf.fill([tf.shape(boxes)[0], grid.total], tf.constant(_UNASSIGNED, tf.int64))


def _with_background(matched_gt: tf.Tensor) -> tf.Tensor:
    """``matched_gt`` when all objects are assigned."""
    return tf.where(matched_gt == _UNASSIGNED, tf.constant(BACKGROUND, tf.int64), matched_gt)


def _costs(
    predictions: Predictions,
    boxes: tf.Tensor,
    class_ids: tf.Tensor,
    prediction_ids: tf.Tensor,
    is_candidate: tf.Tensor,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Cost of each candidate, and its IoU with the object: float32 (B, M, K)."""
    predicted, objectness, logits = map(tf.stop_gradient, predictions)
    overlap = iou(tf.gather(predicted, prediction_ids, batch_dims=1), boxes[:, :, None, :])
    overlap = tf.where(is_candidate, overlap, 0.0)
    objectness = tf.gather(objectness, prediction_ids, batch_dims=1)
    # Only the logit of the object's own class: with many classes all of them would fill the memory.
    places = prediction_ids * logits.shape[-1] + tf.maximum(class_ids, 0)[:, :, None]
    logit = tf.gather(tf.reshape(logits, [tf.shape(logits)[0], -1]), places, batch_dims=1)
    # log σ(x) = −softplus(−x), which stays finite.
    score = -0.5 * (tf.nn.softplus(-logit) + tf.nn.softplus(-objectness))
    cost = -score - IOU_WEIGHT * tf.math.log(overlap + 1e-6)
    return tf.where(is_candidate, tf.maximum(cost, 0.0), cost.dtype.max), overlap


class _CentreCells(NamedTuple):
    """Objects and the nine anchors in the cells of their centres.

    Attributes:
        valid: bool (B, M), whether the object gets positives.
        shape_iou: float32 (B, M, 9), of object and anchor.
        ratio: float32 (B, M, 9), the larger ratio of their sides, 1 or more.
        centres: float32 (B, M, 2) in pixels.
        cells: int64 (B, M, 9, 2), column and row.
        prediction_ids: int64 (B, M, 9), index into the N predictions.
    """

    valid: tf.Tensor
    shape_iou: tf.Tensor
    ratio: tf.Tensor
    centres: tf.Tensor
    cells: tf.Tensor
    prediction_ids: tf.Tensor


def _centre_cells(
    boxes: tf.Tensor,
    class_ids: tf.Tensor,
    grid: _PredictionGrid,
    anchors: Sequence[Sequence[float]],
) -> _CentreCells:
    sizes = boxes[..., 2:] - boxes[..., :2]  # (B, M, 2)
    centres = (boxes[..., :2] + boxes[..., 2:]) / 2
    valid = (class_ids >= 0) & (sizes[..., 0] > 0) & (sizes[..., 1] > 0)
    shapes = tf.constant(anchors, tf.float32)
    overlap = shape_iou(sizes[:, :, None, :], shapes)
    ratios = sizes[:, :, None, :] / shapes
    ratio = tf.reduce_max(tf.maximum(ratios, 1 / tf.maximum(ratios, 1e-9)), axis=-1)
    cells = grid.cells(centres)
    return _CentreCells(valid, overlap, ratio, centres, cells, grid.prediction_ids(cells))


def _candidates(centre: _CentreCells, grid: _PredictionGrid) -> tuple[tf.Tensor, tf.Tensor]:
    """Predictions that may become positives: nine anchors in the centre cell, then twice nine
    beside it.

    Returns:
        int64 prediction ids and bool "is a candidate", both (B, M, 27).
    """
    count = centre.shape_iou.shape[-1]
    near = centre.ratio < MAX_ANCHOR_RATIO
    near |= tf.one_hot(tf.argmax(centre.shape_iou, axis=-1), count, True, False, dtype=tf.bool)
    near &= centre.valid[..., None]
    beside_ids, inside = grid.neighbours(centre.centres, centre.cells)  # (B, M, 9, 2)
    flat = [*tf.unstack(tf.shape(centre.prediction_ids)[:2]), 2 * count]
    return (
        tf.concat([centre.prediction_ids, tf.reshape(beside_ids, flat)], axis=-1),
        tf.concat([near, tf.reshape(inside & near[..., None], flat)], axis=-1),
    )


class _PredictionGrid:
    """Indices of predictions: (cell, anchor) → index into the N predictions."""

    def __init__(self, grids: Sequence[tuple]) -> None:
        heights = tf.stack([tf.cast(height, tf.int32) for height, _ in grids])
        widths = tf.stack([tf.cast(width, tf.int32) for _, width in grids])
        of_level = heights * widths * ANCHORS_PER_LEVEL  # predictions
        self.total = tf.reduce_sum(of_level)
        # All of these are (9,): one entry for each anchor.
        self._start = _of_each_anchor(tf.cumsum(of_level, exclusive=True))
        self._width, self._height = _of_each_anchor(widths), _of_each_anchor(heights)
        self._stride = tf.repeat(tf.constant(STRIDES, tf.float32), ANCHORS_PER_LEVEL)
        self._anchor = tf.tile(tf.range(ANCHORS_PER_LEVEL, dtype=tf.int64), [len(STRIDES)])

    def cells(self, centres: tf.Tensor) -> tf.Tensor:
        """(B, M, 2) centres in pixels → int64 (B, M, 9, 2) column and row of their cells.

        A centre on the picture's right or lower edge belongs to the last cell.
        """
        cells = tf.cast(tf.floor(centres[:, :, None, :] / self._stride[:, None]), tf.int64)
        last = tf.stack([self._width - 1, self._height - 1], axis=-1)
        return tf.clip_by_value(cells, 0, last)

    def prediction_ids(self, cells: tf.Tensor) -> tf.Tensor:
        """int64 (B, M, 9, 2) cells → (B, M, 9) indices of their predictions."""
        flat = cells[..., 1] * self._width + cells[..., 0]
        return self._start + flat * ANCHORS_PER_LEVEL + self._anchor

    def neighbours(self, centres: tf.Tensor, cells: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The nearest cell to the side and the nearest above or below.

        Returns:
            int64 prediction ids and bool "lies in the grid", both (B, M, 9, 2).
        """
        within = centres[:, :, None, :] / self._stride[:, None] - tf.cast(cells, tf.float32)
        step = tf.where(within < 0.5, tf.constant(-1, tf.int64), 1)  # (B, M, 9, 2)
        still = tf.zeros_like(step[..., 0])
        prediction_ids, inside = [], []
        for move in (
            tf.stack([step[..., 0], still], axis=-1),
            tf.stack([still, step[..., 1]], axis=-1),
        ):
            cell = cells + move
            ok = (cell >= 0) & (cell < tf.stack([self._width, self._height], axis=-1))
            ok = tf.reduce_all(ok, axis=-1)
            inside.append(ok)
            prediction_ids.append(tf.where(ok, self.prediction_ids(cell), 0))
        return tf.stack(prediction_ids, axis=-1), tf.stack(inside, axis=-1)


def _of_each_anchor(of_levels: tf.Tensor) -> tf.Tensor:
    """int32 (3,), from shapes → int64 (9,)."""
    return tf.cast(tf.repeat(of_levels, ANCHORS_PER_LEVEL), tf.int64)


def _assign_primary(
    matched_gt: tf.Tensor, prediction_ids: tf.Tensor, quality: tf.Tensor, valid: tf.Tensor
) -> tf.Tensor:
    """One positive for each object: the best of its predictions that is still free, in rounds.

    Args:
        matched_gt: int64 (B, N), what is assigned so far, ``_UNASSIGNED`` where nothing is.
        prediction_ids: int64 (B, M, K), those that each object may have.
        quality: float32 (B, M, K) of each; negative where the object may not have it.
        valid: bool (B, M), whether the object gets positives.
    """
    waiting = valid
    itself = tf.cast(tf.range(tf.shape(prediction_ids)[1]), tf.int64)[None, :]
    for _ in range(PRIMARY_ROUNDS):
        free = tf.gather(matched_gt, prediction_ids, batch_dims=1) == _UNASSIGNED
        free_quality = tf.where(free & waiting[..., None], quality, -1.0)
        best = tf.argmax(free_quality, axis=-1)  # (B, M)
        chosen = tf.gather(prediction_ids, best, batch_dims=2)
        value = tf.gather(free_quality, best, batch_dims=2)
        wanted = waiting & (value >= 0)
        matched_gt = _assign_free(
            matched_gt, chosen[..., None], value[..., None], wanted[..., None]
        )
        waiting &= tf.gather(matched_gt, chosen, batch_dims=1) != itself
    return matched_gt


def _assign_free(
    matched_gt: tf.Tensor, prediction_ids: tf.Tensor, quality: tf.Tensor, wanted: tf.Tensor
) -> tf.Tensor:
    """Assign free predictions to the object of highest quality; ties go to the lower index.

    Args:
        matched_gt: int64 (B, N), what is assigned so far, ``_UNASSIGNED`` where nothing is.
        prediction_ids: int64 (B, M, K), those that each object may want.
        quality: float32 (B, M, K) of each.
        wanted: bool (B, M, K), whether the object wants it.
    """
    shape = tf.shape(matched_gt)
    batch, total = shape[0], shape[1]
    wanted &= tf.gather(matched_gt, prediction_ids, batch_dims=1) == _UNASSIGNED
    first = tf.cast(tf.range(batch) * total, tf.int64)  # of each image, in the flat batch
    flat = tf.reshape(prediction_ids + first[:, None, None], [-1, 1])
    quality = tf.reshape(tf.where(wanted, quality, -1.0), [-1])
    gt = tf.cast(tf.range(tf.shape(prediction_ids)[1]), tf.int64)[None, :, None]
    gt += tf.zeros_like(prediction_ids)

    best = tf.tensor_scatter_nd_max(tf.fill([batch * total], -1.0), flat, quality)
    wins = tf.reshape(wanted, [-1]) & (quality >= tf.gather_nd(best, flat))
    winner = tf.where(wins, tf.reshape(gt, [-1]), _UNASSIGNED)
    matched_gt = tf.tensor_scatter_nd_min(tf.reshape(matched_gt, [-1]), flat, winner)
    return tf.reshape(matched_gt, shape)
