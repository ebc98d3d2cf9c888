"""Seeded, stratified splits of a dataset, and ``write_split``, which writes them to a file.

``stratified_split`` is pure. The same photos, labels and seed give the same split on any machine
and in any order of the input: the only randomness is a hash of seed and image id.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from heapq import heapify, heappop, heappush
from pathlib import Path

from utils.errors import UserError
from utils.files import atomic_write
from utils.text import counted

DEFAULT_FRACTIONS = {"train": 0.7, "val": 0.1, "test": 0.2}
HOLD_OUT = 0.1  # of a training split without validation images of its own


def stratified_split(
    labels: Mapping[str, Collection[str]],
    fractions: Mapping[str, float] = DEFAULT_FRACTIONS,
    *,
    seed: int = 0,
    groups: Mapping[str, str] | None = None,
    fixed: Mapping[str, str] | None = None,
) -> dict[str, tuple[str, ...]]:
    """Divide photos so that every split has its share of every class.

    Iterative stratification (Sechidis, Tsoumakas and Vlahavas 2011): the class with the fewest
    photos left is dealt out first, each photo to the split that lacks most of that class. Here the
    sizes of the splits are exact. No split is empty while there are enough photos. A split that has
    more ``fixed`` photos than its share has only these, and the others share what is left.

    Args:
        labels: for each image id the classes on the photo; photos without any are spread too.
        fractions: for each split its share; together 1.
        seed: another seed gives other splits.
        groups: image id → the first image id of its group, which stays in one split.
        fixed: image id → its split, for photos that are not dealt out. All photos of a group have
            the same.

    Returns:
        for each split its image ids, sorted.
    """
    if abs(sum(fractions.values()) - 1) > 1e-6 or min(fractions.values()) <= 0:
        raise ValueError(f"fractions must be positive and sum to 1: {dict(fractions)}")
    if groups:
        return _deal_groups(labels, fractions, seed, groups, fixed or {})
    return _deal(labels, fractions, seed, {}, fixed or {})


def _deal(
    labels: Mapping[str, Collection[str]],
    fractions: Mapping[str, float],
    seed: int,
    weights: Mapping[str, int],
    fixed: Mapping[str, str],
) -> dict[str, tuple[str, ...]]:
    """``stratified_split`` of photos, or of groups with a weight (1 if not in ``weights``).

    A group may be larger than what is left of its split. Then the other splits get less, but none
    stays empty while there are enough groups.
    """
    total = sum(weights.get(image_id, 1) for image_id in labels)
    taken = dict.fromkeys(fractions, 0)
    for image_id, split in fixed.items():
        taken[split] += weights.get(image_id, 1)
    # The paper's first step: how many photos each split should have, and of each class.
    free = _sizes_with_fixed(total, fractions, taken)
    if fixed:
        fractions = {split: size / total for split, size in free.items()}
    waiting = {  # class → image ids in a shuffled order; "" stands for the photos without objects
        name: dict.fromkeys(image_ids) for name, image_ids in _by_class(labels, seed).items()
    }
    wanted = _targets_per_class(waiting, fractions, weights)
    result: dict[str, list[str]] = {split: [] for split in fractions}

    def give(image_id: str, split: str) -> None:
        result[split].append(image_id)
        free[split] -= weights.get(image_id, 1)
        for name in set(labels[image_id]) or {""}:
            wanted[name][split] -= weights.get(image_id, 1)
            del waiting[name][image_id]

    for image_id in sorted(fixed):
        give(image_id, fixed[image_id])
    # Its loop: each photo of the rarest class to the split that lacks most of the class; of several
    # such, to that which lacks most photos.
    for rarest, image_ids in _rarest_first(waiting, labels):
        # Large groups first, while there is space for them; the others fill what is left.
        for image_id in sorted(image_ids, key=lambda image_id: -weights.get(image_id, 1)):
            split = max(
                (split for split in free if free[split] > 0),
                key=lambda split: (wanted[rarest][split], free[split]),
            )
            give(image_id, split)
    _fill_empty(result, weights, fixed)
    return {split: tuple(sorted(image_ids)) for split, image_ids in result.items()}


def _targets_per_class(
    by_class: Mapping[str, Collection[str]],
    fractions: Mapping[str, float],
    weights: Mapping[str, int],
) -> dict[str, dict[str, float]]:
    """Class → split → the number of photos of that class that the split should have."""
    counts = {
        name: sum(weights.get(image_id, 1) for image_id in image_ids)
        for name, image_ids in by_class.items()
    }
    return {
        name: {split: count * fraction for split, fraction in fractions.items()}
        for name, count in counts.items()
    }


def _rarest_first(
    waiting: Mapping[str, Collection[str]], labels: Mapping[str, Collection[str]]
) -> Iterator[tuple[str, list[str]]]:
    """Each class with its waiting photos, that with the fewest first.

    The caller must take all of these out of ``waiting`` before it asks for the next class.
    """
    # With many classes, looking through all for each would take most of the time.
    by_rarity = [(len(image_ids), name) for name, image_ids in waiting.items()]
    heapify(by_rarity)
    while by_rarity:
        left, rarest = heappop(by_rarity)
        if not left or left != len(waiting[rarest]):
            continue  # some were dealt out with another class: its number now stands there as well
        image_ids = list(waiting[rarest])
        yield rarest, image_ids
        for name in {name for image_id in image_ids for name in labels[image_id]}:
            heappush(by_rarity, (len(waiting[name]), name))


def _fill_empty(
    result: dict[str, list[str]], weights: Mapping[str, int], fixed: Mapping[str, str]
) -> None:
    """Give each empty split the smallest group, not a fixed one, of a split that has several.

    Where several splits have such a group, the split with the most photos gives its last one.
    """

    def weight(image_id: str) -> int:
        return weights.get(image_id, 1)

    for own in result.values():
        donors = [image_ids for image_ids in result.values() if len(image_ids) > 1]
        free = [image_id for image_ids in donors for image_id in image_ids if image_id not in fixed]
        if own or not free:
            continue
        smallest = min(map(weight, free))
        givers = [
            image_ids
            for image_ids in donors
            if any(weight(one) == smallest for one in image_ids if one not in fixed)
        ]
        giver = max(givers, key=lambda image_ids: sum(map(weight, image_ids)))
        given = [one for one in giver if weight(one) == smallest and one not in fixed][-1]
        giver.remove(given)
        own.append(given)


def _deal_groups(
    labels: Mapping[str, Collection[str]],
    fractions: Mapping[str, float],
    seed: int,
    groups: Mapping[str, str],
    fixed: Mapping[str, str],
) -> dict[str, tuple[str, ...]]:
    """Divide the groups; their photos follow."""
    members: dict[str, list[str]] = {}
    for image_id in sorted(labels):
        members.setdefault(groups.get(image_id, image_id), []).append(image_id)
    classes = {
        name: {c for image_id in image_ids for c in labels[image_id]}
        for name, image_ids in members.items()
    }
    weights = {name: len(image_ids) for name, image_ids in members.items() if len(image_ids) > 1}
    fixed_groups = {
        name: fixed[image_ids[0]] for name, image_ids in members.items() if image_ids[0] in fixed
    }
    splits = _deal(classes, fractions, seed, weights, fixed_groups)
    return {
        split: tuple(sorted(image_id for name in names for image_id in members[name]))
        for split, names in splits.items()
    }


def hold_out(
    labels: Mapping[str, Collection[str]],
    *,
    seed: int = 0,
    groups: Mapping[str, str] | None = None,
    fixed: Mapping[str, str] | None = None,
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(kept, held out): a stratified ``HOLD_OUT`` of the photos set aside, at least one.

    Args:
        labels, seed, groups: as for ``stratified_split``.
        fixed: image id → ``train`` (kept) or ``val`` (held out). They do not count where no
            photo would be left for one of the two.

    Raises:
        UserError: fewer than two photos.
    """
    if len(labels) < 2:
        raise UserError(
            f"{counted(len(labels), 'labelled photo')}, too few to set some aside for validation; "
            "at least 2 are needed"
        )
    fractions = {"train": 1 - HOLD_OUT, "val": HOLD_OUT}
    splits = stratified_split(labels, fractions, seed=seed, groups=groups, fixed=fixed)
    if fixed and not all(splits.values()):
        splits = stratified_split(labels, fractions, seed=seed, groups=groups)
    return splits["train"], splits["val"]


