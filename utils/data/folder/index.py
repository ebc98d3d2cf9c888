"""All that a data folder holds, read once and cached: ``open_index``.

The index has the layout, the labels as the files give them and the size of every photo. It is
cached (``utils.data.folder.cache``) and valid while every file of the folder has the same size and
times of change. When files change, only those are read again, if the format has one label file per
photo.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from utils.data.annotations import Annotation, AnnotationError, Layout, SplitList
from utils.data.folder.cache import read_cache, write_cache
from utils.data.folder.file_scan import real_folder, snapshot
from utils.data.folder.tables import EntryTable, LabelTable, PhotoTable
from utils.data.formats import find_layout, labels_depend_on_own_file, read_annotations
from utils.data.formats.naming import names_photo
from utils.errors import UserError
from utils.images import ImageInfo, image_info
from utils.memory import give_back_memory
from utils.pixel_range import Extremes
from utils.progress import progress


@dataclass(frozen=True)
class Index:
    """A folder with its labels and the sizes of its photos; rows are those of ``entries``.

    Attributes:
        layout: what the folder holds; its entries are ``entries``.
        entries: the labelled photos.
        labels: what their labels say.
        photos: their sizes.
        misnamed: rows whose labels name another photo than the one that they belong to.
        stamps: int64 (P, 2, 3): size and both times of each photo and of its label file, −1
            without a file.
        state_hash: as of ``Snapshot``; what was computed from the same state can be used again.
        cacheable: as of ``Snapshot``: what is computed from it may be cached.
    """

    layout: Layout
    entries: EntryTable
    labels: LabelTable
    photos: PhotoTable
    misnamed: tuple[int, ...]
    stamps: np.ndarray
    state_hash: str
    cacheable: bool

    def readable_ids(self) -> frozenset[str]:
        """The image ids of all photos whose labels can be read."""
        unreadable = self.labels.unreadable
        if not unreadable:
            return frozenset(self.entries.image_ids)
        return frozenset(
            image_id for row, image_id in enumerate(self.entries.image_ids) if row not in unreadable
        )


def open_index(data: str | Path) -> Index:
    """The index of a data folder, from the cache or read from its files.

    Raises:
        UserError: no such folder, or nothing in it that can be used.
    """
    root = real_folder(data)
    now = snapshot(root)
    cached = read_cache(root, "index")
    before = None if cached is None else _from_content(root, cached)
    if before is not None and before.state_hash == now.state_hash:
        return replace(before, cacheable=now.cacheable)
    layout = find_layout(root)
    entries = EntryTable.of(root, layout.entries)
    layout = replace(layout, entries=entries)
    stamps = _stamps(entries)
    old_rows = _unchanged(entries, stamps, before)
    labels = _labels(layout, old_rows[:, 1], before)
    # The layout of a format may hold more than the plain one, which is no longer needed.
    layout = Layout(**{name: getattr(layout, name) for name in Layout.__dataclass_fields__})
    index = Index(
        layout=layout,
        entries=entries,
        labels=labels,
        photos=PhotoTable.of(_sizes(entries, old_rows[:, 0], before)),
        misnamed=tuple(_misnamed(entries, labels)),
        stamps=stamps,
        state_hash=now.state_hash,
        cacheable=now.cacheable,
    )
    if now.cacheable:
        write_cache(root, "index", now.state_hash, _content(index))
    give_back_memory()
    return index


def _labels(layout: Layout, old_rows: np.ndarray, before: Index | None) -> LabelTable:
    if before is None or not labels_depend_on_own_file(layout) or (old_rows < 0).all():
        found = read_annotations(layout)
        return LabelTable.of(
            annotation for _, annotation in progress(found, "reading labels", len(layout.entries))
        )
    entries = layout.entries
    changed = {entries.image_ids[row]: entries.at(row) for row in np.flatnonzero(old_rows < 0)}
    fresh = read_annotations(replace(layout, entries=changed))

    def merged() -> Iterator[Annotation | AnnotationError]:
        for row in old_rows.tolist():
            yield before.labels[row] if row >= 0 else next(fresh)[1]

    return LabelTable.of(merged())


def _sizes(
    entries: EntryTable, old_rows: np.ndarray, before: Index | None
) -> Iterator[ImageInfo | str]:
    for row, old in enumerate(progress(old_rows.tolist(), "measuring photos", len(entries))):
        if old >= 0:
            yield before.photos[old]
            continue
        try:
            yield image_info(entries.image(row))
        except UserError as error:
            yield str(error)


def _stamps(entries: EntryTable) -> np.ndarray:
    """Sizes and times of the files, as ``Index.stamps``."""
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


def _unchanged(entries: EntryTable, stamps: np.ndarray, before: Index | None) -> np.ndarray:
    """int64 (P, 2): the earlier rows of each photo and of its labels, −1 where they changed."""
    rows = np.full((len(entries), 2), -1, np.int64)
    if before is None:
        return rows
    old = before.entries
    old_rows = old.rows
    for row, image_id in enumerate(entries.image_ids):
        was = old_rows.get(image_id)
        if was is None:
            continue
        same = (stamps[row] == before.stamps[was]).all(axis=1) & (stamps[row, :, 0] >= 0)
        for kind, (new_paths, old_paths) in enumerate(
            ((entries.images, old.images), (entries.labels, old.labels))
        ):
            if same[kind] and new_paths[row] == old_paths[was]:
                rows[row, kind] = was
    return rows


def _content(index: Index) -> dict[str, Any]:
    """The index for the cache."""
    layout, entries, photos = index.layout, index.entries, index.photos
    rows = entries.rows
    return {
        "image_ids": entries.image_ids,
        "images": entries.images,
        "labels": entries.labels,
        **index.labels.content(),
        "where": [  # mostly the path of the label file
            "" if where == label else where
            for where, label in zip(index.labels.where, entries.labels, strict=True)
        ],
        "photo_sizes": photos.sizes,
        "orientation": photos.orientation,
        "photo_errors": list(photos.errors.items()),
        "photo_extremes": [(row, *found) for row, found in photos.extremes.items()],
        "photo_frames": list(photos.frames.items()),
        "misnamed": index.misnamed,
        "stamps": index.stamps,
        "format": layout.format,
        "lists": [
            (name, [rows[i] for i in found.image_ids if i in rows], found.notes)
            for name, found in layout.lists.items()
        ],
        "class_order": layout.class_order,
        "years": layout.years,
        "unlabelled": [layout.name(path) for path in layout.unlabelled],
        "unmatched_labels": layout.unmatched_labels,
        "notes": layout.notes,
    }


def _from_content(root: Path, content: Mapping[str, Any]) -> Index:
    """The index that ``_content`` gave to the cache."""
    image_ids = content["image_ids"]
    entries = EntryTable(root, image_ids, content["images"], content["labels"])
    where = [own or label for own, label in zip(content["where"], entries.labels, strict=True)]
    class_order = content["class_order"]
    layout = Layout(
        format=content["format"],
        root=root,
        entries=entries,
        lists={
            name: SplitList(tuple(image_ids[row] for row in rows), tuple(notes))
            for name, rows, notes in content["lists"]
        },
        class_order=None if class_order is None else tuple(class_order),
        years=tuple(content["years"]),
        unlabelled=tuple(root / path for path in content["unlabelled"]),
        unmatched_labels=tuple(content["unmatched_labels"]),
        notes=tuple(content["notes"]),
    )
    return Index(
        layout=layout,
        entries=entries,
        labels=LabelTable.from_content({**content, "where": where}),
        photos=PhotoTable(
            content["photo_sizes"],
            content["orientation"],
            dict(content["photo_errors"]),
            {row: Extremes(*found) for row, *found in content["photo_extremes"]},
            dict(content["photo_frames"]),
        ),
        misnamed=tuple(content["misnamed"]),
        stamps=content["stamps"],
        state_hash=content["state"],
        cacheable=False,
    )


def _misnamed(entries: EntryTable, labels: LabelTable) -> Iterator[int]:
    for row, (named, image) in enumerate(zip(labels.filenames, entries.images, strict=True)):
        if named and not names_photo(named, image.rpartition("/")[2]):
            yield row
