"""Which prediction answers for which object: assignment of ground truth to anchors.

One vectorised pure function on the device. Its result is an index for each prediction, so the
loss can gather what it needs and nothing dense is built on the host.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import tensorflow as tf

from nets.boxes import shape_iou
from nets.yolo import ANCHORS_PER_LEVEL, STRIDES

BACKGROUND = -1
PRIMARY_ROUNDS = 3  # objects of one shape in one cell that still find an anchor each
_NOBODY = tf.int32.max


@dataclass(frozen=True)
class AssignConfig:
    """How many predictions answer for an object.

    Attributes:
        max_anchor_ratio: beside the best anchor, those whose sides are within this factor of the
            object's; None for the best anchor only, the rule of the paper.
        neighbours: with a ratio, also in the nearest cell to the side and above or below.
    """

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
    sizes = boxes[..., 2:] - boxes[..., :2]  # (B, M, 2)
    centres = (boxes[..., :2] + boxes[..., 2:]) / 2
    real = (class_ids >= 0) & (sizes[..., 0] > 0) & (sizes[..., 1] > 0)  # (B, M)

    places = _Places(grids)
    shapes = tf.constant(anchors, tf.float32)
    fit = shape_iou(sizes[:, :, None, :], shapes)  # (B, M, 9)
    cells = places.cells(centres)  # (B, M, 9, 2)
    home = places.rows(cells)  # (B, M, 9)

    owner = tf.fill([tf.shape(boxes)[0], places.total], BACKGROUND)
    owner = _assign_primary(owner, home, fit, real)
    if config.max_anchor_ratio is None:
        return owner

    ratios = sizes[:, :, None, :] / shapes
    largest = tf.reduce_max(tf.maximum(ratios, 1 / tf.maximum(ratios, 1e-9)), axis=-1)
    fits = (largest < config.max_anchor_ratio) & real[..., None]  # (B, M, 9)
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
