"""Data in, whatever its format: ``load_datasets`` for training, ``load_split`` and ``load_stems``
for evaluation.

A split is the name of a list in the folder, or several joined by commas; in a devkit
``2007:trainval,2012:trainval``. Where a folder has no lists, a seeded and stratified split gives
``train``, ``val`` and ``test``. Beside the lists there is always ``all``, and ``trainval`` where
there are ``train`` and ``val``. What is skipped or mended on the way becomes a note.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from utils.data.folder.data_folder import Source
from utils.data.records import Dataset
from utils.data.splits.names import Splits
from utils.data.splits.stratified import hold_out
from utils.errors import UserError
from utils.memory import give_back_memory
from utils.text import listing


@dataclass(frozen=True)
class SplitInfo:
    """How training and validation photos were chosen.

    Attributes:
        train, val: what was read, in words: a list's name, or how the photos were set aside.
        splits: image ids to be stored with the run: ``train`` and ``val`` as they are used, and
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
        classes: class names in the order of their ids; the folder's own order when None, and
            where it has none (VOC), all that are found, alphabetically.
        only_listed: leave objects of other classes out; without it they are an error. A photo
            that loses all its objects so stays, as one that shows nothing.

    Raises:
        UserError: nothing to read, an unknown split, an unlisted class, or a ``val_split`` that
            shares photos with ``split``.
    """
    source = Source.open(data)
    names = source.classes(classes, only_listed)
    lists = source.splits(seed)
    train_stems = lists.image_ids(split)
    val_stems, val_words, held_notes = _validation(source, lists, split, val_split, seed)
    train_stems -= val_stems
    copies = source.twins.copies(train_stems, val_stems)
    train_stems -= copies
    alike = source.twins.alike(train_stems, val_stems)
    train_stems, tested = _apart_from_tests(source, lists, split, train_stems)

    train = source.dataset(train_stems, names, lists.notes(split))
    val = source.dataset(val_stems, names, () if held_notes else lists.notes(val_words))
    for dataset, words in ((train, split), (val, val_words)):
        if not len(dataset):
            raise UserError(f"{data}: no photo of {words!r} can be used ({_first(dataset.notes)})")
    splits = {"train": tuple(train.records.image_ids()), "val": tuple(val.records.image_ids())}
    if lists.generated:
        test = lists.image_ids("test")
        if test and test.isdisjoint(train_stems | val_stems):
            splits["test"] = tuple(sorted(test))
    remarks = (*held_notes, *tested, *_copied(copies, "validation"), *_alike(alike, "validation"))
    info = SplitInfo(
        train=split,
        val=val_words,
        splits=splits,
        generated=lists.generated,
        held_out=bool(held_notes),
        notes=(*source.notes, *lists.about(split), *remarks),
    )
    give_back_memory()
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
    source = Source.open(data)
    if split.strip() == "all":  # needs no split to be made
        lists = Splits(source.index.layout.root, {}, source.image_ids)
    else:
        lists = source.splits(seed)
    image_ids = lists.image_ids(split)
    names = source.classes(classes, only_listed, image_ids)
    dataset = source.dataset(
        image_ids, names, (*source.notes, *lists.about(split), *lists.notes(split))
    )
    if not len(dataset):
        raise UserError(f"{data}: no photo of {split!r} can be used ({_first(dataset.notes)})")
    return dataset


def load_stems(
    data: str | Path,
    image_ids: Iterable[str],
    *,
    classes: Sequence[str] | None = None,
    only_listed: bool = False,
) -> Dataset:
    """The photos of the given image ids, as a run stored them; those that are gone become notes.

    Raises:
        UserError: as ``load_datasets``, and when none of the photos is there.
    """
    source = Source.open(data)
    wanted = dict.fromkeys(image_ids)
    present = source.image_ids & wanted.keys()
    names = source.classes(classes, only_listed, present)
    missing = tuple(
        f"{image_id}: not in this folder; left out" for image_id in wanted.keys() - present
    )
    dataset = source.dataset(present, names, (*source.notes, *sorted(missing)))
    if not len(dataset):
        raise UserError(
            f"{data}: none of the {len(wanted)} photos of the stored split can be used; "
            "is it the folder that the run was trained on?"
        )
    return dataset


def _validation(
    source: Source, lists: Splits, split: str, val_split: str | None, seed: int
) -> tuple[set[str], str, tuple[str, ...]]:
    """Stems of the validation photos, what they are in words, and why they were held out, if so."""
    train = lists.image_ids(split)
    if val_split is not None:
        val = lists.image_ids(val_split)
        if shared := sorted(train & val):
            raise UserError(
                f"{len(shared)} photos are in both --split {split} and --val-split {val_split} "
                f"({shared[0]}, …); validation photos must not be trained on"
            )
        return val, val_split, ()
    usual = lists.usual_val(split)
    val = lists.image_ids(usual) if usual else set()
    if val and not (train & val):
        return val, usual, ()
    twins, twins_note = source.twins.for_splits(train)
    kept, held = hold_out(source.shown(train), seed=seed, twins=twins)
    if val:
        reason = f"the list {usual!r} shares photos with {split!r}"
    else:
        reason = f"no photo of {usual!r} can be used" if usual else "there is no val list"
    note = (
        f"{reason}, so {len(held)} of the {len(train)} photos of {split!r} are held out for "
        f"validation and {len(kept)} are trained on"
    )
    return set(held), f"held out of {split}", tuple(filter(None, (note, twins_note)))


def _apart_from_tests(
    source: Source, lists: Splits, split: str, train: set[str]
) -> tuple[set[str], tuple[str, ...]]:
    """The training photos without copies of test photos, and notes on what they share."""
    test = lists.tests(split)
    shared = train & test
    copies = source.twins.copies(train - shared, test)
    alike = source.twins.alike(train - shared - copies, test)
    notes = [*_copied(copies, "test"), *_alike(alike, "test")]
    if shared:
        notes.insert(
            0,
            f"{len(shared)} photos of {split!r} are in the test list, too "
            f"({listing(sorted(shared))}); they are trained on, so test scores will be too good",
        )
    return train - copies, tuple(notes)


def _copied(image_ids: set[str], of: str) -> Iterable[str]:
    if image_ids:
        yield (
            f"{len(image_ids)} training photos are copies of {of} photos and are left out "
            f"({listing(sorted(image_ids))})"
        )


def _alike(pairs: Sequence[tuple[str, str]], of: str) -> Iterable[str]:
    if pairs:
        shown = listing([f"{train} and {other}" for train, other in pairs], most=3)
        yield (
            f"{len(pairs)} training photos look nearly like {of} photos ({shown}); they are "
            f"trained on, so {of} scores may be too good"
        )


def _first(notes: Sequence[str]) -> str:
    return notes[-1] if notes else "it is empty"
