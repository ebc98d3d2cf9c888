"""One picture: where its objects lie, in which order, and how much of each is visible.

A picture depends on its seed, split and index, and on the available drawings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import cv2
import numpy as np

from bench.pretraining import appearance, shapes
from bench.pretraining.backgrounds import paint
from bench.pretraining.class_table import CLASSES, MILD, SHAPE_CLASSES, turning
from bench.pretraining.drawings import Pool
from bench.pretraining.placement import OWN, Patch, Pose, clip, render, tight_box
from bench.pretraining.textures import SPLIT_IDS, Textures, colour, log_uniform, pick, weighted

MIN_SIDE = 6.0  # pixels: shorter boxes are not labelled
INVISIBLE, DIFFICULT = 0.10, 0.25  # visible shares below which an item is no object, or difficult
OPAQUE = 128  # alpha from which an item hides what is behind it
PLAIN = 17.0  # grey levels by which an item must differ from its background
SHAPES = 0.12  # share of items that are computed shapes


@dataclass
class SyntheticPicture:
    """A picture with its labels.

    Attributes:
        image: BGR uint8 (H, W, 3).
        boxes: float64 (N, 4), x0, y0, x1, y1 in continuous pixels, clipped to the picture.
        labels: class ids, indices into ``CLASSES``, (N,).
        difficult: bool (N,): little of the object is visible.
    """

    image: np.ndarray
    boxes: np.ndarray
    labels: np.ndarray
    difficult: np.ndarray


@dataclass
class Item:
    """An object to be pasted."""

    label: str
    drawing: np.ndarray  # premultiplied BGRA uint8
    look: appearance.Look
    pose: Pose


@dataclass
class Composite:
    """The unfinished picture.

    Attributes:
        canvas: BGR uint8 (H, W, 3).
        top: int16 (H, W), number of the topmost opaque item, −1 for the background.
        items: label, box, patch and own pixels by number; None for an unlabelled foreground.
    """

    canvas: np.ndarray
    top: np.ndarray
    items: list[tuple[str, tuple, Patch, np.ndarray] | None] = field(default_factory=list)


class Assets:
    """The drawings and textures of a split, and the choice of the next item."""

    def __init__(self, pool: Pool, textures: Textures):
        self.pool = pool
        self.textures = textures
        self._labels = [label for label in CLASSES if label in pool.by_class]

    def choose(self, rng: np.random.Generator) -> str:
        """A random class: ``SHAPES`` of the time a shape, otherwise any drawn class."""
        options = SHAPE_CLASSES if rng.random() < SHAPES or not self._labels else self._labels
        return pick(rng, options)

    def drawing(self, rng: np.random.Generator, label: str) -> np.ndarray:
        """A drawing of the class: premultiplied BGRA uint8."""
        if label in SHAPE_CLASSES:
            return shapes.make(rng, self.textures, label)
        options = self.pool.by_class[label]
        return self.pool.picture(pick(rng, options))


def draw_picture(assets: Assets, seed: int, split: str, index: int) -> SyntheticPicture:
    """The picture of that seed, split and index."""
    rng = np.random.default_rng([seed, SPLIT_IDS[split], index])
    height, width = _resolution(rng)
    composite = Composite(
        paint(rng, assets.textures, assets.pool, height, width),
        np.full((height, width), -1, np.int16),
    )
    for item in weighted(rng, _ARRANGEMENTS)(rng, assets, height, width):
        lay(rng, composite, item, assets.textures)
        if rng.random() < 0.02:
            _foreground(rng, composite, assets.textures)
    if rng.random() < 0.1:
        _foreground(rng, composite, assets.textures)
    boxes, labels, difficult = visible(composite)
    return SyntheticPicture(
        appearance.photograph(rng, composite.canvas, assets.textures),
        np.array(boxes, np.float64).reshape(-1, 4),
        np.array([CLASSES.index(label) for label in labels], np.int64),
        np.array(difficult, bool),
    )


def _resolution(rng: np.random.Generator) -> tuple[int, int]:
    aspect = log_uniform(rng, 3 / 4, 16 / 9)
    longer = int(rng.integers(416, 513))
    return (longer, round(longer * aspect)) if aspect < 1 else (round(longer / aspect), longer)


# Pasting --------------------------------------------------------------------------------------


def lay(rng: np.random.Generator, composite: Composite, item: Item, textures: Textures) -> bool:
    """Blend an item into the canvas; False if it would be outside, too small or invisible."""
    height, width = composite.canvas.shape[:2]
    size = float(np.sqrt(item.pose.size[0] * item.pose.size[1]))
    margin = 1 + int(3 * item.look.feather * size)
    whole = render(item.drawing, item.pose, margin=margin)
    patch = clip(whole, height, width)
    if patch is None:
        return False
    look = item.look
    bare = patch.pixels
    rows, columns = bare.shape[:2]
    region = composite.canvas[patch.top : patch.top + rows, patch.left : patch.left + columns]
    if rng.random() < 0.15:
        look = appearance.blended_in(look, cv2.mean(region)[:3], rng.uniform(0.15, 0.5))
    for attempt in range(2):
        patch.pixels = appearance.apply(rng, look, bare, textures, size)
        own = patch.pixels[..., 3] > 255 * OWN * look.opacity
        if own.sum() < 0.2 * np.count_nonzero(whole.pixels[..., 3] > 255 * OWN):
            return False  # most of it would be outside
        blended = _blend(region, patch.pixels)
        if max(cv2.mean(cv2.absdiff(blended, region), own.astype(np.uint8))) > PLAIN:
            break
        if attempt:
            return False
        look = appearance.inverted(look)
    box = tight_box(patch, look.opacity)
    if box is None or min(box[2] - box[0], box[3] - box[1]) < MIN_SIDE:
        return False
    if look.shadow[0]:
        appearance.cast_shadow(
            composite.canvas, patch.pixels[..., 3], look, left=patch.left, top=patch.top, size=size
        )
        blended = _blend(region, patch.pixels)
    region[:] = blended
    number = len(composite.items)
    over = composite.top[patch.top : patch.top + rows, patch.left : patch.left + columns]
    over[patch.pixels[..., 3] >= OPAQUE] = number
    composite.items.append((item.label, box, patch, own))
    return True


def _blend(region: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """Premultiplied BGRA over BGR, uint8 (h, w, 3)."""
    left = cv2.merge([cv2.bitwise_not(pixels[..., 3])] * 3)
    return cv2.add(cv2.multiply(region, left, scale=1 / 255), pixels[..., :3])


def visible(composite: Composite) -> tuple[list, list[str], list[bool]]:
    """Boxes, labels and difficult flags of the items that are visible enough."""
    boxes, labels, difficult = [], [], []
    for number, item in enumerate(composite.items):
        if item is None:
            continue
        label, box, patch, own = item
        rows, columns = own.shape
        over = composite.top[patch.top : patch.top + rows, patch.left : patch.left + columns]
        share = float(np.count_nonzero(own & (over <= number)) / np.count_nonzero(own))
        if share >= INVISIBLE:
            boxes.append(box)
            labels.append(label)
            difficult.append(share < DIFFICULT)
    return boxes, labels, difficult


def _foreground(rng: np.random.Generator, composite: Composite, textures: Textures) -> None:
    """An unlabelled foreground: bars from edge to edge, ragged noise, haze."""
    height, width = composite.canvas.shape[:2]
    kind = rng.random()
    if kind < 0.5:
        alpha = np.zeros((height, width), np.uint8)
        angle, gap = rng.uniform(0, np.pi), rng.uniform(60, 300)
        thickness = max(2, int(rng.uniform(3, 24)))
        along = np.array([np.cos(angle), np.sin(angle)]) * 800
        across = np.array([-np.sin(angle), np.cos(angle)])
        for step in range(int(rng.integers(1, 6))):
            middle = np.array([width, height]) * rng.uniform(0.2, 0.8) + across * gap * (step - 2)
            ends = np.rint(np.array([middle - along, middle + along])).astype(int)
            cv2.line(alpha, ends[0].tolist(), ends[1].tolist(), 255, thickness, cv2.LINE_AA)
    else:
        field_ = textures.piece(rng, height, width).astype(np.float32)
        level = np.quantile(field_[::8, ::8], rng.uniform(0.72, 0.93))
        alpha = (np.clip((field_ - level) * rng.uniform(0.02, 0.6), 0, 1) * 255).astype(np.uint8)
    if rng.random() < 0.4:
        alpha = cv2.GaussianBlur(alpha, (0, 0), rng.uniform(0.8, 5))
    surface = textures.surface(rng, height, width)
    if rng.random() < 0.5:
        surface[:] = colour(rng)
    share = cv2.merge([alpha] * 3)
    composite.canvas[:] = cv2.add(
        cv2.multiply(composite.canvas, cv2.bitwise_not(share), scale=1 / 255),
        cv2.multiply(surface, share, scale=1 / 255),
    )
    composite.top[alpha >= OPAQUE] = len(composite.items)
    composite.items.append(None)


# Arrangements ----------------------------------------------------------------------------------


def _pose(
    rng: np.random.Generator,
    drawing: np.ndarray,
    label: str,
    length: float,
    centre: tuple[float, float],
    *,
    upright: bool,
    stretch: float | None = None,
) -> Pose:
    """A pose in which the drawing's longer side measures about ``length`` pixels."""
    height, width = drawing.shape[:2]
    if stretch is None:
        stretch = _stretch(rng)
    size = np.array([width * np.sqrt(stretch), height / np.sqrt(stretch)])
    size *= length / size.max()
    free = not upright or (turning(label) != MILD and rng.random() < 0.6)
    angle = rng.uniform(-np.pi, np.pi) if free else rng.normal(0, 0.13)
    return Pose(
        centre=centre,
        size=(float(max(size[0], 5)), float(max(size[1], 5))),
        angle=float(angle),
        mirrored=bool(rng.random() < 0.5),
        shear=float(rng.normal(0, 0.12)) if rng.random() < 0.4 else 0.0,
        tilt=tuple(rng.uniform(-0.3, 0.3, 2)) if rng.random() < 0.4 else (0.0, 0.0),
    )


