"""Writing VOC: one annotation XML (``write_voc_annotation``, ``voc_annotation``), one split
list (``write_voc_list``).

The reverse of the reading rule in ``utils.data.formats.voc_xml``: pixels there are 1-based and
inclusive, so ``x0, y0, x1, y1`` becomes ``x0 + 1, y0 + 1, x1, y1``. Coordinates that are no
integers are kept.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET  # writing only; ``formats.voc_xml`` reads
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from utils.files import atomic_write

_TAGS = ("xmin", "ymin", "xmax", "ymax")
# What XML 1.0 cannot hold, not even escaped.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_voc_annotation(
    path: str | Path,
    image_name: str,
    width: int,
    height: int,
    boxes: np.ndarray,
    names: Sequence[str],
    difficult: Sequence[bool] | None = None,
    scores: Sequence[float] | None = None,
) -> None:
    """Write the XML of one photo, atomically; the arguments are those of ``voc_annotation``.

    Args:
        path: the XML file; its folder is made if missing.
    """
    text = voc_annotation(image_name, width, height, boxes, names, difficult, scores)
    with atomic_write(path) as file:
        file.write(text)


def voc_annotation(
    image_name: str,
    width: int,
    height: int,
    boxes: np.ndarray,
    names: Sequence[str],
    difficult: Sequence[bool] | None = None,
    scores: Sequence[float] | None = None,
) -> str:
    """The text of the XML of one photo.

    Args:
        image_name: file name of the photo, without a folder.
        width, height: size in pixels of the upright photo.
        boxes: (N, 4) ``x0, y0, x1, y1`` in pixels of the photo, continuous.
        names: N class names.
        difficult: N flags; all false when absent.
        scores: N scores of a detector, 0 to 1; none are written when absent. VOC itself has no
            place for them, and other readers pass over the element.

    Raises:
        ValueError: the lengths disagree, a coordinate is not finite, or a name cannot be written
            in XML (control characters).
    """
    boxes = np.asarray(boxes, np.float32).reshape(-1, 4)
    flags = [False] * len(boxes) if difficult is None else [bool(flag) for flag in difficult]
    scores = [None] * len(boxes) if scores is None else scores
    if not len(boxes) == len(names) == len(flags) == len(scores):
        raise ValueError(
            f"{len(boxes)} boxes, {len(names)} names, {len(flags)} difficult flags, "
            f"{len(scores)} scores"
        )
    if not np.isfinite(boxes).all():
        raise ValueError(f"a box of {image_name} is not finite")

    root = ET.Element("annotation")
    _text(root, "filename", image_name)
    size = ET.SubElement(root, "size")
    for tag, value in (("width", width), ("height", height), ("depth", 3)):
        _text(size, tag, str(int(value)))
    # Not part of VOC, where nothing tells whether boxes are of the photo before or after EXIF
    # orientation; other readers pass over it.
    _text(root, "upright", "1")
    _text(root, "segmented", "0")
    for box, name, flag, score in zip(boxes, names, flags, scores, strict=True):
        item = ET.SubElement(root, "object")
        _text(item, "name", name)
        _text(item, "pose", "Unspecified")
        _text(item, "truncated", "0")
        _text(item, "difficult", str(int(flag)))
        if score is not None:
            _text(item, "score", f"{score:.6f}")
        bndbox = ET.SubElement(item, "bndbox")
        for tag, value, shift in zip(_TAGS, box, (1, 1, 0, 0), strict=True):
            _text(bndbox, tag, _coordinate(value, shift))
    ET.indent(root)
    return ET.tostring(root, encoding="unicode") + "\n"


def storable(name: str) -> str:
    """A file name with ``_`` for what XML cannot store: control characters, and bytes that are no
    UTF-8. Readers then find the photo by the name of the XML file."""
    return _NOT_XML.sub("_", name)


def write_voc_list(folder: str | Path, split: str, image_ids: Iterable[str]) -> Path:
    """Write ``ImageSets/Main/<split>.txt`` under a VOC folder, atomically; return its path."""
    path = Path(folder) / "ImageSets" / "Main" / f"{split}.txt"
    with atomic_write(path) as file:
        file.writelines(f"{image_id}\n" for image_id in image_ids)
    return path


def _text(parent: ET.Element, tag: str, value: str) -> None:
    bad = _NOT_XML.search(value)
    if bad:
        raise ValueError(f"{tag} {value!r} holds {bad.group()!r}, which XML cannot store")
    ET.SubElement(parent, tag).text = value


def _coordinate(value: np.float32, shift: int) -> str:
    """The shortest decimal number that reads back as the same float32 once ``shift`` is undone."""
    exact = float(value) + shift
    for digits in range(8):
        text = f"{exact:.{digits}f}"
        if np.float32(float(text) - shift) == value:
            return text
    return np.format_float_positional(exact, trim="-")
