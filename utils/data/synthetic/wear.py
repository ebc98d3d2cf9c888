"""Damage by age and weather to a sign's face, and the light on it.

The kinds of damage take and return a float32 face (S, S, 3) in 0–1. They are mild enough that a
person still recognises the sign.
"""

from __future__ import annotations

import cv2
import numpy as np

from utils.data.synthetic import canvas


def aged(rng: np.random.Generator, face: np.ndarray) -> np.ndarray:
    """uint8 face → float32 face with a random choice of the damages below."""
    worn = face.astype(np.float32) / 255
    for chance, damage in (
        (0.45, fade),
        (0.40, dirt),
        (0.16, rust),
        (0.22, scratches),
        (0.15, stickers),
        (0.08, snow),
    ):
        if rng.random() < chance:
            worn = damage(rng, worn)
    return worn


def fade(rng: np.random.Generator, face: np.ndarray) -> np.ndarray:
    """Bleached by the sun: colours go towards a pale grey, and black becomes lighter."""
    amount = rng.uniform(0.1, 0.45)
    grey = face.mean(2, keepdims=True)
    pale = 0.45 * face + 0.35 * grey + 0.22 * np.array([1.0, 0.97, 0.92], np.float32)
    return face * (1 - amount) + pale.astype(np.float32) * amount


def dirt(rng: np.random.Generator, face: np.ndarray) -> np.ndarray:
    """Splashes and streaks of mud or soot, more at the bottom."""
    size = face.shape[0]
    blobs = canvas.fractal_noise(rng, size, size, cell=size / rng.uniform(2, 6))
    runs = canvas.fractal_noise(rng, 2, size, cell=size / 12, octaves=3)
    runs = cv2.resize(runs, (size, size))
    lower = np.linspace(-0.15, 0.15, size, dtype=np.float32)[:, None]
    mask = np.clip((0.65 * blobs + 0.35 * runs + lower - 0.5) * 5, 0, 1) * rng.uniform(0.25, 0.65)
    colour = canvas.jitter(rng, (92, 78, 60), 18).astype(np.float32) / 255
    return _over(face, colour, mask)


def rust(rng: np.random.Generator, face: np.ndarray) -> np.ndarray:
    """Rust at the rim and around two bolt holes."""
    size = face.shape[0]
    y, x = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j].astype(np.float32)
    rim = np.clip(np.sqrt(x * x + y * y) - 0.55, 0, 0.5)
    bolts = np.maximum(
        np.exp(-((x / 0.16) ** 2) - ((y - 0.5) / 0.22) ** 2),
        np.exp(-((x / 0.16) ** 2) - ((y + 0.5) / 0.22) ** 2),
    )
    noise = canvas.fractal_noise(rng, size, size, cell=size / 5)
    mask = np.clip((noise + 0.5 * rim + 0.3 * bolts - rng.uniform(0.74, 0.9)) * 6, 0, 1)
    colour = canvas.jitter(rng, (122, 66, 30), 14).astype(np.float32) / 255
    return _over(face, colour, mask * 0.85)


def scratches(rng: np.random.Generator, face: np.ndarray) -> np.ndarray:
    """Thin bare-metal lines."""
    size = face.shape[0]
    mask = np.zeros((size, size), np.uint8)
    for _ in range(int(rng.integers(2, 9))):
        start = rng.uniform(0, size, 2)
        stop = start + rng.normal(0, 0.25 * size, 2)
        canvas.polyline(mask, np.stack([start, stop]), 255, size * rng.uniform(0.004, 0.014))
    bare = np.float32(rng.uniform(0.55, 0.8)) * np.ones(3, np.float32)
    return _over(face, bare, mask.astype(np.float32) * (0.7 / 255))


def stickers(rng: np.random.Generator, face: np.ndarray) -> np.ndarray:
    """A few small stickers, some with a word on them."""
    size = face.shape[0]
    worn = (face * 255).astype(np.uint8)
    for _ in range(int(rng.integers(1, 4))):
        width, height = size * rng.uniform(0.08, 0.2, 2)
        x, y = rng.uniform(0.15, 0.75, 2) * size
        colour = rng.integers(20, 245, 3).astype(np.uint8)
        if rng.random() < 0.3:
            canvas.disc(worn, (x, y), width / 2, colour)
            continue
        canvas.rectangle(worn, x, y, x + width, y + height, colour)
        if rng.random() < 0.5:
            word = canvas.pick(rng, ("ska", "FC 09", "hey", "1312", "live", "x"))
            canvas.write_text(
                worn, word, (x + 2, y + height * 0.3, x + width - 2, y + height * 0.7), 255 - colour
            )
    return worn.astype(np.float32) / 255


def snow(rng: np.random.Generator, face: np.ndarray) -> np.ndarray:
    """Wet snow stuck to the lower part, never over more than about a third."""
    size = face.shape[0]
    noise = canvas.fractal_noise(rng, size, size, cell=size / 4)
    y = np.linspace(-1, 1, size, dtype=np.float32)[:, None]
    mask = np.clip((0.35 * noise + 0.5 * y - rng.uniform(0.35, 0.5)) * 12, 0, 1)
    return _over(face, np.array([0.92, 0.94, 0.97], np.float32), mask * 0.95)


def lit(rng: np.random.Generator, face: np.ndarray, brightness: float) -> np.ndarray:
    """Light from a random side, perhaps a cast shadow and a gloss; returns uint8 (S, S, 3)."""
    size = face.shape[0]
    y, x = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j].astype(np.float32)
    angle, slope = rng.uniform(0, 2 * np.pi), rng.uniform(0, 0.28)
    gain = 1 + np.float32(slope) * (np.float32(np.cos(angle)) * x + np.float32(np.sin(angle)) * y)
    kind = rng.random()
    if kind < 0.16:  # the straight shadow of a roof or a pole
        side = rng.uniform(0, 2 * np.pi)
        edge = np.float32(np.cos(side)) * x + np.float32(np.sin(side)) * y
        shadow = np.clip((edge - np.float32(rng.uniform(-0.4, 0.6))) * 12, 0, 1)
        gain *= 1 - np.float32(rng.uniform(0.25, 0.5)) * shadow
    elif kind < 0.34:  # the dappled shadow of a tree
        noise = canvas.fractal_noise(rng, size, size, cell=size / rng.uniform(2.5, 6), octaves=3)
        shadow = np.clip((noise - 0.48) * 9, 0, 1)
        gain *= 1 - np.float32(rng.uniform(0.2, 0.5)) * shadow
    result = face * (gain * np.float32(brightness))[..., None]
    if rng.random() < 0.2:  # a reflection of the sun or a lamp
        cx, cy = rng.uniform(-0.8, 0.8, 2)
        width = rng.uniform(0.2, 0.6)
        spot = np.exp(-(((x - cx) / width) ** 2) - ((y - cy) / width) ** 2)
        result += (np.float32(rng.uniform(0.12, 0.4)) * spot)[..., None]
    return (np.clip(result, 0, 1) * 255).astype(np.uint8)


def _over(face: np.ndarray, colour: np.ndarray, mask: np.ndarray) -> np.ndarray:
    weight = mask[..., None].astype(np.float32)
    return face * (1 - weight) + colour * weight
