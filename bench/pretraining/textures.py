"""Textures: fields of noise, photographed papers and panoramas, palettes; and random choices.

Whatever is slow is computed once, when a ``Textures`` is opened; a picture cuts pieces from
it. The two splits have different fields, papers and panoramas.
"""

from __future__ import annotations

import base64
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import ImageFont

from utils.errors import UserError
from utils.files import atomic_write

FIELD = 640  # pixels of a side of a noise field
FIELDS = {"train": 54, "val": 18}
FONT_PIXELS = 64
SPLIT_IDS = {"train": 0, "val": 1}


class Textures:
    """The textures of one split.

    Attributes:
        fields: grey uint8 (FIELD, FIELD) each: clouds, veins, cells, grain.
        papers: BGR uint8 photographs of flat surfaces.
        patterns: BGR uint8 drawn tilings.
        panoramas: BGR uint8 (256, 512, 3) views all around.
        grain: float32 (FIELD, FIELD, 3), normal, for the noise of the camera.
        fonts: for words.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        split: str,
        papers: list[np.ndarray],
        patterns: list[np.ndarray],
        panoramas: list[np.ndarray],
        fonts: list[ImageFont.FreeTypeFont],
    ):
        self.fields = [_field(rng) for _ in range(FIELDS[split])]
        self.papers = papers
        self.patterns = patterns
        self.panoramas = panoramas
        self.grain = rng.standard_normal((FIELD, FIELD, 3), np.float32)
        self.fonts = fonts

    def piece(self, rng: np.random.Generator, height: int, width: int) -> np.ndarray:
        """A random piece of a field, flipped and zoomed: grey uint8 (height, width)."""
        field = pick(rng, self.fields)
        zoom = log_uniform(rng, 0.5, 3.0)
        return cut(rng, field, height, width, zoom)

    def surface(self, rng: np.random.Generator, height: int, width: int) -> np.ndarray:
        """A flat textured surface: BGR uint8 (height, width, 3)."""
        chance = rng.random()
        flat = self.papers if chance < 0.17 else self.patterns if chance < 0.28 else []
        if flat:
            picture = pick(rng, flat)
            picture = cut(rng, picture, height, width, rng.uniform(0.6, 2.5))
            return tinted(rng, picture) if rng.random() < 0.7 else picture
        return through(self.piece(rng, height, width), palette(rng))


def open_textures(cache: Path, seed: int, split: str) -> Textures:
    """The textures of a split; ``prepare`` must have been called."""
    with np.load(cache / "textures.npz") as stored:
        kinds = {
            kind: [stored[name] for name in sorted(stored.files) if name.startswith(kind)]
            for kind in ("paper", "pattern", "panorama")
        }
    fonts = sorted((cache / "fonts").rglob("*.[ot]tf"))
    return Textures(
        np.random.default_rng([seed, SPLIT_IDS[split], 2**31]),
        split,
        _share(kinds["paper"], split),
        _share(kinds["pattern"], split),
        _share(kinds["panorama"], split),
        [ImageFont.truetype(str(file), FONT_PIXELS) for file in fonts],
    )


def prepare(cache: Path) -> None:
    """Decode papers, patterns and panoramas into ``textures.npz``, unless it is there."""
    if (cache / "textures.npz").exists():
        return
    stored: dict[str, np.ndarray] = {}
    papers = sorted((cache / "papers").rglob("backgrounds/**/*.png"))
    patterns = sorted((cache / "clip-arts").rglob("png/special/patterns/*.png"))
    for kind, files in (("paper", papers), ("pattern", patterns)):
        for number, file in enumerate(files):
            picture = cv2.imread(str(file), cv2.IMREAD_COLOR)
            if picture is not None and min(picture.shape[:2]) >= 64 and picture.std() > 2:
                stored[f"{kind}{number:04}"] = _tiled(picture)
    folder = cache / "panoramas" / "package" / "hdri"
    for number, file in enumerate(sorted(folder.glob("*.exr.js"))):
        stored[f"panorama{number:04}"] = _developed(_read_exr(file))
    with atomic_write(cache / "textures.npz", "wb") as stream:
        np.savez(stream, **stored)


# Pieces and colours ----------------------------------------------------------------------------


def cut(
    rng: np.random.Generator, picture: np.ndarray, height: int, width: int, zoom: float
) -> np.ndarray:
    """A random part of a picture, enlarged ``zoom`` times (more where it is too small)."""
    rows, columns = picture.shape[:2]
    zoom = max(zoom, height / rows, width / columns)
    part_rows, part_columns = min(rows, int(height / zoom) + 1), min(columns, int(width / zoom) + 1)
    top = int(rng.integers(rows - part_rows + 1))
    left = int(rng.integers(columns - part_columns + 1))
    part = picture[top : top + part_rows, left : left + part_columns]
    flip = int(rng.integers(-1, 3))
    if flip < 2:
        part = cv2.flip(part, flip)
    return cv2.resize(part, (width, height), interpolation=cv2.INTER_LINEAR)


def pick(rng: np.random.Generator, options: Sequence):
    """Any of the options, each as likely."""
    return options[int(rng.integers(len(options)))]


def weighted(rng: np.random.Generator, weights: Mapping):
    """Any key, as likely as its weight says."""
    options, shares = list(weights), np.array(list(weights.values()))
    return options[int(rng.choice(len(options), p=shares / shares.sum()))]


def log_uniform(rng: np.random.Generator, low: float, high: float, count: int | None = None):
    """Numbers between low and high whose logarithms are uniform; a single one without ``count``."""
    return np.exp(rng.uniform(np.log(low), np.log(high), count))


def brightened(picture: np.ndarray, gain: np.ndarray) -> np.ndarray:
    """A picture uint8 (H, W, 3) times a factor for each pixel, float32 (H, W)."""
    return cv2.multiply(picture, cv2.merge([gain] * 3), dtype=cv2.CV_8U)


def colour(rng: np.random.Generator) -> np.ndarray:
    """A random colour, dull as often as vivid; BGR float32 (3,) in 0–255."""
    hue, lightness = rng.random() * 6, rng.random()
    saturation = rng.random() ** 1.5
    pure = np.clip(np.abs((hue + np.array([0, 4, 2])) % 6 - 3) - 1, 0, 1)
    return (255 * lightness * (1 - saturation * (1 - pure))).astype(np.float32)


def palette(rng: np.random.Generator) -> np.ndarray:
    """Grey value → BGR: uint8 (256, 3), smooth steps through two to five colours."""
    count = int(rng.integers(2, 6))
    style = rng.random()
    if style < 0.3:  # shades of one colour
        stops = colour(rng) * rng.uniform(0.4, 1.4, (count, 1))
    elif style < 0.45:  # bright
        stops = 255 - (255 - np.stack([colour(rng) for _ in range(count)])) * rng.uniform(0.05, 0.3)
    elif style < 0.6:  # dark
        stops = np.stack([colour(rng) for _ in range(count)]) * rng.uniform(0.1, 0.4)
    else:
        stops = np.stack([colour(rng) for _ in range(count)])
        stops += (stops.mean(0) - stops) * rng.uniform(0, 0.8)
    places = np.linspace(0, 255, count)
    at = np.arange(256)
    table = np.stack([np.interp(at, places, stops[:, channel]) for channel in range(3)], axis=1)
    return np.clip(table, 0, 255).astype(np.uint8)


def through(grey: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Grey uint8 (H, W) through a palette (256, 3): BGR uint8 (H, W, 3)."""
    return cv2.LUT(cv2.merge([grey] * 3), table[None])


