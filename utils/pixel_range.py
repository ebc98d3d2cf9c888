"""How pixels of more than 8 bits become 8 bits: by the bits that are in use.

Many pictures with 16 bits a channel hold values of 10, 12 or 14 bits: microscopes, X-ray, thermal
cameras. Divided by 256 they would be nearly black. So the values from ``black`` to ``white`` map to
0–255:

- Whole numbers: ``white`` is the smallest 2ⁿ − 1 (n = 8, 10, 12, 14, 16, then even n) that is not
  below any value.
- Fractions: ``white`` is 1 if no value exceeds 1.3, otherwise as for whole numbers.
- ``black`` is 0 or, where values are negative, −2ⁿ for the smallest n with no value below it.

Fractions from 0 to 1 that were resampled go a little beyond both ends. Bicubic and Lanczos filters
leave 1.13 at an edge and 1.27 at a corner of a white area, and -0.14 beside it and -0.17 beside a
line (measured with OpenCV and Pillow). So where white is 1, values from 1 to 1.3 become white.
Values from -0.3 to 0 become black, but not where the brightest value is too small for such a
filter to have made them: those are signed.

A training run finds one range for its whole data folder, so that pictures keep their differences in
brightness. The checkpoint stores it (``metadata["pixel_ranges"]``), and prediction and scoring use
it. A picture beyond that range, or without one, gets a range by its own values.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

METADATA = "pixel_ranges"  # key in a checkpoint
_BITS = (8, 10, 12, 14, 16)
_MAX_FRACTION = 1.3  # the largest fraction in pictures whose white is 1
_BELOW_ZERO = 0.3  # how far below 0 fractions may be whose black is 0, as a share of white


class Extremes(NamedTuple):
    """The smallest and largest value of a picture, and whether its values may be fractions."""

    low: float
    high: float
    fractions: bool


class PixelRange(NamedTuple):
    """The values that become 0 and 255."""

    black: float
    white: float

    @classmethod
    def holding(cls, found: Extremes) -> PixelRange:
        """The range for pictures whose values lie between these."""
        black = -(2.0 ** math.ceil(math.log2(-found.low))) if found.low < 0 else 0.0
        if found.fractions and found.high <= _MAX_FRACTION:
            resampled = found.low >= -_BELOW_ZERO * min(found.high, 1.0)
            return cls(0.0 if resampled else black, 1.0)
        bits = next((bits for bits in _BITS if found.high < 2**bits), None)
        if bits is None:
            bits = 2 * math.ceil(math.log2(found.high + 1) / 2)
        return cls(black, 2.0**bits - 1)

    @property
    def bits(self) -> int:
        """Bit depth of ``white``."""
        return round(math.log2(self.white + 1))

    def holds(self, found: Extremes) -> bool:
        """Whether it is a range for pictures whose values lie between these."""
        black, white = self
        if found.fractions and white == 1:
            black, white = (black or -_BELOW_ZERO), _MAX_FRACTION
        return black <= found.low and found.high <= white

    def to_uint8(self, values: np.ndarray) -> np.ndarray:
        """Values of any type and shape → uint8; what lies outside the range is cut to it."""
        whole_bits = self.black == 0 and self.bits >= 8 and self.white == 2**self.bits - 1
        if values.dtype.kind in "iu" and whole_bits:
            kept = np.clip(values, 0, int(self.white)).astype(np.uint32)
            return (kept >> np.uint32(self.bits - 8)).astype(np.uint8)
        scaled = (values.astype(np.float64) - self.black) * (255 / (self.white - self.black))
        return np.rint(np.clip(np.nan_to_num(scaled), 0, 255)).astype(np.uint8)


class PixelRanges(NamedTuple):
    """The ranges of a data folder or checkpoint: of pictures with whole numbers and of others.

    None where it has no such pictures.
    """

    whole: PixelRange | None = None
    fractions: PixelRange | None = None

    @classmethod
    def of(cls, found: Iterable[Extremes]) -> PixelRanges:
        """The ranges that hold all pictures of these extremes."""
        kinds: dict[bool, list[Extremes]] = {False: [], True: []}
        for extremes in found:
            kinds[bool(extremes.fractions)].append(extremes)
        return cls(*(_joint(kinds[fractions]) for fractions in (False, True)))

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, Any]) -> PixelRanges:
        """The ranges that a checkpoint stores; empty where they are missing or invalid."""
        stored = metadata.get(METADATA)
        stored = stored if isinstance(stored, Mapping) else {}
        return cls(*(_valid(stored.get(name)) for name in cls._fields))

    def content(self) -> dict[str, Any]:
        """The value stored in a checkpoint."""
        return {name: list(found) for name, found in self._asdict().items() if found}

    def range_for(self, found: Extremes) -> PixelRange:
        """The range for a picture: that of its kind if it holds the picture, else its own."""
        known = self.fractions if found.fractions else self.whole
        return known if known and known.holds(found) else PixelRange.holding(found)

    def sentence(self) -> str:
        """What happens to the pictures of high bit depth of a data folder; "" without any."""
        parts = []
        if self.whole:
            parts.append(
                f"high-bit-depth photos use {self.whole.bits} bits "
                f"(values from {self.whole.black:,.0f} to {self.whole.white:,.0f})"
            )
        if self.fractions:
            parts.append(
                f"photos with fractions have values from {self.fractions.black:g} to "
                f"{self.fractions.white:g}"
            )
        if not parts:
            return ""
        return f"pixels: {'; '.join(parts)}; scaled to 8 bits by that, in prediction too"

    def note_on(self, data: PixelRanges) -> str:
        """How photos of high bit depth are scaled for a detector that was trained with these
        ranges; "" where there are none."""
        notes = []
        for trained, found in zip(self, data, strict=True):
            if found is None:
                continue
            if trained is None:
                notes.append(
                    "each by its own largest value, as the detector was not trained on such"
                )
                continue
            how = f"as in training, from {trained.black:g} to {trained.white:g}"
            if not (trained.black <= found.black and found.white <= trained.white):
                how += "; those with values beyond that, each by its own largest value"
            notes.append(how)
        return f"high-bit-depth photos are scaled to 8 bits: {'; '.join(notes)}" if notes else ""


NO_RANGES = PixelRanges()


def extremes_of(values: np.ndarray) -> Extremes:
    """The extremes of a picture's values; what is not finite does not count."""
    fractions = values.dtype.kind == "f"
    if fractions:
        values = values[np.isfinite(values)]
    if not values.size:
        return Extremes(0.0, 0.0, fractions)
    return Extremes(float(values.min()), float(values.max()), fractions)


def _joint(found: list[Extremes]) -> PixelRange | None:
    if not found:
        return None
    low, high = min(one.low for one in found), max(one.high for one in found)
    return PixelRange.holding(Extremes(low, high, found[0].fractions))


def _valid(stored: Any) -> PixelRange | None:
    try:
        black, white = map(float, stored)
        sound = math.isfinite(black) and math.isfinite(white) and white > black
        return PixelRange(black, white) if sound else None
    except (OverflowError, TypeError, ValueError):
        return None
