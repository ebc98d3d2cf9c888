"""Finding photos, their labels (``yolo_pairs``), classes (``yolo_names``) and splits
(``yolo_splits``) in a YOLO folder: ``find_layout``.

It reads the layouts of Ultralytics (``images/train`` and ``labels/train``), Roboflow
(``train/images`` and ``train/labels``), Darknet and CVAT (labels beside the photos, ``obj.names``,
``train.txt``), and photos and labels with only a ``classes.txt``. A photo without label file has no
objects, in a split or folder where others have one. Nothing outside the data folder is looked at,
whatever links, lists and the YAML say.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from utils.data.annotations import Entry, Layout, SplitList
from utils.data.folder.file_scan import FileScan, real_folder
from utils.data.formats.naming import TEXT_FOLDERS, first_problems, unique_image_ids
from utils.data.formats.pairing import Photos
from utils.data.formats.yolo_names import NamesByFolder, NamesFile, names_by_folder
from utils.data.formats.yolo_pairs import NAME_FILES, LabelFiles, of_other_pictures
from utils.data.formats.yolo_splits import find_splits
from utils.data.formats.yolo_txt import read_labels
from utils.data.formats.yolo_yaml import YoloYaml, read_names, read_yaml
from utils.errors import UserError
from utils.files import TooLargeError
from utils.image_kinds import photo_stem
from utils.text import counted

_YAML_NAMES = ("data.yaml", "dataset.yaml", "data.yml", "dataset.yml")  # the likeliest first


@dataclass(frozen=True)
class YoloLayout(Layout):
    """A layout with what the label files need to be understood.

    Attributes:
        classes: names by class id.
        folder_classes: the same for the labels of single folders, where they differ.
        pose: whether label lines end in the points of a body.
        by_name: the photos that have their labels by name alone, from another folder than theirs.
    """

    classes: Mapping[int, str] = field(default_factory=dict)
    folder_classes: Mapping[Path, Mapping[int, str]] = field(default_factory=dict)
    pose: bool = False
    by_name: Set[Path] = frozenset()

    def is_human_labelled(self, image_id: str) -> bool:
        """Whether people drew the labels: as far as can be told, those in the photo's own place
        with an object without score. Others may be what a detector has written."""
        entry = self.entries[image_id]
        if entry.label is None or entry.image in self.by_name:
            return False
        try:
            classes = self.folder_classes.get(entry.label.parent, self.classes)
            labels = read_labels(entry.label, classes, pose=self.pose)
        except ValueError:
            return False
        return bool(np.isnan(labels.scores).any())


def find_layout(root: Path) -> YoloLayout | None:
    """Look for YOLO labels and their photos; None where there are none.

    Raises:
        UserError: what the folder declares is not there, or nothing names its classes.
    """
    finder = _Finder(FileScan(real_folder(root)))
    looks_so = finder.yaml or finder.labels.are_yolo() or finder.names_classes()
    return finder.layout() if looks_so else None


class _Finder:
    """Brings photos, label files and the YAML together."""

    def __init__(self, scan: FileScan) -> None:
        self.scan = scan
        self.photos = Photos(scan.photos(scan.root), scan.root, TEXT_FOLDERS, scan.links)
        self.labels = LabelFiles(scan, self.photos)
        self.notes = list(self.labels.notes)
        self.unread_names: list[str] = []  # files that would name the classes, and why not
        self.yaml = self._find_yaml()

    def layout(self) -> YoloLayout:
        found = NamesByFolder(dict(self.yaml.names) if self.yaml else {})
        found = found if found.names else self._names_beside()
        classes = dict(found.names)
        if not classes or not self.labels.of:
            raise UserError(self._lacking())
        splits, notes = find_splits(self.scan, self.photos, self.labels, self.yaml)
        self.notes += notes
        chosen = self._chosen(splits)
        image_ids = unique_image_ids(self.scan.root, sorted(chosen))
        if unlabelled := len(chosen - self.labels.of.keys()):
            one = unlabelled == 1
            have = counted(unlabelled, "photo has", "photos have")
            count = "counts as a photo" if one else "count as photos"
            first = self.labels.looked_for(min(chosen - self.labels.of.keys()))
            self.notes.append(f"{have} no label file, and {count} without objects; {first}")
        lists = {
            name: SplitList(tuple(image_ids[photo] for photo in photos if photo in image_ids))
            for name, photos in sorted(splits.items())
        }
        left = chosen | self.labels.namesakes
        return YoloLayout(
            format="yolo",
            root=self.scan.root,
            entries={
                image_id: Entry(image_id, photo, self.labels.of.get(photo))
                for photo, image_id in sorted(image_ids.items(), key=lambda item: item[1])
            },
            lists=lists,
            class_order=_order([classes] if not found.folders else found.folders.values()),
            unlabelled=tuple(photo for photo in self.photos.paths if photo not in left),
            unmatched_labels=self.labels.unmatched(),
            notes=(*self.scan.notes, *self.notes),
            classes=classes,
            folder_classes=found.folders,
            pose=bool(self.yaml and self.yaml.pose),
            by_name=frozenset(self.labels.by_name),
        )

    def _chosen(self, splits: Mapping[str, Sequence[Path]]) -> set[Path]:
        """All photos with labels, and those without in the same splits or folders.

        A folder whose labels were all found by name alone may hold copies (thumbnails, crops):
        there a photo without labels is left out if another of its name has them.
        """
        folders = {photo.parent for photo in self.labels.of}
        if splits:
            beside = {
                photo
                for photos in splits.values()
                for photo in photos
                if photo.parent in folders or not of_other_pictures(photo)
            }
        else:
            exact = {photo.parent for photo in self.labels.of.keys() - self.labels.by_name}
            stems = {label.stem for label in self.labels.of.values()}
            beside = {
                photo
                for photo in self.photos.paths
                if photo.parent in exact
                or (photo.parent in folders and photo_stem(photo) not in stems)
            }
        return (beside | self.labels.of.keys()) - self.labels.namesakes

    # Classes

    def _find_yaml(self) -> YoloYaml | None:
        """The YAML that describes the folder: the usual name first, then the nearest to the top."""

        def order(path: Path) -> tuple[bool, int, str]:
            usual = path.name.lower() in _YAML_NAMES
            return not usual, len(path.parts), str(path)

        found: list[YoloYaml] = []
        for path in sorted(self.scan.files(self.scan.root, (".yaml", ".yml")), key=order):
            try:
                content = read_yaml(path)
            except TooLargeError as error:
                if path.name.lower() in _YAML_NAMES:  # others of that size are of another kind
                    advice = "put the class names into a classes.txt, one a line"
                    self._note_names_file(path, ValueError(f"{error}; {advice}"))
                continue
            except ValueError as error:
                self._note_names_file(path, error)
                continue
            if content is not None:
                found.append(content)
        if not found:
            return None
        first, *others = found
        used = self.scan.name(first.path)
        for other in others:
            if other.path.parent != first.path.parent and self._labels_differ(other, first):
                raise UserError(self._two_datasets(first.path, other.path))
            self.notes.append(f"{self.scan.name(other.path)}: left out, as {used} is used")
        self.notes += [f"{used}: {note}" for note in first.notes]
        return first

    def _labels_differ(self, theirs: YoloYaml, ours: YoloYaml) -> bool:
        """Whether a YAML names other classes than the one used, and has labelled photos below."""
        differ = theirs.names and ours.names and theirs.names != ours.names
        below = self.photos.below(theirs.path.parent)
        return bool(differ) and any(photo in self.labels.of for photo in below)

    def _two_datasets(self, path: Path, other: Path) -> str:
        folders = dict.fromkeys(
            f"{self.scan.root / self.scan.name(yaml.parent)}"
            for yaml in (path, other)
            if yaml.parent != self.scan.root
        )
        return (
            f"{self.scan.root}: {self.scan.name(path)} and {self.scan.name(other)} name different "
            f"classes, so these are two datasets; point --data at {' or '.join(folders)}"
        )

    def names_classes(self) -> bool:
        """Whether a file can only name classes, and lines have a name in place of its id."""
        files = self.scan.files(self.scan.root, NAME_FILES)
        named = any(path.name.lower() in NAME_FILES for path in files)
        return named and self.labels.are_yolo(named=True)

    def _names_beside(self) -> NamesByFolder:
        """The class names of a ``classes.txt`` or the like; nearest to the top first."""
        files = [
            path
            for path in self.scan.files(self.scan.root, (".txt", ".names", ".labels"))
            if path.name.lower() in NAME_FILES or path.suffix.lower() == ".names"
        ]
        found: list[NamesFile] = []
        for path in sorted(files, key=lambda path: (len(path.parts), str(path))):
            try:
                found.append(NamesFile(path, read_names(path)))
            except ValueError as error:
                self._note_names_file(path, error)
        if not found:
            return NamesByFolder({})
        folders = {label.parent for label in self.labels.of.values()}
        names = names_by_folder(self.scan.root, found, folders, self.scan.name)
        self.notes += names.notes
        return names

    def _lacking(self) -> str:
        root, photos = self.scan.root, self.photos.paths
        if not photos:
            return f"{root}: it has no photo for its YOLO labels{first_problems(self._problems())}"
        if not self.labels.of:
            own = " of its own" if self.labels.contested else ""
            return (
                f"{root}: none of its {counted(len(photos), 'photo')} has a YOLO label file{own}; "
                f"{self.labels.looked_for(photos[0])}{first_problems(self._problems())}"
            )
        if self.unread_names:
            return (
                f"{root}: it has YOLO labels, but what names the classes cannot be read: "
                f"{self.unread_names[0]}"
            )
        return (
            f"{root}: it has YOLO labels, but nothing that names the classes; add a classes.txt "
            "with one name a line, in the order of the class ids"
            f"{first_problems(self._problems())}"
        )

    def _note_names_file(self, path: Path, error: ValueError) -> None:
        """A file that would name the classes cannot be read."""
        self.unread_names.append(f"{self.scan.name(path)}: {error}")
        self.notes.append(f"{self.unread_names[-1]}; left out")

    def _problems(self) -> list[str]:
        return [*self.notes, *self.scan.notes]


def _order(names: Iterable[Mapping[int, str]]) -> tuple[str, ...]:
    """All class names, each once."""
    return tuple(dict.fromkeys(name for found in names for name in found.values()))
