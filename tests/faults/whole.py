"""Is every file of a folder whole? ``broken`` opens each of them as its suffix says."""

from __future__ import annotations

import csv
import json
import os
import xml.etree.ElementTree as ET
import zipfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import yaml
from PIL import Image

PART = ".part-"  # begins the names of what is being written


def _keras(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        if damaged := archive.testzip():
            raise ValueError(f"{damaged} is damaged")
        json.loads(archive.read("config.json"))


def _npz(path: Path) -> None:
    with np.load(path, allow_pickle=False) as archive:
        for name in archive.files:
            archive[name]


def _picture(path: Path) -> None:
    with Image.open(path) as picture:
        picture.load()


def _video(path: Path) -> None:
    video = cv2.VideoCapture(str(path))
    if not video.isOpened() or not video.read()[0]:
        raise ValueError("has no first frame")


def _html(path: Path) -> None:
    if not path.read_text(encoding="utf-8").rstrip().endswith("</html>"):
        raise ValueError("has no end")


def _csv(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    rows = list(csv.reader(text.splitlines()))
    if not text.endswith("\n") or len({len(row) for row in rows}) != 1:
        raise ValueError("has rows that are cut off")


def _onnx(path: Path) -> None:
    import onnx

    onnx.checker.check_model(onnx.load(path))


def _filled(path: Path) -> None:
    if not path.stat().st_size:
        raise ValueError("is empty")


_READERS: dict[str, Callable[[Path], object]] = {
    ".keras": _keras,
    ".npz": _npz,
    ".npy": lambda path: np.load(path, allow_pickle=False),
    ".json": lambda path: json.loads(path.read_text(encoding="utf-8")),
    ".yaml": lambda path: yaml.safe_load(path.read_text(encoding="utf-8")),
    ".csv": _csv,
    ".html": _html,
    ".xml": ET.parse,
    ".onnx": _onnx,
    ".jpg": _picture,
    ".png": _picture,
    ".mp4": _video,
    ".webm": _video,
    ".bin": _filled,
    ".tflite": _filled,
    ".pb": _filled,
}


def files(folder: Path) -> list[Path]:
    """All files in a folder but those that are being written, and locks."""
    found = []
    for root, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(PART)]
        found += [
            Path(root, name)
            for name in names
            if not name.startswith(PART) and name not in (".lock", "lock")
        ]
    return sorted(found)


def broken(folder: Path) -> list[str]:
    """Sentences on the files that are not whole."""
    found = []
    for path in files(folder):
        reader = _READERS.get(path.suffix)
        # A cache file of the index is an archive with a checksum behind it.
        if reader is None or (path.suffix == ".npz" and path.name.startswith("index-")):
            continue
        try:
            reader(path)
        except Exception as error:
            found.append(f"{path.relative_to(folder)} is not whole: {error}")
    return found


def left_over(folder: Path) -> list[Path]:
    """Hidden files and folders of writers."""
    return [path for path in folder.rglob(f"{PART}*") if folder.is_dir()]
