"""Size and EXIF orientation of ordinary JPEG and PNG files, from a few bytes: ``read_header``.

Pillow knows more kinds of files, and takes five times as long. Whatever is not plain here is left
to it: ``read_header`` then gives None, and never an answer that differs from Pillow's.

Sources: ITU-T T.81 annex B (JPEG markers), the PNG specification (chunks), Exif 2.3 section 4.6 and
TIFF 6.0 section 2 (the orientation tag).
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable

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


def read_header(path: str | os.PathLike[str]) -> tuple[int, int, int] | None:
    """(width, height as stored, orientation 1–8) of a file; None where it is no plain matter.

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


def parse_header(data: bytes) -> tuple[int, int, int] | None:
    """``read_header`` on the content of a file."""
    return _header(lambda place, count: data[place : place + count])


def _header(read: Read) -> tuple[int, int, int] | None:
    start = read(0, 8)
    if start[:3] == b"\xff\xd8\xff":
        return _jpeg(read)
    if start == b"\x89PNG\r\n\x1a\n":
        return _png(read)
    return None


def _jpeg(read: Read) -> tuple[int, int, int] | None:
    place, orientation, size = 2, None, None
    while True:
        head = read(place, 4)
        if len(head) < 4 or head[0] != 0xFF:
            return None
        marker, length = head[1], head[2] << 8 | head[3]
        if length < 2:
            return None
        if marker == _SCAN:  # there Pillow stops looking, too
            return None if size is None else (*size, 1 if orientation is None else orientation)
        if marker in _FRAMES and size is None:
            frame = read(place + 4, 6)
            if len(frame) < 6 or length != 8 + 3 * frame[5]:
                return None
            precision, height, width, parts = struct.unpack(">BHHB", frame)
            if precision != 8 or parts not in (1, 3, 4) or not height or not width:
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


def _png(read: Read) -> tuple[int, int, int] | None:
    head = read(8, 25)
    if len(head) < 25 or head[:8] != b"\0\0\0\rIHDR":
        return None
    width, height = struct.unpack_from(">II", head, 8)
    if not width or not height:
        return None
    # The whole file is walked through: the orientation may stand behind the pixels.
    place, pixels = 33, False
    while True:
        chunk = read(place, 8)
        if len(chunk) < 8:
            return None
        length, kind = struct.unpack(">I4s", chunk)
        if kind == b"IEND":
            return (width, height, 1) if pixels else None
        if kind not in _PLAIN_CHUNKS:
            return None
        pixels |= kind == b"IDAT"
        place += 12 + length
