"""``Tiling``: whether large pictures are searched in tiles, as a user asks for it.

Its ``sides_for`` says which tiles a picture gets from a detector, by the sizes in its training
(``TrainingSizes``); ``utils.tiles`` places them.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from utils.errors import UserError

TILE_OVERLAP = 0.2  # of a tile's side: an object up to that size lies whole in one of its tiles
MAX_OVERLAP = 0.9  # beyond, a picture has a hundred times its own pixels in tiles
MIN_TILE_SIDE = 32  # pixels of the picture; of the network input it is the least
MUCH_SMALLER = 2.0  # tiles are used where a picture would be shown this much smaller than those
# of training: training's augmentation halves objects, too
SMALL_OBJECT = 16  # pixels of the network input, where a detector does not say what it was shown
MIN_STEP = 2.0  # from the side of tiles to that of the next level
SIZES_KEY, TILE_KEY = "object_sizes", "tile"  # in a checkpoint's metadata
_MIN_SIZE, _MAX_SIZE = 1e-3, 1e6  # pixels; what a checkpoint says beyond them is no size


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
        stored = metadata.get(SIZES_KEY)
        if not isinstance(stored, Mapping):
            return None
        try:
            sizes = cls(*(tuple(map(float, stored[key])) for key in ("photo", "input")))
        except (KeyError, OverflowError, TypeError, ValueError):
            return None
        values = (*sizes.photo, *sizes.input)
        usable = len(sizes.photo) == len(sizes.input) == 3
        usable = usable and all(_MIN_SIZE <= value <= _MAX_SIZE for value in values)
        return sizes if usable else None

    def to_metadata(self) -> dict[str, list[float]]:
        """The value of ``SIZES_KEY``."""
        return {
            key: [round(float(size), 2) for size in sizes] for key, sizes in self._asdict().items()
        }


class TrainingSizes(NamedTuple):
    """Tile side and object sizes of a detector's training.

    Attributes:
        sizes: of the objects; None where the detector's file does not say it.
        tile: side of the crops in pixels of the photos; None for whole photos.
    """

    sizes: ObjectSizes | None = None
    tile: int | None = None

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, Any]) -> TrainingSizes:
        """What a checkpoint's metadata says."""
        stored = metadata.get(TILE_KEY)
        side = stored.get("side") if isinstance(stored, Mapping) else None
        whole = isinstance(side, int) and not isinstance(side, bool)
        usable = whole and MIN_TILE_SIDE <= side <= _MAX_SIZE
        return cls(ObjectSizes.from_metadata(metadata), side if usable else None)


