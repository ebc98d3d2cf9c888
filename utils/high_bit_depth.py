"""Pixels of more than 8 bits a channel, as the file has them: ``high_bit_depth_values``.

What a file says of its values counts: the bits of a TIFF sample, the largest value in its tags, the
chunk ``sBIT`` of a PNG. Sources: TIFF 6.0 (BitsPerSample, MaxSampleValue, SMaxSampleValue), the PNG
specification (sBIT: values with fewer bits are scaled up to all 16).
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image

from utils.image_header import png_chunks
from utils.pixel_range import Extremes, PixelRange, extremes_of

_BITS_PER_SAMPLE, _MAX_SAMPLE, _S_MAX_SAMPLE = 258, 281, 341  # TIFF tags
_ALL = PixelRange(0.0, 65535.0)


class HighBitDepth(NamedTuple):
    """Pixels of high bit depth: more than 8 bits a channel.

    Attributes:
        values: (H, W) grey, or (H, W, 3) RGB, or (H, W, 4) RGBA, of any type.
        extremes: of the values, alpha left out; the largest value is what the file says, if it
            says one.
        fixed: the range, where the format settles it.
    """

    values: np.ndarray
    extremes: Extremes
    fixed: PixelRange | None


def has_high_bit_depth(image: Image.Image) -> bool:
    """Whether a picture that is not loaded yet has more than 8 bits a channel."""
    return _is_grey(image) or has_16_bit_colours(image)


def has_16_bit_colours(image: Image.Image) -> bool:
    """Whether a picture that is not loaded yet has colours of 16 bits, which Pillow reduces."""
    return not _is_grey(image) and any(";16" in str(tile[3]) for tile in image.tile)


def high_bit_depth_values(image: Image.Image, data: bytes) -> HighBitDepth | None:
    """The pixels of a picture that is not loaded yet; None for 8 bits a channel.

    Those of a TIFF are upright, as where Pillow loads it; those of other files are as stored.

    Args:
        image: the opened file.
        data: its content.
    """
    if not has_high_bit_depth(image):
        return None
    tags = dict(image.tag_v2) if image.format == "TIFF" else {}
    values = np.asarray(image) if _is_grey(image) else _colours(image, data)
    if values is None:
        return None
    extremes = extremes_of(values[..., :3] if values.ndim == 3 else values)
    if image.format in ("PPM", "JPEG2000") and values.dtype.kind != "f":
        return HighBitDepth(values, extremes, _ALL)  # the decoder scales to 16 bits
    if tags:
        bits = _number(tags.get(_BITS_PER_SAMPLE))
        if bits and 8 < bits < 16:
            return HighBitDepth(values, extremes, PixelRange(0.0, 2.0**bits - 1))
        said = _number(tags.get(_S_MAX_SAMPLE)) or _number(tags.get(_MAX_SAMPLE))
        if said and not extremes.fractions and extremes.high <= said < 65535:
            extremes = extremes._replace(high=float(said))
    if image.format == "PNG" and (bits := _significant_bits(data)):
        if extremes.high >= 2**bits or not (values & ((1 << 16 - bits) - 1)).any():
            return HighBitDepth(values, extremes, _ALL)
        extremes = extremes._replace(high=2.0**bits - 1)
    return HighBitDepth(values, extremes, None)


def high_bit_depth_grey(image: Image.Image) -> HighBitDepth | None:
    """The pixels of a picture that Pillow has loaded; None for 8 bits a channel."""
    if not _is_grey(image):
        return None
    values = np.asarray(image)
    return HighBitDepth(values, extremes_of(values), None)


def _is_grey(image: Image.Image) -> bool:
    return image.mode.startswith("I") or image.mode == "F"


def _colours(image: Image.Image, data: bytes) -> np.ndarray | None:
    """16-bit RGB or RGBA, which Pillow reads as 8 bits; None where OpenCV cannot read it.

    Reading a file unchanged, OpenCV rotates a TIFF and no other format, as Pillow does.
    """
    try:
        values = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        return None
    if values is None or values.dtype != np.uint16:
        return None
    if values.shape[1::-1] != image.size:  # the libraries disagree on how it lies
        return None
    if values.ndim == 2 or values.shape[2] == 1:
        return values.reshape(values.shape[:2])
    codes = {3: cv2.COLOR_BGR2RGB, 4: cv2.COLOR_BGRA2RGBA}
    code = codes.get(values.shape[2])
    return None if code is None else cv2.cvtColor(values, code)


def _significant_bits(data: bytes) -> int | None:
    """The largest number in the ``sBIT`` chunk of a 16-bit PNG, if it is below 16."""

    def read(place: int, count: int) -> bytes:
        return data[place : place + count]

    for kind, place, length in png_chunks(read):
        if kind == b"IDAT":
            return None
        if kind == b"sBIT" and 1 <= length <= 4:
            bits = max(read(place, length)[:3])
            return bits if 8 <= bits < 16 else None
    return None


def _number(value: object) -> int | None:
    """A tag's value; the largest of several."""
    try:
        return int(max(value)) if isinstance(value, tuple | list) else int(value)  # type: ignore[call-overload]
    except (TypeError, ValueError):
        return None
