"""Boxes and labels drawn on a photo, sized to the photo and readable on any background."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

import cv2
import numpy as np
from PIL import Image, ImageDraw

from utils.drawing.fonts import Typeface, drawable

if TYPE_CHECKING:  # Detections.draw imports this module
    from utils.detections import Detections

# Okabe and Ito's colours, which people with any common colour blindness can tell apart, ordered so
# that the first few differ most.
PALETTE = (
    (230, 159, 0), (86, 180, 233), (0, 158, 115), (213, 94, 0), (204, 121, 167), (0, 114, 178),
    (240, 228, 66),
)  # fmt: skip

_SMALLEST_TEXT = 9  # pixels; smaller is not readable
_LABELS_SHARE = 0.35  # of the picture that labels may cover in all
_HIDDEN_SHARE = 0.05  # of a label placed before that a further one may hide
_MOST_COLOURS = 80


def colour(class_id: int) -> tuple[int, int, int]:
    """The RGB colour of a class: always the same, and different from those of other classes."""
    colours = _colours()
    return colours[class_id % len(colours)]


def draw_detections(image: np.ndarray, detections: Detections) -> np.ndarray:
    """A copy of uint8 (H, W, 3) RGB with a box and a label (class and score) for each object.

    Lines and text grow with the picture. Labels stay inside it and do not overlap. In a crowded
    picture, objects with lower scores lose first the score on their label, then the label. Their
    boxes are always drawn, and the colour of a box shows the class.
    """
    height, width = image.shape[:2]
    picture = image.copy()
    thickness, text_size = sizes(width, height)
    for i in reversed(range(len(detections))):  # best last, on top
        draw_box(picture, detections.boxes[i], colour(detections.class_ids[i]), thickness)

    taken = np.zeros((0, 4), int)
    left = _LABELS_SHARE * width * height  # pixels that labels may still cover
    for i, one in enumerate(detections):
        box = _outer(detections.boxes[i], thickness)
        for tile in _labels(one.class_name, one.score, one.class_id, text_size, width):
            x0, y0, x1, y1 = spot = _spot(box, tile.shape, (height, width), taken)
            area = (x1 - x0) * (y1 - y0)
            if i == 0 or (area <= left and _overlap(spot, taken) <= _HIDDEN_SHARE * area):
                picture[y0:y1, x0:x1] = tile[: y1 - y0, : x1 - x0]
                taken = np.vstack([taken, spot])
                left -= area
                break
    return picture


def sizes(width: int, height: int) -> tuple[int, int]:
    """Line width and text height in pixels for a picture of that size."""
    side = (width * height) ** 0.5
    text = min(side / 36, width / 12, height / 8)  # long, thin pictures are small in one direction
    return max(1, round(side / 320)), max(_SMALLEST_TEXT, round(text))


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


@lru_cache(maxsize=1)
def _colours() -> tuple[tuple[int, int, int], ...]:
    """The palette, continued by the colour that differs most from all before it.

    Differences are distances in CIE L*a*b*. Very dark, very light and greyish colours are left out,
    because they are hard to see on photos.
    """
    steps = np.linspace(0, 255, 8).round()
    grid = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(-1, 3)
    lab = _to_lab(grid)
    chroma = np.hypot(lab[:, 1], lab[:, 2])
    useful = (lab[:, 0] > 30) & (lab[:, 0] < 92) & (chroma > 35)
    grid, lab = grid[useful], lab[useful]
    chosen = [np.array(rgb) for rgb in PALETTE]
    nearest = np.min([np.linalg.norm(lab - one, axis=1) for one in _to_lab(np.array(chosen))], 0)
    while len(chosen) < _MOST_COLOURS:
        best = int(np.argmax(nearest))
        chosen.append(grid[best])
        nearest = np.minimum(nearest, np.linalg.norm(lab - lab[best], axis=1))
    return tuple(tuple(int(value) for value in rgb) for rgb in chosen)


def _to_lab(rgb: np.ndarray) -> np.ndarray:
    """(N, 3) RGB 0–255 → (N, 3) CIE L*a*b*."""
    return cv2.cvtColor(np.float32(rgb / 255)[None], cv2.COLOR_RGB2LAB)[0]


# Labels ----------------------------------------------------------------------------------------


def _labels(name: str, score: float, class_id: int, size: int, width: int) -> Iterator[np.ndarray]:
    """Filled labels to choose from, (h, w, 3), best first: with the score, and without it.

    Only those that fit the width of the picture; if none does, the name shortened until it does.
    """
    name = drawable(name, class_id)
    texts = [f"{name} {min(score, 1.0):.2f}", name]
    fitting = [text for text in texts if _width(text, size) <= width]
    if not fitting:
        shortened = (f"{name[:length]}…" for length in range(len(name) - 1, 0, -1))
        fitting = [next((text for text in shortened if _width(text, size) <= width), name[:1])]
    for text in fitting:
        yield _tile(text, size, colour(class_id))


def _width(text: str, size: int) -> int:
    return round(Typeface(size).width(text)) + 2 * _pad(size)


def _pad(size: int) -> int:
    return max(2, round(size / 5))


@lru_cache(maxsize=512)
def _tile(text: str, size: int, rgb: tuple[int, int, int]) -> np.ndarray:
    face, pad = Typeface(size), _pad(size)
    boxes = [face.box(part) for part in ("Éd", "gj", text)]
    above, below = min(top for top, _ in boxes), max(bottom for _, bottom in boxes)
    baseline = pad // 2 - above
    tile = Image.new("RGB", (_width(text, size), round(baseline + below + pad // 2)), rgb)
    face.draw(ImageDraw.Draw(tile), (pad, baseline), text, _ink(rgb))
    return np.asarray(tile)


def _ink(rgb: tuple[int, int, int]) -> tuple[int, int, int]:
    """Black or white, whichever contrasts more (relative luminance as in WCAG 2)."""
    linear = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in np.divide(rgb, 255)
    ]
    luminance = float(np.dot(linear, (0.2126, 0.7152, 0.0722)))
    return (0, 0, 0) if (luminance + 0.05) ** 2 > 1.05 * 0.05 else (255, 255, 255)


def _spot(
    box: tuple[int, int, int, int],
    tile: tuple[int, ...],
    picture: tuple[int, int],
    taken: np.ndarray,
) -> np.ndarray:
    """Where a label goes: (4,) ``x0, y0, x1, y1`` in whole pixels, inside the picture.

    Above the box, below it, or inside its top or bottom, flush left or right: the first of these
    that neither covers labels placed before nor hides its own object; otherwise the least bad one.
    """
    height, width = min(tile[0], picture[0]), min(tile[1], picture[1])
    x0, y0, x1, y1 = box
    box_area = (x1 - x0) * (y1 - y0)
    best, best_cost = None, np.inf
    tall = y1 - y0 >= 4 * height
    rows = (y0 - height, y0, y1, y1 - height) if tall else (y0 - height, y1, y0, y1 - height)
    for y in rows:
        for x in (x0, x1 - width):
            x_in = min(max(x, 0), picture[1] - width)
            y_in = min(max(y, 0), picture[0] - height)
            spot = np.array([x_in, y_in, x_in + width, y_in + height])
            hidden = _overlap(spot, np.array([box])) / box_area
            cost = _overlap(spot, taken) + (width * height * hidden if hidden > 0.3 else 0)
            if cost < best_cost:
                best, best_cost = spot, cost
    return best


def _overlap(spot: np.ndarray, taken: np.ndarray) -> int:
    """Pixels of a spot that labels placed before cover."""
    top_left = np.maximum(spot[:2], taken[:, :2])
    bottom_right = np.minimum(spot[2:], taken[:, 2:])
    return int(np.clip(bottom_right - top_left, 0, None).prod(axis=1).sum())
