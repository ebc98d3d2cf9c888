"""Parts of a TIFF too large for memory: ``open_regions``, and ``TiffRegions`` to take them from.

    picture = open_regions("city.tif")
    tile = picture[4000:4640, 12000:12640]      # uint8 (640, 640, 3) RGB

A region needs only the chunks of the file that it touches, its tiles or strips
(``utils.tiff_chunks``). Regions that are wanted smaller are averaged chunk by chunk, so that they
may be as large as the picture. Several of them are made in one pass: a chunk is decoded once, also
where it is a strip that dozens of regions share.
"""

from __future__ import annotations

import math
import struct
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import TiffImagePlugin
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from utils.errors import UserError
from utils.images import MAX_PIXELS
from utils.letterbox import resize
from utils.tiff_chunks import TiffChunks

MAX_REGION_PIXELS = 4_000_000_000  # of a picture that is read by regions
_MAX_FULL = 4_000_000  # pixels of a region that is read in full before it is made smaller
_PASS_BYTES = 128 << 20  # of the regions of a pass
_BAND_BYTES = 128 << 20  # of the rows of one region
_AVERAGED_BYTES = 12  # of the sums of a pixel that is made
_PIECE = 256, 1024  # rows and columns of a chunk that are averaged at a time
_FEW_ROWS = 16  # parts with fewer are averaged together: a piece of one row takes as long


def open_regions(path: str | Path) -> TiffRegions | None:
    """A TIFF to read by regions; None for a file that is to be read as a whole.

    That is what ``utils.images.read_image`` may read, and any other format.

    Raises:
        UserError: too large to be read as a whole, and its pixels cannot be read in parts: more
            than 8 bits a channel, channels stored apart, turned, tiles or strips too large, a
            side too long, another compression or CMYK. Or more than ``MAX_REGION_PIXELS``.
    """
    path = Path(path)
    if path.suffix.lower() not in (".tif", ".tiff"):
        return None
    try:
        if not path.is_file():  # to open a pipe would wait for its writer
            return None
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
    if not picture.chunks.whole or height * width <= MAX_PIXELS:
        return None
    if height * width > MAX_REGION_PIXELS:
        raise UserError(
            f"{path}: {width}×{height} pixels are more than the "
            f"{MAX_REGION_PIXELS // 1_000_000:,} million allowed; cut it into several files"
        )
    if picture.chunks.obstacle:
        raise UserError(
            f"{path}: {width}×{height} pixels are more than the {MAX_PIXELS // 1_000_000} million "
            f"that are read at once, and it cannot be read in parts because "
            f"{picture.chunks.obstacle}; convert it to an RGB TIFF in tiles of 256 or 512 "
            "pixels, upright, with 8 bits a channel and the channels together"
        )
    return picture


class ScaledRegion(NamedTuple):
    """A region and the size to read it at.

    Attributes:
        box: ``x0, y0, x1, y1`` in pixels of the picture, half-open, within it.
        width, height: of the result in pixels.
    """

    box: tuple[int, int, int, int]
    width: int
    height: int

    @property
    def pixels(self) -> int:
        """Pixels of ``box``."""
        x0, y0, x1, y1 = self.box
        return (x1 - x0) * (y1 - y0)

    @property
    def bytes(self) -> int:
        """Bytes of memory while it is read."""
        return (
            3 * self.pixels
            if self.pixels <= _MAX_FULL
            else _AVERAGED_BYTES * self.width * self.height
        )


