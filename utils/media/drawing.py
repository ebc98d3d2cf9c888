"""Drawing detections on a picture, and several pictures on one sheet."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from utils.detections import Detections
from utils.letterbox import Letterbox

# The "bright" scheme of Paul Tol's notes on colour (SRON/EPS/TN/09-002), which colour-blind
# readers can tell apart; its grey is left out.
_PALETTE = (
    (68, 119, 170), (238, 102, 119), (34, 136, 51), (204, 187, 68), (102, 204, 238),
    (170, 51, 119),
)  # fmt: skip
_GOLDEN_RATIO = 0.618034


def class_colour(class_id: int) -> tuple[int, int, int]:
    """RGB of a class, the same in every picture."""
    if class_id < len(_PALETTE):
        return _PALETTE[class_id]
    hue = class_id * _GOLDEN_RATIO % 1  # neighbours lie far apart
    value = 0.95 - 0.25 * (class_id % 3) / 2
    return tuple(round(255 * part) for part in colorsys.hsv_to_rgb(hue, 0.75, value))


def draw_detections(
    image: np.ndarray, detections: Detections, *, scores: bool = True
) -> np.ndarray:
    """A copy of the picture with boxes and labels.

    Lines and letters grow with the picture. Better detections lie on top; a label stands above
    its box where there is room, else below or inside, away from other labels where possible.

    Args:
        image: uint8 (H, W, 3) RGB.
        detections: boxes in pixels of ``image``.
        scores: whether labels show the score.
    """
    picture = Image.fromarray(image)
    pen = ImageDraw.Draw(picture)
    size = (picture.width * picture.height) ** 0.5
    line = max(1, round(size / 300))
    font = _font(max(10, round(size / 42)))
    for i in reversed(range(len(detections))):
        x0, y0, x1, y1 = detections.boxes[i].tolist()
        colour = class_colour(int(detections.class_ids[i]))
        # The right and lower edge of a continuous box are the pixels before them.
        pen.rectangle((x0, y0, max(x1 - 1, x0), max(y1 - 1, y0)), outline=colour, width=line)
    taken: list[tuple[float, ...]] = []
    for i in range(len(detections)):
        text = detections.class_names[detections.class_ids[i]]
        if scores:
            text += f" {detections.scores[i]:.2f}"
        colour = class_colour(int(detections.class_ids[i]))
        _draw_label(pen, picture.size, detections.boxes[i].tolist(), text, colour, font, taken)
    return np.asarray(picture)


def _draw_label(pen, picture_size, box, text, colour, font, taken) -> None:
    """Place one label; ``taken`` are the places of those drawn before, and gets this one."""
    left, top, right, bottom = pen.textbbox((0, 0), text, font=font)
    pad = max(1, (bottom - top) // 5)
    width, height = right - left + 2 * pad, bottom - top + 2 * pad
    x0, y0, _, y1 = box
    places = [(x0, y0 - height), (x0, y1), (x0, y0), (x0, y1 - height)]
    rectangles = []
    for x, y in places:
        x = min(max(x, 0), max(picture_size[0] - width, 0))
        y = min(max(y, 0), max(picture_size[1] - height, 0))
        rectangles.append((x, y, x + width, y + height))
    free = [r for r in rectangles if not any(_overlap(r, other) for other in taken)]
    place = (free or rectangles)[0]
    taken.append(place)
    pen.rectangle((place[0], place[1], place[2] - 1, place[3] - 1), fill=colour)
    luminance = 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]
    ink = (0, 0, 0) if luminance > 140 else (255, 255, 255)
    pen.text((place[0] + pad - left, place[1] + pad - top), text, fill=ink, font=font)


def _overlap(a: Sequence[float], b: Sequence[float]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


@lru_cache(maxsize=16)
def _font(size: int) -> ImageFont.ImageFont:
    return ImageFont.load_default(size)


def contact_sheet(
    pictures: Sequence[np.ndarray], *, columns: int = 4, cell: int = 320
) -> np.ndarray:
    """Pictures side by side, each letterboxed into a square of ``cell`` pixels."""
    if not pictures:
        raise ValueError("a contact sheet needs at least one picture")
    columns = min(columns, len(pictures))
    rows = -(-len(pictures) // columns)
    sheet = np.full((rows * cell, columns * cell, 3), 255, np.uint8)
    for i, picture in enumerate(pictures):
        y, x = divmod(i, columns)
        height, width = picture.shape[:2]
        boxed = Letterbox(width, height, cell - 8, cell - 8)
        inside = boxed.apply(picture)[
            boxed.top : boxed.top + boxed.inner_height, boxed.left : boxed.left + boxed.inner_width
        ]
        top, left = y * cell + 4 + boxed.top, x * cell + 4 + boxed.left
        sheet[top : top + inside.shape[0], left : left + inside.shape[1]] = inside
    return sheet
