"""``Case``: one piece of bad input."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image


@dataclass(frozen=True)
class Case:
    """One piece of bad input.

    Attributes:
        kind: of input; ``commands.COMMANDS`` says which commands meet it.
        name: of the case, and of its folder.
        write: fills that folder.
        items: names that must be read or reported; of files, or of what a list names.
        objects: how many objects its bad label file has; None where that cannot be said.
        uses: only these of the commands of its kind; empty for all.
        stops: whether every command must refuse it; None where it may go on as well.
    """

    kind: str
    name: str
    write: Callable[[Path], None]
    items: tuple[str, ...] = ()
    objects: int | None = None
    uses: tuple[str, ...] = ()
    stops: bool | None = None


def pixels(width: int = 64, height: int = 48, seed: int = 0) -> np.ndarray:
    """Soft colours, uint8 (height, width, 3)."""
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 5, 3), np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


def picture(width: int = 64, height: int = 48, seed: int = 0) -> Image.Image:
    return Image.fromarray(pixels(width, height, seed))


def encoded(image: Image.Image, form: str, **options) -> bytes:
    """The bytes of a picture file."""
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def content(data: bytes | str, name: str) -> Callable[[Path], None]:
    """Writes one file, in folders where its name has some."""

    def write(folder: Path) -> None:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.encode() if isinstance(data, str) else data)

    return write
