"""The signs: eight classes, each with an outline and a new, clean face.

A sign has a plane of its own, in units where it fits into ``[-1, 1]²`` with y downwards.
``outline(kind)`` is its edge there. ``draw_face(kind, rng, size)`` paints the face on a square
sheet that covers ``[-1, 1]²``. A class of real signs has many versions (numbers, arrows,
pictograms, thick or thin rims); ``rng`` chooses among them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import cv2
import numpy as np

from utils.data.synthetic import canvas

RED, BLUE, YELLOW = (196, 24, 34), (16, 84, 170), (250, 190, 24)
WHITE, BLACK = (242, 242, 240), (22, 22, 24)
SPEEDS = (20, 30, 40, 50, 60, 70, 80, 90, 100, 110, 120)

SQUARE = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], np.float64)
DIAMOND = np.array([[0, -1], [1, 0], [0, 1], [-1, 0]], np.float64)
TRIANGLE = np.array([[0, -0.87], [1, 0.87], [-1, 0.87]], np.float64)  # point upwards
OCTAGON = canvas.circle_points(1 / np.cos(np.pi / 8), 8) @ np.array(
    [[np.cos(np.pi / 8), np.sin(np.pi / 8)], [-np.sin(np.pi / 8), np.cos(np.pi / 8)]]
)
ARROW = np.array(  # points upwards
    [[0, -0.68], [0.44, -0.16], [0.15, -0.16], [0.15, 0.66], [-0.15, 0.66], [-0.15, -0.16]]
    + [[-0.44, -0.16]]
)


class Sheet:
    """A square picture addressed in the sign's own units."""

    def __init__(self, size: int, colour: np.ndarray) -> None:
        self.picture = canvas.flat(size, size, colour)
        self.half = size / 2

    def _pixels(self, points: np.ndarray) -> np.ndarray:
        return (np.asarray(points, np.float64) + 1) * self.half

    def polygon(self, points: np.ndarray, colour) -> None:
        canvas.polygon(self.picture, self._pixels(points), colour)

    def line(self, points: list, colour, thickness: float) -> None:
        canvas.polyline(self.picture, self._pixels(points), colour, thickness * self.half)

    def disc(self, x: float, y: float, radius: float, colour) -> None:
        centre = self._pixels([x, y])
        canvas.disc(self.picture, (centre[0], centre[1]), radius * self.half, colour)

    def text(self, text: str, x0: float, y0: float, x1: float, y1: float, colour, weight=4) -> None:
        box = self._pixels([[x0, y0], [x1, y1]]).ravel()
        canvas.write_text(self.picture, text, tuple(box), colour, weight)


def draw_stop(rng: np.random.Generator, size: int) -> np.ndarray:
    red, white = canvas.jitter(rng, RED), canvas.jitter(rng, WHITE, 6)
    sheet = Sheet(size, white)
    sheet.polygon(OCTAGON * rng.uniform(0.89, 0.95), red)
    width, height = rng.uniform(0.70, 0.80), rng.uniform(0.26, 0.36)
    sheet.text("STOP", -width, -height, width, height, white, int(rng.integers(3, 7)))
    return sheet.picture


def draw_yield(rng: np.random.Generator, size: int) -> np.ndarray:
    inside = WHITE if rng.random() < 0.85 else YELLOW
    sheet = Sheet(size, canvas.jitter(rng, RED))
    sheet.polygon(_inner_triangle(rng.uniform(0.50, 0.68)) * [1, -1], canvas.jitter(rng, inside, 6))
    return sheet.picture


def draw_speed_limit(rng: np.random.Generator, size: int) -> np.ndarray:
    sheet = Sheet(size, canvas.jitter(rng, RED))
    inner = rng.uniform(0.72, 0.82)
    sheet.disc(0, 0, inner, canvas.jitter(rng, WHITE, 6))
    number = str(canvas.pick(rng, SPEEDS))
    height = rng.uniform(0.34, 0.42) * (1 if len(number) == 2 else 0.88)
    width = min(0.27 * len(number), 0.62) * rng.uniform(0.9, 1.02)
    weight = int(rng.integers(3, 8))
    sheet.text(number, -width, -height, width, height, canvas.jitter(rng, BLACK, 6), weight)
    return sheet.picture


