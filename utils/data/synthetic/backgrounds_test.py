"""Backgrounds of the test split. No other split uses them.

Same contract as ``backgrounds_train``. The two share only the drawing tools of ``canvas``.
"""

from __future__ import annotations

import cv2
import numpy as np

from utils.data.synthetic import canvas
from utils.data.synthetic.props import Background


def mountain_pass(rng: np.random.Generator, height: int, width: int, horizon: int) -> np.ndarray:
    """Several ridges in the haze, a winding road in front."""
    top, low = canvas.pick(
        rng,
        (
            ((110, 140, 190), (230, 214, 196)),
            ((88, 92, 130), (236, 170, 120)),
            ((186,) * 3, (222,) * 3),
        ),
    )
    scene = canvas.vertical_gradient(
        height, width, canvas.jitter(rng, top), canvas.jitter(rng, low)
    )
    rock = canvas.pick_colour(rng, ((74, 86, 92), (92, 84, 74), (70, 96, 74)), 12)
    haze = scene[horizon - 1, 0].astype(np.float64)
    ridges = 4
    for i in range(ridges):
        share = (i + 1) / ridges
        noise = canvas.fractal_noise(rng, 2, width, cell=width / rng.uniform(2, 5), octaves=6)[0]
        crest = horizon * (0.35 + 0.5 * share) - (noise - 0.5) * 0.42 * height * (1.1 - 0.7 * share)
        ridge = np.vstack([np.stack([np.arange(width), crest], 1), [[width, height], [0, height]]])
        canvas.polygon(scene, ridge, rock * share + haze * (1 - share))
    ground = scene[horizon:]
    ground[:] = canvas.jitter(rng, (124, 116, 92), 16)
    canvas.texture(rng, ground, strength=0.18, cell=24)
    _winding_road(rng, scene, horizon)
    return scene


def row_houses(rng: np.random.Generator, height: int, width: int, horizon: int) -> np.ndarray:
    """Gabled houses seen from the front behind a picket fence."""
    scene = canvas.vertical_gradient(
        height, width, canvas.jitter(rng, (150, 184, 220)), canvas.jitter(rng, (214, 222, 226))
    )
    ground = round(min(horizon + 0.12 * height, 0.9 * height))
    scene[ground:] = canvas.jitter(rng, (140, 138, 128), 14)
    x = -rng.uniform(0, 0.2) * width
    while x < width:
        wide = rng.uniform(0.16, 0.34) * width
        _house(rng, scene, x, ground, wide, rng.uniform(0.35, 0.6) * height)
        x += wide * rng.uniform(1.0, 1.15)
    canvas.texture(rng, scene[ground:], strength=0.14, cell=14)
    if rng.random() < 0.6:
        white = canvas.jitter(rng, (216, 212, 204), 14)
        tall, step = 0.09 * height, rng.uniform(9, 18)
        for post in np.arange(0, width, step):
            canvas.rectangle(scene, post, ground - tall, post + 0.45 * step, ground + 4, white)
        canvas.rectangle(scene, 0, ground - 0.7 * tall, width, ground - 0.6 * tall, white)
    return scene


