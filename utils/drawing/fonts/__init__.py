"""Fonts for names in any script: ``drawable`` and ``Typeface``.

A character is drawn in the first font that has it: DejaVu Sans, which comes with Matplotlib (Latin,
Greek, Cyrillic, Hebrew, Arabic); the parts of the Noto fonts beside this file (Chinese, Japanese,
Korean, some scripts of South Asia, Thai, emoji), which ``bench.fonts`` made; fonts of the system.
Those beside this file are licensed under the SIL Open Font License 1.1 (``OFL.txt``).
"""

from __future__ import annotations

import unicodedata
from bisect import bisect_right
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from PIL import ImageDraw, ImageFont

FOLDER = Path(__file__).parent
_DEJAVU = "DejaVuSans.ttf"
MAX_LINE_LENGTH = 200  # characters of a line; more do not fit any picture
# Looked for on the system, for characters that the others lack.
_SYSTEM_FONTS = (
    "NotoSansCJK-Regular.ttc", "NotoSans-Regular.ttf", "Arial Unicode.ttf", "PingFang.ttc",
    "msyh.ttc",
)  # fmt: skip


@lru_cache(maxsize=1)
def font_files() -> tuple[str, ...]:
    """The fonts that come with the project and its libraries, in the order they are tried."""
    shipped = [path for path in sorted(FOLDER.iterdir()) if path.suffix in (".otf", ".ttf")]
    return (_matplotlib_font(_DEJAVU), *map(str, shipped))


def drawable(name: str, class_id: int) -> str:
    """The name on one line, cut where it is very long, with a ? for what no font has, then with the
    class id before it."""
    name = " ".join(name.split()) or "?"
    if len(name) > MAX_LINE_LENGTH:
        name = f"{name[: MAX_LINE_LENGTH - 1]}…"
    text = "".join("?" if part.font is None else part.text for part in _parts(name))
    return text if text == name else f"{class_id}: {text}"


@dataclass(frozen=True)
class Typeface:
    """Text of one size, in whatever fonts its characters need.

    Attributes:
        size: in pixels.
    """

    size: int

    def width(self, text: str) -> float:
        """In pixels."""
        return sum(font.getlength(part) for font, part in self._runs(text))

    def fitting(self, text: str, width: float) -> str:
        """The text, or as much of its beginning as fits into that many pixels, with … behind it."""
        if len(text) <= MAX_LINE_LENGTH and self.width(text) <= width:
            return text
        text = text[:MAX_LINE_LENGTH]
        lengths = range(1, len(text))
        shorter = bisect_right(lengths, width, key=lambda count: self.width(f"{text[:count]}…"))
        return f"{text[:shorter]}…"

    def box(self, text: str) -> tuple[float, float]:
        """How far the text reaches above its baseline (negative) and below it, in pixels."""
        boxes = [font.getbbox(part, anchor="ls") for font, part in self._runs(text)]
        return min((b[1] for b in boxes), default=0), max((b[3] for b in boxes), default=0)

    def draw(
        self, drawer: ImageDraw.ImageDraw, xy: tuple[float, float], text: str, ink: object
    ) -> None:
        """Draw a text; ``xy`` is the left end of its baseline."""
        x, y = xy
        for font, part in self._runs(text):
            drawer.text((x, y), part, ink, font, anchor="ls")
            x += font.getlength(part)

    def _runs(self, text: str) -> list[tuple[ImageFont.FreeTypeFont, str]]:
        return [(_font(part.font or 0, self.size), part.text) for part in _parts(text)]


@dataclass(frozen=True)
class _Part:
    """Neighbouring characters in the same font; None where no font has them."""

    font: int | None
    text: str


@lru_cache(maxsize=1024)
def _parts(text: str) -> tuple[_Part, ...]:
    parts: list[_Part] = []
    for character in text:
        font = parts[-1].font if parts and _joins(character) else _font_of(character)
        if parts and parts[-1].font == font:
            parts[-1] = _Part(font, parts[-1].text + character)
        else:
            parts.append(_Part(font, character))
    return tuple(parts)


def _joins(character: str) -> bool:
    """Whether a character belongs to the one before it: an accent, a vowel sign, a skin tone."""
    kind = unicodedata.category(character)
    return kind in ("Mn", "Mc", "Me", "Cf", "Sk") and not character.isascii()


@lru_cache(maxsize=4096)
def _font_of(character: str) -> int | None:
    """The place of the first font that has a character."""
    if character.isspace():
        return 0
    return next((i for i in range(len(_paths())) if _has(_font(i, 20), character)), None)


def _has(font: ImageFont.FreeTypeFont, character: str) -> bool:
    nothing, mask = font.getmask("\U0010fffe"), font.getmask(character)
    return mask.size != nothing.size or bytes(mask) != bytes(nothing)


@lru_cache(maxsize=1)
def _paths() -> tuple[str, ...]:
    """All fonts that can be opened; never empty: ``""`` is Pillow's own."""
    found = []
    for file in (*font_files(), *_SYSTEM_FONTS):
        try:
            ImageFont.truetype(file, 20)
        except OSError:
            continue
        found.append(file)
    return tuple(found) or ("",)


@lru_cache(maxsize=256)
def _font(index: int, size: int) -> ImageFont.FreeTypeFont:
    path = _paths()[index]
    return ImageFont.truetype(path, size) if path else ImageFont.load_default(size)


def _matplotlib_font(file: str) -> str:
    """The path of a font inside Matplotlib, which is not imported for it; else its name."""
    spec = find_spec("matplotlib")
    folder = Path(spec.origin).parent if spec and spec.origin else None
    path = folder / "mpl-data" / "fonts" / "ttf" / file if folder else None
    return str(path) if path and path.is_file() else file