def draw_no_entry(rng: np.random.Generator, size: int) -> np.ndarray:
    white = canvas.jitter(rng, WHITE, 6)
    sheet = Sheet(size, white)
    sheet.disc(0, 0, rng.uniform(0.92, 1.0), canvas.jitter(rng, RED))
    width, height = rng.uniform(0.64, 0.76), rng.uniform(0.15, 0.21)
    sheet.polygon(SQUARE * [width, height], white)
    return sheet.picture


def draw_priority_road(rng: np.random.Generator, size: int) -> np.ndarray:
    sheet = Sheet(size, canvas.jitter(rng, BLACK if rng.random() < 0.5 else WHITE, 6))
    sheet.polygon(canvas.rounded(DIAMOND * 0.95, 0.09), canvas.jitter(rng, WHITE, 6))
    inner = rng.uniform(0.62, 0.72)
    sheet.polygon(canvas.rounded(DIAMOND * inner, 0.04), canvas.jitter(rng, YELLOW))
    return sheet.picture


def draw_pedestrian_crossing(rng: np.random.Generator, size: int) -> np.ndarray:
    white, black = canvas.jitter(rng, WHITE, 6), canvas.jitter(rng, BLACK, 6)
    sheet = Sheet(size, white if rng.random() < 0.5 else canvas.jitter(rng, BLUE))
    sheet.polygon(canvas.rounded(SQUARE * 0.94, 0.08), canvas.jitter(rng, BLUE))
    sheet.polygon(TRIANGLE * [0.80, 0.84] + [0, 0.02], white)
    for x in np.linspace(-0.42, 0.42, 4):  # the zebra
        sheet.line([[x, 0.50], [x * 1.28, 0.68]], black, 0.12)
    _walker(sheet, black, -1 if rng.random() < 0.5 else 1)
    return sheet.picture


def draw_mandatory_direction(rng: np.random.Generator, size: int) -> np.ndarray:
    blue, white = canvas.jitter(rng, BLUE), canvas.jitter(rng, WHITE, 6)
    sheet = Sheet(size, white if rng.random() < 0.7 else blue)
    sheet.disc(0, 0, 0.94, blue)
    version = canvas.pick(rng, ("plain", "plain", "plain", "bent", "fork", "circle"))
    side = -1 if rng.random() < 0.5 else 1
    if version == "plain":  # straight on, left, right, or pass on this side
        angle = canvas.pick(rng, (0, 90, -90, 135, -135))
        sheet.polygon(_turned(ARROW, angle), white)
    elif version == "bent":  # turn ahead
        sheet.line([[-0.25 * side, 0.6], [-0.25 * side, -0.15], [0.2 * side, -0.15]], white, 0.27)
        sheet.polygon(np.array([[0.12, -0.55], [0.66, -0.15], [0.12, 0.25]]) * [side, 1], white)
    elif version == "fork":  # straight on or to the side
        sheet.line([[-0.1 * side, 0.62], [-0.1 * side, -0.3]], white, 0.22)
        sheet.line([[-0.1 * side, 0.36], [0.36 * side, 0.1]], white, 0.18)
        sheet.polygon(np.array([[-0.45, -0.28], [-0.1, -0.74], [0.25, -0.28]]) * [side, 1], white)
        sheet.polygon(np.array([[0.24, -0.12], [0.72, -0.1], [0.44, 0.3]]) * [side, 1], white)
    else:  # roundabout
        for start in (0, 120, 240):
            angle = np.deg2rad(start + np.linspace(0, 62, 10)) * side
            arc = 0.5 * np.stack([np.cos(angle), np.sin(angle)], 1)
            sheet.line(arc, white, 0.2)
            tip, base = np.deg2rad(start + 98) * side, np.deg2rad(start + 58) * side
            head = [[r * np.cos(a), r * np.sin(a)] for r, a in ((0.5, tip), (0.76, base))]
            sheet.polygon(np.array([*head, [0.24 * np.cos(base), 0.24 * np.sin(base)]]), white)
    return sheet.picture


def draw_warning(rng: np.random.Generator, size: int) -> np.ndarray:
    inside = WHITE if rng.random() < 0.75 else YELLOW
    sheet = Sheet(size, canvas.jitter(rng, RED))
    sheet.polygon(_inner_triangle(rng.uniform(0.62, 0.72)), canvas.jitter(rng, inside, 6))
    black = canvas.jitter(rng, BLACK, 6)
    canvas.pick(rng, (_exclamation, _bend, _junction, _hump, _narrowing))(
        sheet, black, -1 if rng.random() < 0.5 else 1
    )
    return sheet.picture


