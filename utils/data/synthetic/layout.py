"""The plan of a scene: sizes and positions of its signs, decided before anything is drawn.

A third of the signs are small: their longest side is under 32 pixels once the photo is letterboxed
to 416 × 416. At most ``MAX_CUT`` of a sign lies outside the photo, and at most ``MAX_OVERLAP``
behind a nearer sign.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from utils.data.synthetic import canvas, pose
from utils.data.synthetic.signs import CLASSES, outline

REFERENCE_SIDE = 416  # sign sizes are drawn for a photo letterboxed to this square
SMALL = 32.0  # pixels at the reference; signs below are small
MIN_SIZE, MAX_SIZE = 14.5, 190.0
SMALL_SHARE = 0.345  # a little over a third, as small signs are placed last and may find no space
MAX_CUT, MAX_OVERLAP = 0.35, 0.30
EMPTY_SHARE = 0.05  # scenes without a sign

PHOTO_LONG_SIDES = (480, 544, 576, 608, 640, 640, 704, 768, 800)
PHOTO_ASPECTS = (4 / 3, 4 / 3, 4 / 3, 3 / 2, 3 / 2, 16 / 9, 16 / 9, 1.0, 3 / 4, 2 / 3)


@dataclass(frozen=True)
class SignPlan:
    """One sign to be drawn.

    Attributes:
        kind: class name.
        homography: (3, 3) from the sign's plane to pixels of the photo.
        box: float64 (4,), the projected outline's extent before clipping to the photo.
        pole: whether a pole leads from it to the ground; the lower sign of a pair has none.
    """

    kind: str
    homography: np.ndarray
    box: np.ndarray
    pole: bool

    @property
    def edge(self) -> np.ndarray:
        """(P, 2) outline in pixels of the photo."""
        return pose.project(self.homography, outline(self.kind))


@dataclass(frozen=True)
class ScenePlan:
    """A photo's size, its horizon row, and its signs from far to near."""

    width: int
    height: int
    horizon: int
    signs: tuple[SignPlan, ...]

    @property
    def boxes(self) -> np.ndarray:
        """float32 (N, 4): each outline's extent, clipped to the photo."""
        boxes = np.array([sign.box for sign in self.signs], np.float32).reshape(-1, 4)
        return np.clip(boxes, 0, [self.width, self.height] * 2).astype(np.float32)

    @property
    def smallest(self) -> float:
        """Longest side in pixels of the smallest sign; the photo's long side without signs."""
        sides = [max(s.box[2] - s.box[0], s.box[3] - s.box[1]) for s in self.signs]
        return float(min(sides, default=max(self.width, self.height)))


def plan_scene(rng: np.random.Generator) -> ScenePlan:
    """A random photo size, and one to six signs in nineteen of twenty scenes."""
    width, height = _photo_size(rng)
    horizon = round(height * rng.uniform(0.42, 0.72))
    count = 0
    if rng.random() >= EMPTY_SHARE:
        count = 1 + int(rng.choice(6, p=[0.26, 0.26, 0.20, 0.13, 0.09, 0.06]))
    groups = []  # (longest side, how many signs on the pole)
    while count > 0:
        together = 2 if count > 1 and rng.random() < 0.18 else 1
        groups.append((_side(rng), together))
        count -= together
    columns: list[list[SignPlan]] = []  # the signs of one pole each
    for side, together in sorted(
        groups, reverse=True
    ):  # large ones first: they need the most space
        side = min(side * max(width, height) / REFERENCE_SIDE, 0.62 * min(width, height))
        others = [sign for column in columns for sign in column]
        columns.append(_place(rng, others, width, height, horizon, side, together))
    # Far to near; within a column the upper sign first, since its pole is behind both.
    placed = sorted(filter(None, columns), key=lambda column: column[0].box[3] - column[0].box[1])
    return ScenePlan(width, height, horizon, tuple(sign for column in placed for sign in column))


def _photo_size(rng: np.random.Generator) -> tuple[int, int]:
    long_side, aspect = canvas.pick(rng, PHOTO_LONG_SIDES), canvas.pick(rng, PHOTO_ASPECTS)
    short_side = 2 * round(long_side / max(aspect, 1 / aspect) / 2)
    return (long_side, short_side) if aspect >= 1 else (short_side, long_side)


