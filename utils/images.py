"""Reading photos: any usual file in, upright RGB uint8 out.

``read_image`` gives the pixels, ``image_size`` the size and EXIF orientation from the header
alone. ``orient_boxes`` turns boxes as ``read_image`` turns pixels.

What becomes of other kinds of pixels: grey and palette are spread to RGB; transparency is laid on
white, as a browser would show it; CMYK is converted by the plain formula (colour profiles are
not applied); 16-bit channels keep their high byte; 32-bit integers are taken as 16-bit values;
floating-point pixels as 0–1 when none exceeds 1, else as 0–255. Of several frames the first counts.
"""

from __future__ import annotations

import io
import struct
import warnings
from pathlib import Path
from typing import IO, NamedTuple

import cv2
import numpy as np
from PIL import Image

from utils.errors import UserError

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")  # in lower case

MAX_PIXELS = 2 * (Image.MAX_IMAGE_PIXELS or 89_478_485)  # 179 million: where Pillow refuses too
MAX_BYTES = 1 << 30  # a file beyond this is no photo; it is refused before it fills the memory

# Only plain pixel formats: others that Pillow knows start external programs (EPS) or are rarely
# tested decoders that strangers' files should not reach.
_FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "TIFF", "GIF")
_ORIENTATION = 0x0112  # the EXIF tag
_WIDTH, _HEIGHT = 256, 257  # the TIFF tags

# Up to MAX_PIXELS a large photo is an ordinary thing, beyond it there is an error; and damaged
# EXIF is no reason to print lines of Pillow's source between the user's own messages.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")


class ImageSize(NamedTuple):
    """Size in pixels of the upright photo, and the EXIF orientation (1–8) that made it upright."""

    width: int
    height: int
    orientation: int

    @property
    def stored(self) -> tuple[int, int]:
        """(width, height) of the pixels as they lie in the file, before any turning."""
        return (self.height, self.width) if self.orientation >= 5 else (self.width, self.height)


