"""The photos of a data folder, found by what label files call them, and named by image ids.

``Naming`` pairs a name in a JSON or a list with a photo that was found by looking through the
folder (``Photos``): no path is ever made of such a name, so none can lead out. ``unique_stems``
gives every photo the shortest name that no other photo has.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path

from utils.data.folder.file_scan import FileScan
from utils.data.formats.voc_layout import IMAGE_FOLDERS
from utils.data.splits.names import SPLIT_FOLDERS, split_name
from utils.errors import UserError
from utils.images import IMAGE_SUFFIXES, image_size


def nfc(text: str) -> str:
    """One spelling for letters that file systems spell in two ways (é as one sign or as two)."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def class_name(text: str) -> str:
    """A class name on one line: runs of white space become a space, control characters vanish."""
    return "".join(sign for sign in " ".join(text.split()) if not is_control(sign)).strip()


def is_control(sign: str) -> bool:
    """Whether a character is none that a name in a text file can have."""
    return unicodedata.category(sign) in ("Cc", "Cs", "Zl", "Zp")


def shown(value: object, most: int = 80) -> str:
    """A value from a stranger's file for a message: on one line, and not endless."""
    text = value if isinstance(value, str) and value.isprintable() else repr(value)
    return text if len(text) <= most else text[: most - 1] + "…"


def name_parts(name: str) -> tuple[str, ...]:
    """The folders and the file that a name in a label file means, in either system's spelling.

    A leading ``/``, ``C:`` or ``..`` is dropped: the name is only compared with the endings of
    paths that were found.
    """
    parts: list[str] = []
    for part in nfc(name).replace("\\", "/").split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in ("", ".") and not (not parts and re.fullmatch("[A-Za-z]:", part)):
            parts.append(part)
    return tuple(parts)


class Photos:
    """All photos below one root, by name.

    Attributes:
        paths: the photos, sorted.
        folders: names of all folders around them but those that only say what is in them.
    """

    def __init__(self, scan: FileScan) -> None:
        self.paths = scan.files(scan.root, IMAGE_SUFFIXES)
        self._root = scan.root
        self._by_parts: dict[tuple[str, ...], Path] = {}
        self._by_name: dict[str, list[tuple[str, ...]]] = {}
        self.folders: set[str] = set()
        for path in self.paths:
            parts = tuple(nfc(part) for part in path.relative_to(scan.root).parts)
            if parts not in self._by_parts:
                self._by_parts[parts] = path
                self._by_name.setdefault(parts[-1], []).append(parts)
                self.folders.update(_telling(parts))

    def below(self, folder: Path) -> list[Path]:
        """The photos in a folder and its folders."""
        top = str(folder).rstrip(os.sep) + os.sep  # text compares in a fraction of the time
        return [path for path in self.paths if str(path).startswith(top)]

    def like(self, parts: tuple[str, ...]) -> list[tuple[str, ...]]:
        """The paths of all photos whose file is called like that of ``parts``."""
        return self._by_name.get(parts[-1], [])

    def at(self, parts: tuple[str, ...]) -> Path | None:
        """The photo of exactly that path below the root."""
        return self._by_parts.get(parts)

    def parts(self, folder: Path) -> tuple[str, ...]:
        """A folder as its path below the root."""
        return tuple(nfc(part) for part in folder.relative_to(self._root).parts)


