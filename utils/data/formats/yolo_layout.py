"""Finding photos, their label files and the split lists in a YOLO folder: ``find_layout``.

It reads the layouts of Ultralytics (``images/train`` and ``labels/train``), Roboflow
(``train/images`` and ``train/labels``), Darknet and CVAT (labels beside the photos, ``obj.names``,
``train.txt``), and photos and labels with only a ``classes.txt``. A photo without label file has no
objects, in a split or folder where others have one. Nothing outside the data folder is looked at,
whatever links, lists and the YAML say.
"""

from __future__ import annotations

import codecs
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np

from utils.data.annotations import Entry, Layout, SplitList
from utils.data.folder.file_scan import FileScan, real_folder
from utils.data.formats.list_file import list_lines
from utils.data.formats.naming import (
    IMAGE_FOLDERS,
    TEXT_FOLDERS,
    Key,
    first_problems,
    formatted,
    list_note,
    name_parts,
    unclear_note,
    unique_image_ids,
)
from utils.data.formats.pairing import NameResolver, Photos, suffix_rank
from utils.data.formats.split_folders import split_folders, with_split_folders, with_the_rest
from utils.data.formats.yolo_names import NamesByFolder, NamesFile, names_by_folder
from utils.data.formats.yolo_txt import read_labels
from utils.data.formats.yolo_yaml import YoloYaml, read_names, read_yaml
from utils.data.splits.names import split_name
from utils.errors import UserError
from utils.files import TooLargeError
from utils.image_kinds import photo_stem
from utils.images import IMAGE_SUFFIXES
from utils.text import counted, listed, nfc

