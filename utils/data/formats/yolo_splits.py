"""The splits of a YOLO folder: ``find_splits``.

What the YAML declares comes first, then the lists of Darknet (``train.txt``) beside folders that
are named like splits, then such folders alone.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from utils.data.folder.file_scan import FileScan
from utils.data.formats.list_file import list_lines
from utils.data.formats.naming import Key, formatted, list_note, name_parts, unclear_note
from utils.data.formats.pairing import NameResolver, Photos
from utils.data.formats.split_folders import (
    assign_remaining,
    merge_lists_and_folders,
    split_folders,
)
from utils.data.formats.yolo_pairs import LabelFiles
from utils.data.formats.yolo_yaml import YoloYaml
from utils.data.splits.names import split_name
from utils.images import IMAGE_SUFFIXES

_EXAMPLES = 20  # lines of a text that are tried to tell whether it lists photos


def find_splits(
    scan: FileScan, photos: Photos, labels: LabelFiles, yaml: YoloYaml | None
) -> tuple[dict[str, list[Path]], list[str]]:
    """The photos of each split, of those splits in which one has a label file, and notes on what
    was left out. No split where nothing divides the photos.

    Args:
        yaml: what describes the folder, if there is one.
    """
    finder = _SplitFinder(scan, photos, labels)
    splits = finder.declared(yaml) if yaml else {}
    splits = splits or finder.listed() or finder.in_split_folders()
    return finder.labelled_only(splits), finder.notes


class _SplitFinder:
    """Three ways to divide the photos.

    Attributes:
        notes: sentences on what was left out.
    """

    def __init__(self, scan: FileScan, photos: Photos, labels: LabelFiles) -> None:
        self._scan, self._photos, self._labels = scan, photos, labels
        self.notes: list[str] = []

    def declared(self, yaml: YoloYaml) -> dict[str, list[Path]]:
        """The photos of each split of the YAML."""
        name = self._scan.name(yaml.path)
        bases = [yaml.path.parent, self._scan.root]
        bases = list(dict.fromkeys(filter(None, [self._end(yaml.base, bases), *bases])))
        usual = {key: value for key, value in yaml.splits.items() if split_name(key)}
        splits: dict[str, list[Path]] = {}
        for split, values in yaml.splits.items():
            resolved = [(value, self._end(value, bases)) for value in values]
            missing = [value for value, path in resolved if path is None]
            if missing and split not in usual:
                continue  # some other entry of text
            photos = [photo for _, path in resolved if path for photo in self._inside(path)]
            self.notes += [f"{name}: {split}: {formatted(value)} is not there" for value in missing]
            if photos:
                splits[split] = list(dict.fromkeys(photos))
        if usual and not splits and self._labels.of:
            self.notes.append(f"{name}: none of its splits is there; all are ignored")
        return splits

    def _end(self, text: str, bases: Sequence[Path]) -> Path | None:
        """The folder or list file of this data folder that an entry of the YAML means.

        Most entries are written for another machine (``path: /datasets/mine``) or for another
        working folder (``../train/images``). The longest end of the entry that exists below one of
        the folders is taken.
        """
        parts = name_parts(text)
        if not parts:
            return bases[0] if text.strip() in (".", "./") else None
        for start in range(len(parts)):
            for base in bases:
                path = base.joinpath(*parts[start:])
                if self._can_be_opened(path):
                    return Path(os.path.realpath(path))
        return None

    def _can_be_opened(self, path: Path) -> bool:
        """Whether it is a folder or list file that, after all links, lies in the data folder."""
        try:
            real = Path(os.path.realpath(path))
            inside = real == self._scan.root or self._scan.root in real.parents
            return inside and (real.is_dir() or (real.is_file() and real.suffix == ".txt"))
        except (OSError, ValueError):  # a name that the system cannot hold
            return False

    def _inside(self, path: Path) -> list[Path]:
        return self._photos.below(path) if path.is_dir() else self._list(path)

    def _list(self, path: Path) -> list[Path]:
        """The photos that a list file names."""
        lines = list_lines(path, self._scan.name(path))
        if lines is None:
            self.notes.append(f"{self._scan.name(path)}: not a text file; left out")
            return []
        name = self._scan.name(path)
        resolver = NameResolver(self._photos, lines, path.parent)
        found = {line: resolver.find(line) for line in lines}
        by_key = {line: self._of_key(line) for line, photo in found.items() if photo is None}
        self.notes += resolver.notes(name, self._scan.name)
        if guessed := [
            f"{formatted(line)} (taken for {self._scan.name(photo)})"
            for line, photo in by_key.items()
            if photo and self._photos.key(photo) != self._key_of_line(line)
        ]:
            self.notes.append(list_note(name, guessed, "lies elsewhere", "lie elsewhere"))
        missing = [line for line, photo in by_key.items() if photo is None]
        unclear = {line: photos for line in missing if (photos := resolver.ambiguous_matches(line))}
        if unclear:
            self.notes.append(unclear_note(name, unclear, self._scan.name))
        if missing := [formatted(line) for line in missing if line not in unclear]:
            self.notes.append(list_note(name, missing, "is not there", "are not there"))
        return list(dict.fromkeys(filter(None, (found | by_key).values())))

    def _of_key(self, line: str) -> Path | None:
        """The photo that a line without suffix means: that of its key, or the only one that it can
        mean as a line from another machine (``/home/me/mine/train/7``)."""
        if not (key := self._key_of_line(line)):
            return None
        found = self._photos.by_key.get(key) or self._photos.elsewhere(key)
        return found[0] if len(found) == 1 else None

    def _key_of_line(self, line: str) -> Key:
        *folders, stem = name_parts(line) or [""]
        return self._photos.key_of(folders, stem) if stem else ()

    def listed(self) -> dict[str, list[Path]]:
        """The lists of Darknet: ``train.txt`` and the like, with a photo a line."""
        splits: dict[str, list[Path]] = {}
        for path in self._labels.texts:
            name = split_name(path.stem)
            if name and name not in splits and path not in self._labels.of.values():
                lines = list_lines(path, self._scan.name(path))
                if lines and self._is_list(lines, path) and (photos := self._list(path)):
                    splits[name] = photos
        if not (splits := self.labelled_only(splits)):
            return {}
        folders = {
            split: photos
            for split, photos in self._split_folders().items()
            if any(photo in self._labels.of for photo in photos)
        }
        found, note = merge_lists_and_folders(splits, folders)
        self.notes += filter(None, [note])
        return found if "train" in splits and not note else self._with_remaining(found, "list")

    def _is_list(self, lines: list[str], path: Path) -> bool:
        """Whether a text is a list of photos: by the first line's suffix, or by a photo."""
        if lines[0].lower().endswith(IMAGE_SUFFIXES):
            return True
        some = lines[:_EXAMPLES]
        resolver = NameResolver(self._photos, some, path.parent)
        return any(resolver.find(line) or self._of_key(line) for line in some)

    def in_split_folders(self) -> dict[str, list[Path]]:
        return self._with_remaining(self.labelled_only(self._split_folders()), "folder")

    def _split_folders(self) -> dict[str, list[Path]]:
        photos, key, labels = self._photos.paths, self._photos.key, self._labels.of
        splits = split_folders(
            [key(photo) for photo in photos],
            [key(labels[photo]) if photo in labels else None for photo in photos],
        )
        return {split: [photos[index] for index in found] for split, found in splits.items()}

    def _with_remaining(self, splits: dict[str, list[Path]], kind: str) -> dict[str, list[Path]]:
        """The splits with the labelled photos outside them, and those without labels beside these:
        they count as photos without objects, here as in other folders."""
        inside = {photo for found in splits.values() for photo in found}
        remaining = [photo for photo in self._labels.of if photo not in inside]
        found, note = assign_remaining(splits, remaining, self._scan.name, kind)
        self.notes += filter(None, [note])
        if found.keys() != splits.keys():
            folders = {photo.parent for photo in remaining}
            found["train"] = [
                photo
                for photo in self._photos.paths
                if photo.parent in folders and photo not in inside
            ]
        return found

    def labelled_only(self, splits: dict[str, list[Path]]) -> dict[str, list[Path]]:
        """The splits without those in which no photo has a label file."""
        kept = {}
        for name, photos in splits.items():
            if any(photo in self._labels.of for photo in photos):
                kept[name] = photos
            else:
                self.notes.append(
                    f"{name}: none of its {len(photos)} photos has a label file; left out"
                )
        return kept
