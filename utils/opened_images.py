"""Images opened with Pillow, whose 16-bit colours it would reduce.

Pillow has no colours of 16 bits. It keeps their high byte when it loads a file, so a picture whose
values have 12 bits becomes nearly black. Until then the file can be read as from its path. Grey
pictures need none of this: Pillow keeps all their bits.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import IO

from PIL import Image, ImageFile

from utils.high_bit_depth import has_16_bit_colours

# Not JPEG 2000: how much of it is decoded is set on the image before it is loaded.
_16_BIT_FORMATS = ("PNG", "TIFF")


def file_of_16_bits(image: Image.Image) -> IO[bytes] | None:
    """The file of a picture with 16-bit colours that Pillow has opened, not loaded.

    None for every other image. Pillow loads an image before it changes it, so what is not loaded is
    what the file holds; and of several pages the first, as everywhere.
    """
    if not isinstance(image, ImageFile.ImageFile) or image.format not in _16_BIT_FORMATS:
        return None
    if not image.tile or image.fp is None or image.tell() or not has_16_bit_colours(image):
        return None
    return image.fp


def is_reduced(image: Image.Image) -> bool:
    """Whether Pillow has lost the low byte of a file's colours, or will when it loads them.

    False too where that cannot be known, as for a copy.
    """
    if not isinstance(image, ImageFile.ImageFile) or image.format not in _16_BIT_FORMATS:
        return False
    if image.tile:
        return has_16_bit_colours(image)
    if image.mode in ("RGB", "RGBA") and image.filename and Path(image.filename).is_file():
        with suppress(Exception), Image.open(image.filename, formats=[image.format]) as again:
            if image.format == "TIFF":  # its pages may differ in depth
                again.seek(image.tell())
            return has_16_bit_colours(again)
    return False
