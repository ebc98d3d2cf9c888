"""Reading pictures for prediction, and sentences on high bit depth and on several pages."""

from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path

import numpy as np

from utils.errors import UserError
from utils.images import MAX_FRAMES, image_info, read_image
from utils.pixel_range import PixelRange, PixelRanges
from utils.text import counted, listed
from utils.tiff_regions import TiffRegions, open_regions

_EIGHT_BITS = (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".bmp", ".gif", ".webp")


class PictureReader:
    """Reads pictures with the pixel ranges that the detector was trained with.

    Args:
        ranges: those ranges.
        by_regions: give a TIFF too large for memory as its regions.
    """

    def __init__(self, ranges: PixelRanges, *, by_regions: bool = False) -> None:
        self._ranges = ranges
        self._by_regions = by_regions
        self._used: Counter[tuple[PixelRange, bool]] = Counter()
        self._pages: dict[Path, int] = {}  # of pictures with several
        self._lock = threading.Lock()

    def __call__(self, path: Path) -> np.ndarray | TiffRegions:
        """uint8 (H, W, 3) RGB, upright.

        Raises:
            UserError: it cannot be read as an image.
        """
        if self._by_regions and (regions := open_regions(path)):
            return regions
        pixels = read_image(path, ranges=self._ranges)
        if path.suffix.lower() not in _EIGHT_BITS:
            self._note(path)
        return pixels

    def _note(self, path: Path) -> None:
        try:
            facts = image_info(path)
        except UserError:
            return
        if facts.frames > 1:
            with self._lock:
                self._pages[path] = facts.frames
        found = facts.extremes
        if found is not None:
            used = self._ranges.range_for(found)
            with self._lock:
                self._used[used, used in self._ranges] += 1

    def sentences(self) -> list[str]:
        """How high-bit-depth pictures were scaled to 8 bits, and of which only the first page was
        read; empty without any."""
        lines = []
        if self._pages:
            pages = []
            for path, count in sorted(self._pages.items()):
                number = f"{count} or more" if count == MAX_FRAMES else f"{count}"
                pages.append(f"{path.name}: {number}")
            lines.append(
                f"{counted(len(pages), 'picture')} with several pages: only the first was looked "
                f"at ({listed(pages)})"
            )
        for trained, how in (
            (True, "as in training"),
            (False, "by the largest value of each, as the detector was not trained on such values"),
        ):
            used = {scale: n for (scale, known), n in self._used.items() if known == trained}
            if used:
                ranges = listed(
                    [
                        f"{count} from {scale.black:g} to {scale.white:g}"
                        for scale, count in sorted(used.items())
                    ],
                    most=5,
                )
                pictures = counted(sum(used.values()), "picture")
                lines.append(
                    f"high-bit-depth pixels of {pictures} were scaled to 8 bits {how}: {ranges}"
                )
        return lines
