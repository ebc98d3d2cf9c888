"""Tables stored by column, so that a hundred thousand photos stay small and open quickly.

``Strings`` is a list of texts, ``EntryTable`` the photos of a folder and ``LabelTable`` their
labels as the files give them. All three look like the plain objects that they stand for, which are
made when asked for, and go into an archive of arrays and back.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from utils.data.annotations import Annotation, AnnotationError, Entry

Arrays = dict[str, np.ndarray]


class Strings(Sequence[str]):
    """Texts in one block of bytes.

    Attributes:
        block: uint8, the texts in UTF-8 one after the other.
        ends: int64 (N,), where each ends.
    """

    def __init__(self, block: np.ndarray, ends: np.ndarray) -> None:
        if block.dtype != np.uint8 or ends.dtype != np.int64 or block.ndim != 1 or ends.ndim != 1:
            raise ValueError("no texts and ends")
        lengths = np.diff(ends, prepend=0)
        if (lengths < 0).any() or lengths.sum() != len(block):
            raise ValueError("texts and their ends do not belong together")
        self.block, self.ends = block, ends
        self._bytes = memoryview(np.ascontiguousarray(block))

    @classmethod
    def of(cls, texts: Iterable[str]) -> Strings:
        # Names of files may hold lone surrogates, where their bytes are no UTF-8.
        encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
        ends = np.cumsum(np.fromiter(map(len, encoded), np.int64, len(encoded)), dtype=np.int64)
        return cls(np.frombuffer(b"".join(encoded), np.uint8), ends)

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, index):
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        index = range(len(self))[index]
        begin = int(self.ends[index - 1]) if index else 0
        return str(self._bytes[begin : int(self.ends[index])], "utf-8", "surrogatepass")

    def __iter__(self) -> Iterator[str]:
        data, begin = self.block.tobytes(), 0
        for end in self.ends.tolist():
            yield data[begin:end].decode("utf-8", "surrogatepass")
            begin = end

    def arrays(self, name: str) -> Arrays:
        """For an archive; ``read`` makes them ``Strings`` again."""
        return {f"{name}.block": self.block, f"{name}.ends": self.ends}

    @classmethod
    def read(cls, archive: Mapping[str, np.ndarray], name: str) -> Strings:
        return cls(archive[f"{name}.block"], archive[f"{name}.ends"])


class EntryTable(Mapping[str, Entry]):
    """The entries of a layout by image id, sorted; the paths are kept relative to the root."""

    def __init__(self, root: Path, image_ids: Strings, images: Strings, labels: Strings) -> None:
        if not len(image_ids) == len(images) == len(labels):
            raise ValueError("columns of different lengths")
        self.root, self.image_ids, self.images, self.labels = root, image_ids, images, labels

    @classmethod
    def of(cls, root: Path, entries: Mapping[str, Entry]) -> EntryTable:
        skip = len(str(root).rstrip("/")) + 1
        order = sorted(entries)
        return cls(
            root,
            Strings.of(order),
            Strings.of(str(entries[image_id].image)[skip:] for image_id in order),
            Strings.of(
                str(label)[skip:] if (label := entries[image_id].label) else ""
                for image_id in order
            ),
        )

    def __len__(self) -> int:
        return len(self.image_ids)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __contains__(self, image_id: object) -> bool:
        return isinstance(image_id, str) and self._row(image_id) is not None

    def __getitem__(self, image_id: str) -> Entry:
        row = self._row(image_id)
        if row is None:
            raise KeyError(image_id)
        return self.at(row)

    @cached_property
    def names(self) -> list[str]:
        """All image ids, made once: sets and lists of them share the same texts."""
        return list(self.image_ids)

    @property
    def places(self) -> dict[str, int]:
        """The row of each image id, for many at once; made anew each time, as it is large."""
        return {image_id: row for row, image_id in enumerate(self.names)}

    def _row(self, image_id: str) -> int | None:
        row = bisect_left(self.names, image_id)
        return row if row < len(self.names) and self.names[row] == image_id else None

    def at(self, row: int) -> Entry:
        label = self.labels[row]
        return Entry(self.image_ids[row], self.image(row), self.root / label if label else None)

    def image(self, row: int) -> Path:
        """Path of the photo in that row."""
        return self.root / self.images[row]


@dataclass(frozen=True)
class LabelTable:
    """The annotations of P photos with N objects, in the order of an ``EntryTable``.

    Attributes:
        where: P names of the labels' places in messages.
        filenames: P names of photos that the files themselves give.
        sizes: int32 (P, 2) width and height that the labels were made for, 0 where not said.
        upright: bool (P,).
        first: int64 (P + 1,); the objects of photo i are ``first[i]:first[i + 1]``.
        names: the class names that occur, in order of occurrence.
        name_ids: int32 (N,), indices into ``names``.
        boxes: float32 (N, 4).
        difficult: bool (N,).
        numbers: int32 (N,), places among the photo's objects.
        errors: what was left out, by photo.
        unreadable: why the labels of a photo could not be read at all, by photo.
    """

    where: Strings
    filenames: Strings
    sizes: np.ndarray
    upright: np.ndarray
    first: np.ndarray
    names: tuple[str, ...]
    name_ids: np.ndarray
    boxes: np.ndarray
    difficult: np.ndarray
    numbers: np.ndarray
    errors: Mapping[int, tuple[AnnotationError, ...]] = field(default_factory=dict)
    unreadable: Mapping[int, AnnotationError] = field(default_factory=dict)

    @classmethod
    def of(cls, annotations: Iterable[Annotation | AnnotationError]) -> LabelTable:
        return _Collector().collect(annotations)

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
            names=self.names_of(row),
            boxes=self.boxes[own],
            difficult=self.difficult[own],
            upright=bool(self.upright[row]),
            numbers=tuple(self.numbers[own].tolist()),
            errors=self.errors.get(row, ()),
        )

    def names_of(self, row: int) -> tuple[str, ...]:
        """The class names of a photo's objects."""
        own = self.name_ids[self.first[row] : self.first[row + 1]]
        return tuple(self.names[i] for i in own.tolist())

    def readable(self) -> np.ndarray:
        """bool (P,), the photos whose labels could be read."""
        mask = np.ones(len(self), bool)
        mask[list(self.unreadable)] = False
        return mask

    def photo_of_object(self) -> np.ndarray:
        """int64 (N,), the row of the photo that each object is in."""
        return np.repeat(np.arange(len(self)), np.diff(self.first))

    def arrays(self) -> Arrays:
        """For an archive; ``read`` makes them a table again."""
        odd = {
            "names": self.names,
            "errors": [[row, [_plain(f) for f in found]] for row, found in self.errors.items()],
            "unreadable": [[row, _plain(error)] for row, error in self.unreadable.items()],
        }
        return {
            **self.where.arrays("where"),
            **self.filenames.arrays("filenames"),
            **{name: getattr(self, name) for name in _LABEL_COLUMNS},
            "odd_labels": to_json(odd),
        }

    @classmethod
    def read(cls, archive: Mapping[str, np.ndarray]) -> LabelTable:
        """Raises ValueError, KeyError or TypeError: it is not what ``arrays`` makes."""
        odd = from_json(archive["odd_labels"])
        names = tuple(odd["names"])
        photos, objects = len(archive["upright"]), len(archive["difficult"])
        columns = {
            name: column(archive, name, dtype, (photos if of_photo else objects, *width))
            for name, (dtype, of_photo, *width) in _LABEL_COLUMNS.items()
            if name != "first"
        }
        first = column(archive, "first", np.int64, (photos + 1,))
        if first[0] != 0 or first[-1] != objects or (np.diff(first) < 0).any():
            raise ValueError("objects and photos do not belong together")
        ids = columns["name_ids"]
        if objects and not (ids.min() >= 0 and ids.max() < len(names)):
            raise ValueError("an object of no class")
        where, filenames = (Strings.read(archive, name) for name in ("where", "filenames"))
        if not len(where) == len(filenames) == photos:
            raise ValueError("columns of different lengths")
        errors = {row: tuple(AnnotationError(*f) for f in found) for row, found in odd["errors"]}
        unreadable = {row: AnnotationError(*error) for row, error in odd["unreadable"]}
        check_rows([*errors, *unreadable], photos)
        return cls(
            where=where,
            filenames=filenames,
            names=names,
            errors=errors,
            unreadable=unreadable,
            first=first,
            **columns,
        )


