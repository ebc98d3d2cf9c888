"""The same picture under two names: it must not be trained on and scored.

``identical_photos`` finds copies of files, ``near_duplicates`` also those that were re-encoded,
resized or brightened, and shots of a burst. ``Twins`` holds both for a dataset.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
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
        near: stem → the first stem that looks the same, copies included.
    """

    exact: Mapping[str, str]
    near: Mapping[str, str]

    def copies(self, stems: Collection[str], others: Collection[str]) -> set[str]:
        """Those of ``stems`` whose file is also among ``others``."""
        known = {self.exact.get(stem, stem) for stem in others}
        return {stem for stem in stems if self.exact.get(stem, stem) in known}

    def alike(self, stems: Collection[str], others: Collection[str]) -> list[tuple[str, str]]:
        """Pairs of one of ``stems`` and one of ``others`` that look the same, sorted."""
        known = {self.near.get(stem, stem): stem for stem in sorted(others, reverse=True)}
        families = ((stem, self.near.get(stem, stem)) for stem in stems)
        return sorted((stem, known[family]) for stem, family in families if family in known)

    def for_splits(self, stems: Collection[str]) -> tuple[Mapping[str, str], str]:
        """Which photos must stay on one side of a split, and a sentence on it ("" without any).

        Where a large part of the photos looks the same, as from a camera that does not move,
        keeping them together would leave nothing to divide: then only copies are.
        """
        near = _within(self.near, stems)
        if not near:
            return {}, ""
        largest = Counter(near.values()).most_common(1)[0][1] + 1
        if largest > min(max(FEW, MAX_FAMILY * len(stems)), len(stems) / 2):
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
            name: np.array(
                [(places[stem], places[first]) for stem, first in pairs.items()], np.int64
            ).reshape(-1, 2)
            for name, pairs in (("exact", self.exact), ("near", self.near))
        }

    @classmethod
    def from_arrays(cls, archive: Mapping[str, np.ndarray], stems: Sequence[str]) -> Twins:
        return cls(
            *(
                {stems[row]: stems[first] for row, first in archive[name].tolist()}
                for name in ("exact", "near")
            )
        )


def find_twins(paths: Mapping[str, Path], *, near: bool = True) -> Twins:
    """Copies, and unless ``near`` is false photos that look the same."""
    root = common_folder(paths.values())
    if root is None:
        return Twins({}, {})
    facts = PhotoFacts(root)
    paths = {stem: paths[stem] for stem in sorted(paths)}
    exact = _copies(paths, facts)
    alike: dict[str, str] = {}
    if near:
        firsts = {stem: path for stem, path in paths.items() if stem not in exact}
        alike = _alike(firsts, facts.looks(firsts))
        alike |= {stem: alike.get(first, first) for stem, first in exact.items()}
    facts.save()
    return Twins(exact, dict(sorted(alike.items())))


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


def _alike(paths: Mapping[str, Path], looks: Mapping[str, int]) -> dict[str, str]:
    """Groups of photos that look the same, each named by its first; not chained from one to the
    next, or a slow pan would be one group from end to end."""
    near = _candidates(looks)
    thumbnails = _thumbnails({stem: paths[stem] for stem in near})
    twins: dict[str, str] = {}
    for stem in sorted(thumbnails):
        firsts = [
            other
            for other in near[stem]
            if other < stem and other not in twins and other in thumbnails
        ][:MAX_COMPARED]
        if firsts:
            others = perceptual.normalised(np.stack([thumbnails[other] for other in firsts]))
            likeness = others @ perceptual.normalised(thumbnails[stem])
            best = int(likeness.argmax())
            if likeness[best] >= perceptual.MIN_CORRELATION:
                twins[stem] = firsts[best]
    return twins


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


def _within(twins: Mapping[str, str], stems: Collection[str]) -> dict[str, str]:
    """The twins among some photos; a family is then named by its first among them."""
    names: dict[str, str] = {}
    families: dict[str, str] = {}
    for stem in sorted(stems):
        first = families.setdefault(twins.get(stem, stem), stem)
        if first != stem:
            names[stem] = first
    return names
