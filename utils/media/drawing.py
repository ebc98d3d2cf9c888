"""Boxes and labels drawn on a photo, sized to the photo and readable on any background."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from utils.detections import Detections

# Okabe and Ito's colours, which people with any common colour blindness can tell apart, ordered so
# that the first few differ most.
PALETTE = (
    (230, 159, 0), (86, 180, 233), (0, 158, 115), (213, 94, 0), (204, 121, 167), (0, 114, 178),
    (240, 228, 66),
)  # fmt: skip

# Fonts with more of the world's scripts than Pillow's own, tried in turn. DejaVu Sans comes with
# Matplotlib; the others are found where the system has them.
_FONTS = (
    "DejaVuSans.ttf", "NotoSansCJK-Regular.ttc", "NotoSans-Regular.ttf", "Arial Unicode.ttf",
    "PingFang.ttc", "msyh.ttc",
)  # fmt: skip
_SMALLEST_TEXT = 9  # pixels; smaller is not readable


def colour(class_id: int) -> tuple[int, int, int]:
    """The RGB colour of a class: always the same, distinct from those of other classes."""
    if class_id < len(PALETTE):
        return PALETTE[class_id]
    # Further classes walk round the hues by the golden angle, alternating lightness.
    step = class_id - len(PALETTE)
    hue = (0.02 + 0.618034 * step) % 1.0
    value, saturation = ((1.0, 0.55), (0.6, 0.85), (0.85, 1.0))[step % 3]
    r, g, b = colorsys.hsv_to_rgb(hue, saturation, value)
    return round(255 * r), round(255 * g), round(255 * b)


def draw_detections(image: np.ndarray, detections: Detections) -> np.ndarray:
    """A copy of uint8 (H, W, 3) RGB with a box and a label (class and score) for each object.

    Lines and text grow with the picture. Labels stay inside it, and move or are shortened rather
    than hide one another; of labels that must overlap, the one with the best score is on top.
    """
    height, width = image.shape[:2]
    picture = image.copy()
    thickness, text_size = sizes(width, height)
    for i in reversed(range(len(detections))):  # best last, on top
        draw_box(picture, detections.boxes[i], colour(detections.class_ids[i]), thickness)

    labels, taken = [], np.zeros((0, 4), int)
    for i, name in enumerate(detections.names()):
        tile = _label(name, detections.scores[i], detections.class_ids[i], text_size, width)
        place = _place(detections.boxes[i], tile.shape, (height, width), taken)
        taken = np.vstack([taken, place])
        labels.append((tile, place))
    for tile, (x0, y0, x1, y1) in reversed(labels):
        picture[y0:y1, x0:x1] = tile[: y1 - y0, : x1 - x0]
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
    x0, y0, x1, y1 = (round(float(side)) for side in box)
    small = min(x1 - x0, y1 - y0) < 5 * thickness
    edge = max(1, thickness // 3) if thickness > 1 else 0
    out = thickness if small else 0
    outer = (x0 - out, y0 - out, max(x1, x0 + 1) + out, max(y1, y0 + 1) + out)
    if edge:
        _outline(picture, _grown(outer, edge), _darker(rgb), edge)
    _outline(picture, outer, rgb, thickness)


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


def _grown(corners: tuple[int, int, int, int], by: int) -> tuple[int, int, int, int]:
    x0, y0, x1, y1 = corners
    return x0 - by, y0 - by, x1 + by, y1 + by


def _darker(rgb: tuple[int, int, int]) -> tuple[int, int, int]:
    r, g, b = rgb
    return r // 4, g // 4, b // 4


# Labels ----------------------------------------------------------------------------------------


def _label(name: str, score: float, class_id: int, size: int, width: int) -> np.ndarray:
    """A filled label that fits the width of the picture: without its score if it must, shortened
    if even that is too wide."""
    font = _font_for(name, size)
    name = font.drawable(" ".join(name.split()) or "?", class_id)
    score_text = f"{score:.2f}" if score < 0.995 else "1.00"
    texts = [f"{name} {score_text}", name]
    texts += [f"{name[:length]}…" for length in range(len(name) - 1, 0, -1)]
    fitting = (text for text in texts if font.width(text) <= width)
    return _tile(next(fitting, texts[-1]), font, colour(class_id))


@lru_cache(maxsize=512)
def _tile(text: str, font: _Font, rgb: tuple[int, int, int]) -> np.ndarray:
    tile = Image.new("RGB", (font.width(text), font.height), rgb)
    drawer = ImageDraw.Draw(tile)
    drawer.text((font.pad, font.baseline), text, _ink(rgb), font.font, anchor="ls")
    return np.asarray(tile)


def _ink(rgb: tuple[int, int, int]) -> tuple[int, int, int]:
    """Black or white, whichever contrasts more (relative luminance as in WCAG 2)."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in np.divide(rgb, 255)]
    luminance = float(np.dot(linear, (0.2126, 0.7152, 0.0722)))
    return (0, 0, 0) if (luminance + 0.05) ** 2 > 1.05 * 0.05 else (255, 255, 255)


