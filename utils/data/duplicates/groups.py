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

from utils.data.duplicates import fingerprint
from utils.data.duplicates.hash_search import near_pairs
from utils.data.duplicates.hashes import PhotoFacts, common_folder, in_threads
from utils.errors import UserError
from utils.text import listing

MAX_COMPARED = 32  # pictures that a photo is compared with, of those whose hashes are near
MAX_FAMILY = 0.1  # of the photos; larger groups are no copies but a camera that does not move
FEW = 20  # photos that may be one family, as long as they are no more than half


def identical_photos(paths: Mapping[str, Path]) -> dict[str, str]:
    """Image id → the first image id whose file has the same content, for those that have a twin.

    Only files of equal length are read. A file that cannot be read has no twin.
    """
    return find_twins(paths, near=False).exact


def near_duplicates(paths: Mapping[str, Path]) -> dict[str, str]:
    """Image id → the first image id of the photos that look the same, for those that have a twin.

    Copies of a file count too. A photo that cannot be read has no twin, and one without any
    contrast has none but its copies.
    """
    return find_twins(paths).near


@dataclass(frozen=True)
class Twins:
    """Which photos of a dataset show the same.

    Attributes:
        exact: image id → the first one of the same content, for those that have one before them.
        near: image id → the first one that looks the same, copies included. These families are
            not chained: each photo looks like the first of its own.
        pairs: all two photos that were found to look the same, copies left out but for their
            first; of these also those in different families.
    """

    exact: Mapping[str, str]
    near: Mapping[str, str]
    pairs: tuple[tuple[str, str], ...] = ()

    def copies(self, image_ids: Collection[str], others: Collection[str]) -> set[str]:
        """Those of ``image_ids`` whose file is also among ``others``."""
        known = {self.exact.get(image_id, image_id) for image_id in others}
        return {image_id for image_id in image_ids if self.exact.get(image_id, image_id) in known}

    def alike(self, image_ids: Collection[str], others: Collection[str]) -> list[tuple[str, str]]:
        """Pairs of one of ``image_ids`` and one of ``others`` that look the same, sorted."""
        known = {
            self.near.get(image_id, image_id): image_id for image_id in sorted(others, reverse=True)
        }
        families = ((image_id, self.near.get(image_id, image_id)) for image_id in image_ids)
        found = {image_id: known[family] for image_id, family in families if family in known}
        # A pair stands for the copies of the two as well.
        first = self.exact.get
        own, theirs = _by_first(image_ids, first), _by_first(others, first)
        for pair in self.pairs:
            for a, b in (pair, pair[::-1]):
                if a in own and b in theirs:
                    for image_id in own[a]:
                        found[image_id] = min(found.get(image_id, theirs[b][0]), theirs[b][0])
        return sorted(found.items())

    def _chained(self, image_ids: Collection[str]) -> dict[str, str]:
        """Families of all that look alike, from one to the next, named by their first."""
        above: dict[str, str] = {}

        def top(image_id: str) -> str:
            while (up := above.get(image_id, image_id)) != image_id:
                above[image_id] = above.get(up, up)  # shorten the way for the next time
                image_id = up
            return image_id

        within = set(image_ids)
        for image_id in image_ids:
            for first in (self.exact.get(image_id), self.near.get(image_id)):
                if first is not None:
                    above[top(image_id)] = top(first)
        firsts = {self.exact.get(image_id, image_id) for image_id in within}
        for a, b in self.pairs:
            if a in firsts and b in firsts:
                above[top(a)] = top(b)
        return _within({image_id: top(image_id) for image_id in within}, within)

    def for_splits(self, image_ids: Collection[str]) -> tuple[Mapping[str, str], str]:
        """Which photos must stay on one side of a split, and a sentence on it ("" without any).

        Where a large part of the photos looks the same, as from a camera that does not move,
        keeping them together would leave nothing to divide: then only copies are.
        """
        near = self._chained(image_ids)
        if not near:
            return {}, ""
        most = min(max(FEW, MAX_FAMILY * len(image_ids)), len(image_ids) / 2)
        if _largest(near) > most:  # a chain, such as a slow pan: its pieces may do
            near = _within(self.near, image_ids)
        largest = _largest(near)
        if largest > most:
            exact = _within(self.exact, image_ids)
            return exact, (
                f"{largest} of {len(image_ids)} photos look nearly the same, too many to keep them "
                f"on one side of the split; only the {len(exact)} exact copies stay together, and "
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
    def from_arrays(
        cls, archive: Mapping[str, np.ndarray], image_ids: Sequence[str]
    ) -> Twins | None:
        """None where the arrays make no sense."""
        found = []
        for name in ("exact", "near", "pairs"):
            rows = archive.get(name)
            if rows is None or rows.dtype != np.int64 or rows.ndim != 2 or rows.shape[1] != 2:
                return None
            if rows.size and not (rows.min() >= 0 and rows.max() < len(image_ids)):
                return None
            found.append([(image_ids[a], image_ids[b]) for a, b in rows.tolist()])
        exact, near, pairs = found
        return cls(dict(exact), dict(near), tuple(pairs))


def find_twins(paths: Mapping[str, Path], *, near: bool = True) -> Twins:
    """Copies, and unless ``near`` is false photos that look the same."""
    root = common_folder(paths.values())
    if root is None:
        return Twins({}, {})
    facts = PhotoFacts(root)
    paths = {image_id: paths[image_id] for image_id in sorted(paths)}
    exact = _copies(paths, facts)
    alike: dict[str, str] = {}
    pairs: list[tuple[str, str]] = []
    if near:
        firsts = {image_id: path for image_id, path in paths.items() if image_id not in exact}
        alike, pairs = _alike(firsts, facts.looks(firsts))
        alike |= {image_id: alike.get(first, first) for image_id, first in exact.items()}
    facts.save()
    return Twins(exact, dict(sorted(alike.items())), tuple(pairs))


def _copies(paths: Mapping[str, Path], facts: PhotoFacts) -> dict[str, str]:
    by_size: dict[int, list[str]] = {}
    for image_id, path in paths.items():
        try:
            by_size.setdefault(path.stat().st_size, []).append(image_id)
        except OSError:
            continue
    equal = [
        image_id for image_ids in by_size.values() if len(image_ids) > 1 for image_id in image_ids
    ]
    contents = facts.contents({image_id: paths[image_id] for image_id in sorted(equal)})
    first: dict[str, str] = {}
    return {
        image_id: first[content]
        for image_id, content in contents.items()
        if first.setdefault(content, image_id) != image_id
    }


def _alike(
    paths: Mapping[str, Path], looks: Mapping[str, int]
) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """Groups of photos that look the same, each named by its first, and all pairs that do.

    The groups are not chained from one to the next, or a slow pan would be one from end to end.
    """
    near = _candidates(looks)
    thumbnails = _thumbnails({image_id: paths[image_id] for image_id in near})
    twins: dict[str, str] = {}
    pairs: list[tuple[str, str]] = []
    for image_id in sorted(thumbnails):
        before = [other for other in near[image_id] if other < image_id and other in thumbnails]
        firsts = [other for other in before if other not in twins][:MAX_COMPARED]
        followers = [other for other in before if other in twins][:MAX_COMPARED]
        if before:
            compared = firsts + followers
            others = fingerprint.normalised(np.stack([thumbnails[other] for other in compared]))
            likeness = others @ fingerprint.normalised(thumbnails[image_id])
            same = likeness >= fingerprint.MIN_CORRELATION
            pairs += [(compared[i], image_id) for i in np.flatnonzero(same).tolist()]
            if same[: len(firsts)].any():
                twins[image_id] = firsts[int(likeness[: len(firsts)].argmax())]
    return twins, pairs


def _candidates(looks: Mapping[str, int]) -> dict[str, list[str]]:
    """For each photo that has any, others whose hashes are near, the nearest first."""
    image_ids = sorted(looks)
    hashes = np.array([looks[image_id] for image_id in image_ids], np.uint64)
    near: dict[str, list[str]] = {}
    for a, b in near_pairs(hashes, fingerprint.MAX_DISTANCE).tolist():
        near.setdefault(image_ids[b], []).append(image_ids[a])
        near.setdefault(image_ids[a], [])
    return near


def _thumbnails(paths: Mapping[str, Path]) -> dict[str, np.ndarray]:
    def look(image_id: str) -> np.ndarray | None:
        try:
            return fingerprint.thumbnail(paths[image_id])
        except UserError:
            return None

    image_ids = list(paths)
    found = zip(image_ids, in_threads(look, image_ids), strict=True)
    return {image_id: small for image_id, small in found if small is not None}


def _by_first(image_ids: Collection[str], first: Callable[[str, str], str]) -> dict[str, list[str]]:
    """The image ids by the first of their copies, sorted."""
    groups: dict[str, list[str]] = {}
    for image_id in sorted(image_ids):
        groups.setdefault(first(image_id, image_id), []).append(image_id)
    return groups


def _largest(twins: Mapping[str, str]) -> int:
    """How many photos the largest family has."""
    return max(Counter(twins.values()).values(), default=0) + 1


def _within(twins: Mapping[str, str], image_ids: Collection[str]) -> dict[str, str]:
    """The twins among some photos; a family is then named by its first among them."""
    names: dict[str, str] = {}
    families: dict[str, str] = {}
    for image_id in sorted(image_ids):
        first = families.setdefault(twins.get(image_id, image_id), image_id)
        if first != image_id:
            names[image_id] = first
    return names
