"""``Record``: one labelled photo, whatever format it came from, and ``Dataset``, a list of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Record:
    """One photo and its objects.

    Attributes:
        stem: the name that identifies the photo in split lists and reports; unique in a dataset.
        image: path of the photo.
        width, height: size in pixels of the upright photo (EXIF orientation applied).
        boxes: float32 (N, 4), ``x0, y0, x1, y1`` in pixels of the upright photo, continuous.
        class_ids: int32 (N,), indices into the dataset's class list.
        difficult: bool (N,), objects that are neither trained on nor counted when scoring.
    """

    stem: str
    image: Path
    width: int
    height: int
    boxes: np.ndarray
    class_ids: np.ndarray
    difficult: np.ndarray


@dataclass(frozen=True)
class Dataset:
    """The records of one split and what the reader noticed on the way.

    Attributes:
        records: in sorted order of ``stem``.
        classes: class names; a class id is an index into this tuple.
        notes: one sentence for each thing skipped or mended, naming file and object.
    """

    records: tuple[Record, ...]
    classes: tuple[str, ...]
    notes: tuple[str, ...] = field(default=())

    def __len__(self) -> int:
        return len(self.records)
