"""The COCO format: JSON files, each with the labels of many photos (``coco_json``).

It reads any folder that holds such files and the photos that they list: COCO's own layout
(``annotations/instances_train2017.json`` and ``train2017/``), Roboflow's
(``train/_annotations.coco.json`` beside the photos), and a JSON with photos anywhere below, as
CVAT and Label Studio write it. A file that is named like a split, or lies in a folder named so, is
a split list; what such lists leave is trained on if none has training photos. A listed image may
have no objects.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from utils.data.annotations import Annotation, AnnotationError, Entry, Layout, SplitList
from utils.data.folder.file_scan import FileScan, real_folder
from utils.data.formats.coco_json import CocoFile, Notes, read_coco
from utils.data.formats.json_files import mentions
from utils.data.formats.naming import first_problems, formatted, name_parts, unique_image_ids
from utils.data.formats.pairing import NameResolver, Photos
from utils.data.formats.split_folders import assign_unlisted, splits_of_files
from utils.data.splits.names import split_name, split_within
from utils.errors import UserError
from utils.text import counted, listed

NAME = "coco"
TITLE = "COCO"
OWN_FILES = False  # a JSON has the labels of many photos
LOOKS_FOR = (
    "COCO JSON (annotations/instances_train.json and a folder of photos, or "
    "train/_annotations.coco.json beside them)"
)

_KEYS = (b'"images"', b'"annotations"', b'"categories"')
# Words in a file's name that say what it is, not which split: instances_train, _annotations.coco.
_GENERIC = frozenset(
    ("annotation", "annotations", "bbox", "boxes", "coco", "data", "dataset", "default")
    + ("detection", "detections", "ground", "gt", "instance", "instances", "json", "keypoints")
    + ("labels", "person", "truth", "unlisted")
)
# COCO's files with other labels of the photos that the instances files list.
_OTHER_LABELS = ("person_keypoints", "stuff", "panoptic", "captions")
_SPLIT_ORDER = ("train", "val", "test")  # the first file declares the classes and wins conflicts


@dataclass(frozen=True)
class CocoLayout(Layout):
    """A layout with the content of its JSON files.

    Attributes:
        files: the JSON files by path.
        image_indices: image id → the file that has the photo's labels, and the photo's indices in
            the ``images`` of that file.
    """

    files: dict[Path, CocoFile] = field(default_factory=dict)
    image_indices: dict[str, tuple[Path, tuple[int, ...]]] = field(default_factory=dict)

    def is_human_labelled(self, image_id: str) -> bool:
        """Whether people drew the labels, as far as can be told: an object has no score. A file may
        also list photos without any, and need not mean that they have no objects."""
        path, indices = self.image_indices[image_id]
        return self.files[path].has_human_labels(indices)


def find_layout(root: Path) -> CocoLayout | None:
    """Look for COCO JSON and its photos; None where there is no such file.

    Raises:
        UserError: none of the files can be read, or none of the photos is there.
    """
    scan = FileScan(real_folder(root))
    candidates = _candidates(scan)
    return _Finder(scan, candidates).layout() if candidates else None


def read_annotations(layout: CocoLayout) -> Iterator[tuple[str, Annotation | AnnotationError]]:
    """The labels of every entry, in order."""
    for image_id in layout.entries:
        path, indices = layout.image_indices[image_id]
        yield image_id, layout.files[path].annotation(indices, layout.name(path))


def _candidates(scan: FileScan) -> list[Path]:
    """The JSON files that hold the names of the three lists of COCO's format."""
    return [path for path in scan.files(scan.root, (".json",)) if mentions(path, _KEYS)]


