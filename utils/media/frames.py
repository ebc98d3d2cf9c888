"""``Source``, a picture, video or camera that frames can be read from, and ``Frame``."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from utils.errors import UserError
from utils.image_kinds import photo_stem

if TYPE_CHECKING:
    from utils.tiff_regions import TiffRegions

VIDEO_SUFFIXES = (
    ".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv", ".flv", ".ogv",
    ".3gp", ".mts", ".m2ts",
)  # fmt: skip
MAX_FRAME_PIXELS = 40_000_000  # of a film, of which several wait in memory; 8K video has 33 million
WAITING_BYTES = 400 << 20  # of frames that wait in one place; more only where one alone has more


@dataclass(frozen=True)
class Source:
    """Something that frames can be read from.

    Attributes:
        name: for messages and JSON: the path, the address without its password, or the number of
            the camera.
        kind: an ``animation`` is a picture file with several frames. Frames of ``live`` sources are
            dropped when they come too fast, and so are those of a ``stream`` without an end.
        address: path, URL or camera number.
    """

    name: str
    kind: Literal["picture", "animation", "video", "stream", "live"]
    address: str | int

    @property
    def path(self) -> Path | None:
        """The file, or None for streams and cameras."""
        return Path(self.address) if self.kind in ("picture", "animation", "video") else None

    @property
    def output_name(self) -> str:
        """A file name for outputs of this source, without suffix."""
        if self.path is not None:
            return photo_stem(self.path)
        if isinstance(self.address, int):
            return f"camera-{self.address}"
        return re.sub(r"[^\w.-]+", "-", self.name.partition("://")[2]).strip("-.")[:80] or "stream"


@dataclass(frozen=True)
class Frame:
    """One picture, or one picture of a video.

    Attributes:
        image: uint8 (H, W, 3) RGB, upright; of a picture too large for memory, its regions.
        source: where it comes from.
        index: number of the frame from 0; None for a picture.
        time_s: seconds from the start of the video; None for a picture.
        rate: frames a second at which every frame of the video can be shown on time, or a function
            that finds it out, as that takes a while; None for a picture.
        duration_s: seconds until the next frame or the end of the video; None for a picture, and
            for a live frame, whose next one has not come.
    """

    image: np.ndarray | TiffRegions
    source: Source
    index: int | None = None
    time_s: float | None = None
    rate: float | Callable[[], float] | None = None
    duration_s: float | None = None

    @property
    def bytes(self) -> int:
        """Bytes of its pixels in memory."""
        return getattr(self.image, "nbytes", 0)

    @property
    def fps(self) -> float | None:
        """Frames a second at which every frame of the video can be shown on time."""
        return self.rate() if callable(self.rate) else self.rate


def check_frame_size(width: float, height: float, name: str) -> None:
    """Refuse frames too large for memory.

    Raises:
        UserError: frames of that size would fill the memory.
    """
    if width * height > MAX_FRAME_PIXELS:
        raise UserError(
            f"{name}: frames of {width:.0f}×{height:.0f} pixels are more than the "
            f"{MAX_FRAME_PIXELS // 1_000_000} million allowed in a film; make it smaller"
        )