class Naming:
    """Finds the photos that one label file or list names.

    The folders of a name must be the end of the photo's path. As a rule all names of a file start
    from one folder: that from which most of them lead to a photo; of several such, one called like
    a hint, and the nearest to the file.

    Args:
        photos: of the data folder.
        names: all that the file names.
        folder: where the file lies.
        hints: words of the file's name in lower case; those that are a split's keep its names out
            of the folders of other splits.
    """

    def __init__(
        self, photos: Photos, names: Sequence[str], folder: Path, hints: Collection[str] = ()
    ) -> None:
        self._photos = photos
        self._hints = set(hints)
        self._splits = self._hints & set(SPLIT_FOLDERS.values())
        self._base = photos.parts(folder)
        known = [parts for name in names if (parts := name_parts(name))]
        # Where no two photos have the same name, its folders need not be those of this disk.
        self._loose = len({parts[-1] for parts in known}) == len(known)
        self._top = self._common_top(known)
        self.guessed: dict[str, Path] = {}

    def notes(self, where: str, shown_as: Callable[[Path], str]) -> list[str]:
        """A sentence on the photos that were found in other folders than their names say."""
        if not self.guessed:
            return []
        pairs = [
            f"{shown(name)} (taken for {shown_as(photo)})" for name, photo in self.guessed.items()
        ]
        more = f" and {len(pairs) - 3} more" if len(pairs) > 3 else ""
        lie = "lies" if len(pairs) == 1 else "lie"
        return [f"{where} names {', '.join(pairs[:3])}{more}, which {lie} elsewhere"]

    def find(self, name: str, size: tuple[int, int] | None = None) -> Path | None:
        """The photo that is called ``name``; None where no one photo fits.

        A photo in other folders than the name has is only taken where no folder of that name is
        here, and where it has the ``size`` in pixels, if that is known.
        """
        parts = name_parts(name)
        if not parts:
            return None
        for top in (self._top, self._base):
            if top is not None and (path := self._photos.at(top + parts)) is not None:
                return path
        fitting = self._fitting(parts)
        if self._top is not None and not self._foreign(self._top):
            fitting = [path for path in fitting if not self._foreign(path[:-1])]
        if len(fitting) > 1:
            ranks = [self._rank(_before(path, parts)) for path in fitting]
            best = max(ranks)
            fitting = [path for path, rank in zip(fitting, ranks, strict=True) if rank == best]
        photo = self._photos.at(fitting[0]) if len(fitting) == 1 else None
        if photo is not None and not _ends_alike(fitting[0], parts):
            if size is not None and not _has_size(photo, size):
                return None
            self.guessed[name] = photo
        return photo

    def _common_top(self, names: Iterable[tuple[str, ...]]) -> tuple[str, ...] | None:
        count: Counter[tuple[str, ...]] = Counter()
        for parts in names:
            for path in self._photos.like(parts):
                if path[-len(parts) :] == parts:
                    count[path[: -len(parts)]] += 1
        most = max(count.values(), default=0)
        tops = [top for top, hits in count.items() if 2 * hits > most]
        ranks = {top: (*self._rank(top), count[top]) for top in tops}
        best = [top for top in tops if ranks[top] == max(ranks.values())]
        return best[0] if len(best) == 1 else None

    def _fitting(self, parts: tuple[str, ...]) -> list[tuple[str, ...]]:
        namesakes = self._photos.like(parts)
        fitting = [path for path in namesakes if path[-len(parts) :] == parts]
        # A folder that is here has its own photos: another's must not stand in for a missing one.
        loose = self._loose and self._photos.folders.isdisjoint(_telling(parts))
        if not fitting:  # a name from another machine has more folders than there are here
            ends = [path for path in namesakes if parts[-len(path) :] == path]
            most = max(map(len, ends), default=0)
            fitting = [path for path in ends if len(path) == most and (most > 1 or loose)]
        if not fitting and self._loose and len(namesakes) == 1:
            path = namesakes[0]
            fitting = namesakes if loose or _ends_alike(path, parts) else []
        return fitting

    def _rank(self, folders: tuple[str, ...]) -> tuple[int, bool, int]:
        """How likely names start from these folders; more is likelier."""
        shared = 0
        while shared < min(len(self._base), len(folders)) and self._base[shared] == folders[shared]:
            shared += 1
        hinted = [self._hinted(folder) for folder in folders]
        strange = sum(
            not hint and folder.lower() not in IMAGE_FOLDERS
            for folder, hint in zip(folders[shared:], hinted[shared:], strict=True)
        )
        return -strange, any(hinted), shared

    def _hinted(self, folder: str) -> bool:
        return folder.lower() in self._hints or split_name(folder) in self._hints

    def _foreign(self, folders: tuple[str, ...]) -> bool:
        """Whether one of the folders belongs to another split."""
        if not self._splits:
            return False
        others = {split_name(folder) for folder in folders} - {None}
        return bool(others) and others.isdisjoint(self._splits)


def _telling(parts: tuple[str, ...]) -> tuple[str, ...]:
    """The folders of a name without those that only say what is in them."""
    return tuple(folder for folder in parts[:-1] if folder.lower() not in IMAGE_FOLDERS)


def _ends_alike(path: tuple[str, ...], parts: tuple[str, ...]) -> bool:
    """Whether the folder that says most about a photo, the last, is the same in both."""
    own, other = _telling(path), _telling(parts)
    return not other or own[-1:] == other[-1:]


def _has_size(photo: Path, size: tuple[int, int]) -> bool:
    try:
        found = image_size(photo)
    except UserError:
        return False
    return size in (found[:2], found.stored)


def _before(path: tuple[str, ...], parts: tuple[str, ...]) -> tuple[str, ...]:
    return path[: max(len(path) - len(parts), 0)]


def unique_stems(root: Path, paths: Iterable[Path]) -> dict[Path, str]:
    """A name for each photo: its bare stem, with as many folders and suffixes as tell it apart."""
    waiting = [(path, path.relative_to(root)) for path in paths]
    image_ids: dict[Path, str] = {}
    for name in (_bare, _without_split_folders, _without_image_folders, _whole, _with_suffix):
        names = [(path, below, nfc(name(below))) for path, below in waiting]
        count = Counter(image_id for _, _, image_id in names)
        count.update(image_ids.values())
        image_ids |= {path: image_id for path, _, image_id in names if count[image_id] == 1}
        waiting = [(path, below) for path, below, image_id in names if count[image_id] > 1]
    for path, below in waiting:  # the same letters, spelt in two ways by the file system
        image_ids[path] = below.as_posix()
    return image_ids


def _bare(path: Path) -> str:
    return path.stem


def _without_split_folders(path: Path) -> str:
    *folders, image_id = _without_image_folders(path).split("/")
    return "/".join([*(name for name in folders if not split_name(name)), image_id])


def _without_image_folders(path: Path) -> str:
    folders = [name for name in path.parts[:-1] if name.lower() not in IMAGE_FOLDERS]
    return "/".join([*folders, path.stem])


def _whole(path: Path) -> str:
    return path.with_suffix("").as_posix()


def _with_suffix(path: Path) -> str:
    return path.as_posix()
