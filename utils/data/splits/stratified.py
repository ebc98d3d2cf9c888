"""Seeded, stratified splits of a dataset, and ``write_split``, which writes them to a file.

``stratified_split`` is pure. The same photos, labels and seed give the same split on any machine
and in any order of the input: the only randomness is a hash of seed and image id.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
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
    """Divide photos so that every part has its share of every class.

    Iterative stratification (Sechidis, Tsoumakas and Vlahavas 2011): the class with the fewest
    photos left is dealt out first, each photo to the part that lacks most of that class. Here the
    sizes of the parts are exact. No part is empty while there are enough photos. A part that has
    more ``fixed`` photos than its share has only these, and the others share what is left.

    Args:
        labels: for each image id the classes on the photo; photos without any are spread too.
        fractions: for each part its share; together 1.
        seed: another seed, another split.
        groups: image id → the first image id of its group, which stays in one part.
        fixed: image id → its part, for photos that are not dealt out. All photos of a group have
            the same.

    Returns:
        for each part its image ids, sorted.
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

    A group may be larger than what is left of its part. Then the other parts get less, but none
    stays empty while there are enough groups.
    """
    parts = list(fractions)
    total = sum(weights.get(image_id, 1) for image_id in labels)
    taken = dict.fromkeys(parts, 0)
    for image_id, part in fixed.items():
        taken[part] += weights.get(image_id, 1)
    sizes = _sizes_with_fixed(total, fractions, taken)
    if fixed:
        fractions = {part: size / total for part, size in sizes.items()}
    free = dict(sizes)
    waiting = {  # class → image ids in a shuffled order; "" stands for the photos without objects
        name: dict.fromkeys(image_ids) for name, image_ids in _by_class(labels, seed).items()
    }
    counts = {
        name: sum(weights.get(s, 1) for s in image_ids) for name, image_ids in waiting.items()
    }
    wanted = {
        name: {part: count * fractions[part] for part in parts} for name, count in counts.items()
    }
    result: dict[str, list[str]] = {part: [] for part in parts}

    def give(image_id: str, part: str) -> None:
        result[part].append(image_id)
        free[part] -= weights.get(image_id, 1)
        for name in set(labels[image_id]) or {""}:
            wanted[name][part] -= weights.get(image_id, 1)
            del waiting[name][image_id]

    for image_id in sorted(fixed):
        give(image_id, fixed[image_id])
    # With many classes, looking through all for each would take most of the time.
    by_rarity = [(len(image_ids), name) for name, image_ids in waiting.items()]
    heapify(by_rarity)
    while by_rarity:
        left, rarest = heappop(by_rarity)
        if not left or left != len(waiting[rarest]):
            continue  # some were dealt out with another class: its number now stands there as well
        changed: set[str] = set()
        # Large groups first, while there is space for them; the others fill what is left.
        for image_id in sorted(waiting[rarest], key=lambda image_id: -weights.get(image_id, 1)):
            part = max(
                (part for part in parts if free[part] > 0),
                key=lambda part: (wanted[rarest][part], free[part]),
            )
            give(image_id, part)
            changed.update(labels[image_id])
        for name in changed:
            heappush(by_rarity, (len(waiting[name]), name))
    _fill_empty(result, weights, fixed)
    return {part: tuple(sorted(image_ids)) for part, image_ids in result.items()}


def _fill_empty(
    result: dict[str, list[str]], weights: Mapping[str, int], fixed: Mapping[str, str]
) -> None:
    """Give each empty part the smallest group, not a fixed one, of a part that has several.

    Where several parts have such a group, the part with the most photos gives its last one.
    """

    def weight(image_id: str) -> int:
        return weights.get(image_id, 1)

    for own in result.values():
        donors = [image_ids for image_ids in result.values() if len(image_ids) > 1]
        free = [s for image_ids in donors for s in image_ids if s not in fixed]
        if own or not free:
            continue
        smallest = min(map(weight, free))
        givers = [
            image_ids
            for image_ids in donors
            if any(weight(s) == smallest for s in image_ids if s not in fixed)
        ]
        giver = max(givers, key=lambda image_ids: sum(map(weight, image_ids)))
        given = [s for s in giver if weight(s) == smallest and s not in fixed][-1]
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
    parts = _deal(classes, fractions, seed, weights, fixed_groups)
    return {
        part: tuple(sorted(image_id for name in names for image_id in members[name]))
        for part, names in parts.items()
    }


def hold_out(
    labels: Mapping[str, Collection[str]],
    fraction: float = HOLD_OUT,
    *,
    seed: int = 0,
    groups: Mapping[str, str] | None = None,
    fixed: Mapping[str, str] | None = None,
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(kept, held out): a stratified ``fraction`` of the photos set aside, at least one.

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
    fractions = {"train": 1 - fraction, "val": fraction}
    parts = stratified_split(labels, fractions, seed=seed, groups=groups, fixed=fixed)
    if fixed and not all(parts.values()):
        parts = stratified_split(labels, fractions, seed=seed, groups=groups)
    return parts["train"], parts["val"]


def write_split(path: str | Path, splits: Mapping[str, Sequence[str]]) -> None:
    """Write named lists of image ids, atomically, as JSON (which YAML readers understand too)."""
    with atomic_write(path) as file:
        json.dump({name: list(image_ids) for name, image_ids in splits.items()}, file, indent=1)
        file.write("\n")


def _sizes_with_fixed(
    total: int, fractions: Mapping[str, float], taken: Mapping[str, int]
) -> dict[str, int]:
    """``_sizes`` by part. No part is smaller than what it has ``taken`` already."""
    sizes: dict[str, int] = {}
    open_parts = dict(fractions)
    while open_parts:
        left = total - sum(sizes.values())
        share = sum(open_parts.values())
        shares = _sizes(left, [fraction / share for fraction in open_parts.values()])
        own = dict(zip(open_parts, shares, strict=True))
        full = [part for part in own if taken[part] > own[part]]
        if not full:
            return {part: own.get(part, sizes.get(part, 0)) for part in fractions}
        for part in full:
            sizes[part] = taken[part]
            del open_parts[part]
    return {part: sizes[part] for part in fractions}


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
