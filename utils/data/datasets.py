"""Datasets from a folder of any format: ``load_datasets`` for training, ``load_split`` and
``load_photos`` for evaluation.

A split is the name of a list in the folder, or several joined by commas; in a devkit
``2007:trainval,2012:trainval``. For a folder without lists, a seeded and stratified split gives
``train``, ``val`` and ``test``. ``all`` always exists, and ``trainval`` exists where ``train`` and
``val`` do. Whatever is skipped or corrected becomes a note.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from utils.data.folder.data_folder import DataFolder
from utils.data.records import Dataset
from utils.data.splits.known import extend_to_groups
from utils.data.splits.names import Splits
from utils.data.splits.stratified import hold_out
from utils.errors import UserError
from utils.memory import give_back_memory
from utils.text import counted, listed


@dataclass(frozen=True)
class SplitInfo:
    """How training and validation photos were chosen.

    Attributes:
        train, val: the name of the list, or in words how the photos were set aside.
        splits: image ids to be stored with the run: ``train`` and ``val`` as used. ``test`` is
            there where the split was made here and shares no photo with the two.
        generated: the folder has no lists; the split was made from the seed.
        held_out: the validation photos were set aside from the training split.
        notes: sentences on the choice and on the folder as a whole.
        test: the files of the test photos by image id, if they are apart from the two others.
        trained_before: for ``val`` and ``test`` the image ids of known training photos, or of
            near-duplicates of these.
    """

    train: str
    val: str
    splits: Mapping[str, tuple[str, ...]]
    generated: bool
    held_out: bool
    notes: tuple[str, ...] = field(default=())
    test: Mapping[str, Path] = field(default_factory=dict)
    trained_before: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def load_datasets(
    data: str | Path,
    *,
    split: str = "train",
    val_split: str | None = None,
    classes: Sequence[str] | None = None,
    only_listed: bool = False,
    seed: int = 0,
    known: Mapping[str, str] | None = None,
) -> tuple[Dataset, Dataset, SplitInfo]:
    """The training and the validation photos; no photo is in both.

    Without ``val_split`` the list ``val`` is used. If there is none, or it shares photos with the
    training split, a stratified tenth of the training split is held out instead.

    Args:
        classes: class names in the order of their ids. When None, the folder's own order, or
            all names found, alphabetically, if it has none (VOC).
        only_listed: leave out objects of other classes; without it they are an error. A photo
            that loses all its objects stays, as a background image.
        known: content hash → ``train``, ``val`` or ``test``, of photos that an earlier run used.
            In splits that are made here they stay in that split.

    Raises:
        UserError: nothing to read, an unknown split, an unlisted class, or a ``val_split`` that
            shares photos with ``split``.
    """
    folder = DataFolder.open(data)
    names = folder.classes(classes, only_listed)
    known_ids = folder.known_photos(known or {})
    lists = folder.splits(seed, known_ids, wanted=filter(None, (split, val_split)))
    train_ids = lists.image_ids(split)
    val_ids, val_words, held_notes = _validation(folder, lists, split, val_split, seed, known_ids)
    train_ids -= val_ids
    copies = folder.duplicates.copies(train_ids, val_ids)
    train_ids -= copies
    near = folder.duplicates.near_duplicates(train_ids, val_ids)
    train_ids, tested = _apart_from_tests(folder, lists, split, train_ids)

    train = folder.dataset(train_ids, names, lists.notes(split))
    val = folder.dataset(val_ids, names, () if held_notes else lists.notes(val_words))
    for dataset, words in ((train, split), (val, val_words)):
        if not len(dataset):
            raise UserError(f"{data}: no photo of {words!r} can be used ({_why(dataset.notes)})")
    if train.records.difficult.all():
        raise UserError(
            f"{data}: no photo of {split!r} has a labelled object to train on ({_why(train.notes)})"
        )
    splits = {"train": tuple(train.records.image_ids()), "val": tuple(val.records.image_ids())}
    test_ids = lists.test_ids(split)
    if not test_ids.isdisjoint(train_ids | val_ids):
        test_ids = set()
    if lists.generated and test_ids:
        splits["test"] = tuple(sorted(test_ids))
    remarks = (*held_notes, *tested, *_copied(copies, "validation"), *_similar(near, "validation"))
    info = SplitInfo(
        train=split,
        val=val_words,
        splits=splits,
        generated=lists.generated,
        held_out=bool(held_notes),
        notes=(*folder.notes, *lists.provenance_of(split), *remarks),
        test=folder.images(test_ids),
        trained_before={
            "val": _trained_before(folder, val_ids, known_ids),
            "test": _trained_before(folder, lists.test_ids(split) - train_ids, known_ids),
        },
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
    known: Mapping[str, str] | None = None,
) -> Dataset:
    """One split, for evaluation; arguments and errors as ``load_datasets``."""
    folder = DataFolder.open(data)
    if split.strip() == "all":  # so that no split must be made
        lists = Splits(folder.index.layout.root, {}, folder.image_ids)
    else:
        # Lists are taken as they are. To know photos by their content, all must be read.
        known_ids = {} if folder.lists else folder.known_photos(known or {})
        lists = folder.splits(seed, known_ids, wanted=[split])
    image_ids = lists.image_ids(split)
    names = folder.classes(classes, only_listed, image_ids)
    dataset = folder.dataset(
        image_ids, names, (*folder.notes, *lists.provenance_of(split), *lists.notes(split))
    )
    if not len(dataset):
        raise UserError(f"{data}: no photo of {split!r} can be used ({_why(dataset.notes)})")
    return dataset


def load_photos(
    data: str | Path,
    image_ids: Iterable[str],
    *,
    classes: Sequence[str] | None = None,
    only_listed: bool = False,
) -> Dataset:
    """The photos of given image ids, as a run stored them; those that are gone become notes.

    Raises:
        UserError: as ``load_datasets``, and when none of the photos is there.
    """
    folder = DataFolder.open(data)
    wanted = dict.fromkeys(image_ids)
    present = folder.image_ids & wanted.keys()
    names = folder.classes(classes, only_listed, present)
    missing = tuple(
        f"{image_id}: not in this folder; left out" for image_id in wanted.keys() - present
    )
    dataset = folder.dataset(present, names, (*folder.notes, *sorted(missing)))
    if not len(dataset):
        raise UserError(
            f"{data}: none of the {len(wanted)} photos of the stored split can be used; "
            "is it the folder that the run was trained on?"
        )
    return dataset


def _validation(
    folder: DataFolder,
    lists: Splits,
    split: str,
    val_split: str | None,
    seed: int,
    known: Mapping[str, str],
) -> tuple[set[str], str, tuple[str, ...]]:
    """The validation photos, their name in words, and why they were held out, if so."""
    train = lists.image_ids(split)
    if val_split is not None:
        val = lists.image_ids(val_split)
        if shared := sorted(train & val):
            raise UserError(
                f"--split {split} and --val-split {val_split} share "
                f"{counted(len(shared), 'photo')} ({listed(shared, most=1)}); validation "
                "photos must not be trained on"
            )
        return val, val_split, ()
    default = lists.default_val(split)
    val = lists.image_ids(default) if default else set()
    if val and not (train & val):
        return val, default, ()
    groups, groups_note = folder.duplicates.split_groups(train)
    _check_enough(folder, lists, split, train, groups)
    fixed = extend_to_groups(known, groups, train)
    fixed = {image_id: part for image_id, part in fixed.items() if part != "test"}
    kept, held = hold_out(folder.class_names(train), seed=seed, groups=groups, fixed=fixed)
    if val:
        reason = f"the list {default!r} shares photos with {split!r}"
    else:
        reason = f"no photo of {default!r} can be used" if default else "there is no val list"
    note = (
        f"{reason}; {len(held)} of the {len(train)} photos of {split!r} are held out for "
        f"validation and {len(kept)} are trained on"
    )
    return set(held), f"held out of {split}", tuple(filter(None, (note, groups_note)))


def _check_enough(
    folder: DataFolder, lists: Splits, split: str, train: set[str], groups: Mapping[str, str]
) -> None:
    """Raises UserError: too few different photos to set some aside for validation."""
    pictures = len({groups.get(image_id, image_id) for image_id in train})
    if pictures >= 2:
        return
    found = counted(len(folder.image_ids), "labelled photo")
    if not (folder.index.photos.sizes[folder.rows(train)] > 0).any():
        return  # that none of them can be read is said later
    root = folder.index.layout.root
    words = [f"{root}: too few photos: of {found}, {len(train)} can be trained on"]
    if others := len(folder.image_ids) - len(train):
        kept = "set aside for testing" if lists.generated else f"not in {split!r}"
        words.append(f"{others} {'is' if others == 1 else 'are'} {kept}")
    if len(train) > 1:
        words.append("these show the same picture")
    raise UserError(
        f"{', '.join(words)}, so none is left for validation; at least 3 different photos with "
        "labels are needed to train, validate and test, or 2 with a list that names them as train"
    )


def _apart_from_tests(
    folder: DataFolder, lists: Splits, split: str, train: set[str]
) -> tuple[set[str], tuple[str, ...]]:
    """The training photos without copies of test photos, and notes on what they share."""
    test = lists.test_ids(split)
    shared = train & test
    copies = folder.duplicates.copies(train - shared, test)
    near = folder.duplicates.near_duplicates(train - shared - copies, test)
    notes = [*_copied(copies, "test"), *_similar(near, "test")]
    if shared:
        notes.insert(
            0,
            f"the test list also has {counted(len(shared), 'photo')} of {split!r} "
            f"({listed(sorted(shared))}), so test scores will be too good",
        )
    return train - copies, tuple(notes)


def _trained_before(
    folder: DataFolder, image_ids: set[str], known: Mapping[str, str]
) -> tuple[str, ...]:
    """Those of the photos that are known training photos, or that look the same as one."""
    trained = {image_id for image_id, part in known.items() if part == "train"}
    if not trained:
        return ()
    near = folder.duplicates.near_duplicates(image_ids - trained, trained)
    return tuple(sorted((image_ids & trained) | {image_id for image_id, _ in near}))


def _copied(image_ids: set[str], of: str) -> Iterable[str]:
    if image_ids:
        yield (
            f"{counted(len(image_ids), 'training photo')} left out: copies of {of} photos "
            f"({listed(sorted(image_ids))})"
        )


def _similar(pairs: Sequence[tuple[str, str]], of: str) -> Iterable[str]:
    if pairs:
        examples = listed([f"{train} like {other}" for train, other in pairs])
        yield (
            f"{counted(len(pairs), 'near-duplicate')} of {of} photos among the training photos "
            f"({examples}), so {of} scores may be too good"
        )


def _why(notes: Sequence[str]) -> str:
    ends = dict.fromkeys(note.removesuffix(".") for note in (*notes[:1], *notes[-1:]))
    return ". ".join(ends) or "it is empty"
