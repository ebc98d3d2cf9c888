"""Distractors and occluders of the training and validation splits. The test split uses neither.

Distractors are flat objects without a label, many of them easily mistaken for a sign; they hang
(``HUNG``) or stand on the ground (``STANDING``). ``OCCLUDERS`` stand in front of signs. Each
function paints a ``Patch`` for a sheet of ``size`` × ``size`` pixels.
"""

from __future__ import annotations

import cv2
import numpy as np

from utils.data.synthetic import canvas
from utils.data.synthetic.props import Patch, opaque
from utils.data.synthetic.signs import BLUE, DIAMOND, OCTAGON, RED, SQUARE, TRIANGLE

SLOGANS = ("SALE", "50%", "OPEN", "CAFE", "HOTEL", "TAXI", "BANK", "FRESH", "NEW", "BURGER")
TOWNS = ("Altdorf", "Centre", "Airport", "Westhafen", "Lyon", "A 40", "P+R", "Nord")


def advert(rng: np.random.Generator, size: int) -> Patch:
    """A billboard: two colours, a word, some discs."""
    picture = canvas.vertical_gradient(size, size, rng.integers(0, 256, 3), rng.integers(0, 256, 3))
    for _ in range(int(rng.integers(1, 5))):
        centre = tuple(rng.uniform(0, 1, 2) * size)
        canvas.disc(picture, centre, rng.uniform(0.05, 0.28) * size, rng.integers(0, 256, 3))
    y = rng.uniform(0.1, 0.6) * size
    box = (0.1 * size, y, 0.9 * size, y + rng.uniform(0.15, 0.3) * size)
    canvas.write_text(picture, canvas.pick(rng, SLOGANS), box, rng.integers(0, 256, 3))
    height = round(rng.uniform(0.45, 1.0) * size)
    return opaque(picture[:height])


def direction_board(rng: np.random.Generator, size: int) -> Patch:
    """A blue, green, white or yellow board with place names and an arrow."""
    tone = canvas.pick(rng, (BLUE, (20, 110, 70), (238, 238, 234), (246, 200, 40)))
    height = round(size * rng.uniform(0.3, 0.6))
    picture = canvas.flat(height, size, canvas.jitter(rng, tone))
    ink = np.array((20, 20, 20) if sum(tone) > 400 else (240, 240, 240))
    lines = int(rng.integers(1, 3))
    for i in range(lines):
        y = height * (i + 0.22) / lines
        canvas.write_text(
            picture,
            canvas.pick(rng, TOWNS),
            (0.08 * size, y, 0.68 * size, y + 0.56 * height / lines),
            ink,
        )
    tip = np.array([[0.94, 0.5], [0.8, 0.25], [0.8, 0.75]]) * [size, height]
    canvas.polygon(picture, tip, ink)
    return opaque(picture)


def number_plate(rng: np.random.Generator, size: int) -> Patch:
    """A white or yellow plate with letters and digits."""
    height = max(4, round(size * 0.24))
    tone = canvas.pick_colour(rng, ((240, 240, 236), (244, 206, 60)), 6)
    picture = canvas.flat(height, size, tone)
    letters = "".join(rng.choice(list("ABCDEFGHKLMNPRSTUVWXYZ"), 3)) + str(rng.integers(10, 999))
    box = (0.12 * size, 0.18 * height, 0.94 * size, 0.82 * height)
    canvas.write_text(picture, letters, box, (20, 20, 24))
    canvas.rectangle(picture, 0, 0, 0.08 * size, height, BLUE)
    return opaque(picture)


def plain_disc(rng: np.random.Generator, size: int) -> Patch:
    """A disc of one colour, mostly red; sometimes with the disc of a logo."""
    tones = (RED, RED, BLUE, (240, 240, 240), (30, 130, 70), (250, 190, 24))
    picture = canvas.flat(size, size, canvas.pick_colour(rng, tones))
    if rng.random() < 0.3:
        ring = rng.uniform(0.3, 0.8) * size / 2
        canvas.disc(picture, (size / 2, size / 2), ring, rng.integers(0, 256, 3))
    return picture, _cut(canvas.circle_points(0.98), size)


