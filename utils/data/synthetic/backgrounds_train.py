"""Backgrounds of the training and validation splits. The test split uses none of them.

Each generator paints an empty scene, uint8 (height, width, 3). Where a scene has ground, it
begins at row ``horizon``.
"""

from __future__ import annotations

import cv2
import numpy as np

from utils.data.synthetic import canvas
from utils.data.synthetic.props import Background


def country_road(rng: np.random.Generator, height: int, width: int, horizon: int) -> np.ndarray:
    """A road between meadows, trees on the horizon, clouds above."""
    scene = _cloudy_sky(rng, height, width)
    scene[horizon:] = canvas.jitter(rng, (96, 122, 58), 18)
    top = canvas.fractal_noise(rng, 2, width, cell=width / rng.uniform(4, 14))[0]
    line = horizon - top * rng.uniform(0.03, 0.22) * height
    edge = np.stack([np.arange(width), line], 1)
    wood = np.vstack([edge, [[width, horizon + 2], [0, horizon + 2]]])
    canvas.polygon(scene, wood, canvas.jitter(rng, (62, 84, 56), 14))
    for _ in range(int(rng.integers(0, 6))):
        base = rng.uniform(horizon, horizon + 0.12 * height)
        _round_tree(rng, scene, rng.uniform(0, width), base, rng.uniform(0.12, 0.45) * height)
    canvas.texture(rng, scene[horizon:], strength=0.16, cell=18)
    _straight_road(rng, scene, horizon)
    return scene


def city_street(rng: np.random.Generator, height: int, width: int, horizon: int) -> np.ndarray:
    """A street canyon: facades recede on both sides towards the vanishing point."""
    scene = _cloudy_sky(rng, height, width)
    scene[horizon:] = canvas.jitter(rng, (128, 126, 122), 14)
    vanish_x = width * rng.uniform(0.3, 0.7)
    for side in (0, 1):
        outer, depth = (0.0 if side == 0 else float(width)), 0.0
        while depth < 0.82:
            step = rng.uniform(0.18, 0.4)
            near, far = depth, min(depth + step, 0.9)
            roof = rng.uniform(0.75, 1.6) * horizon
            xs = [outer + (vanish_x - outer) * d for d in (near, far)]
            tops = [horizon - roof * (1 - d) for d in (near, far)]
            feet = [horizon + 0.32 * (height - horizon) * (1 - d) for d in (near, far)]
            quad = np.float32(
                [[xs[0], tops[0]], [xs[1], tops[1]], [xs[1], feet[1]], [xs[0], feet[0]]]
            )
            _lay_facade(rng, scene, quad)
            depth = far
    _straight_road(rng, scene, horizon, vanish_x)
    for _ in range(int(rng.integers(0, 4))):
        side = 1 if rng.random() < 0.5 else -1
        near = rng.uniform(0.15, 0.7)
        x = vanish_x + side * near * width * rng.uniform(0.3, 0.6)
        _parked_car(rng, scene, x, horizon + 0.5 * near * (height - horizon), near * 0.4 * width)
    return scene