def _stretch(rng: np.random.Generator) -> float:
    """Width by height, relative to the drawing's own."""
    if rng.random() < 0.25:
        return float(log_uniform(rng, 0.4, 2.4))
    return float(np.exp(rng.normal(0, 0.12)))


def _anywhere(rng, height, width, length, *, outside=0.35) -> tuple[float, float]:
    """A random centre; items may extend beyond the picture by ``outside`` of their length."""
    reach = length * (0.5 - outside)
    x0, x1 = (min(reach, width / 2), max(width - reach, width / 2))
    y0, y1 = (min(reach, height / 2), max(height - reach, height / 2))
    return float(rng.uniform(x0, x1)), float(rng.uniform(y0, y1))


def _apart(rng, taken: list, height, width, length, overlap) -> tuple[float, float] | None:
    """A centre away from those taken (x, y, length), with at most this overlap; None if none."""
    for _ in range(12):
        x, y = _anywhere(rng, height, width, length, outside=0.35 if rng.random() < 0.3 else 0.0)
        if all(
            np.hypot(x - ox, y - oy) > (1 - overlap) * 0.5 * (length + other)
            for ox, oy, other in taken
        ):
            taken.append((x, y, length))
            return x, y
    return None


def _scattered(
    rng: np.random.Generator,
    assets: Assets,
    height: int,
    width: int,
    lengths: np.ndarray,
    *,
    overlap: float,
) -> Iterator[Item]:
    """Items of any classes, largest first, of the given lengths in pixels."""
    upright = rng.random() < 0.65
    taken: list[tuple[float, float, float]] = []
    few = [assets.choose(rng) for _ in range(int(rng.integers(1, 8)))]
    ordered = np.sort(lengths)[::-1]
    if rng.random() < 0.3:
        ordered = rng.permutation(ordered)
    for length in ordered:
        centre = _apart(rng, taken, height, width, float(length), overlap)
        if centre is None:
            continue
        label = pick(rng, few) if rng.random() < 0.8 else assets.choose(rng)
        drawing = assets.drawing(rng, label)
        pose = _pose(rng, drawing, label, float(length), centre, upright=upright)
        yield Item(label, drawing, appearance.draw_look(rng), pose)


