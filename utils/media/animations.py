"""Animated pictures (GIF, WebP, APNG, AVIF) as films: whether a file is one, and its frames."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from utils.errors import UserError
from utils.image_header import read_header
from utils.images import FORMATS, image_size, to_rgb
from utils.media.frames import check_frame_size

_ANIMATED = ("GIF", "WEBP", "PNG", "AVIF")  # frames of TIFF and MPO files are no film
_UNTIMED_MS = 100  # of a frame that lasts less than _MIN_MS, as browsers show it
_MIN_MS = 11
MAX_FPS = 100.0
# A frame of a few bytes composes all of the picture, so the pixels of all frames are bounded, and
# by the size of the file: a long film is no small file.
_PIXELS, _PIXELS_A_BYTE = 400_000_000, 1000
# In a drawn video of constant rate, frames are repeated: that is bounded by a lower rate.
_REPEATS, _REPEATED_PIXELS = 10_000, 500_000_000
_HELD_S = 300.0  # that one frame counts for; a drawn video shows none for longer


def is_animated(path: str | Path) -> bool:
    """Whether a picture has several frames that follow one another in time."""
    try:
        if _is_still_webp(path):
            return False
        read_header(path)  # refuses what would take Pillow minutes
        with Image.open(path, formats=FORMATS) as image:
            return image.format in _ANIMATED and getattr(image, "n_frames", 1) > 1
    except Exception:  # reading it says what is wrong
        return False


def _is_still_webp(path: str | Path) -> bool:
    """Whether a file is a WebP without the flag of an animation (RFC 9649, section 2.7).

    Pillow reads all of a WebP file to open it, which takes long for a folder of them.
    """
    with open(path, "rb") as file:
        head = file.read(21)
    webp = head[:4] == b"RIFF" and head[8:12] == b"WEBP" and len(head) == 21
    return webp and not (head[12:16] == b"VP8X" and head[20] & 0x02)


def read_animation(path: str | Path) -> Iterator[tuple[np.ndarray, float, float]]:
    """Each frame as uint8 (H, W, 3) RGB, and the seconds from the start to its start and end.

    Raises:
        UserError: too large, or damaged before the first frame; later damage ends it, and so do
            far more pixels than a file of its size has.
    """
    _check_size(path)
    seconds, left = 0.0, _most_pixels(path)
    with Image.open(path, formats=FORMATS) as image:
        for number in range(image.n_frames):
            try:
                image.seek(number)
                check_frame_size(*image.size, str(path))  # frames of a GIF may grow
                left -= image.width * image.height
                if left < 0:
                    raise UserError(
                        f"{path}: has {image.n_frames} frames of {image.width}×{image.height} "
                        f"pixels in very few bytes; only the first {number} are used"
                    )
                pixels = to_rgb(image.copy())
            except UserError:
                raise
            except Exception as error:
                raise UserError(
                    f"{path}: frame {number} of {image.n_frames} cannot be read ({error}); the "
                    "frames before it are used"
                ) from error
            end = seconds + _milliseconds(image) / 1000
            yield pixels, seconds, end
            seconds = end


def animation_fps(path: str | Path) -> float:
    """The lowest frame rate at which every frame starts on time; a lower one where frames would be
    repeated without end.

    Raises:
        UserError: too large.
    """
    _check_size(path)
    step, count, length_s, left = 0, 0, 0.0, _most_pixels(path)
    with Image.open(path, formats=FORMATS) as image:
        for number in range(image.n_frames):
            try:
                image.seek(number)
                check_frame_size(*image.size, str(path))
                image.load()  # WebP tells the time then
                left -= image.width * image.height
            except Exception:  # reading the frames says so
                break
            if left < 0:
                break
            step = math.gcd(step, round(_milliseconds(image)))
            count, length_s = count + 1, length_s + min(_milliseconds(image) / 1000, _HELD_S)
        repeats = min(_REPEATS, _REPEATED_PIXELS / (image.width * image.height))
    most = (count + repeats) / length_s if count else MAX_FPS
    return min(1000 / max(step, 1), MAX_FPS, most)


def _most_pixels(path: str | Path) -> int:
    """Largest total of pixels over all frames that are read."""
    return _PIXELS + _PIXELS_A_BYTE * os.path.getsize(path)


def _check_size(path: str | Path) -> None:
    width, height, _ = image_size(path)
    check_frame_size(width, height, str(path))


def _milliseconds(image: Image.Image) -> float:
    duration = float(image.info.get("duration") or 0)
    return duration if duration >= _MIN_MS else _UNTIMED_MS
