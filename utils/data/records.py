"""``Record``: one labelled photo, the same for every format, and ``Dataset``, a list of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from utils.data.folder.tables import EntryTable
from utils.pixel_range import NO_RANGES, PixelRanges


@dataclass(frozen=True)
class Record:
    """One photo and its objects.

    Attributes:
        image_id: identifies the photo in split lists and reports; unique in a dataset.
        image: path of the photo.
        width, height: size in pixels of the upright photo (EXIF orientation applied).
        boxes: float32 (N, 4), ``x0, y0, x1, y1`` in pixels of the upright photo, continuous.
        class_ids: int32 (N,), indices into the dataset's class list.
        difficult: bool (N,), objects that are neither trained on nor counted when scoring.
        areas: float32 (N,), square pixels as annotated, which in COCO are those of the outline.
            NaN, or None for all, where the labels give none.
    """

    image_id: str
    image: Path
    width: int
    height: int
    boxes: np.ndarray
    class_ids: np.ndarray
    difficult: np.ndarray
    areas: np.ndarray | None = None


@dataclass(frozen=True)
class RecordTable(Sequence[Record]):
    """P records with N objects as a table; a ``Record`` is made on access.

    Attributes:
        entries: image ids and paths.
        rows: int64 (P,), the row of ``entries`` of each record.
        sizes: int32 (P, 2), width and height.
        first: int64 (P + 1,); the objects of record i are ``first[i]:first[i + 1]``.
        boxes: float32 (N, 4).
        class_ids: int32 (N,).
        difficult: bool (N,).
        areas: float32 (N,), or None for all, as in ``Record``.
    """

    entries: EntryTable
    rows: np.ndarray
    sizes: np.ndarray
    first: np.ndarray
    boxes: np.ndarray
    class_ids: np.ndarray
    difficult: np.ndarray
    areas: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index):
        """One record, or a list of them for a slice."""
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        index = range(len(self))[index]
        row = int(self.rows[index])
        begin, end = self.first[index : index + 2].tolist()
        width, height = self.sizes[index].tolist()
        return Record(
            image_id=self.entries.image_ids[row],
            image=self.entries.image(row),
            width=width,
            height=height,
            boxes=self.boxes[begin:end],
            class_ids=self.class_ids[begin:end],
            difficult=self.difficult[begin:end],
            areas=None if self.areas is None else self.areas[begin:end],
        )

    def image_ids(self) -> list[str]:
        """The image ids of all records."""
        image_ids = self.entries.image_ids
        return [image_ids[row] for row in self.rows.tolist()]

    def with_class_ids(self, ids: Sequence[int]) -> RecordTable:
        """The same objects with other class ids: ``ids[i]`` in the place of ``i``."""
        numbers = np.asarray(ids, np.int32)
        return replace(self, class_ids=numbers[self.class_ids])

    def selected(self, indices: Sequence[int]) -> RecordTable:
        """Some of the records; ``indices`` rise."""
        indices = np.asarray(indices, np.int64)
        chosen = np.zeros(len(self), bool)
        chosen[indices] = True
        counts = np.diff(self.first)
        objects = np.repeat(chosen, counts)
        return replace(
            self,
            rows=self.rows[indices],
            sizes=self.sizes[indices],
            first=np.concatenate([[0], np.cumsum(counts[indices])]).astype(np.int64),
            boxes=self.boxes[objects],
            class_ids=self.class_ids[objects],
            difficult=self.difficult[objects],
            areas=None if self.areas is None else self.areas[objects],
        )

    def with_objects(
        self,
        record: np.ndarray,
        boxes: np.ndarray,
        class_ids: np.ndarray,
        difficult: np.ndarray,
    ) -> RecordTable:
        """More objects, each after those that its record has.

        Args:
            record: int (K,), index of the record of each object.
            boxes: float32 (K, 4); ``class_ids``: int32 (K,); ``difficult``: bool (K,).
        """
        counts = np.diff(self.first)
        owner = np.concatenate([np.repeat(np.arange(len(self)), counts), record])
        order = np.argsort(owner, kind="stable")
        more = np.bincount(record, minlength=len(self))
        areas = None
        if self.areas is not None:
            unknown = np.full(len(record), np.nan, np.float32)
            areas = np.concatenate([self.areas, unknown])[order]
        return replace(
            self,
            first=np.concatenate([[0], np.cumsum(counts + more)]).astype(np.int64),
            boxes=np.concatenate([self.boxes, boxes]).astype(np.float32)[order],
            class_ids=np.concatenate([self.class_ids, class_ids]).astype(np.int32)[order],
            difficult=np.concatenate([self.difficult, difficult]).astype(bool)[order],
            areas=areas,
        )


@dataclass(frozen=True)
class Dataset:
    """The records of one split, and notes on reading them.

    Attributes:
        records: in sorted order of ``image_id``.
        classes: class names; a class id is an index into this tuple.
        notes: a sentence on everything skipped or corrected, with file and object.
        pixel_ranges: of the pixels of high bit depth in the whole data folder.
    """

    records: Sequence[Record]
    classes: tuple[str, ...]
    notes: tuple[str, ...] = field(default=())
    pixel_ranges: PixelRanges = NO_RANGES

    def __len__(self) -> int:
        return len(self.records)

    @cached_property
    def photos_with_objects(self) -> int:
        """Number of photos with an object that counts when scoring."""
        return sum(not record.difficult.all() for record in self.records)
