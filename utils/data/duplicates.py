"""The same picture under two names: it must not be trained on and scored.

``identical_photos`` finds copies of files, ``near_duplicates`` also those that were re-encoded,
resized or brightened, and shots of a burst. ``Twins`` holds both for a dataset.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from utils.data import perceptual
from utils.data.hash_search import near_pairs
from utils.data.photo_facts import PhotoFacts, common_folder, in_threads
from utils.data.wording import listing
from utils.errors import UserError

MAX_COMPARED = 32  # pictures that a photo is compared with, of those whose hashes are near
MAX_FAMILY = 0.1  # of the photos; larger groups are no copies but a camera that does not move
FEW = 20  # photos that may be one family, as long as they are no more than half


def identical_photos(paths: Mapping[str, Path]) -> dict[str, str]:
    """Stem → the first stem whose file has the same content, for those that have a twin.

    Only files of equal length are read. A file that cannot be read has no twin.
    """
    return find_twins(paths, near=False).exact


def near_duplicates(paths: Mapping[str, Path]) -> dict[str, str]:
    """Stem → the first stem of the photos that look the same, for those that have a twin.

    Copies of a file count too. A photo that cannot be read has no twin, and one without any
    contrast has none but its copies.
    """
    return find_twins(paths).near


@dataclass(frozen=True)
class Twins:
    """Which photos of a dataset show the same.

    Attributes:
        exact: stem → the first stem of the same content, for those that have one before them.
        near: stem → the first stem that looks the same, copies included. These families are not
            chained: each photo looks like the first of its own.
        pairs: all two photos that were found to look the same, copies left out but for their
            first; of these also those in different families.
    """

    exact: Mapping[str, str]
    near: Mapping[str, str]
    pairs: tuple[tuple[str, str], ...] = ()

    def copies(self, stems: Collection[str], others: Collection[str]) -> set[str]:
        """Those of ``stems`` whose file is also among ``others``."""
        known = {self.exact.get(stem, stem) for stem in others}
        return {stem for stem in stems if self.exact.get(stem, stem) in known}

    def alike(self, stems: Collection[str], others: Collection[str]) -> list[tuple[str, str]]:
        """Pairs of one of ``stems`` and one of ``others`` that look the same, sorted."""
        known = {self.near.get(stem, stem): stem for stem in sorted(others, reverse=True)}
        families = ((stem, self.near.get(stem, stem)) for stem in stems)
        found = {stem: known[family] for stem, family in families if family in known}
        # A pair stands for the copies of the two as well.
        first = self.exact.get
        own, theirs = _by_first(stems, first), _by_first(others, first)
        for pair in self.pairs:
            for a, b in (pair, pair[::-1]):
                if a in own and b in theirs:
                    for stem in own[a]:
                        found[stem] = min(found.get(stem, theirs[b][0]), theirs[b][0])
        return sorted(found.items())

    def _chained(self, stems: Collection[str]) -> dict[str, str]:
        """Families of all that look alike, from one to the next, named by their first."""
        above: dict[str, str] = {}

        def top(stem: str) -> str:
            while (up := above.get(stem, stem)) != stem:
                above[stem] = above.get(up, up)  # shorten the way for the next time
                stem = up
            return stem

        within = set(stems)
        for stem in stems:
            for first in (self.exact.get(stem), self.near.get(stem)):
                if first is not None:
                    above[top(stem)] = top(first)
        firsts = {self.exact.get(stem, stem) for stem in within}
        for a, b in self.pairs:
            if a in firsts and b in firsts:
                above[top(a)] = top(b)
        return _within({stem: top(stem) for stem in within}, within)

    def for_splits(self, stems: Collection[str]) -> tuple[Mapping[str, str], str]:
        """Which photos must stay on one side of a split, and a sentence on it ("" without any).

        Where a large part of the photos looks the same, as from a camera that does not move,
        keeping them together would leave nothing to divide: then only copies are.
        """
        near = self._chained(stems)
        if not near:
            return {}, ""
        most = min(max(FEW, MAX_FAMILY * len(stems)), len(stems) / 2)
        if _largest(near) > most:  # a chain, such as a slow pan: its pieces may do
            near = _within(self.near, stems)
        largest = _largest(near)
        if largest > most:
            exact = _within(self.exact, stems)
            return exact, (
                f"{largest} of {len(stems)} photos look nearly the same, too many to keep them on "
                f"one side of the split; only the {len(exact)} exact copies stay together, and "
                "scores may be too good"
            )
        return near, (
            f"{len(near)} photos are copies of others or look nearly like them and stay with them "
            f"({listing(sorted(near))})"
        )

    def arrays(self, places: Mapping[str, int]) -> dict[str, np.ndarray]:
        """For an archive, by row; ``from_arrays`` makes them twins again."""
        return {
            name: np.array([(places[a], places[b]) for a, b in pairs], np.int64).reshape(-1, 2)
            for name, pairs in (
                ("exact", self.exact.items()),
                ("near", self.near.items()),
                ("pairs", self.pairs),
            )
        }

    @classmethod
    def from_arrays(cls, archive: Mapping[str, np.ndarray], stems: Sequence[str]) -> Twins | None:
        """None where the arrays make no sense."""
        found = []
        for name in ("exact", "near", "pairs"):
            rows = archive.get(name)
            if rows is None or rows.dtype != np.int64 or rows.ndim != 2 or rows.shape[1] != 2:
                return None
            if rows.size and not (rows.min() >= 0 and rows.max() < len(stems)):
                return None
            found.append([(stems[a], stems[b]) for a, b in rows.tolist()])
        exact, near, pairs = found
        return cls(dict(exact), dict(near), tuple(pairs))


def find_twins(paths: Mapping[str, Path], *, near: bool = True) -> Twins:
    """Copies, and unless ``near`` is false photos that look the same."""
    root = common_folder(paths.values())
    if root is None:
        return Twins({}, {})
    facts = PhotoFacts(root)
    paths = {stem: paths[stem] for stem in sorted(paths)}
    exact = _copies(paths, facts)
    alike: dict[str, str] = {}
    pairs: list[tuple[str, str]] = []
    if near:
        firsts = {stem: path for stem, path in paths.items() if stem not in exact}
        alike, pairs = _alike(firsts, facts.looks(firsts))
        alike |= {stem: alike.get(first, first) for stem, first in exact.items()}
    facts.save()
    return Twins(exact, dict(sorted(alike.items())), tuple(pairs))


def _copies(paths: Mapping[str, Path], facts: PhotoFacts) -> dict[str, str]:
    by_size: dict[int, list[str]] = {}
    for stem, path in paths.items():
        try:
            by_size.setdefault(path.stat().st_size, []).append(stem)
        except OSError:
            continue
    equal = [stem for stems in by_size.values() if len(stems) > 1 for stem in stems]
    contents = facts.contents({stem: paths[stem] for stem in sorted(equal)})
    first: dict[str, str] = {}
    return {
        stem: first[content]
        for stem, content in contents.items()
        if first.setdefault(content, stem) != stem
    }


def _alike(
    paths: Mapping[str, Path], looks: Mapping[str, int]
) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """Groups of photos that look the same, each named by its first, and all pairs that do.

    The groups are not chained from one to the next, or a slow pan would be one from end to end.
    """
    near = _candidates(looks)
    thumbnails = _thumbnails({stem: paths[stem] for stem in near})
    twins: dict[str, str] = {}
    pairs: list[tuple[str, str]] = []
    for stem in sorted(thumbnails):
        before = [other for other in near[stem] if other < stem and other in thumbnails]
        firsts = [other for other in before if other not in twins][:MAX_COMPARED]
        followers = [other for other in before if other in twins][:MAX_COMPARED]
        if before:
            compared = firsts + followers
            others = perceptual.normalised(np.stack([thumbnails[other] for other in compared]))
            likeness = others @ perceptual.normalised(thumbnails[stem])
            same = likeness >= perceptual.MIN_CORRELATION
            pairs += [(compared[i], stem) for i in np.flatnonzero(same).tolist()]
            if same[: len(firsts)].any():
                twins[stem] = firsts[int(likeness[: len(firsts)].argmax())]
    return twins, pairs


def _candidates(looks: Mapping[str, int]) -> dict[str, list[str]]:
    """For each photo that has any, others whose hashes are near, the nearest first."""
    stems = sorted(looks)
    hashes = np.array([looks[stem] for stem in stems], np.uint64)
    near: dict[str, list[str]] = {}
    for a, b in near_pairs(hashes, perceptual.MAX_DISTANCE).tolist():
        near.setdefault(stems[b], []).append(stems[a])
        near.setdefault(stems[a], [])
    return near


def _thumbnails(paths: Mapping[str, Path]) -> dict[str, np.ndarray]:
    def look(stem: str) -> np.ndarray | None:
        try:
            return perceptual.thumbnail(paths[stem])
        except UserError:
            return None

    stems = list(paths)
    found = zip(stems, in_threads(look, stems), strict=True)
    return {stem: small for stem, small in found if small is not None}


def _by_first(stems: Collection[str], first: Callable[[str, str], str]) -> dict[str, list[str]]:
    """The stems by the first of their copies, sorted."""
    groups: dict[str, list[str]] = {}
    for stem in sorted(stems):
        groups.setdefault(first(stem, stem), []).append(stem)
    return groups


def _largest(twins: Mapping[str, str]) -> int:
    """How many photos the largest family has."""
    return max(Counter(twins.values()).values(), default=0) + 1


def _within(twins: Mapping[str, str], stems: Collection[str]) -> dict[str, str]:
    """The twins among some photos; a family is then named by its first among them."""
    names: dict[str, str] = {}
    families: dict[str, str] = {}
    for stem in sorted(stems):
        first = families.setdefault(twins.get(stem, stem), stem)
        if first != stem:
            names[stem] = first
    return names