class _Finder:
    """Brings the JSON files of a folder and its photos together."""

    def __init__(self, scan: FileScan, candidates: list[Path]) -> None:
        self.scan = scan
        self.notes: list[str] = []
        self.unmatched_labels: list[str] = []
        self.namesakes: list[Path] = []  # of the first of them
        self.differing = Notes()
        self.files = self._read(candidates)
        self.names = _list_names({path: path.relative_to(scan.root) for path in self.files})
        self.photos = Photos(scan.photos(scan.root), scan.root, links=scan.links)
        self.found: dict[Path, dict[Path, list[int]]] = {}  # photo → file → indices in images
        self.listed: dict[Path, list[Path]] = {}  # file → photos
        for path in sorted(self.files, key=self._order):
            self._match(path)

    def layout(self) -> CocoLayout:
        if not self.found:
            raise UserError(self._nothing_found())
        image_ids = unique_image_ids(self.scan.root, self.found)
        files = {photo: self._file_of(photo) for photo in self.found}
        self.notes += self.differing.sentences()
        classes = self._classes()
        entries = sorted((image_id, photo) for photo, image_id in image_ids.items())
        names = {image_id: self.scan.name(photo) for image_id, photo in entries}
        lists, unlisted = assign_unlisted(self._lists(image_ids), names)
        return CocoLayout(
            format=NAME,
            root=self.scan.root,
            entries={image_id: Entry(image_id, photo, files[photo]) for image_id, photo in entries},
            lists=dict(sorted(lists.items())),
            class_order=classes,
            unlabelled=tuple(photo for photo in self.photos.paths if photo not in self.found),
            unmatched_labels=tuple(self.unmatched_labels),
            notes=(*self.scan.notes, *self.notes, *unlisted),
            files=self.files,
            image_indices={
                image_id: (files[photo], tuple(self.found[photo][files[photo]]))
                for image_id, photo in entries
            },
        )

    def _read(self, paths: list[Path]) -> dict[Path, CocoFile]:
        """The files that can be read; beside ``instances`` files COCO's others are left out."""
        chosen = {path.parent for path in paths if path.name.lower().startswith("instances")}
        files: dict[Path, CocoFile] = {}
        failures: list[str] = []
        for path in paths:
            name = self.scan.name(path)
            if path.parent in chosen and path.name.lower().startswith(_OTHER_LABELS):
                self.notes.append(f"{name}: left out, as the instances files beside it are used")
                continue
            try:
                files[path] = read_coco(path)
            except ValueError as error:
                failures.append(f"{name}: {error}")
                continue
            self.notes += [f"{name}: {note}" for note in files[path].notes]
            if files[path].images and not files[path].objects:
                images = counted(len(files[path].images), "image")
                self.notes.append(f"{name}: lists {images} without any object; all are used")
        if not files:
            raise UserError(f"{self.scan.root}: no COCO JSON can be read ({failures[0]})")
        self.notes += [f"{failure}; left out" for failure in failures]
        return files

    def _order(self, path: Path) -> tuple[int, str]:
        name = self.names[path]
        rank = _SPLIT_ORDER.index(name) if name in _SPLIT_ORDER else len(_SPLIT_ORDER)
        return rank, str(path)

    def _match(self, path: Path) -> None:
        """Find the photos of one file."""
        file = self.files[path]
        hints = {self.names[path].lower(), *(word.lower() for word in _words(path.stem))} - {""}
        names = [image.file_name for image in file.images]
        resolver = NameResolver(self.photos, names, path.parent, hints)
        found: dict[Path, list[int]] = {}
        joined = Notes()
        for index, image in enumerate(file.images):
            photo = resolver.find(image.file_name, image.size)
            if photo is None:
                self._unmatched(path, index)
            else:
                found.setdefault(photo, []).append(index)
        self.notes += resolver.notes(self.scan.name(path), self.scan.name)
        for photo, indices in list(found.items()):
            names = {name_parts(file.images[index].file_name) for index in indices}
            if len(names) > 1:  # two names for one photo: at most one of them is right
                for index in indices:
                    self._unmatched(path, index)
                continue
            if len(indices) > 1:
                ids = listed([formatted(file.images[index].id) for index in indices])
                name = formatted(file.images[indices[0]].file_name)
                joined.add(
                    "",
                    f"{self.scan.name(path)}: {name} is image {ids}; their objects are joined",
                )
            self.found.setdefault(photo, {})[path] = indices
            self.listed.setdefault(path, []).append(photo)
        self.notes += joined.sentences()

    def _unmatched(self, path: Path, index: int) -> None:
        image = self.files[path].images[index]
        name = f"{self.scan.name(path)}, image {formatted(image.id)} ({formatted(image.file_name)})"
        if not self.unmatched_labels and (parts := name_parts(image.file_name)):
            found = map(self.photos.at, self.photos.called(parts[-1]))
            self.namesakes = [photo for photo in found if photo is not None]
        self.unmatched_labels.append(name)

    def _file_of(self, photo: Path) -> Path:
        """The file whose labels of the photo count; a note where another's differ."""
        first, *others = self.found[photo]
        own = self.files[first].annotation(self.found[photo][first], "")
        for other in others:
            theirs = self.files[other].annotation(self.found[photo][other], "")
            if _objects(own) != _objects(theirs):
                self.differing.add(
                    "",
                    f"{self.scan.name(photo)}: {self.scan.name(first)} and "
                    f"{self.scan.name(other)} label it differently; those of the first are used",
                )
        return first

    def _lists(self, image_ids: dict[Path, str]) -> dict[str, SplitList]:
        lists: dict[str, dict[str, None]] = {}
        for path, photos in self.listed.items():
            if self.names[path]:
                found = lists.setdefault(self.names[path], {})
                found.update((image_ids[photo], None) for photo in photos)
        return {name: SplitList(tuple(found)) for name, found in sorted(lists.items())}

    def _classes(self) -> tuple[str, ...]:
        """Classes by category id, of the first file and then of the others."""
        files = [self.files[path] for path in sorted(self.files, key=self._order)]
        classes = {name for f in files for name in f.classes if name not in f.placeholders}
        for name in sorted({name for f in files for name in f.placeholders} - classes):
            self.notes.append(
                f"the category {name!r} is the supercategory of others and has no objects; it is "
                "not used as a class"
            )
        return tuple(dict.fromkeys(name for f in files for name in f.classes if name in classes))

    def _nothing_found(self) -> str:
        paths = listed([self.scan.name(path) for path in self.files])
        reason = (
            f"{len(self.unmatched_labels)} images are listed"
            if self.unmatched_labels
            else "no image is listed"
        )
        first = ""
        if self.namesakes:
            photos = listed([self.scan.name(photo) for photo in self.namesakes])
            return (
                f"{self.scan.root}: in {paths} {reason}, and for none of them it is plain which "
                f"photo it is (first: {self.unmatched_labels[0]}; called so: {photos}). Write the "
                "folder before each file_name"
            )
        if self.unmatched_labels:
            first = f", and none of them is there (first: {self.unmatched_labels[0]})"
        return (
            f"{self.scan.root}: in {paths} {reason}{first}; the photos must lie in the same folder "
            f"as the JSON or anywhere below {self.scan.root.name}"
            f"{first_problems([*self.scan.notes, *self.notes])}"
        )


