"""Five folds of a training list, to compare recipes on without touching the test list.

    python -m bench.folds --data photos/bccd --out runs/folds/bccd
    python -m bench.accuracy --name bccd-0 --split held_out -- --data runs/folds/bccd/0 \\
        --backbone efficientnet_lite0 --input-size 416 --epochs 20

A fold is a VOC folder with copies of the photos and labels, and with lists of its own: ``train`` is
four fifths of the original's training list and ``held_out`` the last fifth. train.py takes its
validation photos from ``train``, so nothing that is scored chose a checkpoint. Near-duplicates stay
on one side. The original's test list appears nowhere.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from utils.cli import OK, option, parse, run
from utils.data.folder.data_folder import DataFolder
from utils.data.splits.stratified import stratified_split
from utils.label_files.voc import write_voc_list

FOLDS = 5


@dataclass(frozen=True)
class FoldsConfig:
    """The options of this command."""

    data: Path = option(help="folder with labelled photos", metavar="DIR")
    out: Path = option(help="new folder for the folds 0 to 4", metavar="DIR")


def main(argv: list[str]) -> int:
    config = parse(FoldsConfig, argv, __doc__.split("\n\n")[0])
    write_folds(config.data, config.out)
    return OK


def write_folds(data: Path, out: Path) -> None:
    """Divide the list ``trainval``. Where the folder has no lists, divide the training and
    validation photos of the split that train.py makes with seed 0."""
    opened = DataFolder.open(data)
    named = opened.splits(0).named
    whole = ["trainval"] if "trainval" in named else ["train", "val"]
    image_ids = {image_id for part in whole for image_id in named[part].image_ids}
    groups, _ = opened.duplicates.split_groups(image_ids)
    parts = stratified_split(
        opened.class_names(image_ids),
        {str(i): 1 / FOLDS for i in range(FOLDS)},
        seed=0,
        groups=groups,
    )
    for name, held_out in parts.items():
        fold = out / name
        copy_photos(opened, image_ids, fold)
        write_voc_list(fold, "train", sorted(image_ids - set(held_out)))
        write_voc_list(fold, "held_out", list(held_out))


def copy_photos(opened: DataFolder, image_ids: Iterable[str], fold: Path) -> None:
    entries = opened.index.entries
    for folder in ("JPEGImages", "Annotations"):
        (fold / folder).mkdir(parents=True)
    for image_id in image_ids:
        entry = entries[image_id]
        for folder, path in (("JPEGImages", entry.image), ("Annotations", entry.label)):
            shutil.copyfile(path, fold / folder / f"{image_id}{path.suffix}")


if __name__ == "__main__":
    sys.exit(run(main))