class TiffRegions:
    """A TIFF whose regions are read from the file when they are asked for.

    Args:
        path: the file.
        tags: of its first page.
    """

    def __init__(self, path: Path, tags: ImageFileDirectory_v2) -> None:
        self.chunks = TiffChunks(path, tags)
        self.shape = (self.chunks.height, self.chunks.width, 3)  # as of an array of its pixels
        self._lock = threading.Lock()

    def __getitem__(self, region: tuple[slice, slice]) -> np.ndarray:
        """uint8 (H, W, 3) RGB of ``[y0:y1, x0:x1]``.

        Raises:
            UserError: that part of the file is damaged.
        """
        (y0, y1, _), (x0, x1, _) = (
            part.indices(length) for part, length in zip(region, self.shape[:2], strict=True)
        )
        full = _FullRegion((x0, y0, max(x0, x1), max(y0, y1)))
        if full.pixels.size:
            self._fill([full])
        return full.pixels

    def resized(
        self, width: int, height: int, box: tuple[int, int, int, int] | None = None
    ) -> np.ndarray:
        """The picture or a box of it, smaller: uint8 (height, width, 3) RGB.

        A pixel is the mean of what it covers. A few rows of them are made at a time.

        Args:
            width, height: in pixels, to be made.
            box: ``x0, y0, x1, y1`` in pixels of the picture, within it; None for all of it.

        Raises:
            UserError: a part of the file is damaged.
        """
        box = box or (0, 0, self.shape[1], self.shape[0])
        pixels = np.empty((height, width, 3), np.uint8)
        rows = max(1, _BAND_BYTES // (_AVERAGED_BYTES * width))
        for top in range(0, height, rows):
            band = _AveragedRegion(box, width, height, range(top, min(top + rows, height)))
            self._fill([band])
            pixels[top : top + rows] = band.finish()
        return pixels

    def read_scaled(self, wanted: Sequence[ScaledRegion]) -> list[np.ndarray]:
        """uint8 (height, width, 3) RGB of each, the mean of what a pixel covers; in one pass.

        ``group_into_passes`` says how many at a time memory bears.

        Raises:
            UserError: one of those parts of the file is damaged.
        """
        targets = [
            _FullRegion(one.box)
            if one.pixels <= _MAX_FULL
            else _AveragedRegion(one.box, one.width, one.height)
            for one in wanted
        ]
        self._fill(targets)
        return [
            resize(target.finish(), one.width, one.height)
            for target, one in zip(targets, wanted, strict=True)
        ]

    def _fill(self, targets: Sequence[_FullRegion | _AveragedRegion]) -> None:
        """Give every target the chunks that it shares area with, each of which is decoded once."""
        rows, columns = self.chunks.rows, self.chunks.columns
        boxes = np.array([target.box for target in targets])

        def used(row: int) -> list[int]:  # columns; those still in memory first
            top = row * rows
            here = boxes[(boxes[:, 1] < top + rows) & (boxes[:, 3] > top)]
            found = {
                column
                for x0, _, x1, _ in here.tolist()
                for column in range(x0 // columns, -(-x1 // columns))
            }
            return sorted(found, key=lambda column: (not self.chunks.has(row, column), column))

        def is_new(row: int) -> bool:  # none of it is in memory
            return not any(self.chunks.has(row, column) for column in used(row)[:1])

        with self._lock:
            all_rows = range(boxes[:, 1].min() // rows, -(-boxes[:, 3].max() // rows))
            for row in sorted(all_rows, key=is_new):  # before others take their place
                for column in used(row):
                    top, left = row * rows, column * columns
                    chunk = self.chunks(row, column)
                    end = left + columns, top + len(chunk)
                    shared = (boxes[:, :2] < end) & (boxes[:, 2:] > (left, top))
                    for number in np.flatnonzero(shared.all(axis=1)):
                        _add(targets[number], chunk, left, top)


def group_into_passes(wanted: Sequence[ScaledRegion]) -> list[list[ScaledRegion]]:
    """The regions in the same order, as many together as memory bears.

    Those of one pass begin and end at the same rows of the picture.
    """
    found: list[list[ScaledRegion]] = []
    taken = 0
    for one in wanted:
        beside = found and found[-1][0].box[1::2] == one.box[1::2]
        if not beside or taken + one.bytes > _PASS_BYTES:
            found.append([])
            taken = 0
        found[-1].append(one)
        taken += one.bytes
    return found


def _add(target: _FullRegion | _AveragedRegion, chunk: np.ndarray, left: int, top: int) -> None:
    """Give a target what it shares with a chunk whose corner is there in the picture."""
    x0, y0, x1, y1 = target.box
    a, b = max(y0, top), min(y1, top + len(chunk))
    c, d = max(x0, left), min(x1, left + chunk.shape[1])
    if a < b and c < d:
        target.add(chunk[a - top : b - top, c - left : d - left], c - x0, a - y0)


class _FullRegion:
    """A region with all its pixels."""

    def __init__(self, box: tuple[int, int, int, int]) -> None:
        self.box = box
        self.pixels = np.empty((box[3] - box[1], box[2] - box[0], 3), np.uint8)

    def add(self, part: np.ndarray, left: int, top: int) -> None:
        """uint8 (h, w, 3) pixels that lie there in the region."""
        self.pixels[top : top + part.shape[0], left : left + part.shape[1]] = part

    def finish(self) -> np.ndarray:
        return self.pixels


class _AveragedRegion:
    """A region of which only means are kept: the sum of what each pixel covers, piece by piece.

    Args:
        region: ``x0, y0, x1, y1`` in pixels of the picture.
        width, height: how many means it has.
        rows: which rows of them are wanted; None for all.

    Attributes:
        box: what those rows cover, in pixels of the picture.
    """

    def __init__(
        self,
        region: tuple[int, int, int, int],
        width: int,
        height: int,
        rows: range | None = None,
    ) -> None:
        x0, y0, x1, y1 = region
        rows = rows or range(height)
        self._scale = (y1 - y0) / height, (x1 - x0) / width
        top, bottom = (edge * self._scale[0] for edge in (rows.start, rows.stop))
        self.box = (x0, y0 + int(top), x1, min(y1, y0 + math.ceil(bottom)))
        self._first = rows.start, 0
        self._above = int(top)  # pixels of the region above the box
        self._sums = np.zeros((len(rows), width, 3), np.float32)
        self._waiting: list[np.ndarray] = []  # parts with few rows, one below the other
        self._corner = self._below = 0, 0  # left and top of the first, and where the next begins

    def add(self, part: np.ndarray, left: int, top: int) -> None:
        """uint8 (h, w, 3) pixels that lie there in the box."""
        few = part.shape[0] < _FEW_ROWS
        if not few or (left, top) != self._below:
            self._add_waiting()
        if not few:
            self._add(part, left, top)
            return
        if not self._waiting:
            self._corner = left, top
        self._waiting.append(part.copy())  # not a view, which would keep the whole chunk
        self._below = left, top + part.shape[0]
        if self._below[1] - self._corner[1] >= _FEW_ROWS:
            self._add_waiting()

    def _add_waiting(self) -> None:
        if self._waiting:
            self._add(np.concatenate(self._waiting), *self._corner)
            self._waiting.clear()

    def _add(self, part: np.ndarray, left: int, top: int) -> None:
        top += self._above
        rows, columns = _PIECE
        for y in range(0, part.shape[0], rows):
            for x in range(0, part.shape[1], columns):
                self._add_piece(part[y : y + rows, x : x + columns], left + x, top + y)

    def _add_piece(self, piece: np.ndarray, left: int, top: int) -> None:
        height, width = piece.shape[:2]
        row, down = self._shares(0, top, height)
        column, across = self._shares(1, left, width)
        few_rows = down @ piece.reshape(height, -1).astype(np.float32)
        by_channel = few_rows.reshape(len(down), width, 3).swapaxes(1, 2)
        sums = (by_channel.reshape(-1, width) @ across.T).reshape(len(down), 3, len(across))
        here = self._sums[row : row + len(down), column : column + len(across)]
        here += sums.swapaxes(1, 2)

    def _shares(self, axis: int, start: int, length: int) -> tuple[int, np.ndarray]:
        """The first mean that pixels from ``start`` on belong to, and how much of each is in which.

        Returns:
            Its place among the sums, and float32 (M, length) shares for it and those that follow.
        """
        scale, begin = self._scale[axis], self._first[axis]
        end = begin + self._sums.shape[axis]
        first = min(max(int(start / scale), begin), end - 1)
        last = max(first + 1, min(end, math.ceil((start + length) / scale)))
        limits = np.arange(first, last + 1) * scale - start
        pixel = np.arange(length)
        shares = np.minimum(limits[1:, None], pixel + 1) - np.maximum(limits[:-1, None], pixel)
        return first - begin, shares.clip(0).astype(np.float32)

    def finish(self) -> np.ndarray:
        self._add_waiting()
        self._sums *= 1 / (self._scale[0] * self._scale[1])
        np.rint(self._sums, out=self._sums)
        return self._sums.clip(0, 255, out=self._sums).astype(np.uint8)
