"""Backgrounds without objects: tables, skies, walls, floors, blurs.

Each painter takes ``(rng, textures, pool, height, width)`` and returns BGR uint8
(height, width, 3). Nothing on a background is labelled, so nothing on it may look like an object:
drawings are used only when blurred beyond recognition.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from bench.pretraining.drawings import Pool
from bench.pretraining.textures import (
    Textures,
    brightened,
    colour,
    log_uniform,
    palette,
    pick,
    through,
    weighted,
)

Painter = Callable[[np.random.Generator, Textures, Pool, int, int], np.ndarray]


def paint(
    rng: np.random.Generator, textures: Textures, pool: Pool, height: int, width: int
) -> np.ndarray:
    """A background of any kind, sometimes two joined, sometimes unevenly lit."""
    picture = weighted(rng, _PAINTERS)(rng, textures, pool, height, width)
    chance = rng.random()
    if chance < 0.2:
        other = weighted(rng, _PAINTERS)(rng, textures, pool, height, width)
        picture = _joined(rng, textures, picture, other)
    elif chance < 0.3:
        _strokes(rng, picture)
    if rng.random() < 0.4:
        light = textures.piece(rng, 24, 24).astype(np.float32) / 255
        light = cv2.resize(cv2.blur(light, (9, 9)), (width, height), interpolation=cv2.INTER_CUBIC)
        gain = 1 + (light - 0.5) * rng.uniform(0.2, 1.4)
        picture = brightened(picture, gain)
    return picture


# Painters --------------------------------------------------------------------------------------


def _smooth(rng, textures, pool, height, width):
    """One colour, often bright, hardly varying: a table top, a microscope's field of view."""
    base = colour(rng)
    if rng.random() < 0.6:
        base = 255 - (255 - base) * rng.uniform(0, 0.35)
    grey = cv2.blur(textures.piece(rng, 60, 80), (7, 7)).astype(np.float32)
    grey = cv2.resize(grey, (width, height), interpolation=cv2.INTER_CUBIC) / 255 - 0.5
    spread = (rng.uniform(2, 45) * rng.uniform(0.6, 1.0, 3)).astype(np.float32)
    base = base.astype(np.float32)
    return np.clip(base + grey[..., None] * spread, 0, 255).astype(np.uint8)


def _gradient(rng, textures, pool, height, width):
    y, x = np.mgrid[0:height:4, 0:width:4].astype(np.float32)
    if rng.random() < 0.4:
        centre = rng.uniform(-0.2, 1.2, 2)
        ramp = np.hypot(x / width - centre[0], y / height - centre[1]) / rng.uniform(0.6, 1.6)
    else:
        angle = rng.uniform(0, 2 * np.pi)
        ramp = 0.5 + (np.cos(angle) * (x / width - 0.5) + np.sin(angle) * (y / height - 0.5)) / 1.4
    ramp = cv2.resize(np.clip(ramp, 0, 1) * 255, (width, height))
    return through(ramp.astype(np.uint8), palette(rng))


def _surface(rng, textures, pool, height, width):
    return textures.surface(rng, height, width)


def _two_scales(rng, textures, pool, height, width):
    """Coarse and fine fields summed, for structure at every scale."""
    share = rng.uniform(0.3, 0.8)
    grey = cv2.addWeighted(
        textures.piece(rng, height, width), share, textures.piece(rng, height, width), 1 - share, 0
    )
    return through(grey, palette(rng))


