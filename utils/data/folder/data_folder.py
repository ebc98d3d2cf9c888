"""``DataFolder``: the classes, splits and duplicates of an opened folder, and datasets from it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from utils.data.annotations import SplitList
from utils.data.duplicates.groups import Duplicates, find_duplicates
from utils.data.duplicates.hashes import content_hashes
from utils.data.folder.cache import read_cache, write_cache
from utils.data.folder.index import Index, open_index
from utils.data.folder.reasons import (
    class_id_shift_warning,
    nothing_left,
    outline_notes,
    prediction_notes,
    unpaired_notes,
)
from utils.data.record_maker import RecordMaker
from utils.data.records import Dataset
from utils.data.splits.known import extend_to_groups, kept_text
from utils.data.splits.names import Splits, names_any, usable_lists
from utils.data.splits.stratified import stratified_split
from utils.errors import UserError
from utils.metadata_checks import MAX_CLASSES
from utils.text import counted, listed, nfc


@dataclass(frozen=True)
class DataFolder:
    """A data folder with all its labels.

    Attributes:
        index: its photos and labels.
        notes: sentences on the folder as a whole.
    """

    index: Index
    notes: tuple[str, ...]

    @classmethod
    def open(cls, data: str | Path) -> DataFolder:
        """Raises UserError: nothing to read."""
        index = open_index(data)
        labels, layout = index.labels, index.layout
        if warning := class_id_shift_warning(index):
            raise UserError(f"{data}: {warning}")
        notes = [
            *layout.notes,
            *unpaired_notes(layout),
            *outline_notes(labels),
            *prediction_notes(labels),
        ]
        for row, error in labels.unreadable.items():
            entry = index.entries.at(row)
            notes.append(f"{layout.name(entry.label or entry.image)}: {error}")
        if len(labels.unreadable) == len(labels):
            raise UserError(nothing_left(index, f"none of {len(labels)} label files can be read"))
        return cls(index, (*notes, *_misnamed(index)))

    @cached_property
    def image_ids(self) -> frozenset[str]:
        """The image ids of all photos whose labels can be read."""
        return self.index.readable_ids()

    def rows(self, image_ids: Iterable[str]) -> np.ndarray:
        """Their rows in the index, rising."""
        rows = self.index.entries.rows
        return np.sort(np.fromiter((rows[image_id] for image_id in image_ids), np.int64))

    def class_names(self, image_ids: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """The class names of the objects on each photo."""
        rows, labels = self.index.entries.rows, self.index.labels
        first, ids, names = labels.first.tolist(), labels.name_ids.tolist(), labels.names
        found = {}
        for image_id in image_ids:
            row = rows[image_id]
            found[image_id] = tuple(names[i] for i in ids[first[row] : first[row + 1]])
        return found

    def classes(
        self,
        classes: Sequence[str] | None,
        only_listed: bool,
        image_ids: Iterable[str] | None = None,
    ) -> tuple[str, ...]:
        """The class list: ``classes`` if given, or the folder's own order followed by other names.

        Names that the folder does not declare are sorted alphabetically.

        Args:
            only_listed: objects of other classes are allowed, and will be left out.
            image_ids: the photos to check; all when None.

        Raises:
            UserError: a photo has an object of a class that is not listed, there is no class, or
                there are more than ``MAX_CLASSES``.
        """
        chosen = self._classes(classes, only_listed, image_ids)
        if len(chosen) > MAX_CLASSES:
            raise UserError(
                f"{self.index.layout.root}: {len(chosen):,} classes are more than the "
                f"{MAX_CLASSES:,} that a detector can have; are these class names?"
            )
        return chosen

    def _classes(
        self, classes: Sequence[str] | None, only_listed: bool, image_ids: Iterable[str] | None
    ) -> tuple[str, ...]:
        labels = self.index.labels
        if classes is None:
            if not len(labels.boxes):
                raise UserError(nothing_left(self.index))
            declared = self.index.layout.class_order or ()
            return (*declared, *sorted(set(labels.names) - set(declared)))
        if not only_listed:
            known = set(map(nfc, classes))
            strange = np.array([name not in known for name in labels.names], bool)
            if strange.any():
                self._check_listed(
                    classes, strange, self.image_ids if image_ids is None else image_ids
                )
        return tuple(classes)

    def _check_listed(
        self, classes: Sequence[str], strange: np.ndarray, image_ids: Iterable[str]
    ) -> None:
        labels = self.index.labels
        wanted = np.zeros(len(labels), bool)
        wanted[self.rows(image_ids)] = True
        photos = labels.photo_of_object()
        found = np.flatnonzero(strange[labels.name_ids] & wanted[photos])
        if len(found):
            first = found[0]
            raise UserError(
                f"{self.index.layout.root / labels.where[photos[first]]}: class "
                f"{labels.names[labels.name_ids[first]]!r} is not in the class "
                f"list ({listed(classes, most=8)}); add it to the list, or leave out objects of "
                "other classes with --only-listed"
            )

    @cached_property
    def duplicates(self) -> Duplicates:
        """Which photos show the same picture."""
        entries = self.index.entries

        def find() -> dict[str, np.ndarray]:
            paths = {image_id: entries.image(row) for row, image_id in enumerate(entries)}
            return find_duplicates(paths).to_rows(entries.rows)

        return Duplicates.from_rows(self._cached("duplicates", find), entries.image_ids)

    def images(self, image_ids: Iterable[str]) -> dict[str, Path]:
        """The files of the given photos."""
        entries = self.index.entries
        rows = entries.rows  # once: it is built on every access
        return {image_id: entries.image(rows[image_id]) for image_id in image_ids}

    def known_photos(self, known: Mapping[str, str]) -> dict[str, str]:
        """The part of each photo whose content is known; ``known``: content hash → part."""
        if not known:
            return {}
        digests = content_hashes(self.images(self.image_ids))
        found = ((image_id, known.get(digest)) for image_id, digest in digests.items())
        return {image_id: part for image_id, part in found if part}

    @cached_property
    def lists(self) -> Mapping[str, SplitList]:
        """The folder's own lists, if they divide it; see ``usable_lists``."""
        return usable_lists(self.index.layout.lists, self.image_ids)

    def splits(
        self, seed: int, known: Mapping[str, str] | None = None, wanted: Iterable[str] = ()
    ) -> Splits:
        """The folder's own lists; without any, a split made from the seed.

        Args:
            known: image id → part, of photos that stay in their part; see ``known_photos``.
            wanted: split expressions. Where one names a list of the folder, there are its lists
                only, also if none has the name of a split.
        """
        root, own = self.index.layout.root, self.index.layout.lists
        if self.lists:
            return Splits(root, self.lists, self.image_ids)
        if any(names_any(split, own) for split in wanted):
            return Splits(root, own, self.image_ids)
        made = self.made_splits(seed, known)
        return replace(made, provenance=(*made.provenance, *self._unused_lists()))

    def _unused_lists(self) -> Iterator[str]:
        """A note on lists that divide the folder, but are not named like splits."""
        own = self.index.layout.lists
        names = [name for name, part in own.items() if self.image_ids - set(part.image_ids)]
        if names:
            yield (
                f"the folder's {'list is' if len(names) == 1 else 'lists are'} not used, as none "
                f"is called train, val or test ({listed(names)}); --split takes "
                f"{'it' if len(names) == 1 else 'them'} by name"
            )

    def made_splits(self, seed: int, known: Mapping[str, str] | None = None) -> Splits:
        """A split made from the seed, whether the folder has lists or not."""
        if known:
            found = self._make_split(seed, known)
        else:
            found = self._cached(f"split-{seed}", lambda: self._make_split(seed, {}))
        image_ids = self.index.entries.image_ids
        named = {
            name: SplitList(tuple(image_ids[row] for row in rows))
            for name, rows in found["parts"].items()
            if rows
        }
        return Splits(
            root=self.index.layout.root,
            named=named,
            everything=self.image_ids,
            generated=True,
            provenance=tuple(found["provenance"]),
        )

    def _make_split(self, seed: int, known: Mapping[str, str]) -> dict[str, Any]:
        """The rows of each part, and sentences on how they were chosen."""
        groups, note = self.duplicates.split_groups(self.image_ids)
        labels = self.class_names(self.image_ids)
        fixed = extend_to_groups(known, groups, self.image_ids)
        parts = stratified_split(labels, seed=seed, groups=groups, fixed=fixed)
        if fixed and not (parts["train"] and parts["val"]):
            parts, fixed = stratified_split(labels, seed=seed, groups=groups), {}
        sizes = ", ".join(f"{len(image_ids)} {name}" for name, image_ids in parts.items())
        how = f"no split lists; photos divided by class with seed {seed}: {sizes}"
        if fixed:
            how += (
                f"; of these {kept_text(fixed)} stay where they were when the checkpoint was "
                "trained, with their copies and near-duplicates"
            )
        return {
            "parts": {name: self.rows(image_ids).tolist() for name, image_ids in parts.items()},
            "provenance": [how, note] if note else [how],
        }

    def _cached(self, kind: str, compute: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """What ``compute`` returns, cached while the folder stays the same."""
        index = self.index
        root = index.layout.root
        if not index.cacheable:
            return compute()
        content = read_cache(root, kind, index.state_hash)
        if content is None:
            content = compute()
            write_cache(root, kind, index.state_hash, content)
        return content

    def dataset(
        self, image_ids: Iterable[str], classes: tuple[str, ...], notes: Iterable[str] = ()
    ) -> Dataset:
        """Records of the given photos."""
        return RecordMaker(self.index, self.rows(image_ids), classes).dataset(tuple(notes))


def _misnamed(index: Index) -> Iterator[str]:
    """A note on all labels whose ``filename`` is not that of the photo they belong to."""
    if index.misnamed:
        files = [index.labels.where[row] for row in index.misnamed]
        yield (
            f"{counted(len(files), 'label file')} with the name of another photo inside "
            f"({listed(files, most=8)}); the photo with the name of the label file is used"
        )
