"""The tiles or strips of a TIFF, each decoded when it is asked for: ``TiffChunks``.

A TIFF stores its pixels in tiles or strips, here called chunks, which are compressed one by one.
Each is decoded by Pillow as a small TIFF of its own: the tags of the file, with that chunk as the
only one. Source: TIFF 6.0, sections 8 to 15.
"""

from __future__ import annotations

import io
from collections import OrderedDict
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from utils.errors import UserError
from utils.images import to_rgb

_MAX_CHUNK = 50_000_000  # pixels of a chunk; larger ones are no help
_CACHE_BYTES = 192 << 20  # of decoded chunks, for the next region beside the last one
_MAX_SIDE = 500_000  # pixels of a side: a row of pixels must fit into memory easily
_COMPRESSIONS = (1, 5, 7, 8, 32773, 32946)  # none, LZW, JPEG, deflate, PackBits, deflate
_PHOTOMETRICS = (0, 1, 2, 3, 6)  # grey, RGB, palette, YCbCr

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 256, 257, 258, 259, 262
_STRIP_OFFSETS, _ORIENTATION, _SAMPLES, _ROWS_PER_STRIP = 273, 274, 277, 278
_STRIP_COUNTS, _PLANAR = 279, 284
_TILE_WIDTH, _TILE_HEIGHT, _TILE_OFFSETS, _TILE_COUNTS, _SAMPLE_FORMAT = 322, 323, 324, 325, 339
# What a decoder needs beside size and place: fill order, samples, predictor, palette, extra
# samples, JPEG tables, and how YCbCr is meant.
_COPIED = (
    _BITS, _COMPRESSION, _PHOTOMETRIC, 266, _SAMPLES, _PLANAR, 317, 320, 338, 347, 529, 530, 532
)  # fmt: skip


class TiffChunks:
    """The chunks of a TIFF; those used last stay in memory.

    Args:
        path: the file.
        tags: of its first page.

    Attributes:
        height, width: of the picture in pixels.
        rows, columns: of a chunk in pixels; a strip has the width of the picture.
        obstacle: why the chunks cannot be decoded one by one, after "because"; "" where they can.
    """

    def __init__(self, path: Path, tags: ImageFileDirectory_v2) -> None:
        self.path = path
        self.height, self.width = int(tags[_HEIGHT]), int(tags[_WIDTH])
        self._tiled = tiled = _TILE_OFFSETS in tags
        self._offsets = tuple(tags[_TILE_OFFSETS if tiled else _STRIP_OFFSETS])
        self._counts = tuple(tags[_TILE_COUNTS if tiled else _STRIP_COUNTS])
        rows = int(tags[_TILE_HEIGHT] if tiled else tags.get(_ROWS_PER_STRIP, self.height))
        self.rows = rows if tiled else min(rows, self.height)
        self.columns = int(tags[_TILE_WIDTH] if tiled else self.width)
        apart = tags.get(_PLANAR, 1) != 1  # each channel has chunks of its own
        self._planes = int(tags.get(_SAMPLES, 1)) if apart else 1
        self._tags = ImageFileDirectory_v2()
        for tag in _COPIED:
            if tag in tags:
                self._tags.tagtype[tag] = tags.tagtype[tag]
                self._tags[tag] = tags[tag]
        self.obstacle = self._obstacle(tags)
        self._cache: OrderedDict[int, np.ndarray] = OrderedDict()  # the one used last comes last
        self._cached_bytes = 0

    @property
    def whole(self) -> bool:
        """Whether the tags describe a picture, all of whose chunks are in the file."""
        if min(self.height, self.width, self.rows, self.columns) < 1:
            return False
        count = -(-self.height // self.rows) * -(-self.width // self.columns) * self._planes
        return len(self._offsets) == len(self._counts) == count

    def _obstacle(self, tags: ImageFileDirectory_v2) -> str:
        bits, formats = set(tags.get(_BITS, (1,))), set(tags.get(_SAMPLE_FORMAT, (1,)))
        name, pixels = "tiles" if self._tiled else "strips", self.rows * self.columns
        if bits != {8} or formats != {1}:
            return "it does not have 8 bits a channel"
        if self._planes > 1:
            return "it stores each channel apart"
        if tags.get(_ORIENTATION, 1) != 1:
            return "it is not stored upright"
        if (
            tags.get(_COMPRESSION, 1) not in _COMPRESSIONS
            or tags.get(_PHOTOMETRIC) not in _PHOTOMETRICS
        ):
            return "of its compression or colours"
        if pixels > _MAX_CHUNK:
            millions = _MAX_CHUNK // 1_000_000
            return f"its {name} have {pixels:,} pixels, more than {millions} million"
        if max(self.height, self.width) > _MAX_SIDE:
            return f"a side has more than {_MAX_SIDE:,} pixels"
        return ""

    def __call__(self, row: int, column: int) -> np.ndarray:
        """uint8 (h, w, 3) RGB of a chunk, by its row and column among them, padding included.

        Raises:
            UserError: that part of the file is damaged.
        """
        number = self._number(row, column)
        if number in self._cache:
            self._cache.move_to_end(number)
            return self._cache[number]
        rows = self.rows
        if not self._tiled:  # the last strip is as short as what is left
            rows = min(rows, self.height - row * rows)
        try:
            chunk = self._decode(number, rows, self.columns)
        except UserError:
            raise
        except Exception as error:  # decoders raise nearly anything on damaged files
            raise UserError(
                f"{self.path}: cannot be read as an image ({error or type(error).__name__})"
            ) from error
        self._cache[number] = chunk
        self._cached_bytes += chunk.nbytes
        while len(self._cache) > 1 and self._cached_bytes > _CACHE_BYTES:
            self._cached_bytes -= self._cache.popitem(last=False)[1].nbytes
        return chunk

    def has(self, row: int, column: int) -> bool:
        """Whether a chunk is in memory."""
        return self._number(row, column) in self._cache

    def _number(self, row: int, column: int) -> int:
        return row * -(-self.width // self.columns) + column

    def _decode(self, number: int, rows: int, columns: int) -> np.ndarray:
        count = int(self._counts[number])
        if count > 8 * rows * columns + (1 << 20):  # no compression makes it that large
            raise ValueError("a part of it is too long")
        with self.path.open("rb") as file:
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
