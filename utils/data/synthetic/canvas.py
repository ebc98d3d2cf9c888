"""Drawing tools shared by the whole generator: noise, colours, shapes, text.

Pictures are uint8 RGB ``(H, W, 3)``; masks are float32 ``(H, W)`` in 0–1. Points are ``(x, y)`` in
continuous pixels (pixel ``i`` covers ``[i, i + 1)``), like the project's boxes. Functions that
draw *onto* a picture change it in place; all others return something new.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

SUBPIXEL_BITS = 6  # OpenCV's fixed-point drawing coordinates
FONT_PIXELS = 120  # text is drawn once at this size and resized


def fractal_noise(
    rng: np.random.Generator, height: int, width: int, *, cell: float, octaves: int = 4
) -> np.ndarray:
    """Smooth random texture, float32 (height, width) in 0–1, mean about one half.

    Args:
        cell: size in pixels of the coarsest blobs; each octave halves it, and its strength.
    """
    total = np.zeros((height, width), np.float32)
    strength, weight = 1.0, 0.0
    for _ in range(octaves):
        rows, columns = max(2, round(height / cell) + 1), max(2, round(width / cell) + 1)
        grid = rng.random((rows, columns), np.float32)
        total += strength * cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)
        weight += strength
        strength, cell = strength / 2, max(1.0, cell / 2)
    total /= weight
    # The sum of octaves is narrower around the mean than one octave; widen it again.
    return np.clip((total - 0.5) * 1.6 + 0.5, 0, 1)


def jitter(rng: np.random.Generator, colour: tuple[float, ...], spread: float = 12) -> np.ndarray:
    """An RGB colour near ``colour``: common brightness and a little of each channel; uint8 (3,)."""
    shift = rng.normal(0, spread) + rng.normal(0, spread / 3, 3)
    return np.clip(np.asarray(colour, np.float64) + shift, 0, 255).astype(np.uint8)


def muted(rng: np.random.Generator) -> np.ndarray:
    """Any colour, half way to grey; uint8 (3,)."""
    colour = rng.uniform(30, 225, 3)
    return (0.5 * colour + 0.5 * colour.mean()).astype(np.uint8)


def pick(rng: np.random.Generator, options: tuple):
    """One of ``options``, all equally likely."""
    return options[int(rng.integers(len(options)))]


def pick_colour(rng: np.random.Generator, options: tuple, spread: float = 12) -> np.ndarray:
    """A colour near one of ``options``; uint8 (3,)."""
    return jitter(rng, pick(rng, options), spread)


def flat(height: int, width: int, colour: np.ndarray) -> np.ndarray:
    """A picture of one colour."""
    picture = np.empty((height, width, 3), np.uint8)
    picture[:] = colour
    return picture


def vertical_gradient(height: int, width: int, top: np.ndarray, bottom: np.ndarray) -> np.ndarray:
    """A picture whose colour runs from ``top`` to ``bottom``."""
    ramp = np.linspace(0, 1, max(height, 1), dtype=np.float32)[:, None, None]
    column = np.asarray(top, np.float32) * (1 - ramp) + np.asarray(bottom, np.float32) * ramp
    return np.repeat(column.astype(np.uint8), width, axis=1)


def shade(picture: np.ndarray, gain: np.ndarray) -> None:
    """Multiply the picture by a (H, W) gain, in place."""
    picture[:] = cv2.multiply(picture, cv2.merge([gain] * 3), dtype=cv2.CV_8U)


def texture(rng: np.random.Generator, picture: np.ndarray, *, strength: float, cell: float) -> None:
    """Roughen a surface, in place: brightness varies by about ±``strength``."""
    height, width = picture.shape[:2]
    noise = fractal_noise(rng, height, width, cell=cell)
    shade(picture, 1 + strength * (2 * noise - 1))


def mix(picture: np.ndarray, colour: np.ndarray, mask: np.ndarray) -> None:
    """Lay ``colour`` (3,) or a picture (H, W, 3) over ``picture`` where ``mask`` is 1, in place."""
    over = np.asarray(colour, np.float32)
    weight = mask[..., None]
    picture[:] = (picture * (1 - weight) + over * weight).astype(np.uint8)


def _fixed(points: np.ndarray) -> np.ndarray:
    """Continuous points → OpenCV's fixed-point ones, whose integers are pixel centres."""
    return np.round((np.asarray(points, np.float64) - 0.5) * (1 << SUBPIXEL_BITS)).astype(np.int32)


def polygon(picture: np.ndarray, points: np.ndarray, colour) -> None:
    """Fill a polygon (P, 2) with a smooth edge, in place. Works on masks and on RGB."""
    cv2.fillPoly(picture, [_fixed(points)], _scalar(colour), cv2.LINE_AA, SUBPIXEL_BITS)


def polyline(picture: np.ndarray, points: np.ndarray, colour, thickness: float) -> None:
    """Draw an open line through (P, 2) points with round ends, in place."""
    width = max(1, round(thickness))
    cv2.polylines(
        picture, [_fixed(points)], False, _scalar(colour), width, cv2.LINE_AA, SUBPIXEL_BITS
    )


