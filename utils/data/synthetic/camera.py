"""From the scene to the photo: daylight and weather, lens, sensor, JPEG.

The smallest sign bounds the blur, so that it stays recognisable: nobody would have labelled a sign
too blurred to recognise in a real photo.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from utils.data.synthetic import canvas


@dataclass(frozen=True)
class Light:
    """The light of a scene.

    Attributes:
        name: ``day``, ``overcast``, ``dusk`` or ``night``.
        scene_gain: (3,) factors on the RGB of the surroundings.
        sign_brightness: factor on the signs; at night they reflect headlights.
    """

    name: str
    scene_gain: np.ndarray
    sign_brightness: float


def draw_light(rng: np.random.Generator) -> Light:
    """Random light: mostly day; about one scene in eleven is at night."""
    name = str(rng.choice(["day", "overcast", "dusk", "night"], p=[0.56, 0.22, 0.13, 0.09]))
    if name == "day":
        level, cast, sign = rng.uniform(0.85, 1.15), (1.03, 1.0, 0.96), rng.uniform(0.8, 1.1)
    elif name == "overcast":
        level, cast, sign = rng.uniform(0.7, 0.95), (0.97, 1.0, 1.04), rng.uniform(0.7, 0.95)
    elif name == "dusk":
        level, cast, sign = rng.uniform(0.4, 0.7), (1.10, 0.95, 0.86), rng.uniform(0.55, 0.85)
    else:
        level, cast, sign = rng.uniform(0.16, 0.35), (0.85, 0.95, 1.2), rng.uniform(0.75, 1.05)
    return Light(name, level * np.array(cast, np.float32), float(sign))


def apply_light(picture: np.ndarray, light: Light) -> None:
    """Darken and tint the surroundings, in place."""
    levels = np.arange(256, dtype=np.float32)[:, None] * light.scene_gain
    table = np.clip(levels, 0, 255).astype(np.uint8)[None]  # (1, 256, 3)
    picture[:] = cv2.LUT(picture, table)


def photograph(
    rng: np.random.Generator, scene: np.ndarray, *, smallest: float, dark: bool
) -> np.ndarray:
    """The photo of a scene, uint8 (H, W, 3).

    Args:
        smallest: longest side in pixels of the smallest sign; bounds the blur.
        dark: more noise, as at night.
    """
    picture = _weather(rng, scene)
    picture = _blur(rng, picture, smallest)
    picture = _develop(rng, picture)
    picture = _noise(rng, picture, dark)
    if rng.random() < 0.75:
        picture = jpeg_round_trip(picture, int(rng.integers(28, 92)))
    return picture


def jpeg_round_trip(picture: np.ndarray, quality: int) -> np.ndarray:
    """The picture after JPEG at ``quality`` (0–100) and back."""
    code = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return cv2.imdecode(code, cv2.IMREAD_COLOR)[..., ::-1].copy()


def _weather(rng: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    kind = rng.random()
    if kind < 0.10:  # mist
        veil = canvas.flat(*picture.shape[:2], canvas.jitter(rng, (198, 202, 206), 12))
        share = rng.uniform(0.12, 0.4)
        return cv2.addWeighted(picture, 1 - share, veil, share, 0)
    if kind < 0.17:  # rain
        return _streaks(rng, picture)
    if kind < 0.24:  # the sun just outside the frame
        return _flare(rng, picture)
    return picture


def _streaks(rng: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    height, width = picture.shape[:2]
    rain = np.zeros_like(picture)
    lean = rng.uniform(-0.35, 0.35)
    for x, y, length in rng.uniform(0, 1, (140, 3)):
        start = np.array([x * width, y * height])
        fall = (0.02 + 0.04 * length) * height
        canvas.polyline(rain, np.stack([start, start + [lean * fall, fall]]), (70, 72, 76), 1)
    return cv2.add(picture, rain)


def _flare(rng: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    height, width = picture.shape[:2]
    small = np.zeros((height // 8, width // 8, 3), np.uint8)
    x, y = rng.uniform(0, 1) * width / 8, rng.uniform(-0.2, 0.15) * height / 8
    canvas.disc(small, (x, y), 0.3 * width / 8, canvas.jitter(rng, (120, 108, 84), 10))
    glow = cv2.GaussianBlur(small, (0, 0), 0.16 * width / 8)
    return cv2.add(picture, cv2.resize(glow, (width, height)))


def _blur(rng: np.random.Generator, picture: np.ndarray, smallest: float) -> np.ndarray:
    kind = rng.random()
    if kind < 0.30:  # out of focus
        sigma = rng.uniform(0.3, 1.0) * min(0.045 * smallest, 2.2)
        if sigma > 0.35:
            return cv2.GaussianBlur(picture, (0, 0), sigma)
    elif kind < 0.50:  # the camera moved
        length = rng.uniform(0.4, 1.0) * min(0.16 * smallest, 9.0)
        if length > 1.5:
            return cv2.filter2D(picture, -1, _motion_kernel(length, rng.uniform(-0.5, 0.5)))
    return picture


def _motion_kernel(length: float, angle: float) -> np.ndarray:
    """Average along a line of ``length`` pixels at ``angle`` radians to the horizontal."""
    size = 2 * int(np.ceil(length / 2)) + 1
    scale = 8
    fine = np.zeros((size * scale, size * scale), np.float32)
    way = np.array([np.cos(angle), np.sin(angle)]) * (length - 1) / 2 * scale
    middle = np.array([size, size]) * scale / 2
    canvas.polyline(fine, np.stack([middle - way, middle + way]), 1.0, scale)
    kernel = cv2.resize(fine, (size, size), interpolation=cv2.INTER_AREA)
    return kernel / kernel.sum()


def _develop(rng: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    """Exposure, contrast, gamma and white balance in one table; sometimes a vignette."""
    levels = np.linspace(0, 1, 256, dtype=np.float32)[:, None]
    exposure, contrast = 2 ** np.clip(rng.normal(0, 0.2), -0.35, 0.4), rng.uniform(0.82, 1.15)
    cast = 1 + np.clip(rng.normal(0, 0.035, 3), -0.08, 0.08)
    tone = (
        np.clip(levels * exposure * cast, 0, 1) ** rng.uniform(0.8, 1.25) - 0.5
    ) * contrast + 0.5
    table = (np.clip(tone, 0, 1) * 255).astype(np.uint8)[None]
    developed = cv2.LUT(picture, table)
    if rng.random() < 0.25:
        height, width = picture.shape[:2]
        y = np.linspace(-1, 1, height, dtype=np.float32)[:, None] ** 2
        x = np.linspace(-1, 1, width, dtype=np.float32)[None] ** 2
        canvas.shade(developed, 1 - np.float32(rng.uniform(0.1, 0.3)) * (x + y))
    if rng.random() < 0.06:  # black and white film
        grey = cv2.cvtColor(developed, cv2.COLOR_RGB2GRAY)
        return cv2.addWeighted(developed, 0.35, cv2.merge([grey] * 3), 0.65, 0)
    return developed


def _noise(rng: np.random.Generator, picture: np.ndarray, dark: bool) -> np.ndarray:
    """Normal sensor noise, independent for each channel, sometimes in coarser grains."""
    sigma = rng.uniform(1, 9) * (1.6 if dark else 1.0)
    noise = rng.standard_normal(picture.shape, np.float32)
    if rng.random() < 0.4:  # after the camera's own noise reduction
        noise = cv2.blur(noise, (2, 2)) * 1.7
    return cv2.add(picture, noise * np.float32(sigma), dtype=cv2.CV_8U)
