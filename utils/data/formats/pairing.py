"""Which photo a label file or a name in a list belongs to, for all formats.

No path is ever made of such a name: it is only compared with the photos that were found by looking
through the folder, so none can lead out. ``Photos`` finds photos by path and by key, for label
files and lists of image ids. ``NameResolver`` finds the photos that a JSON or a list of paths
names.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path

from utils.data.formats.naming import (
    IMAGE_FOLDERS,
    Key,
    formatted,
    list_note,
    name_parts,
)
from utils.data.splits.names import SPLIT_FOLDERS, split_name
from utils.errors import UserError
from utils.image_kinds import photo_stem
from utils.images import IMAGE_SUFFIXES, image_size
from utils.text import nfc


class Photos:
    """Photos below one folder, by path and by key.

    A key is a path below ``top`` without its suffix and without the folders that only say what is
    in them. A photo and a label file of the same key belong together: ``images/night/7.jpg`` and
    ``annotations/night/7.xml``.

    Args:
        paths: the photos, sorted.
        top: the folder.
        label_folders: names of folders that only say that labels are in them.
        links: folder → a link to it. Where the link is called like a split or a folder of photos
            or labels, the keys of the folder's files are those that they have by the link.
    """

    def __init__(
        self,
        paths: list[Path],
        top: Path,
        label_folders: Iterable[str] = (),
        links: Mapping[str, str] | None = None,
    ) -> None:
        self.paths = paths
        self._skip = len(str(top).rstrip(os.sep)) + 1
        self._content_folders = frozenset([*IMAGE_FOLDERS, *label_folders])
        self._links = {
            target + os.sep: link + os.sep
            for target, link in (links or {}).items()
            if self._says_what(os.path.basename(link))
            and not split_name(os.path.basename(target))
            and target.startswith(str(top))
        }

    def _says_what(self, folder: str) -> bool:
        """Whether a folder's name says what is in it, or which split."""
        return folder.lower() in self._content_folders or split_name(folder) is not None

    def _by_link(self, path: Path) -> Path:
        """The path that a file has by a link to its folder; its own without one."""
        text = str(path)
        for target, link in self._links.items():
            if text.startswith(target):
                return Path(link + text[len(target) :])
        return path

    def parts(self, path: Path) -> Key:
        """A path below the top."""
        below = str(path)[self._skip :]  # text is cut in a fraction of the time of a path
        return tuple(nfc(below).split(os.sep)) if below else ()

    def key(self, path: Path) -> Key:
        """The key of a photo or label file."""
        *folders, name = self.parts(self._by_link(path) if self._links else path)
        return self.key_of(folders, photo_stem(name))

    def key_of(self, folders: Iterable[str], stem: str) -> Key:
        """The key of a file in these folders."""
        return (*(name for name in folders if name.lower() not in self._content_folders), stem)

    def below(self, folder: Path) -> list[Path]:
        """The photos in a folder and its folders."""
        start = str(folder).rstrip(os.sep) + os.sep
        return [path for path in self.paths if str(path).startswith(start)]

    # By path

    @cached_property
    def _by_parts(self) -> dict[Key, Path]:
        found: dict[Key, Path] = {}
        for path in self.paths:
            found.setdefault(self.parts(path), path)
        return found

    @cached_property
    def _linked(self) -> dict[Key, Path]:
        return {self.parts(self._by_link(path)): path for path in self.paths if self._links}

    @cached_property
    def _by_name(self) -> dict[str, list[Key]]:
        return _grouped(self._by_parts, lambda parts: parts[-1])

    @cached_property
    def folders(self) -> frozenset[str]:
        """Names of all folders around the photos but those that only say what is in them."""
        return frozenset(folder for parts in self._by_parts for folder in _telling(parts))

    def at(self, parts: Key) -> Path | None:
        """The photo of exactly that path below the top, or of that path by a link."""
        return self._by_parts.get(parts) or self._linked.get(parts)

    def called_folded(self, name: str) -> list[Key]:
        """The paths of all photos of that file name, capitals or not."""
        return self._by_folded_name.get(name.casefold(), [])

    @cached_property
    def _by_folded_name(self) -> dict[str, list[Key]]:
        return _grouped(self._by_parts, lambda parts: parts[-1].casefold())

    def called(self, name: str) -> list[Key]:
        """The paths of all photos of that file name."""
        return self._by_name.get(name, [])

    # By key

    @cached_property
    def by_key(self) -> dict[Key, list[Path]]:
        """The photos of each key."""
        return _grouped(self.paths, self.key)

    @cached_property
    def by_stem(self) -> dict[str, list[Path]]:
        """The photos of each file stem."""
        return _grouped(self.paths, lambda path: nfc(photo_stem(path)))

    @cached_property
    def _by_end(self) -> dict[Key, Key | None]:
        """The end of a key → the key; None where several keys end so."""
        found: dict[Key, Key | None] = {}
        for key in self.by_key:
            for start in range(len(key) - 1):
                found[key[start:]] = None if key[start:] in found else key
        return found

    @cached_property
    def _key_folders(self) -> frozenset[str]:
        return frozenset(folder for key in self.by_key for folder in key[:-1])

    @cached_property
    def _by_folded(self) -> dict[Key, list[Path]]:
        return _grouped(self.paths, lambda path: _folded(self.key(path)))

    def ending_in(self, key: Key) -> list[Path]:
        """The photos whose keys end as this one."""
        same = self.by_stem.get(key[-1], [])
        return [photo for photo in same if self.key(photo)[-len(key) :] == key]

    def meant_by(self, key: Key) -> list[Path]:
        """The photos that the key of a label file can mean; several only where that is not plain.

        Its own; then, where it has none, one that differs by capitals, that the label file names
        with its suffix (``7.jpg.txt``), or that lies elsewhere.
        """
        whole = (*key[:-1], _without_image_suffix(key[-1]))
        for spelt in dict.fromkeys((key, whole)):
            if found := self.by_key.get(spelt):
                return found
        for spelt in dict.fromkeys((key, whole)):
            if found := self._by_folded.get(_folded(spelt)) or self.elsewhere(spelt):
                return found
        return []

    def elsewhere(self, key: Key) -> list[Path]:
        """The one photo that a key without a photo can mean, as on another machine.

        It is the one whose key ends as this one does. Otherwise it is the only one of that file
        stem, unless a folder of this key has photos: then its own photo is missing, and another
        must not take its place.
        """
        for start in range(len(key) - 1):
            if end := self._by_end.get(key[start:]):
                return self.by_key[end]
        same = self.by_stem.get(key[-1], [])
        return same if len(same) == 1 and self._key_folders.isdisjoint(key[:-1]) else []


