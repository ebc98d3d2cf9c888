"""Splits by the names of folders: ``split_of``, ``split_folders``; and the photos that are in none:
``with_the_rest``, ``lists_with_the_rest``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from utils.data.annotations import SplitList
from utils.data.formats.naming import Key
from utils.data.splits.names import is_for_training, split_name
from utils.text import counted, listed

Photo = TypeVar("Photo")


def split_of(folders: Iterable[str]) -> str | None:
    """``train``, ``val`` or ``test`` by the first folder that is called so; None without any."""
    return next(filter(None, map(split_name, folders)), None)


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
    # Tools write all labels below labels/train where nobody divided the photos.
    return split_folders(keys) if labels and set(splits) == {"train"} else splits


def with_the_rest(
    splits: Mapping[str, Sequence[Photo]],
    rest: Sequence[Photo],
    shown_as: Callable[[Photo], str],
    place: str = "folder",
) -> tuple[dict[str, Sequence[Photo]], str]:
    """The splits with the photos that lie in no folder of a split, and a note on these or "".

    They are what to train on where no folder says what is. Beside a folder of training photos
    they are left out, as nobody said that they belong to it. They never become test photos.

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
