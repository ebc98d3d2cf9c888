"""Split expressions: which photos ``train``, ``trainval`` or ``2007:trainval,2012:trainval`` mean.

A split is the name of a list in the folder, or several joined by commas. ``all`` always exists,
and ``trainval`` exists where ``train`` and ``val`` do.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from utils.data.annotations import SplitList
from utils.errors import UserError

SPLIT_FOLDERS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}
_WITH_YEAR = re.compile(r"([a-z]+)[-_ ]?((?:19|20)\d\d)")  # train2017


@lru_cache(4096)  # a folder's name is asked for with each of its photos
def split_name(text: str) -> str | None:
    """``train``, ``val`` or ``test`` where the text is one of their usual names, with or without
    a year (``valid``, ``train2017``); None for other texts."""
    text = text.lower()
    if match := _WITH_YEAR.fullmatch(text):
        text = match[1]
    return SPLIT_FOLDERS.get(text)


def split_within(name: str) -> str | None:
    """The only split among the words of a list's name (``fruit_train``, ``val.v2``); else None."""
    year, _, plain = name.rpartition(":")
    found = {split_name(word) for word in re.split(r"[_.\-\s]+", plain)} - {None}
    return found.pop() if len(found) == 1 and not year else None


def is_split_name(name: str) -> bool:
    """Whether a list or folder is named like a split, with or without a year (``2007:train``)."""
    name = name.rpartition(":")[2]
    return name.lower() == "trainval" or split_name(name) is not None


def is_for_training(name: str) -> bool:
    """Whether a list of this name has training photos, all or among others."""
    name = name.rpartition(":")[2]
    return name.lower() == "trainval" or split_name(name) == "train"


def usable_lists(
    lists: Mapping[str, SplitList], labelled: Iterable[str] = ()
) -> Mapping[str, SplitList]:
    """The lists of a folder; those with other names of a split are joined as that split.

    ``train2014`` and ``train2017`` become ``train``, ``valid`` becomes ``val``. Where no list is
    named like a split, the words in their names count if they divide the photos (``fruit_train``,
    ``fruit_test``). Otherwise there are no lists: CVAT writes a ``default.txt``, for instance,
    which names every photo.

    Args:
        labelled: the image ids of the folder's photos, all of which must be in lists of such words.
    """
    if any(map(is_split_name, lists)):
        meant = {name: split_name(name) for name in lists}
    else:
        meant = {name: split_within(name) for name in lists}
        if not _divide(lists, list(meant.values()), set(labelled)):
            return {}
    usable = dict(lists)
    for plain in dict.fromkeys(SPLIT_FOLDERS.values()):
        own = [found for name, found in lists.items() if meant[name] == plain]
        if own and plain not in lists:
            image_ids = dict.fromkeys(image_id for found in own for image_id in found.image_ids)
            notes = tuple(note for found in own for note in found.notes)
            usable[plain] = SplitList(tuple(image_ids), notes)
    return dict(sorted(usable.items()))


def _divide(
    lists: Mapping[str, SplitList], meant: Sequence[str | None], labelled: Set[str]
) -> bool:
    """Whether lists mean training photos and others: each photo in one list, each another split.

    A name may be that of anything (``crash_test``), folds of a cross-validation share photos, and
    a few photos may have lists for a quick trial (``toy_train``, ``toy_test``).
    """
    if None in meant or "train" not in meant or not 1 < len(meant) == len(set(meant)):
        return False
    image_ids = [image_id for found in lists.values() for image_id in set(found.image_ids)]
    return len(image_ids) == len(set(image_ids)) and labelled <= set(image_ids)


def names_any(split: str, lists: Mapping[str, SplitList]) -> bool:
    """Whether a split expression has the name of one of the lists, named like a split or not."""
    return any(token.strip() in lists for token in split.split(","))


@dataclass(frozen=True)
class Splits:
    """The splits of a folder by name, given or made.

    Attributes:
        root: the folder, for messages.
        named: the lists.
        everything: the image ids of all usable photos.
        generated: the folder has no lists; the splits were made from a seed.
        provenance: how they were made, in sentences.
    """

    root: Path
    named: Mapping[str, SplitList]
    everything: frozenset[str]
    generated: bool = False
    provenance: tuple[str, ...] = field(default=())

    def provenance_of(self, split: str) -> tuple[str, ...]:
        """How the splits were made, where that matters for this split."""
        return () if split.strip() == "all" else self.provenance

    def image_ids(self, split: str) -> set[str]:
        """The photos of a split expression.

        Raises:
            UserError: there is no split of that name.
        """
        return {
            image_id for found in self._lists(split) for image_id in found.image_ids
        } & self.everything

    def notes(self, split: str) -> tuple[str, ...]:
        """Which entries of the lists of a split expression have no photo."""
        return tuple(note for found in self._lists(split) for note in found.notes)

    def default_val(self, split: str) -> str | None:
        """The val lists of the years in a split expression; None if there are none."""
        names = dict.fromkeys(self._val_list_for(token.strip()) for token in split.split(","))
        known = [name for name in names if self._list(name) is not None]
        return ",".join(known) or None

    def test_ids(self, split: str) -> set[str]:
        """The photos of the test list; none if the split expression itself asks for them."""
        tokens = {token.strip().rpartition(":")[2].strip().lower() for token in split.split(",")}
        if "all" in tokens or "test" in map(split_name, tokens) or "test" not in self.named:
            return set()
        return self.image_ids("test")

    def _val_list_for(self, token: str) -> str:
        year, name = _year(token), token.rpartition(":")[2].strip()
        if year:
            return f"{year}:val"
        match = _WITH_YEAR.fullmatch(name.lower())
        same_year = [
            other
            for other in self.named
            if match
            and split_name(other) == "val"
            and (found := _WITH_YEAR.fullmatch(other.lower()))
            and found[2] == match[2]
        ]
        return same_year[0] if same_year else "val"

    def _lists(self, split: str) -> list[SplitList]:
        tokens = [token.strip() for token in split.split(",") if token.strip()]
        if not tokens:
            raise UserError("a split has a name, such as train")
        lists = []
        for token in tokens:
            found = self._list(token)
            if found is None:
                known = sorted({*self.named, *(n for n in ("all", "trainval") if self._list(n))})
                raise UserError(
                    f"{self.root}: there is no split {token!r}; there are {', '.join(known)}"
                )
            lists.append(found)
        return lists

    def _list(self, token: str) -> SplitList | None:
        year, name = _year(token), token.rpartition(":")[2].strip()
        prefix = f"{year}:" if year else ""
        if prefix + name in self.named:
            return self.named[prefix + name]
        if name.lower() in SPLIT_FOLDERS and SPLIT_FOLDERS[name.lower()] != name:
            return self._list(prefix + SPLIT_FOLDERS[name.lower()])
        if name == "trainval":
            both = [self.named.get(f"{prefix}{split}") for split in ("train", "val")]
            if all(both):
                return SplitList(
                    both[0].image_ids + both[1].image_ids, both[0].notes + both[1].notes
                )
        if name == "all" and not year:
            return SplitList(tuple(sorted(self.everything)))
        return None


def _year(token: str) -> str:
    """``2007`` of ``2007:trainval`` or ``VOC2007:trainval``; "" without a year."""
    year = token.rpartition(":")[0].strip()
    return year[3:] if year.lower().startswith("voc") else year
