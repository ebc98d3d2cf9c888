"""Size and EXIF orientation of ordinary JPEG and PNG files, from a few bytes: ``read_header``.

Pillow reads more kinds of files and takes five times as long. Unusual files are left to it:
``read_header`` gives None for them. What it gives is always the same as Pillow's. Files of so many
parts that Pillow would take minutes are refused: ``TooManyParts``.

Sources: ITU-T T.81 annex B (JPEG markers), the PNG specification (chunks), Exif 2.3 section 4.6 and
TIFF 6.0 section 2 (the orientation tag).
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Callable, Iterator
from typing import NamedTuple

Read = Callable[[int, int], bytes]  # (place, count) → as many bytes as there are

_CHUNK = 4096  # most headers are shorter
_ORIENTATION = 0x0112
_SHORT = 3
# Baseline, extended and progressive with Huffman coding: what every decoder knows.
_FRAMES = (0xC0, 0xC1, 0xC2)
_SCAN = 0xDA
_EXIF = 0xE1
_BARE = (0x00, 0xC8, *range(0xD0, 0xDA), *range(0xF0, 0xFE))  # without a length, says Pillow
_MAX_PARTS = 200_000  # 179 million pixels have 66,000 chunks of the usual 8 KiB
_MAX_EXIF = 100  # segments; Pillow copies all those before at each
_MAX_PADDING = 4 << 20  # bytes between segments, which Pillow reads one by one
_MARKER = re.compile(rb"\xff[^\xff]")
_PLAIN_SEGMENTS = (0xC4, 0xDB, 0xDD, 0xFE)  # tables, restart interval, comment
_PLAIN_CHUNKS = {
    b"PLTE", b"IDAT", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"sBIT", b"bKGD", b"hIST",
    b"pHYs", b"tIME",
}  # fmt: skip


class TooManyParts(ValueError):
    """A file of more segments or chunks than a picture has."""

    def __init__(self, parts: str, most: int) -> None:
        super().__init__(f"it has more than {most:,} {parts}, as no sound picture has")


class Header(NamedTuple):
    """What a header says of the pixels as stored.

    Attributes:
        width, height: in pixels, before any turning.
        orientation: EXIF orientation, 1–8.
        channels: 1, 3 or 4 of a JPEG; 0 for a PNG.
        bits: of each channel.
    """

    width: int
    height: int
    orientation: int
    channels: int
    bits: int = 8


def read_header(path: str | os.PathLike[str]) -> Header | None:
    """The header of a file; None for anything but an ordinary JPEG or PNG.

    Raises:
        OSError: the file cannot be opened or read.
        TooManyParts: Pillow would take long.
    """
    with open(path, "rb", buffering=0) as file:
        head = file.read(_CHUNK)

        def read(place: int, count: int) -> bytes:
            if place + count <= len(head):
                return head[place : place + count]
            file.seek(place)
            return file.read(count)

        return _header(read)


def parse_header(data: bytes) -> Header | None:
    """``read_header`` for the content of a file.

    Raises:
        TooManyParts: Pillow would take long.
    """
    return _header(lambda place, count: data[place : place + count])


def png_chunks(read: Read) -> Iterator[tuple[bytes, int, int]]:
    """(kind, place of the content, length) of each chunk of a PNG, up to the end of the file.

    Raises:
        TooManyParts: it has more of them.
    """
    place = 8
    for _ in range(_MAX_PARTS):
        head = read(place, 8)
        if len(head) < 8:
            return
        length, kind = struct.unpack(">I4s", head)
        yield kind, place + 8, length
        place += 12 + length  # with the checksum
    raise TooManyParts("chunks", _MAX_PARTS)


def _header(read: Read) -> Header | None:
    start = read(0, 8)
    if start[:3] == b"\xff\xd8\xff":
        header = _jpeg(read)
        if header is None:
            _check_jpeg(read)
        return header
    if start == b"\x89PNG\r\n\x1a\n":
        chunks = png_chunks(read)
        header = _png(read, chunks)
        for kind, _, _ in chunks if header is None else ():  # which Pillow would read, too
            if kind == b"IEND":
                break
        return header
    return None


def _check_jpeg(read: Read) -> None:
    """Go from marker to marker as Pillow does, up to the first scan.

    Raises:
        TooManyParts: there are too many for that.
    """
    place, exif, padding = 2, 0, 0
    for _ in range(_MAX_PARTS):
        head = read(place, 10)
        if len(head) < 2 or head[:2] == bytes((0xFF, _SCAN)):
            return
        marker = head[1]
        if head[0] != 0xFF or marker == 0xFF:  # junk, or padding
            rest = read(place, _CHUNK)
            found = _MARKER.search(rest)
            skipped = found.start() if found else len(rest) - 1
            place, padding = place + skipped, padding + skipped
            if padding > _MAX_PADDING:
                raise TooManyParts("bytes between its segments", _MAX_PADDING)
        elif marker in _BARE:
            place += 2
        elif marker < 0xC0:  # Pillow reads no further
            return
        else:
            exif += marker == _EXIF and head[4:] == b"Exif\0\0"
            if exif > _MAX_EXIF:
                raise TooManyParts("segments of EXIF", _MAX_EXIF)
            place += 2 + max(2, int.from_bytes(head[2:4], "big"))
    raise TooManyParts("segments", _MAX_PARTS)


def _jpeg(read: Read) -> Header | None:
    place, orientation, size, channels = 2, None, None, 0
    for _ in range(_MAX_PARTS):
        head = read(place, 4)
        if len(head) < 4 or head[0] != 0xFF:
            return None
        marker, length = head[1], head[2] << 8 | head[3]
        if length < 2:
            return None
        if marker == _SCAN:  # Pillow stops reading here, too
            return None if size is None else Header(*size, orientation or 1, channels)
        if marker in _FRAMES and size is None:
            frame = read(place + 4, 6)
            if len(frame) < 6 or length != 8 + 3 * frame[5]:
                return None
            precision, height, width, channels = struct.unpack(">BHHB", frame)
            if precision != 8 or channels not in (1, 3, 4) or not height or not width:
                return None
            size = width, height
        elif marker == _EXIF:
            content = read(place + 4, length - 2)
            if not content.startswith(b"Exif\0\0") or orientation is not None:
                return None  # XMP may hold the orientation, too
            orientation = _exif_orientation(content[6:])
            if orientation is None:
                return None
        elif not (marker in _PLAIN_SEGMENTS or 0xE0 <= marker <= 0xEF):
            return None
        place += 2 + length
    return None


def _exif_orientation(tiff: bytes) -> int | None:
    """The orientation tag of the first directory; 1 where it has none, None where it is odd."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])
    if order is None or len(tiff) < 8:
        return None
    (place,) = struct.unpack_from(order + "I", tiff, 4)
    if place + 2 > len(tiff):
        return None
    (count,) = struct.unpack_from(order + "H", tiff, place)
    if place + 2 + 12 * count > len(tiff):
        return None
    for i in range(count):
        tag, kind, number, value = struct.unpack_from(order + "HHIH", tiff, place + 2 + 12 * i)
        if tag == _ORIENTATION:
            return value if kind == _SHORT and number == 1 and 1 <= value <= 8 else None
    return 1


def _png(read: Read, chunks: Iterator[tuple[bytes, int, int]]) -> Header | None:
    if next(chunks, None) != (b"IHDR", 16, 13):
        return None
    size = read(16, 9)
    if len(size) < 9:
        return None
    width, height, bits = struct.unpack(">IIB", size)
    if not width or not height:
        return None
    # All chunks are read: the orientation may come after the pixels.
    pixels = False
    for kind, _, _ in chunks:
        if kind == b"IEND":
            return Header(width, height, 1, 0, bits) if pixels else None
        if kind not in _PLAIN_CHUNKS:
            return None
        pixels |= kind == b"IDAT"
    return None
