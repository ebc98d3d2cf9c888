"""``repaired_labels`` reads a damaged VOC XML where its content is beyond doubt.

Repaired are bytes before the first tag, a bare ``&`` in a name, and letters in another encoding
than the file declares. A file that ends early is not repaired: objects may be lost. Nor is one
whose class names could be in several alphabets: nearly all bytes are valid text in a Western
encoding, and usually nonsense.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from utils.data.annotations import MAX_OBJECTS, Annotation
from utils.data.formats.voc_xml import MAX_BYTES, parse_annotation
from utils.files import read_limited

_BARE_AMPERSAND = re.compile(rb"&(?!#?\w{1,10};)")
_DECLARATION = re.compile(rb"^<\?xml[^>]*\?>\s*")
_ENCODING = re.compile(rb"""^<\?xml[^>]*?\sencoding\s*=\s*["']([\w.:-]+)["']""")
_WESTERN = ("ascii", "iso8859-1", "cp1252")  # as Python's codecs call them
# A letter beyond ASCII that stands alone among ASCII, as in "chêne". Two in a row are rare in
# Western words, and are what the bytes of Chinese, Japanese and Korean look like.
_ALONE = re.compile(r"(?:[\x20-\x7e]|(?<![^\x20-\x7e])[À-ÖØ-öø-ÿŒœŠšŽžŸ](?![^\x20-\x7e]))*")


@dataclass(frozen=True)
class RepairedLabels:
    """The labels of a repaired file.

    Attributes:
        labels: its content.
        guessed: its class names with letters beyond ASCII, whose encoding had to be guessed.
    """

    labels: Annotation
    guessed: tuple[str, ...] = ()


def repaired_labels(path: Path, where: str) -> RepairedLabels | None:
    """The labels of a VOC XML that cannot be used; None where it cannot be repaired safely."""
    try:
        data = read_limited(path, MAX_BYTES)
    except ValueError:
        return None
    start = data.find(b"<")
    if start < 0:
        return None
    data = _BARE_AMPERSAND.sub(b"&amp;", data[start:])
    if labels := _parsed(data, where):
        return RepairedLabels(labels)
    for body, legible in _other_readings(data):
        labels = _parsed(body, where)
        if labels and all(name.isascii() or legible(name) for name in labels.names):
            guessed = tuple(sorted({name for name in labels.names if not name.isascii()}))
            return RepairedLabels(labels, guessed)
    return None


def _parsed(data: bytes, where: str) -> Annotation | None:
    try:
        found = parse_annotation(data, where)
    except ValueError:
        return None
    return found if len(found.names) <= MAX_OBJECTS else None


def _other_readings(data: bytes) -> Iterator[tuple[bytes, Callable[[str], object]]]:
    """The content read in other encodings than declared, and whether a class name is plausible.

    Names of ASCII letters are the same in all of them.
    """
    declared = _declared(data)
    body = _DECLARATION.sub(b"", data)
    yield body, lambda name: declared in ("", "utf-8", *_WESTERN)
    try:
        western = body.decode("cp1252").encode()
    except UnicodeDecodeError:
        return
    yield western, lambda name: declared in ("", *_WESTERN) and _ALONE.fullmatch(name)


def _declared(data: bytes) -> str:
    """The encoding that an XML declares, by Python's name; "" where it declares none."""
    found = _ENCODING.match(data)
    if not found:
        return ""
    name = found.group(1).decode("ascii", "replace")
    try:
        return codecs.lookup(name).name
    except LookupError:
        return name
