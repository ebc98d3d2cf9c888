"""``convert``: any labelled folder, written as VOC, COCO or YOLO.

What is written is what training sees: boxes in pixels of the upright photo, clipped to it. What
cannot be used is left out with a note. Photos are copied byte for byte, split lists are kept. The
new folder appears under its name once it is complete.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from utils.data.classes import write_classes
from utils.data.folder.data_folder import DataFolder
from utils.data.formats import yolo_yaml
from utils.data.output_names import UNLISTED, list_names, output_names
from utils.data.records import Record
from utils.data.splits.names import SPLIT_FOLDERS
from utils.errors import UserError
from utils.files import atomic_folder, atomic_write, check_empty
from utils.image_kinds import picture_suffix
from utils.label_files.coco import write_coco
from utils.label_files.voc import write_voc_annotation, write_voc_list
from utils.label_files.yolo import write_yolo_labels, write_yolo_yaml
from utils.text import counted, listed

_SPLIT_ORDER = ("train", "val", "test")


@dataclass(frozen=True)
class Conversion:
    """What was written.

    Attributes:
        photos, objects: how many.
        classes: their names in order.
        lists: split name → number of photos.
        lost: one sentence for each thing that the format cannot hold.
        notes: what was skipped or repaired, and photos and lists that had to be renamed.
    """

    photos: int
    objects: int
    classes: tuple[str, ...]
    lists: Mapping[str, int]
    lost: tuple[str, ...]
    notes: tuple[str, ...]


def convert(
    data: str | Path,
    out: str | Path,
    *,
    to: str,
    link: bool = False,
    divide: bool = False,
    seed: int = 0,
) -> Conversion:
    """Write the folder ``data`` as ``out`` in the format ``to``.

    Args:
        data: a labelled folder of any format.
        out: the folder to write; it must not exist, or be empty.
        to: ``voc``, ``coco`` or ``yolo``.
        link: hard links to the photos instead of copies.
        divide: make ``train``, ``val`` and ``test`` lists from ``seed``; ``data`` has none.

    Raises:
        UserError: nothing to read in ``data``, ``out`` is not empty or lies inside ``data``, lists
            to be made are there already, or the disk has no hard links.
    """
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
    written = write_folder(out, to, dataset.records, classes, image_ids, link=link)
    return replace(written, notes=tuple(dict.fromkeys([*notes, *written.notes])))


def write_folder(
    out: str | Path,
    to: str,
    records: Iterable[Record],
    classes: Sequence[str],
    lists: Mapping[str, Sequence[str]],
    *,
    link: bool = False,
) -> Conversion:
    """Write photos with their labels and split lists; arguments and errors as for ``convert``.

    Args:
        classes: names in the order of the records' class ids.
        lists: image ids by split name; those of no record are left out.
    """
    records = tuple(records)
    names = output_names([record.image_id for record in records])
    found = _lists_to_write(lists, names)
    own_name = list_names(found, to)
    kept = {own_name[name]: listed for name, listed in found.items()}
    with atomic_folder(out) as folder:
        job = _Job(
            folder=folder,
            photos={names[record.image_id]: record for record in records},
            lists=kept,
            classes=tuple(classes),
            copy_or_link=_link if link else shutil.copyfile,
        )
        left_out, lost = {"voc": job.voc, "coco": job.coco, "yolo": job.yolo}[to]()
    return Conversion(
        photos=len(records),
        objects=sum(len(record.boxes) for record in records) - left_out,
        classes=tuple(classes),
        lists={name: len(listed) for name, listed in kept.items()},
        lost=lost,
        notes=(
            *(
                f"{image_id!r} is written as {name!r}, which every reader can read"
                for image_id, name in names.items()
                if image_id != name
            ),
            *(
                f"the list {name!r} is written as {written!r}, which reads as a list of its own"
                for name, written in own_name.items()
                if name != written
            ),
        ),
    )


def _lists_to_write(
    lists: Mapping[str, Sequence[str]], names: Mapping[str, str]
) -> dict[str, tuple[str, ...]]:
    """Lists of names to write, ``train`` first; a year's list that is the whole one is left out."""
    found = {
        name: tuple(names[image_id] for image_id in dict.fromkeys(image_ids) if image_id in names)
        for name, image_ids in lists.items()
    }
    kept: dict[str, tuple[str, ...]] = {}
    rank = {name: i for i, name in enumerate(_SPLIT_ORDER)}
    for name in sorted(found, key=lambda name: (rank.get(name, len(rank)), name)):
        _, colon, plain = name.partition(":")
        if found[name] and not (colon and found.get(plain) == found[name]):
            kept[name] = found[name]
    return kept


def _link(source: Path, target: Path) -> None:
    try:
        os.link(os.path.realpath(source), target)
    except OSError as error:
        raise UserError(
            f"{source}: cannot be linked to ({error.strerror}); leave --link out to copy the photos"
        ) from error


