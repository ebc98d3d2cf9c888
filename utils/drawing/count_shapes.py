"""The lines and zones at which objects are counted, with their counts."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from utils.drawing.boxes import label_tile, sizes

_RGB = (255, 255, 255)
_EDGE = (0, 0, 0)
_FILL = 0.15  # opacity of a zone

Point = tuple[float, float]


def draw_line(picture: np.ndarray, start: Point, end: Point) -> None:
    """Draw a line on uint8 (H, W, 3) RGB, in place, with an arrow in its forward direction: from
    its left to its right."""
    thickness = _thickness(picture)
    a, b = np.array(start), np.array(end)
    along = (b - a) / np.hypot(*(b - a))
    right = np.array([-along[1], along[0]])  # on the picture, where y grows downwards
    tip = (a + b) / 2 + 8 * thickness * right
    strokes = [[a, b], [(a + b) / 2, tip]]
    strokes += [[tip, tip - 3 * thickness * (right + side * along)] for side in (-1, 1)]
    _strokes(picture, strokes, thickness)


def draw_zone(picture: np.ndarray, corners: Sequence[Point]) -> None:
    """Draw a zone on uint8 (H, W, 3) RGB, in place: a pale surface with an outline."""
    points = np.array(corners)
    mask = np.zeros(picture.shape[:2], np.uint8)
    cv2.fillPoly(mask, [np.rint(points).astype(np.int32)], 255)  # even-odd, as zones are counted
    pale = cv2.addWeighted(picture, 1 - _FILL, np.full_like(picture, 255), _FILL, 0)
    cv2.copyTo(pale, mask, picture)
    outline = list(zip(points, np.roll(points, -1, axis=0), strict=True))
    _strokes(picture, outline, _thickness(picture))


def draw_count(picture: np.ndarray, place: Point, text: str) -> None:
    """Draw a label on uint8 (H, W, 3) RGB, in place: around that point, but inside the picture;
    cut where it is wider."""
    height, width = picture.shape[:2]
    tile = label_tile(text, sizes(width, height)[1], _RGB)[:height, :width]
    h, w = tile.shape[:2]
    x = int(np.clip(round(place[0] - w / 2), 0, width - w))
    y = int(np.clip(round(place[1] - h / 2), 0, height - h))
    picture[y : y + h, x : x + w] = tile


def _thickness(picture: np.ndarray) -> int:
    return max(2, sizes(picture.shape[1], picture.shape[0])[0])


def _strokes(picture: np.ndarray, strokes: list, thickness: int) -> None:
    """White straight lines with a black edge."""
    for rgb, width in ((_EDGE, thickness + 2), (_RGB, thickness)):
        for stroke in strokes:
            start, end = (tuple(map(int, np.rint(point))) for point in stroke)
            cv2.line(picture, start, end, rgb, width, cv2.LINE_AA)
