"""EXIF within a sound JPEG and a sound PNG: the photo is read, its size and turning agree."""

from __future__ import annotations

import io
import struct
import zlib
from functools import cache

from PIL import Image

from tests.bad_input.case import encoded, picture
from tests.fuzz.target import Target, require, written
from utils import images as readers

_ORIENTATION = 0x0112


def orientation_of(image: Image.Image) -> int:
    """By Pillow's own reading; 1 where there is none that makes sense."""
    try:
        value = int(Image.Image.getexif(image).get(_ORIENTATION) or 1)
    except Exception:  # damaged
        return 1
    return value if 1 <= value <= 8 else 1


def tiff_of(orientation: int, order: str = "<") -> bytes:
    """EXIF's inner file with that one tag."""
    mark = b"II*\0" if order == "<" else b"MM\0*"
    entry = struct.pack(order + "HHIHH", _ORIENTATION, 3, 1, orientation, 0)
    return mark + struct.pack(order + "IH", 8, 1) + entry + struct.pack(order + "I", 0)


@cache
def _plain(form: str) -> bytes:
    return encoded(picture(24, 16), form)


def jpeg_with_exif(tiff: bytes) -> bytes:
    plain, content = _plain("JPEG"), b"Exif\0\0" + tiff[:65_000]
    return plain[:2] + b"\xff\xe1" + struct.pack(">H", len(content) + 2) + content + plain[2:]


def png_with_exif(tiff: bytes) -> bytes:
    plain, chunk = _plain("PNG"), b"eXIf" + tiff
    start = 8 + 12 + 13  # behind the header chunk
    made = struct.pack(">I", len(tiff)) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return plain[:start] + made + plain[start:]


def _run(data: bytes) -> None:
    for photo, name in ((jpeg_with_exif(data), "exif.jpg"), (png_with_exif(data), "exif.png")):
        path = written(photo, name)
        size = readers.image_size(path)
        require(sorted((size.width, size.height)) == [16, 24], f"the size of the photo: {size}")
        pixels = readers.read_image(path)
        require(pixels.shape == (size.height, size.width, 3), f"{pixels.shape} of {size}")
        require(readers.image_info(path).size == size, "one size")
    with Image.open(io.BytesIO(photo)) as image:
        require(size.orientation == orientation_of(image), "Pillow's orientation")


TARGET = Target(
    name="exif",
    run=_run,
    seeds=lambda: [
        *(tiff_of(number, order) for number in (1, 3, 6, 8, 9) for order in "<>"),
        b"", b"II*\0", b"MM\0*\0\0\0\x08\xff\xff", tiff_of(6)[:20], b"II+\0\x08\0\0\0" + bytes(16),
    ],
    refusals=(),  # a photo with damaged EXIF can still be read
    words=(b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08", b"II+\0\x08\0\0\0", b"\x12\x01\x03\0\x01\0\0\0",
           b"\x01\x12\0\x03\0\0\0\x01", b"\x69\x87\x04\0", b"\x12\x01\x04\0", b"\x12\x01\x05\0"),
    most_bytes=1024,
)  # fmt: skip