def stone_wall(rng: np.random.Generator, height: int, width: int, horizon: int) -> np.ndarray:
    """Irregular stones: the cells nearest to scattered seeds, dark joints between them."""
    size = rng.uniform(22, 60)
    rows, columns = int(height / size) + 1, int(width / size) + 1
    grid = np.mgrid[0:rows, 0:columns].reshape(2, -1).T
    seeds = ((grid + rng.uniform(0.1, 0.9, grid.shape)) * size).astype(int)
    empty = np.full((height, width), 255, np.uint8)
    empty[np.minimum(seeds[:, 0], height - 1), np.minimum(seeds[:, 1], width - 1)] = 0
    _, stones = cv2.distanceTransformWithLabels(
        empty, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    tones = rng.normal(0, 16, (len(seeds) + 1, 1)) + canvas.jitter(rng, (142, 134, 120), 18)
    scene = np.clip(tones, 0, 255).astype(np.uint8)[stones]
    joints = np.zeros((height, width), np.float32)
    joints[:, 1:] = stones[:, 1:] != stones[:, :-1]
    joints[1:] = np.maximum(joints[1:], stones[1:] != stones[:-1])
    joints = cv2.GaussianBlur(joints, (0, 0), size / 22)
    canvas.shade(scene, 1 - 0.75 * np.clip(joints * size / 7, 0, 1))
    canvas.texture(rng, scene, strength=0.15, cell=20)
    return scene


def forest(rng: np.random.Generator, height: int, width: int, horizon: int) -> np.ndarray:
    """Trunks in the mist, near ones dark and thick, needles above."""
    mist = canvas.pick_colour(rng, ((186, 196, 188), (150, 170, 150), (206, 196, 170)), 12)
    scene = canvas.vertical_gradient(height, width, (mist * 0.8).astype(np.uint8), mist)
    scene[horizon:] = canvas.jitter(rng, (92, 84, 58), 14)
    bark = canvas.jitter(rng, (66, 54, 44), 10)
    for depth in np.linspace(0.1, 1, 26):
        x = rng.uniform(0, width)
        thick = (0.01 + 0.05 * depth * rng.uniform(0.6, 1.2)) * width
        foot = horizon + depth**2 * 0.5 * (height - horizon)
        lean = rng.normal(0, 0.02) * width
        trunk = np.array([[x - thick / 2, foot], [x + thick / 2, foot], [x + lean + thick / 3, 0]])
        trunk = np.vstack([trunk, [[x + lean - thick / 3, 0]]])
        canvas.polygon(scene, trunk, bark * depth + mist * (1 - depth))
    canopy = canvas.fractal_noise(rng, height, width, cell=70, octaves=6)
    fall = np.linspace(0.75, -0.25, height, dtype=np.float32)[:, None]
    canvas.mix(
        scene, canvas.jitter(rng, (50, 72, 44), 12), np.clip((canopy + fall - 0.75) * 5, 0, 0.9)
    )
    canvas.texture(rng, scene, strength=0.22, cell=14)
    return scene


def concrete(rng: np.random.Generator, height: int, width: int, horizon: int) -> np.ndarray:
    """Cast panels with seams, stains that run down, and a scribble."""
    scene = canvas.flat(height, width, canvas.jitter(rng, (158, 156, 150), 22))
    canvas.texture(rng, scene, strength=0.12, cell=width / 3)
    canvas.texture(rng, scene, strength=0.08, cell=5)
    runs = canvas.fractal_noise(rng, 2, width, cell=24, octaves=4)
    runs = cv2.resize(runs, (width, height))
    length = np.linspace(1.0, 0.2, height, dtype=np.float32)[:, None]
    canvas.shade(scene, 1 - 0.35 * np.clip((runs - 0.55) * 5, 0, 1) * length)
    panel = rng.uniform(0.25, 0.6) * width
    for x in np.arange(rng.uniform(0, panel), width, panel):
        canvas.rectangle(scene, x, 0, x + 2, height, (96, 94, 90))
    for y in np.arange(rng.uniform(0, panel), height, panel * 0.7):
        canvas.rectangle(scene, 0, y, width, y + 2, (104, 102, 98))
    if rng.random() < 0.6:
        start = rng.uniform(0.1, 0.8, 2) * [width, height]
        scribble = start + np.cumsum(rng.normal(0, 0.05 * width, (14, 2)), 0)
        canvas.polyline(scene, scribble, rng.integers(20, 235, 3), rng.uniform(2, 8))
    if rng.random() < 0.5:
        kerb = max(horizon, round(0.75 * height))
        scene[kerb:] = canvas.jitter(rng, (84, 84, 88), 10)
        canvas.texture(rng, scene[kerb:], strength=0.15, cell=8)
    return scene


def motorway(rng: np.random.Generator, height: int, width: int, horizon: int) -> np.ndarray:
    """A carriageway with lorries ahead."""
    scene = carriageway(rng, height, width, horizon)
    depth = height - horizon
    for _ in range(int(rng.integers(0, 3))):
        near = rng.uniform(0.06, 0.3)
        centre, foot = width / 2 + rng.choice([-1, 1]) * near * 0.6 * width, horizon + near * depth
        box = near * 0.6 * width
        canvas.rectangle(
            scene, centre - box / 2, foot - box, centre + box / 2, foot, rng.integers(40, 220, 3)
        )
        canvas.rectangle(
            scene, centre - box / 2, foot - 0.12 * box, centre + box / 2, foot, (40, 40, 42)
        )
    return scene


def carriageway(rng: np.random.Generator, height: int, width: int, horizon: int) -> np.ndarray:
    """An empty motorway with guard rails, sometimes with a bridge across it."""
    grey = canvas.jitter(rng, (188, 194, 202), 18)
    scene = canvas.vertical_gradient(height, width, (grey * 0.8).astype(np.uint8), grey)
    scene[horizon:] = canvas.jitter(rng, (108, 116, 84), 14)
    depth, x = height - horizon, width / 2
    canvas.polygon(
        scene,
        np.array(
            [[x - 8, horizon], [x + 8, horizon], [1.15 * width, height], [-0.15 * width, height]]
        ),
        canvas.jitter(rng, (112, 112, 114), 10),
    )
    for lane in (-0.1, 0.27, 0.73, 1.1):
        foot = lane * width
        marking = [[x, horizon], [foot - 4, height], [foot + 4, height]]
        canvas.polygon(scene, np.array(marking), (214, 214, 208))
    for side in (-1, 1):
        rail = [[x + side * 10, horizon], [x + side * 0.9 * width, horizon + 0.55 * depth]]
        foot = [[x + side * 0.9 * width, horizon + 0.72 * depth]]
        canvas.polygon(scene, np.array(rail + foot), canvas.jitter(rng, (168, 170, 172), 10))
    if rng.random() < 0.7:
        deck = horizon - rng.uniform(0.1, 0.3) * height
        tone = canvas.jitter(rng, (150, 146, 140), 14)
        for pillar in (0.06, 0.5, 0.94):
            canvas.rectangle(
                scene, pillar * width - 9, deck, pillar * width + 9, horizon + 6, tone * 0.8
            )
        canvas.rectangle(scene, 0, deck - 0.06 * height, width, deck, tone)
        canvas.rectangle(scene, 0, deck - 0.075 * height, width, deck - 0.06 * height, tone * 0.7)
    canvas.texture(rng, scene[horizon:], strength=0.1, cell=16)
    return scene


def facets(rng: np.random.Generator, height: int, width: int, horizon: int) -> np.ndarray:
    """Flat-shaded triangles over a jittered grid: abstract."""
    step = rng.uniform(0.08, 0.22) * width
    rows, columns = int(height / step) + 5, int(width / step) + 5
    grid = np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), -1) - 1.5
    points = (grid + rng.uniform(-0.35, 0.35, grid.shape)) * step
    scene = np.zeros((height, width, 3), np.uint8)
    first, second = canvas.muted(rng), canvas.muted(rng)
    for r in range(rows - 1):
        for c in range(columns - 1):
            a, b, d, e = points[r, c], points[r, c + 1], points[r + 1, c], points[r + 1, c + 1]
            for corners in ((a, b, d), (b, e, d)):
                share = np.clip((r / rows + c / columns) / 2 + rng.normal(0, 0.15), 0, 1)
                canvas.polygon(scene, np.array(corners), first * (1 - share) + second * share)
    return scene