def plain_square(rng: np.random.Generator, size: int) -> Patch:
    """A blue square without a pictogram, or with a letter: parking, pharmacy."""
    tone = canvas.pick_colour(rng, (BLUE, BLUE, (20, 120, 60), (200, 30, 40)))
    picture = canvas.flat(size, size, tone)
    letter = canvas.pick(rng, ("", "P", "P", "i", "WC"))
    if letter:
        half = 0.14 * len(letter) + 0.06
        box = ((0.5 - half) * size, 0.2 * size, (0.5 + half) * size, 0.8 * size)
        canvas.write_text(picture, letter, box, (240, 240, 240), 6)
    return picture, _cut(canvas.rounded(SQUARE * 0.98, 0.1), size)


def plain_triangle(rng: np.random.Generator, size: int) -> Patch:
    """A triangle of one colour, either way up: a pennant, a gable ornament."""
    tone = canvas.pick(rng, (RED, (240, 190, 30), (240, 240, 240), BLUE, (30, 120, 60)))
    shape = canvas.rounded(TRIANGLE * 0.96, 0.05) * [1, rng.choice([-1, 1])]
    return canvas.flat(size, size, canvas.jitter(rng, tone)), _cut(shape, size)


def sign_back(rng: np.random.Generator, size: int) -> Patch:
    """A sign seen from behind: bare grey metal with two clamps."""
    picture = canvas.flat(size, size, canvas.jitter(rng, (142, 144, 146), 16))
    for y in (0.35, 0.62):
        canvas.rectangle(picture, 0.1 * size, y * size, 0.9 * size, (y + 0.05) * size, (104,) * 3)
    shape = canvas.pick(rng, (canvas.circle_points(0.98), OCTAGON * 0.98, TRIANGLE * 0.98))
    return picture, _cut(shape, size)


def no_parking(rng: np.random.Generator, size: int) -> Patch:
    """Blue disc, red ring and slash: a real sign, but of no class in the dataset."""
    picture = canvas.flat(size, size, canvas.jitter(rng, RED))
    canvas.disc(picture, (size / 2, size / 2), 0.39 * size, canvas.jitter(rng, BLUE))
    ends = np.array([[0.22, 0.22], [0.78, 0.78]]) * size
    canvas.polyline(picture, ends, canvas.jitter(rng, RED), 0.11 * size)
    if rng.random() < 0.5:
        canvas.polyline(picture, ends * [-1, 1] + [size, 0], canvas.jitter(rng, RED), 0.11 * size)
    return picture, _cut(canvas.circle_points(0.98), size)


def blank_diamond(rng: np.random.Generator, size: int) -> Patch:
    """A diamond of one colour: a freight placard."""
    tone = canvas.pick_colour(rng, ((236, 110, 30), RED, (240, 240, 240), (60, 140, 70)))
    return canvas.flat(size, size, tone), _cut(DIAMOND * 0.98, size)


def street_lamp(rng: np.random.Generator, size: int) -> Patch:
    """A lamp head on an arm, lit or not."""
    mask = np.zeros((size, size), np.uint8)
    picture = canvas.flat(size, size, canvas.jitter(rng, (70, 74, 78), 14))
    line = np.array([[0.2, 1.0], [0.2, 0.25], [0.3, 0.12], [0.7, 0.1]]) * size
    canvas.polyline(mask, line, 255, 0.05 * size)
    glow = canvas.jitter(rng, (250, 240, 200), 8)
    canvas.disc(picture, (0.76 * size, 0.14 * size), 0.14 * size, glow)
    canvas.disc(mask, (0.76 * size, 0.14 * size), 0.11 * size, 255)
    return picture, canvas.alpha(mask)


def traffic_light(rng: np.random.Generator, size: int) -> Patch:
    """Three lamps in a dark housing, one of them lit."""
    width = max(6, round(0.42 * size))
    picture = canvas.flat(size, width, canvas.jitter(rng, (36, 38, 40), 8))
    lit = int(rng.integers(3))
    for i, colour in enumerate(((240, 40, 40), (250, 180, 30), (50, 220, 110))):
        tone = np.array(colour) * (1.0 if i == lit else 0.25)
        canvas.disc(picture, (width / 2, size * (0.19 + 0.31 * i)), 0.13 * size, tone)
    return opaque(picture)


