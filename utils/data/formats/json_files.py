"""JSON files of labels: whether one holds some words (``mentions``), and its content
(``load_json``)."""

from __future__ import annotations

import codecs
import json
import mmap
import re
from collections.abc import Callable
from operator import itemgetter
from pathlib import Path
from typing import Any

from utils.data.formats.encoding import decoded
from utils.files import TooLargeError, read_limited
from utils.json_memory import BYTES_A_COMMA, parsed_size

MAX_BYTES = 1 << 30  # COCO's own train2017 has 448 MB
# Each bracket becomes an object of 50 to 200 bytes in memory. A label with an outline has four on a
# hundred bytes; a file of nothing but brackets would take fifty times its size.
_BYTES_A_BRACKET = 16
_ALWAYS_READ = 1 << 20  # bytes
_MAX_MEMORY = 3 << 30  # bytes; four million boxes
_MAX_LIST_BYTES = 1 << 20  # bytes of the numbers that are dropped with their object
_MAX_DROPPED = 4_000_000  # lists; COCO's train2017 has 860,000
_MAX_KEYS = 10_000  # different ones
# A list of polygons, or a mask with its size; then what may follow until the object ends: other
# values, and small objects such as CVAT's attributes.
_NUMBERS = re.compile(rb'[\s:]*+\{?(?:[\[\]\d\s.,eE+-]++|"(?:counts|size)"\s*+:)*+')
_END_OF_OBJECT = re.compile(rb"\}?[^{}]{0,1000}+(?:\{[^{}]{0,1000}+\}[^{}]{0,1000}+){0,4}+\}")
_CUT = "cut it into several files, each with its part of the images"


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


def load_json(
    path: Path,
    keep: Callable[[list[tuple[str, Any]]], dict[str, Any]],
    *,
    dropped: str = "",
    remedy: str = _CUT,
) -> Any:
    """The content of a file.

    Args:
        path: the file.
        keep: what is kept of the keys and values of each JSON object, while the file is read.
        dropped: a key whose numbers ``keep`` drops, so that they never fill the memory together.
        remedy: what to do with a file that is too large.

    Raises:
        ValueError: it cannot be read, is too large, or no JSON; the message says which, without
            the file's name.
    """
    try:
        data = read_limited(path, MAX_BYTES)
        if len(data) > _ALWAYS_READ:
            _check_memory(data, dropped, remedy)
        text = decoded(data)
        del data
    except TooLargeError as error:
        raise ValueError(f"{error}; {remedy}") from error
    keys: set[str] = set()

    def kept(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keys.update(map(itemgetter(0), pairs))
        if len(keys) > _MAX_KEYS:
            raise TooLargeError(f"it has more than {_MAX_KEYS:,} different keys")
        return keep(pairs)

    try:
        return json.loads(text, object_pairs_hook=kept)
    except RecursionError as error:
        raise ValueError("not JSON (brackets without end)") from error
    except TooLargeError:
        raise
    except ValueError as error:
        raise ValueError(f"not JSON ({error})") from error


def _check_memory(data: bytes, dropped: str, remedy: str) -> None:
    """Estimate what the parsed file takes in memory, before it is parsed.

    Args:
        data: the file's bytes.
        dropped, remedy: as for ``load_json``.

    Raises:
        ValueError: it would fill the memory.
    """
    brackets = data.count(b"[") + data.count(b"{")
    if brackets * _BYTES_A_BRACKET > len(data):
        raise ValueError("it has more brackets than labels need, and would fill the memory")
    excess = parsed_size(data) - _MAX_MEMORY
    if excess > 0 and dropped and BYTES_A_COMMA * data.count(b",") > excess:
        excess -= BYTES_A_COMMA * _commas_dropped(data, f'"{dropped}"'.encode())
    if excess > 0:
        raise ValueError(f"its values would fill the memory; {remedy}")


def _commas_dropped(data: bytes, key: bytes) -> int:
    """How many commas stand in the numbers of a key whose object ends soon behind them, and that
    are so few that they can be held until then."""
    commas, start = 0, data.find(key)
    for _ in range(_MAX_DROPPED):
        if start < 0:
            break
        start += len(key)
        after = data.find(key, start)
        limit = len(data) if after < 0 else after
        end = _NUMBERS.match(data, start, min(limit, start + _MAX_LIST_BYTES)).end()
        if _END_OF_OBJECT.match(data, end, limit):
            commas += data.count(b",", start, end)
        start = after
    return commas
