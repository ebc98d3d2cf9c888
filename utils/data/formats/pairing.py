"""Which photo a label file or a name in a list belongs to, for all formats.

No path is ever made of such a name: it is only compared with the photos that were found by looking
through the folder, so none can lead out. ``Photos`` finds photos by path and by key, for label
files and lists of image ids. ``NameResolver`` finds the photos that a JSON or a list of paths
names.

- parts: the components of a path below the data folder: ``("images", "night", "7.jpg")``.
- generic folder: one whose name only says what is in it, such as ``images`` or ``labels``.
- key: the parts without generic folders and without the suffix: ``("night", "7")``. A photo and a
  label file of the same key belong together: ``images/night/7.jpg``, ``labels/night/7.xml``.
- end: the last parts of a path, or of a key.
- top: the folder that paths start from: for ``Photos`` the data folder, for ``NameResolver`` the
  parts of the folder that the names in a file start from.
- base: the parts of the folder that the file with the names lies in.
- folded: without capitals.
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

    Args:
        paths: the photos, sorted.
        top: the folder.
        label_folders: names of generic folders for labels.
        links: folder → a link to it. Where the link is named like a split or a generic folder, the
            keys of the folder's files are those that they have by the link.
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
        self._generic_folders = frozenset([*IMAGE_FOLDERS, *label_folders])
        self._links = {
            target + os.sep: link + os.sep
            for target, link in (links or {}).items()
            if self._is_generic_or_split(os.path.basename(link))
            and not split_name(os.path.basename(target))
            and target.startswith(str(top))
        }

    def _is_generic_or_split(self, folder: str) -> bool:
        """Whether a folder is generic or named like a split."""
        return folder.lower() in self._generic_folders or split_name(folder) is not None

    def _by_link(self, path: Path) -> Path:
        """The path that a file has by a link to its folder; its own without one."""
        text = str(path)
        for target, link in self._links.items():
            if text.startswith(target):
                return Path(link + text[len(target) :])
        return path

    def parts(self, path: Path) -> Key:
        """The components of a path below the top."""
        below = str(path)[self._skip :]  # text is cut in a fraction of the time of a path
        return tuple(nfc(below).split(os.sep)) if below else ()

    def key(self, path: Path) -> Key:
        """The key of a photo or label file."""
        *folders, name = self.parts(self._by_link(path) if self._links else path)
        return self.key_of(folders, photo_stem(name))

    def key_of(self, folders: Iterable[str], stem: str) -> Key:
        """The key of a file in these folders."""
        return (*(name for name in folders if name.lower() not in self._generic_folders), stem)

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
        """Names of all folders around the photos but generic ones."""
        return frozenset(folder for parts in self._by_parts for folder in _specific_folders(parts))

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
    from one folder, the top: that from which most of them lead to a photo; of several such, one
    named like a hint, and the nearest to the file.

    Args:
        photos: of the data folder.
        names: all that the file names.
        folder: where the file lies.
        hints: words of the file's name in lower case. Where one is a split's, names do not mean
            photos in the folders of other splits.

    Attributes:
        found_elsewhere: name → its photo, where that lies in another folder than the name says.
        found_with_other_suffix: name → its photo, where that has another suffix.
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
        self._names_unique = len({parts[-1] for parts in known}) == len(known)
        self._top = self._common_top(known)
        self.found_elsewhere: dict[str, Path] = {}
        self.found_with_other_suffix: dict[str, Path] = {}

    def notes(self, where: str, shown_as: Callable[[Path], str]) -> list[str]:
        """A note on the photos that were found in other folders, or with another suffix, than
        their names say."""
        notes = []
        for found, one, many in (
            (self.found_elsewhere, "lies elsewhere", "lie elsewhere"),
            (self.found_with_other_suffix, "has another suffix here", "have other suffixes here"),
        ):
            names = [f"{formatted(n)} (taken for {shown_as(p)})" for n, p in found.items()]
            if names:
                notes.append(list_note(where, names, one, many))
        return notes

    def find(self, name: str, size: tuple[int, int] | None = None) -> Path | None:
        """The photo that is called ``name``; None where no single photo fits.

        Of these rules the first that finds photos counts:

        1. The path is exactly the name's, from the top or from the file's own folder.
        2. The path ends as the name does, or the name as the path does, or it is the only photo of
           the file name.
        3. No photo has the file name, and one has it in other capitals.
        4. No photo has the file name, and one has it with another suffix.

        Two more then decide whether a photo that rules 2 to 4 found is taken:

        5. Of several that whose folders are the likeliest start of names.
        6. In another last folder than the name's, or with another suffix: only of this size.

        Args:
            name: as the file writes it.
            size: (width, height) in pixels that the file gives; None where it gives none.
        """
        parts = name_parts(name)
        if not parts:
            return None
        if (photo := self._at_exact_path(parts)) is not None:
            return photo
        found, other_suffix = self._of_this_split(self._with_same_end(parts)), False
        if not found and not self._photos.called(parts[-1]):
            found = self._with_other_capitals(parts)
            if not found:
                found, other_suffix = self._with_other_suffix(parts), True
        if len(found) > 1:
            found = self._likeliest(found, parts)
        photo = self._photos.at(found[0]) if len(found) == 1 else None
        if photo is not None and (other_suffix or not _same_last_folder(found[0], parts)):
            if size is not None and not _has_size(photo, size):
                return None
            if not other_suffix:
                self.found_elsewhere[name] = photo
            elif photo_stem(parts[-1]) != parts[-1]:  # a name without any suffix has no other
                self.found_with_other_suffix[name] = photo
        return photo

    def ambiguous_matches(self, name: str) -> list[Path]:
        """The photos that ``name`` may mean where it may mean several; empty otherwise."""
        found = self._with_same_end(parts) if (parts := name_parts(name)) else []
        photos = [photo for path in found if (photo := self._photos.at(path)) is not None]
        return photos if len(photos) > 1 else []

    # Rule 1: the exact path

    def _at_exact_path(self, parts: Key) -> Path | None:
        for top in (self._top, self._base):
            if (
                top is not None
                and self._may_stand_for_all(top, parts)
                and (photo := self._photos.at(top + parts)) is not None
            ):
                return photo
        return None

    def _may_stand_for_all(self, top: Key, parts: Key) -> bool:
        """Whether a name without folders that several photos have means the one in this folder.

        It does not where other names of the file are only found in other folders: then the photo
        may as well be one of those.
        """
        if len(parts) > 1 or top == self._base or len(self._photos.called(parts[-1])) < 2:
            return True
        return any(map(self._is_hinted, top)) or not self._some_names_elsewhere

    @cached_property
    def _some_names_elsewhere(self) -> bool:
        """Whether names without folders are only found outside the folder of most of them."""
        for parts in self._known:
            found = self._photos.called(parts[-1])
            if len(parts) == 1 and found and all(path[:-1] != self._top for path in found):
                return True
        return False

    # Rule 2: the same end

    def _with_same_end(self, parts: Key) -> list[Key]:
        """The photos whose paths end as the name; else those whose whole path is its longest end;
        else the only one of the file name.

        Nothing but the file name need agree where no two names have the same, and no folder of
        this name is here.
        """
        namesakes = self._photos.called(parts[-1])
        found = [path for path in namesakes if path[-len(parts) :] == parts]
        # A folder that is here has its own photos: another's must not stand in for a missing one.
        folder_is_here = not self._photos.folders.isdisjoint(_specific_folders(parts))
        any_folder = self._names_unique and not folder_is_here
        if not found:  # a name from another machine has more folders than there are here
            ends = [path for path in namesakes if parts[-len(path) :] == path]
            most = max(map(len, ends), default=0)
            found = [path for path in ends if len(path) == most and (most > 1 or any_folder)]
        if not found and self._names_unique and len(namesakes) == 1:
            found = namesakes if any_folder or _same_last_folder(namesakes[0], parts) else []
        return found

    def _of_this_split(self, paths: list[Key]) -> list[Key]:
        """Without the photos in other splits' folders, unless all names start from such a one."""
        if self._top is None or self._is_other_split(self._top):
            return paths
        return [path for path in paths if not self._is_other_split(path[:-1])]

    def _is_other_split(self, folders: Key) -> bool:
        """Whether one of the folders belongs to another split."""
        if not self._splits:
            return False
        splits = {split_name(folder) for folder in folders} - {None}
        return bool(splits) and splits.isdisjoint(self._splits)

    # Rules 3 and 4: other capitals, another suffix

    def _with_other_capitals(self, parts: Key) -> list[Key]:
        """The only photo that a name means but for its capitals."""
        found = self._photos.called_folded(parts[-1])
        fits = len(found) == 1 and _same_last_folder(found[0], parts)
        return found if fits and self._folded_count[parts[-1].casefold()] == 1 else []

    @cached_property
    def _folded_count(self) -> Counter[str]:
        return Counter(parts[-1].casefold() for parts in self._known)

    def _with_other_suffix(self, parts: Key) -> list[Key]:
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

    # Rule 5, and the top: the likeliest folders

    def _likeliest(self, paths: list[Key], parts: Key) -> list[Key]:
        """Those whose folders before the name's own are the likeliest; none where it may as well
        be a photo outside the folder of most names."""
        ranks = [self._rank(path[: max(len(path) - len(parts), 0)]) for path in paths]
        best = max(ranks)
        _, hinted, _ = best
        if len(parts) == 1 and self._some_names_elsewhere and not hinted:
            return []
        return [path for path, rank in zip(paths, ranks, strict=True) if rank == best]

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


def _specific_folders(parts: Key) -> Key:
    """The folders of a path or name but generic ones for photos."""
    return tuple(folder for folder in parts[:-1] if folder.lower() not in IMAGE_FOLDERS)


def _same_last_folder(path: Key, parts: Key) -> bool:
    """Whether the last folder that is not generic is the same in both, if the name has one."""
    own, other = _specific_folders(_folded(path)), _specific_folders(_folded(parts))
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
