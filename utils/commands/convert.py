"""``python -m utils.commands.convert``: any labelled folder, written as VOC, COCO or YOLO.

From Python it is ``utils.data.conversion.convert``.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from utils.cli import OK, option, parse, run
from utils.text import counted, listed

TARGETS = ("voc", "coco", "yolo")


@dataclass(frozen=True)
class Config:
    data: Path = option(help="the labelled folder", metavar="DATA", positional=True)
    to: str = option(help="format to write", choices=TARGETS)
    out: Path = option(help="folder to write, new or empty", metavar="DIR")
    link: bool = option(
        False, help="hard links instead of copies of the photos; DIR must be on the same disk"
    )
    divide: bool = option(
        False, help="write train, val and test lists (70:10:20, by class) where DATA has no lists"
    )
    seed: int = option(0, help="seed of the lists that --divide makes", low=0)


def main(argv: list[str]) -> int:
    config = parse(
        Config,
        argv,
        "Write a labelled folder of any format that is understood as VOC, COCO or YOLO.",
        "example: python -m utils.commands.convert photos --to yolo --out photos_yolo",
    )
    from utils.data.conversion import convert

    written = convert(
        config.data,
        config.out,
        to=config.to,
        link=config.link,
        divide=config.divide,
        seed=config.seed,
    )
    for note in written.notes:
        print(f"data: {note}")
    for sentence in written.lost:
        print(f"{config.to}: {sentence}")
    lists = ", ".join(f"{count} {name}" for name, count in written.lists.items())
    print(
        f"{config.out}: {counted(written.photos, 'photo')}, "
        f"{counted(written.objects, 'object')}; classes: {listed(written.classes, most=8)}; "
        f"lists: {lists or 'none'}"
    )
    return OK


if __name__ == "__main__":
    sys.exit(run(main))