def brick_wall(rng: np.random.Generator, height: int, width: int, horizon: int) -> np.ndarray:
    """Bricks in running bond, each in its own shade, sometimes with a pavement below."""
    brick_height = int(rng.integers(8, 26))
    brick_width = round(brick_height * rng.uniform(2.0, 3.4))
    y, x = np.arange(height)[:, None], np.arange(width)[None, :]
    row = y // brick_height
    along = x + (row % 2) * (brick_width // 2)
    column = along // brick_width
    base = canvas.pick_colour(
        rng, ((152, 78, 58), (176, 120, 84), (124, 108, 100), (196, 180, 158)), 14
    )
    tones = rng.normal(0, 14, (row.max() + 1, column.max() + 1, 1)) + base
    scene = np.clip(tones, 0, 255).astype(np.uint8)[row, column]
    gap = max(1, brick_height // 8)
    mortar = (y % brick_height < gap) | (along % brick_width < gap)
    scene[mortar] = canvas.jitter(rng, (176, 170, 160), 20)
    canvas.texture(rng, scene, strength=0.2, cell=width / 4)
    if rng.random() < 0.6:
        foot = max(horizon, round(0.7 * height))
        scene[foot:] = canvas.jitter(rng, (136, 134, 130), 16)
        canvas.texture(rng, scene[foot:], strength=0.15, cell=12)
    return scene


def hedge(rng: np.random.Generator, height: int, width: int, horizon: int) -> np.ndarray:
    """Three layers of leaves, the nearest the lightest, with dark gaps between them."""
    tone = canvas.pick_colour(rng, ((66, 104, 44), (94, 112, 40), (130, 96, 40)), 12)
    scene = canvas.flat(height, width, (tone * 0.4).astype(np.uint8))
    canvas.texture(rng, scene, strength=0.5, cell=60)
    leaf = rng.uniform(0.010, 0.028) * width
    for layer in range(3):
        count = 240
        centres = rng.uniform(0, 1, (count, 2)) * [width, height]
        angles, sizes = rng.uniform(0, 180, count), leaf * rng.uniform(0.6, 1.5, count)
        gains = (0.55 + 0.3 * layer) * rng.uniform(0.75, 1.25, count)
        for (cx, cy), angle, size, gain in zip(centres, angles, sizes, gains, strict=True):
            colour = np.clip(tone * gain, 0, 255).tolist()
            axes = (max(1, round(size)), max(1, round(size * 0.5)))
            cv2.ellipse(scene, (int(cx), int(cy)), axes, angle, 0, 360, colour, -1)
    return scene


def bokeh(rng: np.random.Generator, height: int, width: int, horizon: int) -> np.ndarray:
    """A gradient out of focus, with soft discs of light."""
    first, second = canvas.muted(rng), canvas.muted(rng)
    scene = canvas.vertical_gradient(height, width, first, second)
    lights = np.zeros_like(scene)
    for _ in range(int(rng.integers(6, 30))):
        centre = rng.uniform(0, 1, 2) * [width, height]
        radius = rng.uniform(0.01, 0.07) * width
        canvas.disc(lights, tuple(centre), radius, rng.integers(0, 130, 3))
    lights = cv2.GaussianBlur(lights, (0, 0), rng.uniform(1.5, 8))
    return cv2.add(scene, lights)


def cloud_colours(rng: np.random.Generator, height: int, width: int, horizon: int) -> np.ndarray:
    """Fractal noise in the colours of a random palette: abstract."""
    noise = canvas.fractal_noise(rng, height, width, cell=rng.uniform(0.1, 0.5) * width, octaves=6)
    stops = np.stack([canvas.muted(rng) for _ in range(4)])
    ramp = np.stack(
        [np.interp(np.arange(256), (0, 85, 170, 255), stops[:, c]) for c in range(3)], 1
    )
    return ramp.astype(np.uint8)[(noise * 255).astype(np.uint8)]


def open_sky(rng: np.random.Generator, height: int, width: int, horizon: int) -> np.ndarray:
    """A view upwards: clouds, some wires, sometimes the corner of a roof."""
    scene = _cloudy_sky(rng, height, width)
    for _ in range(int(rng.integers(0, 4))):
        y0, y1 = rng.uniform(0, height, 2)
        sag = rng.uniform(0, 0.12) * height
        t = np.linspace(0, 1, 24)
        wire = np.stack([t * width, y0 + (y1 - y0) * t + 4 * sag * t * (1 - t)], 1)
        canvas.polyline(scene, wire, (50, 50, 54), rng.uniform(1, 3))
    if rng.random() < 0.5:
        x = rng.uniform(0.1, 0.45) * width
        roof = np.array([[0, height], [0, height * 0.45], [x, height * 0.62], [x, height]])
        if rng.random() < 0.5:
            roof[:, 0] = width - roof[:, 0]
        canvas.polygon(scene, roof, rng.integers(60, 190, 3))
    return scene


BACKGROUNDS = (
    Background(country_road, 0.26, ground=True),
    Background(city_street, 0.30, ground=True),
    Background(brick_wall, 0.11, ground=False),
    Background(hedge, 0.10, ground=False),
    Background(bokeh, 0.08, ground=False),
    Background(cloud_colours, 0.06, ground=False),
    Background(open_sky, 0.09, ground=False),
)


def _cloudy_sky(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    top = canvas.pick_colour(rng, ((96, 150, 214), (140, 168, 196), (170, 176, 184)), 16)
    low = canvas.jitter(rng, (206, 216, 224), 12)
    scene = canvas.vertical_gradient(height, width, top, low)
    small = canvas.fractal_noise(rng, height // 4, width // 4, cell=width / 14)
    clouds = cv2.resize(small, (width, height))
    canvas.mix(scene, canvas.jitter(rng, (236, 238, 240), 8), np.clip(clouds * 2.4 - 1.2, 0, 0.9))
    return scene


def _straight_road(
    rng: np.random.Generator, scene: np.ndarray, horizon: int, vanish_x: float | None = None
) -> None:
    """A road that narrows to a point on the horizon, with dashes along the middle."""
    height, width = scene.shape[:2]
    if height - horizon < 12:
        return
    x = width * rng.uniform(0.25, 0.75) if vanish_x is None else vanish_x
    middle = width * rng.uniform(0.2, 0.8)
    half = width * rng.uniform(0.35, 0.7)
    mask = np.zeros((height - horizon, width), np.uint8)
    depth = height - horizon
    canvas.polygon(
        mask,
        np.array([[x - 3, 0], [x + 3, 0], [middle + half, depth], [middle - half, depth]]),
        255,
    )
    road = canvas.flat(depth, width, canvas.jitter(rng, (98, 98, 102), 14))
    canvas.texture(rng, road, strength=0.12, cell=10)
    paint = canvas.jitter(rng, (220, 218, 210), 10)
    near = 1.0
    while near > 0.04:  # dashes, equally long on the ground
        far = near / 1.35
        left, right = (x + (middle - x) * t for t in (near, far))
        w_near, w_far = 0.035 * half * near, 0.035 * half * far
        dash = [[left - w_near, near * depth], [left + w_near, near * depth]]
        dash += [[right + w_far, far * depth], [right - w_far, far * depth]]
        canvas.polygon(road, np.array(dash), paint)
        near = far / 1.5
    for side in (-0.92, 0.92):
        edge = np.array(
            [[x, 0], [middle + (side - 0.02) * half, depth], [middle + (side + 0.02) * half, depth]]
        )
        canvas.polygon(road, edge, paint)
    canvas.mix(scene[horizon:], road, canvas.alpha(mask))


def _round_tree(
    rng: np.random.Generator, scene: np.ndarray, x: float, base: float, tall: float
) -> None:
    trunk = canvas.jitter(rng, (84, 66, 48), 10)
    canvas.polyline(scene, np.array([[x, base], [x, base - 0.6 * tall]]), trunk, 0.07 * tall)
    tone = canvas.pick_colour(rng, ((60, 96, 44), (86, 110, 48), (140, 104, 44)), 12)
    for step in range(3):
        for _ in range(14):
            cx, cy = x + rng.normal(0, 0.17) * tall, base - (0.66 + rng.normal(0, 0.12)) * tall
            colour = np.clip(tone * (0.7 + 0.22 * step) * rng.uniform(0.85, 1.15), 0, 255)
            canvas.disc(
                scene, (cx, cy - 0.04 * step * tall), rng.uniform(0.04, 0.12) * tall, colour
            )


def _lay_facade(rng: np.random.Generator, scene: np.ndarray, quad: np.ndarray) -> None:
    """Warp a facade with rows of windows onto the quad (top near, top far, foot far, foot near)."""
    floors, bays = int(rng.integers(3, 7)), int(rng.integers(2, 6))
    cell = 36
    tone = canvas.pick_colour(
        rng, ((190, 176, 150), (160, 110, 90), (150, 152, 156), (206, 200, 190), (120, 100, 84)), 16
    )
    front = canvas.flat(floors * cell, bays * cell, tone)
    canvas.texture(rng, front, strength=0.1, cell=40)
    glass = canvas.jitter(rng, (70, 84, 100), 16)
    frame = canvas.jitter(rng, (226, 224, 218), 12)
    left, top = rng.uniform(0.18, 0.32) * cell, rng.uniform(0.16, 0.3) * cell
    for floor in range(floors):
        for bay in range(bays):
            x0, y0 = bay * cell + left, floor * cell + top
            x1, y1 = (bay + 1) * cell - left, (floor + 1) * cell - top * 0.6
            if floor == floors - 1:
                y1 = floors * cell
            canvas.rectangle(front, x0 - 2, y0 - 2, x1 + 2, y1 + 2, frame)
            canvas.rectangle(front, x0, y0, x1, y1, (glass * rng.uniform(0.7, 1.3)).clip(0, 255))
    h, w = front.shape[:2]
    matrix = cv2.getPerspectiveTransform(np.float32([[0, 0], [w, 0], [w, h], [0, h]]), quad)
    lit = (front * rng.uniform(0.65, 1.05)).clip(0, 255).astype(np.uint8)
    x0, x1 = max(0, int(quad[:, 0].min())), min(scene.shape[1], int(quad[:, 0].max()) + 1)
    if x1 <= x0:
        return
    shift = np.array([[1, 0, -x0], [0, 1, 0], [0, 0, 1]], np.float64)
    warped = cv2.warpPerspective(lit, shift @ matrix, (x1 - x0, scene.shape[0]))
    mask = np.zeros(warped.shape[:2], np.uint8)
    canvas.polygon(mask, quad - [x0, 0], 255)
    canvas.mix(scene[:, x0:x1], warped, canvas.alpha(mask))


def _parked_car(
    rng: np.random.Generator, scene: np.ndarray, x: float, base: float, length: float
) -> None:
    """A car from the side: body, cabin, wheels."""
    paint = rng.integers(30, 225, 3)
    tall = 0.36 * length

    def at(points: list) -> np.ndarray:
        return np.array(points) * [length, tall] + [x, base]

    canvas.polygon(scene, at([[-0.5, -0.15], [-0.5, -0.5], [0.5, -0.55], [0.5, -0.15]]), paint)
    canvas.polygon(scene, at([[-0.32, -0.5], [-0.2, -1.0], [0.18, -1.0], [0.34, -0.52]]), paint)
    canvas.polygon(
        scene, at([[-0.26, -0.55], [-0.17, -0.92], [0.15, -0.92], [0.27, -0.55]]), (52, 62, 74)
    )
    for wheel in (-0.3, 0.3):
        centre = at([[wheel, -0.14]])[0]
        canvas.disc(scene, tuple(centre), 0.085 * length, (28, 28, 30))
        canvas.disc(scene, tuple(centre), 0.045 * length, (150, 150, 152))
