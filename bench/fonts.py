"""Make the fonts in ``utils/drawing/fonts``: parts of Google's Noto fonts, without hinting.

    python -m bench.fonts --noto /usr/share/fonts --emoji 'NotoEmoji[wght].ttf'

Debian's packages fonts-noto-cjk and fonts-noto-core hold the first, the package manimgx-fonts the
second. The result has the characters of GB 2312, JIS X 0208 and the common part of Big5, all of
Hangul, some scripts of South Asia, Thai, and emoji. Latin, Greek, Cyrillic, Hebrew and Arabic are
in Matplotlib's DejaVu Sans.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from fontTools import subset  # comes with Matplotlib
from fontTools.ttLib import TTFont
from fontTools.varLib import instancer

from utils.cli import option, parse, run
from utils.drawing.fonts import FOLDER

SCRIPTS = ("Devanagari", "Bengali", "Tamil", "Telugu", "Thai")
_CHINESE = 2  # the font of simplified Chinese in the collection


@dataclass(frozen=True)
class FontsConfig:
    """The options of ``bench.fonts``."""

    emoji: Path = option(help="the variable font Noto Emoji", metavar="FILE")
    noto: Path = option(Path("/usr/share/fonts"), help="folder with the Noto fonts", metavar="DIR")
    out: Path = option(FOLDER, help="folder for the fonts", metavar="DIR")


def main(argv: list[str]) -> None:
    config = parse(FontsConfig, argv, "Make the fonts that pictures are labelled with.")

    def noto(name: str) -> Path:
        return next(config.noto.rglob(name))

    cjk = TTFont(noto("NotoSansCJK-Regular.ttc"), fontNumber=_CHINESE)
    _write(config.out / "NotoSansCJK-part.otf", cjk, _east_asian(), features=())
    for script in SCRIPTS:
        font = TTFont(noto(f"NotoSans{script}-Regular.ttf"))
        _write(config.out / f"NotoSans{script}.ttf", font, font.getBestCmap())
    emoji = instancer.instantiateVariableFont(TTFont(config.emoji), {"wght": 400})
    _write(config.out / "NotoEmoji.ttf", emoji, emoji.getBestCmap())


def _east_asian() -> set[int]:
    characters = _of_encoding("gb2312") | _of_encoding("euc_jp") | _of_encoding("euc_kr")
    characters |= _of_encoding("big5", range(0xA4, 0xC7))  # its common characters
    kanji = {c for c in characters if 0x4E00 <= c <= 0x9FFF}
    wide = {*range(0x3000, 0x3100), *range(0xFF00, 0xFFF0)}  # kana, punctuation
    return kanji | wide | set(range(0xAC00, 0xD7A4))  # Hangul


def _of_encoding(name: str, rows: Iterable[int] = range(0x81, 0xFF)) -> set[int]:
    """The characters of two bytes in an encoding."""
    texts = (
        bytes([row, cell]).decode(name, errors="ignore")
        for row in rows
        for cell in range(0x40, 0xFF)
    )
    return {ord(text) for text in texts if len(text) == 1 and not text.isascii()}


def _write(
    path: Path, font: TTFont, characters: Iterable[int], features: Iterable[str] = ("*",)
) -> None:
    options = subset.Options(hinting=False, layout_features=list(features), notdef_outline=True)
    options.name_IDs = ["*"]
    options.drop_tables += ["vhea", "vmtx", "VORG", "DSIG", "BASE"]
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes=characters)
    subsetter.subset(font)
    font.save(path)
    print(f"{path}: {path.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    sys.exit(run(main))
