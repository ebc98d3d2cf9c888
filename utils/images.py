"""Reading photos: any usual file in, upright RGB uint8 out.

``read_image`` gives the pixels. ``image_size`` gives size and EXIF orientation from the header
alone. ``orient_boxes`` turns boxes as ``read_image`` turns pixels. ``reduction`` says how far a
photo may be shrunk while it is decoded, which is much faster than decoding all of it.

Other kinds of pixels are converted. Grey and palette become RGB. Transparency is put on white, as
in a browser. CMYK is converted by the plain formula, without colour profiles. Pixels of more than 8
bits are scaled as ``utils.pixel_range`` says. Of several frames the first is read.
"""

from __future__ import annotations

import io
import stat
import warnings
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from threading import RLock
from typing import IO, NamedTuple

import cv2
import numpy as np
from PIL import Image, ImageOps

from utils.errors import UnwritableError, UserError
from utils.files import atomic_write
from utils.high_bit_depth import (
    HighBitDepth,
    has_high_bit_depth,
    high_bit_depth_grey,
    high_bit_depth_values,
)
from utils.image_header import TooManyParts, parse_header, png_chunks, read_header
from utils.opened_images import file_of_16_bits, is_reduced
from utils.picture_comment import with_comment
from utils.pixel_range import NO_RANGES, Extremes, PixelRanges

# In lower case, the likeliest first. ``utils.image_kinds`` finds pictures with other suffixes.
IMAGE_SUFFIXES = (
    ".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".jfif", ".jpe", ".gif", ".mpo",
    ".ppm", ".pgm", ".pbm", ".pnm", ".jp2", ".j2k", ".avif", ".apng",
)  # fmt: skip

MAX_PIXELS = 2 * (Image.MAX_IMAGE_PIXELS or 89_478_485)  # 179 million: where Pillow refuses too
HUGE = 25_000_000  # pixels; larger photos are decoded one at a time
_HUGE_LOCK = RLock()
_STRIP = 1 << 20  # pixels converted at once
JPEG_QUALITY = 92  # of written pictures
MAX_FRAMES = 100  # that are counted
MAX_BYTES = 1 << 30  # a file beyond this is no photo; it is refused before it fills the memory

REDUCTIONS = (1, 2, 4, 8)  # how much smaller a JPEG can be decoded, and any photo be read

# Only plain pixel formats: others that Pillow knows start external programs (EPS) or are rarely
# tested decoders that strangers' files should not reach.
FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "TIFF", "GIF", "PPM", "JPEG2000", "AVIF")
_ORIENTATION = 0x0112  # the EXIF tag
_WIDTH, _HEIGHT = 256, 257  # the TIFF tags

# Large photos are allowed up to MAX_PIXELS and are an error beyond it. Warnings about damaged EXIF
# would stand between this project's own messages.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")


class ImageSize(NamedTuple):
    """Size in pixels of the upright photo, and the EXIF orientation (1–8) that made it upright."""

    width: int
    height: int
    orientation: int

    @classmethod
    def of_stored(cls, width: int, height: int, orientation: int) -> ImageSize:
        """The size of a photo whose pixels are stored with that size and orientation."""
        return cls(*((height, width) if orientation >= 5 else (width, height)), orientation)

    @property
    def stored(self) -> tuple[int, int]:
        """(width, height) of the pixels as they lie in the file, before any turning."""
        return (self.height, self.width) if self.orientation >= 5 else (self.width, self.height)


