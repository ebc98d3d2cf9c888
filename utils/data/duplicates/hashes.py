"""Hashes of photos: ``content_hashes`` of their files, ``PhotoHashes`` also of how they look.

Both stay in the cache (``utils.data.folder.cache``) while a file keeps its size and times of
change. A file that changed this very moment is not cached, as its next change might not show in
its times.
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
from utils.data.folder import file_scan
from utils.data.folder.cache import read_cache, write_cache
from utils.errors import UserError
from utils.files import content_hash
from utils.progress import progress

_CONTENT, _PERCEPTUAL, _FLAT = 1, 2, 4  # bits of ``_Hashes.known``
_BATCH = 64  # files that a thread takes at once

Item = TypeVar("Item")
Result = TypeVar("Result")


class _Hashes(NamedTuple):
    """What is known of one file."""

    size: int
    time: int  # of modification, nanoseconds
    change: int  # of anything about the file, nanoseconds
    known: int = 0  # which of the hashes are known, and whether the photo is of one plain colour
    content: int = 0
    perceptual: int = 0


_DTYPE = np.dtype(list(zip(_Hashes._fields, ("i8", "i8", "i8", "u1", "u8", "u8"), strict=True)))


class PhotoHashes:
    """Hashes of the photos below a folder; read from the cache, written to it by ``save``."""

    def __init__(self, root: Path) -> None:
        self.root = root
        cached = read_cache(root, "photos") or {"paths": [], "hashes": np.array([], _DTYPE)}
        rows = zip(cached["paths"], cached["hashes"].tolist(), strict=True)
        self._hashes = {path: _Hashes(*row) for path, row in rows}
        self._changed = False
        self._fresh: set[str] = set()  # files that changed this very moment

    def content(self, paths: Mapping[str, Path]) -> dict[str, str]:
        """Image id → content hash (``utils.files.content_hash``); unreadable files are left out."""

        def compute(path: str, hashes: _Hashes) -> _Hashes | None:
            try:
                digest = content_hash(path)
            except OSError:
                return None
            return hashes._replace(known=hashes.known | _CONTENT, content=int(digest, 16))

        found = self._find(paths, _CONTENT, compute, "hashing photos")
        return {image_id: f"{hashes.content:016x}" for image_id, hashes in found.items()}

    def perceptual(self, paths: Mapping[str, Path]) -> dict[str, int]:
        """Image id → difference hash; unreadable and plain-coloured photos are left out."""

        def compute(path: str, hashes: _Hashes) -> _Hashes | None:
            try:
                small = fingerprint.thumbnail(Path(path))
            except UserError:
                return None
            flat = _FLAT * (fingerprint.contrast(small) < fingerprint.MIN_CONTRAST)
            return hashes._replace(
                known=hashes.known | _PERCEPTUAL | flat,
                perceptual=fingerprint.difference_hash(small),
            )

        found = self._find(paths, _PERCEPTUAL, compute, "comparing photos")
        return {
            image_id: hashes.perceptual
            for image_id, hashes in found.items()
            if not hashes.known & _FLAT
        }

    def save(self) -> None:
        """Write what was computed to the cache."""
        if self._changed:
            cacheable = {p: hashes for p, hashes in self._hashes.items() if p not in self._fresh}
            hashes = np.array(list(cacheable.values()), _DTYPE)
            write_cache(self.root, "photos", "", {"paths": list(cacheable), "hashes": hashes})
            self._changed = False

    def _find(
        self,
        paths: Mapping[str, Path],
        kind: int,
        compute: Callable[[str, _Hashes], _Hashes | None],
        what: str,
    ) -> dict[str, _Hashes]:
        """The hashes of each photo; those of one kind that are not known yet are computed."""
        found: dict[str, _Hashes] = {}
        missing: list[tuple[str, str, _Hashes]] = []
        now = time.time_ns()
        for image_id, path in paths.items():
            name = str(path)
            try:
                status = os.stat(name)
            except OSError:
                continue
            stamp = status.st_size, status.st_mtime_ns, status.st_ctime_ns
            if any(abs(now - when) <= file_scan.TICK for when in stamp[1:]):
                self._fresh.add(name)
            hashes = self._hashes.get(name)
            if hashes is None or hashes[:3] != stamp:
                hashes = _Hashes(*stamp)
            if hashes.known & kind:
                found[image_id] = hashes
            else:
                missing.append((image_id, name, hashes))

        def work(item: tuple[str, str, _Hashes]) -> _Hashes | None:
            return compute(*item[1:])

        results = in_threads(work, missing)
        for (image_id, name, _), hashes in zip(
            missing, progress(results, what, len(missing)), strict=True
        ):
            if hashes is not None:
                found[image_id] = self._hashes[name] = hashes
                self._changed = True
        return found


def content_hashes(paths: Mapping[str, Path]) -> dict[str, str]:
    """Image id → ``utils.files.content_hash``, cached; unreadable files are left out."""
    root = common_folder(paths.values())
    if root is None:
        return {}
    hashes = PhotoHashes(root)
    found = hashes.content(paths)
    hashes.save()
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
