"""From labels to records: ``make_records`` turns boxes upright, clips them and numbers classes.

All objects are worked on at once, by column; only photos with something to say about are looked
at one by one. What is skipped or mended becomes a note.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from utils.data.folder.index import Index
from utils.data.records import Dataset, RecordTable
from utils.images import ImageSize, orient_boxes
from utils.text import listing

CLIP_NOTE = 1.0  # pixels; counting from 0 instead of 1 is too common to be worth a note


def make_records(
    index: Index, rows: np.ndarray, classes: tuple[str, ...], notes: tuple[str, ...] = ()
) -> Dataset:
    """The records of some photos of a folder.

    Args:
        index: the folder.
        rows: int (P,), the photos, rising; their labels can be read.
        classes: class names in the order of their ids; objects of others are left out.
        notes: what else is to be said, first.
    """
    return RecordMaker(index, rows, classes).dataset(notes)


class RecordMaker:
    """Boxes of the upright photos, and records of them.

    Args:
        index, rows, classes: as for ``make_records``.
        as_stored: whether labels belong to photos as stored where their size does not tell; what
            the rest of the folder says when None.

    Attributes:
        rows: int64 (P,), those of ``rows`` whose photo can be opened.
        first: int64 (P + 1,); the objects of photo i are ``first[i]:first[i + 1]``.
        boxes: float32 (N, 4), in pixels of the upright photo, not clipped.
        unsure: bool (P,), whether the photo is turned by EXIF and its labels do not tell whether
            they are.
    """

    def __init__(
        self,
        index: Index,
        rows: np.ndarray,
        classes: tuple[str, ...],
        as_stored: bool | None = None,
    ) -> None:
        self.index, self.classes = index, classes
        photos, labels = index.photos, index.labels
        rows = np.asarray(rows, np.int64)
        readable = (photos.sizes[rows] > 0).all(axis=1)
        self.unreadable = rows[~readable]
        self.rows = rows = rows[readable]

        # The objects of these photos, and for each the place of its photo in ``rows``.
        counts = labels.first[rows + 1] - labels.first[rows]
        self.photo = np.repeat(np.arange(len(rows)), counts)
        self.first = np.concatenate([[0], np.cumsum(counts)])
        shift = labels.first[rows] - self.first[:-1]
        self.objects = np.arange(len(self.photo)) + np.repeat(shift, counts)

        self.sizes = photos.sizes[rows]
        self.orientation = photos.orientation[rows]
        self._judge_sizes(as_stored)
        self.boxes = self._upright()
        limits = np.tile(self.sizes, 2)[self.photo].astype(np.float32)
        self.clipped = np.clip(self.boxes, 0, limits)
        self.inside = (self.clipped[:, 2:] > self.clipped[:, :2]).all(axis=1)
        self.beyond = (np.abs(self.clipped - self.boxes) > CLIP_NOTE).any(axis=1)
        ids = {name: i for i, name in enumerate(classes)}
        by_name = np.array([ids.get(name, -1) for name in labels.names], np.int32)
        self.class_ids = by_name[labels.name_ids[self.objects]]

    def dataset(self, notes: tuple[str, ...]) -> Dataset:
        notes = (*notes, *self._notes(), *self._summaries())
        return Dataset(self.records(), self.classes, notes)

    def records(self) -> RecordTable:
        kept = self.inside & (self.class_ids >= 0)
        counts = np.bincount(self.photo[kept], minlength=len(self.rows))
        return RecordTable(
            entries=self.index.entries,
            rows=self.rows,
            sizes=self.sizes,
            first=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            boxes=self.clipped[kept],
            class_ids=self.class_ids[kept],
            difficult=self.index.labels.difficult[self.objects[kept]],
        )

    # Which way up

    def _judge_sizes(self, as_stored: bool | None) -> None:
        """What the size that the labels were made for tells about each photo.

        Attributes set, bool (P,):
            unsized: not said, though the photo is turned and so it matters.
            other: the size is another photo's.
            guessed: turned by 180°, mirrored, or square: the size cannot tell whether before.
            turned: made for the photo as stored, so to be turned with it.
        """
        made_for = self.index.labels.sizes[self.rows]
        known = made_for[:, 0] > 0
        on_side = self.orientation >= 5
        stored = np.where(on_side[:, None], self.sizes[:, ::-1], self.sizes)
        is_upright = (made_for == self.sizes).all(axis=1)
        is_stored = (made_for == stored).all(axis=1)
        unclear = (self.orientation != 1) & ~self.index.labels.upright[self.rows]
        self.unsized = ~known & unclear
        self.other = known & ~is_upright & ~is_stored
        self.guessed = known & unclear & is_upright & is_stored
        self.turned = known & unclear & is_stored & ~is_upright
        self.unsure = self.unsized | self.guessed
        if as_stored is None:
            as_stored = bool(self.guessed.any()) and labels_as_stored(self.index)
        self.as_stored = as_stored
        if as_stored:
            self.turned |= self.guessed

    def _upright(self) -> np.ndarray:
        """(N, 4) boxes in the upright photo."""
        boxes = self.index.labels.boxes[self.objects]
        for place in np.flatnonzero(self.turned):
            own = slice(*self.first[place : place + 2])
            size = ImageSize(*self.sizes[place].tolist(), int(self.orientation[place]))
            boxes[own] = orient_boxes(boxes[own], size)
        return boxes

    # What there is to say

    def _notes(self) -> Iterator[str]:
        """One note for each thing, photo by photo."""
        labels, errors = self.index.labels, self.index.photos.errors
        talked_of = np.zeros(len(labels), bool)
        talked_of[self.unreadable] = True
        talked_of[self.rows[self.unsized | self.other]] = True
        listed = self.class_ids >= 0
        odd = listed & (~self.inside | self.beyond)
        talked_of[self.rows[self.photo[odd]]] = True
        if labels.errors:
            wanted = np.zeros(len(labels), bool)
            wanted[self.rows] = True
            faulty = np.fromiter(labels.errors, np.int64, len(labels.errors))
            talked_of[faulty[wanted[faulty]]] = True
        for row in np.flatnonzero(talked_of).tolist():
            if row in errors:
                yield f"{errors[row]}; skipped"
                continue
            where = labels.where[row]
            yield from (f"{where}, {error}" for error in labels.errors.get(row, ()))
            place = int(np.searchsorted(self.rows, row))
            yield from self._size_notes(where, row, place)
            for i in range(*self.first[place : place + 2].tolist()):
                if odd[i]:
                    yield self._object_note(where, place, i)

    def _size_notes(self, where: str, row: int, place: int) -> Iterator[str]:
        if self.unsized[place]:
            yield f"{where}: has no size; boxes taken to be of the upright photo"
        if self.other[place]:
            width, height = self.index.labels.sizes[row]
            yield (
                f"{where}: made for a photo of {width}×{height}, but it is "
                f"{self.sizes[place, 0]}×{self.sizes[place, 1]}; boxes taken as they are"
            )

    def _object_note(self, where: str, place: int, i: int) -> str:
        what = f"{where}, object {self.index.labels.numbers[self.objects[i]]}: "
        what += self.classes[self.class_ids[i]]
        if not self.inside[i]:
            return f"{what} lies outside the photo; skipped"
        width, height = self.sizes[place]
        return f"{what} reaches beyond the {width}×{height} photo; clipped"

    def _summaries(self) -> Iterator[str]:
        if self.turned.any():
            yield (
                f"the labels of {self.turned.sum()} photos were made before EXIF orientation and "
                f"were turned with them ({self._stems(self.turned)})"
            )
        if self.guessed.any():
            how = "as stored" if self.as_stored else "upright"
            yield (
                f"{self.guessed.sum()} photos have an EXIF orientation that does not show in the "
                f"size that their labels give; they were taken to be of the photo {how} "
                f"({self._stems(self.guessed)})"
            )
        unlisted = self.class_ids < 0
        if unlisted.any():
            labels = self.index.labels
            names = sorted(labels.names[i] for i in set(labels.name_ids[self.objects[unlisted]]))
            yield (
                f"{unlisted.sum()} objects of classes that are not listed were left "
                f"out ({listing(names)})"
            )

    def _stems(self, mask: np.ndarray) -> str:
        rows: Sequence[int] = self.rows[mask][:9].tolist()
        return listing([self.index.entries.image_ids[row] for row in rows])


def labels_as_stored(index: Index) -> bool:
    """Whether a folder's labels belong to photos as stored, not turned upright.

    Photos that lie on their side tell; where there are none, the rule is taken by its letter: the
    size in the labels is that of the unturned photo, so they are.
    """
    upright, made_for = index.photos.sizes, index.labels.sizes
    on_side = (index.photos.orientation >= 5) & (upright[:, 0] != upright[:, 1])
    as_stored = (made_for == upright[:, ::-1]).all(axis=1) & on_side
    as_upright = (made_for == upright).all(axis=1) & on_side
    return int(as_stored.sum()) >= int(as_upright.sum())
