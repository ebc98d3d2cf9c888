"""A cache of decoded photos for the next epoch: in memory if they fit, otherwise on disk.

It holds the pixels that ``utils.images.read_image`` returned for a photo at one reduction. So
batches are the same bit for bit with a cache and without.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np

from utils.cache_folder import VARIABLE, cache_root
from utils.data.augment import AugmentConfig
from utils.data.batches.crops import Crops
from utils.data.records import Dataset, Record
from utils.errors import UserError
from utils.files import atomic_write, remove_abandoned
from utils.images import read_image, reduction
from utils.letterbox import Letterbox
from utils.memory import free_memory
from utils.pixel_range import NO_RANGES, PixelRanges

CACHES = ("auto", "memory", "disk", "off")
_SHARE = 0.25  # of the free memory, or of the free disk space and the cached files together
_PROBED = 500  # photos from which the space for all is estimated
_FORMAT = 2  # of the files, raised where pixels are read differently; others are not found


class PhotoReader(Protocol):
    """Reads as ``utils.images.read_image`` does; the pixels must not be written to."""

    def __call__(self, path: Path, *, reduce: int) -> np.ndarray: ...


class MemoryCache:
    """Holds photos in memory up to ``budget`` bytes; further ones are read every time.

    ``ranges`` are the pixel ranges of the dataset.
    """

    def __init__(self, budget: int, ranges: PixelRanges = NO_RANGES) -> None:
        self.budget, self.used, self.ranges = budget, 0, ranges
        self._photos: dict[tuple[Path, int], np.ndarray] = {}
        self._lock = threading.Lock()

    def __call__(self, path: Path, *, reduce: int) -> np.ndarray:
        pixels = self._photos.get((path, reduce))
        if pixels is None:
            pixels = read_image(path, reduce=reduce, ranges=self.ranges)
            with self._lock:
                fits = self.used + pixels.nbytes <= self.budget
                if fits and (path, reduce) not in self._photos:
                    pixels.flags.writeable = False
                    self._photos[path, reduce] = pixels
                    self.used += pixels.nbytes
        return pixels


class DiskCache:
    """Holds photos as arrays in ``folder``, up to ``budget`` bytes.

    The name of a file is made of the photo's path, length and modification time, the reduction and
    the pixel ranges. So a changed photo is read again. Files from
    earlier runs are used and counted; the least recently used ones are deleted to make space. A
    file that cannot be read or written costs only time.

    Attributes:
        used: bytes that the files take.
    """

    def __init__(self, folder: Path, budget: int, ranges: PixelRanges = NO_RANGES) -> None:
        self.folder, self.budget, self.ranges = folder, budget, ranges
        self._lock = threading.Lock()
        self._in_use: set[str] = set()  # files that this run uses
        self._earlier = _cached_files(folder)  # of earlier runs, the most recently used first
        self.used = sum(size for _, size, _ in self._earlier)
        self._make_room(0)

    def __call__(self, path: Path, *, reduce: int) -> np.ndarray:
        try:
            cached = self.folder / self._name(path, reduce)
        except OSError:
            return read_image(
                path, reduce=reduce, ranges=self.ranges
            )  # raises what is wrong with the photo
        self._use(cached)
        with suppress(OSError, ValueError, EOFError):
            return np.load(cached, allow_pickle=False)
        pixels = read_image(path, reduce=reduce, ranges=self.ranges)
        with self._lock:
            self._make_room(pixels.nbytes)
            fits = self.used + pixels.nbytes <= self.budget
            self.used += pixels.nbytes if fits else 0
        if fits:
            self._save(cached, pixels)
        return pixels

    def _use(self, cached: Path) -> None:
        """Mark a file as used in this run: its modification time is the time of its last use."""
        name = str(cached)
        if name not in self._in_use:
            self._in_use.add(name)
            with suppress(OSError):  # it does not exist yet
                os.utime(cached)

    def _make_room(self, count: int) -> None:
        """Delete files that this run has not used until ``count`` more bytes fit."""
        while self._earlier and self.used + count > self.budget:
            _, size, path = self._earlier.pop()
            if path not in self._in_use:
                with suppress(OSError):
                    os.unlink(path)
                    self.used -= size

    def _save(self, path: Path, pixels: np.ndarray) -> None:
        try:
            with atomic_write(path, "wb") as file:
                np.save(file, pixels)
        except OSError:  # the disk is full or the folder not writable: stop caching
            self.budget = 0

    def _name(self, path: Path, reduce: int) -> str:
        status = path.stat()
        text = f"{_FORMAT}|{path.resolve()}|{status.st_size}|{status.st_mtime_ns}|{reduce}"
        if any(self.ranges):
            text += f"|{self.ranges.content()}"
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
    crops: Crops | None = None,
) -> tuple[PhotoReader, str]:
    """The reader for the photos of a dataset, and a sentence on its cache.

    Args:
        mode: ``memory`` and ``disk`` cache as much as fits there; ``off`` caches nothing. ``auto``
            takes memory if all photos fit into a quarter of the free memory, otherwise the disk by
            the same rule, otherwise nothing.
        dataset: the photos.
        sizes: all sizes of the network input in pixels.
        config: its scales decide at which reductions photos will be read.
        folder: for the disk cache; default: ``photo_cache_folder()``.
        memory: bytes of free memory; default: measured.
        crops: of the photos; None where photos are shown whole.

    Raises:
        UserError: no such mode.
    """
    if mode not in CACHES:
        raise UserError(f"cache {mode!r} is not one of {', '.join(CACHES)}")
    ranges = dataset.pixel_ranges
    uncached = plain_reader(dataset)
    if mode == "off":
        return uncached, "photos are decoded every time"
    folder = photo_cache_folder() if folder is None else folder
    if folder is None and mode == "disk":
        raise UserError(f"--cache disk needs a cache folder; set {VARIABLE} to one")
    needed = needed_bytes(dataset, sizes, config, crops)
    free = free_memory() if memory is None else memory
    if mode == "memory" or (mode == "auto" and needed <= _SHARE * free):
        budget = int(_SHARE * free)
        return MemoryCache(
            budget, ranges
        ), f"decoded photos are cached in memory, {_size(needed, budget)}"
    if folder is not None:
        cached = sum(size for _, size, _ in _cached_files(folder))
        budget = int(_SHARE * (_free_space(folder) + cached))
        if mode == "disk" or needed <= budget:
            return DiskCache(folder, budget, ranges), (
                f"decoded photos are cached in {folder}, {_size(needed, budget)}"
            )
    return (
        uncached,
        f"photos are decoded every time; a cache of all would take {_gigabytes(needed)}",
    )


def plain_reader(dataset: Dataset) -> PhotoReader:
    """``read_image`` with the dataset's pixel ranges."""
    ranges = dataset.pixel_ranges
    return partial(read_image, ranges=ranges) if any(ranges) else read_image


