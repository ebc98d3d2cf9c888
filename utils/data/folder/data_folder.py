"""``DataFolder``: the classes, splits and duplicates of an opened folder, and datasets from it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from utils.data.annotations import SplitList
from utils.data.duplicates.groups import Duplicates, find_duplicates
from utils.data.folder.cache import load_arrays, save_arrays
from utils.data.folder.index import Index, open_index
from utils.data.folder.tables import from_json, to_json
from utils.data.record_maker import make_records
from utils.data.records import Dataset
from utils.data.splits.names import Splits, usable_lists
from utils.data.splits.stratified import stratified_split
from utils.errors import UserError
from utils.text import listing

_SPLIT_VERSION = 2  # of cached splits


@dataclass(frozen=True)
class DataFolder:
    """A folder with all its labels read.

    Attributes:
        index: what is in it.
        notes: about the folder as a whole.
    """

    index: Index
    notes: tuple[str, ...]

    @classmethod
    def open(cls, data: str | Path) -> DataFolder:
        """Raises UserError: nothing to read."""
        index = open_index(data)
        labels, layout = index.labels, index.layout
        notes = [*layout.notes, *_left_out(index)]
        for row, error in labels.unreadable.items():
            entry = index.entries.at(row)
            notes.append(f"{layout.name(entry.label or entry.image)}: {error}")
        if len(labels.unreadable) == len(labels):
            raise UserError(f"{data}: none of {len(labels)} label files can be read ({notes[-1]})")
        return cls(index, (*notes, *_other_filenames(index)))

    @cached_property
    def image_ids(self) -> frozenset[str]:
        """Of all photos whose labels can be read."""
        unreadable = self.index.labels.unreadable
        if not unreadable:
            return frozenset(self.index.entries.names)
        return frozenset(
            image_id
            for row, image_id in enumerate(self.index.entries.names)
            if row not in unreadable
        )

    def rows(self, image_ids: Iterable[str]) -> np.ndarray:
        """Their rows in the index, rising."""
        places = self.index.entries.places
        return np.sort(np.fromiter((places[image_id] for image_id in image_ids), np.int64))

    def class_names(self, image_ids: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """The class names of the objects on each photo."""
        places, labels = self.index.entries.places, self.index.labels
        first, ids, names = labels.first.tolist(), labels.name_ids.tolist(), labels.names
        return {
            image_id: tuple(names[i] for i in ids[first[row] : first[row + 1]])
            for image_id in image_ids
            for row in (places[image_id],)
        }

    def classes(
        self,
        listed: Sequence[str] | None,
        only_listed: bool,
        image_ids: Iterable[str] | None = None,
    ) -> tuple[str, ...]:
        """The class list: the one given, else the folder's own, else all found, alphabetically.

        Raises:
            UserError: a photo of ``image_ids`` (all when None) shows a class that is not listed, or
                there is no class at all.
        """
        labels = self.index.labels
        if listed is None:
            if not len(labels.boxes):
                raise UserError(f"{self.index.layout.root}: no photo has a labelled object")
            declared = self.index.layout.class_order or ()
            return (*declared, *sorted(set(labels.names) - set(declared)))
        if not only_listed:
            strange = np.array([name not in set(listed) for name in labels.names], bool)
            if strange.any():
                self._check_listed(
                    listed, strange, self.image_ids if image_ids is None else image_ids
                )
        return tuple(listed)

    def _check_listed(
        self, listed: Sequence[str], strange: np.ndarray, image_ids: Iterable[str]
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
                f"list ({listing(listed)}); add it to the list, or leave objects of "
                "other classes out with --only-listed"
            )

    @cached_property
    def duplicates(self) -> Duplicates:
        """Which photos show the same picture; cached while the folder stays the same."""
        index = self.index
        kept = load_arrays(index.layout.root, "duplicates", index.state) if index.settled else None
        found = None if kept is None else Duplicates.from_arrays(kept, index.entries.names)
        if found is not None:
            return found
        paths = {image_id: index.entries.image(row) for row, image_id in enumerate(index.entries)}
        duplicates = find_duplicates(paths)
        if index.settled:
            arrays = duplicates.arrays(index.entries.places)
            save_arrays(index.layout.root, "duplicates", index.state, arrays)
        return duplicates

    def splits(self, seed: int) -> Splits:
        """The folder's own lists; without any, a split made from the seed."""
        given = usable_lists(self.index.layout.lists)
        if given:
            return Splits(self.index.layout.root, given, self.image_ids)
        return self.made_splits(seed)

    def made_splits(self, seed: int) -> Splits:
        """A split made from the seed, whether the folder has lists or not."""
        parts, provenance = self._cached_split(seed)
        return Splits(
            root=self.index.layout.root,
            named={name: SplitList(image_ids) for name, image_ids in parts.items() if image_ids},
            everything=self.image_ids,
            generated=True,
            provenance=provenance,
        )

    def _cached_split(self, seed: int) -> tuple[Mapping[str, Collection[str]], tuple[str, ...]]:
        """The split made from a seed, and how; cached while the folder stays the same."""
        index, kind = self.index, f"split-{seed}"
        state = f"{index.state}-{_SPLIT_VERSION}"
        kept = load_arrays(index.layout.root, kind, state) if index.settled else None
        if (
            kept is not None
            and (found := _read_split(kept, index.entries.names, len(self.image_ids))) is not None
        ):
            return found
        parts, provenance = self._make_split(seed)
        if index.settled:
            facts = {"parts": list(parts), "provenance": provenance}
            arrays = {f"part {name}": self.rows(image_ids) for name, image_ids in parts.items()}
            save_arrays(index.layout.root, kind, state, {"facts": to_json(facts), **arrays})
        return parts, provenance

    def _make_split(self, seed: int) -> tuple[Mapping[str, Collection[str]], tuple[str, ...]]:
        groups, note = self.duplicates.split_groups(self.image_ids)
        parts = stratified_split(self.class_names(self.image_ids), seed=seed, groups=groups)
        sizes = ", ".join(f"{len(image_ids)} {name}" for name, image_ids in parts.items())
        provenance = f"no split lists; photos divided by class with seed {seed}: {sizes}"
        return parts, tuple(filter(None, (provenance, note)))

    def dataset(
        self, image_ids: Iterable[str], classes: tuple[str, ...], notes: Iterable[str] = ()
    ) -> Dataset:
        """Records of the given photos."""
        return make_records(self.index, self.rows(image_ids), classes, tuple(notes))


