"""``python -m utils.commands.convert``: any labelled folder, written as VOC, COCO or YOLO.

What is written is what training sees: boxes in pixels of the upright photo, clipped to it, and
what cannot be used left out with a note. Photos are copied byte for byte, split lists are kept.
``convert`` is the same for Python.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from utils.cli import option, parse, run
from utils.errors import UserError
from utils.files import check_empty
from utils.text import listing

TARGETS = ("voc", "coco", "yolo")


@dataclass(frozen=True)
class Config:
    data: Path = option(help="the labelled folder", metavar="DATA", positional=True)
    to: str = option(help="format to write", choices=TARGETS)
    out: Path = option(help="folder to write, which must not hold anything yet", metavar="DIR")
    link: bool = option(
        False, help="hard links instead of copies of the photos; DIR must be on the same disk"
    )
    divide: bool = option(
        False, help="write train, val and test lists (70:10:20, by class) where DATA has no lists"
    )
    seed: int = option(0, help="another seed divides the photos differently", low=0)


@dataclass(frozen=True)
class Report:
    """What was written.

    Attributes:
        photos, objects: how many.
        classes: their names in order.
        lists: split name → number of photos.
        lost: one sentence for each thing that the format cannot hold as it is.
        notes: what the reader skipped or mended.
    """

    photos: int
    objects: int
    classes: tuple[str, ...]
    lists: Mapping[str, int]
    lost: tuple[str, ...]
    notes: tuple[str, ...]


def main(argv: list[str]) -> int:
    config = parse(
        Config,
        argv,
        "Write a labelled folder of any format that is understood as VOC, COCO or YOLO.",
        "example: python -m utils.commands.convert photos --to yolo --out photos_yolo",
        prog="python -m utils.commands.convert",
    )
    report = convert(
        config.data,
        config.out,
        to=config.to,
        link=config.link,
        divide=config.divide,
        seed=config.seed,
    )
    for note in report.notes:
        print(f"data: {note}")
    for sentence in report.lost:
        print(f"{config.to}: {sentence}")
    lists = ", ".join(f"{count} {name}" for name, count in report.lists.items())
    print(
        f"{config.out}: {report.photos} photos, {report.objects} objects; classes: "
        f"{listing(report.classes)}; lists: {lists or 'none'}"
    )
    return 0


def convert(
    data: str | Path,
    out: str | Path,
    *,
    to: str,
    link: bool = False,
    divide: bool = False,
    seed: int = 0,
) -> Report:
    """Write the folder ``data`` as ``out`` in the format ``to``; ``out`` appears once it is whole.

    Args:
        to: ``voc``, ``coco`` or ``yolo``.
        link: hard links instead of copies.
        divide: make ``train``, ``val`` and ``test`` lists from ``seed``; ``data`` has none.

    Raises:
        UserError: nothing to read in ``data``, ``out`` is not empty or lies inside ``data``, lists
            to be made are there already, or the disk has no hard links.
    """
    from utils.data.folder.data_folder import DataFolder
    from utils.data.writers.dataset import write_dataset

    data, out = Path(data), Path(out)
    check_empty(out)
    folder = DataFolder.open(data)
    if folder.index.layout.root in out.resolve().parents:
        raise UserError(f"{out}: lies inside {data}, where it would be read as a part of it")
    classes = folder.classes(None, False)
    dataset = folder.dataset(folder.image_ids, classes, folder.notes)
    if not len(dataset):
        raise UserError(f"{data}: no photo can be used ({dataset.notes[-1]})")
    lists, notes = folder.index.layout.lists, list(dataset.notes)
    notes += [note for found in lists.values() for note in found.notes]
    if divide:
        splits = folder.splits(seed)
        if not splits.generated:
            raise UserError(
                f"{data}: has split lists ({', '.join(sorted(lists))}), which are kept; leave "
                "--divide out"
            )
        lists, notes = splits.named, [*notes, *splits.provenance]
    image_ids = {name: found.image_ids for name, found in lists.items()}
    written = write_dataset(out, to, dataset.records, classes, image_ids, link=link)
    notes += [
        f"{image_id!r} is written as {name!r}, which every reader can read"
        for image_id, name in written.renamed.items()
    ]
    return Report(
        photos=len(dataset),
        objects=written.objects,
        classes=classes,
        lists=written.lists,
        lost=written.lost,
        notes=tuple(dict.fromkeys(notes)),
    )


if __name__ == "__main__":
    sys.exit(run(main))
