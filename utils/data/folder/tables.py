"""The photos of a folder and their labels as tables, so that 100,000 photos stay small.

``EntryTable`` has the paths, ``PhotoTable`` the sizes, ``LabelTable`` the labels as the files give
them. A row is a photo. A table makes the plain objects that it stands for when asked for one.
``content`` gives a table to the cache, and ``from_content`` reads it back.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from utils.data.annotations import Annotation, AnnotationError, Entry
from utils.images import ImageInfo, ImageSize
from utils.pixel_range import Extremes

_MAX_SIDE = 2**31 - 1  # larger sizes in labels are cut to it; they match no photo in any case
_NO_LABELS = Annotation("", "", None, (), np.zeros((0, 4), np.float32), np.zeros(0), False, (), ())


@dataclass(frozen=True, eq=False)
class EntryTable(Mapping[str, Entry]):
    """The entries of a layout by image id.

    Attributes:
        root: the data folder.
        image_ids: sorted.
        images, labels: paths relative to the root; a label is "" if the photo has no label file.
    """

    root: Path
    image_ids: Sequence[str]
    images: Sequence[str]
    labels: Sequence[str]

    @classmethod
    def of(cls, root: Path, entries: Mapping[str, Entry]) -> EntryTable:
        skip = len(str(root).rstrip("/")) + 1
        image_ids = sorted(entries)
        found = [entries[image_id] for image_id in image_ids]
        images = [str(entry.image)[skip:] for entry in found]
        labels = [str(entry.label)[skip:] if entry.label else "" for entry in found]
        return cls(root, image_ids, images, labels)

    def __len__(self) -> int:
        return len(self.image_ids)

    def __iter__(self) -> Iterator[str]:
        return iter(self.image_ids)

    def __contains__(self, image_id: object) -> bool:
        return isinstance(image_id, str) and self._row(image_id) is not None

    def __getitem__(self, image_id: str) -> Entry:
        row = self._row(image_id)
        if row is None:
            raise KeyError(image_id)
        return self.at(row)

    @property
    def rows(self) -> dict[str, int]:
        """The row of each image id, to look up many; built on every access, as it is large."""
        return {image_id: row for row, image_id in enumerate(self.image_ids)}

    def _row(self, image_id: str) -> int | None:
        row = bisect_left(self.image_ids, image_id)
        return row if row < len(self) and self.image_ids[row] == image_id else None

    def at(self, row: int) -> Entry:
        label = self.labels[row]
        return Entry(self.image_ids[row], self.image(row), self.root / label if label else None)

    def image(self, row: int) -> Path:
        """Path of the photo in that row."""
        return self.root / self.images[row]


@dataclass(frozen=True)
class PhotoTable:
    """Sizes of P photos.

    Attributes:
        sizes: int32 (P, 2), width and height in pixels of the upright photo, 0 where unreadable.
        orientation: uint8 (P,), EXIF orientation, 1–8.
        errors: why a photo cannot be read, by row.
        extremes: of the values of those of high bit depth, by row.
        frames: of those with more than one, by row.
    """

    sizes: np.ndarray
    orientation: np.ndarray
    errors: Mapping[int, str] = field(default_factory=dict)
    extremes: Mapping[int, Extremes] = field(default_factory=dict)
    frames: Mapping[int, int] = field(default_factory=dict)

    @classmethod
    def of(cls, found: Iterable[ImageInfo | str]) -> PhotoTable:
        sizes, orientation, errors, extremes, frames = array("i"), bytearray(), {}, {}, {}
        for row, facts in enumerate(found):
            if isinstance(facts, str):
                errors[row] = facts
                facts = ImageInfo(ImageSize(0, 0, 1))
            if facts.extremes is not None:
                extremes[row] = facts.extremes
            if facts.frames > 1:
                frames[row] = facts.frames
            size = facts.size
            sizes.extend(size[:2])
            orientation.append(size.orientation)
        return cls(
            np.array(sizes, np.int32).reshape(-1, 2),
            np.array(orientation, np.uint8),
            errors,
            extremes,
            frames,
        )

    def __getitem__(self, row: int) -> ImageInfo | str:
        """The facts of one photo, or why it cannot be read."""
        if row in self.errors:
            return self.errors[row]
        size = ImageSize(*self.sizes[row].tolist(), int(self.orientation[row]))
        return ImageInfo(size, self.extremes.get(row), self.frames.get(row, 1))


@dataclass(frozen=True)
class LabelTable:
    """The annotations of P photos with N objects, in the order of an ``EntryTable``.

    Attributes:
        where: P places of the labels, for messages.
        filenames: P names of photos as the label files give them.
        sizes: int32 (P, 2) width and height that the labels were made for, 0 where not given.
        upright: bool (P,).
        first: int64 (P + 1,); the objects of photo i are ``first[i]:first[i + 1]``.
        names: the class names that occur, in order of occurrence.
        name_ids: int32 (N,), indices into ``names``.
        boxes: float32 (N, 4).
        difficult: bool (N,).
        numbers: int32 (N,), positions among the photo's objects.
        outlines: int32 (P,), objects of each photo that are labelled by an outline or rotated box.
        scores: float32 (N,), of objects that a detector found; NaN for the others.
        areas: float32 (N,), as the files give them; NaN for the others.
        errors: what was left out, by photo.
        unreadable: why the labels of a photo cannot be read at all, by photo.
    """

    where: Sequence[str]
    filenames: Sequence[str]
    sizes: np.ndarray
    upright: np.ndarray
    first: np.ndarray
    names: Sequence[str]
    name_ids: np.ndarray
    boxes: np.ndarray
    difficult: np.ndarray
    numbers: np.ndarray
    outlines: np.ndarray
    scores: np.ndarray
    areas: np.ndarray
    errors: Mapping[int, tuple[AnnotationError, ...]] = field(default_factory=dict)
    unreadable: Mapping[int, AnnotationError] = field(default_factory=dict)

    @classmethod
    def of(cls, annotations: Iterable[Annotation | AnnotationError]) -> LabelTable:
        """Gathers annotations one by one; of each only names and numbers stay in memory."""
        where, filenames, errors, unreadable = [], [], {}, {}
        sizes, first, name_ids, numbers = array("i"), array("q", [0]), array("i"), array("i")
        boxes, difficult, upright, outlines = array("f"), bytearray(), bytearray(), array("i")
        scores, areas = array("f"), array("f")
        names: dict[str, int] = {}
        for row, found in enumerate(annotations):
            if isinstance(found, AnnotationError):
                unreadable[row] = found
                found = _NO_LABELS
            elif found.errors:
                errors[row] = found.errors
            where.append(found.where)
            filenames.append(found.filename)
            sizes.extend(min(side, _MAX_SIDE) for side in found.size or (0, 0))
            upright.append(found.upright)
            first.append(first[-1] + len(found.names))
            name_ids.extend(names.setdefault(name, len(names)) for name in found.names)
            numbers.extend(found.numbers)
            outlines.append(found.outlines)
            boxes.frombytes(np.asarray(found.boxes, np.float32).tobytes())
            unknown = [math.nan] * len(found.names)
            scores.extend(unknown if found.scores is None else found.scores)
            areas.extend(unknown if found.areas is None else found.areas)
            difficult += np.asarray(found.difficult, bool).tobytes()
        return cls(
            where=where,
            filenames=filenames,
            sizes=np.array(sizes, np.int32).reshape(-1, 2),
            upright=np.array(upright, np.uint8).astype(bool),
            first=np.array(first, np.int64),
            names=list(names),
            name_ids=np.array(name_ids, np.int32),
            boxes=np.array(boxes, np.float32).reshape(-1, 4),
            difficult=np.array(difficult, np.uint8).astype(bool),
            numbers=np.array(numbers, np.int32),
            outlines=np.array(outlines, np.int32),
            scores=np.array(scores, np.float32),
            areas=np.array(areas, np.float32),
            errors=errors,
            unreadable=unreadable,
        )

    def __len__(self) -> int:
        return len(self.upright)

    def __getitem__(self, row: int) -> Annotation | AnnotationError:
        """The annotation of one photo as it was read."""
        if row in self.unreadable:
            return self.unreadable[row]
        own = slice(*self.first[row : row + 2])
        width, height = self.sizes[row].tolist()
        return Annotation(
            where=self.where[row],
            filename=self.filenames[row],
            size=(width, height) if width else None,
            names=tuple(self.names[i] for i in self.name_ids[own].tolist()),
            boxes=self.boxes[own],
            difficult=self.difficult[own],
            upright=bool(self.upright[row]),
            numbers=tuple(self.numbers[own].tolist()),
            errors=self.errors.get(row, ()),
            outlines=int(self.outlines[row]),
            scores=self.scores[own],
            areas=self.areas[own],
        )

    def photo_of_object(self) -> np.ndarray:
        """int64 (N,), the row of the photo of each object."""
        return np.repeat(np.arange(len(self)), np.diff(self.first))

    def content(self) -> dict[str, Any]:
        return {
            **vars(self),
            "errors": [[row, list(map(astuple, found))] for row, found in self.errors.items()],
            "unreadable": [[row, astuple(error)] for row, error in self.unreadable.items()],
        }

    @classmethod
    def from_content(cls, content: Mapping[str, Any]) -> LabelTable:
        columns = {name: content[name] for name in cls.__dataclass_fields__}
        columns["errors"] = {
            row: tuple(AnnotationError(*error) for error in found)
            for row, found in content["errors"]
        }
        columns["unreadable"] = {
            row: AnnotationError(*error) for row, error in content["unreadable"]
        }
        return cls(**columns)