def _large(rng, assets, height, width):
    """One item that fills much of the picture, sometimes with small ones."""
    length = rng.uniform(0.45, 1.15) * min(height, width) * rng.uniform(1, 1.3)
    lengths = np.append(log_uniform(rng, 14, 120, int(rng.poisson(0.7))), length)
    yield from _scattered(rng, assets, height, width, lengths, overlap=0.4)


def _few(rng, assets, height, width):
    lengths = log_uniform(rng, 0.16, 0.7, int(rng.integers(2, 8))) * min(height, width)
    yield from _scattered(rng, assets, height, width, lengths, overlap=rng.uniform(0.1, 0.6))


def _mixed(rng, assets, height, width):
    lengths = log_uniform(rng, 9, 0.7 * min(height, width), int(rng.integers(5, 26)))
    yield from _scattered(rng, assets, height, width, lengths, overlap=rng.uniform(0.05, 0.6))


def _tiny(rng, assets, height, width):
    lengths = log_uniform(rng, 9, 48, int(rng.integers(1, 20)))
    yield from _scattered(rng, assets, height, width, lengths, overlap=0.2)


def _many_alike(rng, assets, height, width):
    """Many of one class, nearly equal, touching and overlapping; sometimes a few others."""
    label = assets.choose(rng) if rng.random() < 0.88 else pick(rng, SHAPE_CLASSES)
    count = int(rng.integers(8, 61))
    length = float(np.sqrt(height * width / count) * rng.uniform(0.35, 1.15))
    length = float(np.clip(length, 12, 0.45 * min(height, width)))
    spread, overlap = rng.uniform(0, 0.3), rng.uniform(0, 0.65)
    look, upright, stretch = appearance.draw_look(rng), bool(rng.random() < 0.4), _stretch(rng)
    if rng.random() < 0.2:
        look = replace(look, opacity=rng.uniform(0.3, 0.8))
    variants = [assets.drawing(rng, label) for _ in range(1 if rng.random() < 0.6 else 5)]
    middle, tight = rng.uniform(0.2, 0.8, 2) * [width, height], rng.uniform(0.12, 0.4)
    clustered = rng.random() < 0.3
    others = assets.choose(rng) if rng.random() < 0.35 else None
    taken: list[tuple[float, float, float]] = []
    for _ in range(count):
        size = length * float(np.exp(rng.normal(0, spread)))
        if clustered:
            x, y = rng.normal(middle, tight * min(height, width))
            if any(np.hypot(x - a, y - b) < (1 - overlap) * length for a, b, _ in taken):
                continue
            centre = float(x), float(y)
            taken.append((*centre, size))
        else:
            centre = _apart(rng, taken, height, width, size, overlap)
        if centre is None:
            continue
        if others is not None and rng.random() < 0.12:
            drawing = assets.drawing(rng, others)
            pose = _pose(rng, drawing, others, size * rng.uniform(0.6, 2), centre,
                         upright=upright)  # fmt: skip
            yield Item(others, drawing, appearance.draw_look(rng), pose)
            continue
        drawing = pick(rng, variants)
        one = stretch * float(np.exp(rng.normal(0, 0.08)))
        pose = _pose(rng, drawing, label, size, centre, upright=upright, stretch=one)
        yield Item(label, drawing, appearance.varied(rng, look), pose)