def read_image(path: str | Path) -> np.ndarray:
    """The photo at ``path`` as upright RGB, uint8 (H, W, 3).

    Raises:
        UserError: the file is missing, truncated, too large, or no image of a known format.
    """
    path = Path(path)
    _check_file(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error
    return decode_image(data, name=str(path))


def decode_image(data: bytes, name: str = "image") -> np.ndarray:
    """The content of an image file as upright RGB, uint8 (H, W, 3); ``name`` is for errors.

    Raises:
        UserError: truncated, too large, or no image of a known format.
    """
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            size = _header_size(image)
            _check_pixels(size, name)
            pixels = _fast_jpeg(image, data)
            if pixels is None:
                pixels = _to_rgb(image)
            turned = image.format == "TIFF"  # Pillow turns TIFFs, and only those, while loading
    except UserError:
        raise
    except Exception as error:  # decoders raise nearly anything on damaged files
        raise _unreadable(name, error) from error
    if not turned:
        pixels = orient_image(pixels, size.orientation)
    return np.require(pixels, requirements=["C_CONTIGUOUS", "WRITEABLE"])


def image_size(path: str | Path) -> ImageSize:
    """Size and orientation of the photo at ``path``, from its header: no pixel is decoded.

    Raises:
        UserError: as ``read_image``, as far as the header shows it.
    """
    path = Path(path)
    _check_file(path)
    try:
        with Image.open(path, formats=_FORMATS) as image:
            size = _header_size(image)
    except Exception as error:
        raise _unreadable(str(path), error) from error
    _check_pixels(size, str(path))
    return size


def orient_image(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Turn (H, W, C) pixels as stored upright, by the EXIF ``orientation`` (1–8); may be a view."""
    if orientation >= 5:  # 5–8 lie on their side: mirror along the diagonal first
        pixels = pixels.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels


def orient_boxes(boxes: np.ndarray, size: ImageSize) -> np.ndarray:
    """(N, 4) boxes in pixels as stored → (N, 4) in pixels of the upright photo of that ``size``."""
    x0, y0, x1, y1 = np.asarray(boxes).reshape(-1, 4).T
    if size.orientation >= 5:
        x0, y0, x1, y1 = y0, x0, y1, x1
    if size.orientation in (2, 3, 6, 7):
        x0, x1 = size.width - x1, size.width - x0
    if size.orientation in (3, 4, 7, 8):
        y0, y1 = size.height - y1, size.height - y0
    return np.stack([x0, y0, x1, y1], axis=1)


def _check_file(path: Path) -> None:
    """Refuse what would hang or flood a plain read: devices, pipes, folders, enormous files."""
    try:
        if not path.exists():
            raise UserError(f"{path}: no such file")
        if not path.is_file():
            raise UserError(f"{path}: is not a file")
        if path.stat().st_size > MAX_BYTES:
            raise UserError(f"{path}: larger than {MAX_BYTES >> 20} MiB, too large for a photo")
    except (OSError, ValueError) as error:  # no permission; a name the system cannot hold
        raise UserError(f"{path}: cannot be read ({error})") from error


def _check_pixels(size: ImageSize, name: str) -> None:
    if size.width * size.height > MAX_PIXELS:
        raise UserError(
            f"{name}: {size.width}×{size.height} pixels are more than the "
            f"{MAX_PIXELS // 1_000_000} million allowed; make the picture smaller"
        )


def _unreadable(name: str, error: Exception) -> UserError:
    if isinstance(error, Image.DecompressionBombError):
        return UserError(
            f"{name}: has more than the {MAX_PIXELS // 1_000_000} million pixels allowed; "
            "make the picture smaller"
        )
    if isinstance(error, Image.UnidentifiedImageError):
        return UserError(f"{name}: is not an image of a known format ({', '.join(_FORMATS)})")
    return UserError(f"{name}: cannot be read as an image ({error or type(error).__name__})")


def _header_size(image: Image.Image) -> ImageSize:
    """Upright size and orientation of an image whose pixels are not loaded yet."""
    width, height = image.size
    if image.format == "TIFF":
        width, height = int(image.tag_v2[_WIDTH]), int(image.tag_v2[_HEIGHT])
    orientation = _orientation(image)
    if orientation >= 5:
        width, height = height, width
    return ImageSize(width, height, orientation)


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1–8; 1 where there is none or it makes no sense."""
    try:
        # The general method: the one of Pillow's PNG class decodes the whole picture first.
        value = Image.Image.getexif(image).get(_ORIENTATION)
        if value is None and image.format == "PNG":
            value = _late_png_orientation(image.fp)
        value = int(value or 1)
    except Exception:  # damaged EXIF does not make the photo unreadable
        return 1
    return value if 1 <= value <= 8 else 1


def _late_png_orientation(file: IO[bytes]) -> int | None:
    """Orientation from an ``eXIf`` chunk behind the pixels of a PNG, skipping over the pixels."""
    position = file.tell()
    try:
        file.seek(8)
        while len(head := file.read(8)) == 8:
            length, kind = struct.unpack(">I4s", head)
            if kind == b"eXIf":
                exif = Image.Exif()
                exif.load(file.read(min(length, 1 << 20)))
                return exif.get(_ORIENTATION)
            file.seek(length + 4, io.SEEK_CUR)  # and the checksum
        return None
    finally:
        file.seek(position)


def _fast_jpeg(image: Image.Image, data: bytes) -> np.ndarray | None:
    """Pixels of an ordinary JPEG, as stored, by OpenCV; None where Pillow has to look at it.

    The pixels equal Pillow's; decoding takes less than half the time. OpenCV does not turn the
    photo here, so that one place decides what the orientation is.
    """
    if image.format not in ("JPEG", "MPO") or image.mode not in ("RGB", "L"):
        return None
    # Without an end-of-image mark behind its last scan the file is cut off. Some versions of
    # OpenCV then fill the rest with grey; Pillow says so.
    if data.rfind(b"\xff\xd9") < data.rfind(b"\xff\xda"):
        return None
    flags = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        return cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:
        return None


def _to_rgb(image: Image.Image) -> np.ndarray:
    """(H, W, 3) uint8 pixels of any Pillow image."""
    if image.mode.startswith("I") or image.mode == "F":
        grey = _deep_grey(np.asarray(image))
        return np.repeat(grey[:, :, None], 3, axis=2)
    if image.has_transparency_data:
        picture = image.convert("RGBA")
        image = Image.new("RGB", picture.size, "white")
        image.paste(picture, mask=picture.getchannel("A"))
    return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))


def _deep_grey(values: np.ndarray) -> np.ndarray:
    """(H, W) 16-bit, 32-bit or floating-point grey → uint8; see the top of this file."""
    if values.dtype.kind == "f":
        values = np.nan_to_num(values)
        scale = 255.0 if values.size and values.max() <= 1 else 1.0
        return np.clip(np.rint(values * scale), 0, 255).astype(np.uint8)
    return (np.clip(values, 0, 65535) >> 8).astype(np.uint8)
