"""``Tiling``: whether large pictures are looked at in tiles, as a user asks for it.

Its ``side_for`` says which tiles a picture gets from a detector, by the sizes of the objects that
the detector was trained on; ``utils.tiles`` places them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from utils.errors import UserError

TILE_OVERLAP = 0.2  # of a tile's side: an object up to that size lies whole in one of its tiles
MOST_OVERLAP = 0.9  # beyond, a picture has a hundred times its own pixels in tiles
SMALLEST_SIDE = 32  # pixels of the picture; of the network input it is the least
MUCH_SMALLER = 2.0  # tiles are used where a picture would be shown this much smaller than those
# of training: training's augmentation halves objects, too
SIZES_KEY = "object_sizes"  # in a checkpoint's metadata


class ObjectSizes(NamedTuple):
    """How large the objects of training were: the square root of a box's area.

    Attributes:
        photo: small (5th percentile), medium and large (95th) ones, in pixels of their photo.
        input: the same in pixels of the network input.
    """

    photo: tuple[float, float, float]
    input: tuple[float, float, float]

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, Any]) -> ObjectSizes | None:
        """What a checkpoint's metadata says; None where it says nothing usable."""
        noted = metadata.get(SIZES_KEY)
        if not isinstance(noted, Mapping):
            return None
        try:
            sizes = cls(*(tuple(map(float, noted[key])) for key in ("photo", "input")))
        except (KeyError, TypeError, ValueError):
            return None
        values = (*sizes.photo, *sizes.input)
        usable = len(sizes.photo) == len(sizes.input) == 3
        return sizes if usable and all(0 < value < math.inf for value in values) else None

    def to_metadata(self) -> dict[str, list[float]]:
        """The value of ``SIZES_KEY``."""
        return {
            key: [round(float(size), 2) for size in sizes] for key, sizes in self._asdict().items()
        }


@dataclass(frozen=True)
class Tiling:
    """Whether large pictures are looked at in tiles.

    Attributes:
        side: of a tile in pixels of the picture; ``auto`` for one that shows small objects as large
            as training showed them; or ``off``.
        overlap: share of a tile's side that neighbouring tiles have in common.
    """

    side: int | Literal["auto", "off"] = "off"
    overlap: float = TILE_OVERLAP

    @classmethod
    def parse(cls, text: str) -> str:
        """A side as an option gives it, checked.

        Raises:
            ValueError: neither ``auto``, ``off`` nor enough pixels.
        """
        if text not in ("auto", "off") and not (
            text.isascii() and text.isdecimal() and int(text) >= SMALLEST_SIDE
        ):
            raise ValueError(
                f"{text!r} is neither auto nor off nor a number of pixels from {SMALLEST_SIDE} on"
            )
        return text

    @classmethod
    def of_option(cls, side: str, overlap: float) -> Tiling:
        """From what ``parse`` gave."""
        return cls(side if side in ("auto", "off") else int(side), overlap)

    def __post_init__(self) -> None:
        number = isinstance(self.side, int) and not isinstance(self.side, bool)
        if not (self.side in ("auto", "off") or (number and self.side >= SMALLEST_SIDE)):
            raise UserError(
                f"tile {self.side}: give auto, off, or the side of a tile in pixels, at least "
                f"{SMALLEST_SIDE}"
            )
        if not 0 <= self.overlap <= MOST_OVERLAP:
            raise UserError(
                f"overlap {self.overlap:g}: give the share of a tile's side that is in the next "
                f"tile, 0 to {MOST_OVERLAP:g}"
            )

    def side_for(
        self, height: int, width: int, longest_input: int, sizes: ObjectSizes | None
    ) -> int | None:
        """The side of a picture's tiles in pixels; None for no tiles.

        ``auto`` takes ``auto_side``. Pictures up to ``MUCH_SMALLER`` times as long get no tiles: as
        a whole they show such objects about as large.

        Args:
            height, width: of the picture in pixels.
            longest_input: longer side of the network input in pixels.
            sizes: of the objects that the detector was trained on, where it knows.
        """
        if self.side == "off" or (self.side == "auto" and sizes is None):
            return None
        if self.side != "auto":
            return self.side if max(height, width) > self.side else None
        side = auto_side(longest_input, sizes)
        return side if max(height, width) > MUCH_SMALLER * side else None

    def in_words(self, longest_input: int, sizes: ObjectSizes | None) -> str:
        """Which pictures get which tiles; one sentence without a full stop, empty for ``off``."""
        share = f"each shares {self.overlap:.0%} with the next"
        if self.side == "off":
            return ""
        if self.side != "auto":
            return f"tiles of {self.side} pixels in larger pictures, {share}"
        if sizes is None:
            return (
                "tile auto: the detector's file does not say how large the objects of its training "
                "were, so there are no tiles; give their side in pixels"
            )
        side = auto_side(longest_input, sizes)
        return (
            f"tiles of {side} pixels in pictures longer than {round(MUCH_SMALLER * side)}, {share}"
        )


NO_TILES = Tiling()


def auto_side(longest_input: int, sizes: ObjectSizes) -> int:
    """The side of a tile that shows small objects as large as training showed them, in pixels."""
    return max(SMALLEST_SIDE, round(longest_input * sizes.photo[0] / sizes.input[0]))
