"""What is known of a data folder, cached between runs: ``read_cache`` and ``write_cache``.

A cache file that is missing, old or damaged is ignored, and its content is computed again. The
files lie in the user's cache folder (``utils.cache_folder``), never in the data folder.

A cache file is an ``.npz`` archive with a checksum behind it. So its content needs no further
checks: it is whole, and this version of the code wrote it.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import os
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from utils.cache_folder import cache_root
from utils.files import atomic_write

VERSION = 13  # raise it with every change of what is cached, or of how it is computed
_CHECKSUM = 4  # bytes behind the archive
_log = logging.getLogger(__name__)


def read_cache(root: Path, kind: str, state: str = "") -> dict[str, Any] | None:
    """What ``write_cache`` wrote, and its ``state``; None if there is nothing valid.

    Args:
        root: the data folder.
        kind: what is cached, such as ``index``; there is one file per kind and data folder.
        state: the state of the folder that it must belong to; "" for any.
    """
    path = _path(root, kind)
    if path is None:
        return None
    try:
        data = path.read_bytes()
        if data[-_CHECKSUM:] != _checksum(memoryview(data)[:-_CHECKSUM]):
            _log.info("%s: damaged, or of another version; ignored", path)
            return None
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            content = {name: arrays[name] for name in arrays.files}
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        _log.info("%s: cannot be read (%s); ignored", path, error)
        return None
    plain = json.loads(content.pop("json").tobytes().decode("utf-8", "surrogatepass"))
    return {**content, **plain} if state in ("", plain["state"]) else None


def write_cache(root: Path, kind: str, state: str, content: Mapping[str, Any]) -> None:
    """Cache arrays and plain values (as in JSON); a folder that is not writable is no error."""
    path = _path(root, kind)
    if path is None:
        return
    arrays = {name: value for name, value in content.items() if isinstance(value, np.ndarray)}
    plain = {name: value for name, value in content.items() if name not in arrays}
    # File names may hold lone surrogates, where their bytes are no UTF-8.
    text = json.dumps({**plain, "state": state}, ensure_ascii=False).encode(
        "utf-8", "surrogatepass"
    )
    archive = io.BytesIO()
    try:
        np.savez(archive, json=np.frombuffer(text, np.uint8), **arrays)
        with atomic_write(path, "wb") as file:
            file.write(archive.getbuffer())
            file.write(_checksum(archive.getbuffer()))
    except (OSError, ValueError) as error:  # ValueError: by its clock the machine is before 1980
        _log.info("%s: cannot be written (%s); computed again next time", path, error)


def _checksum(archive: memoryview) -> bytes:
    return zlib.crc32(archive, VERSION).to_bytes(_CHECKSUM)


def _path(root: Path, kind: str) -> Path | None:
    folder = cache_root()
    if folder is None:
        return None
    name = hashlib.blake2b(os.fsencode(root), digest_size=12).hexdigest()
    return folder / f"{kind}-{name}.npz"
