"""Parts of a TIFF too large for memory: ``open_regions``, and ``TiffRegions`` to take them from.

    picture = open_regions("city.tif")
    tile = picture[4000:4640, 12000:12640]      # uint8 (640, 640, 3) RGB

A TIFF stores its pixels in tiles or strips, which are compressed one by one. A region needs only
those that it touches. Each is decoded by Pillow as a small TIFF of its own: the tags of the file,
with that tile or strip as the only one. Source: TIFF 6.0, sections 8 to 15.
"""

from __future__ import annotations

import io
import math
import struct
import threading
from collections import OrderedDict
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, TiffImagePlugin
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from utils.errors import UserError
from utils.images import MAX_PIXELS, to_rgb

MAX_REGION_PIXELS = 4_000_000_000  # of a picture that is read by regions
_MOST_CHUNK = 50_000_000  # pixels of a tile or strip; larger ones are no help
_CACHE_BYTES = 192 << 20  # of decoded tiles and strips, for the next region beside the last one
_LONGEST = 500_000  # pixels of a side: a row of pixels must fit into memory easily
_ROWS_BYTES = 64 << 20  # of the rows that are made smaller at a time
_COMPRESSIONS = (1, 5, 7, 8, 32773, 32946)  # none, LZW, JPEG, deflate, PackBits, deflate
_PHOTOMETRICS = (0, 1, 2, 3, 6)  # grey, RGB, palette, YCbCr

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 256, 257, 258, 259, 262
_STRIP_OFFSETS, _ORIENTATION, _ROWS_PER_STRIP, _STRIP_COUNTS, _PLANAR = 273, 274, 278, 279, 284
_TILE_WIDTH, _TILE_HEIGHT, _TILE_OFFSETS, _TILE_COUNTS, _SAMPLE_FORMAT = 322, 323, 324, 325, 339
# What a decoder needs beside size and place: fill order, samples, predictor, palette, extra
# samples, JPEG tables, and how YCbCr is meant.
_COPIED = (_BITS, _COMPRESSION, _PHOTOMETRIC, 266, 277, _PLANAR, 317, 320, 338, 347, 529, 530, 532)


def open_regions(path: str | Path) -> TiffRegions | None:
    """A TIFF to read by regions; None for a file that is to be read as a whole.

    That is what ``utils.images.read_image`` may read, any other format, and a TIFF whose pixels
    cannot be read in parts: more than 8 bits a channel, channels stored apart, turned, or tiles
    too large.

    Raises:
        UserError: more pixels than ``MAX_REGION_PIXELS``.
    """
    path = Path(path)
    if path.suffix.lower() not in (".tif", ".tiff"):
        return None
    try:
        file = path.open("rb")
    except OSError:  # the ordinary way says what is wrong
        return None
    try:
        with file:
            # Not ``Image.open``, which refuses such sizes.
            tags = TiffImagePlugin.TiffImageFile(file).tag_v2
            picture = TiffRegions(path, tags)
    except (OSError, SyntaxError, ValueError, KeyError, TypeError, IndexError, ArithmeticError,
            struct.error):  # fmt: skip
        return None
    height, width, _ = picture.shape
    if not picture.in_parts or height * width <= MAX_PIXELS:
        return None
    if height * width > MAX_REGION_PIXELS:
        raise UserError(
            f"{path}: {width}×{height} pixels are more than the "
            f"{MAX_REGION_PIXELS // 1_000_000:,} million allowed; cut it into several files"
        )
    return picture


