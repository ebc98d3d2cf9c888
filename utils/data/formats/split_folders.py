"""Splits by the names of folders and lists.

- ``split_of``, ``splits_of_files``, ``split_folders``: the splits that folders name.
- ``merge_lists_and_folders``, ``merge_named_lists_and_folders``: lists beside such folders.
- ``assign_remaining``, ``assign_remaining_to_lists``, ``assign_unlisted``: the photos in no split.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from utils.data.annotations import SplitList
from utils.data.formats.naming import Key
from utils.data.splits.names import is_for_training, is_split_name, split_name, split_within
from utils.text import counted, listed

Photo = TypeVar("Photo")


def split_of(folders: Iterable[str]) -> str | None:
    """``train``, ``val`` or ``test`` by the first folder named so; None without any."""
    return next(filter(None, map(split_name, folders)), None)


def splits_of_files(files: Mapping[Path, str | None]) -> dict[Path, str | None]:
    """The split of each file with the labels of many photos: by its name, or by its folders.

    A split folder directly above the file counts. One further up counts only if the files then
    fall into two or more splits; for that a file in no split counts as train.

    Args:
        files: the files' paths below the data folder, each with the split of its name or None.
    """
    near = {path: split or split_name(path.parent.name) for path, split in files.items()}
    far = {path: near[path] or split_of(reversed(path.parent.parts)) for path in files}
    return far if len({split or "train" for split in far.values()}) > 1 else near


def split_folders(keys: Sequence[Key], labels: Sequence[Key | None] = ()) -> dict[str, list[int]]:
    """The splits that photos lie in by the names of their folders, with their indices in ``keys``.

    Args:
        keys: of the photos.
        labels: of their label files, for photos that lie in no such folder themselves.
    """
    splits: dict[str, list[int]] = {}
    for index, key in enumerate(keys):
        name = split_of(key[:-1])
        if name is None and labels and (label := labels[index]):
            name = split_of(label[:-1])
        if name:
            splits.setdefault(name, []).append(index)
    # Tools write all labels below labels/train where nobody divided the photos. Another such folder
    # of all labels, as labels/test, says as little.
    labelled = {index for index, label in enumerate(labels) if label}
    alone = len(splits) == 1 and ("train" in splits or labelled.issubset(*splits.values()))
    return split_folders(keys) if labels and alone else splits


def merge_lists_and_folders(
    listed: Mapping[str, Sequence[Photo]], folders: Mapping[str, Sequence[Photo]]
) -> tuple[dict[str, Sequence[Photo]], str]:
    """The splits of lists beside folders that are named like splits, and a note on these or "".

    If the lists have train and every split of the folders, only the lists count. Otherwise both
    count, and a photo that either calls val or test is never trained on.
    """
    if not folders or ("train" in listed and folders.keys() <= listed.keys()):
        return dict(listed), ""
    held: dict[Photo, str] = {}
    for splits in (listed, folders):
        for split in ("test", "val"):
            for photo in splits.get(split, ()):
                held.setdefault(photo, split)
    both = (photo for splits in (listed, folders) for photo in splits.get("train", ()))
    train = [photo for photo in dict.fromkeys(both) if photo not in held]
    if "train" in listed and not train:  # all lie in one folder: its name says nothing
        return dict(listed), ""
    found = {"train": train} if train else {}
    for photo, split in held.items():
        found.setdefault(split, []).append(photo)
    missing = sorted(folders.keys() - listed.keys())
    if not missing:
        return found, ""
    are = "a folder is" if len(missing) == 1 else "folders are"
    return found, (
        f"{are} called {' and '.join(missing)}, and no list is; photos count by their folder "
        "unless a list calls them val or test"
    )


def merge_named_lists_and_folders(
    lists: Mapping[str, SplitList], folders: Mapping[str, SplitList]
) -> tuple[dict[str, SplitList], list[str]]:
    """``merge_lists_and_folders`` for lists of any split names, where ``trainval`` is ``train`` if
    no list is called ``train``."""
    plain = {name: split_name(name) or "trainval" for name in lists}
    listed: dict[str, dict[str, None]] = {}
    for name, found in lists.items():
        listed.setdefault(plain[name], {}).update(dict.fromkeys(found.image_ids))
    trainval = listed.pop("trainval", None)
    if trainval and "train" not in listed:
        val = listed.get("val", {})
        listed["train"] = {image_id: None for image_id in trainval if image_id not in val}
        if not listed["train"]:  # all photos are called val: nothing would be left to train on
            del listed["train"]
    given = {split: list(image_ids) for split, image_ids in listed.items()}
    by_folder = {split: found.image_ids for split, found in folders.items()}
    splits, note = merge_lists_and_folders(given, by_folder)
    result = dict(lists)
    for split, image_ids in splits.items():
        notes = (n for name, found in lists.items() if plain[name] == split for n in found.notes)
        result[split] = SplitList(tuple(image_ids), tuple(notes))
    return result, [note] if note else []


def assign_remaining(
    splits: Mapping[str, Sequence[Photo]],
    remaining: Sequence[Photo],
    shown_as: Callable[[Photo], str],
    kind: str = "folder",
) -> tuple[dict[str, Sequence[Photo]], str]:
    """The splits with the photos that lie in no folder of a split, and a note on these or "".

    They become train where nothing else is train. Otherwise they are left out, as nothing shows
    that they belong to it. They never become test photos.

    Args:
        splits: by name.
        remaining: the labelled photos that are in none of them.
        shown_as: the name of a photo in messages.
        kind: what the splits are, folder or list.
    """
    if not splits or not remaining:
        return dict(splits), ""
    lie = counted(len(remaining), "labelled photo lies", "labelled photos lie")
    where = f"{lie} in no {kind} called train, val or test ({listed([*map(shown_as, remaining)])})"
    if "train" in splits:
        return dict(splits), f"{where}; no split has {'it' if len(remaining) == 1 else 'them'}"
    return {**splits, "train": remaining}, f"{where}, and none is called train; counted as train"


def assign_remaining_to_lists(
    lists: Mapping[str, SplitList], remaining: Mapping[str, str], kind: str
) -> tuple[dict[str, SplitList], list[str]]:
    """``assign_remaining`` for lists of any split names; ``remaining``: image id → the photo's
    name."""
    known = {"train": ()} if any(map(is_for_training, lists)) else dict.fromkeys(lists, ())
    found, note = assign_remaining(known, list(remaining), remaining.__getitem__, kind)
    more = {name: SplitList(tuple(found[name])) for name in found.keys() - known.keys()}
    return {**lists, **more}, [note] if note else []


def assign_unlisted(
    lists: Mapping[str, SplitList], photos: Mapping[str, str]
) -> tuple[dict[str, SplitList], list[str]]:
    """``assign_remaining_to_lists`` for files that list photos with their labels.

    Nothing changes where none is named like a split. Where none has training photos, all photos
    that are not in val or test become train.

    Args:
        photos: image id → the photo's name, of all photos.
    """
    if not any(map(is_split_name, lists)):
        return dict(lists), []
    training = any(map(is_for_training, lists))
    inside = {
        image_id
        for name, found in lists.items()
        if training or split_within(name) in ("val", "test")
        for image_id in found.image_ids
    }
    remaining = {image_id: name for image_id, name in photos.items() if image_id not in inside}
    return assign_remaining_to_lists(lists, remaining, "list")
