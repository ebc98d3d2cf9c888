"""Boxes and labels drawn on a photo, sized to the photo and readable on any background."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

import cv2
import numpy as np
from PIL import Image, ImageDraw

from utils.drawing.colours import colour, ink
from utils.drawing.fonts import Typeface, drawable
from utils.drawing.label_places import LabelPlaces, leader

if TYPE_CHECKING:  # Detections.draw imports this module
    from utils.detections import Detection, Detections

_MIN_TEXT = 9  # pixels; smaller is not readable
_LABELS_SHARE = 0.35  # of the picture that labels may cover in all


def draw_detections(image: np.ndarray, detections: Detections) -> np.ndarray:
    """A copy of uint8 (H, W, 3) RGB with a box and a label (class and score) for each object.

    Tracked objects also get their id, and its colour instead of that of the class.

    Lines and text grow with the picture. Labels stay inside it and never lie on each other; a line
    leads from a label to its box where there was no place beside it. In a crowded picture, objects
    with lower scores lose first the score on their label, then the label. Their boxes are always
    drawn, and the colour of a box shows the class.
    """
    height, width = image.shape[:2]
    picture = image.copy()
    thickness, text_size = sizes(width, height)
    colours = [colour(one.class_id if one.track_id is None else one.track_id) for one in detections]
    for i in reversed(range(len(detections))):  # best last, on top
        draw_box(picture, detections.boxes[i], colours[i], thickness)

    outlines = [_outer(box, thickness) for box in detections.boxes]
    places = LabelPlaces(outlines, width, height)
    labels: list[tuple[np.ndarray, int, int]] = []
    left = _LABELS_SHARE * width * height  # pixels that labels may still cover
    for i, one in enumerate(detections):
        for tile in _labels(one, colours[i], text_size, width):
            tile = tile[:height, :width]
            area = tile.shape[0] * tile.shape[1]
            if i and area > left:
                continue
            if spot := places.place(i, tile.shape[1], tile.shape[0]):
                labels.append((tile, *spot[:2]))
                left -= area
                if line := leader(spot, outlines[i]):
                    cv2.line(picture, *line, colours[i], thickness, cv2.LINE_AA)
                break
    for tile, x, y in labels:  # on top of all lines
        picture[y : y + tile.shape[0], x : x + tile.shape[1]] = tile
    return picture


def sizes(width: int, height: int) -> tuple[int, int]:
    """Line width and text height in pixels for a picture of that size."""
    side = (width * height) ** 0.5
    text = min(side / 36, width / 12, height / 8)  # long, thin pictures are small in one direction
    return max(1, round(side / 320)), max(_MIN_TEXT, round(text))


def draw_box(
    picture: np.ndarray, box: np.ndarray, rgb: tuple[int, int, int], thickness: int
) -> None:
    """Outline a box in place, with a dark edge outside that shows it on a background of its colour.

    The line lies inside the box's edge, or outside it where the object is so small that the line
    would hide it; at the border of the picture it stays visible.
    """
    edge = max(1, thickness // 3) if thickness > 1 else 0
    outer = _outer(box, thickness)
    if edge:
        x0, y0, x1, y1 = outer
        grown = (x0 - edge, y0 - edge, x1 + edge, y1 + edge)
        _outline(picture, grown, tuple(value // 4 for value in rgb), edge)
    _outline(picture, outer, rgb, thickness)


def _outer(box: np.ndarray, thickness: int) -> tuple[int, int, int, int]:
    """The outer corners of a box's line in whole pixels, at least one pixel apart."""
    x0, y0, x1, y1 = (round(float(side)) for side in box)
    out = thickness if min(x1 - x0, y1 - y0) < 5 * thickness else 0
    return x0 - out, y0 - out, max(x1, x0 + 1) + out, max(y1, y0 + 1) + out


def _outline(
    picture: np.ndarray,
    corners: tuple[int, int, int, int],
    rgb: tuple[int, int, int],
    thickness: int,
) -> None:
    """Fill the band of that thickness inside the corners, moved into the picture."""
    height, width = picture.shape[:2]
    x0, x1 = np.clip(corners[0::2], 0, width)
    y0, y1 = np.clip(corners[1::2], 0, height)
    t = thickness
    picture[y0 : min(y0 + t, y1), x0:x1] = rgb
    picture[max(y1 - t, y0) : y1, x0:x1] = rgb
    picture[y0:y1, x0 : min(x0 + t, x1)] = rgb
    picture[y0:y1, max(x1 - t, x0) : x1] = rgb


# Labels ----------------------------------------------------------------------------------------


def _labels(
    one: Detection, rgb: tuple[int, int, int], size: int, width: int
) -> Iterator[np.ndarray]:
    """Filled labels to choose from, (h, w, 3), best first: with the score, and without it.

    Only those that fit the width of the picture; if none does, the name shortened until it does.
    """
    name = drawable(one.class_name, one.class_id)
    if one.track_id is not None:
        name += f" #{one.track_id}"
    texts = [f"{name} {min(one.score, 1.0):.2f}", name]
    fitting = [text for text in texts if _width(text, size) <= width]
    if not fitting:
        shortened = Typeface(size).fitting(name, width - 2 * _pad(size))
        fitting = [shortened if _width(shortened, size) <= width and shortened != "…" else name[:1]]
    for text in fitting:
        yield label_tile(text, size, rgb)


def _width(text: str, size: int) -> int:
    return round(Typeface(size).width(text)) + 2 * _pad(size)


def _pad(size: int) -> int:
    return max(2, round(size / 5))


@lru_cache(maxsize=512)
def label_tile(text: str, size: int, rgb: tuple[int, int, int]) -> np.ndarray:
    """A filled label, uint8 (h, w, 3) RGB, with black or white text."""
    face, pad = Typeface(size), _pad(size)
    boxes = [face.box(part) for part in ("Éd", "gj", text)]
    above, below = min(top for top, _ in boxes), max(bottom for _, bottom in boxes)
    baseline = pad // 2 - above
    tile = Image.new("RGB", (_width(text, size), round(baseline + below + pad // 2)), rgb)
    face.draw(ImageDraw.Draw(tile), (pad, baseline), text, ink(rgb))
    return np.asarray(tile)
