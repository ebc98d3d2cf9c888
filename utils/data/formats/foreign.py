"""Label files in formats that are not read: ``foreign_labels`` names the first for an error."""

from __future__ import annotations

import re
from pathlib import Path

from utils.data.folder.file_scan import FileScan
from utils.data.formats.json_files import mentions

# By the suffix of the file: a format, and words that its files hold.
_KINDS = {
    ".json": (
        ("a labelme file", (b'"shapes"', b'"imagePath"')),
        ("a file of the VGG Image Annotator", (b'"shape_attributes"',)),
        ("a CreateML file", (b'"annotations"', b'"coordinates"')),
    ),
    ".xml": (
        ("a file of CVAT's own format (CVAT for images)", (b"<annotations>", b"<image ")),
        ("a file of CVAT's own format (CVAT for video)", (b"<annotations>", b"<track ")),
    ),
}
_CSV_HEAD = re.compile(rb"[^\n]*\b(x_?min|bbox|xtl|region_shape_attributes)\b", re.IGNORECASE)
_EXAMPLES = 20  # files of each suffix that are read


def foreign_labels(scan: FileScan, suffixes: tuple[str, ...] = (".json", ".xml", ".csv")) -> str:
    """A sentence on a label file that cannot be read, and what to do; "" where there is none."""
    for suffix in suffixes:
        for path in scan.files(scan.root, (suffix,))[:_EXAMPLES]:
            if kind := _kind(path, suffix):
                return (
                    f"{scan.name(path)} is {kind}, which is not read; export the labels as COCO, "
                    "YOLO or Pascal VOC"
                )
    return ""


def _kind(path: Path, suffix: str) -> str:
    if suffix == ".csv":
        return "a CSV table of boxes" if _CSV_HEAD.match(_beginning(path)) else ""
    return next((kind for kind, words in _KINDS[suffix] if mentions(path, words)), "")


def _beginning(path: Path) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(4096).replace(b"\0", b"")  # so that words are found in UTF-16, too
    except OSError:
        return b""