def write_split(path: str | Path, splits: Mapping[str, Sequence[str]]) -> None:
    """Write named lists of image ids, atomically, as JSON (which YAML readers understand too)."""
    with atomic_write(path) as file:
        json.dump({name: list(image_ids) for name, image_ids in splits.items()}, file, indent=1)
        file.write("\n")


def _sizes_with_fixed(
    total: int, fractions: Mapping[str, float], taken: Mapping[str, int]
) -> dict[str, int]:
    """``_sizes`` by split. No split is smaller than what it has ``taken`` already."""
    sizes: dict[str, int] = {}
    open_splits = dict(fractions)
    while open_splits:
        left = total - sum(sizes.values())
        share = sum(open_splits.values())
        shares = _sizes(left, [fraction / share for fraction in open_splits.values()])
        own = dict(zip(open_splits, shares, strict=True))
        full = [split for split in own if taken[split] > own[split]]
        if not full:
            return {split: own.get(split, sizes.get(split, 0)) for split in fractions}
        for split in full:
            sizes[split] = taken[split]
            del open_splits[split]
    return {split: sizes[split] for split in fractions}


def _sizes(count: int, fractions: Sequence[float]) -> list[int]:
    """Whole sizes nearest to the shares, with sum ``count``; none is 0 where ``count`` allows."""
    exact = [count * fraction for fraction in fractions]
    sizes = [int(share + 1e-9) for share in exact]
    by_remainder = sorted(range(len(exact)), key=lambda i: (sizes[i] - exact[i], i))
    for i in by_remainder[: count - sum(sizes)]:
        sizes[i] += 1
    for i, size in enumerate(sizes):
        largest = max(range(len(sizes)), key=lambda j: sizes[j])
        if size == 0 and sizes[largest] > 1:
            sizes[i], sizes[largest] = 1, sizes[largest] - 1
    return sizes


def _by_class(labels: Mapping[str, Collection[str]], seed: int) -> dict[str, list[str]]:
    def shuffled(image_id: str) -> bytes:
        return hashlib.sha256(f"{seed}:{image_id}".encode("utf-8", "surrogatepass")).digest()

    by_class: dict[str, list[str]] = {}
    for image_id in sorted(labels, key=shuffled):
        for name in set(labels[image_id]) or {""}:
            by_class.setdefault(name, []).append(image_id)
    return by_class
