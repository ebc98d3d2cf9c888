"""Distractors and occluders of the test split.

Same contract as ``clutter_train``, but all objects are different.
"""

from __future__ import annotations

import numpy as np

from utils.data.synthetic import canvas
from utils.data.synthetic.props import Patch, opaque

SHOPS = ("BOOKS", "Pizza", "Optik", "TOYS", "Salon", "Bakery", "24h", "KINO", "Shoes")


def shop_sign(rng: np.random.Generator, size: int) -> Patch:
    """A long fascia with a shop's name and a stripe."""
    height = max(4, round(size * rng.uniform(0.22, 0.38)))
    picture = canvas.flat(height, size, rng.integers(20, 240, 3))
    canvas.rectangle(picture, 0, 0.86 * height, size, height, rng.integers(20, 240, 3))
    name = canvas.pick(rng, SHOPS)
    canvas.write_text(
        picture,
        name,
        (0.1 * size, 0.2 * height, 0.9 * size, 0.72 * height),
        rng.integers(0, 256, 3),
    )
    return opaque(picture)


def clock(rng: np.random.Generator, size: int) -> Patch:
    """A station clock: pale face, dark rim, ticks and hands."""
    picture = canvas.flat(size, size, canvas.jitter(rng, (44, 46, 50), 12))
    middle = np.array([size / 2, size / 2])
    canvas.disc(picture, tuple(middle), 0.43 * size, canvas.jitter(rng, (238, 236, 228), 8))
    for hour in range(12):
        way = np.array([np.cos(hour * np.pi / 6), np.sin(hour * np.pi / 6)]) * size
        canvas.polyline(picture, middle + way * [[0.34], [0.39]], (30, 30, 32), 0.03 * size)
    for reach, thick in ((0.22, 0.05), (0.33, 0.03)):
        angle = rng.uniform(0, 2 * np.pi)
        tip = middle + reach * size * np.array([np.cos(angle), np.sin(angle)])
        canvas.polyline(picture, np.stack([middle, tip]), (24, 24, 26), thick * size)
    mask = np.zeros((size, size), np.uint8)
    canvas.disc(mask, tuple(middle), 0.49 * size, 255)
    return picture, canvas.alpha(mask)


def balloon(rng: np.random.Generator, size: int) -> Patch:
    """A toy balloon with a highlight and a string, red, blue or any colour."""
    tones = ((206, 30, 40), (30, 80, 180), tuple(rng.integers(30, 240, 3)))
    picture = canvas.flat(size, size, canvas.pick_colour(rng, tones))
    canvas.disc(picture, (0.38 * size, 0.24 * size), 0.07 * size, (250, 250, 250))
    mask = np.zeros((size, size), np.uint8)
    canvas.polygon(mask, (canvas.circle_points() * [0.31, 0.38] + [0.5, 0.4]) * size, 255)
    string = np.array([[0.5, 0.78], [0.47, 0.88], [0.52, 1.0]]) * size
    canvas.polyline(mask, string, 255, 0.015 * size)
    return picture, canvas.alpha(mask)


