"""Which photo and which text file of a YOLO folder belong together: ``LabelFiles``."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from utils.data.folder.file_scan import FileScan
from utils.data.formats.naming import IMAGE_FOLDERS, TEXT_FOLDERS, Key
from utils.data.formats.pairing import Photos, suffix_rank
from utils.image_kinds import photo_stem
from utils.images import IMAGE_SUFFIXES
from utils.text import counted, listed, nfc

NAME_FILES = ("classes.txt", "obj.names", "_darknet.labels", "predefined_classes.txt")
_LABEL_LINE = re.compile(rb"\s*\d+(\.0*)?([\s;,]+[-+]?[\d.]+([eE][-+]?\d+)?){4,}[\s;,]*")
_NAMED_LINE = re.compile(rb"\s*\S+([\s;,]+[-+]?[\d.]+([eE][-+]?\d+)?){4,5}[\s;,]*")
# Folders of pictures that have the names of the photos and are none.
_OTHER_PICTURES = frozenset(
    ("mask", "masks", "segmentation", "segmentations", "segmentationclass", "segmentationobject")
    + ("depth", "thumb", "thumbs", "thumbnail", "thumbnails")
)
_EXAMPLES = 20  # label files with content that are read to tell the format


class LabelFiles:
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
        self.texts = [path for path in texts if path.name.lower() not in NAME_FILES]
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

    def are_yolo(self, *, named: bool = False) -> bool:
        """Whether one of the first label files with content begins with a line of this format.

        Args:
            named: also one that has a name in place of the class id.
        """
        pattern = _NAMED_LINE if named else _LABEL_LINE
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
                photo for photo in photos if photo not in self.of and not of_other_pictures(photo)
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
        paths = [f"{'/'.join(parts)}.txt" for parts in self._label_paths(photo)]
        shown = list(dict.fromkeys(path for path in paths if "/Labels/" not in f"/{path}"))
        return f"the labels of {self._scan.name(photo)} were looked for in {listed(shown)}"

    def _label_paths(self, photo: Path) -> Iterator[Key]:
        """Where the labels of a photo may be, the likeliest first."""
        parts = self._parts(photo)
        for i in reversed(range(len(parts) - 1)):
            if parts[i].lower() in IMAGE_FOLDERS:
                for name in ("labels", "Labels"):
                    yield (*parts[:i], name, *parts[i + 1 :])
        yield parts

    def _label(self, photo: Path) -> Path | None:
        for parts in self._label_paths(photo):
            if parts in self._by_parts:
                return self._by_parts[parts]
        same_key = self._by_key.get(self._photos.key(photo), [])
        return same_key[0] if len(same_key) == 1 else None


def of_other_pictures(photo: Path) -> bool:
    """Whether the folder of a picture is named like one of masks or thumbnails."""
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