def read_image(path: str | Path, *, reduce: int = 1, ranges: PixelRanges = NO_RANGES) -> np.ndarray:
    """The photo at ``path`` as upright RGB, uint8 (H, W, 3).

    Args:
        path: the file.
        reduce: 1, or 2, 4 or 8 for a picture of ``ceil(H / reduce)`` × ``ceil(W / reduce)``
            pixels. Each of them covers exactly ``reduce`` × ``reduce`` pixels of the photo, counted
            from its upper left corner, so coordinates are divided by ``reduce`` and nothing else;
            the last column and row may reach beyond the photo.
        ranges: the pixel ranges of the data folder or the checkpoint.

    Raises:
        UserError: the file is missing, truncated, too large, or no image of a known format.
    """
    path = Path(path)
    check_file(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error
    try:
        pixels = _plain_jpeg(data, reduce)
    except TooManyParts as error:
        raise _unreadable(str(path), error) from error
    if pixels is None:
        pixels = decode_image(data, name=str(path), reduce=reduce, ranges=ranges)
    return pixels


def _one_at_a_time(size: ImageSize) -> AbstractContextManager[object]:
    """Lets only one thread decode a photo that takes hundreds of megabytes."""
    return _HUGE_LOCK if size.width * size.height > HUGE else nullcontext()


def decode_image(
    data: bytes, name: str = "image", *, reduce: int = 1, ranges: PixelRanges = NO_RANGES
) -> np.ndarray:
    """The content of an image file as upright RGB, uint8 (H, W, 3); ``name`` is for errors.

    Args:
        data: all bytes of the file.
        name: begins the message of an error.
        reduce, ranges: as for ``read_image``.

    Raises:
        UserError: truncated, too large, or no image of a known format.
    """
    if reduce not in REDUCTIONS:
        raise ValueError(f"reduce is one of {REDUCTIONS}, not {reduce}")
    try:
        parse_header(data)  # refuses what would take Pillow minutes
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            size = _header_size(image)
            check_pixels(size, name)
            with _one_at_a_time(size):
                return _decoded(image, data, size, reduce, ranges)
    except UserError:
        raise
    except Exception as error:  # decoders raise nearly anything on damaged files
        raise _unreadable(name, error) from error


def pixels_of(
    image: Image.Image, name: str = "image", *, ranges: PixelRanges = NO_RANGES
) -> np.ndarray:
    """An image opened or made with Pillow as upright RGB, uint8 (H, W, 3).

    A file with 16-bit colours that is opened and not loaded is read as from its path. Where Pillow
    has reduced its colours already, a warning says so.

    Raises:
        UserError: its file is truncated, or it is too large.
    """
    try:
        check_pixels(ImageSize(*image.size, 1), name)
        file = file_of_16_bits(image)
        if file is not None:
            return decode_image(_whole(file, name), name, ranges=ranges)
        if is_reduced(image):
            advice = "give the path of the file, or the image before it is loaded"
            if image.tell():  # of a path the first page is read
                advice = "save that page as a file of its own with a program that keeps 16 bits"
            warnings.warn(
                f"{name}: Pillow keeps only the high byte of its 16-bit colours, so it may be too "
                f"dark; {advice}",
                stacklevel=2,
            )
        image.load()  # turns a TIFF
        upright = ImageOps.exif_transpose(image)
        unscaled = high_bit_depth_grey(upright)
        return to_rgb(upright) if unscaled is None else _scaled(unscaled, ranges)
    except UserError:
        raise
    except Exception as error:  # decoders raise nearly anything on damaged files
        raise _unreadable(name, error) from error


def _whole(file: IO[bytes], name: str) -> bytes:
    """All bytes of an open file, which then stands where it stood."""
    before = file.tell()
    try:
        file.seek(0)
        data = file.read(MAX_BYTES + 1)
    finally:
        file.seek(before)
    if len(data) > MAX_BYTES:
        raise _too_long(name)
    return data


def _decoded(
    image: Image.Image, data: bytes, size: ImageSize, reduce: int, ranges: PixelRanges
) -> np.ndarray:
    if image.format in ("JPEG", "MPO") and image.mode in ("RGB", "L"):
        pixels = _fast_jpeg(data, size, reduce)
        if pixels is not None:
            return pixels
    unscaled = high_bit_depth_values(image, data)
    pixels = to_rgb(image) if unscaled is None else _scaled(unscaled, ranges)
    image.close()  # its own pixels, before others are made
    if image.format != "TIFF":  # Pillow turns TIFFs, and only those, while loading
        pixels = orient_image(pixels, size.orientation)
    return _area_reduced(pixels, reduce)


def reduction(size: tuple[int, int], needed: tuple[float, float]) -> int:
    """The largest ``reduce`` for ``read_image`` that leaves at least the pixels ``needed``.

    Args:
        size: (width, height) of the upright photo.
        needed: the least (width, height) that the picture of the whole photo must have.
    """
    fitting = (k for k in REDUCTIONS if size[0] // k >= needed[0] and size[1] // k >= needed[1])
    return max(fitting, default=1)


def image_size(path: str | Path) -> ImageSize:
    """Size and orientation of the photo at ``path``, from its header: no pixel is decoded.

    Raises:
        UserError: as ``read_image``, as far as the header shows it.
    """
    path = Path(path)
    check_file(path)
    try:
        header = read_header(path)
        if header is not None:
            size = ImageSize.of_stored(header.width, header.height, header.orientation)
        else:
            with Image.open(path, formats=FORMATS) as image:
                size = _header_size(image)
    except Exception as error:
        raise _unreadable(str(path), error) from error
    check_pixels(size, str(path))
    return size


class ImageInfo(NamedTuple):
    """What is known of an image file without its pixels.

    Attributes:
        extremes: of pixels of high bit depth whose range the file itself does not settle.
        frames: more than 1 in an animated picture and one with several pages. Up to
            ``MAX_FRAMES`` are counted, of a GIF up to 2.
    """

    size: ImageSize
    extremes: Extremes | None = None
    frames: int = 1


def image_info(path: str | Path) -> ImageInfo:
    """Size, depth and number of frames. Only pixels of high bit depth are decoded.

    Raises:
        UserError: as ``image_size``.
    """
    path = Path(path)
    check_file(path)
    try:
        header = read_header(path)
        if header is not None and header.bits <= 8:
            size = ImageSize.of_stored(header.width, header.height, header.orientation)
            check_pixels(size, str(path))
            return ImageInfo(size)
        with Image.open(path, formats=FORMATS) as image:
            size = _header_size(image)
            check_pixels(size, str(path))
            frames = _frame_count(image)
            extremes = None
            if has_high_bit_depth(image):
                with suppress(Exception), _one_at_a_time(size):  # reading it says what is wrong
                    unscaled = high_bit_depth_values(image, path.read_bytes())
                    extremes = None if unscaled is None or unscaled.fixed else unscaled.extremes
            return ImageInfo(size, extremes, frames)
    except UserError:
        raise
    except Exception as error:
        raise _unreadable(str(path), error) from error


def _frame_count(image: Image.Image) -> int:
    """Of a GIF and a TIFF not by ``n_frames``: Pillow goes through them all, and for each page of a
    TIFF again through those before it."""
    if image.format == "MPO":
        return 1
    if image.format == "GIF":
        return 2 if image.is_animated else 1
    if image.format != "TIFF":
        return min(getattr(image, "n_frames", 1), MAX_FRAMES)
    count = 1
    try:
        while count < MAX_FRAMES:
            image.seek(count)
            count += 1
    except EOFError:
        pass
    image.seek(0)
    return count


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


def save_image(path: Path, image: np.ndarray, comment: str = "") -> None:
    """Write uint8 (H, W, 3) RGB as JPEG or PNG, by the suffix, atomically; a comment is in ASCII.

    Raises:
        UnwritableError: the format has no pictures of this size.
    """
    options = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY] if path.suffix == ".jpg" else []
    pixels = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2BGR)
    try:
        good, data = cv2.imencode(path.suffix, pixels, options)
    except cv2.error:
        good = False
    if not good:
        height, width = image.shape[:2]
        raise UnwritableError(f"{path}: a picture of {width}×{height} pixels cannot be written")
    with atomic_write(path, "wb") as file:
        file.write(with_comment(data.tobytes(), comment) if comment else data)


