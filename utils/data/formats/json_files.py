"""JSON files of labels: whether one holds some words (``mentions``), and its content
(``load_json``)."""

from __future__ import annotations

import codecs
import json
import mmap
from collections.abc import Callable
from pathlib import Path
from typing import Any

from utils.data.formats.encoding import decoded
from utils.files import TooLargeError, read_limited

MAX_BYTES = 1 << 30  # COCO's own train2017 has 448 MB
# Each bracket becomes an object of 50 to 200 bytes in memory. A label with an outline has four on a
# hundred bytes; a file of nothing but brackets would take fifty times its size.
_BYTES_A_BRACKET = 16
_ALWAYS_READ = 1 << 20  # bytes


def mentions(path: Path, words: tuple[bytes, ...]) -> bool:
    """Whether a file holds all these words; it is not read into memory."""
    try:
        with (
            open(path, "rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
        ):
            if content[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
                order = "utf-16-le" if content[:2] == codecs.BOM_UTF16_LE else "utf-16-be"
                words = tuple(word.decode("ascii").encode(order) for word in words)
            return all(content.find(word) >= 0 for word in words)
    except (OSError, ValueError):  # no permission; an empty file
        return False


def load_json(path: Path, slim: Callable[[list[tuple[str, Any]]], dict[str, Any]]) -> Any:
    """The content of a file.

    Args:
        path: the file.
        slim: what is kept of the keys and values of each JSON object, while the file is read.

    Raises:
        ValueError: it cannot be read, is too large, or no JSON; the message says which, without
            the file's name.
    """
    try:
        data = read_limited(path, MAX_BYTES)
        brackets = data.count(b"[") + data.count(b"{")
        if len(data) > _ALWAYS_READ and brackets * _BYTES_A_BRACKET > len(data):
            raise ValueError("it has more brackets than labels need, and would fill the memory")
        text = decoded(data)
        del data
    except TooLargeError as error:
        advice = "cut it into several files, each with its part of the images"
        raise ValueError(f"{error}; {advice}") from error
    try:
        return json.loads(text, object_pairs_hook=slim)
    except RecursionError as error:
        raise ValueError("not JSON (brackets without end)") from error
    except ValueError as error:
        raise ValueError(f"not JSON ({error})") from error