@dataclass(frozen=True)
class Tiling:
    """Whether large pictures are searched in tiles.

    Attributes:
        side: of the smallest tiles in pixels of the picture; ``auto`` for that which suits what the
            detector was trained on; or ``off``.
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
            text.isascii() and text.isdecimal() and int(text) >= MIN_TILE_SIDE
        ):
            raise ValueError(
                f"{text!r} is neither auto nor off nor a number of pixels from {MIN_TILE_SIDE} on"
            )
        return text

    @classmethod
    def of_option(cls, side: str, overlap: float) -> Tiling:
        """From what ``parse`` gave."""
        return cls(side if side in ("auto", "off") else int(side), overlap)

    def __post_init__(self) -> None:
        with suppress(TypeError):  # whole numbers of NumPy, too
            if not isinstance(self.side, bool):
                object.__setattr__(self, "side", operator.index(self.side))
        number = isinstance(self.side, int) and not isinstance(self.side, bool)
        if not (self.side in ("auto", "off") or (number and self.side >= MIN_TILE_SIDE)):
            raise UserError(
                f"tile {self.side}: give auto, off, or the side of a tile in pixels, at least "
                f"{MIN_TILE_SIDE}"
            )
        if not 0 <= self.overlap <= MAX_OVERLAP:
            raise UserError(
                f"overlap {self.overlap:g}: give the share of a tile's side that is in the next "
                f"tile, 0 to {MAX_OVERLAP:g}"
            )

    def sides_for(
        self, height: int, width: int, longest_input: int, trained: TrainingSizes
    ) -> tuple[int, ...]:
        """The sides of a picture's tiles in pixels, the smallest first; none for no tiles.

        The smallest is the one asked for; ``auto`` takes ``auto_side``. There are further, larger
        ones where the whole picture shows objects too small that are too long for those tiles.

        Args:
            height, width: of the picture in pixels.
            longest_input: longer side of the network input in pixels.
            trained: tile side and object sizes of the detector's training.
        """
        side, shown_whole = self._side(longest_input, trained)
        longest = max(height, width)
        if not side or longest <= shown_whole:
            return ()
        small = trained.sizes.input[0] if trained.sizes else SMALL_OBJECT
        step = max(MIN_STEP, self.overlap * longest_input / small)
        return level_sides(longest, side, step)

    def _side(self, longest_input: int, trained: TrainingSizes) -> tuple[int | None, int]:
        """The side of the smallest tiles, and how long pictures without tiles may be."""
        if self.side == "off":
            return None, 0
        side = trained.tile if self.side == "auto" else self.side
        if side:
            return side, side
        if trained.sizes is None:
            return None, 0
        side = auto_side(longest_input, trained.sizes)
        return side, max(side, shown_whole_up_to(longest_input, trained.sizes))

    def in_words(self, longest_input: int, trained: TrainingSizes) -> str:
        """Which pictures get which tiles; one sentence without a full stop, or nothing."""
        share = f"each shares {self.overlap:.0%} with the next"
        if self.side == "off":
            return (
                f"the detector was trained on crops of {trained.tile} pixels: with --tile auto it "
                "looks at larger pictures in tiles of that size"
                if trained.tile
                else ""
            )
        side = trained.tile if self.side == "auto" else self.side
        if side:
            return f"tiles of {side} pixels in larger pictures, {share}"
        if trained.sizes is None:
            return (
                "tile auto: the detector's file does not say how large the objects of its training "
                "were, so there are no tiles; give their side in pixels"
            )
        side, shown_whole = self._side(longest_input, trained)
        return f"tiles of {side} pixels in pictures longer than {shown_whole}, {share}"


NO_TILES = Tiling()


def auto_side(longest_input: int, sizes: ObjectSizes) -> int:
    """The side of the smallest tiles that ``auto`` takes, in pixels.

    They show a small object of training's photos as large as a medium one was in training, since
    that is what detectors find best. But they do not enlarge the picture, which adds nothing to
    see, unless training did.
    """
    shown_in_training = sizes.input[0] / sizes.photo[0]
    largest = max(1.0, shown_in_training)
    scale = min(sizes.input[1] / sizes.photo[0], largest)
    return max(MIN_TILE_SIDE, round(longest_input / scale))


def shown_whole_up_to(longest_input: int, sizes: ObjectSizes) -> int:
    """The longest picture that ``auto`` shows only as a whole, in pixels.

    Longer ones would be shown ``MUCH_SMALLER`` than those of training.
    """
    return round(MUCH_SMALLER * longest_input * sizes.photo[0] / sizes.input[0])


def level_sides(longest: int, side: int, step: float) -> tuple[int, ...]:
    """The sides of tiles of all levels, the smallest first.

    They grow by one factor of at most ``step`` to the length of the whole picture, which is the
    level after the last. So with ``step`` = overlap × input / small object, what is too long to lie
    whole in the tiles of a level is no smaller than a small object in those of the next.

    Args:
        longest: longer side of the picture in pixels.
        side: of the smallest tiles.
        step: above 1.
    """
    count = max(1, math.ceil(math.log(longest / side) / math.log(step) - 1e-9))
    factor = (longest / side) ** (1 / count)
    return tuple(round(side * factor**level) for level in range(count))
