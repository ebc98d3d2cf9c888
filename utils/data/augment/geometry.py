"""The place of a photo in a network input: the map, the pixels, the boxes.

``Placement`` is an affine map from pixels of the photo to pixels of its region: the rectangle of
the network input that it is drawn into, all of it, or one of the four in a mosaic. ``render`` fills
the region and returns the map that it drew. Photos without rotation are laid on whole pixels, which
moves the map by less than one pixel, and boxes must follow that.

Coordinates are continuous: pixel ``i`` covers ``[i, i + 1)``, as in the project's boxes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from utils.data.augment.params import PhotoParams
from utils.letterbox import PAD_VALUE, Letterbox

IGNORED = -1  # class id of an object that is neither trained on nor punished

# Bilinear interpolation reads two pixels a side. Down to 1/1.6 it hardly aliases. From there to
# 1/2 the finest detail is smoothed away first. That is as close to the mean over the area as
# INTER_AREA, in a third of the time. Photos are decoded at no more than twice the size needed, so
# larger steps are rare.
_LINEAR_TO, _SMOOTHED_TO = 1.6, 2.0
_SMOOTHING = 0.5  # standard deviation in pixels of the photo
_ROUNDING = 1e-6  # of a visible share: a whole box may be moved beyond the border by less


@dataclass(frozen=True)
class Placement:
    """Where a photo lies in its region.

    Attributes:
        matrix: float64 (2, 3): ``x, y, 1`` in the photo → ``x, y`` in the region.
        width, height: of the whole photo in pixels of the region, before rotation.
    """

    matrix: np.ndarray
    width: int
    height: int

    @property
    def rotated(self) -> bool:
        return bool(self.matrix[0, 1] or self.matrix[1, 0])


def place_photo(
    photo: tuple[int, int],
    region: tuple[int, int],
    inner: tuple[int, int],
    params: PhotoParams,
    scale: float = 1.0,
    visible_size: tuple[int, int] | None = None,
    position: tuple[float, float] | None = None,
) -> Placement:
    """Place a photo as its parameters say.

    Args:
        photo: its (width, height).
        region: (width, height) of the rectangle that it is drawn into.
        inner: (width, height) in pixels of the network input; a scale of 1 is the letterbox in it.
        params: scale, aspect, position, mirroring, angle.
        scale: a further factor on that of ``params``.
        visible_size: (width, height) of the part of the photo that the letterbox is made for;
            default: the whole photo.
        position: in the place of that of ``params``.
    """
    visible_size = visible_size or photo
    fitted = Letterbox(*visible_size, *inner)
    scale = params.scale * scale
    inner_width, inner_height = (
        fitted.inner_width * (photo[0] / visible_size[0]),
        fitted.inner_height * (photo[1] / visible_size[1]),
    )
    width = max(1, round(inner_width * scale * params.aspect**0.5))
    height = max(1, round(inner_height * scale / params.aspect**0.5))
    x, y = position or (params.position_x, params.position_y)
    left = math.ceil(x * (region[0] - width) - 0.5)  # halves are rounded down, as in Letterbox
    top = math.ceil(y * (region[1] - height) - 0.5)
    matrix = np.array([[width / photo[0], 0, left], [0, height / photo[1], top]], np.float64)
    if params.mirror:
        matrix[0] = [-matrix[0, 0], 0, region[0] - left]
    if params.flip:
        matrix[1] = [0, -matrix[1, 1], region[1] - top]
    if params.angle:  # about the middle of the region, so that visible parts stay visible
        cos, sin = np.cos(np.deg2rad(params.angle)), np.sin(np.deg2rad(params.angle))
        middle = np.array(region) / 2
        matrix[:, 2] -= middle
        matrix = np.array([[cos, -sin], [sin, cos]]) @ matrix
        matrix[:, 2] += middle
    return Placement(matrix, width, height)


def render(pixels: np.ndarray, reduce: int, placement: Placement, region: np.ndarray) -> np.ndarray:
    """Draw a photo into its region.

    Args:
        pixels: uint8 (h, w, 3), the photo as ``utils.images.read_image`` gives it with ``reduce``.
        reduce: one of these pixels covers ``reduce`` × ``reduce`` pixels of the photo.
        placement: where it goes.
        region: uint8 (H, W, 3), a grey part of the network input; written to.

    Returns:
        float64 (2, 3), the map from the photo to the region that was drawn.
    """
    if placement.rotated:
        return _warp(pixels, reduce, placement, region)
    matrix = placement.matrix
    across = _Axis.fit(matrix[0, 0] * reduce, matrix[0, 2], pixels.shape[1], region.shape[1])
    down = _Axis.fit(matrix[1, 1] * reduce, matrix[1, 2], pixels.shape[0], region.shape[0])
    if across.visible and down.visible:
        part = pixels[down.first : down.last, across.first : across.last]
        part = _resample(part, across.end - across.start, down.end - down.start)
        part = part[
            max(0, -down.start) : region.shape[0] - down.start,
            max(0, -across.start) : region.shape[1] - across.start,
        ]
        if across.mirrored or down.mirrored:
            part = cv2.flip(part, -1 if across.mirrored and down.mirrored else int(across.mirrored))
        (x, y), (height, width) = (across.corner, down.corner), part.shape[:2]
        region[y : y + height, x : x + width] = part
    return np.array(
        [[across.scale / reduce, 0, across.offset], [0, down.scale / reduce, down.offset]]
    )


def move_boxes(boxes: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """(N, 4) boxes in the photo → float64 (N, 4) in the region.

    Without rotation the result is exact. Of a rotated object only its old box is known. The box
    around that box's rotated corners would grow by up to two fifths, but few objects reach into
    the corners of their boxes. So the object is taken for the ellipse that touches the four sides
    of its box, and the result is the box around the rotated ellipse: a circle keeps its size. Let
    the semi-axes be a, b and the linear part of the map ((p, q), (r, s)). Then that box reaches
    √(p²a² + q²b²) to each side of its centre and √(r²a² + s²b²) up and down.
    """
    boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
    linear = matrix[:, :2].T
    centre = (boxes[:, :2] + boxes[:, 2:]) @ (linear / 2) + matrix[:, 2]
    half = np.sqrt((boxes[:, 2:] - boxes[:, :2]) ** 2 @ (linear / 2) ** 2)
    return np.concatenate([centre - half, centre + half], axis=1)


def clip_boxes(
    boxes: np.ndarray, class_ids: np.ndarray, region: tuple[int, int], min_visible: float
) -> tuple[np.ndarray, np.ndarray]:
    """Cut boxes at the border of their region.

    Returns:
        float32 (M, 4) boxes that are still visible, and int32 (M,) class ids. These are
        ``IGNORED`` where less than ``min_visible`` of the area is left or a side is shorter than
        a pixel.
    """
    exact = np.minimum(np.maximum(boxes, 0), [*region, *region])
    full, left = ((b[:, 2:] - b[:, :2]).prod(axis=1, dtype=np.float64) for b in (boxes, exact))
    too_little = left < (min_visible - _ROUNDING) * full
    clipped = exact.astype(np.float32)
    shorter = (clipped[:, 2:] - clipped[:, :2]).min(axis=1, initial=np.inf)
    # An object smaller than a pixel cannot be learnt. It would only pull sizes towards zero.
    class_ids = np.where(too_little | (shorter < 1), np.int32(IGNORED), class_ids)
    visible = shorter > 0
    return clipped[visible], class_ids.astype(np.int32, copy=False)[visible]


@dataclass(frozen=True)
class _Axis:
    """One axis of a photo without rotation, cut to its visible part and laid on whole pixels.

    Pixels ``first`` to ``last`` of the photo are resized to ``start`` to ``end`` of the region,
    counted from its right or bottom if the photo is mirrored.

    Attributes:
        scale, offset: the map from pixels of the photo to pixels of the region.
        corner: where the visible part begins in the region.
    """

    first: int
    last: int
    start: int
    end: int
    scale: float
    offset: float
    corner: int
    mirrored: bool

    @property
    def visible(self) -> bool:
        return self.last > self.first

    @classmethod
    def fit(cls, scale: float, offset: float, pixels: int, extent: int) -> _Axis:
        """Find the visible range of the photo, lay it on whole pixels of the region, and give the
        map that this rounding makes. A mirrored axis is computed as if it were not, then flipped.

        Args:
            scale, offset: the exact map, in pixels of the decoded photo.
            pixels: of the decoded photo along this axis.
            extent: pixels of the region along this axis.
        """
        mirrored = bool(scale < 0)
        if mirrored:
            scale, offset = -scale, extent - offset
        first = max(0, int(np.floor(-offset / scale)))
        last = min(pixels, int(np.ceil((extent - offset) / scale)))
        start, end = 0, 0
        if last > first:
            start = round(offset + first * scale)
            end = max(start + 1, round(offset + last * scale))
            scale = (end - start) / (last - first)
            offset = start - first * scale
        corner = extent - min(end, extent) if mirrored else max(start, 0)
        if mirrored:
            scale, offset = -scale, extent - offset
        return cls(first, last, start, end, scale, offset, corner, mirrored)


def _warp(pixels: np.ndarray, reduce: int, placement: Placement, region: np.ndarray) -> np.ndarray:
    """``render`` for a rotated photo."""
    height, width = pixels.shape[:2]
    matrix = placement.matrix * [reduce, reduce, 1]
    across, down = np.linalg.norm(matrix[:, :2], axis=0)
    if max(1 / across, 1 / down) > _LINEAR_TO:
        small = (max(1, round(width * across)), max(1, round(height * down)))
        pixels = _resample(pixels, *small)
        matrix *= [width / small[0], height / small[1], 1]
    # OpenCV counts from the centre of the first pixel.
    shift = matrix[:, :2].sum(axis=1) / 2 - 0.5
    cv2.warpAffine(
        pixels,
        np.column_stack([matrix[:, :2], matrix[:, 2] + shift]),
        (region.shape[1], region.shape[0]),
        dst=region,
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=(PAD_VALUE,) * 3,
    )
    return placement.matrix


def _resample(pixels: np.ndarray, width: int, height: int) -> np.ndarray:
    if pixels.shape[:2] == (height, width):
        return pixels
    shrink = max(pixels.shape[1] / width, pixels.shape[0] / height)
    if shrink > _SMOOTHED_TO:
        return cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
    if shrink > _LINEAR_TO:
        pixels = cv2.GaussianBlur(pixels, (3, 3), _SMOOTHING, borderType=cv2.BORDER_REPLICATE)
    return cv2.resize(pixels, (width, height), interpolation=cv2.INTER_LINEAR)
