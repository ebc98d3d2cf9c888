"""What photos hold, found out once and kept: their content hash and how they look.

``PhotoFacts`` keeps both between runs in the cache (``utils.data.folder.cache``), for each file as
long as its size and times of change stay the same; not for files that changed this very moment, as
another change might not show in the times.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np

from utils.cores import available_cores
from utils.data.duplicates import fingerprint
from utils.data.folder import scan
from utils.data.folder.cache import load_arrays, save_arrays
from utils.data.folder.tables import Strings, column
from utils.errors import UserError
from utils.files import content_hash
from utils.progress import progress

_CONTENT, _LOOK, _FLAT = 1, 2, 4  # what is known of a file: bits of ``_Fact.known``
_BATCH = 64  # files that a thread takes at once

Item = TypeVar("Item")
Result = TypeVar("Result")


class _Fact(NamedTuple):
    size: int
    time: int  # of modification, nanoseconds
    change: int  # of anything about the file, nanoseconds
    known: int = 0
    content: int = 0
    look: int = 0


class PhotoFacts:
    """Facts on the photos below a folder; read when made, written by ``save``."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._facts = _read(load_arrays(root, "photos", ""))
        self._changed = False
        self._fresh: set[str] = set()  # files that changed this very moment

    def contents(self, paths: Mapping[str, Path]) -> dict[str, str]:
        """Image id → content hash (``utils.files.content_hash``); unreadable files are left out."""

        def fill(path: str, fact: _Fact) -> _Fact | None:
            try:
                digest = content_hash(path)
            except OSError:
                return None
            return fact._replace(known=fact.known | _CONTENT, content=int(digest, 16))

        found = self._find(paths, _CONTENT, fill, "hashing photos")
        return {image_id: f"{fact.content:016x}" for image_id, fact in found.items()}

    def looks(self, paths: Mapping[str, Path]) -> dict[str, int]:
        """Image id → perceptual hash; unreadable and plain-coloured photos are left out."""

        def fill(path: str, fact: _Fact) -> _Fact | None:
            try:
                small = fingerprint.thumbnail(Path(path))
            except UserError:
                return None
            flat = _FLAT * (fingerprint.contrast(small) < fingerprint.MIN_CONTRAST)
            look = fingerprint.difference_hash(small)
            return fact._replace(known=fact.known | _LOOK | flat, look=look)

        found = self._find(paths, _LOOK, fill, "comparing photos")
        return {image_id: fact.look for image_id, fact in found.items() if not fact.known & _FLAT}

    def save(self) -> None:
        """Keep what was found out for the next time."""
        if self._changed:
            lasting = {p: fact for p, fact in self._facts.items() if p not in self._fresh}
            save_arrays(self.root, "photos", "", _arrays(lasting))
            self._changed = False

    def _find(
        self,
        paths: Mapping[str, Path],
        kind: int,
        fill: Callable[[str, _Fact], _Fact | None],
        what: str,
    ) -> dict[str, _Fact]:
        """The facts of each photo, with what has to be found out first."""
        found: dict[str, _Fact] = {}
        missing: list[tuple[str, str, _Fact]] = []
        now = time.time_ns()
        for image_id, path in paths.items():
            name = str(path)
            try:
                status = os.stat(name)
            except OSError:
                continue
            stamp = status.st_size, status.st_mtime_ns, status.st_ctime_ns
            if any(abs(now - when) <= scan.TICK for when in stamp[1:]):
                self._fresh.add(name)
            fact = self._facts.get(name)
            if fact is None or fact[:3] != stamp:
                fact = _Fact(*stamp)
            if fact.known & kind:
                found[image_id] = fact
            else:
                missing.append((image_id, name, fact))

        def work(item: tuple[str, str, _Fact]) -> _Fact | None:
            return fill(*item[1:])

        results = in_threads(work, missing)
        for (image_id, name, _), fact in zip(
            missing, progress(results, what, len(missing)), strict=True
        ):
            if fact is not None:
                found[image_id] = self._facts[name] = fact
                self._changed = True
        return found


def content_hashes(paths: Mapping[str, Path]) -> dict[str, str]:
    """Image id → ``utils.files.content_hash``, kept between runs; unreadable files are left out."""
    root = common_folder(paths.values())
    if root is None:
        return {}
    facts = PhotoFacts(root)
    found = facts.contents(paths)
    facts.save()
    return found


def in_threads(work: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
    """``map`` by as many threads as there are cores, in order."""

    def batch(begin: int) -> list[Result]:
        return [work(item) for item in items[begin : begin + _BATCH]]

    with ThreadPoolExecutor(available_cores()) as pool:
        for results in pool.map(batch, range(0, len(items), _BATCH)):
            yield from results


def common_folder(paths: Iterable[Path]) -> Path | None:
    """The folder that holds all of the photos; None without any."""
    folders = {os.path.dirname(path) for path in paths}
    return Path(os.path.commonpath(folders)) if folders else None


def _arrays(facts: Mapping[str, _Fact]) -> dict[str, np.ndarray]:
    columns = {
        name: np.array([getattr(fact, name) for fact in facts.values()], dtype)
        for name, dtype in _COLUMNS.items()
    }
    return {**Strings.of(facts).arrays("paths"), **columns}


def _read(archive: Mapping[str, np.ndarray] | None) -> dict[str, _Fact]:
    if archive is None:
        return {}
    try:
        paths = Strings.read(archive, "paths")
        columns = [
            column(archive, name, dtype, (len(paths),)).tolist() for name, dtype in _COLUMNS.items()
        ]
        rows = zip(paths, *columns, strict=True)
        return {path: _Fact(*fact) for path, *fact in rows}
    except (KeyError, ValueError, TypeError):
        return {}  # not what this version writes


_COLUMNS = {
    "size": np.int64, "time": np.int64, "change": np.int64,
    "known": np.uint8, "content": np.uint64, "look": np.uint64,
}  # fmt: skip