# Name → kind of number, whether there is a row for each photo (else for each object), width.
_LABEL_COLUMNS = {
    "sizes": (np.int32, True, 2),
    "upright": (np.bool_, True),
    "first": (np.int64, True),
    "name_ids": (np.int32, False),
    "boxes": (np.float32, False, 4),
    "difficult": (np.bool_, False),
    "numbers": (np.int32, False),
}


class _Collector:
    """Gathers annotations one after the other; each leaves only numbers behind."""

    def __init__(self) -> None:
        self.where, self.filenames = _TextPile(), _TextPile()
        self.sizes = _Pile(np.int32)
        self.upright: list[bool] = []
        self.counts: list[int] = [0]
        self.ids: dict[str, int] = {}
        self.name_ids, self.numbers = _Pile(np.int32), _Pile(np.int32)
        self.boxes, self.difficult = _Pile(np.float32), _Pile(bool)
        self.errors: dict[int, tuple[AnnotationError, ...]] = {}
        self.unreadable: dict[int, AnnotationError] = {}

    def collect(self, annotations: Iterable[Annotation | AnnotationError]) -> LabelTable:
        for row, found in enumerate(annotations):
            if isinstance(found, AnnotationError):
                self.unreadable[row] = found
                self._photo("", "", None, False, 0)
                continue
            if found.errors:
                self.errors[row] = found.errors
            self._photo(found.where, found.filename, found.size, found.upright, len(found.names))
            self.name_ids.add([self.ids.setdefault(n, len(self.ids)) for n in found.names])
            self.numbers.add(found.numbers)
            self.boxes.add(found.boxes)
            self.difficult.add(found.difficult)
        return LabelTable(
            where=self.where.strings(),
            filenames=self.filenames.strings(),
            sizes=self.sizes.array().reshape(-1, 2),
            upright=np.array(self.upright, bool),
            first=np.cumsum(self.counts, dtype=np.int64),
            names=tuple(self.ids),
            name_ids=self.name_ids.array(),
            boxes=self.boxes.array().reshape(-1, 4),
            difficult=self.difficult.array(),
            numbers=self.numbers.array(),
            errors=self.errors,
            unreadable=self.unreadable,
        )

    def _photo(
        self, where: str, filename: str, size: tuple[int, int] | None, upright: bool, count: int
    ) -> None:
        self.where.add(where)
        self.filenames.add(filename)
        # Sizes that no photo has are kept as the largest that fits, and agree with no photo.
        self.sizes.add([min(side, 2**31 - 1) for side in size or (0, 0)])
        self.upright.append(upright)
        self.counts.append(count)


