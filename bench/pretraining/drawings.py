"""The pictograms and clip arts, rendered once into one large file.

Each drawing is premultiplied BGRA, uint8, cut to its own pixels, at most ``SIDE`` pixels long.
They lie one after another in ``drawings.bin``, which is memory-mapped: no decoding,
and one copy for all worker processes. ``drawings.json`` says where each is.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from bench.pretraining.class_table import CLASSES, class_of_clip_art, class_of_pictogram
from utils.errors import UserError
from utils.files import atomic_write

SIDE = 288  # pixels of the longer side
MAX_PER_CLASS = 240  # clip arts of one class
VAL_SHARE = 0.12  # share of a class's subjects that only validation shows
SKIN_OR_HAIR = re.compile(r"1f3f[b-f]|1f9b[0-3]")


@dataclass(frozen=True)
class Drawing:
    """One drawing in the file.

    Attributes:
        label: its class.
        subject: what it shows; all drawings of a subject are in one split.
        offset: of its first byte.
        height, width: in pixels.
    """

    label: str
    subject: str
    offset: int
    height: int
    width: int


class Pool:
    """The drawings of one split, by class."""

    def __init__(self, pixels: np.ndarray, drawings: list[Drawing]):
        """Args: ``pixels`` uint8 (bytes,), all drawings one after another."""
        self._pixels = pixels
        self.by_class: dict[str, list[Drawing]] = {}
        for drawing in drawings:
            self.by_class.setdefault(drawing.label, []).append(drawing)
        self.all = drawings

    def picture(self, drawing: Drawing) -> np.ndarray:
        """Premultiplied BGRA, uint8 (height, width, 4); not to be written to."""
        size = drawing.height * drawing.width * 4
        flat = self._pixels[drawing.offset : drawing.offset + size]
        return np.asarray(flat).reshape(drawing.height, drawing.width, 4)


def open_pool(cache: Path, split: str) -> Pool:
    """The drawings of a split; ``prepare`` must have been called."""
    listed = json.loads((cache / "drawings.json").read_text(encoding="utf-8"))
    drawings = [Drawing(**entry) for entry in listed]
    pixels = np.memmap(cache / "drawings.bin", np.uint8, mode="r")
    return Pool(pixels, of_split(drawings, split))


def of_split(drawings: list[Drawing], split: str) -> list[Drawing]:
    """The drawings of a split; ``val`` shows other subjects than ``train``.

    In a class of fewer than four subjects both splits show all of them.
    """
    subjects: dict[str, set[str]] = {}
    for drawing in drawings:
        subjects.setdefault(drawing.label, set()).add(drawing.subject)
    kept_back = {
        (label, subject)
        for label, names in subjects.items()
        if len(names) >= 4
        for subject in sorted(names, key=_hash)[: max(1, round(VAL_SHARE * len(names)))]
    }
    both = {label for label, names in subjects.items() if len(names) < 4}
    return [
        drawing
        for drawing in drawings
        if drawing.label in both
        or ((drawing.label, drawing.subject) in kept_back) == (split == "val")
    ]


def prepare(cache: Path) -> None:
    """Render everything into the cache unless it is there; takes a few minutes."""
    if (cache / "drawings.json").exists():
        return
    drawings: list[Drawing] = []
    offset = 0
    with atomic_write(cache / "drawings.bin", "wb") as stream:
        for label, subject, picture in _all_pictures(cache):
            ready = tidy(picture)
            if ready is None:
                continue
            stream.write(ready.tobytes())
            drawings.append(Drawing(label, subject, offset, *ready.shape[:2]))
            offset += ready.size
    with atomic_write(cache / "drawings.json") as stream:
        json.dump([vars(drawing) for drawing in drawings], stream)


def tidy(picture: np.ndarray) -> np.ndarray | None:
    """Straight BGRA (H, W, 4) → premultiplied, cut out, of the right size; None if unfit.

    Unfit are tiny drawings, and those with several separate parts.
    """
    alpha = picture[..., 3]
    x, y, width, height = cv2.boundingRect((alpha > 40).astype(np.uint8))
    if min(width, height) < 16:
        return None
    picture = picture[y : y + height, x : x + width].astype(np.float32)
    picture[..., :3] *= picture[..., 3:] / 255
    scale = SIDE / max(width, height)
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    if abs(scale - 1) > 0.02:
        size = max(1, round(width * scale)), max(1, round(height * scale))
        picture = cv2.resize(picture, size, interpolation=method)
    picture = np.clip(np.rint(picture), 0, 255).astype(np.uint8)
    picture[..., :3] = np.minimum(picture[..., :3], picture[..., 3:])
    return picture if _is_one_thing(picture[..., 3] > 76) else None


def _is_one_thing(mask: np.ndarray) -> bool:
    """Whether a mask (H, W) is mostly one piece and covers enough of its box."""
    if mask.mean() < 0.12:
        return False
    joined = cv2.dilate(mask.astype(np.uint8), np.ones((9, 9), np.uint8))
    count, _, stats, _ = cv2.connectedComponentsWithStats(joined)
    areas = stats[1:count, cv2.CC_STAT_AREA]
    return len(areas) > 0 and areas.max() > 0.6 * areas.sum()


# Where pictures come from ----------------------------------------------------------------------


def _all_pictures(cache: Path) -> Iterator[tuple[str, str, np.ndarray]]:
    """(class, subject, straight BGRA) of every drawing that has a class."""
    characters = _characters(cache)
    yield from _of_icon_sets(cache, characters)
    for file in sorted((cache / "fluent-3d" / "package" / "assets").glob("*.webp")):
        key = _key(file.stem)
        if key in characters:
            picture = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
            if picture is not None and picture.ndim == 3 and picture.shape[2] == 4:
                yield characters[key], key, picture
    yield from _of_clip_arts(cache)


def _characters(cache: Path) -> dict[str, str]:
    """Code points → class, of all characters that are shown; skin tones are left out."""
    lines = next((cache / "unicode").rglob("emoji-test.txt")).read_text(encoding="utf-8")
    classes: dict[str, str] = {}
    subgroup = ""
    for line in lines.splitlines():
        if line.startswith("# subgroup:"):
            subgroup = line.partition(":")[2].strip()
        match = re.match(r"([0-9A-F ]+?)\s*; fully-qualified\s*# \S+ E\S+ (.*)", line)
        if match is None:
            continue
        key = _key("-".join(match[1].split()))
        label = class_of_pictogram(subgroup, match[2])
        if label is not None and not SKIN_OR_HAIR.search(key):
            classes[key] = label
    return classes


def _of_icon_sets(cache: Path, characters: dict[str, str]) -> Iterator[tuple[str, str, np.ndarray]]:
    try:
        import resvg_py
    except ImportError:
        raise UserError("rendering needs resvg: pip install -e '.[pretraining]'") from None
    # The two Fluent sets share their names, and only the flat one says what they stand for.
    for folder, names in (("noto", "noto"), ("fluent", "fluent-flat"), ("fluent-flat",) * 2):
        icons = json.loads((cache / folder / "package" / "icons.json").read_text("utf-8"))
        by_key = json.loads((cache / names / "package" / "chars.json").read_text("utf-8"))
        for code, name in sorted(by_key.items()):
            icon = icons["icons"].get(name)
            if _key(code) not in characters or icon is None:
                continue
            width = icon.get("width", icons["width"])
            height = icon.get("height", icons["height"])
            svg = (
                '<svg xmlns="http://www.w3.org/2000/svg" '
                'xmlns:xlink="http://www.w3.org/1999/xlink" '
                f'viewBox="0 0 {width} {height}" width="{width}" height="{height}">'
                f"{icon['body']}</svg>"
            )
            side = round(SIDE * 1.1)
            png = resvg_py.svg_to_bytes(svg_string=svg, width=side, skip_system_fonts=True)
            picture = cv2.imdecode(np.frombuffer(bytes(png), np.uint8), cv2.IMREAD_UNCHANGED)
            yield characters[_key(code)], _key(code), picture


def _of_clip_arts(cache: Path) -> Iterator[tuple[str, str, np.ndarray]]:
    root = next((cache / "clip-arts").rglob("png"))
    taken = dict.fromkeys(CLASSES, 0)
    for file in sorted(root.rglob("*.png"), key=lambda file: _hash(str(file.relative_to(root)))):
        folder = file.parent.relative_to(root).as_posix()
        label = class_of_clip_art(folder, file.stem)
        if label is None or taken[label] >= MAX_PER_CLASS:
            continue
        picture = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
        if picture is None or picture.dtype != np.uint8 or picture.ndim != 3:
            continue
        # Without transparency it is a whole scene, except for flags and cards.
        may_be_full = label in ("flag", "playing card")
        if picture.shape[2] == 3 and may_be_full:
            picture = cv2.cvtColor(picture, cv2.COLOR_BGR2BGRA)
        if picture.shape[2] == 3 or ((picture[..., 3] > 200).mean() > 0.97 and not may_be_full):
            continue
        if _is_one_thing(picture[..., 3] > 76):
            taken[label] += 1
            yield label, f"{folder}/{file.stem}", picture


def _key(code: str) -> str:
    """Code points in lower case without variation selectors, the same in all sets."""
    return "-".join(part for part in code.lower().split("-") if part != "fe0f").lstrip("0")


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