def _place(
    box: np.ndarray, tile: tuple[int, ...], picture: tuple[int, int], taken: np.ndarray
) -> np.ndarray:
    """Where a label goes: (4,) ``x0, y0, x1, y1`` in whole pixels, inside the picture.

    Above the box if there is room, else inside its top, below it, or inside its bottom, flush left
    or right; the first of these that covers no label placed before, else the one that covers least.
    """
    height, width = min(tile[0], picture[0]), min(tile[1], picture[1])
    x0, y0, x1, y1 = (round(float(side)) for side in box)
    spots = []
    for x in (x0, x1 - width):
        for y in (y0 - height, y0, y1, y1 - height):
            x_in = min(max(x, 0), picture[1] - width)
            y_in = min(max(y, 0), picture[0] - height)
            if y_in == y or y in (y0, y1 - height):
                spots.append((x_in, y_in, x_in + width, y_in + height))
    covered = [_overlap(np.array(spot), taken) for spot in spots]
    return np.array(spots[int(np.argmin(covered))])


def _overlap(spot: np.ndarray, taken: np.ndarray) -> int:
    """Pixels of a spot that labels placed before cover."""
    top_left = np.maximum(spot[:2], taken[:, :2])
    bottom_right = np.minimum(spot[2:], taken[:, 2:])
    return int(np.clip(bottom_right - top_left, 0, None).prod(axis=1).sum())


# Fonts -----------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Font:
    """A font at one size, and the measures of a label set in it."""

    font: ImageFont.FreeTypeFont

    @property
    def pad(self) -> int:
        return max(2, round(self.font.size / 5))

    @property
    def baseline(self) -> int:
        return self.pad // 2 - self.font.getbbox("Éd", anchor="ls")[1]

    @property
    def height(self) -> int:
        return self.baseline + self.font.getbbox("gj", anchor="ls")[3] + self.pad // 2

    def width(self, text: str) -> int:
        return round(self.font.getlength(text)) + 2 * self.pad

    def has(self, character: str) -> bool:
        if character.isspace():
            return True
        nothing, mask = self.font.getmask("\U0010fffe"), self.font.getmask(character)
        return mask.size != nothing.size or bytes(mask) != bytes(nothing)

    def drawable(self, name: str, class_id: int) -> str:
        """The name with a ? for what the font lacks, then with the class id to tell it apart."""
        text = "".join(character if self.has(character) else "?" for character in name)
        return text if text == name else f"{class_id}: {text}"


@lru_cache(maxsize=1024)
def _font_for(name: str, size: int) -> _Font:
    """The first font that has all characters of a name, else the first."""
    fonts = _fonts(size)
    return next((f for f in fonts if all(map(f.has, set(name)))), fonts[0])


@lru_cache(maxsize=32)
def _fonts(size: int) -> Sequence[_Font]:
    fonts = []
    for file in (_matplotlib_font(_FONTS[0]), *_FONTS[1:]):
        try:
            fonts.append(_Font(ImageFont.truetype(file, size)))
        except OSError:
            continue
    return fonts or [_Font(ImageFont.load_default(size))]


def _matplotlib_font(file: str) -> str:
    """The path of a font inside Matplotlib, which is not imported for it; else its name."""
    spec = find_spec("matplotlib")
    folder = Path(spec.origin).parent if spec and spec.origin else None
    path = folder / "mpl-data" / "fonts" / "ttf" / file if folder else None
    return str(path) if path and path.is_file() else file
