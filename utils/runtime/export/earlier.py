"""``holds_export``: whether what lies at a path is an export of this project, to be replaced.

Every export carries the detector's facts (``utils.runtime.facts``). That they are there is enough:
they are not read, and no library opens the file.
"""

from __future__ import annotations

import mmap
import zipfile
from pathlib import Path

from utils.runtime.facts import KEY
from utils.runtime.onnx_check import metadata_keys

_FILES = {  # of the formats that are folders
    "openvino": {"model.xml", "model.bin"},
    "saved_model": {
        "saved_model.pb", "fingerprint.pb", "variables/variables.index",
        "variables/variables.data-00000-of-00001", f"assets.extra/{KEY}.json",
    },
}  # fmt: skip


def other_files(folder: Path, format: str) -> list[str]:
    """What lies in a folder and below it, and belongs to no export of this format."""
    known = {name.split("/")[0] for name in _FILES[format]} | {"assets"}  # which is empty
    if others := sorted({path.name for path in folder.iterdir()} - known):
        return others  # without looking below: there may be very much
    files = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())
    return sorted(set(files) - _FILES[format])


def holds_export(path: Path, format: str) -> bool:
    """Whether ``export.py`` wrote this file or folder.

    False where it is so damaged that this cannot be seen.
    """
    try:
        return _LOOKS[format](path)
    except Exception:  # damage raises any of many kinds
        return False


def _is_onnx(path: Path) -> bool:
    return KEY.encode() in metadata_keys(path)


def _is_litert(path: Path) -> bool:
    if not path.is_file():  # a pipe waits for a writer
        return False
    with zipfile.ZipFile(path) as archive:
        return f"{KEY}.json" in archive.namelist()


def _is_openvino(path: Path) -> bool:
    xml = path / "model.xml"
    if not xml.is_file():
        return False
    with open(xml, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
        return text.find(f"<{KEY}".encode()) >= 0


def _is_saved_model(path: Path) -> bool:
    return (path / "assets.extra" / f"{KEY}.json").is_file()


_LOOKS = {
    "onnx": _is_onnx,
    "litert": _is_litert,
    "openvino": _is_openvino,
    "saved_model": _is_saved_model,
}
