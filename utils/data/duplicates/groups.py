"""The same picture under two names: ``find_duplicates``, and groups that must stay together.

A photo that is trained on and scored makes scores too good. Found are copies of a file, and
near-duplicates: photos that were re-encoded, resized or brightened, and shots of a burst.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from utils.data.duplicates import fingerprint
from utils.data.duplicates.hash_search import near_pairs
from utils.data.duplicates.hashes import PhotoHashes, common_folder, in_threads
from utils.errors import UserError
from utils.text import counted, listed
from utils.union_find import UnionFind

MAX_COMPARED = 32  # photos that a photo is compared with, of those whose hashes are near
MAX_GROUP = 0.1  # of the photos; a larger group comes from a camera that does not move
SMALL_GROUP = 20  # photos that may be one group in any case, up to half of all photos


@dataclass(frozen=True)
class Duplicates:
    """Which photos of a dataset show the same picture.

    Attributes:
        exact: image id → the first image id with the same file content, for all later ones.
        near: image id → the first image id that looks the same, for all later ones; exact copies
            are included. These groups are not chained: each photo looks like the first of its
            group.
        pairs: all pairs of photos that look the same, also those in different groups. Of exact
            copies only the first appears.
    """

    exact: Mapping[str, str]
    near: Mapping[str, str]
    pairs: tuple[tuple[str, str], ...] = ()

    def copies(self, image_ids: Collection[str], others: Collection[str]) -> set[str]:
        """Those of ``image_ids`` whose file is also among ``others``."""
        known = {self.exact.get(image_id, image_id) for image_id in others}
        return {image_id for image_id in image_ids if self.exact.get(image_id, image_id) in known}

    def near_duplicates(
        self, image_ids: Collection[str], others: Collection[str]
    ) -> list[tuple[str, str]]:
        """Pairs of one of ``image_ids`` and one of ``others`` that look the same, sorted."""
        known = {
            self.near.get(image_id, image_id): image_id for image_id in sorted(others, reverse=True)
        }
        groups = ((image_id, self.near.get(image_id, image_id)) for image_id in image_ids)
        found = {image_id: known[group] for image_id, group in groups if group in known}
        # A pair also stands for the exact copies of its two photos.
        first = self.exact.get
        own, theirs = _by_first(image_ids, first), _by_first(others, first)
        for pair in self.pairs:
            for a, b in (pair, pair[::-1]):
                if a in own and b in theirs:
                    for image_id in own[a]:
                        found[image_id] = min(found.get(image_id, theirs[b][0]), theirs[b][0])
        return sorted(found.items())

    def split_groups(self, image_ids: Collection[str]) -> tuple[Mapping[str, str], str]:
        """Which photos must stay in one part of a split, and a sentence about it ("" if none).

        Near-duplicates are joined in chains. Where a group is too large to divide the photos, as
        from a camera that does not move, the chains are cut. Where that is not enough, only exact
        copies stay together.
        """
        near = self._connected(image_ids)
        if not near:
            return {}, ""
        most = min(max(SMALL_GROUP, MAX_GROUP * len(image_ids)), len(image_ids) / 2)
        if _largest(near) > most:
            near = _within(self.near, image_ids)
        largest = _largest(near)
        if largest > most:
            exact = _within(self.exact, image_ids)
            return exact, (
                f"{largest} of {len(image_ids)} photos look nearly the same: too many for one part "
                f"of the split; only {counted(len(exact), 'exact copy', 'exact copies')} stay "
                "together, so scores may be too good"
            )
        return near, (
            f"{counted(len(near), 'copy or near-duplicate', 'copies and near-duplicates')} stay in "
            f"the same part of the split as the first photo like them ({listed(sorted(near))})"
        )

    def _connected(self, image_ids: Collection[str]) -> dict[str, str]:
        """Connected components of all that looks the same, named by their first."""
        sets: UnionFind[str] = UnionFind()
        within = set(image_ids)
        for image_id in image_ids:
            for first in (self.exact.get(image_id), self.near.get(image_id)):
                if first is not None:
                    sets.join(image_id, first)
        firsts = {self.exact.get(image_id, image_id) for image_id in within}
        for a, b in self.pairs:
            if a in firsts and b in firsts:
                sets.join(a, b)
        return _within({image_id: sets.find(image_id) for image_id in within}, within)

    def to_rows(self, rows: Mapping[str, int]) -> dict[str, np.ndarray]:
        """Pairs of rows instead of image ids, for the cache."""
        return {
            name: np.array([(rows[a], rows[b]) for a, b in pairs], np.int64).reshape(-1, 2)
            for name, pairs in (
                ("exact", self.exact.items()),
                ("near", self.near.items()),
                ("pairs", self.pairs),
            )
        }

    @classmethod
    def from_rows(cls, rows: Mapping[str, np.ndarray], image_ids: Sequence[str]) -> Duplicates:
        """What ``to_rows`` was called on."""
        exact, near, pairs = (
            [(image_ids[a], image_ids[b]) for a, b in rows[name].tolist()]
            for name in ("exact", "near", "pairs")
        )
        return cls(dict(exact), dict(near), tuple(pairs))


def find_duplicates(paths: Mapping[str, Path]) -> Duplicates:
    """The duplicates among photos, given by image id.

    A file that cannot be read has no duplicate. A photo without contrast has only exact copies.
    """
    root = common_folder(paths.values())
    if root is None:
        return Duplicates({}, {})
    hashes = PhotoHashes(root)
    paths = {image_id: paths[image_id] for image_id in sorted(paths)}
    exact = _exact_copies(paths, hashes)
    firsts = {image_id: path for image_id, path in paths.items() if image_id not in exact}
    near, pairs = _near_duplicates(firsts, hashes.perceptual(firsts))
    near |= {image_id: near.get(first, first) for image_id, first in exact.items()}
    hashes.save()
    return Duplicates(exact, dict(sorted(near.items())), tuple(pairs))


def _exact_copies(paths: Mapping[str, Path], hashes: PhotoHashes) -> dict[str, str]:
    """Image id → the first one of the same content; only files of equal length are read."""
    by_size: dict[int, list[str]] = {}
    for image_id, path in paths.items():
        try:
            by_size.setdefault(path.stat().st_size, []).append(image_id)
        except OSError:
            continue
    equal = [
        image_id for image_ids in by_size.values() if len(image_ids) > 1 for image_id in image_ids
    ]
    contents = hashes.content({image_id: paths[image_id] for image_id in sorted(equal)})
    first: dict[str, str] = {}
    return {
        image_id: first[content]
        for image_id, content in contents.items()
        if first.setdefault(content, image_id) != image_id
    }


def _near_duplicates(
    paths: Mapping[str, Path], hashes: Mapping[str, int]
) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """Groups of photos that look the same, each named by its first, and all pairs that do.

    The groups are not chained; otherwise a slow pan would be one group from end to end.
    """
    candidates = _candidates(hashes)
    thumbnails = _thumbnails({image_id: paths[image_id] for image_id in candidates})
    near: dict[str, str] = {}
    pairs: list[tuple[str, str]] = []
    for image_id in sorted(thumbnails):
        before = [o for o in candidates[image_id] if o < image_id and o in thumbnails]
        firsts = [other for other in before if other not in near][:MAX_COMPARED]
        followers = [other for other in before if other in near][:MAX_COMPARED]
        if before:
            compared = firsts + followers
            others = fingerprint.normalised(np.stack([thumbnails[other] for other in compared]))
            correlation = others @ fingerprint.normalised(thumbnails[image_id])
            same = correlation >= fingerprint.MIN_CORRELATION
            pairs += [(compared[i], image_id) for i in np.flatnonzero(same).tolist()]
            if same[: len(firsts)].any():
                near[image_id] = firsts[int(correlation[: len(firsts)].argmax())]
    return near, pairs


def _candidates(hashes: Mapping[str, int]) -> dict[str, list[str]]:
    """For each photo that has any, the other photos with near hashes, the nearest first."""
    image_ids = sorted(hashes)
    values = np.array([hashes[image_id] for image_id in image_ids], np.uint64)
    candidates: dict[str, list[str]] = {}
    for a, b in near_pairs(values, fingerprint.MAX_DISTANCE).tolist():
        candidates.setdefault(image_ids[b], []).append(image_ids[a])
        candidates.setdefault(image_ids[a], [])
    return candidates


def _thumbnails(paths: Mapping[str, Path]) -> dict[str, np.ndarray]:
    def thumbnail(image_id: str) -> np.ndarray | None:
        try:
            return fingerprint.thumbnail(paths[image_id])
        except UserError:
            return None

    image_ids = list(paths)
    found = zip(image_ids, in_threads(thumbnail, image_ids), strict=True)
    return {image_id: small for image_id, small in found if small is not None}


def _by_first(image_ids: Collection[str], first: Callable[[str, str], str]) -> dict[str, list[str]]:
    """The image ids by the first of their copies, sorted."""
    groups: dict[str, list[str]] = {}
    for image_id in sorted(image_ids):
        groups.setdefault(first(image_id, image_id), []).append(image_id)
    return groups


def _largest(firsts: Mapping[str, str]) -> int:
    """Number of photos in the largest group."""
    return max(Counter(firsts.values()).values(), default=0) + 1


def _within(firsts: Mapping[str, str], image_ids: Collection[str]) -> dict[str, str]:
    """The groups among some photos; each is named by its first photo among them."""
    names: dict[str, str] = {}
    groups: dict[str, str] = {}
    for image_id in sorted(image_ids):
        first = groups.setdefault(firsts.get(image_id, image_id), image_id)
        if first != image_id:
            names[image_id] = first
    return names
