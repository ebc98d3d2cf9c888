"""Networks exported for this machine's own use, kept in the cache folder.

A checkpoint is converted once for a runtime; afterwards it opens without TensorFlow. What is cached
stops at the raw heads and belongs to the checkpoint's weights. Its metadata, such as thresholds, is
read from the checkpoint itself. The networks used last are kept, the others removed.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from contextlib import suppress
from dataclasses import asdict, replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from utils.cache_folder import VARIABLE, cache_root
from utils.errors import UnreadableFileError, UserError
from utils.files import PART, atomic_write, remove_abandoned
from utils.runtime.facts import Facts
from utils.runtime.names import DISPLAY_NAMES
from utils.runtime.runtime import Runtime

MAX_NETWORKS = 12  # of which exports are kept
_FILES = {"openvino": "openvino", "onnx": "network.onnx", "litert": "network.tflite"}
_NOTES = "notes.json"


class ExportedNetwork:
    """A checkpoint's exports in the cache folder, and notes on them.

    Args:
        weights: a ``.keras`` file.
        option: the command-line option that named it, for errors.
        facts: of the file, where they have been read.

    Raises:
        UserError: the file is no checkpoint, or the cache is turned off.
    """

    def __init__(
        self, weights: Path, option: str = "--weights", facts: Facts | None = None
    ) -> None:
        self.weights = weights
        self.facts = facts or Facts.of_checkpoint(weights, option)
        root = cache_root()
        if root is None:
            raise UserError("the cache is turned off, so no exported network can be kept")
        self.folder = root / "networks" / network_id(self.facts)

    def open(self, runtime: str, **options: Any) -> Runtime:
        """Open the network in a runtime of ``names.CONVERTED``.

        It is exported first where it is not cached, or where what is cached cannot be read.

        Args:
            options: of the opener, such as ``precision``, ``threads`` and ``device``.

        Raises:
            UserError: the runtime is not installed, or the export failed.
        """
        opener = getattr(import_module(f"utils.runtime.{runtime}_runtime"), f"open_{runtime}")
        opener = partial(opener, option="the cached network", **options)
        path = self._ensure_exported(runtime)
        try:
            opened = opener(path)
        except UnreadableFileError:  # damaged since, or by a power cut
            if not remove(path):
                raise
            opened = opener(self._ensure_exported(runtime))
        return replace(opened, metadata=self.facts.metadata)

    def read_notes(self) -> dict[str, Any]:
        """What ``write_notes`` wrote; empty where nothing can be read."""
        try:
            notes = json.loads((self.folder / _NOTES).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return notes if isinstance(notes, dict) else {}

    def write_notes(self, changes: dict[str, Any]) -> None:
        """Add to the notes; a folder that is not writable is no error."""
        with suppress(OSError), atomic_write(self.folder / _NOTES) as file:
            json.dump(self.read_notes() | changes, file, indent=1)

    def _ensure_exported(self, runtime: str) -> Path:
        """Export the network where that is not cached; returns its file or folder."""
        path = self.folder / _FILES[runtime]
        if not path.exists():
            self._export(runtime, path)
        with suppress(OSError):  # the folder may not be ours
            os.utime(self.folder)  # used last now
        return path

    def _export(self, runtime: str, path: Path) -> None:
        from filelock import FileLock

        from utils.runtime.export.export import export
        from utils.runtime.export.process import NoRoomError

        name = DISPLAY_NAMES[runtime]
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with FileLock(self.folder / "lock"):
                if path.exists():  # another process was faster
                    return
                for left in self.folder.glob(f"{PART}*/"):  # by a conversion that was killed
                    remove(left)
                print(
                    f"{self.weights}: converting it for {name}, once; this takes half a "
                    "minute (--runtime tensorflow does without)",
                    file=sys.stderr,
                )
                export(self.weights, runtime, path, outputs="heads", check=self._refuse_replaced)
            remove_oldest(self.folder.parent, MAX_NETWORKS)
        except OSError as error:
            raise NoRoomError(
                f"{self.folder}: cannot be written ({error.strerror or error}); the variable "
                f"{VARIABLE} may name another folder for the cache"
            ) from error
        except UserError as error:
            kind = NoRoomError if isinstance(error, NoRoomError) else UserError
            raise kind(
                f"{self.weights}: cannot be converted for {name} into {self.folder}: {error}"
            ) from error

    def _refuse_replaced(self, _: Path) -> None:
        """Training may write a new checkpoint while this one is converted."""
        if network_id(Facts.of_checkpoint(self.weights)) != self.folder.name:
            raise UserError(f"{self.weights}: was replaced while it was converted; start again")


def network_id(facts: Facts) -> str:
    """A name for the network itself, whatever its metadata says."""
    text = json.dumps(asdict(replace(facts, metadata={})), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def remove(path: Path) -> bool:
    """Delete a file or folder. Returns False if it still exists."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()
    return not path.exists()


def remove_oldest(folder: Path, most: int) -> None:
    """Remove the folders in ``folder`` that were used longest ago, until ``most`` are left."""
    found = []
    for one in folder.iterdir():
        with suppress(OSError):  # removed by another process
            found.append((one.stat().st_mtime, one))
        remove_abandoned(one)  # changes the time of the folder
    for _, old in sorted(found, reverse=True)[most:]:
        shutil.rmtree(old, ignore_errors=True)