def check_file(path: Path) -> None:
    """Refuse devices, pipes, folders and enormous files, which would block or fill the memory.

    Raises:
        UserError: it is one of these, or is not there.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise UserError(f"{path}: is not a file")
        if status.st_size > MAX_BYTES:
            raise _too_long(str(path))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except (OSError, ValueError) as error:  # no permission; an impossible name
        raise UserError(f"{path}: cannot be read ({error})") from error


def _too_long(name: str) -> UserError:
    return UserError(f"{name}: larger than {MAX_BYTES >> 20} MiB, too large for a photo")


def check_pixels(size: ImageSize, name: str) -> None:
    """Refuse pictures that would fill the memory."""
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
        return UserError(f"{name}: is not an image of a known format ({', '.join(FORMATS)})")
    return UserError(f"{name}: cannot be read as an image ({error or type(error).__name__})")


def _header_size(image: Image.Image) -> ImageSize:
    """Upright size and orientation of an image whose pixels are not loaded yet."""
    width, height = image.size
    if image.format == "TIFF":
        width, height = int(image.tag_v2[_WIDTH]), int(image.tag_v2[_HEIGHT])
    return ImageSize.of_stored(width, height, _orientation(image))


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1–8; 1 where it is missing or invalid."""
    try:
        # The general method: the one of Pillow's PNG class decodes the whole picture first.
        value = Image.Image.getexif(image).get(_ORIENTATION)
        if value is None and image.format == "PNG":
            value = _late_png_orientation(image.fp)
        value = int(value or 1)
    except Exception:  # a photo with damaged EXIF can still be read
        return 1
    return value if 1 <= value <= 8 else 1


def _late_png_orientation(file: IO[bytes]) -> int | None:
    """Orientation from an ``eXIf`` chunk behind the pixels of a PNG, skipping over the pixels."""
    before = file.tell()

    def read(place: int, count: int) -> bytes:
        file.seek(place)
        return file.read(count)

    try:
        for kind, place, length in png_chunks(read):
            if kind == b"eXIf":
                exif = Image.Exif()
                exif.load(read(place, min(length, 1 << 20)))
                return exif.get(_ORIENTATION)
        return None
    finally:
        file.seek(before)


