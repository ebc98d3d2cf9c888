"""Decoding the network's raw maps in NumPy, for the predictions that can count.

``nets.yolo.decode`` computes a box and all scores for every anchor of every cell. Nearly all of
them lie below the confidence asked for. A runtime may give the raw maps instead
(``Runtime.decoding_params``); then ``decode`` computes only the rows whose score can reach a limit.
They have the same order and the same numbers. It imports neither ``nets`` nor TensorFlow.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

STRIDES = (8, 16, 32)  # of the three levels
ANCHORS_PER_LEVEL = 3
MAX_LOG_SIZE = 4.2  # exp(4.2) = 67: no object is 67 times its anchor
_MARGIN = 1e-3  # of a logit: rounding must not remove a score that is just high enough


class DecodingParams(NamedTuple):
    """The constants of a network that decoding its raw maps needs.

    Attributes:
        anchors: float32 (9, 2) widths and heights in pixels of the network input, smallest first.
        offset_span: YOLOv4's ``scale_x_y`` (grid sensitivity), in cells: a centre lies at
            ``cell + 0.5 + offset_span * (sigmoid(t) - 0.5)``.
    """

    anchors: np.ndarray
    offset_span: float


def decode(
    raw: Sequence[np.ndarray], params: DecodingParams, lowest_score: float
) -> tuple[np.ndarray, np.ndarray]:
    """One picture's raw maps → the boxes that have a score of at least ``lowest_score``.

    Rows are in the order of ``nets.yolo.Predictions``: strides 8, 16, 32, then cells row by row,
    then anchors. The formulas are those of ``nets.yolo.decode``.

    Args:
        raw: three maps (H/s, W/s, 3·(5 + classes)) for s = 8, 16, 32, float32, float16 or bfloat16.
        params: of the network.
        lowest_score: rows without such a score are left out, but for rounding errors.

    Returns:
        float32 boxes (K, 4) in pixels of the network input, and float32 scores (K, classes).

    Raises:
        ValueError: not three maps, or their channels are no multiple of the anchors a level.
    """
    levels = [
        _candidates(one, stride, lowest_score) for one, stride in zip(raw, STRIDES, strict=True)
    ]
    logits = np.concatenate([level.logits for level in levels])  # (K, 5 + classes)
    corners = np.concatenate([level.corners for level in levels])  # (K, 2)
    strides = np.repeat(np.float32(STRIDES), [len(level.logits) for level in levels])
    anchor_ids = np.concatenate(
        [ANCHORS_PER_LEVEL * i + level.anchor_ids for i, level in enumerate(levels)]
    )

    # Most of these rows have no class that is likely enough.
    objectness = _sigmoid(logits[:, 4])
    with np.errstate(invalid="ignore"):  # NaN: such a class does not count
        likeliest = np.fmax.reduce(logits[:, 5:], axis=1)
        reaching = np.flatnonzero(objectness * _sigmoid(likeliest + _MARGIN) >= lowest_score)
    logits, objectness = logits[reaching], objectness[reaching]
    scores = objectness[:, None] * _sigmoid(logits[:, 5:])

    span = np.float32(params.offset_span)
    offsets = 0.5 + span * (_sigmoid(logits[:, 0:2]) - np.float32(0.5))
    centres = (offsets + corners[reaching]) * strides[reaching, None]
    anchors = np.asarray(params.anchors, np.float32)[anchor_ids[reaching]]
    log_sizes = np.clip(logits[:, 2:4], -MAX_LOG_SIZE, MAX_LOG_SIZE)
    half = np.float32(0.5) * anchors * np.exp(log_sizes)
    return np.concatenate([centres - half, centres + half], axis=1), scores


class _Level(NamedTuple):
    """The rows of a level whose objectness is high enough.

    Attributes:
        logits: float32 (k, 5 + classes).
        corners: float32 (k, 2) column and row of the cells.
        anchor_ids: (k,) 0, 1 or 2.
    """

    logits: np.ndarray
    corners: np.ndarray
    anchor_ids: np.ndarray


def _candidates(raw: np.ndarray, stride: int, lowest_score: float) -> _Level:
    height, width, channels = raw.shape
    if channels % ANCHORS_PER_LEVEL:
        raise ValueError(f"the map of stride {stride} has {channels} channels, no multiple of 3")
    rows = raw.reshape(height * width * ANCHORS_PER_LEVEL, -1)
    # A score is objectness × class probability, so it is not above the objectness.
    chosen = np.flatnonzero(rows[:, 4] >= _logit(lowest_score) - _MARGIN)
    cells, anchor_ids = np.divmod(chosen, ANCHORS_PER_LEVEL)
    y, x = np.divmod(cells, width)
    return _Level(
        rows[chosen].astype(np.float32, copy=False),
        np.stack([x, y], axis=1).astype(np.float32),
        anchor_ids,
    )


def _logit(probability: float) -> float:
    if probability <= 0:
        return -math.inf
    return math.inf if probability >= 1 else math.log(probability / (1 - probability))


def _sigmoid(x: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):  # exp(100) is infinite in float32, and the result is 0
        return 1 / (1 + np.exp(-x))
