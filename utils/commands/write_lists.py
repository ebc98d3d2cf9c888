"""Write a split as VOC lists: ``python -m utils.commands.write_lists DATA``. See ``--help``.

Makes the split that training makes for a folder without lists (seeded, stratified by class,
near-duplicates on one side) and writes ``ImageSets/Main/train.txt``, ``val.txt`` and ``test.txt``,
which every VOC tool reads.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from utils.cli import OK, option, parse, run
from utils.data.folder.data_folder import DataFolder
from utils.data.formats.voc_layout import is_line, list_line
from utils.errors import UserError
from utils.label_files.voc import write_voc_list
from utils.text import counted, listed, nfc

DESCRIPTION = """\
Divide a folder of labelled photos into train, val and test (70 : 10 : 20) and write the lists.

The split is stratified by class, made from a seed, and keeps near-duplicates on one side: the same
as train.py makes for a folder without lists. Existing lists are never overwritten."""


@dataclass(frozen=True)
class ListsConfig:
    """The options of the command."""

    data: Path = option(help="folder with the labelled photos", metavar="DATA", positional=True)
    out: Path | None = option(
        None, help="folder to write ImageSets/Main into (default: DATA)", metavar="DIR"
    )
    seed: int = option(0, help="seed of the split", low=0)


def main(argv: list[str]) -> int:
    config = parse(ListsConfig, argv, DESCRIPTION)
    folder = DataFolder.open(config.data)
    layout = folder.index.layout
    if config.out is None:
        if folder.lists:
            raise UserError(
                f"{config.data}: has split lists ({', '.join(layout.lists)}); to write others "
                "beside them, give --out"
            )
        if layout.format != "voc" or layout.years:
            raise UserError(f"{config.data}: is not a single VOC folder; give --out for the lists")
    out = config.out or config.data
    splits = folder.made_splits(config.seed)
    paths = {name: out / "ImageSets" / "Main" / f"{name}.txt" for name in splits.named}
    for path in paths.values():
        if path.exists():
            raise UserError(f"{path}: exists already; it is not overwritten")
    lines = _lines(folder)
    for name, path in paths.items():
        write_voc_list(out, name, [lines[image_id] for image_id in splits.named[name].image_ids])
        print(f"{path}: {counted(len(splits.named[name].image_ids), 'photo')}")
    for note in splits.provenance:
        print(note)
    return OK


def _lines(folder: DataFolder) -> dict[str, str]:
    """The line for each photo that is divided.

    Raises:
        UserError: a list cannot hold all names, and would put a photo into no part or another.
    """
    photos, layout = folder.images(folder.image_ids), folder.index.layout
    files = {nfc(path.name) for path in photos.values()}

    def line(image_id: str, name: str) -> str | None:
        if layout.format == "voc":
            return list_line(image_id, name, files)
        return image_id if is_line(image_id) else None  # no reader takes a suffix away

    lines = {image_id: line(image_id, path.name) for image_id, path in photos.items()}
    if bad := sorted(layout.name(photos[i]) for i, found in lines.items() if found is None):
        raise UserError(
            f"{layout.root}: a list cannot hold the {counted(len(bad), 'name')} "
            f"{listed([repr(name) for name in bad])}; rename these photos and their labels, or let "
            "python -m utils.commands.convert --divide write a folder with lists"
        )
    return {image_id: found for image_id, found in lines.items() if found is not None}


if __name__ == "__main__":
    sys.exit(run(main))