def needed_bytes(
    dataset: Dataset, sizes: Sequence[int], config: AugmentConfig, crops: Crops | None = None
) -> int:
    """About how many bytes the photos take at every reduction at which they will be read."""
    step = max(1, len(dataset) // _PROBED)
    probed = [dataset.records[i] for i in range(0, len(dataset), step)]
    total = sum(_photo_bytes(record, sizes, config, crops) for record in probed)
    return total * len(dataset) // max(1, len(probed))


def photo_cache_folder() -> Path | None:
    """Folder of decoded photos, in the user's cache folder; None if caching is turned off."""
    folder = cache_root()
    return None if folder is None else folder / "photos"


def _cached_files(folder: Path) -> list[tuple[int, int, str]]:
    """(time of last use, bytes, path) of the files of a disk cache, most recently used first."""
    found = []
    with suppress(OSError):
        for part in os.scandir(folder):
            if not part.is_dir(follow_symlinks=False):
                continue
            remove_abandoned(part)
            with suppress(OSError):
                for entry in os.scandir(part):
                    if entry.name.endswith(".npy"):
                        status = entry.stat(follow_symlinks=False)
                        found.append((status.st_mtime_ns, status.st_size, entry.path))
    return sorted(found, reverse=True)


def _photo_bytes(
    record: Record, sizes: Sequence[int], config: AugmentConfig, crops: Crops | None
) -> int:
    """Bytes of one decoded photo, summed over all reductions that augmentation can ask for."""
    low, high = config.scale
    if config.mosaic:
        low, high = low * min(1, config.mosaic_scale), high * max(1, config.mosaic_scale)
    stretch = (1 + config.aspect) ** 0.5
    photo = (record.width, record.height)
    visible = crops.visible_size(photo) if crops else photo
    reductions = set()
    for size, scale in ((min(sizes), low / stretch), (max(sizes), high)):
        for part in {photo, visible}:  # larger photos are shown whole, too
            fitted = Letterbox(*part, size, size)
            wanted = (
                fitted.inner_width * scale * photo[0] / part[0],
                fitted.inner_height * scale * photo[1] / part[1],
            )
            reductions.add(reduction(photo, wanted))
    total, reduce = 0, min(reductions)
    while reduce <= max(reductions):
        total += 3 * -(-record.width // reduce) * -(-record.height // reduce)
        reduce *= 2
    return total


def _free_space(folder: Path) -> int:
    for existing in (folder, *folder.parents):
        try:
            return shutil.disk_usage(existing).free
        except FileNotFoundError:
            continue
        except OSError:  # no permission
            return 0
    return 0


def _size(needed: int, budget: int) -> str:
    if needed <= budget:
        return f"about {_gigabytes(needed)}"
    return f"{_gigabytes(budget)} of about {_gigabytes(needed)}; the rest is decoded every time"


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 5e7 else f"{count / 1e6:.0f} MB"
