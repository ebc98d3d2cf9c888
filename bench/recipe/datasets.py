"""The data that recipes are compared on: five folds of training lists, and signs of another seed.

A fold is a folder with copies of the photos and labels, and with lists of its own:
``train`` is four fifths of the original's training list and ``held_out`` the last fifth. What
train.py validates on it takes from ``train`` itself, so nothing that is scored chose a checkpoint.
The original's test list appears nowhere.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from utils.data.folder.data_folder import DataFolder
from utils.data.splits.stratified import stratified_split
from utils.errors import UserError

FOLDS = 5
ORIGIN = "original.txt"  # in a fold: the folder that it was made of
SIGNS_SEED = 91  # the demo draws its own with 0
SIGNS = {"train": 1000, "val": 40, "test": 100}


def make_fold(name: str, original: Path, fold: int, work: Path) -> Path:
    """The folder of a fold, made where it is missing.

    Args:
        name: of the dataset, as results call it.
        original: a VOC folder. Its list ``trainval`` is divided, or, where it has no lists, the
            training and validation photos of the split that train.py makes with seed 0.
        fold: 0 to 4.
        work: where the folds go.

    Raises:
        UserError: no such fold, or the folder holds one of other data.
    """
    if not 0 <= fold < FOLDS:
        raise UserError(f"fold {fold}: there are folds 0 to {FOLDS - 1}")
    target = work / f"{name}-fold{fold}"
    origin = f"{original.resolve()}\n"
    if target.exists():
        made_of = target / ORIGIN
        if not made_of.exists() or made_of.read_text(encoding="utf-8") != origin:
            raise UserError(
                f"{target} is not known to be made of {original}: delete it or take another name"
            )
        return target
    opened = DataFolder.open(original)
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
    held_out = parts[str(fold)]
    lists = {"train": sorted(image_ids - set(held_out)), "held_out": list(held_out)}
    _write(target, opened, lists, origin)
    return target


def _write(target: Path, opened: DataFolder, lists: Mapping[str, list[str]], origin: str) -> None:
    """A VOC folder, whole or not at all."""
    part = target.with_name(f".part-{target.name}")
    shutil.rmtree(part, ignore_errors=True)
    entries = opened.index.entries
    for folder in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (part / folder).mkdir(parents=True)
    for name, image_ids in lists.items():
        (part / "ImageSets" / "Main" / f"{name}.txt").write_text("\n".join(image_ids) + "\n")
        for image_id in image_ids:
            entry = entries.at(entries.places[image_id])
            for folder, path in (("JPEGImages", entry.image), ("Annotations", entry.label)):
                shutil.copyfile(path, part / folder / f"{image_id}{path.suffix}")
    (part / ORIGIN).write_text(origin, encoding="utf-8")
    part.rename(target)


def make_signs(work: Path, seed: int = SIGNS_SEED) -> Path:
    """Road scenes with signs; the backgrounds of its test list appear in no other list."""
    target = work / f"signs-{seed}"
    if not (target / "ImageSets" / "Main" / "test.txt").exists():
        counts = [word for part, n in SIGNS.items() for word in (f"--{part}", str(n))]
        subprocess.run(
            [sys.executable, "-m", "utils.commands.synthetic", "--out", str(target), *counts,
             "--seed", str(seed)],
            check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
    return target
