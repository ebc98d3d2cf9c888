"""The colours of classes, which colour-blind people tell apart as well: ``colour``, ``ink``."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

# Okabe and Ito's colours, which people with any common colour blindness can tell apart, ordered so
# that the first few differ most.
PALETTE = (
    (230, 159, 0), (86, 180, 233), (0, 158, 115), (213, 94, 0), (204, 121, 167), (0, 114, 178),
    (240, 228, 66),
)  # fmt: skip
# Linear RGB as people see it: with all cones, and without those for long, medium or short waves
# (Machado, Oliveira & Fernandes, A physiologically-based model for simulation of color vision
# deficiency, 2009, severity 1).
VISIONS = (
    ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216),
     (-0.003882, -0.048116, 1.051998)),
    ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413),
     (-0.011820, 0.042940, 0.968881)),
    ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602),
     (0.004733, 0.691367, 0.303900)),
)  # fmt: skip
_MAX_COLOURS = 80
_FULL_SIGHT = 1.5  # with all cones colours differ so many times more than for the colour-blind


def colour(class_id: int) -> tuple[int, int, int]:
    """The RGB colour of a class: always the same, and different from those of other classes."""
    colours = _colours()
    return colours[class_id % len(colours)]


def ink(rgb: tuple[int, int, int]) -> tuple[int, int, int]:
    """Black or white, whichever contrasts more (relative luminance as in WCAG 2)."""
    luminance = float(_linear(np.array(rgb)) @ (0.2126, 0.7152, 0.0722))
    return (0, 0, 0) if (luminance + 0.05) ** 2 > 1.05 * 0.05 else (255, 255, 255)


def seen(rgb: np.ndarray) -> np.ndarray:
    """(N, 3) RGB 0–255 → float32 (4, N, 3) CIE L*a*b*, as each of ``VISIONS`` sees them."""
    linear = np.clip(_linear(np.asarray(rgb)) @ np.swapaxes(VISIONS, 1, 2), 0, 1)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return cv2.cvtColor(np.float32(encoded), cv2.COLOR_RGB2LAB)


@lru_cache(maxsize=1)
def _colours() -> tuple[tuple[int, int, int], ...]:
    """The palette, continued by the colour that differs most from all before it, for those who see
    the least difference. Very dark, very light and greyish colours are hard to see on photos, and
    left out."""
    steps = np.linspace(0, 255, 8).round()
    grid = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(-1, 3)
    lightness, chroma = _lightness_and_chroma(grid)
    grid = grid[(lightness > 25) & (lightness < 92) & (chroma > 20)]
    views = seen(grid)

    def difference(rgb: np.ndarray) -> np.ndarray:
        distances = np.linalg.norm(views - seen(rgb[None]), axis=-1)
        distances[0] /= _FULL_SIGHT
        return distances.min(axis=0)

    chosen = [np.array(rgb) for rgb in PALETTE]
    nearest = np.min([difference(rgb) for rgb in chosen], axis=0)
    while len(chosen) < _MAX_COLOURS:
        best = grid[int(np.argmax(nearest))]
        chosen.append(best)
        nearest = np.minimum(nearest, difference(best))
    return tuple(tuple(int(value) for value in rgb) for rgb in chosen)


def _lightness_and_chroma(rgb: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    lab = seen(rgb)[0]
    return lab[:, 0], np.hypot(lab[:, 1], lab[:, 2])


def _linear(rgb: np.ndarray) -> np.ndarray:
    """RGB 0–255 → linear RGB 0–1 (sRGB)."""
    share = rgb / 255
    return np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
