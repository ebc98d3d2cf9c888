"""Rectangular training: the shape of training pictures follows that of the photos."""

from __future__ import annotations

from utils.data.augment import AugmentConfig
from utils.data.batches.input_shape import rectangular_aspect, training_shape
from utils.data.records import Dataset

MAX_ROTATION = 20.0  # degrees; a photo that is turned further loses its ends in a rectangle


def choose_aspect(
    train: Dataset, augment: AugmentConfig, *, rectangular: bool
) -> tuple[float, float]:
    """The part of the square network input's width and height that training pictures take.

    Returns an aspect that fits 90 % of the photos (``utils.data.batches.input_shape``), to save
    time on grey borders. Returns (1, 1) with strong rotation, or where scaling never shrinks
    photos: the network must see the borders that it meets in prediction.
    """
    rotates_far, never_shrinks = augment.rotation > MAX_ROTATION, augment.scale[0] >= 1
    if not rectangular or rotates_far or never_shrinks:
        return (1.0, 1.0)
    return rectangular_aspect(train)


def shape_text(input_size: int, aspect: tuple[float, float]) -> str:
    """A sentence on the shape of training pictures; "" for squares."""
    shape = training_shape(input_size, aspect)
    if shape.width == shape.height:
        return ""
    return f"training pictures of {shape.width}×{shape.height}, as the photos need"
