"""All that a data folder holds, read once and kept: ``open_index``.

The index has the layout, the labels as they stand and the size of every photo, by column. It is
kept in the cache (``utils.data.folder.cache``) and valid as long as every file of the folder has
the same size and times of change; after that only what changed is read again, where a format has a
label file for each photo.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np

from utils.data.annotations import Annotation, AnnotationError, Layout, SplitList
from utils.data.folder.cache import load_arrays, save_arrays
from utils.data.folder.file_scan import real_folder, snapshot
from utils.data.folder.tables import (
    Arrays,
    EntryTable,
    LabelTable,
    Strings,
    check_rows,
    column,
    from_json,
    to_json,
)
from utils.data.formats import find_layout, labels_depend_on_own_file, read_annotations
from utils.data.formats.naming import names_photo
from utils.errors import UserError
from utils.images import ImageSize, image_size
from utils.memory import give_back_memory
from utils.progress import progress


@dataclass(frozen=True)
class PhotoTable:
    """Sizes of P photos.

    Attributes:
        sizes: int32 (P, 2), width and height in pixels of the upright photo, 0 where unreadable.
        orientation: uint8 (P,), EXIF orientation, 1–8.
        errors: why a photo cannot be read, by row.
    """

    sizes: np.ndarray
    orientation: np.ndarray
    errors: Mapping[int, str] = field(default_factory=dict)

    @classmethod
    def of(cls, found: Iterable[ImageSize | str]) -> PhotoTable:
        sizes, orientation, errors = [], bytearray(), {}
        for row, size in enumerate(found):
            if isinstance(size, str):
                errors[row] = size
                size = ImageSize(0, 0, 1)
            sizes.append(size[:2])
            orientation.append(size.orientation)
        return cls(
            np.array(sizes, np.int32).reshape(-1, 2),
            np.frombuffer(bytes(orientation), np.uint8),
            errors,
        )

    def __getitem__(self, row: int) -> ImageSize | str:
        """The size of one photo, or why it has none."""
        if row in self.errors:
            return self.errors[row]
        return ImageSize(*self.sizes[row].tolist(), int(self.orientation[row]))


@dataclass(frozen=True)
class Index:
    """A folder with its labels and the sizes of its photos; rows are those of ``entries``.

    Attributes:
        layout: what the folder holds; its entries are ``entries``.
        entries: the labelled photos.
        labels: what their labels say.
        photos: their sizes.
        misnamed: rows whose labels name another photo than the one that they belong to.
        state: names this content; what was made from the same state can be used again.
        settled: whether what is made from it may be kept.
    """

    layout: Layout
    entries: EntryTable
    labels: LabelTable
    photos: PhotoTable
    misnamed: tuple[int, ...]
    state: str
    settled: bool


class _Kept(NamedTuple):
    """An index, and the sizes and times of its files when it was made (see ``_stamps``)."""

    index: Index
    stamps: np.ndarray


def open_index(data: str | Path) -> Index:
    """The index of a data folder, kept or made.

    Raises:
        UserError: no such folder, or nothing in it that can be used.
    """
    root = real_folder(data)
    now = snapshot(root)
    kept = _read(root, load_arrays(root, "index", now.state), now.state, now.settled)
    if kept is not None:
        return kept.index
    # What was kept of an earlier state says what has not changed since.
    before = _read(root, load_arrays(root, "index", ""), "", False)
    layout = find_layout(root)
    entries = EntryTable.of(root, layout.entries)
    layout = replace(layout, entries=entries)
    stamps = _stamps(entries)
    old_rows = _unchanged(entries, stamps, before)
    labels = _labels(layout, old_rows[:, 1], before)
    # A format's layout may hold more than the plain one, which is no longer needed.
    layout = Layout(**{name: getattr(layout, name) for name in Layout.__dataclass_fields__})
    index = Index(
        layout=layout,
        entries=entries,
        labels=labels,
        photos=PhotoTable.of(_sizes(entries, old_rows[:, 0], before)),
        misnamed=tuple(_misnamed(entries, labels)),
        state=now.state,
        settled=now.settled,
    )
    if now.settled:
        save_arrays(root, "index", now.state, _arrays(index, stamps))
    give_back_memory()
    return index


def _labels(layout: Layout, old_rows: np.ndarray, before: _Kept | None) -> LabelTable:
    if before is None or not labels_depend_on_own_file(layout) or (old_rows < 0).all():
        found = read_annotations(layout)
        return LabelTable.of(
            annotation for _, annotation in progress(found, "reading labels", len(layout.entries))
        )
    entries, old = layout.entries, before.index
    changed = {entries.image_ids[row]: entries.at(row) for row in np.flatnonzero(old_rows < 0)}
    fresh = read_annotations(replace(layout, entries=changed))

    def merged() -> Iterator[Annotation | AnnotationError]:
        for row in old_rows.tolist():
            yield old.labels[row] if row >= 0 else next(fresh)[1]

    return LabelTable.of(merged())


def _sizes(
    entries: EntryTable, old_rows: np.ndarray, before: _Kept | None
) -> Iterator[ImageSize | str]:
    for row, old in enumerate(progress(old_rows.tolist(), "measuring photos", len(entries))):
        if old >= 0:
            yield before.index.photos[old]
            continue
        try:
            yield image_size(entries.image(row))
        except UserError as error:
            yield str(error)


def _stamps(entries: EntryTable) -> np.ndarray:
    """int64 (P, 2, 3): size and both times of each photo and its label file, −1 without any."""
    top = str(entries.root) + os.sep
    stamps = np.full((len(entries), 2, 3), -1, np.int64)
    for kind, paths in enumerate((entries.images, entries.labels)):
        for row, path in enumerate(paths):
            if not path:
                continue
            try:
                status = os.stat(top + path)
            except OSError:
                continue
            stamps[row, kind] = status.st_size, status.st_mtime_ns, status.st_ctime_ns
    return stamps


def _unchanged(entries: EntryTable, stamps: np.ndarray, before: _Kept | None) -> np.ndarray:
    """int64 (P, 2): where photo and labels of each row stood before, −1 where they changed."""
    rows = np.full((len(entries), 2), -1, np.int64)
    if before is None:
        return rows
    old, old_stamps = before.index, before.stamps
    places = old.entries.places
    for row, (image_id, image, label) in enumerate(
        zip(entries.image_ids, entries.images, entries.labels, strict=True)
    ):
        was = places.get(image_id)
        if was is None:
            continue
        for kind, (path, column_of_old) in enumerate(
            ((image, old.entries.images), (label, old.entries.labels))
        ):
            same = (stamps[row, kind] == old_stamps[was, kind]).all()
            if same and stamps[row, kind, 0] >= 0 and path == column_of_old[was]:
                rows[row, kind] = was
    return rows


def _arrays(index: Index, stamps: np.ndarray) -> Arrays:
    layout, places = index.layout, index.entries.places
    lists = {
        name: np.array(
            [places[image_id] for image_id in found.image_ids if image_id in places], np.int32
        )
        for name, found in layout.lists.items()
    }
    skip = len(str(layout.root)) + 1
    facts = {
        "format": layout.format,
        "lists": {name: list(found.notes) for name, found in layout.lists.items()},
        "class_order": layout.class_order,
        "years": layout.years,
        "unmatched_labels": layout.unmatched_labels,
        "notes": layout.notes,
        "misnamed": index.misnamed,
        "photo_errors": list(index.photos.errors.items()),
    }
    return {
        "facts": to_json(facts),
        "stamps": stamps,
        **index.entries.image_ids.arrays("stems"),
        **index.entries.images.arrays("images"),
        **index.entries.labels.arrays("labels"),
        **Strings.of(str(path)[skip:] for path in layout.unlabelled).arrays("unlabelled"),
        "lists": np.concatenate([*lists.values(), np.empty(0, np.int32)]),
        "list_ends": np.cumsum([len(rows) for rows in lists.values()], dtype=np.int64),
        **index.labels.arrays(),
        "photo_sizes": index.photos.sizes,
        "orientation": index.photos.orientation,
    }


def _read(root: Path, archive: Arrays | None, state: str, settled: bool) -> _Kept | None:
    """The index that an archive holds; None where it makes no sense."""
    if archive is None:
        return None
    try:
        facts = from_json(archive["facts"])
        entries = EntryTable(
            root, *(Strings.read(archive, name) for name in ("stems", "images", "labels"))
        )
        labels = LabelTable.read(archive)
        count = len(entries)
        sizes = column(archive, "photo_sizes", np.int32, (count, 2))
        orientation = column(archive, "orientation", np.uint8, (count,))
        stamps = column(archive, "stamps", np.int64, (count, 2, 3))
        names = entries.names
        if len(labels) != count or any(a >= b for a, b in pairwise(names)):
            raise ValueError("rows that do not belong together")
        if (sizes < 0).any() or ((orientation < 1) | (orientation > 8)).any():
            raise ValueError("sizes of no photo")
        layout = Layout(
            format=facts["format"],
            root=root,
            entries=entries,
            lists=_lists(entries, archive, facts["lists"]),
            class_order=None if facts["class_order"] is None else tuple(facts["class_order"]),
            years=tuple(facts["years"]),
            unlabelled=tuple(root / path for path in Strings.read(archive, "unlabelled")),
            unmatched_labels=tuple(facts["unmatched_labels"]),
            notes=tuple(facts["notes"]),
        )
        photos = PhotoTable(sizes, orientation, dict(facts["photo_errors"]))
        misnamed = tuple(facts["misnamed"])
        check_rows([*photos.errors, *misnamed], count)
    except (KeyError, ValueError, IndexError, TypeError, AttributeError, RecursionError):
        return None  # not what this version writes
    index = Index(layout, entries, labels, photos, misnamed, state, settled)
    return _Kept(index, stamps)


def _lists(
    entries: EntryTable, archive: Arrays, notes: Mapping[str, Sequence[str]]
) -> dict[str, SplitList]:
    image_ids = entries.names if notes else []
    rows, ends = archive["lists"], archive["list_ends"]
    if rows.dtype != np.int32 or ends.dtype != np.int64 or ends.shape != (len(notes),):
        raise ValueError("lists of another kind")
    if (np.diff(ends, prepend=0) < 0).any() or len(rows) != (ends[-1] if len(ends) else 0):
        raise ValueError("lists and their ends do not belong together")
    if rows.size and rows.min() < 0:
        raise ValueError("a list of photos that are not there")
    parts = np.split(rows, ends[:-1]) if notes else []
    return {
        name: SplitList(tuple(image_ids[row] for row in rows.tolist()), tuple(notes[name]))
        for name, rows in zip(notes, parts, strict=True)
    }


def _misnamed(entries: EntryTable, labels: LabelTable) -> Iterator[int]:
    for row, (named, image) in enumerate(zip(labels.filenames, entries.images, strict=True)):
        if named and not names_photo(named, image.rpartition("/")[2]):
            yield row