BACKGROUNDS = (
    Background(mountain_pass, 0.20, ground=True),
    Background(row_houses, 0.22, ground=True),
    Background(stone_wall, 0.10, ground=False),
    Background(forest, 0.12, ground=True),
    Background(concrete, 0.10, ground=False),
    Background(motorway, 0.20, ground=True),
    Background(facets, 0.06, ground=False),
)


def _winding_road(rng: np.random.Generator, scene: np.ndarray, horizon: int) -> None:
    height, width = scene.shape[:2]
    depth = height - horizon
    if depth < 12:
        return
    t = np.linspace(0.02, 1, 40)  # 0 at the horizon
    sway = rng.uniform(0.1, 0.35) * width
    middle = width * rng.uniform(0.35, 0.65) + sway * np.sin(
        t * rng.uniform(3, 6) + rng.uniform(0, 6)
    ) * (1 - 0.6 * t)
    half = 0.42 * width * t**1.3
    rows = horizon + depth * t
    left, right = np.stack([middle - half, rows], 1), np.stack([middle + half, rows], 1)
    canvas.polygon(scene, np.vstack([left, right[::-1]]), canvas.jitter(rng, (88, 88, 94), 12))
    paint = canvas.jitter(rng, (224, 190, 90) if rng.random() < 0.5 else (222, 222, 216), 10)
    line_left = np.stack([middle - 0.03 * half, rows], 1)
    line_right = np.stack([middle + 0.03 * half, rows], 1)
    canvas.polygon(scene, np.vstack([line_left, line_right[::-1]]), paint)


def _house(
    rng: np.random.Generator, scene: np.ndarray, x: float, ground: int, wide: float, tall: float
) -> None:
    wall = canvas.pick_colour(
        rng,
        ((224, 206, 170), (196, 150, 130), (170, 186, 196), (232, 228, 220), (150, 164, 130)),
        14,
    )
    eaves = ground - tall * 0.62
    roof = np.array(
        [[x - 0.04 * wide, eaves], [x + wide / 2, ground - tall], [x + 1.04 * wide, eaves]]
    )
    canvas.rectangle(scene, x, eaves, x + wide, ground, wall)
    canvas.polygon(scene, roof, canvas.pick_colour(rng, ((120, 62, 50), (84, 82, 86)), 14))
    pane, frame = canvas.jitter(rng, (88, 104, 120), 18), canvas.jitter(rng, (238, 236, 230), 8)
    for column in (0.12, 0.62):
        for row in (0.12, 0.56):
            x0, y0 = x + column * wide, eaves + row * (ground - eaves)
            x1, y1 = x0 + 0.26 * wide, y0 + 0.26 * (ground - eaves)
            canvas.rectangle(scene, x0 - 2, y0 - 2, x1 + 2, y1 + 2, frame)
            canvas.rectangle(scene, x0, y0, x1, y1, pane)
            canvas.rectangle(scene, (x0 + x1) / 2 - 1, y0, (x0 + x1) / 2 + 1, y1, frame)
    door = rng.integers(40, 180, 3)
    canvas.rectangle(
        scene, x + 0.42 * wide, ground - 0.4 * (ground - eaves), x + 0.58 * wide, ground, door
    )
