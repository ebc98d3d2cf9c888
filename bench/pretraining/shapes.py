"""Computed objects: discs, rings, rods, cuboids, words, barcodes.

Like a drawing, a shape is premultiplied BGRA, uint8, cut to its own pixels.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from PIL import Image, ImageDraw

from bench.pretraining.textures import (
    Textures,
    brightened,
    colour,
    log_uniform,
    palette,
    pick,
    through,
)

SIDE = 240  # pixels in which a shape is drawn
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
DIGITS = "0123456789"


def make(rng: np.random.Generator, textures: Textures, label: str) -> np.ndarray:
    """A shape of the class: premultiplied BGRA uint8 (height, width, 4)."""
    surface, mask = _MAKERS[label](rng, textures)
    x, y, width, height = cv2.boundingRect((mask > 76).astype(np.uint8))
    surface = surface[y : y + height, x : x + width]
    mask = mask[y : y + height, x : x + width]
    inside = cv2.multiply(surface, cv2.merge([mask] * 3), scale=1 / 255)
    return cv2.merge([*cv2.split(inside), mask])


def _fill(rng: np.random.Generator, textures: Textures, side: int = SIDE) -> np.ndarray:
    """The surface of a shape: BGR uint8 (side, side, 3)."""
    kind = rng.random()
    if kind < 0.35:
        return np.full((side, side, 3), colour(rng), np.float32).astype(np.uint8)
    if kind < 0.5:
        ramp = np.linspace(0, 255, side, dtype=np.float32)
        grey = np.add.outer(ramp * rng.random(), ramp * rng.random()) / 2
        return through(grey.astype(np.uint8), palette(rng))
    return textures.surface(rng, side, side)


def _polygon(points: np.ndarray) -> np.ndarray:
    """Mask uint8 (SIDE, SIDE) of the polygon (N, 2), given in −1…1."""
    mask = np.zeros((SIDE, SIDE), np.uint8)
    fixed = np.rint((points * 0.48 + 0.5) * SIDE * 16 - 8).astype(np.int32)
    cv2.fillPoly(mask, [fixed], 255, cv2.LINE_AA, 4)
    return mask


def _round(flatness: float, count: int = 72) -> np.ndarray:
    angle = np.linspace(0, 2 * np.pi, count, endpoint=False)
    return np.stack([np.cos(angle), np.sin(angle) * flatness], axis=1)


def _bulge(rng: np.random.Generator, surface: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The surface shaded as if it rose towards the middle of the mask."""
    height = cv2.blur(cv2.distanceTransform((mask > 127).astype(np.uint8), cv2.DIST_L2, 3), (7, 7))
    height = np.sqrt(height / max(float(height.max()), 1e-6))
    angle, strength = rng.uniform(0, 2 * np.pi), rng.uniform(5, 30)
    slope = np.cos(angle) * cv2.Sobel(height, cv2.CV_32F, 1, 0) + np.sin(angle) * cv2.Sobel(
        height, cv2.CV_32F, 0, 1
    )
    gain = np.clip(1 + strength * 0.2 * cv2.blur(slope, (9, 9)), 0.35, 1.8)
    gain *= 1 - rng.uniform(0, 0.5) * (1 - height)
    return brightened(surface, gain)


