"""Listing the files of a data folder without leaving it: ``FileScan`` and ``snapshot``.

Hidden files and leftovers of archives are skipped. A link is followed only where its target lies
inside the folder.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterable, Set
from dataclasses import dataclass
from pathlib import Path

from utils.errors import UserError
from utils.image_kinds import FileKind, file_kind, kind_by_suffix, unread_note

_LINKS_SHOWN = 5
TICK = 2_000_000_000  # nanoseconds: the resolution of times on FAT; others have finer ones


def real_folder(data: str | Path) -> Path:
    """The folder without links.

    Raises:
        UserError: there is no such folder.
    """
    data = Path(data)
    try:
        if not data.exists():
            raise UserError(f"{data}: no such folder")
        if not data.is_dir():
            raise UserError(f"{data}: is not a folder; --data takes one of photos and labels")
        return data.resolve(strict=True)
    except (OSError, ValueError, RuntimeError) as error:
        raise UserError(f"{data}: cannot be opened ({error})") from error


class FileScan:
    """Lists the files below one root, and notes the links that lead out.

    Attributes:
        root: the folder, as ``real_folder`` gives it.
        links: folders of the root → the links to them that were met.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.links: dict[str, str] = {}
        self._problems: dict[str, None] = {}
        self._outside: dict[str, None] = {}
        self._kinds: dict[str, FileKind] = {}  # of the files whose suffix does not tell

    @property
    def notes(self) -> list[str]:
        """Sentences on links and folders that were left out, and pictures that are not read."""
        names = list(self._outside)
        shown = names if len(names) <= _LINKS_SHOWN + 1 else names[:_LINKS_SHOWN]
        notes = [
            f"{name}: a link that leads out of the data folder; not followed, copy what it points "
            "to"
            for name in shown
        ]
        if more := len(names) - len(shown):
            notes.append(f"{more:,} more links lead out of the data folder; not followed")
        if unread := [path for path, kind in self._kinds.items() if kind is FileKind.UNREAD]:
            notes.append(unread_note(sorted(unread)))
        return [*notes, *self._problems]

    def folders(self, folder: Path) -> list[Path]:
        """The folders directly in ``folder``, sorted."""
        return sorted(Path(e.path) for e in self.entries(folder) if e.is_dir())

    def files(self, folder: Path, suffixes: tuple[str, ...], deep: bool = True) -> list[Path]:
        """Files with one of the suffixes (lower case), sorted; with those below when ``deep``."""
        return self._files(
            folder, lambda e: e.name.lower().endswith(suffixes) and e.is_file(), deep
        )

    def photos(self, folder: Path, deep: bool = True) -> list[Path]:
        """All pictures that can be read, whatever they are called; others are counted."""
        return self._files(folder, self._is_photo, deep)

    def _is_photo(self, entry: os.DirEntry[str]) -> bool:
        kind = kind_by_suffix(entry.name)  # as a rule; nothing is opened
        if kind is not None:
            return kind is FileKind.PICTURE and entry.is_file()
        kind = self._kinds.get(entry.path)
        if kind is None:
            kind = file_kind(entry.path) if entry.is_file() else FileKind.OTHER
            self._kinds[entry.path] = kind
        return kind is FileKind.PICTURE

    def _files(
        self, folder: Path, wanted: Callable[[os.DirEntry[str]], bool], deep: bool
    ) -> list[Path]:
        found: list[str] = []
        pending: list[Path | str] = [folder]
        while pending:
            for entry in self.entries(pending.pop()):
                if entry.is_dir():
                    # A linked folder lies inside the root, so its files are found anyway.
                    if deep and not entry.is_symlink():
                        pending.append(entry.path)
                elif wanted(entry):
                    found.append(entry.path)
        # By folder first, as paths compare; text compares in a fraction of the time.
        return [Path(path) for path in sorted(found, key=lambda path: path.split(os.sep))]

    def entries(self, folder: Path | str) -> Iterable[os.DirEntry[str]]:
        """The contents of a folder, without hidden files and links that lead out."""
        try:
            with os.scandir(folder) as listing:
                entries = [entry for entry in listing if not _hidden(entry.name)]
        except OSError as error:
            self._problems[f"{self.name(folder)}: cannot be listed ({error.strerror})"] = None
            return []
        return [entry for entry in entries if not entry.is_symlink() or self._inside(entry)]

    def name(self, path: Path | str) -> str:
        """A path for messages, relative to the root."""
        return Path(path).relative_to(self.root).as_posix()

    def _inside(self, entry: os.DirEntry[str]) -> bool:
        target = Path(os.path.realpath(entry.path))
        if target == self.root or self.root in target.parents:
            if target not in Path(entry.path).parents and entry.is_dir():
                self.links.setdefault(str(target), entry.path)
            return True
        self._outside[self.name(entry.path)] = None
        return False


@dataclass(frozen=True)
class Snapshot:
    """The state of a folder.

    Attributes:
        state_hash: the same text for the same files with the same sizes and times.
        cacheable: no file changed within the last ``TICK``, so that a later change is visible in
            the times. A file dated in the future does not count, as its date does not say when it
            was changed.
    """

    state_hash: str
    cacheable: bool


def snapshot(root: Path) -> Snapshot:
    """A hash of names, sizes and times of change of all files below ``root``."""
    top = str(root)
    state, newest = hashlib.blake2b(digest_size=16), 0
    pending, visited = [top], {top}
    while pending:
        folder = pending.pop()
        lines: list[str] = []
        subfolders: list[str] = []
        future = time.time_ns() + TICK
        try:
            with os.scandir(folder) as listing:
                for entry in listing:
                    if _hidden(entry.name):
                        continue
                    subfolder, times = _describe(entry, top, visited, lines)
                    if subfolder is not None:
                        subfolders.append(subfolder)
                    for when in times:
                        if newest < when < future:
                            newest = when
        except OSError as error:
            lines.append(f"\0{error.errno}")
        lines.sort()
        state.update("\0\0".join([folder, *lines]).encode("utf-8", "surrogatepass"))
        # A folder that a link has led to already is not listed twice.
        subfolders = [path for path in subfolders if path not in visited]
        visited.update(subfolders)
        pending += sorted(subfolders)
    return Snapshot(state.hexdigest(), abs(time.time_ns() - newest) > TICK)


def _describe(
    entry: os.DirEntry[str], top: str, visited: Set[str], lines: list[str]
) -> tuple[str | None, tuple[int, ...]]:
    """Add the ``lines`` that stand for an entry in the hash.

    Args:
        top: the root, which no link may lead out of.
        visited: the folders that need not be visited again.

    Returns:
        the folder to visit, None for other entries; and when a file was changed, in nanoseconds.
    """
    name = entry.name
    if entry.is_symlink():
        target = os.path.realpath(entry.path)
        lines.append(f"{name}\0{target}")
        if target != top and not target.startswith(top.rstrip(os.sep) + os.sep):
            return None, ()
        if entry.is_dir() and target not in visited:
            return target, ()
    elif entry.is_dir():
        lines.append(f"{name}\0")
        return entry.path, ()
    try:
        status = entry.stat()
    except OSError:  # a link to nothing
        lines.append(f"{name}\0?")
        return None, ()
    # Tools may set the first time back, but not the second.
    written, changed = status.st_mtime_ns, status.st_ctime_ns
    lines.append(f"{name}\0{status.st_size}\0{written}\0{changed}")
    return None, (written, changed)


def _hidden(name: str) -> bool:
    """Hidden files and leftovers of archives: .DS_Store, ._photo.jpg, __MACOSX."""
    return name.startswith(".") or name == "__MACOSX"