_YAML_NAMES = ("data.yaml", "dataset.yaml", "data.yml", "dataset.yml")  # the likeliest first
_NAME_FILES = ("classes.txt", "obj.names", "_darknet.labels", "predefined_classes.txt")
_LABEL_LINE = re.compile(rb"\s*\d+(\.0*)?([\s;,]+[-+]?[\d.]+([eE][-+]?\d+)?){4,}[\s;,]*")
_NAMED_LINE = re.compile(rb"\s*\S+([\s;,]+[-+]?[\d.]+([eE][-+]?\d+)?){4,5}[\s;,]*")
# Folders of pictures that have the names of the photos and are none.
_OTHER_PICTURES = frozenset(
    ("mask", "masks", "segmentation", "segmentations", "segmentationclass", "segmentationobject")
    + ("depth", "thumb", "thumbs", "thumbnail", "thumbnails")
)
_EXAMPLES = 20  # label files with content, or lines of a list, that are looked at to tell them


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

    def is_drawn(self, image_id: str) -> bool:
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
        self.labels = _LabelFiles(scan, self.photos)
        self.notes = list(self.labels.notes)
        self.unread_names: list[str] = []  # files that would name the classes, and why not
        self.yaml_path, self.yaml = self._find_yaml()

    def layout(self) -> YoloLayout:
        found = NamesByFolder(dict(self.yaml.names) if self.yaml else {})
        found = found if found.names else self._names_beside()
        classes = dict(found.names)
        if not classes or not self.labels.of:
            raise UserError(self._lacking())
        splits = self._declared() or self._listed() or self._in_split_folders()
        splits = self._labelled_only(splits)
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
                if photo.parent in folders or not _of_other_pictures(photo)
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

    def _find_yaml(self) -> tuple[Path | None, YoloYaml | None]:
        """The YAML that describes the folder: the usual name first, then the nearest to the top."""

        def order(path: Path) -> tuple[bool, int, str]:
            usual = path.name.lower() in _YAML_NAMES
            return not usual, len(path.parts), str(path)

        found: list[tuple[Path, YoloYaml]] = []
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
                found.append((path, content))
        if not found:
            return None, None
        (path, content), *others = found
        for other, theirs in others:
            if other.parent != path.parent and self._labels_differ(other.parent, theirs, content):
                raise UserError(self._two_datasets(path, other))
            used = self.scan.name(path)
            self.notes.append(f"{self.scan.name(other)}: left out, as {used} is used")
        self.notes += [f"{self.scan.name(path)}: {note}" for note in content.notes]
        return path, content

    def _labels_differ(self, folder: Path, theirs: YoloYaml, ours: YoloYaml) -> bool:
        """Whether a YAML names other classes than the one used, and has labelled photos below."""
        differ = theirs.names and ours.names and theirs.names != ours.names
        return bool(differ) and any(photo in self.labels.of for photo in self.photos.below(folder))

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
        files = self.scan.files(self.scan.root, _NAME_FILES)
        named = any(path.name.lower() in _NAME_FILES for path in files)
        return named and self.labels.are_yolo(_NAMED_LINE)

    def _names_beside(self) -> NamesByFolder:
        """The class names of a ``classes.txt`` or the like; nearest to the top first."""
        files = [
            path
            for path in self.scan.files(self.scan.root, (".txt", ".names", ".labels"))
            if path.name.lower() in _NAME_FILES or path.suffix.lower() == ".names"
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

    # Splits

    def _declared(self) -> dict[str, list[Path]]:
        """The photos of each split of the YAML."""
        if self.yaml is None:
            return {}
        name = self.scan.name(self.yaml_path)
        usual = {key: value for key, value in self.yaml.splits.items() if split_name(key)}
        splits: dict[str, list[Path]] = {}
        for split, values in self.yaml.splits.items():
            places = [(value, self._place(value)) for value in values]
            missing = [value for value, place in places if place is None]
            if missing and split not in usual:
                continue  # some other entry of text
            photos = [photo for _, place in places if place for photo in self._inside(place)]
            self.notes += [f"{name}: {split}: {formatted(value)} is not there" for value in missing]
            if photos:
                splits[split] = list(dict.fromkeys(photos))
        if usual and not splits and self.labels.of:
            self.notes.append(f"{name}: none of its splits is there; all are ignored")
        return splits

    def _place(self, value: str) -> Path | None:
        """The folder or list file of this data folder that an entry of the YAML means.

        Most entries are written for another machine (``path: /datasets/mine``) or for another
        working folder (``../train/images``). The longest end of the entry that exists beside the
        YAML or below the top is taken.
        """
        beside, root = self.yaml_path.parent, self.scan.root
        bases = [base for base in (self._end(self.yaml.base, [beside, root]), beside, root) if base]
        return self._end(value, list(dict.fromkeys(bases)))

    def _end(self, text: str, bases: Sequence[Path]) -> Path | None:
        parts = name_parts(text)
        if not parts:
            return bases[0] if text.strip() in (".", "./") else None
        for start in range(len(parts)):
            for base in bases:
                place = base.joinpath(*parts[start:])
                if self._can_be_opened(place):
                    return Path(os.path.realpath(place))
        return None

    def _can_be_opened(self, place: Path) -> bool:
        """Whether it is a folder or list file that, after all links, lies in the data folder."""
        try:
            real = Path(os.path.realpath(place))
            inside = real == self.scan.root or self.scan.root in real.parents
            return inside and (real.is_dir() or (real.is_file() and real.suffix == ".txt"))
        except (OSError, ValueError):  # a name that the system cannot hold
            return False

    def _inside(self, place: Path) -> list[Path]:
        return self.photos.below(place) if place.is_dir() else self._list(place)

    def _list(self, path: Path) -> list[Path]:
        """The photos that a list file names."""
        lines = list_lines(path, self.scan.name(path))
        if lines is None:
            self.notes.append(f"{self.scan.name(path)}: not a text file; left out")
            return []
        name = self.scan.name(path)
        resolver = NameResolver(self.photos, lines, path.parent)
        found = {line: resolver.find(line) for line in lines}
        by_key = {line: self._of_key(line) for line, photo in found.items() if photo is None}
        self.notes += resolver.notes(name, self.scan.name)
        if guessed := [
            f"{formatted(line)} (taken for {self.scan.name(photo)})"
            for line, photo in by_key.items()
            if photo and self.photos.key(photo) != self._key_of_line(line)
        ]:
            self.notes.append(list_note(name, guessed, "lies elsewhere", "lie elsewhere"))
        missing = [line for line, photo in by_key.items() if photo is None]
        unclear = {line: photos for line in missing if (photos := resolver.could_be(line))}
        if unclear:
            self.notes.append(unclear_note(name, unclear, self.scan.name))
        if missing := [formatted(line) for line in missing if line not in unclear]:
            self.notes.append(list_note(name, missing, "is not there", "are not there"))
        return list(dict.fromkeys(filter(None, (found | by_key).values())))

    def _of_key(self, line: str) -> Path | None:
        """The photo that a line without suffix means: that of its key, or the only one that it can
        mean as a line from another machine (``/home/me/mine/train/7``)."""
        if not (key := self._key_of_line(line)):
            return None
        found = self.photos.by_key.get(key) or self.photos.elsewhere(key)
        return found[0] if len(found) == 1 else None

    def _key_of_line(self, line: str) -> Key:
        *folders, stem = name_parts(line) or [""]
        return self.photos.key_of(folders, stem) if stem else ()

    def _listed(self) -> dict[str, list[Path]]:
        """The lists of Darknet: ``train.txt`` and the like, with a photo a line."""
        splits: dict[str, list[Path]] = {}
        for path in self.labels.texts:
            name = split_name(path.stem)
            if name and name not in splits and path not in self.labels.of.values():
                lines = list_lines(path, self.scan.name(path))
                if lines and self._is_list(lines, path) and (photos := self._list(path)):
                    splits[name] = photos
        if not (splits := self._labelled_only(splits)):
            return {}
        folders = {
            split: photos
            for split, photos in self._split_folders().items()
            if any(photo in self.labels.of for photo in photos)
        }
        found, note = with_split_folders(splits, folders)
        self.notes += filter(None, [note])
        return found if "train" in splits and not note else self._with_the_rest(found, "list")

    def _is_list(self, lines: list[str], path: Path) -> bool:
        """Whether a text is a list of photos: by the first line's suffix, or by a photo."""
        if lines[0].lower().endswith(IMAGE_SUFFIXES):
            return True
        some = lines[:_EXAMPLES]
        resolver = NameResolver(self.photos, some, path.parent)
        return any(resolver.find(line) or self._of_key(line) for line in some)

    def _in_split_folders(self) -> dict[str, list[Path]]:
        return self._with_the_rest(self._labelled_only(self._split_folders()), "folder")

    def _split_folders(self) -> dict[str, list[Path]]:
        photos, key, labels = self.photos.paths, self.photos.key, self.labels.of
        places = split_folders(
            [key(photo) for photo in photos],
            [key(labels[photo]) if photo in labels else None for photo in photos],
        )
        return {split: [photos[place] for place in found] for split, found in places.items()}

    def _with_the_rest(self, splits: dict[str, list[Path]], place: str) -> dict[str, list[Path]]:
        """The splits with the labelled photos outside them, and those without labels beside these:
        they count as photos without objects, here as in other folders."""
        inside = {photo for found in splits.values() for photo in found}
        rest = [photo for photo in self.labels.of if photo not in inside]
        found, note = with_the_rest(splits, rest, self.scan.name, place)
        self.notes += filter(None, [note])
        if found.keys() != splits.keys():
            folders = {photo.parent for photo in rest}
            found["train"] = [
                photo
                for photo in self.photos.paths
                if photo.parent in folders and photo not in inside
            ]
        return found

    def _labelled_only(self, splits: dict[str, list[Path]]) -> dict[str, list[Path]]:
        """The splits without those in which no photo has a label file."""
        kept = {}
        for name, photos in splits.items():
            if any(photo in self.labels.of for photo in photos):
                kept[name] = photos
            else:
                self.notes.append(
                    f"{name}: none of its {len(photos)} photos has a label file; left out"
                )
        return kept


class _LabelFiles:
    """The text files of a folder and the photos that they belong to.

    A photo's labels lie under ``labels`` in place of the last ``images`` in its path, or beside
    it, or in the only text file of its key. A label file that is left over belongs to the only
    photo of its name without labels.

    Attributes:
        texts: all text files but those that name classes.
        of: photo → label file, for those that have one.
        by_name: those of these photos that have it by their name alone.
        namesakes: photos whose label file may belong to another photo of the same name: they have
            labels, but which is not known, so they are no photos without objects.
        contested: the label files that they may have.
        notes: sentences on them.
    """

    def __init__(self, scan: FileScan, photos: Photos) -> None:
        self._scan, self._photos = scan, photos
        texts = scan.files(scan.root, (".txt",))
        self.texts = [path for path in texts if path.name.lower() not in _NAME_FILES]
        self.namesakes: set[Path] = set()
        self.contested: list[Path] = []
        self.by_name: set[Path] = set()
        self.notes: list[str] = []
        self._by_parts = {self._parts(path): path for path in self.texts}
        self._by_key: dict[Key, list[Path]] = {}
        for path in self.texts:
            self._by_key.setdefault(photos.key(path), []).append(path)
        self.of = self._pair()
        self._pair_left_over()

    def are_yolo(self, pattern: re.Pattern[bytes] = _LABEL_LINE) -> bool:
        """Whether one of the first label files with content begins with a line of this format."""
        lines = filter(None, map(_first_line, (*self.of.values(), *self.contested)))
        return any(pattern.fullmatch(line) for line in islice(lines, _EXAMPLES))

    def unmatched(self) -> tuple[str, ...]:
        """Label files without photo: beside label files, and with a line of this format."""
        used = set(self.of.values())
        folders = {path.parent for path in used}
        left = (path for path in self.texts if path not in used)
        return tuple(self._scan.name(path) for path in left if self._looks_lost(path, folders))

    def _looks_lost(self, path: Path, folders: set[Path]) -> bool:
        """Whether a text file without photo is a label file: by its line, or by its folder."""
        line = _first_line(path)
        if any(part.lower() in TEXT_FOLDERS for part in self._photos.parts(path)[:-1]):
            listed = line.decode("utf-8", "replace").strip().lower().endswith(IMAGE_SUFFIXES)
            return bool(line) and not listed
        return path.parent in folders and bool(_LABEL_LINE.fullmatch(line))

    def _parts(self, path: Path) -> Key:
        """The path below the data folder, without suffix."""
        *folders, name = self._photos.parts(path)
        return (*folders, photo_stem(name))

    def _pair(self) -> dict[Path, Path]:
        owners: dict[Path, Path] = {}
        for photo in sorted(
            self._photos.paths, key=lambda p: (p.with_name(photo_stem(p)), suffix_rank(p))
        ):
            label = self._label(photo)
            if label is None:
                continue
            if (owner := owners.setdefault(label, photo)) is not photo:
                self.namesakes.add(photo)
                self.notes.append(
                    f"{self._scan.name(photo)}: another photo of the same name, "
                    f"{self._scan.name(owner)}, has the labels; left out"
                )
        return {photo: label for label, photo in sorted(owners.items(), key=lambda pair: pair[1])}

    def _pair_left_over(self) -> None:
        """Pair the label files that no photo has claimed, where that is plain.

        The photos that one of several such files may belong to, or the other way round, have
        labels that cannot be told: they become ``namesakes``.
        """
        used = set(self.of.values())
        left = [path for path in self.texts if path not in used]
        if not left or len(self.of) + len(self.namesakes) == len(self._photos.paths):
            return
        folders = {path.parent for path in used}
        claims: dict[Path, list[Path]] = {}  # photo → label files
        unsure: dict[Path, None] = {}
        for path in left:
            photos = self._photos.meant_by(self._photos.key(path))
            photos = photos or self._photos.by_stem.get(nfc(path.stem), [])
            photos = [
                photo for photo in photos if photo not in self.of and not _of_other_pictures(photo)
            ]
            if photos and (path.parent in folders or self._is_label(path)):
                for photo in photos:
                    claims.setdefault(photo, []).append(path)
                if len(photos) > 1 or not self._photos.meant_by(self._photos.key(path)):
                    unsure.update(dict.fromkeys(photos))
        for photo, paths in sorted(claims.items()):
            if photo in unsure or len(paths) > 1 or photo in self.namesakes:
                unsure[photo] = None
            else:
                self.of[photo] = paths[0]
                self.by_name.add(photo)
        if new := sorted(unsure.keys() - self.namesakes):
            self.namesakes.update(new)
            self.contested = [*dict.fromkeys(path for photo in new for path in claims[photo])]
            names = listed([self._scan.name(photo) for photo in new])
            labels = listed([self._scan.name(path) for path in dict.fromkeys(claims[new[0]])])
            have = counted(len(new), "photo has", "photos have")
            self.notes.append(
                f"{have} labels that cannot be told from those of a namesake ({names}; {labels} "
                f"may be those of {self._scan.name(new[0])}); left out. Put it where it belongs: "
                f"{self.looked_for(new[0])}"
            )

    def _is_label(self, path: Path) -> bool:
        line = _first_line(path)
        return bool(_LABEL_LINE.fullmatch(line)) or (not line and path.stat().st_size < 4096)

    def looked_for(self, photo: Path) -> str:
        """In words, where the labels of one photo were looked for."""
        places = [f"{'/'.join(parts)}.txt" for parts in self._places(photo)]
        shown = list(dict.fromkeys(place for place in places if "/Labels/" not in f"/{place}"))
        return f"the labels of {self._scan.name(photo)} were looked for in {listed(shown)}"

    def _places(self, photo: Path) -> Iterator[Key]:
        """Where the labels of a photo may be, the likeliest first."""
        parts = self._parts(photo)
        for place in reversed(range(len(parts) - 1)):
            if parts[place].lower() in IMAGE_FOLDERS:
                for name in ("labels", "Labels"):
                    yield (*parts[:place], name, *parts[place + 1 :])
        yield parts

    def _label(self, photo: Path) -> Path | None:
        for parts in self._places(photo):
            if parts in self._by_parts:
                return self._by_parts[parts]
        same_key = self._by_key.get(self._photos.key(photo), [])
        return same_key[0] if len(same_key) == 1 else None


def _order(names: Iterable[Mapping[int, str]]) -> tuple[str, ...]:
    """All class names, each once."""
    return tuple(dict.fromkeys(name for found in names for name in found.values()))


def _of_other_pictures(photo: Path) -> bool:
    """Whether the folder of a picture is called like one of masks or thumbnails."""
    return photo.parent.name.lower() in _OTHER_PICTURES


def _first_line(path: Path) -> bytes:
    """The first line with content, without reading more than the beginning; b"" without any."""
    try:
        with open(path, "rb") as file:
            data = file.read(4096)
        if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            data = data.decode("utf-16", "ignore").encode()
    except OSError:
        return b""
    lines = data.removeprefix(codecs.BOM_UTF8).splitlines()
    return next((line for line in lines if line.strip()), b"")