def _folded(key: Key) -> Key:
    """A key without capitals, as file systems of Windows and macOS compare names."""
    return tuple(part.casefold() for part in key)


def _without_image_suffix(name: str) -> str:
    return os.path.splitext(name)[0] if name.lower().endswith(IMAGE_SUFFIXES) else name


def suffix_rank(photo: Path) -> int:
    """Orders photos that differ only by their suffix: the likeliest kind of file first."""
    suffix = photo.suffix.lower()
    return IMAGE_SUFFIXES.index(suffix) if suffix in IMAGE_SUFFIXES else len(IMAGE_SUFFIXES)


class NameResolver:
    """Finds the photos that one JSON or list of paths names.

    The folders of a name must be the end of the photo's path. As a rule all names of a file start
    from one folder: that from which most of them lead to a photo; of several such, one called like
    a hint, and the nearest to the file.

    Args:
        photos: of the data folder.
        names: all that the file names.
        folder: where the file lies.
        hints: words of the file's name in lower case. Where one is a split's, names do not mean
            photos in the folders of other splits.
    """

    def __init__(
        self, photos: Photos, names: Sequence[str], folder: Path, hints: Collection[str] = ()
    ) -> None:
        self._photos = photos
        self._hints = set(hints)
        self._splits = self._hints & set(SPLIT_FOLDERS.values())
        self._base = photos.parts(folder)
        self._known = known = [parts for name in names if (parts := name_parts(name))]
        # Where no two names have the same file name, their folders need not be those of this disk.
        self._loose = len({parts[-1] for parts in known}) == len(known)
        self._top = self._common_top(known)
        self.guessed: dict[str, Path] = {}
        self.resaved: dict[str, Path] = {}  # with another suffix

    def notes(self, where: str, shown_as: Callable[[Path], str]) -> list[str]:
        """A note on the photos that were found in other folders, or with another suffix, than
        their names say."""
        notes = []
        for found, one, many in (
            (self.guessed, "lies elsewhere", "lie elsewhere"),
            (self.resaved, "has another suffix here", "have other suffixes here"),
        ):
            names = [f"{formatted(n)} (taken for {shown_as(p)})" for n, p in found.items()]
            if names:
                notes.append(list_note(where, names, one, many))
        return notes

    def find(self, name: str, size: tuple[int, int] | None = None) -> Path | None:
        """The photo that is called ``name``; None where no single photo fits.

        A photo in other folders than the name has is only taken where no folder of that name is
        here, and where it has the ``size`` in pixels, if that is known. The same holds for the only
        photo that has the name but for its suffix.
        """
        parts = name_parts(name)
        if not parts:
            return None
        for top in (self._top, self._base):
            if (
                top is not None
                and self._may_stand_for_all(top, parts)
                and (path := self._photos.at(top + parts)) is not None
            ):
                return path
        fitting = self._fitting(parts)
        if self._top is not None and not self._is_other_split(self._top):
            fitting = [path for path in fitting if not self._is_other_split(path[:-1])]
        resaved = False
        if not fitting and not self._photos.called(parts[-1]):
            fitting = self._folded(parts)
            resaved = not fitting
            fitting = fitting or self._of_other_suffix(parts)
        if len(fitting) > 1:
            ranks = [self._rank(path[: max(len(path) - len(parts), 0)]) for path in fitting]
            best = max(ranks)
            if len(parts) == 1 and self._strays and not best[1]:
                return None
            fitting = [path for path, rank in zip(fitting, ranks, strict=True) if rank == best]
        photo = self._photos.at(fitting[0]) if len(fitting) == 1 else None
        if photo is not None and (resaved or not _same_last_folder(fitting[0], parts)):
            if size is not None and not _has_size(photo, size):
                return None
            if not resaved:
                self.guessed[name] = photo
            elif photo_stem(parts[-1]) != parts[-1]:  # a name without any suffix has no other
                self.resaved[name] = photo
        return photo

    def could_be(self, name: str) -> list[Path]:
        """The photos that ``name`` may mean where it is not plain which; empty otherwise."""
        fitting = self._fitting(parts) if (parts := name_parts(name)) else []
        photos = [photo for path in fitting if (photo := self._photos.at(path)) is not None]
        return photos if len(photos) > 1 else []

    def _may_stand_for_all(self, top: Key, parts: Key) -> bool:
        """Whether a name without folders that several photos have means the one in this folder.

        It does not where other names of the file are only found in other folders: then the photo
        may as well be one of those.
        """
        if len(parts) > 1 or top == self._base or len(self._photos.called(parts[-1])) < 2:
            return True
        return any(map(self._is_hinted, top)) or not self._strays

    @cached_property
    def _strays(self) -> bool:
        """Whether names without folders are only found outside the folder of most of them."""
        for parts in self._known:
            found = self._photos.called(parts[-1])
            if len(parts) == 1 and found and all(path[:-1] != self._top for path in found):
                return True
        return False

    def _folded(self, parts: Key) -> list[Key]:
        """The only photo that a name means but for its capitals."""
        found = self._photos.called_folded(parts[-1])
        fits = len(found) == 1 and _same_last_folder(found[0], parts)
        return found if fits and self._folded_count[parts[-1].casefold()] == 1 else []

    def _of_other_suffix(self, parts: Key) -> list[Key]:
        """The only photo that a name means but for its suffix: it was saved in another format.

        It must lie where other photos of the file do, if any is here: masks have the names of
        photos, too.
        """
        stem = photo_stem(parts[-1])
        found = [self._photos.parts(photo) for photo in self._photos.by_stem.get(stem, [])]
        fits = len(found) == 1 and _same_last_folder(found[0], parts)
        if not fits or self._stem_count[stem] > 1:
            return []
        return found if not self._used_folders or found[0][:-1] in self._used_folders else []

    @cached_property
    def _used_folders(self) -> set[Key]:
        """The folders of all photos that have the file name of one that is known."""
        return {path[:-1] for parts in self._known for path in self._photos.called(parts[-1])}

    @cached_property
    def _stem_count(self) -> Counter[str]:
        return Counter(photo_stem(parts[-1]) for parts in self._known)

    @cached_property
    def _folded_count(self) -> Counter[str]:
        return Counter(parts[-1].casefold() for parts in self._known)

    def _common_top(self, names: Iterable[Key]) -> Key | None:
        """The folder that all names start from; None where that is not plain."""
        count: Counter[Key] = Counter()
        for parts in names:
            for path in self._photos.called(parts[-1]):
                if path[-len(parts) :] == parts:
                    count[path[: -len(parts)]] += 1
        most = max(count.values(), default=0)
        tops = [top for top, hits in count.items() if 2 * hits > most]
        ranks = {top: (*self._rank(top), count[top]) for top in tops}
        best = [top for top in tops if ranks[top] == max(ranks.values())]
        return best[0] if len(best) == 1 else None

    def _fitting(self, parts: Key) -> list[Key]:
        namesakes = self._photos.called(parts[-1])
        fitting = [path for path in namesakes if path[-len(parts) :] == parts]
        # A folder that is here has its own photos: another's must not stand in for a missing one.
        loose = self._loose and self._photos.folders.isdisjoint(_telling(parts))
        if not fitting:  # a name from another machine has more folders than there are here
            ends = [path for path in namesakes if parts[-len(path) :] == path]
            most = max(map(len, ends), default=0)
            fitting = [path for path in ends if len(path) == most and (most > 1 or loose)]
        if not fitting and self._loose and len(namesakes) == 1:
            fitting = namesakes if loose or _same_last_folder(namesakes[0], parts) else []
        return fitting

    def _rank(self, folders: Key) -> tuple[int, bool, int]:
        """How likely names start from these folders; more is likelier."""
        shared = 0
        while shared < min(len(self._base), len(folders)) and self._base[shared] == folders[shared]:
            shared += 1
        hinted = [self._is_hinted(folder) for folder in folders]
        unrelated = sum(
            not hint and folder.lower() not in IMAGE_FOLDERS
            for folder, hint in zip(folders[shared:], hinted[shared:], strict=True)
        )
        return -unrelated, any(hinted), shared

    def _is_hinted(self, folder: str) -> bool:
        return folder.lower() in self._hints or split_name(folder) in self._hints

    def _is_other_split(self, folders: Key) -> bool:
        """Whether one of the folders belongs to another split."""
        if not self._splits:
            return False
        splits = {split_name(folder) for folder in folders} - {None}
        return bool(splits) and splits.isdisjoint(self._splits)


def _telling(parts: Key) -> Key:
    """The folders of a name without those that only say what is in them."""
    return tuple(folder for folder in parts[:-1] if folder.lower() not in IMAGE_FOLDERS)


def _same_last_folder(path: Key, parts: Key) -> bool:
    """Whether the folder that says most about a photo, the last, is the same in both."""
    own, other = _telling(_folded(path)), _telling(_folded(parts))
    return not other or own[-1:] == other[-1:]


def _has_size(photo: Path, size: tuple[int, int]) -> bool:
    try:
        found = image_size(photo)
    except UserError:
        return False
    return size in (found[:2], found.stored)


def _grouped(items: Iterable, group: Callable) -> dict:
    groups: dict = {}
    for item in items:
        groups.setdefault(group(item), []).append(item)
    return groups
