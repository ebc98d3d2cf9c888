"""Whether a Matroska or WebM file says how long it is: ``has_duration``; and whether one that was
written is complete: ``is_complete``. A comment in the room that its header leaves: ``fill_void``.

What a browser or a broken-off recording writes often has no duration in its header. FFmpeg then
estimates one from the bit rate, which may be several times too long.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple

# Ids of elements, as in the tables of RFC 9559.
_EBML, _SEGMENT, _INFO, _DURATION, _CLUSTER, _VOID = (
    0x1A45DFA3, 0x18538067, 0x1549A966, 0x4489, 0x1F43B675, 0xEC,
)  # fmt: skip
_MAX_ELEMENTS = 200  # of one level before the frames begin


class _Element(NamedTuple):
    """An element of the file; its content begins where the file stands."""

    ident: int
    end: int | None  # where it ends; None where it does not say


def has_duration(path: str | Path) -> bool:
    """False for a Matroska or WebM file whose header has no duration or 0; True for all others."""
    try:
        with Path(path).open("rb") as file:
            for element in _elements(file, None):
                if element.ident == _SEGMENT:
                    return _segment_has_duration(file, element.end)
                if element.ident != _EBML:
                    return True
    except (OSError, ValueError):
        pass  # another kind of file, or damaged: the reader of its frames says so
    return True


def is_complete(path: str | Path) -> bool:
    """Whether a Matroska or WebM file that FFmpeg wrote ends where its header says.

    FFmpeg writes that last, and not at all after an error such as a full disk.
    """
    try:
        with Path(path).open("rb") as file:
            segment = next((one for one in _elements(file, None) if one.ident == _SEGMENT), None)
            return segment is not None and segment.end == file.seek(0, 2)
    except (OSError, ValueError):
        return False


def fill_void(path: str | Path, text: bytes) -> bool:
    """Write a text into the header of a file, in room that is left free and that readers pass over.

    Returns:
        Whether there was room for it.

    Raises:
        OSError: the file cannot be written.
    """
    with Path(path).open("r+b") as file:
        try:
            segment = next((one for one in _elements(file, None) if one.ident == _SEGMENT), None)
            for element in _elements(file, segment.end) if segment else ():
                room = element.end - file.tell() if element.end is not None else 0
                if element.ident == _VOID and room >= len(text):
                    file.write(text)
                    return True
                if element.ident == _CLUSTER:
                    break
        except ValueError:  # no such file
            pass
    return False


def _segment_has_duration(file: IO[bytes], end: int | None) -> bool:
    for element in _elements(file, end):
        if element.ident == _INFO:
            return any(
                one.ident == _DURATION and one.end is not None
                # Some programs write 0 first, and the length when they end.
                and any(file.read(min(8, one.end - file.tell())))
                for one in _elements(file, element.end)
            )  # fmt: skip
        if element.ident == _CLUSTER:  # the frames; what follows them is not read
            break
    return False


def _elements(file: IO[bytes], end: int | None) -> Iterator[_Element]:
    """The elements from where the file stands to ``end``, of one level.

    Raises:
        ValueError: it does not consist of elements.
    """
    for _ in range(_MAX_ELEMENTS):
        if end is not None and file.tell() >= end:
            return
        ident, _ = _number(file, 4)
        size, bits = _number(file, 8)
        size &= (1 << bits) - 1
        unknown = size == (1 << bits) - 1
        element = _Element(ident, None if unknown else file.tell() + size)
        yield element
        if element.end is None:
            return
        file.seek(element.end)


def _number(file: IO[bytes], most: int) -> tuple[int, int]:
    """A number whose leading zero bits say how many bytes it has; also how many bits are its value.

    Raises:
        ValueError: the file ends, or it has more than ``most`` bytes.
    """
    first = file.read(1)
    length = 9 - first[0].bit_length() if first else 9
    rest = file.read(length - 1) if length <= most else b""
    if length > most or len(rest) < length - 1:
        raise ValueError("no element")
    return int.from_bytes(first + rest), 7 * length