_REDUCED = {
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}


def _plain_jpeg(data: bytes, reduce: int) -> np.ndarray | None:
    """``decode_image`` for an ordinary JPEG; None where Pillow is needed."""
    header = parse_header(data)
    if header is None or header.channels not in (1, 3):
        return None
    size = ImageSize.of_stored(header.width, header.height, header.orientation)
    if size.width * size.height > MAX_PIXELS:
        return None
    with _one_at_a_time(size):
        return _fast_jpeg(data, size, reduce)


def _fast_jpeg(data: bytes, size: ImageSize, reduce: int) -> np.ndarray | None:
    """Upright pixels of an ordinary JPEG, decoded by OpenCV; None where Pillow is needed.

    The pixels equal Pillow's; decoding takes less than half the time. OpenCV must not turn the
    photo: only ``orient_image`` does. With ``reduce`` the decoder computes fewer coefficients of
    each block, which gives an antialiased picture of smaller size.
    """
    # Without an end-of-image mark behind its last scan the file is cut off. Some versions of
    # OpenCV then fill the rest with grey; Pillow raises an error.
    if data.rfind(b"\xff\xd9") < data.rfind(b"\xff\xda"):
        return None
    within = reduce if _reduces_while_decoding(size, reduce) else 1
    flags = _REDUCED.get(within, cv2.IMREAD_COLOR_RGB) | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:
        return None
    if pixels is None:
        return None
    if within > 1:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
    return _area_reduced(orient_image(pixels, size.orientation), reduce // within)


def _reduces_while_decoding(size: ImageSize, reduce: int) -> bool:
    """Whether the decoder may reduce a JPEG of that size.

    The photo may cover the decoder's last column and row only in part. In a turned photo they come
    first, where only whole pixels are wanted. Sides that divide evenly have no such column or row.
    """
    mirrored = size.orientation not in (1, 5)
    return not mirrored or (size.width % reduce == 0 and size.height % reduce == 0)


def _area_reduced(pixels: np.ndarray, reduce: int) -> np.ndarray:
    """The mean of each ``reduce`` × ``reduce`` pixels; the border is repeated where some lack."""
    if reduce == 1:
        return np.require(pixels, requirements=["C_CONTIGUOUS", "WRITEABLE"])
    height, width = pixels.shape[:2]
    below, right = -height % reduce, -width % reduce
    if below or right:
        pixels = cv2.copyMakeBorder(pixels, 0, below, 0, right, cv2.BORDER_REPLICATE)
    size = (pixels.shape[1] // reduce, pixels.shape[0] // reduce)
    return cv2.resize(np.ascontiguousarray(pixels), size, interpolation=cv2.INTER_AREA)


def to_rgb(image: Image.Image) -> np.ndarray:
    """(H, W, 3) uint8 pixels of a Pillow image with 8 bits a channel or fewer."""
    image.load()
    if image.mode == "RGB" and not image.has_transparency_data:
        return np.asarray(image)
    width, height = image.size
    pixels = np.empty((height, width, 3), np.uint8)
    rows = max(1, _STRIP // width)  # in strips: otherwise the memory would hold four copies
    for top in range(0, height, rows):
        strip = image.crop((0, top, width, min(top + rows, height)))
        pixels[top : top + rows] = np.asarray(_flat(strip))
    return pixels


def _scaled(unscaled: HighBitDepth, ranges: PixelRanges) -> np.ndarray:
    """(H, W, 3) uint8 of pixels of high bit depth."""
    scale = unscaled.fixed or ranges.range_for(unscaled.extremes)
    height, width = unscaled.values.shape[:2]
    pixels = np.empty((height, width, 3), np.uint8)
    rows = max(1, _STRIP // width)
    for top in range(0, height, rows):
        strip = unscaled.values[top : top + rows]
        colours = scale.to_uint8(strip[..., :3] if strip.ndim == 3 else strip[..., None])
        if strip.ndim == 3 and strip.shape[2] == 4:  # alpha, which has all 16 bits; on white
            alpha = strip[..., 3:].astype(np.float32) / 65535
            colours = np.rint(255 + alpha * (colours - np.float32(255))).astype(np.uint8)
        pixels[top : top + rows] = colours
    return pixels


def _flat(image: Image.Image) -> Image.Image:
    """RGB, with transparency laid on white."""
    if not image.has_transparency_data:
        return image.convert("RGB")
    picture = image.convert("RGBA")
    white = Image.new("RGB", picture.size, "white")
    white.paste(picture, mask=picture.getchannel("A"))
    return white
