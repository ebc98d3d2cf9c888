"""The channels of the heads' last convolutions: which belongs to what, and moving them.

They are, for each of three anchors: x, y, w, h, objectness, then one for each class. The functions
here are pure: arrays in, arrays out. Arrays are kernels (..., 3·(5 + classes)) or biases.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nets.yolo import ANCHORS_PER_LEVEL

OUTPUTS = ("head3_out", "head4_out", "head5_out")  # the last convolutions, strides 8, 16, 32
NOT_CLASSES = 5  # channels of an anchor before those of its classes
MAX_SHIFT = float(np.log(2))


def without_classes(value: np.ndarray) -> np.ndarray:
    """(..., 3·(5 + classes)) → (..., 3·5)."""
    return _by_anchor(value)[..., :NOT_CLASSES].reshape(*value.shape[:-1], -1)


def merged(own: np.ndarray, other: np.ndarray, old_ids: Sequence[int | None]) -> np.ndarray:
    """``own`` with boxes, objectness and some classes of ``other``.

    Args:
        own: of the detector that gets the weights.
        other: of the detector that they come from; its number of classes may differ.
        old_ids: for each class of ``own`` its index in ``other``, or None to leave it as it is.
    """
    result = _by_anchor(own).copy()
    given = _by_anchor(other)
    result[..., :NOT_CLASSES] = given[..., :NOT_CLASSES]
    for index, old_id in enumerate(old_ids):
        if old_id is not None:
            result[..., NOT_CLASSES + index] = given[..., NOT_CLASSES + old_id]
    return result.reshape(own.shape)


def size_shifts(old_anchors: np.ndarray, new_anchors: np.ndarray) -> np.ndarray:
    """(9, 2): what to add to the biases of w and h, so that boxes keep their size.

    A head predicts width and height as factors on its anchor, so this is the logarithm of the
    anchors' ratio. It is limited to a factor of two. Where the ratio is larger, as on photos of
    tiny objects, boxes must start near their anchors, or training would take long to get there.
    """
    ratio = np.asarray(old_anchors, np.float32) / np.asarray(new_anchors, np.float32)
    return np.clip(np.log(ratio), -MAX_SHIFT, MAX_SHIFT)


def with_shift(bias: np.ndarray, shifts: np.ndarray, output: str) -> np.ndarray:
    """A bias with ``size_shifts`` added; ``output`` is one of ``OUTPUTS``."""
    level = OUTPUTS.index(output)
    shifted = _by_anchor(bias).copy()
    shifted[..., 2:4] += shifts[level * ANCHORS_PER_LEVEL : (level + 1) * ANCHORS_PER_LEVEL]
    return shifted.reshape(bias.shape)


def _by_anchor(value: np.ndarray) -> np.ndarray:
    """(..., 3·(5 + classes)) → (..., 3, 5 + classes)."""
    return value.reshape(*value.shape[:-1], ANCHORS_PER_LEVEL, -1)
