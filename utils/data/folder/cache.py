"""What was found out about a data folder, kept between runs: ``load_arrays``, ``save_arrays``.

Nothing depends on it: an archive that is missing, old or damaged is made anew. It lies in the
user's cache folder (``$XDG_CACHE_HOME`` or ``~/.cache``, then ``efficient-yolo3``), never in the
data folder. The environment variable ``EFFICIENT_YOLO3_CACHE`` names another folder, or turns it
off with ``off``.
"""

from __future__ import annotations

import hashlib
import logging
import os
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from utils.files import atomic_write

VARIABLE = "EFFICIENT_YOLO3_CACHE"
VERSION = 1  # of everything kept; archives of another version are not read
# What reading a damaged archive raises: zipfile alone has five ways.
_DAMAGED = (
    OSError, ValueError, KeyError, IndexError, EOFError, RuntimeError, TypeError, SyntaxError,
    MemoryError, OverflowError, struct.error, zipfile.BadZipFile, zlib.error,
)  # fmt: skip
_log = logging.getLogger(__name__)


def keeping_folder() -> Path | None:
    """Where archives are kept; None when that is turned off."""
    asked = os.environ.get(VARIABLE, "")
    if asked.lower() in ("off", "0", "no", "none"):
        return None
    if asked:
        return Path(asked)
    home = os.environ.get("XDG_CACHE_HOME", "")
    try:
        return Path(home) / "efficient-yolo3" if home else Path.home() / ".cache/efficient-yolo3"
    except RuntimeError:  # no home folder
        return None


def load_arrays(root: Path, kind: str, state: str) -> dict[str, np.ndarray] | None:
    """The arrays kept of a folder in that state, None where there are none.

    Args:
        root: the data folder.
        kind: what they are, such as ``index``; one archive of a kind is kept for each folder.
        state: what they were made from, in a few characters; "" for any.
    """
    path = _path(root, kind)
    if path is None:
        return None
    try:
        with np.load(path, allow_pickle=False) as archive:
            version, made_from = archive["made_from"].tolist()
            if version != str(VERSION) or (state and made_from != state):
                return None
            return {name: archive[name] for name in archive.files}
    except FileNotFoundError:
        return None
    except _DAMAGED as error:
        _log.info("%s: cannot be read (%s); made anew", path, error)
        return None


def save_arrays(root: Path, kind: str, state: str, arrays: Mapping[str, np.ndarray]) -> None:
    """Keep arrays for ``load_arrays``; a folder that cannot be written to is no error."""
    path = _path(root, kind)
    if path is None:
        return
    try:
        with atomic_write(path, "wb") as file:
            np.savez(file, made_from=np.array([str(VERSION), state]), **arrays)
    except OSError as error:
        _log.info("%s: cannot be written (%s); it will be made again next time", path, error)


def _path(root: Path, kind: str) -> Path | None:
    folder = keeping_folder()
    if folder is None:
        return None
    place = hashlib.blake2b(os.fsencode(root), digest_size=12).hexdigest()
    return folder / f"{kind}-{place}.npz"
