"""Reading one VOC annotation XML: ``read_annotation``.

VOC counts pixels from 1 and includes the last one: ``xmin, ymin, xmax, ymax`` becomes
``xmin − 1, ymin − 1, xmax, ymax`` in continuous coordinates. The XML may come from a stranger:
entities and external references are refused, as defusedxml refuses them, and nothing it names is
opened. Expat's events are followed directly: no tree is built, which is several times as fast.
"""

from __future__ import annotations

import math
import os
import re
from pathlib import Path
from xml.parsers import expat

import numpy as np

from utils.data.labels import Annotation, Fault

MAX_BYTES = 8 << 20  # thousands of objects
_SHIFTS = (("xmin", 1), ("ymin", 1), ("xmax", 0), ("ymax", 0))
_YES = ("1", "true", "yes")

# The elements that count, each under the one that it must stand directly in: the <part> elements
# within a person have names and boxes of their own.
_CHILDREN: dict[str | None, dict[str, str]] = {
    "": {"annotation": "annotation"},
    "annotation": {
        "filename": "filename", "upright": "upright", "size": "size", "object": "object",
    },
    "size": {"width": "width", "height": "height"},
    "object": {"name": "name", "difficult": "difficult", "bndbox": "bndbox"},
    "bndbox": {"xmin": "xmin", "ymin": "ymin", "xmax": "xmax", "ymax": "ymax"},
}  # fmt: skip
_NOTHING: dict[str, str] = {}
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
    try:
        with open(path, "rb") as file:
            if os.fstat(file.fileno()).st_size > MAX_BYTES:
                raise ValueError(f"larger than {MAX_BYTES >> 20} MiB")
            data = file.read()
    except OSError as error:
        raise ValueError(error.strerror or str(error)) from error
    return parse_annotation(data, where or Path(path).name)


def parse_annotation(data: bytes, where: str = "") -> Annotation:
    """``read_annotation`` on the content of a file."""
    events = _Events()
    try:
        events.parser().Parse(_decoded(data), True)
    except _RefusedError as error:
        raise ValueError("uses XML entities or outside references, which are refused") from error
    except (expat.ExpatError, ValueError, LookupError) as error:
        if events.wrong_root:
            raise ValueError(events.wrong_root) from error
        raise ValueError(f"not well-formed XML ({error})") from error

    names, boxes, difficult, numbers, faults = [], [], [], [], []
    for number, item in enumerate(events.objects, start=1):
        name = " ".join(item.get("name", "").split())
        try:
            if not name:
                raise _FaultError("no-class", "no class name")
            box = _box(item)
        except _FaultError as error:
            faults.append(Fault(*error.args, number))
            continue
        names.append(name)
        boxes.append(box)
        difficult.append(item.get("difficult", "").strip().lower() in _YES)
        numbers.append(number)
    return Annotation(
        where=where,
        filename=events.texts.get("filename", "").strip(),
        size=_size(events.texts),
        names=tuple(names),
        boxes=np.array(boxes, np.float32).reshape(-1, 4),
        difficult=np.array(difficult, bool),
        upright=events.texts.get("upright", "").strip().lower() in _YES,
        numbers=tuple(numbers),
        faults=tuple(faults),
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


class _RefusedError(Exception):
    """An entity is declared, or something outside the file referred to."""


class _FaultError(Exception):
    """(kind, message) of what is wrong with an object."""


class _Events:
    """Gathers the text of the elements that count while the parser runs.

    As with ElementTree's ``findtext``, the first element of a name counts, and its text up to the
    first element within it.

    Attributes:
        texts: of the elements outside objects, by name.
        objects: of each object its texts by name; ``bndbox`` is there where it has one.
        wrong_root: what is wrong with the outermost element, or "".
    """

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        self.objects: list[dict[str, str]] = []
        self.wrong_root = ""
        self._open: list[str | None] = [""]  # the elements around, None for those without meaning
        self._texts = self.texts  # of the object around, or of the file
        self._name = ""  # element whose text is being gathered, or ""

    def parser(self) -> expat.XMLParserType:
        parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.EntityDeclHandler = _refuse
        parser.UnparsedEntityDeclHandler = _refuse
        parser.ExternalEntityRefHandler = _refuse
        parser.SkippedEntityHandler = _refuse
        return parser

    def _start(self, tag: str, _attributes: dict[str, str]) -> None:
        around = self._open[-1]
        name = _CHILDREN.get(around, _NOTHING).get(tag)
        self._open.append(name)
        self._name = ""
        if name == "object":
            self._texts = {}
            self.objects.append(self._texts)
        elif name == "annotation":
            pass
        elif around == "":
            self.wrong_root = f"no VOC annotation: the outermost element is <{tag}>"
            raise ValueError(self.wrong_root)
        elif name is not None:
            if name in self._texts:
                self._open[-1] = None  # only the first of a name counts, and what is in it
            else:
                self._texts[name] = ""
                self._name = name

    def _end(self, _tag: str) -> None:
        if self._open.pop() == "object":
            self._texts = self.texts
        self._name = ""

    def _text(self, text: str) -> None:
        if self._name:
            self._texts[self._name] += text


def _refuse(*_: object) -> None:
    raise _RefusedError


def _box(item: dict[str, str]) -> tuple[float, ...]:
    """Continuous ``x0, y0, x1, y1`` of one object."""
    if "bndbox" not in item:
        raise _FaultError("no-box", "no bndbox")
    x0, y0, x1, y1 = (_number(tag, item.get(tag, "").strip()) - shift for tag, shift in _SHIFTS)
    for low, high, first, last in (("xmin", "xmax", x0, x1), ("ymin", "ymax", y0, y1)):
        if np.float32(last) <= np.float32(first):
            texts = f"{high} {item[high].strip()} lies before {low} {item[low].strip()}"
            raise _FaultError("empty-box", texts)
    return x0, y0, x1, y1


def _number(tag: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        if not text:
            raise _FaultError("no-box", f"no {tag}") from None
        raise _FaultError("not-a-number", f"{tag} is {text[:40]!r}, not a number") from None
    if not math.isfinite(value) or abs(value) > 1e9:
        raise _FaultError("not-a-number", f"{tag} is {text[:40]}, not a place in a photo")
    return value


def _size(texts: dict[str, str]) -> tuple[int, int] | None:
    try:
        width = int(float(texts.get("width") or 0))
        height = int(float(texts.get("height") or 0))
    except (ValueError, OverflowError):
        return None
    return (width, height) if width > 0 and height > 0 else None
