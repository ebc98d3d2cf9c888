"""VOC data in: ``load_datasets`` for training, ``load_split`` and ``load_stems`` for evaluation.

A split is the name of a list in the folder, or several joined by commas; in a devkit
``2007:trainval,2012:trainval``. Where a folder has no lists, a seeded and stratified split gives
``train``, ``val`` and ``test``. Beside the lists there is always ``all``, and ``trainval`` where
there are ``train`` and ``val``. What is skipped or mended on the way becomes a note.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np

from utils.data.duplicates import identical_photos
from utils.data.records import Dataset, Record
from utils.data.splits import hold_out, stratified_split
from utils.data.voc_layout import SPLIT_FOLDERS, Entry, Layout, SplitList, find_layout
from utils.data.voc_xml import Annotation, read_annotation
from utils.errors import UserError
from utils.images import ImageSize, image_size, orient_boxes

_USUAL_LISTS = ("train", "val", "trainval", "test")
CLIP_NOTE = 1.0  # pixels; counting from 0 instead of 1 is too common to be worth a note


@dataclass(frozen=True)
class SplitInfo:
    """How training and validation photos were chosen.

    Attributes:
        train, val: what was read, in words: a list's name, or how the photos were set aside.
        splits: stems to be stored with the run: ``train`` and ``val`` as they are used, and
            ``test`` where the split was made here and no photo of it is in the two.
        generated: the folder has no lists, and the split was made from the seed.
        held_out: the validation photos were set aside from the training split.
        notes: sentences about the choice and about the folder as a whole.
    """

    train: str
    val: str
    splits: Mapping[str, tuple[str, ...]]
    generated: bool
    held_out: bool
    notes: tuple[str, ...] = field(default=())


def load_datasets(
    data: str | Path,
    *,
    split: str = "train",
    val_split: str | None = None,
    classes: Sequence[str] | None = None,
    only_listed: bool = False,
    seed: int = 0,
) -> tuple[Dataset, Dataset, SplitInfo]:
    """The training and the validation photos; no photo is in both.

    Without ``val_split`` the list ``val`` is taken; where there is none, or it shares photos with
    the training split, a stratified tenth of the training split is held out instead.

    Args:
        classes: class names in the order of their ids; all of the dataset's, alphabetically,
            when None.
        only_listed: leave objects of other classes out; without it they are an error. A photo
            that loses all its objects so stays, as one that shows nothing.

    Raises:
        UserError: nothing to read, an unknown split, an unlisted class, or a ``val_split`` that
            shares photos with ``split``.
    """
    source = _Source.open(data)
    names = source.classes(classes, only_listed)
    lists = source.split_lists(seed)
    train_stems = lists.stems(split)
    val_stems, val_words, held_note = _validation(source, lists, split, val_split, seed)
    train_stems -= val_stems
    copies = source.copies(train_stems, val_stems)
    train_stems -= copies

    train = source.dataset(train_stems, names, lists.notes(split))
    val = source.dataset(val_stems, names, () if held_note else lists.notes(val_words))
    for dataset, words in ((train, split), (val, val_words)):
        if not dataset.records:
            raise UserError(f"{data}: no photo of {words!r} can be used ({_first(dataset.notes)})")
    splits = {"train": _stems(train), "val": _stems(val)}
    if lists.generated:
        test = lists.stems("test")
        if test and test.isdisjoint(train_stems | val_stems):
            splits["test"] = tuple(sorted(test))
    info = SplitInfo(
        train=split,
        val=val_words,
        splits=splits,
        generated=lists.generated,
        held_out=bool(held_note),
        notes=(*source.notes, *lists.about(split), *filter(None, (held_note, _copied(copies)))),
    )
    return train, val, info


def load_split(
    data: str | Path,
    split: str,
    *,
    classes: Sequence[str] | None = None,
    only_listed: bool = False,
    seed: int = 0,
) -> Dataset:
    """One split, for evaluation; arguments and errors as ``load_datasets``."""
    source = _Source.open(data)
    lists = source.split_lists(seed)
    stems = lists.stems(split)
    names = source.classes(classes, only_listed, stems)
    dataset = source.dataset(
        stems, names, (*source.notes, *lists.about(split), *lists.notes(split))
    )
    if not dataset.records:
        raise UserError(f"{data}: no photo of {split!r} can be used ({_first(dataset.notes)})")
    return dataset


def load_stems(
    data: str | Path,
    stems: Iterable[str],
    *,
    classes: Sequence[str] | None = None,
    only_listed: bool = False,
) -> Dataset:
    """The photos of the given stems, as a run stored them; those that are gone become notes.

    Raises:
        UserError: as ``load_datasets``, and when none of the photos is there.
    """
    source = _Source.open(data)
    wanted = dict.fromkeys(stems)
    present = {stem for stem in wanted if stem in source.annotations}
    names = source.classes(classes, only_listed, present)
    missing = tuple(f"{stem}: not in this folder; left out" for stem in wanted.keys() - present)
    dataset = source.dataset(present, names, (*source.notes, *sorted(missing)))
    if not dataset.records:
        raise UserError(
            f"{data}: none of the {len(wanted)} photos of the stored split can be used; "
            "is it the folder that the run was trained on?"
        )
    return dataset


def _validation(
    source: _Source, lists: _Lists, split: str, val_split: str | None, seed: int
) -> tuple[set[str], str, str]:
    """Stems of the validation photos, what they are in words, and why they were held out or ""."""
    train = lists.stems(split)
    if val_split is not None:
        val = lists.stems(val_split)
        if shared := sorted(train & val):
            raise UserError(
                f"{len(shared)} photos are in both --split {split} and --val-split {val_split} "
                f"({shared[0]}, …); validation photos must not be trained on"
            )
        return val, val_split, ""
    usual = lists.usual_val(split)
    val = lists.stems(usual) if usual else set()
    if val and not (train & val):
        return val, usual, ""
    labels = {stem: source.annotations[stem].names for stem in train}
    kept, held = hold_out(labels, seed=seed, twins=source.twins(train))
    if val:
        reason = f"the list {usual!r} shares photos with {split!r}"
    else:
        reason = f"no photo of {usual!r} can be used" if usual else "there is no val list"
    note = (
        f"{reason}, so {len(held)} of the {len(train)} photos of {split!r} are held out for "
        f"validation and {len(kept)} are trained on"
    )
    return set(held), f"held out of {split}", note


@dataclass(frozen=True)
class _Lists:
    """The splits of a folder by name, given or made."""

    root: Path
    named: Mapping[str, SplitList]
    everything: frozenset[str]
    generated: bool
    making: tuple[str, ...]

    def about(self, split: str) -> tuple[str, ...]:
        """How the splits were made, where that matters for this one."""
        return () if split.strip() == "all" else self.making

    def stems(self, split: str) -> set[str]:
        """The photos of a split expression, such as ``2007:trainval,2012:trainval``."""
        return {stem for part in self._parts(split) for stem in part.stems} & self.everything

    def notes(self, split: str) -> tuple[str, ...]:
        return tuple(note for part in self._parts(split) for note in part.notes)

    def usual_val(self, split: str) -> str | None:
        """The val lists of the years that a split expression is made of, None without any."""
        years = dict.fromkeys(_year(token) for token in split.split(","))
        names = [f"{year}:val" if year else "val" for year in years]
        known = [name for name in names if self._part(name) is not None]
        return ",".join(known) or None

    def _parts(self, split: str) -> list[SplitList]:
        tokens = [token.strip() for token in split.split(",") if token.strip()]
        if not tokens:
            raise UserError("a split has a name, such as train")
        parts = []
        for token in tokens:
            part = self._part(token)
            if part is None:
                known = sorted({*self.named, *(n for n in ("all", "trainval") if self._part(n))})
                raise UserError(
                    f"{self.root}: there is no split {token!r}; there are {', '.join(known)}"
                )
            parts.append(part)
        return parts

    def _part(self, token: str) -> SplitList | None:
        year, name = _year(token), token.rpartition(":")[2].strip()
        prefix = f"{year}:" if year else ""
        if prefix + name in self.named:
            return self.named[prefix + name]
        if name.lower() in SPLIT_FOLDERS and SPLIT_FOLDERS[name.lower()] != name:
            return self._part(prefix + SPLIT_FOLDERS[name.lower()])
        if name == "trainval":
            both = [self.named.get(f"{prefix}{part}") for part in ("train", "val")]
            if all(both):
                return SplitList(both[0].stems + both[1].stems, both[0].notes + both[1].notes)
        if name == "all" and not year:
            return SplitList(tuple(sorted(self.everything)))
        return None


def _year(token: str) -> str:
    """``2007`` of ``2007:trainval`` or ``VOC2007:trainval``; "" without a year."""
    year = token.rpartition(":")[0].strip()
    return year[3:] if year.lower().startswith("voc") else year


@dataclass(frozen=True)
class _Source:
    """A folder with all its XML read.

    Attributes:
        annotations: by stem, of the entries whose XML could be read.
        notes: about the folder as a whole.
    """

    layout: Layout
    annotations: Mapping[str, Annotation]
    notes: tuple[str, ...]

    @classmethod
    def open(cls, data: str | Path) -> _Source:
        layout = find_layout(data)
        annotations: dict[str, Annotation] = {}
        notes = list(layout.notes)
        for entry in layout.entries.values():
            try:
                annotations[entry.stem] = read_annotation(entry.xml)
            except ValueError as error:
                notes.append(f"{layout.name(entry.xml)}: {error}; skipped")
        if not annotations:
            raise UserError(f"{data}: none of {len(layout.entries)} XML can be read ({notes[-1]})")
        notes += _other_filenames(layout, annotations)
        return cls(layout, annotations, tuple(notes))

    def classes(
        self,
        listed: Sequence[str] | None,
        only_listed: bool,
        stems: Iterable[str] | None = None,
    ) -> tuple[str, ...]:
        """The class list: the one given, or what the whole dataset shows, alphabetically.

        Raises:
            UserError: a photo of ``stems`` (all when None) shows a class that is not listed, or
                there is no class at all.
        """
        if listed is None:
            found = sorted({name for note in self.annotations.values() for name in note.names})
            if not found:
                raise UserError(f"{self.layout.root}: none of the XML files has an object")
            return tuple(found)
        if not only_listed:
            known = set(listed)
            for stem in self.annotations if stems is None else sorted(stems):
                for name in self.annotations[stem].names:
                    if name not in known:
                        raise UserError(
                            f"{self.layout.entries[stem].xml}: class {name!r} is not in the class "
                            f"list ({_listing(listed)}); add it to the list, or leave objects of "
                            "other classes out with --only-listed"
                        )
        return tuple(listed)

    def twins(self, stems: Iterable[str]) -> dict[str, str]:
        """Which of these photos are the same file under another name."""
        return identical_photos({stem: self.layout.entries[stem].image for stem in stems})

    def copies(self, stems: set[str], others: set[str]) -> set[str]:
        """Those of ``stems`` whose file is also among ``others`` under another name."""
        twins = self.twins(stems | others)
        known = {twins.get(stem, stem) for stem in others}
        return {stem for stem in stems if twins.get(stem, stem) in known}

    def split_lists(self, seed: int) -> _Lists:
        given = self.layout.lists
        if not any(name.rpartition(":")[2] in _USUAL_LISTS for name in given):
            given = {}  # such as CVAT's default.txt, which names every photo
        making: tuple[str, ...] = ()
        if not given:
            labels = {stem: found.names for stem, found in self.annotations.items()}
            twins = self.twins(labels)
            parts = stratified_split(labels, seed=seed, twins=twins)
            given = {name: SplitList(stems) for name, stems in parts.items() if stems}
            sizes = ", ".join(f"{len(stems)} {name}" for name, stems in parts.items())
            making = (f"no split lists; photos divided by class with seed {seed}: {sizes}",)
            if twins:
                making += (
                    f"{len(twins)} photos are copies of others and stay with them "
                    f"({_listing(sorted(twins))})",
                )
        return _Lists(
            root=self.layout.root,
            named=given,
            everything=frozenset(self.annotations),
            generated=bool(making),
            making=making,
        )

    def dataset(self, stems: Iterable[str], classes: tuple[str, ...], notes=()) -> Dataset:
        """Records of the given photos, from their XML and the headers of their files."""
        return _RecordReader(self, classes).read(sorted(stems), tuple(notes))


class _RecordReader:
    """Makes records, and gathers what it skips and mends on the way."""

    def __init__(self, source: _Source, classes: tuple[str, ...]) -> None:
        self.source = source
        self.classes = classes
        self.ids = {name: index for index, name in enumerate(classes)}
        self.notes: list[str] = []
        self.unlisted: dict[str, int] = {}
        self.turned: list[str] = []
        self.guessed: list[str] = []
        self._as_stored: bool | None = None

    def read(self, stems: Sequence[str], notes: tuple[str, ...]) -> Dataset:
        records = [record for stem in stems if (record := self._record(stem)) is not None]
        return Dataset(tuple(records), self.classes, (*notes, *self.notes, *self._summaries()))

    def _record(self, stem: str) -> Record | None:
        entry, found = self.source.layout.entries[stem], self.source.annotations[stem]
        try:
            size = image_size(entry.image)
        except UserError as error:
            self.notes.append(f"{error}; skipped")
            return None
        xml = self.source.layout.name(entry.xml)
        self.notes += [f"{xml}, {note}" for note in found.notes]
        boxes = self._upright(entry, found, size)
        limits = np.array([size.width, size.height] * 2, np.float32)
        clipped = np.clip(boxes, 0, limits)
        area = (clipped[:, 2:] > clipped[:, :2]).all(axis=1)
        listed = np.array([name in self.ids for name in found.names], bool)
        for i, number in enumerate(found.numbers):
            name = found.names[i]
            if not listed[i]:
                self.unlisted[name] = self.unlisted.get(name, 0) + 1
            elif not area[i]:
                self.notes.append(f"{xml}, object {number}: {name} lies outside the photo; skipped")
            elif np.abs(clipped[i] - boxes[i]).max() > CLIP_NOTE:
                self.notes.append(
                    f"{xml}, object {number}: {name} reaches beyond the "
                    f"{size.width}×{size.height} photo; clipped"
                )
        kept = np.flatnonzero(area & listed)
        return Record(
            stem=stem,
            image=entry.image,
            width=size.width,
            height=size.height,
            boxes=clipped[kept],
            class_ids=np.array([self.ids[found.names[i]] for i in kept], np.int32),
            difficult=found.difficult[kept],
        )

    def _upright(self, entry: Entry, found: Annotation, size: ImageSize) -> np.ndarray:
        """The boxes in the upright photo, whichever way the labelling tool showed it."""
        upright = (size.width, size.height)
        if found.size is None:
            if size.orientation != 1 and not found.upright:
                xml = self.source.layout.name(entry.xml)
                self.notes.append(f"{xml}: has no size; boxes taken to be of the upright photo")
            return found.boxes
        if found.size not in (upright, size.stored):
            xml = self.source.layout.name(entry.xml)
            self.notes.append(
                f"{xml}: made for a photo of {found.size[0]}×{found.size[1]}, but it is "
                f"{size.width}×{size.height}; boxes taken as they are"
            )
            return found.boxes
        if size.orientation == 1 or found.upright:
            return found.boxes
        if upright == size.stored:
            # Turned by 180°, mirrored, or square: the size cannot tell the two apart.
            self.guessed.append(entry.stem)
            if not self._labels_as_stored():
                return found.boxes
        elif found.size == upright:
            return found.boxes
        self.turned.append(entry.stem)
        return orient_boxes(found.boxes, size).astype(np.float32)

    def _labels_as_stored(self) -> bool:
        """Whether the dataset's labels belong to photos as stored, not turned upright.

        Photos that lie on their side tell; where there are none, the rule is taken by its
        letter: the XML's size is that of the unturned photo, so the labels are.
        """
        if self._as_stored is None:
            votes = sum(
                _vote(entry, self.source.annotations[stem])
                for stem, entry in self.source.layout.entries.items()
                if stem in self.source.annotations
            )
            self._as_stored = votes >= 0
        return self._as_stored

    def _summaries(self) -> Iterable[str]:
        if self.turned:
            yield (
                f"the labels of {len(self.turned)} photos were made before EXIF orientation and "
                f"were turned with them ({_listing(self.turned)})"
            )
        if self.guessed:
            how = "as stored" if self._as_stored else "upright"
            yield (
                f"{len(self.guessed)} photos have an EXIF orientation that does not show in the "
                f"XML's size; their labels were taken to be of the photo {how} "
                f"({_listing(self.guessed)})"
            )
        if self.unlisted:
            yield (
                f"{sum(self.unlisted.values())} objects of classes that are not listed were left "
                f"out ({_listing(sorted(self.unlisted))})"
            )


def _vote(entry: Entry, found: Annotation) -> int:
    """1: the labels are of the photo as stored; −1: of the upright one; 0: cannot be told."""
    try:
        size = image_size(entry.image)
    except UserError:
        return 0
    upright = (size.width, size.height)
    if upright == size.stored:
        return 0
    return (found.size == size.stored) - (found.size == upright)


def _other_filenames(layout: Layout, annotations: Mapping[str, Annotation]) -> list[str]:
    """One note on all XML whose ``filename`` is not that of the photo they belong to."""
    others = [
        layout.name(layout.entries[stem].xml)
        for stem, found in annotations.items()
        if found.filename and _file_stem(found.filename) != layout.entries[stem].image.stem
    ]
    if not others:
        return []
    return [
        f"{len(others)} XML files name another photo than the one with their own name, which is "
        f"used ({_listing(others)})"
    ]


def _file_stem(filename: str) -> str:
    """Stem of a file name; a name without a usual suffix may well hold other dots."""
    path = PurePosixPath(filename.replace("\\", "/"))
    return path.stem if len(path.suffix) in (4, 5) else path.name


def _copied(stems: set[str]) -> str:
    if not stems:
        return ""
    return (
        f"{len(stems)} training photos are copies of validation photos and are left out "
        f"({_listing(sorted(stems))})"
    )


def _stems(dataset: Dataset) -> tuple[str, ...]:
    return tuple(record.stem for record in dataset.records)


def _listing(names: Sequence[str], most: int = 8) -> str:
    return ", ".join(names[:most]) + (", …" if len(names) > most else "")


def _first(notes: Sequence[str]) -> str:
    return notes[-1] if notes else "it is empty"
