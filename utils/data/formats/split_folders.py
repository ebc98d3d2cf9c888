"""Splits by the names of folders: ``split_of``, ``split_folders``, ``with_the_rest``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from utils.data.formats.naming import Key
from utils.data.splits.names import split_name
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
    return splits


def with_the_rest(
    splits: Mapping[str, Sequence[Photo]],
    rest: Sequence[Photo],
    shown_as: Callable[[Photo], str],
) -> tuple[dict[str, Sequence[Photo]], str]:
    """The splits with the photos that lie in no folder of a split, and a note on these or "".

    They are what to train on where no folder says what is. Beside a folder of training photos
    they are left out, as nobody said that they belong to it. They never become test photos.
    """
    if not splits or not rest:
        return dict(splits), ""
    lie = counted(len(rest), "labelled photo lies", "labelled photos lie")
    where = f"{lie} in no folder called train, val or test ({listed([*map(shown_as, rest)])})"
    if "train" in splits:
        return dict(splits), f"{where}; no split has {'it' if len(rest) == 1 else 'them'}"
    return {**splits, "train": rest}, f"{where}, and none is called train; counted as train"