class _Pile:
    """A growing array."""

    def __init__(self, dtype: type) -> None:
        self.dtype = np.dtype(dtype)
        self.content = bytearray()

    def add(self, values: Sequence | np.ndarray) -> None:
        if len(values):
            self.content += np.ascontiguousarray(values, self.dtype).tobytes()

    def array(self) -> np.ndarray:
        return np.frombuffer(bytes(self.content), self.dtype)


class _TextPile:
    """A growing list of texts."""

    def __init__(self) -> None:
        self.content = bytearray()
        self.ends = _Pile(np.int64)

    def add(self, text: str) -> None:
        self.content += text.encode("utf-8", "surrogatepass")
        self.ends.add([len(self.content)])

    def strings(self) -> Strings:
        return Strings(np.frombuffer(bytes(self.content), np.uint8), self.ends.array())


def column(
    archive: Mapping[str, np.ndarray], name: str, dtype: type, shape: tuple[int, ...]
) -> np.ndarray:
    """An array of an archive.

    Raises:
        KeyError, ValueError: it is missing, or of another kind.
    """
    found = archive[name]
    if found.dtype != dtype or found.shape != shape:
        raise ValueError(f"{name} is {found.dtype} {found.shape}, not {np.dtype(dtype)} {shape}")
    return found


def check_rows(rows: Iterable[object], count: int) -> None:
    """Raises ValueError: one of them is no row of a table of that length."""
    if not all(isinstance(row, int) and 0 <= row < count for row in rows):
        raise ValueError("a row that is not there")


def to_json(value: object) -> np.ndarray:
    """A plain value as uint8, for an archive of arrays."""
    return np.frombuffer(json.dumps(value).encode("ascii"), np.uint8)


def from_json(block: np.ndarray) -> object:
    return json.loads(block.tobytes())


def _plain(error: AnnotationError) -> list:
    return [error.kind, error.message, error.number]
