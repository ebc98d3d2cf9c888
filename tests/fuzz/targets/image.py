"""Photos of any format: ``read_image``, ``image_size`` and ``image_info`` agree."""

from __future__ import annotations

import numpy as np

from tests.bad_input import images
from tests.bad_input.case import encoded, picture
from tests.fuzz.target import Target, files_of, require, written
from utils import images as readers
from utils.errors import UserError

_MAX_PIXELS = 1 << 21  # so that an input takes milliseconds


def _run(data: bytes) -> None:
    usual, readers.MAX_PIXELS = readers.MAX_PIXELS, _MAX_PIXELS
    try:
        _read(data)
    finally:
        readers.MAX_PIXELS = usual


def _read(data: bytes) -> None:
    path = written(data, "photo")
    reduce = readers.REDUCTIONS[len(data) % 4]
    pixels = readers.read_image(path, reduce=reduce)
    require(pixels.dtype == np.uint8 and pixels.ndim == 3 and pixels.shape[2] == 3, "RGB")
    size = readers.image_size(path)
    expected = -(-size.height // reduce), -(-size.width // reduce)
    require(pixels.shape[:2] == expected, f"{pixels.shape} of a photo of {size}, by {reduce}")
    require(readers.image_info(path).size == size, "one size")


def _seeds():
    small = picture(24, 16)
    yield from files_of(images.cases(), "image", "odd-one*", 6000)
    for form in ("JPEG", "PNG", "BMP", "WEBP", "TIFF", "GIF", "PPM", "JPEG2000", "AVIF"):
        yield encoded(small, form)
    for mode in ("L", "LA", "P", "1", "I;16", "CMYK", "RGBA"):
        form = "TIFF" if mode == "CMYK" else "PNG"
        grey = mode == "I;16"
        yield encoded(small.convert("L").convert("I").convert(mode) if grey
                      else small.convert(mode), form)  # fmt: skip
    for compression in ("tiff_lzw", "tiff_deflate", "packbits", "jpeg"):
        yield encoded(small, "TIFF", compression=compression)
    yield encoded(small, "JPEG", progressive=True)


TARGET = Target(
    name="image",
    run=_run,
    seeds=_seeds,
    refusals=(UserError,),
    words=(b"\xff\xd8\xff", b"Exif\0\0", b"II*\0", b"MM\0*", b"IHDR", b"IDAT", b"PLTE", b"tRNS",
           b"eXIf", b"acTL", b"fcTL", b"iCCP", b"RIFF", b"WEBPVP8 ", b"VP8L", b"VP8X", b"ANIM",
           b"GIF89a", b"BM", b"P6", b"\0\0\0\x0cjP  ", b"ftypavif"),
    most_bytes=6000,
)  # fmt: skip
