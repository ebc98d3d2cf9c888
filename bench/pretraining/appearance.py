"""The appearance of an object, and the camera of the whole picture."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from bench.pretraining.textures import Textures, brightened, colour, log_uniform

GREY = np.array([0.114, 0.587, 0.299])  # of blue, green and red


@dataclass(frozen=True)
class Look:
    """The appearance of an item; similar items share one, with small changes.

    Attributes:
        colours: (3, 4), premultiplied BGRA → BGR: a matrix, and what is added in full alpha.
        steps: grey levels left by posterising, 0 for all.
        shading: light from a side across the item, in ±shares, and its direction in radians.
        texture: strength of a field laid over it.
        feather: softness of its edge, as a share of its size.
        opacity: 0–1.
        shadow: darkness, then offset x, y and softness as shares of its size.
    """

    colours: np.ndarray
    steps: int = 0
    shading: tuple[float, float] = (0.0, 0.0)
    texture: float = 0.0
    feather: float = 0.0
    opacity: float = 1.0
    shadow: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)


def draw_look(rng: np.random.Generator) -> Look:
    """A random look, usually far from that of the drawing."""
    chance = rng.random(8)
    angle = rng.uniform(0, 2 * np.pi)
    return Look(
        colours=_colours(rng),
        steps=int(rng.integers(3, 8)) if chance[0] < 0.07 else 0,
        shading=(rng.uniform(0.1, 0.6), angle) if chance[1] < 0.5 else (0.0, 0.0),
        texture=rng.uniform(0.15, 0.7) if chance[2] < 0.35 else 0.0,
        feather=log_uniform(rng, 0.002, 0.025) if chance[3] < 0.5 else 0.0,
        opacity=rng.uniform(0.4, 0.95) if chance[4] < 0.2 else 1.0,
        shadow=(
            (rng.uniform(0.2, 0.65), *rng.uniform(-0.12, 0.12, 2), rng.uniform(0.02, 0.15))
            if chance[5] < 0.35
            else (0.0, 0.0, 0.0, 0.0)
        ),
    )


def varied(rng: np.random.Generator, look: Look) -> Look:
    """Nearly the same look, for similar items."""
    colours = look.colours * rng.normal(1, 0.06) + rng.normal(0, 0.02, (3, 4)) * [[0, 0, 0, 1]]
    return replace(look, colours=colours, texture=look.texture * rng.uniform(0.7, 1.2))


def inverted(look: Look) -> Look:
    """The negative, where an item cannot be told from its background."""
    colours = -look.colours
    colours[:, 3] += 1
    return replace(look, colours=colours, opacity=max(look.opacity, 0.8))


def blended_in(look: Look, around: tuple[float, ...], share: float) -> Look:
    """The look with its colours drawn towards those behind it, BGR in 0–255."""
    colours = look.colours * (1 - share)
    colours[:, 3] += np.array(around) * (share / 255)
    return replace(look, colours=colours)


def _colours(rng: np.random.Generator) -> np.ndarray:
    """A matrix of colour changes (3, 4): hue, saturation, contrast, tint, negative."""
    if rng.random() < 0.2:  # nearly as drawn
        return np.column_stack([np.eye(3) * rng.uniform(0.8, 1.1), rng.normal(0, 0.03, 3)])
    rotation = np.eye(3)
    if rng.random() < 0.45:  # hue: rotated about the grey axis
        angle = rng.uniform(-np.pi, np.pi)
        axis = np.ones(3) / np.sqrt(3)
        cross = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
        rotation = np.eye(3) * np.cos(angle) + np.sin(angle) * cross
        rotation += (1 - np.cos(angle)) * np.outer(axis, axis)
    chance = rng.random()
    saturation = 0.0 if chance < 0.1 else rng.uniform(0.1, 1.5) if chance < 0.7 else 1.0
    rotation = saturation * rotation + (1 - saturation) * np.tile(GREY, (3, 1))
    offset = np.zeros(3)
    if rng.random() < 0.07:
        rotation, offset = -rotation, offset + 1
    contrast, shift = rng.uniform(0.55, 1.35), rng.normal(0, 0.1)
    offset = (offset - 0.5) * contrast + 0.5 + shift + rng.normal(0, 0.04, 3)
    rotation = rotation * contrast
    if rng.random() < 0.3:  # under coloured light, or of coloured material
        tint = colour(rng) / 255
        share = rng.uniform(0.15, 0.6)
        offset, rotation = offset * (1 - share) + tint * share, rotation * (1 - share)
    return np.column_stack([rotation, offset])


def apply(
    rng: np.random.Generator, look: Look, pixels: np.ndarray, textures: Textures, size: float
) -> np.ndarray:
    """Apply a look to premultiplied BGRA uint8 (h, w, 4).

    Args:
        size: of the item in pixels; softness is relative to it.
    """
    height, width = pixels.shape[:2]
    alpha = pixels[..., 3]
    result = cv2.transform(pixels, look.colours)
    if look.steps:
        table = np.rint(np.arange(256) / 255 * look.steps) / look.steps * 255
        result = cv2.LUT(result, table.astype(np.uint8))
    if look.shading[0] or look.texture:
        strength, angle = look.shading
        x = np.linspace(-strength * np.cos(angle), strength * np.cos(angle), width)
        y = np.linspace(-strength * np.sin(angle), strength * np.sin(angle), height)
        gain = np.add.outer(1 + y, x).astype(np.float32)
        if look.texture:
            field = textures.piece(rng, height, width).astype(np.float32)
            gain += (field - 128) * (look.texture / 128)
        result = brightened(result, gain)
    limit = cv2.merge([alpha] * 3)
    result = cv2.merge([*cv2.split(cv2.min(result, limit)), alpha])
    sigma = look.feather * size
    if sigma > 0.3:
        result = cv2.GaussianBlur(result, (0, 0), sigma)
    if look.opacity < 1:
        result = cv2.multiply(result, (look.opacity,) * 4)
    return result


def cast_shadow(
    canvas: np.ndarray, alpha: np.ndarray, look: Look, *, left: int, top: int, size: float
) -> None:
    """Darken the canvas (H, W, 3) behind an item with alpha (h, w) at left, top; in place."""
    strength, across, down, soft = look.shadow
    if not strength:
        return
    pad = max(2, round(2 * soft * size))
    shade = cv2.copyMakeBorder(alpha, *(pad,) * 4, cv2.BORDER_CONSTANT, value=0)
    kernel = 2 * (pad // 2) + 1
    shade = cv2.blur(cv2.blur(shade, (kernel, kernel)), (kernel, kernel))
    x, y = left - pad + round(across * size), top - pad + round(down * size)
    x0, y0 = max(0, x), max(0, y)
    x1, y1 = min(canvas.shape[1], x + shade.shape[1]), min(canvas.shape[0], y + shade.shape[0])
    if x1 <= x0 or y1 <= y0:
        return
    part = shade[y0 - y : y1 - y, x0 - x : x1 - x].astype(np.float32)
    gain = 1 - part * (strength / 255)
    region = canvas[y0:y1, x0:x1]
    region[:] = brightened(region, gain)


def photograph(rng: np.random.Generator, picture: np.ndarray, textures: Textures) -> np.ndarray:
    """Exposure, colour cast, blur, vignette and noise of a camera: BGR uint8 (H, W, 3)."""
    height, width = picture.shape[:2]
    chance = rng.random(7)
    if chance[0] < 0.05:
        picture = cv2.merge([cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)] * 3)
    if chance[1] < 0.35:
        picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.4, 1.5))
    elif chance[1] < 0.42:
        picture = _moved(rng, picture)
    elif chance[1] < 0.5:  # few pixels, enlarged
        scale = rng.uniform(0.5, 0.9)
        small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        picture = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
    if chance[2] < 0.25:
        y = np.linspace(-1, 1, height, dtype=np.float32) - rng.normal(0, 0.2)
        x = np.linspace(-1, 1, width, dtype=np.float32) - rng.normal(0, 0.2)
        gain = 1 - rng.uniform(0.1, 0.45) * np.minimum(np.add.outer(y * y, x * x) / 2, 1)
        picture = brightened(picture, gain.astype(np.float32))
    if chance[3] < 0.8:
        picture = cv2.LUT(picture, _tones(rng))
    if chance[4] < 0.6:
        picture = _grainy(rng, picture, textures)
    return picture


def _tones(rng: np.random.Generator) -> np.ndarray:
    """Exposure, contrast and colour cast as a table, uint8 (1, 256, 3)."""
    value = np.linspace(0, 1, 256)[:, None]
    gamma = np.exp(rng.normal(0, 0.22) + rng.normal(0, 0.05, 3))
    low, high = rng.uniform(0, 0.15), rng.uniform(0.8, 1.15)
    curve = low + (high - low) * value**gamma * np.exp(rng.normal(0, 0.05, 3))
    return np.clip(curve * 255, 0, 255).astype(np.uint8)[None]


def _moved(rng: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    """Blurred along a line of up to 9 pixels, centred, so that boxes stay where they are."""
    length, angle = rng.uniform(2, 9), rng.uniform(0, np.pi)
    kernel = np.zeros((11, 11), np.float32)
    step = np.array([np.cos(angle), np.sin(angle)]) * length / 2
    ends = np.rint((np.array([5 - step, 5 + step])) * 16).astype(int)
    cv2.line(kernel, ends[0].tolist(), ends[1].tolist(), 1.0, 1, cv2.LINE_AA, 4)
    return cv2.filter2D(picture, -1, kernel / max(float(kernel.sum()), 1e-6))


def _grainy(rng: np.random.Generator, picture: np.ndarray, textures: Textures) -> np.ndarray:
    height, width = picture.shape[:2]
    rows, columns = textures.grain.shape[:2]
    top, left = int(rng.integers(rows - height + 1)), int(rng.integers(columns - width + 1))
    grain = textures.grain[top : top + height, left : left + width]
    if rng.random() < 0.3:  # of brightness only
        grain = cv2.merge([np.ascontiguousarray(grain[..., 0])] * 3)
    strength = log_uniform(rng, 1, 13)
    return cv2.scaleAdd(grain, strength, picture.astype(np.float32)).clip(0, 255).astype(np.uint8)
