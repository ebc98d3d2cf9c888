"""Drives whose truth is known: a camera on a road, signs that stand, are carried and are driven.

The world is flat and in metres: x to the right, y down, z ahead of the camera at the start. Some
objects hide others: trees and masts at the roadside, and the signs themselves. Nothing here needs
pixels; ``pictures`` draws a drive.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from utils.data.synthetic import canvas
from utils.data.synthetic.signs import CLASSES

WIDTH, HEIGHT = 640, 360
FOCAL = 520.0  # pixels
HORIZON = 0.52  # of the height
EYE = 1.2  # metres from the camera down to the road
NEAREST, FARTHEST = 3.0, 34.0  # metres from the camera: what lies between is in the truth
MIN_SIDE = 12.0  # pixels of the longer side: smaller objects are not in the truth
NARROWEST = 4.0  # pixels of the shorter side, of objects at the border of the picture
VISIBLE = 0.2  # share of an object that must be visible for it to be in the truth
KINDS = 3  # classes of a drive: few, so that neighbours are often of one class
CARRIED = 14  # signs that are carried across the road
SECONDS = 14.0
RATES = (30, 30, 25, 25, 15, 15, 12, 10, 30, 12)  # frames a second of each drive
UNEVEN = (8, 9)  # drives whose frames come at uneven times


@dataclass(frozen=True)
class Thing:
    """Something upright in the world.

    Attributes:
        kind: class of a sign; empty for what only hides signs.
        width, height: in metres.
        places: (T, 3) its middle in metres at the time of each frame.
        pole: whether a pole leads from it to the ground.
    """

    kind: str
    width: float
    height: float
    places: np.ndarray
    pole: bool


@dataclass(frozen=True)
class Drive:
    """A drive of T frames past N things, of which the signs are the objects to be tracked.

    Attributes:
        seed: tells the drives apart.
        times_s: (T,) seconds of the frames.
        things: the N things.
        shift: (T,) pixels by which the camera's yaw moves the picture to the right.
        whole_boxes: (N, T, 4) of each in pixels, beyond the picture too; NaN where it is too near
            or too far.
        boxes: the same, clipped to the picture; NaN where it is outside.
        depths: (N, T) metres from the camera.
        visible: (N, T) share of each clipped box that no nearer thing hides.
    """

    seed: int
    times_s: np.ndarray
    things: tuple[Thing, ...]
    shift: np.ndarray
    whole_boxes: np.ndarray
    boxes: np.ndarray
    depths: np.ndarray
    visible: np.ndarray

    @property
    def kinds(self) -> list[str]:
        """The class of each thing; empty for what only hides signs."""
        return [thing.kind for thing in self.things]

    def truth(self, frame: int) -> tuple[np.ndarray, np.ndarray]:
        """Numbers of the signs that count in a frame (M,), and their boxes (M, 4)."""
        signs = np.array([kind != "" for kind in self.kinds])
        boxes = self.boxes[:, frame]
        sides = boxes[:, 2:] - boxes[:, :2]
        large = (sides.max(axis=1) >= MIN_SIDE) & (sides.min(axis=1) >= NARROWEST)
        rows = np.flatnonzero(signs & large & (self.visible[:, frame] >= VISIBLE))
        return rows, boxes[rows]


def plan_drive(seed: int) -> Drive:
    """Drive ``seed``; 0 to 9 are those that are reported."""
    rng = np.random.default_rng([seed, 24])
    times = _times(rng, RATES[seed % len(RATES)], uneven=seed % len(RATES) in UNEVEN)
    camera = _travelled(rng, times, speed=rng.uniform(1.0, 4.0), varying=0.5)
    kinds = tuple(str(kind) for kind in rng.permutation(CLASSES)[:KINDS])
    things = (
        *_standing(rng, kinds, camera),
        *_carried(rng, kinds, times, camera),
        *_driven(rng, kinds, times, camera),
        *_hiding(rng, camera),
    )
    yaw = np.deg2rad(0.5) * np.sin(2 * np.pi * rng.uniform(0.2, 0.6) * times)
    shift = FOCAL * np.tan(yaw)
    whole, depths = _project(things, camera, shift)
    boxes = _clipped(whole)
    return Drive(seed, times, things, shift, whole, boxes, depths, _visible(boxes, depths))


def _times(rng: np.random.Generator, rate: int, *, uneven: bool) -> np.ndarray:
    """Times of frames; uneven ones leave out a third of the frames at random."""
    times = np.arange(round(SECONDS * rate)) / rate
    return times[rng.random(len(times)) > 1 / 3] if uneven else times


def _travelled(
    rng: np.random.Generator, times: np.ndarray, *, speed: float, varying: float
) -> np.ndarray:
    """(T,) metres, from 0, at a speed that varies by that share of itself; above 1 it turns."""
    rate, phase = 2 * np.pi * rng.uniform(0.08, 0.3), rng.uniform(0, 2 * np.pi)
    return speed * (times - varying / rate * (np.cos(rate * times + phase) - np.cos(phase)))


def _standing(rng: np.random.Generator, kinds: tuple[str, ...], camera: np.ndarray) -> list[Thing]:
    """Signs on poles at both sides of the road, every few metres."""
    things, z, side = [], rng.uniform(6, 9), 1.0
    while z < camera[-1] + FARTHEST:
        place = [side * rng.uniform(2.8, 4.5), EYE - rng.uniform(1.8, 2.4), z]
        size = rng.uniform(0.7, 0.95)
        places = np.tile(place, (len(camera), 1))
        things.append(Thing(canvas.pick(rng, kinds), size, size, places, pole=True))
        z, side = z + rng.uniform(2.0, 5.0), -side
    return things


def _carried(
    rng: np.random.Generator, kinds: tuple[str, ...], times: np.ndarray, camera: np.ndarray
) -> list[Thing]:
    """Signs carried across the road ahead, in both directions; some turn back on the way."""
    things = []
    for _ in range(CARRIED):
        middle = rng.integers(len(times))  # the frame in which it is in the middle of the road
        way = 1.0 if rng.random() < 0.5 else -1.0
        along = _travelled(rng, times, speed=rng.uniform(0.8, 3.0), varying=rng.uniform(0.2, 1.3))
        x = way * (along - along[middle])
        y = np.full_like(x, EYE - rng.uniform(1.2, 1.7))
        z = camera[middle] + rng.uniform(6, 18) + rng.normal(0, 0.3) * (times - times[middle])
        size = rng.uniform(0.6, 0.9)
        things.append(Thing(canvas.pick(rng, kinds), size, size, np.stack([x, y, z], 1), False))
    return things


def _driven(
    rng: np.random.Generator, kinds: tuple[str, ...], times: np.ndarray, camera: np.ndarray
) -> list[Thing]:
    """Signs on vehicles: ahead in the lane, overtaking, and two oncoming ones."""
    things = []
    for lane, start, speed in (
        (0.4, rng.uniform(8, 14), 0.0),  # metres to the right and ahead, and a second
        (-1.8, rng.uniform(2, 6), 1.2),
        (-2.0, rng.uniform(20, 50), -5.0),
        (-2.2, rng.uniform(40, 90), -8.0),
    ):
        x = lane + _travelled(rng, times, speed=0.15, varying=4.0)
        z = camera + start + speed * times + _travelled(rng, times, speed=0.3, varying=3.0)
        places = np.stack([x, np.full_like(x, EYE - 1.1), z], axis=1)
        size = rng.uniform(0.8, 1.1)
        things.append(Thing(canvas.pick(rng, kinds), size, size, places, pole=False))
    return things


def _hiding(rng: np.random.Generator, camera: np.ndarray) -> list[Thing]:
    """Trees and masts close to the road."""
    things, z = [], rng.uniform(5, 8)
    while z < camera[-1] + 0.7 * FARTHEST:
        side = 1.0 if rng.random() < 0.5 else -1.0
        width, height = rng.uniform(0.5, 1.3), rng.uniform(2.5, 4.0)
        place = [side * rng.uniform(1.6, 3.2), EYE - height / 2, z]
        things.append(Thing("", width, height, np.tile(place, (len(camera), 1)), pole=False))
        z += rng.uniform(3.0, 7.0)
    return things


def _project(
    things: tuple[Thing, ...], camera: np.ndarray, shift: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Boxes (N, T, 4), NaN for what is too near or too far, and depths (N, T)."""
    places = np.stack([thing.places for thing in things])  # (N, T, 3)
    depths = places[..., 2] - camera
    scale = FOCAL / np.where(depths > 0.1, depths, np.nan)
    u = WIDTH / 2 + scale * places[..., 0] + shift
    v = HORIZON * HEIGHT + scale * places[..., 1]
    half = 0.5 * np.array([[thing.width, thing.height] for thing in things])  # (N, 2)
    w, h = scale * half[:, None, 0], scale * half[:, None, 1]
    boxes = np.stack([u - w, v - h, u + w, v + h], axis=-1)
    boxes[(depths < NEAREST) | (depths > FARTHEST)] = np.nan
    return boxes, depths