def _stripes(rng, textures, pool, height, width):
    """Stripes, checks or dots, turned, often bent."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    angle, period = rng.uniform(0, np.pi), log_uniform(rng, 8, 140)
    if rng.random() < 0.5:
        bend = textures.piece(rng, height, width).astype(np.float32) * (rng.uniform(0, 0.4))
        x, y = x + bend, y - bend
    u = np.sin((np.cos(angle) * x + np.sin(angle) * y) * (2 * np.pi / period))
    kind = rng.random()
    if kind < 0.6:
        v = np.sin((np.cos(angle) * y - np.sin(angle) * x) * (2 * np.pi / period))
        u = u * v if kind < 0.3 else np.maximum(u, v)
    sharp = rng.uniform(1, 12)
    return through((np.clip(u * sharp, -1, 1) * 127 + 127).astype(np.uint8), palette(rng))


def _view(rng, textures, pool, height, width):
    """Out of focus, what a camera might see in a room or outdoors."""
    panorama = pick(rng, textures.panoramas)
    rows, columns = height // 2, width // 2
    focal = columns / 2 / np.tan(np.radians(rng.uniform(50, 110) / 2))
    y, x = np.mgrid[0:rows, 0:columns].astype(np.float32)
    x, y = (x - columns / 2) / focal, (y - rows / 2) / focal
    pitch = np.radians(rng.normal(5, 18))  # downwards
    down = y * np.cos(pitch) + np.sin(pitch)
    ahead = np.cos(pitch) - y * np.sin(pitch)
    longitude = np.arctan2(x, ahead) + rng.uniform(0, 2 * np.pi)
    latitude = np.arctan2(down, np.hypot(x, ahead))
    map_x = ((longitude / (2 * np.pi)) % 1 * panorama.shape[1]).astype(np.float32)
    map_y = ((latitude / np.pi + 0.5) * panorama.shape[0]).astype(np.float32)
    small = cv2.remap(panorama, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    small = cv2.GaussianBlur(small, (0, 0), rng.uniform(0.7, 2.5))
    picture = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
    if rng.random() < 0.5:  # finer detail than the panorama has
        detail = textures.piece(rng, height, width)
        strength = rng.uniform(0.1, 0.4)
        gain = detail.astype(np.float32) * (strength / 128) + (1 - strength)
        picture = brightened(picture, gain)
    return picture


def _blurred_collage(rng, textures, pool, height, width):
    """Many drawings on one another, blurred until none is recognisable."""
    scale = 6
    rows, columns = height // scale + 1, width // scale + 1
    small = textures.surface(rng, rows, columns).astype(np.float32)
    for _ in range(int(rng.integers(8, 30))):
        source = pool.picture(pick(rng, pool.all))
        side = int(rng.integers(6, 30))
        part = cv2.resize(source, (side, side), interpolation=cv2.INTER_AREA).astype(np.float32)
        top, left = int(rng.integers(rows)), int(rng.integers(columns))
        region = small[top : top + side, left : left + side]
        part = part[: region.shape[0], : region.shape[1]]
        region[:] = region * (1 - part[..., 3:] / 255) + part[..., :3]
    small = cv2.GaussianBlur(small, (0, 0), rng.uniform(1.6, 4))
    picture = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(picture, 0, 255).astype(np.uint8)


def _floor(rng, textures, pool, height, width):
    """A textured floor that runs to a horizon below a sky or wall."""
    horizon = int(height * rng.uniform(0.1, 0.6))
    floor = pick(rng, _PLANES)(rng, textures, pool, 512, 512)
    spread = rng.uniform(1.2, 5)
    middle = rng.uniform(0.2, 0.8) * width
    target = np.array(
        [
            [middle - width * 0.7, horizon],
            [middle + width * 0.7, horizon],
            [middle + width * spread, height],
            [middle - width * spread, height],
        ],
        np.float32,
    )
    source = np.array([[0, 0], [512, 0], [512, 512], [0, 512]], np.float32)
    wall = pick(rng, _WALLS)(rng, textures, pool, height, width)
    matrix = cv2.getPerspectiveTransform(source, target)
    laid = cv2.warpPerspective(floor, matrix, (width, height), borderMode=cv2.BORDER_REFLECT)
    wall[horizon:] = laid[horizon:]
    if rng.random() < 0.5:  # far things are out of focus
        band = slice(max(0, horizon - 20), min(height, horizon + 20))
        wall[band] = cv2.blur(wall[band], (1, 9))
    return wall


def _clutter(rng, textures, pool, height, width):
    """Overlapping patches of surfaces, like a heap of papers. None is small and sharp
    enough to look like a board or a polygon, which are labelled classes."""
    picture = textures.surface(rng, height, width)
    for _ in range(int(rng.integers(4, 16))):
        patch = textures.surface(rng, height // 2, width // 2)
        size = rng.uniform(0.7, 1.6) * width
        centre, angle = rng.uniform(0, 1, 2) * [width, height], rng.uniform(0, np.pi)
        corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * [1, rng.uniform(0.4, 1)]
        corners += rng.uniform(-0.25, 0.25, (4, 2))
        rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        target = (corners @ rotation.T * size / 2 + centre).astype(np.float32)
        rows, columns = patch.shape[:2]
        source = np.array([[0, 0], [columns, 0], [columns, rows], [0, rows]], np.float32)
        matrix = cv2.getPerspectiveTransform(source, target)
        cv2.warpPerspective(
            patch, matrix, (width, height), picture, borderMode=cv2.BORDER_TRANSPARENT
        )
    return cv2.GaussianBlur(picture, (0, 0), rng.uniform(2, 7))


_PLANES: tuple[Painter, ...] = (_surface, _two_scales, _stripes)
_WALLS: tuple[Painter, ...] = (_smooth, _gradient, _surface, _view, _blurred_collage)
_PAINTERS: dict[Painter, float] = {
    _smooth: 0.2,
    _gradient: 0.07,
    _surface: 0.16,
    _two_scales: 0.1,
    _stripes: 0.05,
    _view: 0.2,
    _blurred_collage: 0.08,
    _floor: 0.11,
    _clutter: 0.06,
}


# Over a background -----------------------------------------------------------------------------


def _joined(
    rng: np.random.Generator, textures: Textures, first: np.ndarray, second: np.ndarray
) -> np.ndarray:
    """Two pictures (H, W, 3), one showing where a field is high."""
    height, width = first.shape[:2]
    if rng.random() < 0.5:
        grey = textures.piece(rng, height, width).astype(np.float32)
    else:
        y, x = np.mgrid[0:height, 0:width].astype(np.float32)
        angle = rng.uniform(0, 2 * np.pi)
        grey = 128 + (np.cos(angle) * (x - width / 2) + np.sin(angle) * (y - height / 2))
    mask = np.clip((grey - rng.uniform(90, 165)) * rng.uniform(0.02, 1) + 0.5, 0, 1)[..., None]
    return (first + (second.astype(np.float32) - first) * mask).astype(np.uint8)


def _strokes(rng: np.random.Generator, picture: np.ndarray) -> None:
    """Scratches, cracks, hairs: thin bent lines from edge to edge, in place."""
    height, width = picture.shape[:2]
    for _ in range(int(rng.integers(2, 14))):
        start, end = rng.uniform(-0.1, 1.1, (2, 2)) * [width, height]
        steps = np.linspace(0, 1, 12)[:, None]
        points = start + (end - start) * steps + rng.normal(0, 6, (12, 2)).cumsum(0)
        cv2.polylines(
            picture,
            [np.rint(points).astype(np.int32)],
            False,
            colour(rng).tolist(),
            int(rng.integers(1, 4)),
            cv2.LINE_AA,
        )