@dataclass(frozen=True)
class _Job:
    """One folder to write; a method for each format gives the objects left out, and the losses."""

    folder: Path
    photos: Mapping[str, Record]  # by the name to write them under
    lists: Mapping[str, Sequence[str]]
    classes: tuple[str, ...]
    copy_or_link: Callable[[Path, Path], object]

    def voc(self) -> tuple[int, tuple[str, ...]]:
        """``JPEGImages``, ``Annotations``, ``ImageSets/Main``, and ``classes.txt``."""
        for name, record in self.photos.items():
            photo = self._photo(f"JPEGImages/{name}", record)
            write_voc_annotation(
                self.folder / "Annotations" / f"{name}.xml",
                photo.name,
                record.width,
                record.height,
                record.boxes,
                [self.classes[i] for i in record.class_ids],
                record.difficult.tolist(),
            )
        for split, names in self.lists.items():
            write_voc_list(self.folder, split, names)
        write_classes(self.folder / "classes.txt", self.classes)
        if self.classes == tuple(sorted({self.classes[i] for i in self._class_ids()})):
            return 0, ()
        return 0, ("VOC has no place for the class list; it is in classes.txt, for --classes",)

    def coco(self) -> tuple[int, tuple[str, ...]]:
        """``images``, and in ``annotations`` a JSON for each list."""
        files = {name: f"{name}{_suffix(record)}" for name, record in self.photos.items()}
        ids = {name: number for number, name in enumerate(self.photos, start=1)}
        for name, record in self.photos.items():
            self._photo(f"images/{name}", record)
        lists = {f"instances_{split}": names for split, names in self.lists.items()}
        if not lists:
            lists = {"instances": tuple(self.photos)}
        elif unlisted := self._unlisted():
            lists[f"instances_{UNLISTED}"] = unlisted
        for file, names in lists.items():
            photos = ((ids[name], files[name], self.photos[name]) for name in names)
            write_coco(self.folder / "annotations" / f"{file}.json", photos, self.classes)
        return 0, ()

    def yolo(self) -> tuple[int, tuple[str, ...]]:
        """``images`` and ``labels`` with a folder for each list, and ``data.yaml``."""
        folders = self._list_folders()
        paths = _paths_below_images(folders)
        left_out = 0
        for name, record in self.photos.items():
            self._photo(f"images/{paths[name]}", record)
            path = self.folder / "labels" / f"{paths[name]}.txt"
            kept = ~record.difficult
            write_yolo_labels(
                path, record.width, record.height, record.boxes[kept], record.class_ids[kept]
            )
            left_out += int(record.difficult.sum())
        splits = {
            split: self._yolo_split(split, names, folders, paths)
            for split, names in self.lists.items()
        }
        lost = self._yolo_yaml(splits)
        if left_out:
            objects = counted(left_out, "object is", "objects are")
            lost.append(f"{objects} marked difficult, which YOLO cannot say; left out")
        if not {"train", "val"} <= splits.keys():
            why = "there are no lists; --divide makes some"
            if splits:
                why = f"no list is called so ({listed(list(splits))}); write two of them there"
            lost.append(f"data.yaml names no train and val, as {why}")
        return left_out, tuple(lost)

    def _yolo_yaml(self, splits: Mapping[str, str | Sequence[str]]) -> list[str]:
        """``data.yaml``; ``classes.txt`` beside it for names that make it too large to be read."""
        path = self.folder / "data.yaml"
        write_yolo_yaml(path, self.classes, splits)
        if path.stat().st_size <= yolo_yaml.MAX_BYTES:
            return []
        write_yolo_yaml(path, self.classes, splits, names=False)
        with atomic_write(self.folder / "classes.txt") as file:
            file.writelines(f"{name}\n" for name in self.classes)
        return [
            f"the names of its {len(self.classes):,} classes are too long for data.yaml; they are "
            "in classes.txt, a name a line"
        ]

    def _photo(self, name: str, record: Record) -> Path:
        """Copy or link one photo; where it is now."""
        path = self.folder / (name + _suffix(record))
        path.parent.mkdir(parents=True, exist_ok=True)
        self.copy_or_link(record.image, path)
        return path

    def _class_ids(self) -> set[int]:
        return {i for record in self.photos.values() for i in record.class_ids.tolist()}

    def _unlisted(self) -> tuple[str, ...]:
        listed = {name for names in self.lists.values() for name in names}
        return tuple(name for name in self.photos if name not in listed)

    def _list_folders(self) -> dict[str, str]:
        """For each photo the list whose folder it lies in: the first that names it."""
        folders: dict[str, str] = {}
        for split, names in self.lists.items():
            for name in names:
                folders.setdefault(name, split)
        return {name: folders.get(name, UNLISTED if self.lists else "") for name in self.photos}

    def _yolo_split(
        self,
        split: str,
        names: Sequence[str],
        folders: Mapping[str, str],
        paths: Mapping[str, str],
    ) -> str | list[str]:
        """A list as whole folders where it is made of such, otherwise as a file of paths."""
        own = list(dict.fromkeys(folders[name] for name in names))
        if sum(folder in own for folder in folders.values()) == len(names):
            whole = [f"images/{folder}" for folder in own]
            return whole[0] if len(whole) == 1 else whole
        with atomic_write(self.folder / f"{split}.txt") as file:
            for name in names:
                file.write(f"./images/{paths[name]}{_suffix(self.photos[name])}\n")
        return f"{split}.txt"


def _paths_below_images(folders: Mapping[str, str]) -> dict[str, str]:
    """name → path below ``images``, no suffix: in its list's folder, which is not named twice."""
    paths = {name: f"{folder}/{name}" if folder else name for name, folder in folders.items()}
    taken = set(paths.values())
    for name, own in folders.items():
        folder, _, rest = name.partition("/")
        if rest and SPLIT_FOLDERS.get(folder.lower()) == own and f"{own}/{rest}" not in taken:
            paths[name] = f"{own}/{rest}"
            taken.add(paths[name])
    return paths


def _suffix(record: Record) -> str:
    return picture_suffix(record.image)