def awning(rng: np.random.Generator, size: int) -> Patch:
    """A striped awning with a scalloped edge."""
    height = max(4, round(0.45 * size))
    stripes = int(rng.integers(5, 11))
    tones = np.stack([canvas.jitter(rng, (236, 234, 228), 6), rng.integers(30, 220, 3)])
    column = (np.arange(size) * stripes // size) % 2
    picture = np.repeat(tones.astype(np.uint8)[column][None], height, 0)
    mask = np.zeros((height, size), np.uint8)
    mask[: round(0.75 * height)] = 255
    step = size / stripes
    for i in range(stripes):
        canvas.disc(mask, ((i + 0.5) * step, 0.75 * height), step / 2, 255)
    return picture, canvas.alpha(mask)


def traffic_cone(rng: np.random.Generator, size: int) -> Patch:
    """An orange cone with white bands."""
    picture = canvas.flat(size, size, canvas.jitter(rng, (236, 96, 30), 12))
    canvas.rectangle(picture, 0, 0.32 * size, size, 0.46 * size, (238, 238, 234))
    canvas.rectangle(picture, 0, 0.6 * size, size, 0.72 * size, (238, 238, 234))
    mask = np.zeros((size, size), np.uint8)
    cone = np.array([[0.46, 0.04], [0.54, 0.04], [0.76, 0.9], [0.24, 0.9]]) * size
    canvas.polygon(mask, cone, 255)
    canvas.rectangle(mask, 0.12 * size, 0.9 * size, 0.88 * size, 0.97 * size, 255)
    return picture, canvas.alpha(mask)


def tent(rng: np.random.Generator, size: int) -> Patch:
    """A ridge tent or beach flag: a two-tone triangle."""
    picture = canvas.flat(size, size, rng.integers(40, 235, 3))
    canvas.rectangle(picture, size / 2, 0, size, size, rng.integers(40, 235, 3))
    mask = np.zeros((size, size), np.uint8)
    wide = rng.uniform(0.3, 0.5)
    shape = np.array([[0.5, 0.1], [0.5 + wide, 0.88], [0.5 - wide, 0.88]]) * size
    canvas.polygon(mask, shape, 255)
    return picture, canvas.alpha(mask)


def window(rng: np.random.Generator, size: int) -> Patch:
    """A blue-glazed window with glazing bars."""
    picture = canvas.flat(size, size, canvas.jitter(rng, (230, 228, 222), 8))
    glass = canvas.jitter(rng, (60, 100, 160), 20)
    count = int(rng.integers(1, 4))
    for row in range(count):
        for column in range(count):
            x0, y0 = (column + 0.1) / count * size, (row + 0.1) / count * size
            x1, y1 = (column + 0.9) / count * size, (row + 0.9) / count * size
            canvas.rectangle(picture, x0, y0, x1, y1, glass * rng.uniform(0.8, 1.1))
    return opaque(picture)


def hospital(rng: np.random.Generator, size: int) -> Patch:
    """A blue board with an H or a cross: a real sign, but of no class in the dataset."""
    picture = canvas.flat(size, size, canvas.jitter(rng, (24, 80, 160)))
    letter = canvas.pick(rng, ("H", "+", "M", "U"))
    canvas.write_text(
        picture, letter, (0.24 * size, 0.2 * size, 0.76 * size, 0.8 * size), (240,) * 3, 8
    )
    return opaque(picture)


def letter_box(rng: np.random.Generator, size: int) -> Patch:
    """A red or yellow box with a slot."""
    wide = max(4, round(0.66 * size))
    tone = canvas.pick_colour(rng, ((196, 30, 36), (244, 196, 40)))
    picture = canvas.flat(size, wide, tone)
    canvas.rectangle(picture, 0.14 * wide, 0.2 * size, 0.86 * wide, 0.27 * size, (24, 24, 26))
    canvas.rectangle(picture, 0.3 * wide, 0.5 * size, 0.7 * wide, 0.72 * size, (236, 234, 226))
    return opaque(picture)


def tail_lamps(rng: np.random.Generator, size: int) -> Patch:
    """Two glowing red lamps side by side."""
    height = max(4, round(0.4 * size))
    picture = canvas.flat(height, size, canvas.jitter(rng, (210, 26, 30)))
    mask = np.zeros((height, size), np.uint8)
    for x in (0.18, 0.82):
        canvas.disc(mask, (x * size, height / 2), 0.15 * size, 255)
        canvas.disc(picture, (x * size, height / 2), 0.07 * size, (255, 150, 130))
    return picture, canvas.alpha(mask)


HUNG = (shop_sign, clock, balloon, awning, window, hospital, tail_lamps)  # up in the scene
STANDING = (traffic_cone, tent, letter_box)  # on the ground


def spruce(rng: np.random.Generator, size: int) -> Patch:
    """A young spruce: whorls of hanging branches, wider towards the foot."""
    tone = canvas.jitter(rng, (44, 78, 54), 12)
    tall = round(3.4 * size)
    picture, mask = canvas.flat(tall, size, tone), np.zeros((tall, size), np.uint8)
    canvas.polyline(mask, np.array([[0.5, 0.02], [0.5, 3.4]]) * size, 255, 0.05 * size)
    for t in np.linspace(0.03, 1, 40):
        root = np.array([0.5, 0.05 + 1.9 * t]) * size
        for side in (-1, 1):
            reach = (0.06 + 0.4 * t) * rng.uniform(0.7, 1.1)
            tip = root + np.array([side * reach, 0.12 + 0.15 * t]) * size
            branch = np.stack([root, tip])
            shade = np.clip(tone * rng.uniform(0.7, 1.4), 0, 255)
            canvas.polyline(mask, branch, 255, 0.05 * size)
            canvas.polyline(picture, branch, shade, 0.04 * size)
    return picture, canvas.alpha(mask)


def lattice(rng: np.random.Generator, size: int) -> Patch:
    """A lattice mast: two legs and the zigzag between them."""
    tall, width = 4 * size, max(6, round(0.42 * size))
    picture = canvas.flat(tall, width, canvas.jitter(rng, (108, 112, 116), 14))
    mask = np.zeros((tall, width), np.uint8)
    thick = max(1.0, 0.05 * size)
    for x in (thick / 2, width - thick / 2):
        canvas.polyline(mask, np.array([[x, 0], [x, tall]]), 255, thick)
    y = np.arange(0, tall + width, width)
    zigzag = np.stack([np.where(np.arange(len(y)) % 2, width - thick, thick), y], 1)
    canvas.polyline(mask, zigzag, 255, thick)
    return picture, canvas.alpha(mask)


def flag(rng: np.random.Generator, size: int) -> Patch:
    """A banded flag on a mast, its cloth waving to one side."""
    tones = rng.integers(20, 240, (3, 3)).astype(np.uint8)
    tall, cloth = round(3.6 * size), round(0.6 * size)
    mast = max(1, round(0.06 * size))
    picture = canvas.flat(tall, size, (120, 122, 124))
    picture[:cloth, mast:] = tones[np.arange(cloth) * 3 // max(1, cloth)][:, None]
    mask = np.zeros((tall, size), np.uint8)
    mask[:, :mast] = 255
    x = np.linspace(0, 1, 24)
    wave = 0.06 * np.sin(x * rng.uniform(5, 9) + rng.uniform(0, 6))
    top, bottom = np.stack([x, 0.1 + wave], 1), np.stack([x, 0.88 + wave], 1)
    canvas.polygon(mask, np.vstack([top, bottom[::-1]]) * [size, cloth], 255)
    if rng.random() < 0.5:
        picture, mask = picture[:, ::-1].copy(), mask[:, ::-1].copy()
    return picture, canvas.alpha(mask)


OCCLUDERS = (spruce, lattice, flag)
