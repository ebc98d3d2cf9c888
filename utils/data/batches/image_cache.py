"""Decoded photos kept for the next epoch: in memory when they fit, else on disk, else nowhere.

What is kept are the pixels that ``utils.images.read_image`` gave for a photo at one reduction, so
batches are the same bit for bit with a cache and without.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import numpy as np

from utils.data.augment import AugmentConfig
from utils.data.folder.cache import VARIABLE, keeping_folder
from utils.data.records import Dataset, Record
from utils.errors import UserError
from utils.files import atomic_write
from utils.images import read_image, reduction
from utils.letterbox import Letterbox
from utils.memory import free_memory

CACHES = ("auto", "memory", "disk", "off")
_SHARE = 0.25  # of the memory that is free may be taken; of the disk, with what is kept there
_PROBED = 500  # photos from which the space for all is estimated
_FORMAT = 1  # of the files; another number makes all earlier ones unknown


class PhotoReader(Protocol):
    """Reads as ``utils.images.read_image`` does; the pixels must not be written to."""

    def __call__(self, path: Path, *, reduce: int) -> np.ndarray: ...


class MemoryCache:
    """Keeps photos in memory until ``budget`` bytes are used; later ones are read every time."""

    def __init__(self, budget: int) -> None:
        self.budget, self.used = budget, 0
        self._photos: dict[tuple[Path, int], np.ndarray] = {}
        self._lock = threading.Lock()

    def __call__(self, path: Path, *, reduce: int) -> np.ndarray:
        pixels = self._photos.get((path, reduce))
        if pixels is None:
            pixels = read_image(path, reduce=reduce)
            with self._lock:
                fits = self.used + pixels.nbytes <= self.budget
                if fits and (path, reduce) not in self._photos:
                    pixels.flags.writeable = False
                    self._photos[path, reduce] = pixels
                    self.used += pixels.nbytes
        return pixels


class DiskCache:
    """Keeps photos as arrays in ``folder``, which holds at most ``budget`` bytes.

    A file is named after path, length and time of change of the photo and the reduction: a photo
    that was changed is read again. Files from earlier runs are used and counted; where there is no
    room, those that were used last the longest ago make some. A file that cannot be read back, or
    written, costs time and nothing else.

    Attributes:
        used: bytes that the files take.
    """

    def __init__(self, folder: Path, budget: int) -> None:
        self.folder, self.budget = folder, budget
        self._lock = threading.Lock()
        self._needed: set[str] = set()  # files that this run uses
        self._earlier = _kept_files(folder)  # those there were before, the latest used first
        self.used = sum(size for _, size, _ in self._earlier)
        self._make_room(0)

    def __call__(self, path: Path, *, reduce: int) -> np.ndarray:
        try:
            kept = self.folder / self._name(path, reduce)
        except OSError:
            return read_image(path, reduce=reduce)  # says what is wrong with the photo
        self._use(kept)
        with suppress(OSError, ValueError, EOFError):
            return np.load(kept, allow_pickle=False)
        pixels = read_image(path, reduce=reduce)
        with self._lock:
            self._make_room(pixels.nbytes)
            fits = self.used + pixels.nbytes <= self.budget
            self.used += pixels.nbytes if fits else 0
        if fits:
            self._keep(kept, pixels)
        return pixels

    def _use(self, kept: Path) -> None:
        """Mark a file as used in this run: the time of its last use is its time of change."""
        name = str(kept)
        if name not in self._needed:
            self._needed.add(name)
            with suppress(OSError):  # it is not there yet
                os.utime(kept)

    def _make_room(self, count: int) -> None:
        """Remove files that this run has not used until ``count`` more bytes fit."""
        while self._earlier and self.used + count > self.budget:
            _, size, path = self._earlier.pop()
            if path not in self._needed:
                with suppress(OSError):
                    os.unlink(path)
                    self.used -= size

    def _keep(self, path: Path, pixels: np.ndarray) -> None:
        try:
            with atomic_write(path, "wb") as file:
                np.save(file, pixels)
        except OSError:  # the disk filled up meanwhile, or the folder is not ours: no more of it
            self.budget = 0

    @staticmethod
    def _name(path: Path, reduce: int) -> str:
        facts = path.stat()
        text = f"{_FORMAT}|{path.resolve()}|{facts.st_size}|{facts.st_mtime_ns}|{reduce}"
        digest = hashlib.sha256(os.fsencode(text)).hexdigest()[:40]
        return f"{digest[:2]}/{digest[2:]}.npy"


def photo_reader(
    mode: str,
    dataset: Dataset,
    sizes: Sequence[int],
    config: AugmentConfig,
    *,
    folder: Path | None = None,
    memory: int | None = None,
) -> tuple[PhotoReader, str]:
    """How the photos of a dataset are read, and a sentence on what is kept.

    Args:
        mode: ``memory`` and ``disk`` keep what fits there; ``off`` keeps nothing; ``auto`` takes
            memory when all photos fit into a quarter of what is free, else the disk by the same
            measure, else nothing.
        dataset: the photos.
        sizes: of the network input in pixels: all that will occur.
        config: its scales decide at which reductions photos will be read.
        folder: for the disk cache; ``cache_folder()`` if left out.
        memory: bytes of memory that are free; found out if left out.

    Raises:
        UserError: no such mode.
    """
    if mode not in CACHES:
        raise UserError(f"cache {mode!r} is not one of {', '.join(CACHES)}")
    if mode == "off":
        return read_image, "photos are decoded every time"
    folder = cache_folder() if folder is None else folder
    if folder is None and mode == "disk":
        raise UserError(
            f"--cache disk needs a folder, and there is none to keep things in ({VARIABLE} names "
            "one, or turns keeping off)"
        )
    needed = needed_bytes(dataset, sizes, config)
    free = free_memory() if memory is None else memory
    if mode == "memory" or (mode == "auto" and needed <= _SHARE * free):
        budget = int(_SHARE * free)
        return MemoryCache(budget), f"decoded photos are kept in memory, {_size(needed, budget)}"
    if folder is not None:
        taken = sum(size for _, size, _ in _kept_files(folder))
        budget = int(_SHARE * (_free_space(folder) + taken))
        if mode == "disk" or needed <= budget:
            return DiskCache(folder, budget), (
                f"decoded photos are kept in {folder}, {_size(needed, budget)}"
            )
    return read_image, f"photos are decoded every time; all would take {_gigabytes(needed)}"


def needed_bytes(dataset: Dataset, sizes: Sequence[int], config: AugmentConfig) -> int:
    """About how many bytes the photos take at every reduction at which they will be read."""
    step = max(1, len(dataset) // _PROBED)
    probed = [dataset.records[i] for i in range(0, len(dataset), step)]
    total = sum(_photo_bytes(record, sizes, config) for record in probed)
    return total * len(dataset) // max(1, len(probed))


def cache_folder() -> Path | None:
    """Where decoded photos go, beside what else is kept; None where nothing may be kept."""
    folder = keeping_folder()
    return None if folder is None else folder / "photos"


def _kept_files(folder: Path) -> list[tuple[int, int, str]]:
    """(time of last use, bytes, path) of the files of a disk cache, the latest first."""
    found = []
    with suppress(OSError):
        for place in os.scandir(folder):
            if not place.is_dir(follow_symlinks=False):
                continue
            with suppress(OSError):
                for entry in os.scandir(place):
                    if entry.name.endswith(".npy"):
                        status = entry.stat(follow_symlinks=False)
                        found.append((status.st_mtime_ns, status.st_size, entry.path))
    return sorted(found, reverse=True)


def _photo_bytes(record: Record, sizes: Sequence[int], config: AugmentConfig) -> int:
    low, high = config.scale
    if config.mosaic:
        low, high = low * min(1, config.mosaic_scale), high * max(1, config.mosaic_scale)
    stretch = (1 + config.aspect) ** 0.5
    reductions = set()
    for size, scale in ((min(sizes), low / stretch), (max(sizes), high)):
        fitted = Letterbox(record.width, record.height, size, size)
        wanted = (fitted.inner_width * scale, fitted.inner_height * scale)
        reductions.add(reduction((record.width, record.height), wanted))
    total, reduce = 0, min(reductions)
    while reduce <= max(reductions):
        total += 3 * -(-record.width // reduce) * -(-record.height // reduce)
        reduce *= 2
    return total


def _free_space(folder: Path) -> int:
    for place in (folder, *folder.parents):
        try:
            return shutil.disk_usage(place).free
        except FileNotFoundError:
            continue
        except OSError:  # no permission
            return 0
    return 0


def _size(needed: int, budget: int) -> str:
    if needed <= budget:
        return f"about {_gigabytes(needed)}"
    return f"{_gigabytes(budget)} of about {_gigabytes(needed)}; the others are decoded every time"


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 5e7 else f"{count / 1e6:.0f} MB"
