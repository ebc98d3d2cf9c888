"""Split expressions: which photos ``train``, ``trainval`` or ``2007:trainval,2012:trainval`` mean.

A split is the name of a list in the folder, or several joined by commas. Beside the lists there is
always ``all``, and ``trainval`` where there are ``train`` and ``val``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from utils.data.labels import SplitList
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
_USUAL_LISTS = ("train", "val", "trainval", "test")


def usable_lists(lists: Mapping[str, SplitList]) -> Mapping[str, SplitList]:
    """The lists of a folder; none where no list has a usual name.

    CVAT writes a ``default.txt``, for instance, which names every photo.
    """
    return lists if any(name.rpartition(":")[2] in _USUAL_LISTS for name in lists) else {}


@dataclass(frozen=True)
class Splits:
    """The splits of a folder by name, given or made.

    Attributes:
        root: the folder, for messages.
        named: the lists.
        everything: the stems of all photos that can be used.
        generated: the folder has no lists, and the splits were made from a seed.
        making: how, in sentences.
    """

    root: Path
    named: Mapping[str, SplitList]
    everything: frozenset[str]
    generated: bool = False
    making: tuple[str, ...] = field(default=())

    def about(self, split: str) -> tuple[str, ...]:
        """How the splits were made, where that matters for this one."""
        return () if split.strip() == "all" else self.making

    def stems(self, split: str) -> set[str]:
        """The photos of a split expression.

        Raises:
            UserError: there is no split of that name.
        """
        return {stem for part in self._parts(split) for stem in part.stems} & self.everything

    def notes(self, split: str) -> tuple[str, ...]:
        """What the lists of a split expression name in vain."""
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
