"""From labels to records: ``RecordMaker`` rotates boxes, clips them and numbers classes.

It works on arrays of all objects at once. Only photos with something to report are visited one
by one. Everything that is skipped or corrected becomes a note.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from utils.data.folder.index import Index
from utils.data.folder.reasons import many_left_out
from utils.data.records import Dataset, RecordTable
from utils.images import ImageSize, orient_boxes
from utils.pixel_range import PixelRanges
from utils.text import counted, listed, nfc

TOLERANCE = 1.0  # pixels beyond the photo: counting from 0 instead of 1 is too common to report


class RecordMaker:
    """The boxes of some photos in the upright photo, and records of them.

    Args:
        index: the folder.
        rows: int (P,), the photos, rising; their labels are readable.
        classes: class names in the order of their ids; objects of other classes are left out.
        as_stored: whether labels belong to photos before EXIF orientation where their size does
            not tell. When None, the rest of the folder decides.

    Attributes:
        rows: int64 (P,), those of ``rows`` with a readable photo.
        first: int64 (P + 1,); the objects of photo i are ``first[i]:first[i + 1]``.
        boxes: float32 (N, 4), in pixels of the upright photo, not clipped.
        orientation_unclear: bool (P,), EXIF rotates the photo, and its labels do not tell whether
            they are rotated too.
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

        # The objects of these photos, and for each the index of its photo in ``rows``.
        counts = labels.first[rows + 1] - labels.first[rows]
        self.photo = np.repeat(np.arange(len(rows)), counts)
        self.first = np.concatenate([[0], np.cumsum(counts)])
        shift = labels.first[rows] - self.first[:-1]
        self.objects = np.arange(len(self.photo)) + np.repeat(shift, counts)

        self.sizes = photos.sizes[rows]
        self.orientation = photos.orientation[rows]
        self._compare_sizes(as_stored)
        self.boxes = self._upright()
        limits = np.tile(self.sizes, 2)[self.photo].astype(np.float32)
        self.clipped = np.clip(self.boxes, 0, limits)
        self.inside = (self.clipped[:, 2:] > self.clipped[:, :2]).all(axis=1)
        self.beyond = (np.abs(self.clipped - self.boxes) > TOLERANCE).any(axis=1)
        # A checkpoint may spell accents in the other way.
        ids = {nfc(name): i for i, name in reversed([*enumerate(classes)])}
        by_name = np.array([ids.get(name, -1) for name in labels.names], np.int32)
        self.class_ids = by_name[labels.name_ids[self.objects]]

    def dataset(self, notes: tuple[str, ...]) -> Dataset:
        many = many_left_out(self.index, self._used(), self.rows, self._outside())
        notes = (*filter(None, [many]), *notes, *self._notes(), *self._summaries())
        ranges = PixelRanges.of(self.index.photos.extremes.values())
        return Dataset(self.records(), self.classes, notes, ranges)

    def _used(self) -> int:
        return int((self.inside & (self.class_ids >= 0)).sum())

    def _outside(self) -> tuple[int, str]:
        """How many objects lie outside their photo, and the first of them in words."""
        outside = np.flatnonzero(~self.inside & (self.class_ids >= 0))
        if not len(outside):
            return 0, ""
        i = int(outside[0])
        photo = int(self.photo[i])
        note = self._object_note(self.index.labels.where[self.rows[photo]], photo, i)
        return len(outside), note.removesuffix("; skipped")

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
            areas=self.index.labels.areas[self.objects[kept]],
        )

    # EXIF orientation

    def _compare_sizes(self, as_stored: bool | None) -> None:
        """Compare the sizes in the labels with those of the photos, before and after EXIF.

        Attributes set, bool (P,):
            unsized: EXIF rotates the photo, and the labels give no size.
            mismatched: the size in the labels is not that of the photo.
            ambiguous: both sizes agree: the photo is rotated by 180°, mirrored, or square.
            rotated: the labels were made for the photo as stored, so they are rotated with it.
        """
        made_for = self.index.labels.sizes[self.rows]
        known = made_for[:, 0] > 0
        on_side = self.orientation >= 5
        stored = np.where(on_side[:, None], self.sizes[:, ::-1], self.sizes)
        is_upright = (made_for == self.sizes).all(axis=1)
        is_stored = (made_for == stored).all(axis=1)
        undeclared = (self.orientation != 1) & ~self.index.labels.upright[self.rows]
        self.unsized = ~known & undeclared
        self.mismatched = known & ~is_upright & ~is_stored
        self.ambiguous = known & undeclared & is_upright & is_stored
        self.rotated = known & undeclared & is_stored & ~is_upright
        self.orientation_unclear = self.unsized | self.ambiguous
        if as_stored is None:
            as_stored = bool(self.ambiguous.any()) and labels_as_stored(self.index)
        self.as_stored = as_stored
        if as_stored:
            self.rotated |= self.ambiguous

    def _upright(self) -> np.ndarray:
        """(N, 4) boxes in the upright photo."""
        boxes = self.index.labels.boxes[self.objects]
        for photo in np.flatnonzero(self.rotated):
            own = slice(*self.first[photo : photo + 2])
            size = ImageSize(*self.sizes[photo].tolist(), int(self.orientation[photo]))
            boxes[own] = orient_boxes(boxes[own], size)
        return boxes

    # Notes

    def _notes(self) -> Iterator[str]:
        """Notes on single photos and objects, photo by photo."""
        labels, errors = self.index.labels, self.index.photos.errors
        odd = (self.class_ids >= 0) & (~self.inside | self.beyond)
        noted = np.zeros(len(labels), bool)  # photos with something to report
        chosen = np.zeros(len(labels), bool)
        chosen[self.rows] = True
        noted[[row for row in labels.errors if chosen[row]]] = True
        noted[self.unreadable] = True
        noted[self.rows[self.unsized | self.mismatched]] = True
        noted[self.rows[self.photo[odd]]] = True
        for row in np.flatnonzero(noted).tolist():
            if row in errors:
                yield f"{errors[row]}; skipped"
                continue
            where = labels.where[row]
            yield from (f"{where}, {error}" for error in labels.errors.get(row, ()))
            photo = int(np.searchsorted(self.rows, row))
            yield from self._size_notes(where, row, photo)
            for i in range(*self.first[photo : photo + 2].tolist()):
                if odd[i]:
                    yield self._object_note(where, photo, i)

    def _size_notes(self, where: str, row: int, photo: int) -> Iterator[str]:
        if self.unsized[photo]:
            yield f"{where}: has no size; its boxes are taken as those of the rotated photo"
        if self.mismatched[photo]:
            width, height = self.index.labels.sizes[row]
            yield (
                f"{where}: made for a photo of {width}×{height}, but it is "
                f"{self.sizes[photo, 0]}×{self.sizes[photo, 1]}; its boxes are used unchanged"
            )

    def _object_note(self, where: str, photo: int, i: int) -> str:
        what = f"{where}, object {self.index.labels.numbers[self.objects[i]]}: "
        what += self.classes[self.class_ids[i]]
        if not self.inside[i]:
            return f"{what} lies outside the photo; skipped"
        width, height = self.sizes[photo]
        return f"{what} reaches beyond the {width}×{height} photo; clipped"

    def _summaries(self) -> Iterator[str]:
        """Notes on many photos at once."""
        frames = self.index.photos.frames
        several = np.array([int(row) in frames for row in self.rows], bool) if frames else None
        if several is not None and several.any():
            yield (
                f"{counted(several.sum(), 'photo')} with several frames or pages: the first "
                f"is used ({self._names(several)})"
            )
        if self.rotated.any():
            yield (
                f"labels of {counted(self.rotated.sum(), 'photo')} were made before EXIF "
                f"orientation and are rotated with the photo ({self._names(self.rotated)})"
            )
        if self.ambiguous.any():
            how = "the photo as stored" if self.as_stored else "the rotated photo"
            yield (
                f"the size in the labels of {counted(self.ambiguous.sum(), 'photo')} does not tell "
                f"whether they were made before EXIF orientation; their boxes are taken as those "
                f"of {how} ({self._names(self.ambiguous)})"
            )
        unlisted = self.class_ids < 0
        if unlisted.any():
            labels = self.index.labels
            names = sorted(labels.names[i] for i in set(labels.name_ids[self.objects[unlisted]]))
            yield (
                f"{counted(unlisted.sum(), 'object')} of other classes left out "
                f"({listed(names, most=8)})"
            )

    def _names(self, mask: np.ndarray) -> str:
        image_ids = self.index.entries.image_ids
        return listed([image_ids[row] for row in self.rows[mask]], most=8)


def labels_as_stored(index: Index) -> bool:
    """Whether a folder's labels belong to photos as stored, before EXIF orientation.

    Photos that EXIF rotates by 90° decide, as their two sizes differ. Without any, the labels are
    taken to belong to photos as stored.
    """
    upright, made_for = index.photos.sizes, index.labels.sizes
    on_side = (index.photos.orientation >= 5) & (upright[:, 0] != upright[:, 1])
    as_stored = (made_for == upright[:, ::-1]).all(axis=1) & on_side
    as_upright = (made_for == upright).all(axis=1) & on_side
    return int(as_stored.sum()) >= int(as_upright.sum())
