"""Mending label files whose damage is plain: ``mended`` gives the labels of an XML as it was meant.

Only what can be undone without guessing at content: bytes before the first tag, a bare ``&`` in a
name, letters in another encoding than the file claims. A file that stops in the middle is not
mended: nobody knows which objects it lost.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from utils.data.formats.voc_xml import MAX_BYTES, parse_annotation
from utils.data.labels import Annotation

_BARE_AMPERSAND = re.compile(rb"&(?!#?\w{1,10};)")
_DECLARATION = re.compile(rb"^<\?xml[^>]*\?>\s*")


def mended(path: Path, where: str) -> Annotation | None:
    """The labels of a VOC XML that does not parse; None where its damage is not plain."""
    try:
        if path.stat().st_size > MAX_BYTES:
            return None
        data = path.read_bytes()
    except OSError:
        return None
    for attempt in _attempts(data):
        try:
            return parse_annotation(attempt, where)
        except ValueError:
            continue
    return None


def _attempts(data: bytes) -> Iterator[bytes]:
    """The content with the damage undone, in growing order of boldness."""
    start = data.find(b"<")
    if start < 0:
        return
    data = _BARE_AMPERSAND.sub(b"&amp;", data[start:])
    yield data
    body = _DECLARATION.sub(b"", data)
    yield body  # read as UTF-8, whatever it claimed
    try:
        yield body.decode("cp1252").encode()
    except UnicodeDecodeError:
        return
