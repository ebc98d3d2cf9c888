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
from utils.data.records import Dataset, Record
from utils.errors import UserError
from utils.files import atomic_write
from utils.images import read_image, reduction
from utils.letterbox import Letterbox

CACHES = ("auto", "memory", "disk", "off")
_SHARE = 0.25  # of the memory, or of the disk space, that is free may be taken
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
    """Keeps photos as arrays in ``folder`` until ``budget`` bytes were added to it.

    A file is named after path, length and time of change of the photo and the reduction: a photo
    that was changed is read again. Files from earlier runs are used and not counted. A file that
    cannot be read back, or written, costs time and nothing else.
    """

    def __init__(self, folder: Path, budget: int) -> None:
        self.folder, self.budget, self.used = folder, budget, 0
        self._lock = threading.Lock()

    def __call__(self, path: Path, *, reduce: int) -> np.ndarray:
        try:
            kept = self.folder / self._name(path, reduce)
        except OSError:
            return read_image(path, reduce=reduce)  # says what is wrong with the photo
        with suppress(OSError, ValueError, EOFError):
            return np.load(kept, allow_pickle=False)
        pixels = read_image(path, reduce=reduce)
        with self._lock:
            fits = self.used + pixels.nbytes <= self.budget
            self.used += pixels.nbytes if fits else 0
        if fits:
            self._keep(kept, pixels)
        return pixels

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
    needed = needed_bytes(dataset, sizes, config)
    free = free_memory() if memory is None else memory
    if mode == "memory" or (mode == "auto" and needed <= _SHARE * free):
        budget = int(_SHARE * free)
        return MemoryCache(budget), f"decoded photos are kept in memory, {_size(needed, budget)}"
    space = _free_space(folder)
    if mode == "disk" or needed <= _SHARE * space:
        budget = int(_SHARE * space)
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


def cache_folder() -> Path:
    """Where decoded photos go: outside of the data, where the system keeps what can be lost."""
    base = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    return (Path(base) if base else Path.home() / ".cache") / "efficient-yolo3" / "photos"


def free_memory() -> int:
    """Bytes of memory that this process may still take; 0 where the system does not tell."""
    limits = [limit for limit in (_system_memory(), _container_memory()) if limit is not None]
    return max(0, min(limits, default=0))


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


def _system_memory() -> int | None:
    with suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    with suppress(AttributeError, OSError, ValueError):  # no such call, or not these names
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    return None


def _container_memory() -> int | None:
    """What the control group (version 2) of this process leaves."""
    group = Path("/sys/fs/cgroup")
    with suppress(OSError, ValueError):  # no control group; "max"
        limit = int((group / "memory.max").read_text())
        return limit - int((group / "memory.current").read_text())
    return None


def _free_space(folder: Path) -> int:
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    with suppress(OSError):
        return shutil.disk_usage(folder).free
    return 0


def _size(needed: int, budget: int) -> str:
    if needed <= budget:
        return f"about {_gigabytes(needed)}"
    return f"{_gigabytes(budget)} of about {_gigabytes(needed)}; the others are decoded every time"


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 5e7 else f"{count / 1e6:.0f} MB"