def tinted(rng: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    """The same surface in another colour: BGR uint8."""
    return through(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), palette(rng))


# Making the fields -----------------------------------------------------------------------------


def _field(rng: np.random.Generator) -> np.ndarray:
    kind = int(rng.integers(9))
    cell = float(log_uniform(rng, 20, 320))
    fine = rng.uniform(0.35, 0.8)
    noise = _clouds(rng, cell, fine)
    if kind == 0:  # ridges
        noise = 1 - np.abs(noise * 2 - 1)
    elif kind == 1:  # marble, wood
        ramp = np.linspace(0, rng.uniform(4, 30), FIELD, dtype=np.float32)
        noise = 0.5 + 0.5 * np.sin(ramp[None] + noise * rng.uniform(4, 25))
    elif kind in (2, 3):  # tiles of any shape, or the distance from their middle
        noise = _voronoi(rng, tiles=kind == 2)
    elif kind == 4:  # steps
        levels = int(rng.integers(2, 7))
        noise = np.floor(noise * levels) / levels + rng.uniform(0, 0.1) * _clouds(rng, 8, 0.7)
    elif kind == 5:  # streaks
        short = cv2.resize(noise, (FIELD, int(rng.integers(8, 60))))
        noise = cv2.resize(short, (FIELD, FIELD), interpolation=cv2.INTER_LINEAR)
        noise = 0.8 * noise.T + 0.2 * _clouds(rng, 6, 0.7)
    noise = noise - noise.min()
    return np.clip(noise * (255 / max(float(noise.max()), 1e-6)), 0, 255).astype(np.uint8)