def _read_split(
    kept: Mapping[str, np.ndarray], image_ids: Sequence[str], count: int
) -> tuple[dict[str, tuple[str, ...]], tuple[str, ...]] | None:
    """A split of ``count`` photos that was kept, and how it was made; None where it makes no
    sense."""
    try:
        facts = from_json(kept["facts"])
        parts = {name: kept[f"part {name}"] for name in facts["parts"]}
        provenance = tuple(facts["provenance"])
    except (KeyError, TypeError, ValueError, RecursionError):
        return None
    rows = np.concatenate([*parts.values()]) if parts else np.empty(0)
    if not len(rows) == count > 0:
        return None
    if rows.dtype != np.int64 or rows.ndim != 1 or not all(isinstance(t, str) for t in provenance):
        return None
    if len(np.unique(rows)) != len(rows) or not (rows.min() >= 0 and rows.max() < len(image_ids)):
        return None
    named = {n: tuple(image_ids[row] for row in own.tolist()) for n, own in parts.items()}
    return named, provenance


def _left_out(index: Index) -> list[str]:
    """Notes on photos without labels and labels without photo."""
    layout, notes = index.layout, []
    if layout.unmatched_labels:
        count = len(layout.unmatched_labels)
        whose = "its photo is" if count == 1 else "their photos are"
        notes.append(
            f"{listing(layout.unmatched_labels)}: {whose} missing or labelled elsewhere; left out"
            + (f" ({count} in all)" if count > 8 else "")
        )
    if layout.unlabelled:
        names = [layout.name(path) for path in layout.unlabelled[:9]]
        count = len(layout.unlabelled)
        notes.append(
            f"{listing(names)}: no labels; left out" + (f" ({count} in all)" if count > 8 else "")
        )
    return notes


def _other_filenames(index: Index) -> list[str]:
    """One note on all labels whose ``filename`` is not that of the photo they belong to."""
    others = [index.labels.where[row] for row in index.misnamed]
    if not others:
        return []
    return [
        f"{len(others)} label files name another photo than the one with their own name, which is "
        f"used ({listing(others)})"
    ]
