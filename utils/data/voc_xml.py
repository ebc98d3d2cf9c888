"""Reading one VOC annotation XML: ``read_annotation``.

VOC counts pixels from 1 and includes the last one: ``xmin, ymin, xmax, ymax`` becomes
``xmin − 1, ymin − 1, xmax, ymax`` in continuous coordinates. The XML may come from a stranger:
entities and external references are refused, and nothing it names is opened.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError

import defusedxml.ElementTree
import numpy as np
from defusedxml.common import DefusedXmlException

MAX_BYTES = 8 << 20  # thousands of objects; parsing takes some 25 times as much memory
_SHIFTS = {"xmin": 1, "ymin": 1, "xmax": 0, "ymax": 0}
_YES = ("1", "true", "yes")


@dataclass(frozen=True, slots=True)
class Annotation:
    """What one XML says.

    Attributes:
        filename: the photo it names, "" where it names none.
        size: (width, height) in pixels, None where missing or not positive.
        names: N class names.
        boxes: float32 (N, 4), ``x0, y0, x1, y1``, continuous, not yet clipped; each has an area.
        difficult: bool (N,).
        upright: whether it says that its boxes are of the photo turned upright by EXIF, as those
            do that this project writes.
        numbers: N places among the XML's objects, from 1, for messages.
        notes: one sentence for each object that was skipped.
    """

    filename: str
    size: tuple[int, int] | None
    names: tuple[str, ...]
    boxes: np.ndarray
    difficult: np.ndarray
    upright: bool
    numbers: tuple[int, ...]
    notes: tuple[str, ...]


def read_annotation(path: str | Path) -> Annotation:
    """Read one annotation file.

    Raises:
        ValueError: it cannot be read, is no XML, or no VOC annotation; the message says which,
            without the file's name.
    """
    path = Path(path)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ValueError(f"larger than {MAX_BYTES >> 20} MiB")
        data = path.read_bytes()
    except OSError as error:
        raise ValueError(error.strerror or str(error)) from error
    return parse_annotation(data)


def parse_annotation(data: bytes) -> Annotation:
    """``read_annotation`` on the content of a file."""
    try:
        root = defusedxml.ElementTree.fromstring(data)
    except DefusedXmlException as error:
        raise ValueError("uses XML entities or outside references, which are refused") from error
    except (ParseError, ValueError, LookupError, RecursionError) as error:
        raise ValueError(f"not well-formed XML ({error})") from error
    if root.tag != "annotation":
        raise ValueError(f"no VOC annotation: the outermost element is <{root.tag}>")

    names, boxes, difficult, numbers, notes = [], [], [], [], []
    # Direct children only: the <part> elements within a person have names and boxes of their own.
    for number, item in enumerate(root.findall("object"), start=1):
        try:
            name, box = _name(item), _box(item)
        except ValueError as error:
            notes.append(f"object {number}: {error}; skipped")
            continue
        names.append(name)
        boxes.append(box)
        difficult.append((item.findtext("difficult") or "").strip().lower() in _YES)
        numbers.append(number)
    return Annotation(
        filename=(root.findtext("filename") or "").strip(),
        size=_size(root),
        names=tuple(names),
        boxes=np.array(boxes, np.float32).reshape(-1, 4),
        difficult=np.array(difficult, bool),
        upright=(root.findtext("upright") or "").strip().lower() in _YES,
        numbers=tuple(numbers),
        notes=tuple(notes),
    )


def _name(item: Element) -> str:
    name = " ".join((item.findtext("name") or "").split())
    if not name:
        raise ValueError("no class name")
    return name


def _box(item: Element) -> tuple[float, ...]:
    """Continuous ``x0, y0, x1, y1`` of one object; ValueError where there is no box."""
    bndbox = item.find("bndbox")
    if bndbox is None:
        raise ValueError("no bndbox")
    text = {tag: (bndbox.findtext(tag) or "").strip() for tag in _SHIFTS}
    x0, y0, x1, y1 = (_number(tag, text[tag]) - shift for tag, shift in _SHIFTS.items())
    for low, high, first, last in (("xmin", "xmax", x0, x1), ("ymin", "ymax", y0, y1)):
        if np.float32(last) <= np.float32(first):
            raise ValueError(f"{high} {text[high]} lies before {low} {text[low]}")
    return x0, y0, x1, y1


def _number(tag: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"{tag} is {text!r}, not a number" if text else f"no {tag}") from None
    if not math.isfinite(value) or abs(value) > 1e9:
        raise ValueError(f"{tag} is {text}, not a place in a photo")
    return value


def _size(root: Element) -> tuple[int, int] | None:
    try:
        width = int(float(root.findtext("size/width") or 0))
        height = int(float(root.findtext("size/height") or 0))
    except (ValueError, OverflowError):
        return None
    return (width, height) if width > 0 and height > 0 else None