def _clipped(boxes: np.ndarray) -> np.ndarray:
    """Boxes (N, T, 4) clipped to the picture; NaN outside."""
    clipped = np.clip(boxes, 0, [WIDTH, HEIGHT, WIDTH, HEIGHT])
    clipped[(clipped[..., 2:] <= clipped[..., :2]).any(axis=-1)] = np.nan
    return clipped


def _visible(boxes: np.ndarray, depths: np.ndarray) -> np.ndarray:
    """(N, T) share of each box that no nearer one covers, on a grid of points in it."""
    n, frames = depths.shape
    steps = (np.arange(10) + 0.5) / 10
    fx, fy = (part.ravel() for part in np.meshgrid(steps, steps))
    shares = np.zeros((n, frames))
    for t in range(frames):
        seen = np.flatnonzero(np.isfinite(boxes[:, t, 0]))
        x0, y0, x1, y1 = boxes[seen, t].T[..., None]  # (M, 1) each
        x, y = x0 + fx * (x1 - x0), y0 + fy * (y1 - y0)  # (M, 100)
        for i, row in enumerate(seen):
            nearer = depths[seen, t] < depths[row, t]
            covered = (
                (x[i] > x0[nearer])
                & (x[i] < x1[nearer])
                & (y[i] > y0[nearer])
                & (y[i] < y1[nearer])
            )
            shares[row, t] = 1 - covered.any(axis=0).mean()
    return shares