def _clouds(rng: np.random.Generator, cell: float, fine: float) -> np.ndarray:
    """Fractal noise float32 (FIELD, FIELD) of about 0–1; each octave is ``fine`` as strong."""
    total, strength, weight = np.zeros((FIELD, FIELD), np.float32), 1.0, 0.0
    while cell > 1.5 and strength > 0.03:
        count = max(2, round(FIELD / cell) + 1)
        grid = rng.random((count, count), np.float32)
        total += strength * cv2.resize(grid, (FIELD, FIELD), interpolation=cv2.INTER_CUBIC)
        weight, strength, cell = weight + strength, strength * fine, cell / 2
    return np.clip((total / weight - 0.5) * 2 + 0.5, 0, 1)


def _voronoi(rng: np.random.Generator, *, tiles: bool) -> np.ndarray:
    seeds = np.full((FIELD, FIELD), 255, np.uint8)
    count = int(log_uniform(rng, 30, 2500))
    seeds[tuple(rng.integers(0, FIELD, (2, count)))] = 0
    distance, labels = cv2.distanceTransformWithLabels(
        seeds, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    if not tiles:
        return distance
    shades = rng.random(int(labels.max()) + 1, np.float32)
    return shades[labels] + 0.15 * _clouds(rng, 20, 0.7)


# Reading ---------------------------------------------------------------------------------------


def _share(pictures: list[np.ndarray], split: str) -> list[np.ndarray]:
    """Every fifth is for validation, the others for training."""
    return [
        picture for number, picture in enumerate(pictures) if (number % 5 == 4) == (split == "val")
    ]


def _tiled(picture: np.ndarray, side: int = 512) -> np.ndarray:
    """A tile repeated, or a photograph reduced, to ``side`` pixels each way."""
    scale = min(1.0, side / min(picture.shape[:2]))
    picture = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    rows, columns = (-(-side // n) for n in picture.shape[:2])
    return np.tile(picture, (rows, columns, 1))[:side, :side]


def _read_exr(file: Path) -> np.ndarray:
    """Linear BGR float32 from an EXR packed as JavaScript."""
    try:
        import OpenEXR
    except ImportError:
        raise UserError("panoramas need OpenEXR: pip install -e '.[pretraining]'") from None
    match = re.search(r"base64,([^'\"`]+)", file.read_text(encoding="utf-8"))
    with tempfile.NamedTemporaryFile(suffix=".exr") as stream:
        stream.write(base64.b64decode(match[1] if match else ""))
        stream.flush()
        pixels = OpenEXR.File(stream.name).channels()["RGB"].pixels
    return pixels[..., ::-1].astype(np.float32)


def _developed(linear: np.ndarray) -> np.ndarray:
    """Linear light → uint8, with bright parts compressed.

    The packed panoramas have compression rings around lamps and suns, with negative values. Those
    parts are filled in from their surroundings.
    """
    light = np.clip(linear / np.percentile(linear, 80) * 0.7, 0, 100)
    picture = (255 * np.clip(light / (1 + 0.4 * light), 0, 1) ** (1 / 2.2)).astype(np.uint8)
    ringing = (light.max(-1) > 12) | (linear.min(-1) < 0)
    ringing = cv2.dilate(ringing.astype(np.uint8), np.ones((3, 3), np.uint8))
    return cv2.inpaint(picture, ringing, 3, cv2.INPAINT_TELEA)