def _exclamation(sheet: Sheet, black: np.ndarray, side: int) -> None:
    sheet.polygon(np.array([[-0.13, -0.32], [0.13, -0.32], [0.08, 0.28], [-0.08, 0.28]]), black)
    sheet.disc(0, 0.45, 0.11, black)


def _bend(sheet: Sheet, black: np.ndarray, side: int) -> None:
    points = np.array([[-0.20, 0.56], [-0.20, 0.36], [0.12, 0.16], [0.12, 0.04]])
    sheet.line(points * [side, 1], black, 0.17)
    head = np.array([[-0.10, 0.08], [0.12, -0.22], [0.34, 0.08]])
    sheet.polygon(head * [side, 1], black)


def _junction(sheet: Sheet, black: np.ndarray, side: int) -> None:
    sheet.line([[0, -0.24], [0, 0.56]], black, 0.20)
    sheet.line([[-0.36, 0.24], [0.36, 0.24]], black, 0.14)


def _hump(sheet: Sheet, black: np.ndarray, side: int) -> None:
    x = np.linspace(-0.48, 0.48, 33)
    bumps = 0.34 - 0.30 * np.sin(np.pi * (x + 0.48) / 0.48) ** 2
    sheet.polygon(np.stack([[*x, 0.52, -0.52], [*bumps, 0.54, 0.54]], 1), black)


def _narrowing(sheet: Sheet, black: np.ndarray, side: int) -> None:
    for mirror in (-1, 1):
        points = np.array([[0.30, 0.56], [0.30, 0.34], [0.12, 0.16], [0.12, -0.12]])
        sheet.line(points * [mirror, 1], black, 0.13)


def _walker(sheet: Sheet, black: np.ndarray, side: int) -> None:
    """A walking figure, ``side`` +1 to the right."""

    def limb(points: list, thickness: float) -> None:
        sheet.line((np.array(points) * [side, 1]).tolist(), black, thickness)

    sheet.disc(0.02 * side, -0.36, 0.10, black)
    limb([[0.0, -0.20], [-0.03, 0.10]], 0.19)  # body
    limb([[0.0, -0.18], [0.20, 0.02], [0.30, -0.02]], 0.08)  # arms
    limb([[-0.02, -0.18], [-0.18, 0.04]], 0.08)
    limb([[0.0, 0.10], [0.14, 0.28], [0.16, 0.46]], 0.10)  # legs
    limb([[-0.03, 0.10], [-0.10, 0.28], [-0.26, 0.44]], 0.10)


def _inner_triangle(scale: float) -> np.ndarray:
    """The upright triangle shrunk about its centroid, so that the rim is even."""
    centroid = TRIANGLE.mean(0)
    return canvas.rounded((TRIANGLE - centroid) * scale + centroid, 0.03)


def _turned(points: np.ndarray, degrees: float) -> np.ndarray:
    """Points turned clockwise about the origin."""
    c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    return points @ np.array([[c, s], [-s, c]])


FACES: dict[str, Callable[[np.random.Generator, int], np.ndarray]] = {
    "mandatory_direction": draw_mandatory_direction,
    "no_entry": draw_no_entry,
    "pedestrian_crossing": draw_pedestrian_crossing,
    "priority_road": draw_priority_road,
    "speed_limit": draw_speed_limit,
    "stop": draw_stop,
    "warning": draw_warning,
    "yield": draw_yield,
}
CLASSES = tuple(FACES)  # alphabetical, as a reader without a classes file orders them


@lru_cache(maxsize=len(CLASSES))
def outline(kind: str) -> np.ndarray:
    """(P, 2) points of the sign's edge in its own units, inside ``[-1, 1]²``."""
    if kind in ("mandatory_direction", "no_entry", "speed_limit"):
        points = canvas.circle_points()
    elif kind == "stop":
        points = OCTAGON.copy()
    elif kind == "pedestrian_crossing":
        points = canvas.rounded(SQUARE, 0.12)
    elif kind == "priority_road":
        points = canvas.rounded(DIAMOND, 0.12)
    else:
        upright = canvas.rounded(TRIANGLE, 0.10)
        points = upright * [1, -1] if kind == "yield" else upright
    points.setflags(write=False)
    return points


def draw_face(kind: str, rng: np.random.Generator, size: int) -> np.ndarray:
    """A new sign's face, uint8 RGB (size, size, 3), drawn at twice the size and averaged down."""
    return cv2.resize(FACES[kind](rng, 2 * size), (size, size), interpolation=cv2.INTER_AREA)