class TiffRegions:
    """A TIFF whose regions are read from the file when they are asked for.

    Args:
        path: the file.
        tags: of its first page.
    """

    def __init__(self, path: Path, tags: ImageFileDirectory_v2) -> None:
        self._path = path
        self.shape = (int(tags[_HEIGHT]), int(tags[_WIDTH]), 3)  # as of an array of its pixels
        tiled = _TILE_OFFSETS in tags
        self._offsets = tuple(tags[_TILE_OFFSETS if tiled else _STRIP_OFFSETS])
        self._counts = tuple(tags[_TILE_COUNTS if tiled else _STRIP_COUNTS])
        rows = int(tags[_TILE_HEIGHT] if tiled else tags.get(_ROWS_PER_STRIP, self.shape[0]))
        columns = int(tags[_TILE_WIDTH] if tiled else self.shape[1])
        self._chunk = rows if tiled else min(rows, self.shape[0]), columns
        self._tiled = tiled
        self._tags = ImageFileDirectory_v2()
        for tag in _COPIED:
            if tag in tags:
                self._tags.tagtype[tag] = tags.tagtype[tag]
                self._tags[tag] = tags[tag]
        bits, formats = tags.get(_BITS, (1,)), tags.get(_SAMPLE_FORMAT, (1,))
        self._plain = (
            set(bits) == {8}
            and set(formats) == {1}
            and tags.get(_PLANAR, 1) == 1
            and tags.get(_ORIENTATION, 1) == 1
            and tags.get(_COMPRESSION, 1) in _COMPRESSIONS
            and tags.get(_PHOTOMETRIC) in _PHOTOMETRICS
        )
        self._cache: OrderedDict[int, np.ndarray] = OrderedDict()  # the one used last comes last
        self._cached_bytes = 0
        self._lock = threading.Lock()

    @property
    def in_parts(self) -> bool:
        """Whether the file can be read in parts."""
        height, width, _ = self.shape
        rows, columns = self._chunk
        return (
            self._plain
            and min(height, width, rows, columns) > 0
            and max(height, width) <= _LONGEST
            and rows * columns <= _MOST_CHUNK
            and len(self._offsets) == len(self._counts)
            and len(self._offsets) == -(-height // rows) * -(-width // columns)
        )

    def __getitem__(self, region: tuple[slice, slice]) -> np.ndarray:
        """uint8 (H, W, 3) RGB of ``[y0:y1, x0:x1]``.

        Raises:
            UserError: that part of the file is damaged.
        """
        (y0, y1, _), (x0, x1, _) = (
            part.indices(length) for part, length in zip(region, self.shape[:2], strict=True)
        )
        pixels = np.empty((max(0, y1 - y0), max(0, x1 - x0), 3), np.uint8)
        if not pixels.size:
            return pixels
        rows, columns = self._chunk
        with self._lock:
            for row in range(y0 // rows, -(-y1 // rows)):
                for column in range(x0 // columns, -(-x1 // columns)):
                    top, left = row * rows, column * columns
                    chunk = self._decoded(row, column)
                    # What the region and the chunk share, in pixels of the picture.
                    a, b = max(y0, top), min(y1, top + len(chunk))
                    c, d = max(x0, left), min(x1, left + chunk.shape[1])
                    pixels[a - y0 : b - y0, c - x0 : d - x0] = chunk[
                        a - top : b - top, c - left : d - left
                    ]
        return pixels

    def resized(self, width: int, height: int) -> np.ndarray:
        """The whole picture, smaller: uint8 (height, width, 3) RGB, the mean of what each covers.

        A few of its rows at a time: of what they cover, first the columns are averaged, then rows.
        """
        smaller = np.empty((height, width, 3), np.uint8)
        scale = self.shape[0] / height
        rows = max(1, int(self._rows_at_a_time / scale))
        for top in range(0, height, rows):
            bottom = min(top + rows, height)
            first = int(top * scale)
            narrow = self._narrow(first, min(self.shape[0], math.ceil(bottom * scale)), width)
            shares = _shares(np.arange(top, bottom + 1) * scale - first, len(narrow))
            means = shares @ narrow.reshape(len(narrow), -1).astype(np.float32)
            smaller[top:bottom] = np.rint(means).reshape(bottom - top, width, 3)
        return smaller

    @property
    def _rows_at_a_time(self) -> int:
        return max(1, _ROWS_BYTES // (3 * self.shape[1]))

    def _narrow(self, top: int, bottom: int, width: int) -> np.ndarray:
        """uint8 (bottom − top, width, 3): these rows of the picture with columns averaged."""
        narrow = np.empty((bottom - top, width, 3), np.uint8)
        rows = self._rows_at_a_time
        for start in range(top, bottom, rows):
            strip = self[start : min(start + rows, bottom), 0 : self.shape[1]]
            size = (width, len(strip))
            narrow[start - top : start - top + len(strip)] = cv2.resize(
                strip, size, interpolation=cv2.INTER_AREA
            )
        return narrow

    def _decoded(self, row: int, column: int) -> np.ndarray:
        """uint8 (h, w, 3) of a tile or strip, padding included."""
        across = -(-self.shape[1] // self._chunk[1])
        number = row * across + column
        if number in self._cache:
            self._cache.move_to_end(number)
            return self._cache[number]
        rows, columns = self._chunk
        if not self._tiled:  # the last strip is as short as what is left
            rows = min(rows, self.shape[0] - row * rows)
        try:
            chunk = self._decode(number, rows, columns)
        except UserError:
            raise
        except Exception as error:  # decoders raise nearly anything on damaged files
            raise UserError(
                f"{self._path}: cannot be read as an image ({error or type(error).__name__})"
            ) from error
        self._cache[number] = chunk
        self._cached_bytes += chunk.nbytes
        while len(self._cache) > 1 and self._cached_bytes > _CACHE_BYTES:
            self._cached_bytes -= self._cache.popitem(last=False)[1].nbytes
        return chunk

    def _decode(self, number: int, rows: int, columns: int) -> np.ndarray:
        count = int(self._counts[number])
        if count > 8 * rows * columns + (1 << 20):  # no compression makes it that large
            raise ValueError("a part of it is too long")
        with self._path.open("rb") as file:
            file.seek(int(self._offsets[number]))
            data = file.read(count)
        if len(data) < count:
            raise ValueError("truncated")
        tags = ImageFileDirectory_v2()
        for tag in self._tags:
            tags.tagtype[tag] = self._tags.tagtype[tag]
            tags[tag] = self._tags[tag]
        tags[_WIDTH], tags[_HEIGHT], tags[_ROWS_PER_STRIP] = columns, rows, rows
        tags[_STRIP_COUNTS], tags[_STRIP_OFFSETS] = count, 0  # counted from the end of the tags
        small = io.BytesIO()
        tags.save(small)
        small.write(data)
        with Image.open(small, formats=("TIFF",)) as image:
            return to_rgb(image)


def _shares(limits: np.ndarray, rows: int) -> np.ndarray:
    """float32 (M, rows): the share of each row in each of M means, which divide at the limits.

    Args:
        limits: ascending float (M + 1,), from 0 to about ``rows``.
        rows: how many there are.
    """
    row = np.arange(rows)
    covered = np.minimum(limits[1:, None], row + 1) - np.maximum(limits[:-1, None], row)
    covered = covered.clip(0)
    return (covered / covered.sum(axis=1, keepdims=True)).astype(np.float32)
