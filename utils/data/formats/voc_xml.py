"""Reading one VOC annotation XML: ``read_annotation``.

VOC counts pixels from 1 and includes the last one: ``xmin, ymin, xmax, ymax`` becomes
``xmin − 1, ymin − 1, xmax, ymax`` in continuous coordinates. The XML may come from a stranger:
entities and external references are refused, and nothing it names is opened.

An object without ``bndbox`` may have an outline: a ``polygon`` (``x1``, ``y1``, ``x2`` … or ``pt``
elements with ``x`` and ``y``), whose extreme points count as the corners of a ``bndbox`` do, or a
``robndbox`` as roLabelImg writes it (``cx``, ``cy``, ``w``, ``h`` and ``angle`` in radians, in
continuous coordinates). Its bounding box is taken. So is that of a ``bndbox`` with an attribute
``rotation``, as CVAT writes it.

An object's ``score`` or ``confidence`` is that of a detector.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError
from xml.parsers import expat

import defusedxml.ElementTree
import numpy as np
from defusedxml.common import DefusedXmlException

from utils.data.annotations import Annotation, ObjectError, score_of
from utils.data.formats.cvat_rotation import box_around_rotated, rotation_of
from utils.data.formats.naming import NAME_LIMIT, class_name
from utils.data.formats.outlines import Box, points_box, rotated_box
from utils.files import read_limited

MAX_BYTES = 8 << 20  # thousands of objects
_SHIFTS = (("xmin", 1), ("ymin", 1), ("xmax", 0), ("ymax", 0))
_MAX_COORDINATE = 1e9  # pixels
_UNDEFINED_ENTITY = expat.errors.codes[expat.errors.XML_ERROR_UNDEFINED_ENTITY]
_YES = ("1", "true", "yes")

# Encodings that Chinese, Japanese and Korean tools write and expat does not know, by what Python
# calls the widest of their family.
_DECLARED = re.compile(rb"""\A\s*<\?xml[^>]*?\bencoding\s*=\s*["']([A-Za-z0-9._-]+)["'][^>]*\?>""")
_CODECS = {
    "gbk": "gb18030", "gb2312": "gb18030", "gb18030": "gb18030", "cp936": "gb18030",
    "big5": "big5hkscs", "big5hkscs": "big5hkscs", "cp950": "cp950",
    "shiftjis": "cp932", "sjis": "cp932", "cp932": "cp932", "windows31j": "cp932",
    "eucjp": "euc_jp", "iso2022jp": "iso2022_jp", "euckr": "cp949", "cp949": "cp949",
}  # fmt: skip


def read_annotation(path: str | Path, where: str = "") -> Annotation:
    """Read one annotation file; ``where`` is what to call it in messages.

    Raises:
        ValueError: it cannot be read, is no XML, or no VOC annotation; the message says which,
            without the file's name.
    """
    return parse_annotation(read_limited(path, MAX_BYTES), where or Path(path).name)


def parse_annotation(data: bytes, where: str = "") -> Annotation:
    """``read_annotation`` on the content of a file."""
    try:
        root = defusedxml.ElementTree.fromstring(_decoded(data))
    except (DefusedXmlException, ParseError, ValueError, LookupError, RecursionError) as error:
        # An entity without a declaration could only have come from outside.
        undeclared = getattr(error, "code", None) == _UNDEFINED_ENTITY
        if undeclared or isinstance(error, DefusedXmlException):
            raise ValueError(
                "uses XML entities or outside references, which are refused"
            ) from error
        raise ValueError(f"not well-formed XML ({error})") from error
    if root.tag != "annotation":
        raise ValueError(f"no VOC annotation: the outermost element is <{root.tag}>")

    names, boxes, difficult, numbers, scores, errors, outlines = [], [], [], [], [], [], 0
    # Direct children only: the <part> elements within a person have names and boxes of their own.
    for number, item in enumerate(root.findall("object"), start=1):
        name = class_name(item.findtext("name") or "")
        try:
            if not name:
                raise ObjectError("no-class", f"no class name, {NAME_LIMIT}")
            box = _outline(item) or _rotated(item)
            outlines += box is not None
            box = box or _box(item)
        except ObjectError as error:
            errors.append(error.at(number))
            continue
        names.append(name)
        boxes.append(box)
        difficult.append((item.findtext("difficult") or "").strip().lower() in _YES)
        numbers.append(number)
        scores.append(score_of(item.findtext("score") or item.findtext("confidence")))
    return Annotation(
        where=where,
        filename=(root.findtext("filename") or "").strip(),
        size=_size(root),
        names=tuple(names),
        boxes=np.array(boxes, np.float32).reshape(-1, 4),
        difficult=np.array(difficult, bool),
        upright=(root.findtext("upright") or "").strip().lower() in _YES,
        numbers=tuple(numbers),
        errors=tuple(errors),
        outlines=outlines,
        scores=np.array(scores, np.float32),
    )


def _decoded(data: bytes) -> bytes | str:
    """The content, decoded and without its declaration where expat does not know the encoding.

    Raises:
        ValueError: it is not what it declares to be.
    """
    declared = _DECLARED.match(data[:200])
    if declared is None:
        return data
    codec = _CODECS.get(re.sub("[^a-z0-9]", "", declared[1].decode("ascii").lower()))
    return data if codec is None else data[declared.end() :].decode(codec)


def _box(item: Element) -> Box:
    """Continuous ``x0, y0, x1, y1`` of one object."""
    bndbox = item.find("bndbox")
    if bndbox is None:
        raise ObjectError("no-box", "no bndbox, and no outline")
    text = {tag: (bndbox.findtext(tag) or "").strip() for tag, _ in _SHIFTS}
    x0, y0, x1, y1 = (_number(tag, text[tag]) - shift for tag, shift in _SHIFTS)
    for low, high, first, last in (("xmin", "xmax", x0, x1), ("ymin", "ymax", y0, y1)):
        if np.float32(last) <= np.float32(first):
            raise ObjectError("empty-box", f"{high} {text[high]} lies before {low} {text[low]}")
    return x0, y0, x1, y1


def _rotated(item: Element) -> Box | None:
    """The box around a ``bndbox`` that CVAT says is rotated; None where it does not."""
    for attribute in item.iterfind("attributes/attribute"):
        if (attribute.findtext("name") or "").strip() == "rotation":
            degrees = rotation_of(attribute.findtext("value"))
            return box_around_rotated(_box(item), degrees) if degrees else None
    return None


def _outline(item: Element) -> Box | None:
    """The box around the outline of an object without a ``bndbox`` of its own; None if none."""
    bndbox = item.find("bndbox")
    if bndbox is not None and bndbox.find("xmin") is not None:
        return None
    for tag in ("robndbox", "bndbox", "polygon", "segmentation"):
        found = item.find(tag)
        if found is None or not len(found):
            continue
        try:
            if found.find("cx") is not None:
                sides = [float(found.findtext(side) or "") for side in ("cx", "cy", "w", "h")]
                box = rotated_box(*sides, float(found.findtext("angle") or 0))
                x0, y0, x1, y1, first = *box, 0
            elif points := _points(found):
                x0, y0, x1, y1, first = *points_box(points), 1
            else:
                continue
            if not max(map(abs, (x0, y0, x1, y1))) <= _MAX_COORDINATE:
                raise ValueError
        except ValueError:
            raise ObjectError("empty-box", f"the outline ({tag}) encloses no area") from None
        return x0 - first, y0 - first, x1, y1
    return None


def _points(outline: Element) -> list[tuple[float, float]]:
    """The points of an outline: ``pt`` elements, or ``x1``, ``y1``, ``x2`` and so on.

    Raises:
        ValueError: one of them is not a number.
    """
    pairs = [(item.findtext("x"), item.findtext("y")) for item in (*outline, outline)]
    texts: dict[str, str] = {}  # of the first element of each name, as findtext gives it
    for child in outline:
        texts.setdefault(str(child.tag), child.text or "")
    tags = [child.tag for child in outline if re.fullmatch(r"x\d+", str(child.tag))]
    pairs += [(texts[tag], texts.get(f"y{tag[1:]}")) for tag in tags]
    return [(float(x or ""), float(y or "")) for x, y in pairs if x is not None or y is not None]


def _number(tag: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        if not text:
            raise ObjectError("no-box", f"no {tag}") from None
        raise ObjectError("not-a-number", f"{tag} is {text[:40]!r}, not a number") from None
    if not math.isfinite(value) or abs(value) > _MAX_COORDINATE:
        raise ObjectError("not-a-number", f"{tag} is {text[:40]}, not a place in a photo")
    return value


def _size(root: Element) -> tuple[int, int] | None:
    try:
        width = int(float(root.findtext("size/width") or 0))
        height = int(float(root.findtext("size/height") or 0))
    except (ValueError, OverflowError):
        return None
    return (width, height) if width > 0 and height > 0 else None
