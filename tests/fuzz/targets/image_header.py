"""The quick look at JPEG and PNG headers: what ``parse_header`` gives is the same as Pillow's."""

from __future__ import annotations

import io

from PIL import Image

from tests.bad_input.case import encoded, picture
from tests.fuzz.target import Target, require, written
from tests.fuzz.targets.exif import jpeg_with_exif, orientation_of, png_with_exif, tiff_of
from utils.image_header import parse_header, read_header
from utils.images import ImageSize


def _run(data: bytes) -> None:
    found = parse_header(data)
    require(read_header(written(data, "header")) == found, "the same from a file")
    if found is None:
        return
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG", "PNG")) as image:
            size, orientation = image.size, orientation_of(image)
    except Exception:  # Pillow refuses it: nothing to compare with
        return
    require((found.width, found.height) == size, f"{found}, Pillow {size}")
    require(found.orientation == orientation, f"{found}, Pillow {orientation}")
    require(ImageSize.of_stored(*found[:3]).stored == size, "there and back")


def _seeds():
    small = picture(24, 16)
    for form in ("JPEG", "PNG"):
        for mode in ("RGB", "L"):
            yield encoded(small.convert(mode), form)
    yield encoded(small, "JPEG", progressive=True)
    yield encoded(small.convert("CMYK"), "JPEG")
    yield encoded(small.convert("P"), "PNG")
    yield jpeg_with_exif(tiff_of(6))
    yield png_with_exif(tiff_of(8))


TARGET = Target(
    name="image_header",
    run=_run,
    seeds=_seeds,
    refusals=(),
    words=(b"\xff\xd8\xff\xe1", b"Exif\0\0", b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08",
           b"\x12\x01\x03\0\x01\0\0\0", b"\x01\x12\0\x03\0\0\0\x01", b"\xff\xc0", b"\xff\xc2",
           b"\xff\xda", b"http://ns.adobe.com/xap/1.0/\0", b"tiff:Orientation=\"6\"", b"IHDR",
           b"IDAT", b"IEND", b"eXIf", b"zTXt", b"iTXtXML:com.adobe.xmp"),
    most_bytes=2048,
)  # fmt: skip
