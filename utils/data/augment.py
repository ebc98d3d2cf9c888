"""Random changes to a training photo and its boxes: scale, aspect, place, mirror, colour.

A pure function of the picture, the boxes and a random generator; the caller seeds the generator
from (seed, epoch, index), so the same sample is changed in the same way by any worker.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from utils.letterbox import PAD_VALUE, Letterbox, resize

IGNORED = -1  # class id of an object that is neither trained on nor punished


@dataclass(frozen=True)
class AugmentConfig:
    """How strongly training photos are changed; zeros and ones leave them as they are.

    Attributes:
        scale: smallest and largest factor on the letterboxed size, drawn log-uniformly.
        aspect: width over height changes by up to this factor more or less.
        horizontal_flip, vertical_flip: probabilities.
        brightness, contrast, saturation: largest relative change.
        hue: largest turn of the colour circle in degrees.
        min_visible: an object that keeps less than this share of its area is ignored.
    """

    scale: tuple[float, float] = (0.6, 1.5)
    aspect: float = 0.2
    horizontal_flip: float = 0.5
    vertical_flip: float = 0.0
    brightness: float = 0.25
    contrast: float = 0.25
    saturation: float = 0.4
    hue: float = 10.0
    min_visible: float = 0.3


# For runs of a few epochs, which have little time to learn what full augmentation teaches, and for
# objects with lettering or with a left and a right, which must not be mirrored.
LIGHT = AugmentConfig((0.8, 1.25), 0.1, 0.0, 0.0, 0.15, 0.15, 0.2, 5.0)
NO_AUGMENTATION = AugmentConfig((1.0, 1.0), 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
AUGMENTATIONS = {"full": AugmentConfig(), "light": LIGHT, "none": NO_AUGMENTATION}


def augment(
    image: np.ndarray,
    boxes: np.ndarray,
    class_ids: np.ndarray,
    size: int,
    rng: np.random.Generator,
    config: AugmentConfig,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One photo → one network input.

    Args:
        image: uint8 (H, W, 3) RGB.
        boxes: float32 (N, 4) in pixels of the photo.
        class_ids: int32 (N,).
        size: side of the square network input in pixels.
        rng: consumed in a fixed order, whatever the configuration.
        config: strengths.

    Returns:
        uint8 (size, size, 3), float32 (M, 4) boxes in it, and int32 (M,) class ids, which are
        ``IGNORED`` for objects that were cut off too far. Objects out of the picture are gone.
    """
    height, width = image.shape[:2]
    draw = _Draw(rng, config)

    fitted = Letterbox(width, height, size, size)
    new_width = max(1, round(fitted.inner_width * draw.scale * draw.aspect**0.5))
    new_height = max(1, round(fitted.inner_height * draw.scale / draw.aspect**0.5))
    left = round(draw.place_x * (size - new_width))
    top = round(draw.place_y * (size - new_height))

    canvas = _paste(resize(image, new_width, new_height), left, top, size)
    scale = np.array([new_width / width, new_height / height] * 2)
    moved = boxes * scale + [left, top, left, top]
    if draw.mirror:
        canvas = canvas[:, ::-1]
        moved = np.stack([size - moved[:, 2], moved[:, 1], size - moved[:, 0], moved[:, 3]], 1)
    if draw.flip:
        canvas = canvas[::-1]
        moved = np.stack([moved[:, 0], size - moved[:, 3], moved[:, 2], size - moved[:, 1]], 1)
    boxes, class_ids = _clip(moved, class_ids, size, config.min_visible)
    return _recolour(np.ascontiguousarray(canvas), draw), boxes, class_ids


class _Draw:
    """All the random numbers of one sample, drawn up front."""

    def __init__(self, rng: np.random.Generator, config: AugmentConfig) -> None:
        low, high = np.log(config.scale)
        u = rng.random(10)
        self.scale = float(np.exp(low + u[0] * (high - low)))
        self.aspect = float((1 + config.aspect) ** (2 * u[1] - 1))
        self.place_x, self.place_y = u[2], u[3]
        if config.scale == (1.0, 1.0) and not config.aspect:
            self.place_x = self.place_y = 0.5  # as a letterbox would
        self.mirror = u[4] < config.horizontal_flip
        self.flip = u[5] < config.vertical_flip
        self.brightness, self.contrast, self.saturation = 1 + (2 * u[6:9] - 1) * [
            config.brightness,
            config.contrast,
            config.saturation,
        ]
        self.hue = np.deg2rad((2 * u[9] - 1) * config.hue)


def _paste(image: np.ndarray, left: int, top: int, size: int) -> np.ndarray:
    """Lay ``image`` on a grey square with its corner at (left, top), which may be negative."""
    canvas = np.full((size, size, 3), PAD_VALUE, np.uint8)
    height, width = image.shape[:2]
    x0, y0, x1, y1 = max(left, 0), max(top, 0), min(left + width, size), min(top + height, size)
    canvas[y0:y1, x0:x1] = image[y0 - top : y1 - top, x0 - left : x1 - left]
    return canvas


def _clip(
    boxes: np.ndarray, class_ids: np.ndarray, size: int, min_visible: float
) -> tuple[np.ndarray, np.ndarray]:
    clipped = np.clip(boxes, 0, size)
    area = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    sides = clipped[:, 2:] - clipped[:, :2]
    visible = np.prod(sides, axis=1) / np.maximum(area, 1e-9)
    class_ids = np.where(visible < min_visible, IGNORED, class_ids).astype(np.int32)
    left = (sides > 0).all(axis=1)
    # An object smaller than a pixel cannot be learnt and would only pull sizes towards zero.
    class_ids = np.where((sides < 1).any(axis=1), IGNORED, class_ids).astype(np.int32)
    return clipped[left].astype(np.float32), class_ids[left]


# Luma weights of ITU-R BT.601; the plane across them carries saturation and hue.
_LUMA = np.array([0.299, 0.587, 0.114])
# YIQ (FCC NTSC), in which a turn of the last two axes is a turn of hue.
_TO_YIQ = np.array([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])


def _recolour(image: np.ndarray, draw: _Draw) -> np.ndarray:
    """Brightness, contrast, saturation and hue as one affine map of the colours.

    A single matrix product a pixel: several times cheaper than going to HSV and back.
    """
    cos, sin = np.cos(draw.hue), np.sin(draw.hue)
    turn = np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]])
    turn[1:] *= draw.saturation
    matrix = np.linalg.inv(_TO_YIQ) @ turn @ _TO_YIQ * draw.contrast * draw.brightness
    if np.allclose(matrix, np.eye(3)):
        return image
    # Contrast turns about the mean grey of this picture, not about a fixed level.
    grey = float(cv2.mean(image)[:3] @ _LUMA)
    shift = np.full((3, 1), draw.brightness * (1 - draw.contrast) * grey)
    return cv2.transform(image, np.hstack([matrix, shift]))
