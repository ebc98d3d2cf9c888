"""Geometry of one object: its perspective, its pixels in the picture, and its exact box.

Coordinates are continuous: pixel ``i`` covers ``[i, i + 1)``, and a box's right edge is where the
object ends.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

OWN = 0.3  # of an item's opacity: pixels above it belong to the item


@dataclass(frozen=True)
class Pose:
    """Position and shape of a drawing in the picture.

    Attributes:
        centre: x, y in pixels.
        size: width and height in pixels before rotation.
        angle: in radians.
        mirrored: left to right.
        shear: of the upright drawing, as a share.
        tilt: perspective: the share by which the far side is smaller, across and down.
    """

    centre: tuple[float, float]
    size: tuple[float, float]
    angle: float = 0.0
    mirrored: bool = False
    shear: float = 0.0
    tilt: tuple[float, float] = (0.0, 0.0)


@dataclass
class Patch:
    """A drawing on the pixel grid of the picture.

    Attributes:
        pixels: premultiplied BGRA, uint8 (h, w, 4).
        left, top: of its first pixel in the picture, may be negative.
    """

    pixels: np.ndarray
    left: int
    top: int


def matrix(pose: Pose, height: int, width: int) -> np.ndarray:
    """Continuous coordinates in a drawing (height, width) → in the picture; float64 (3, 3)."""
    flip = -1.0 if pose.mirrored else 1.0
    unit = np.array([[flip * 2 / width, 0, -flip], [0, 2 / height, -1], [0, 0, 1]])  # to −1…1
    tilt = np.array([[1, 0, 0], [0, 1, 0], [pose.tilt[0] / 2, pose.tilt[1] / 2, 1]])
    cos, sin = np.cos(pose.angle), np.sin(pose.angle)
    stretch = np.array(
        [[pose.size[0] / 2, pose.shear * pose.size[0] / 2, 0], [0, pose.size[1] / 2, 0], [0, 0, 1]]
    )
    rotation = np.array([[cos, -sin, pose.centre[0]], [sin, cos, pose.centre[1]], [0, 0, 1]])
    return rotation @ stretch @ tilt @ unit


def render(drawing: np.ndarray, pose: Pose, *, margin: int = 1) -> Patch:
    """Premultiplied BGRA uint8 (H, W, 4) under a pose; ``margin`` empty pixels stay around it."""
    shrunk = _shrunk(drawing, pose)
    height, width = shrunk.shape[:2]
    forward = matrix(pose, height, width)
    corners = forward @ np.array([[0, width, width, 0], [0, 0, height, height], [1, 1, 1, 1]])
    corners = corners[:2] / corners[2]
    left, top = np.floor(corners.min(1)).astype(int) - margin
    right, bottom = np.ceil(corners.max(1)).astype(int) + margin
    # OpenCV's coordinates are those of the middles of pixels.
    into = np.array([[1, 0, -left - 0.5], [0, 1, -top - 0.5], [0, 0, 1]])
    middle = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
    size = int(right - left), int(bottom - top)
    pixels = cv2.warpPerspective(shrunk, into @ forward @ middle, size, flags=cv2.INTER_LINEAR)
    return Patch(pixels, int(left), int(top))


def _shrunk(drawing: np.ndarray, pose: Pose) -> np.ndarray:
    """Averaged down to its size in the picture, since warping reads only neighbouring pixels."""
    height, width = drawing.shape[:2]
    # A tilt enlarges the near side, by at most a fifth at the tilts that are used.
    size = (
        min(width, max(1, round(pose.size[0] * 1.1))),
        min(height, max(1, round(pose.size[1] * 1.1))),
    )
    if size == (width, height):
        return drawing
    return cv2.resize(drawing, size, interpolation=cv2.INTER_AREA)


def clip(patch: Patch, height: int, width: int) -> Patch | None:
    """The part of the patch within a picture (height, width); None where there is none."""
    rows, columns = patch.pixels.shape[:2]
    top, left = max(0, patch.top), max(0, patch.left)
    bottom, right = min(height, patch.top + rows), min(width, patch.left + columns)
    if bottom <= top or right <= left:
        return None
    inside = patch.pixels[
        top - patch.top : bottom - patch.top, left - patch.left : right - patch.left
    ]
    return Patch(inside, left, top)


def tight_box(patch: Patch, opacity: float = 1.0) -> tuple[float, float, float, float] | None:
    """x0, y0, x1, y1 around the item's own pixels, None if it has none.

    Pixels with more than ``OWN`` of the item's ``opacity`` are its own. The outermost ones count
    by the share that is covered: an edge at 10.25 covers three quarters of pixel 10.
    """
    alpha = patch.pixels[..., 3]
    threshold = int(255 * OWN * opacity)
    across, down = alpha.max(0), alpha.max(1)  # (w,), (h,)
    columns, rows = np.flatnonzero(across > threshold), np.flatnonzero(down > threshold)
    if not len(columns):
        return None
    full = 255 * opacity

    def missing(value: int) -> float:
        return 1 - min(1.0, float(value) / full)

    return (
        patch.left + columns[0] + missing(across[columns[0]]),
        patch.top + rows[0] + missing(down[rows[0]]),
        patch.left + columns[-1] + 1 - missing(across[columns[-1]]),
        patch.top + rows[-1] + 1 - missing(down[rows[-1]]),
    )