def _objects(annotation: Annotation) -> list[tuple]:
    rows = zip(
        annotation.names, annotation.boxes.tolist(), annotation.difficult.tolist(), strict=True
    )
    return sorted((name, *box, difficult) for name, box, difficult in rows)


def list_name(stem: str) -> str:
    """The name of the list that a JSON file of this stem is; "" where it names none."""
    return "_".join(_words(stem))


def _words(stem: str) -> list[str]:
    """The words of a file's name, without those at its ends that do not name a split."""
    words = [word for word in re.split(r"[_.\-\s]+", stem) if word]
    while words and words[0].lower() in _GENERIC:
        del words[0]
    while words and words[-1].lower() in _GENERIC:
        del words[-1]
    return words


def _list_names(paths: dict[Path, Path]) -> dict[Path, str]:
    """For each JSON the name of its split list, "" where its name and folder give none.

    Two files of one split that differ by their year keep it (``train2014``, ``train2017``).
    """
    plain = {path: list_name(path.stem) for path in paths}
    names: dict[Path, str] = {}
    meant: dict[Path, set[str | None]] = {}  # by the names of all JSON of a folder
    for path in paths:
        meant.setdefault(path.parent, {None}).add(split_within(plain[path]))
    own = {below: split_name(plain[path]) for path, below in paths.items()}
    splits = splits_of_files(own)
    for path, below in paths.items():
        folder = splits[below]
        # Beside train/fruit_val.json, train/fruit_test.json is no list of training photos. One
        # such name alone says less than the folder: train/test_drive.json.
        if len(meant[path.parent]) > 2 and split_within(plain[path]) not in (None, folder):
            folder = None
        names[path] = split_name(plain[path]) or folder or plain[path]
    spellings: dict[str, set[str]] = {}
    for path, name in names.items():
        if split_name(plain[path]):
            spellings.setdefault(name, set()).add(plain[path].lower())
    return {
        path: plain[path] if split_name(plain[path]) and len(spellings[name]) > 1 else name
        for path, name in names.items()
    }
