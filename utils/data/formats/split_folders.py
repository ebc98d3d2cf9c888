"""Splits by the names of folders: ``split_of``, ``splits_of_files``, ``split_folders``; lists
beside such folders: ``with_split_folders``, ``lists_beside_folders``; and the photos that are in
none: ``with_the_rest``, ``lists_with_the_rest``, ``with_unlisted``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from utils.data.annotations import SplitList
from utils.data.formats.naming import Key
from utils.data.splits.names import is_for_training, is_usual, split_name, split_within
from utils.text import counted, listed

Photo = TypeVar("Photo")


def split_of(folders: Iterable[str]) -> str | None:
    """``train``, ``val`` or ``test`` by the first folder that is called so; None without any."""
    return next(filter(None, map(split_name, folders)), None)


def splits_of_files(files: Mapping[Path, str | None]) -> dict[Path, str | None]:
    """The split of each file with the labels of many photos: by its name, or by its folders.

    A folder further up than the file's own says something only where files lie in different splits
    or outside them: beside others, a file in no split is one of training photos. A folder of
    training photos alone divides nothing.

    Args:
        files: the files' paths below the data folder, each with the split of its name or None.
    """
    near = {path: split or split_name(path.parent.name) for path, split in files.items()}
    far = {path: near[path] or split_of(reversed(path.parent.parts)) for path in files}
    return far if len({split or "train" for split in far.values()}) > 1 else near


def split_folders(keys: Sequence[Key], labels: Sequence[Key | None] = ()) -> dict[str, list[int]]:
    """The splits that photos lie in by the names of their folders, with their places in ``keys``.

    Args:
        keys: of the photos.
        labels: of their label files, for photos that lie in no such folder themselves.
    """
    splits: dict[str, list[int]] = {}
    for place, key in enumerate(keys):
        name = split_of(key[:-1])
        if name is None and labels and (label := labels[place]):
            name = split_of(label[:-1])
        if name:
            splits.setdefault(name, []).append(place)
    # Tools write all labels below labels/train where nobody divided the photos. Another such folder
    # of all labels, as labels/test, says as little.
    labelled = {place for place, label in enumerate(labels) if label}
    alone = len(splits) == 1 and ("train" in splits or labelled.issubset(*splits.values()))
    return split_folders(keys) if labels and alone else splits


def with_split_folders(
    listed: Mapping[str, Sequence[Photo]], folders: Mapping[str, Sequence[Photo]]
) -> tuple[dict[str, Sequence[Photo]], str]:
    """The splits of lists beside folders that are called like splits, and a note on these or "".

    Lists of training photos that name each split of the folders count alone. Beside others photos
    count by their folder, too: what a list or a folder calls val or test is never trained on.
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


def lists_beside_folders(
    lists: Mapping[str, SplitList], folders: Mapping[str, SplitList]
) -> tuple[dict[str, SplitList], list[str]]:
    """``with_split_folders`` for lists of any usual names, where ``trainval`` is ``train`` if no
    list is called so."""
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
    splits, note = with_split_folders(given, by_folder)
    result = dict(lists)
    for split, image_ids in splits.items():
        notes = (n for name, found in lists.items() if plain[name] == split for n in found.notes)
        result[split] = SplitList(tuple(image_ids), tuple(notes))
    return result, [note] if note else []


def with_the_rest(
    splits: Mapping[str, Sequence[Photo]],
    rest: Sequence[Photo],
    shown_as: Callable[[Photo], str],
    place: str = "folder",
) -> tuple[dict[str, Sequence[Photo]], str]:
    """The splits with the photos that lie in no folder of a split, and a note on these or "".

    They are what to train on where no folder says what is. Beside a folder of training photos
    they are left out, as nothing shows that they belong to it. They never become test photos.

    Args:
        place: what the splits are, folders or lists.
    """
    if not splits or not rest:
        return dict(splits), ""
    lie = counted(len(rest), "labelled photo lies", "labelled photos lie")
    where = f"{lie} in no {place} called train, val or test ({listed([*map(shown_as, rest)])})"
    if "train" in splits:
        return dict(splits), f"{where}; no split has {'it' if len(rest) == 1 else 'them'}"
    return {**splits, "train": rest}, f"{where}, and none is called train; counted as train"


def lists_with_the_rest(
    lists: Mapping[str, SplitList], rest: Mapping[str, str], place: str
) -> tuple[dict[str, SplitList], list[str]]:
    """``with_the_rest`` for lists of any usual names; ``rest``: image id → the photo's name."""
    known = {"train": ()} if any(map(is_for_training, lists)) else dict.fromkeys(lists, ())
    found, note = with_the_rest(known, list(rest), rest.__getitem__, place)
    more = {name: SplitList(tuple(found[name])) for name in found.keys() - known.keys()}
    return {**lists, **more}, [note] if note else []


def with_unlisted(
    lists: Mapping[str, SplitList], photos: Mapping[str, str]
) -> tuple[dict[str, SplitList], list[str]]:
    """``lists_with_the_rest`` for files that list photos with their labels: where one is called
    like a split, and none has training photos, they are all that no other split's name has.

    Args:
        photos: image id → the photo's name, of all photos.
    """
    if not any(map(is_usual, lists)):
        return dict(lists), []
    training = any(map(is_for_training, lists))
    inside = {
        image_id
        for name, found in lists.items()
        if training or split_within(name) in ("val", "test")
        for image_id in found.image_ids
    }
    rest = {image_id: name for image_id, name in photos.items() if image_id not in inside}
    return lists_with_the_rest(lists, rest, "list")
