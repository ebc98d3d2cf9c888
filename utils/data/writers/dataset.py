"""Writing a whole labelled folder as VOC, COCO or YOLO: ``write_dataset``.

The folder appears under its name once it is complete. Photos keep their names and their bytes.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from utils.data.classes import class_line
from utils.data.formats.naming import CONTENT_FOLDERS, is_control
from utils.data.records import Record
from utils.data.splits.names import SPLIT_FOLDERS
from utils.data.writers.coco import write_coco
from utils.data.writers.yolo import write_yolo_labels, write_yolo_yaml
from utils.errors import UserError
from utils.files import atomic_folder, atomic_write
from utils.images import IMAGE_SUFFIXES
from utils.label_files.voc import write_voc_annotation, write_voc_list

TARGETS = ("voc", "coco", "yolo")

_SPLIT_ORDER = ("train", "val", "test")
_UNLISTED = "unlisted"  # where photos go that no list names
_TAKEN = ("classes", "predefined_classes")  # a label file of that name would be read as class names


@dataclass(frozen=True)
class Written:
    """What was written.

    Attributes:
        objects: how many.
        lists: split name → how many photos.
        lost: one sentence for each thing that the format cannot hold as it is.
        renamed: image ids that had to change, old → new.
    """

    objects: int
    lists: Mapping[str, int]
    lost: tuple[str, ...]
    renamed: Mapping[str, str]


def write_dataset(
    out: str | Path,
    to: str,
    records: Iterable[Record],
    classes: Sequence[str],
    lists: Mapping[str, Sequence[str]],
    *,
    link: bool = False,
) -> Written:
    """Write photos with their labels and split lists.

    Args:
        out: the folder; it must not exist, or be empty.
        to: ``voc``, ``coco`` or ``yolo``.
        classes: names in the order of the records' class ids.
        lists: image ids by split name; those of no record are passed over.
        link: hard links to the photos instead of copies.

    Raises:
        UserError: ``out`` is not empty, or the disk has no hard links.
    """
    records = tuple(records)
    names = output_names([record.image_id for record in records])
    kept = _tame_lists(lists, names)
    with atomic_folder(out) as folder:
        job = _Job(
            folder=folder,
            photos={names[record.image_id]: record for record in records},
            lists=kept,
            classes=tuple(classes),
            place=_link if link else shutil.copyfile,
        )
        left_out, lost = {"voc": job.voc, "coco": job.coco, "yolo": job.yolo}[to]()
    return Written(
        objects=sum(len(record.boxes) for record in records) - left_out,
        lists={name: len(found) for name, found in kept.items()},
        lost=lost,
        renamed={image_id: name for image_id, name in names.items() if image_id != name},
    )


def output_names(image_ids: Iterable[str]) -> dict[str, str]:
    """A name to write each image id under: itself, unless lists, XML or readers stumble over it."""
    names: dict[str, str] = {}
    used: set[str] = set()
    # Those that may stay as they are first: another must not take their name.
    for image_id in sorted(image_ids, key=lambda image_id: (_tame(image_id) != image_id, image_id)):
        name, number = _tame(image_id), 2
        while name in used:
            name, number = f"{_tame(image_id)}-{number}", number + 1
        names[image_id] = name
        used.add(name)
    return names


def _tame(image_id: str) -> str:
    """No control characters, no hidden folders, none that readers take for ``images/``."""
    parts = []
    for part in image_id.split("/"):
        part = "".join("_" if is_control(c) or c in "\\:" else c for c in part).strip()
        parts.append("_" + part if part[:1] in ("", ".") or part == "__MACOSX" else part)
    *folders, name = parts
    folders = ["_" + folder if folder.lower() in CONTENT_FOLDERS else folder for folder in folders]
    if name.lower().endswith(IMAGE_SUFFIXES):  # the end of a name in a list is taken for a suffix
        name = "_".join(name.rsplit(".", 1))
    return "/".join([*folders, name + "_" if name.lower() in _TAKEN else name])


def _tame_lists(
    lists: Mapping[str, Sequence[str]], names: Mapping[str, str]
) -> dict[str, tuple[str, ...]]:
    """Lists of names to write, ``train`` first; a year's list that is the whole one is left out."""
    found = {
        name: tuple(names[image_id] for image_id in dict.fromkeys(image_ids) if image_id in names)
        for name, image_ids in lists.items()
    }
    kept: dict[str, tuple[str, ...]] = {}
    rank = {name: place for place, name in enumerate(_SPLIT_ORDER)}
    for name in sorted(found, key=lambda name: (rank.get(name, len(rank)), name)):
        year, colon, plain = name.partition(":")
        if found[name] and not (colon and found.get(plain) == found[name]):
            kept[_tame(f"{year}_{plain}" if colon else name).replace("/", "_")] = found[name]
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
    place: Callable[[Path, Path], object]

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
        with atomic_write(self.folder / "classes.txt") as file:
            file.writelines(f"{class_line(name)}\n" for name in self.classes)
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
            lists[f"instances_{_UNLISTED}"] = unlisted
        for image_id, names in lists.items():
            photos = ((ids[name], files[name], self.photos[name]) for name in names)
            write_coco(self.folder / "annotations" / f"{image_id}.json", photos, self.classes)
        return 0, ()

    def yolo(self) -> tuple[int, tuple[str, ...]]:
        """``images`` and ``labels`` with a folder for each list, and ``data.yaml``."""
        homes = self._homes()
        places = _within(homes)
        left_out = 0
        for name, record in self.photos.items():
            self._photo(f"images/{places[name]}", record)
            path = self.folder / "labels" / f"{places[name]}.txt"
            left_out += write_yolo_labels(path, record)
        splits = {
            split: self._yolo_split(split, names, homes, places)
            for split, names in self.lists.items()
        }
        write_yolo_yaml(self.folder / "data.yaml", self.classes, splits)
        lost = []
        if left_out:
            have = "object is" if left_out == 1 else "objects are"
            lost.append(f"{left_out} {have} marked difficult, which YOLO cannot say; left out")
        if not {"train", "val"} <= splits.keys():
            lost.append(
                "data.yaml names no train and val, as there are no lists; --divide makes some"
            )
        return left_out, tuple(lost)

    def _photo(self, name: str, record: Record) -> Path:
        """Copy or link one photo; where it is now."""
        path = self.folder / (name + _suffix(record))
        path.parent.mkdir(parents=True, exist_ok=True)
        self.place(record.image, path)
        return path

    def _class_ids(self) -> set[int]:
        return {i for record in self.photos.values() for i in record.class_ids.tolist()}

    def _unlisted(self) -> tuple[str, ...]:
        listed = {name for names in self.lists.values() for name in names}
        return tuple(name for name in self.photos if name not in listed)

    def _homes(self) -> dict[str, str]:
        """For each photo the list whose folder it lies in: the first that names it."""
        homes: dict[str, str] = {}
        for split, names in self.lists.items():
            for name in names:
                homes.setdefault(name, split)
        return {name: homes.get(name, _UNLISTED if self.lists else "") for name in self.photos}

    def _yolo_split(
        self,
        split: str,
        names: Sequence[str],
        homes: Mapping[str, str],
        places: Mapping[str, str],
    ) -> str | list[str]:
        """A list as the folders that it is made of; where it is not, a file of paths."""
        folders = list(dict.fromkeys(homes[name] for name in names))
        if sum(home in folders for home in homes.values()) == len(names):
            paths = [f"images/{folder}" for folder in folders]
            return paths[0] if len(paths) == 1 else paths
        with atomic_write(self.folder / f"{split}.txt") as file:
            for name in names:
                file.write(f"./images/{places[name]}{_suffix(self.photos[name])}\n")
        return f"{split}.txt"


def _within(homes: Mapping[str, str]) -> dict[str, str]:
    """name → place below ``images``: in the folder of its list, which is not named twice."""
    places = {name: f"{home}/{name}" if home else name for name, home in homes.items()}
    taken = set(places.values())
    for name, home in homes.items():
        folder, _, rest = name.partition("/")
        if rest and SPLIT_FOLDERS.get(folder.lower()) == home and f"{home}/{rest}" not in taken:
            places[name] = f"{home}/{rest}"
            taken.add(places[name])
    return places


def _suffix(record: Record) -> str:
    return PurePosixPath(record.image).suffix