def _grid(rng, assets, height, width):
    """Rows and columns, as on a shelf; some cells are empty."""
    rows, columns = int(rng.integers(1, 7)), int(rng.integers(2, 9))
    step = rng.uniform(0.55, 1.0) * min(height / rows, width / columns)
    pitch = np.array([rng.uniform(step, width / columns), rng.uniform(step, height / rows)])
    origin = (np.array([width, height]) - pitch * [columns - 1, rows - 1]) / 2
    fill, empty, jitter = rng.uniform(0.5, 1.1), rng.uniform(0, 0.5), rng.uniform(0, 0.12)
    kinds = [assets.choose(rng) for _ in range(int(rng.integers(1, 5)))]
    drawings = {kind: assets.drawing(rng, kind) for kind in kinds}
    looks = {kind: appearance.draw_look(rng) for kind in kinds}
    same = rng.random() < 0.6
    tilt = rng.normal(0, 0.12)
    rotation = np.array([[np.cos(tilt), -np.sin(tilt)], [np.sin(tilt), np.cos(tilt)]])
    half = np.array([width, height]) / 2
    for row in range(rows):
        for column in range(columns):
            if rng.random() < empty or step * fill < 9:
                continue
            place = origin + pitch * [column, row] + rng.normal(0, jitter * step, 2)
            x, y = rotation @ (place - half) + half
            kind = pick(rng, kinds)
            drawing = drawings[kind] if same else assets.drawing(rng, kind)
            pose = _pose(rng, drawing, kind, step * fill, (float(x), float(y)), upright=True)
            yield Item(kind, drawing, appearance.varied(rng, looks[kind]), pose)


def _nothing(rng, assets, height, width):
    yield from ()


Arrangement = Callable[[np.random.Generator, Assets, int, int], Iterator[Item]]

_ARRANGEMENTS: dict[Arrangement, float] = {
    _large: 0.22,
    _few: 0.24,
    _mixed: 0.24,
    _tiny: 0.06,
    _many_alike: 0.2,
    _grid: 0.06,
    _nothing: 0.02,
}
