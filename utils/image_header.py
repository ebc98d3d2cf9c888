"""Size and EXIF orientation of ordinary JPEG and PNG files, from a few bytes: ``read_header``.

Pillow reads more kinds of files and takes five times as long. Unusual files are left to it:
``read_header`` gives None for them. What it gives is always the same as Pillow's.

Sources: ITU-T T.81 annex B (JPEG markers), the PNG specification (chunks), Exif 2.3 section 4.6 and
TIFF 6.0 section 2 (the orientation tag).
"""

from __future__ import annotations

import os
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
_PLAIN_SEGMENTS = (0xC4, 0xDB, 0xDD, 0xFE)  # tables, restart interval, comment
_PLAIN_CHUNKS = {
    b"PLTE", b"IDAT", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"sBIT", b"bKGD", b"hIST",
    b"pHYs", b"tIME",
}  # fmt: skip


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
    """``read_header`` for the content of a file."""
    return _header(lambda place, count: data[place : place + count])


def png_chunks(read: Read) -> Iterator[tuple[bytes, int, int]]:
    """(kind, place of the content, length) of each chunk of a PNG, up to the end of the file."""
    place = 8
    while len(head := read(place, 8)) == 8:
        length, kind = struct.unpack(">I4s", head)
        yield kind, place + 8, length
        place += 12 + length  # with the checksum


def _header(read: Read) -> Header | None:
    start = read(0, 8)
    if start[:3] == b"\xff\xd8\xff":
        return _jpeg(read)
    if start == b"\x89PNG\r\n\x1a\n":
        return _png(read)
    return None


def _jpeg(read: Read) -> Header | None:
    place, orientation, size, channels = 2, None, None, 0
    while True:
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
        elif marker == 0xE1:
            content = read(place + 4, length - 2)
            if not content.startswith(b"Exif\0\0") or orientation is not None:
                return None  # XMP may hold the orientation, too
            orientation = _exif_orientation(content[6:])
            if orientation is None:
                return None
        elif not (marker in _PLAIN_SEGMENTS or 0xE0 <= marker <= 0xEF):
            return None
        place += 2 + length


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


def _png(read: Read) -> Header | None:
    chunks = png_chunks(read)
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