def parked_van(rng: np.random.Generator, size: int) -> Patch:
    """A van seen from behind: windows, lamps, number plate."""
    picture = canvas.flat(size, size, canvas.jitter(rng, tuple(rng.integers(40, 225, 3)), 6))
    canvas.rectangle(picture, 0.12 * size, 0.1 * size, 0.88 * size, 0.4 * size, (58, 68, 80))
    canvas.rectangle(picture, 0.06 * size, 0.6 * size, 0.16 * size, 0.72 * size, RED)
    canvas.rectangle(picture, 0.84 * size, 0.6 * size, 0.94 * size, 0.72 * size, RED)
    canvas.rectangle(picture, 0.34 * size, 0.66 * size, 0.66 * size, 0.74 * size, (236,) * 3)
    canvas.rectangle(picture, 0, 0.84 * size, size, size, (40, 40, 42))
    mask = _cut(canvas.rounded(SQUARE * 0.99, 0.12), size)
    mask[round(0.9 * size) :, round(0.26 * size) : round(0.74 * size)] = 0  # between the wheels
    return picture, mask


def hoarding(rng: np.random.Generator, size: int) -> Patch:
    """An advert on two legs."""
    board, _ = advert(rng, size)
    board = board[: round(0.6 * size)]
    picture = canvas.flat(size, size, canvas.jitter(rng, (96, 96, 98), 14))
    mask = np.zeros((size, size), np.float32)
    picture[: len(board)] = board
    mask[: len(board)] = 1
    for x in (0.2, 0.75):
        mask[:, round(x * size) : round((x + 0.05) * size)] = 1
    return picture, mask


HUNG = (  # on a wall, on a wire or on a pole of its own
    advert,
    direction_board,
    number_plate,
    plain_disc,
    plain_square,
    plain_triangle,
    sign_back,
    no_parking,
    blank_diamond,
)
STANDING = (parked_van, hoarding, street_lamp, traffic_light)  # on the ground


def shrub(rng: np.random.Generator, size: int) -> Patch:
    """A young tree: a crown of leaves on a stem."""
    tone = canvas.pick_colour(rng, ((70, 112, 46), (104, 122, 50), (150, 104, 44)), 12)
    tall = round(3.6 * size)
    picture, mask = canvas.flat(tall, size, tone), np.zeros((tall, size), np.uint8)
    stem = np.array([[0.5, 0.4], [0.46, 1.2], [0.52, 3.6]]) * size
    canvas.polyline(picture, stem, (84, 66, 48), 0.07 * size)
    canvas.polyline(mask, stem, 255, 0.05 * size)
    for _ in range(90):
        x, y = np.clip(rng.normal(0.5, 0.2, 2), 0.1, 0.9) * size
        axes = (max(1, round(rng.uniform(0.05, 0.1) * size)), max(1, round(0.035 * size)))
        angle = rng.uniform(0, 180)
        colour = np.clip(tone * rng.uniform(0.6, 1.3), 0, 255).tolist()
        cv2.ellipse(picture, (int(x), int(y)), axes, angle, 0, 360, colour, -1, cv2.LINE_AA)
        cv2.ellipse(mask, (int(x), int(y)), axes, angle, 0, 360, 255, -1, cv2.LINE_AA)
    return picture, canvas.alpha(mask)


def post(rng: np.random.Generator, size: int) -> Patch:
    """A round post, lighter on one side."""
    width = max(2, round(size * rng.uniform(0.14, 0.26)))
    tone = canvas.pick_colour(rng, ((128, 130, 132), (92, 70, 50), (60, 62, 64)), 12)
    profile = 0.6 + 0.6 * np.sin(np.linspace(0.2, 2.9, width))
    row = np.clip(tone * profile[:, None], 0, 255).astype(np.uint8)
    return np.repeat(row[None], 4 * size, 0), np.ones((4 * size, width), np.float32)


def van(rng: np.random.Generator, size: int) -> Patch:
    """A van that passes in front."""
    return parked_van(rng, round(1.7 * size))


OCCLUDERS = (shrub, post, van)  # tall ones beside the middle of a sign, wide ones from below


def _cut(shape: np.ndarray, size: int) -> np.ndarray:
    """Alpha of a shape given in ``[-1, 1]²``."""
    mask = np.zeros((size, size), np.uint8)
    canvas.polygon(mask, (shape + 1) * size / 2, 255)
    return canvas.alpha(mask)