def _side(rng: np.random.Generator) -> float:
    """Longest side of a sign in pixels at the reference; log-uniform."""
    low, high = (MIN_SIZE, SMALL - 0.5) if rng.random() < SMALL_SHARE else (SMALL + 0.5, MAX_SIZE)
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def random_tilt(rng: np.random.Generator) -> np.ndarray:
    """Homography of a sign turned away from the camera, not yet scaled."""
    yaw = np.clip(rng.normal(0, 0.42), -0.96, 0.96)
    pitch, roll = rng.normal(0, 0.10), np.clip(rng.normal(0, 0.075), -0.22, 0.22)
    return pose.tilted_plane(yaw, pitch, roll, distance=rng.uniform(3.5, 14))


def _place(
    rng: np.random.Generator,
    others: list[SignPlan],
    width: int,
    height: int,
    horizon: int,
    side: float,
    together: int,
) -> list[SignPlan]:
    """``together`` (1 or 2) signs on one pole where they fit; empty if they fit nowhere."""
    tilt, pole = random_tilt(rng), bool(rng.random() < 0.82)
    kinds = [canvas.pick(rng, CLASSES) for _ in range(together)]
    crowded = rng.random() < 0.15  # may stand partly behind a nearer sign
    for attempt in range(40):
        column = _stack(tilt, kinds, side, pole)
        x = rng.uniform(0, width)
        if rng.random() < 0.5:  # near the horizon, as something that stands on the ground
            y = horizon - side * rng.uniform(0.0, 2.5)
        else:
            y = height * np.clip(rng.normal(0.40, 0.17), 0.02, 0.9)
        moved = [_moved(sign, x, y) for sign in column]
        slack = MAX_CUT if rng.random() < 0.12 else 0.0
        limit = MAX_OVERLAP if crowded else 0.0
        fits = all(
            _outside(sign.box, width, height) <= slack
            and all(_covered(sign.box, other.box) <= limit for other in others)
            for sign in moved
        )
        if fits:
            return moved
        if attempt == 20 and len(kinds) == 2:  # a pair may be too tall for this photo
            kinds = kinds[:1]
    return []


def _stack(tilt: np.ndarray, kinds: list[str], side: float, pole: bool) -> list[SignPlan]:
    """Signs on one pole under each other, the first with its middle at (0, 0)."""
    first = pose.scaled_to(tilt, outline(kinds[0]), side)
    homographies = [first]
    if len(kinds) == 2:  # in the plane of the first, below it
        drop = outline(kinds[0])[:, 1].max() - outline(kinds[1])[:, 1].min() + 0.12
        below = first @ np.array([[1, 0, 0], [0, 1, drop], [0, 0, 1]], np.float64)
        homographies.append(below)
    plans = []
    for i, (kind, homography) in enumerate(zip(kinds, homographies, strict=True)):
        box = pose.bounds(pose.project(homography, outline(kind)))
        plans.append(SignPlan(kind, homography, box, pole and i == 0))
    return plans


def _moved(sign: SignPlan, x: float, y: float) -> SignPlan:
    box = sign.box + np.array([x, y, x, y])
    return SignPlan(sign.kind, pose.shifted(sign.homography, x, y), box, sign.pole)


def _area(box: np.ndarray) -> float:
    return float(max(0, box[2] - box[0]) * max(0, box[3] - box[1]))


def _outside(box: np.ndarray, width: int, height: int) -> float:
    """Share of the box outside the photo."""
    return 1 - _area(np.clip(box, 0, [width, height, width, height])) / _area(box)


def _covered(box: np.ndarray, other: np.ndarray) -> float:
    """Share of the smaller box that the other one, grown by 2 pixels a side, covers."""
    gap = 2.0
    common = np.concatenate(
        [np.maximum(box[:2], other[:2] - gap), np.minimum(box[2:], other[2:] + gap)]
    )
    return _area(common) / min(_area(box), _area(other))