def _rim(rng: np.random.Generator, surface: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Sometimes an edge in another colour."""
    if rng.random() < 0.4:
        width = int(rng.integers(2, 14)) * 2 + 1
        inner = cv2.blur(cv2.erode(mask, np.ones((width, width), np.uint8)), (3, 3))
        share = inner.astype(np.float32)[..., None] / 255
        surface = (surface * share + colour(rng) * (1 - share)).astype(np.uint8)
    return surface


def _finished(rng, surface, mask):
    surface = _rim(rng, surface, mask)
    return (_bulge(rng, surface, mask) if rng.random() < 0.6 else surface), mask


def _disc(rng, textures):
    return _finished(rng, _fill(rng, textures), _polygon(_round(rng.uniform(0.45, 1))))


def _ring(rng, textures):
    outline = _round(rng.uniform(0.5, 1))
    mask = cv2.subtract(_polygon(outline), _polygon(outline * rng.uniform(0.45, 0.85)))
    return _finished(rng, _fill(rng, textures), mask)


def _any_polygon(rng, textures):
    count = int(rng.integers(3, 9))
    points = _round(rng.uniform(0.5, 1), count)
    if rng.random() < 0.35:  # a star
        points = _round(rng.uniform(0.6, 1), 2 * count)
        points[::2] *= rng.uniform(0.35, 0.75)
    elif rng.random() < 0.5:
        points = points * rng.uniform(0.6, 1, (count, 1))
    return _finished(rng, _fill(rng, textures), _polygon(points))


def _blob(rng, textures):
    spectrum = np.zeros(37, complex)
    waves = int(rng.integers(3, 8))
    spectrum[1:waves] = rng.normal(size=waves - 1) + 1j * rng.normal(size=waves - 1)
    wobble = np.fft.irfft(spectrum, 72)
    radius = np.clip(0.75 + wobble / np.abs(wobble).max() * rng.uniform(0.1, 0.35), 0.3, 1)
    return _finished(rng, _fill(rng, textures), _polygon(_round(1) * radius[:, None]))


def _rod(rng, textures):
    thickness = log_uniform(rng, 0.08, 0.4)
    mask = np.zeros((SIDE, SIDE), np.uint8)
    steps = np.linspace(-1, 1, 24)
    bend = rng.uniform(-0.4, 0.4) if rng.random() < 0.4 else 0.0
    points = np.stack([steps * (1 - thickness), bend * (1 - steps**2)], axis=1) * 0.48 + 0.5
    fixed = np.rint(points * SIDE * 16).astype(np.int32)
    cv2.polylines(mask, [fixed], False, 255, max(2, round(thickness * SIDE)), cv2.LINE_AA, 4)
    return _finished(rng, _fill(rng, textures), mask)


def _cuboid(rng, textures):
    right, left, up = (
        np.array([rng.uniform(0.3, 1), rng.uniform(0.1, 0.5)]),
        np.array([-rng.uniform(0.3, 1), rng.uniform(0.1, 0.5)]),
        np.array([0, -rng.uniform(0.3, 1.4)]),
    )
    front = np.zeros(2)
    faces = [
        np.array([front, right * -1, right * -1 + up, up]),
        np.array([front, left * -1, left * -1 + up, up]),
        np.array([up, up - right, up - right - left, up - left]),
    ]
    everything = np.concatenate(faces)
    middle, reach = (
        (everything.max(0) + everything.min(0)) / 2,
        np.ptp(everything, axis=0).max() / 2,
    )
    surface, mask = _fill(rng, textures), np.zeros((SIDE, SIDE), np.uint8)
    other = _fill(rng, textures) if rng.random() < 0.3 else surface
    result = np.zeros_like(surface)
    for face, shade in zip(faces, rng.permutation([1.0, 0.75, 0.5]), strict=True):
        part = _polygon((face - middle) / reach)
        lit = cv2.multiply(other if shade > 0.9 else surface, (shade,) * 3)
        cv2.copyTo(lit, part, result)
        mask = cv2.max(mask, part)
    mask = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    return result, mask


def _word(rng, textures):
    length = int(rng.integers(1, 9))
    alphabet = [LETTERS, LETTERS[:26], DIGITS, LETTERS + DIGITS][int(rng.integers(4))]
    text = "".join(alphabet[i] for i in rng.integers(len(alphabet), size=length))
    font = pick(rng, textures.fonts)
    left, top, right, bottom = font.getbbox(text)
    margin = int(rng.integers(4, 24))
    plate = rng.random() < 0.55
    canvas = Image.new("L", (int(right - left) + 2 * margin, int(bottom - top) + 2 * margin))
    ImageDraw.Draw(canvas).text((margin - left, margin - top), text, font=font, fill=255)
    letters = np.asarray(canvas)
    rows, columns = letters.shape
    ink = cv2.resize(_fill(rng, textures), (columns, rows))
    if not plate:
        heavy = np.ones((3, 3), np.uint8)
        return ink, cv2.dilate(letters, heavy)
    ground = cv2.resize(_fill(rng, textures), (columns, rows)).astype(np.float32)
    if abs(float(ground.mean()) - float(ink.mean())) < 60:
        ink = (255 - ground).astype(np.uint8)
        ink[ground.mean(-1) > 127] = 0
    share = letters.astype(np.float32)[..., None] / 255
    surface = (ground * (1 - share) + ink * share).astype(np.uint8)
    return surface, _plate(rng, rows, columns)


def _plate(rng: np.random.Generator, rows: int, columns: int) -> np.ndarray:
    """A rectangle, sometimes with rounded corners: mask uint8 (rows, columns)."""
    mask = np.full((rows, columns), 255, np.uint8)
    radius = int(rng.uniform(0, 0.4) * min(rows, columns)) if rng.random() < 0.5 else 0
    if radius > 1:
        corner = np.zeros((2 * radius, 2 * radius), np.uint8)
        cv2.circle(corner, (radius, radius), radius, 255, -1, cv2.LINE_AA)
        mask[:radius, :radius], mask[:radius, -radius:] = (
            corner[:radius, :radius],
            corner[:radius, radius:],
        )
        mask[-radius:, :radius], mask[-radius:, -radius:] = (
            corner[radius:, :radius],
            corner[radius:, radius:],
        )
    return mask


def _barcode(rng, textures):
    dark, bright = colour(rng) * 0.35, 255 - (255 - colour(rng)) * 0.25
    if rng.random() < 0.5:
        rows, columns = int(rng.integers(60, 160)), 220
        widths = rng.integers(2, 9, 120).cumsum()
        line = np.searchsorted(widths, np.arange(columns)) % 2
        cells = np.repeat(line[None], rows, axis=0)
    else:
        count = int(rng.integers(9, 24))
        cells = cv2.resize(rng.integers(0, 2, (count, count)).astype(np.uint8), (SIDE, SIDE),
                           interpolation=cv2.INTER_NEAREST)  # fmt: skip
        rows, columns = cells.shape
    margin = int(rng.integers(4, 16))
    cells = cv2.copyMakeBorder(cells.astype(np.uint8), *(margin,) * 4, cv2.BORDER_CONSTANT, value=0)
    surface = np.where(cells[..., None] > 0, dark, bright).astype(np.uint8)
    return surface, _plate(rng, *cells.shape)


def _board(rng, textures):
    """A panel with rows of marks: a keyboard, a game board, a circuit, a page."""
    rows, columns = int(rng.integers(100, SIDE)), int(rng.integers(100, SIDE))
    surface = cv2.resize(_fill(rng, textures), (columns, rows))
    across, down = int(rng.integers(2, 10)), int(rng.integers(2, 10))
    inks = [colour(rng).tolist() for _ in range(int(rng.integers(1, 4)))]
    kind, size = int(rng.integers(4)), rng.uniform(0.25, 0.48)
    for row in range(down):
        for column in range(across):
            if kind == 3 and (row + column) % 2:
                continue
            x, y = (column + 0.5) * columns / across, (row + 0.5) * rows / down
            dx, dy = (0.5, 0.5) if kind == 3 else (size, size)
            half = int(dx * columns / across), int(dy * rows / down)
            ink = pick(rng, inks) if kind != 3 else inks[0]
            if kind == 0:
                cv2.circle(surface, (int(x), int(y)), max(1, min(half)), ink, -1, cv2.LINE_AA)
            else:
                corner, opposite = (int(x) - half[0], int(y) - half[1]), (
                    int(x) + half[0], int(y) + half[1])  # fmt: skip
                cv2.rectangle(surface, corner, opposite, ink, -1 if kind != 2 else 2)
    return surface, _plate(rng, rows, columns)


_MAKERS: dict[str, Callable] = {
    "disc": _disc,
    "ring": _ring,
    "polygon": _any_polygon,
    "blob": _blob,
    "rod": _rod,
    "cuboid": _cuboid,
    "word": _word,
    "barcode": _barcode,
    "board": _board,
}
