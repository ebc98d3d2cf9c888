"""Which label file belongs to which photo in a YOLO folder: ``LabelFiles``."""

from __future__ import annotations

import os
import re
from pathlib import Path

from utils.data.folder.file_scan import FileScan
from utils.data.formats.naming import Photos, nfc
from utils.data.formats.voc_layout import IMAGE_FOLDERS
from utils.images import IMAGE_SUFFIXES

LABEL_FOLDERS = ("labels", "label", "annotations", "annotation", "annots", "anns", "txt", "txts")
NAME_FILES = ("classes.txt", "obj.names", "_darknet.labels", "predefined_classes.txt")

_LABEL_LINE = re.compile(rb"\s*\d+(\.0*)?(\s+[-+]?[\d.]+([eE][-+]?\d+)?){4,}\s*")
_SPOKEN = 20  # label files with content that are looked at, to tell the format


class LabelFiles:
    """The text files of a folder and the photos that they belong to.

    A photo's labels lie under ``labels`` in place of the last ``images`` in its path, or beside
    it, or in the only file with the same path but for folders that say what is in them.

    Attributes:
        texts: all text files but those that name classes.
        of: photo → label file, for those that have one.
        namesakes: photos whose label file belongs to another photo of the same name.
        notes: one sentence for each of them.
    """

    def __init__(self, scan: FileScan, photos: Photos) -> None:
        self._scan = scan
        texts = scan.files(scan.root, (".txt",))
        self.texts = [path for path in texts if path.name.lower() not in NAME_FILES]
        self.namesakes: set[Path] = set()
        self.notes: list[str] = []
        self._by_parts = {self._parts(path): path for path in self.texts}
        self._by_key: dict[tuple[str, ...], list[Path]] = {}
        for path in self.texts:
            self._by_key.setdefault(self.key(path), []).append(path)
        self.of = self._pair(photos)

    def are_yolo(self) -> bool:
        """Whether one of the first label files that say something is of this format."""
        contents = (_first_line(path) for path in self.of.values())
        spoken = [line for line, _ in zip((c for c in contents if c), range(_SPOKEN), strict=False)]
        return any(_LABEL_LINE.fullmatch(line) for line in spoken)

    def unmatched_labels(self) -> tuple[str, ...]:
        """Label files without photo: beside label files, and with a line of this format."""
        used = set(self.of.values())
        folders = {path.parent for path in used}
        return tuple(
            self._scan.name(path)
            for path in self.texts
            if path not in used
            and path.parent in folders
            and _LABEL_LINE.fullmatch(_first_line(path))
        )

    def key(self, path: Path) -> tuple[str, ...]:
        """The path without suffix and without the folders that only say what is in them."""
        *folders, image_id = self._parts(path)
        usual = IMAGE_FOLDERS + LABEL_FOLDERS
        return (*(name for name in folders if name.lower() not in usual), image_id)

    def _parts(self, path: Path) -> tuple[str, ...]:
        *folders, name = (nfc(part) for part in path.relative_to(self._scan.root).parts)
        return (*folders, os.path.splitext(name)[0])

    def _pair(self, photos: Photos) -> dict[Path, Path]:
        owners: dict[Path, Path] = {}
        for photo in sorted(photos.paths, key=_by_kind):
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

    def _label(self, photo: Path) -> Path | None:
        parts = self._parts(photo)
        for place in reversed(range(len(parts) - 1)):
            if parts[place].lower() in IMAGE_FOLDERS:
                for name in ("labels", "Labels"):
                    swapped = (*parts[:place], name, *parts[place + 1 :])
                    if swapped in self._by_parts:
                        return self._by_parts[swapped]
        if parts in self._by_parts:
            return self._by_parts[parts]
        like = self._by_key.get(self.key(photo), [])
        return like[0] if len(like) == 1 else None


def _by_kind(photo: Path) -> tuple[Path, int]:
    """Photos of one image id together, the likeliest kind of file first."""
    return photo.with_suffix(""), IMAGE_SUFFIXES.index(photo.suffix.lower())


def _first_line(path: Path) -> bytes:
    """The first line with content, without reading more than the beginning; b"" without any."""
    try:
        with open(path, "rb") as file:
            lines = file.read(4096).removeprefix(b"\xef\xbb\xbf").splitlines()
    except OSError:
        return b""
    return next((line for line in lines if line.strip()), b"")