def disc(picture: np.ndarray, centre: tuple[float, float], radius: float, colour) -> None:
    """Fill a circle with a smooth edge, in place."""
    x, y = _fixed(np.array(centre))
    fixed_radius = round(max(0.5, radius) * (1 << SUBPIXEL_BITS))
    cv2.circle(
        picture, (int(x), int(y)), fixed_radius, _scalar(colour), -1, cv2.LINE_AA, SUBPIXEL_BITS
    )


def rectangle(picture: np.ndarray, x0: float, y0: float, x1: float, y1: float, colour) -> None:
    """Fill an upright rectangle, in place; whole pixels."""
    top, bottom = max(0, round(y0)), max(0, round(y1))
    left, right = max(0, round(x0)), max(0, round(x1))
    picture[top:bottom, left:right] = colour


def _scalar(colour) -> tuple[float, ...] | float:
    values = np.atleast_1d(np.asarray(colour, np.float64))
    return tuple(values.tolist()) if len(values) > 1 else float(values[0])


def circle_points(radius: float = 1.0, count: int = 72) -> np.ndarray:
    """(count, 2) points of a circle around the origin."""
    angle = np.arange(count) * (2 * np.pi / count)
    return radius * np.stack([np.cos(angle), np.sin(angle)], 1)


def rounded(corners: np.ndarray, radius: float, steps: int = 8) -> np.ndarray:
    """A convex polygon (P, 2) with its corners rounded to ``radius``; (P · steps, 2) points."""
    corners = np.asarray(corners, np.float64)
    points = []
    for i, corner in enumerate(corners):
        before = corners[i - 1] - corner
        after = corners[(i + 1) % len(corners)] - corner
        before /= np.linalg.norm(before)
        after /= np.linalg.norm(after)
        half = np.arccos(np.clip(before @ after, -1, 1)) / 2
        bisector = (before + after) / np.linalg.norm(before + after)
        centre = corner + bisector * radius / np.sin(half)
        start = corner + before * radius / np.tan(half) - centre
        stop = corner + after * radius / np.tan(half) - centre
        first, last = np.arctan2(start[1], start[0]), np.arctan2(stop[1], stop[0])
        turn = (last - first + np.pi) % (2 * np.pi) - np.pi
        angles = first + np.linspace(0, 1, steps) * turn
        points.append(centre + radius * np.stack([np.cos(angles), np.sin(angles)], 1))
    return np.concatenate(points)


@lru_cache(maxsize=256)
def text_mask(text: str, weight: int = 3) -> np.ndarray:
    """``text`` as a tight uint8 mask (h, w), 0–255, in Pillow's own font.

    Args:
        weight: extra stroke in pixels at a letter size of ``FONT_PIXELS``; makes the type bold.
    """
    font = ImageFont.load_default(FONT_PIXELS)
    x0, y0, x1, y1 = font.getbbox(text, stroke_width=weight)
    sheet = Image.new("L", (round(x1 - x0), round(y1 - y0)))
    ImageDraw.Draw(sheet).text((-x0, -y0), text, 255, font, stroke_width=weight)
    mask = np.asarray(sheet)
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    tight = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].copy()
    tight.setflags(write=False)  # shared by every caller
    return tight


def write_text(
    picture: np.ndarray, text: str, box: tuple[float, float, float, float], colour, weight: int = 3
) -> None:
    """Write ``text`` so that its letters fill ``box`` (x0, y0, x1, y1 in pixels), in place."""
    x0, y0 = max(0, round(box[0])), max(0, round(box[1]))
    x1, y1 = min(picture.shape[1], round(box[2])), min(picture.shape[0], round(box[3]))
    if x1 - x0 < 1 or y1 - y0 < 1:
        return
    mask = cv2.resize(text_mask(text, weight), (x1 - x0, y1 - y0), interpolation=cv2.INTER_AREA)
    mix(picture[y0:y1, x0:x1], colour, alpha(mask))


def alpha(mask: np.ndarray) -> np.ndarray:
    """A mask of 0–255 as float32 in 0–1."""
    return mask.astype(np.float32) / 255


def clipped(shape: tuple[int, ...], patch: tuple[int, ...], x: int, y: int) -> tuple:
    """Where a patch (h, w, …) with its corner at (x, y) lies in a picture (H, W, …).

    Returns:
        Slices of the picture and of the patch; both are empty if the patch is outside.
    """
    top, left = min(max(0, y), shape[0]), min(max(0, x), shape[1])
    bottom = max(top, min(shape[0], y + patch[0]))
    right = max(left, min(shape[1], x + patch[1]))
    return np.s_[top:bottom, left:right], np.s_[top - y : bottom - y, left - x : right - x]


def paste(picture: np.ndarray, patch: np.ndarray, cover: np.ndarray, x: int, y: int) -> None:
    """Lay ``patch`` (h, w, 3) with alpha ``cover`` (h, w) at corner (x, y), clipped, in place."""
    target, inside = clipped(picture.shape, patch.shape, x, y)
    mix(picture[target], patch[inside], cover[inside])
