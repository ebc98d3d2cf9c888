"""Seeded, stratified splits of a dataset, and the file in which a run writes its split down.

``stratified_split`` is pure: the same photos, labels and seed give the same split on any machine
and in any order of the input, because the only randomness is a hash of seed and image id.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from utils.errors import UserError
from utils.files import atomic_write

DEFAULT_FRACTIONS = {"train": 0.7, "val": 0.1, "test": 0.2}
HOLD_OUT = 0.1  # of a training split that has no validation images of its own


def stratified_split(
    labels: Mapping[str, Collection[str]],
    fractions: Mapping[str, float] = DEFAULT_FRACTIONS,
    *,
    seed: int = 0,
    twins: Mapping[str, str] | None = None,
) -> dict[str, tuple[str, ...]]:
    """Divide photos so that every part has its share of every class.

    Iterative stratification (Sechidis, Tsoumakas and Vlahavas 2011): the class with the fewest
    photos left is dealt out first, each photo to the part that lacks most of that class. Here the
    parts' sizes are exact, and none is empty while there are photos enough.

    Args:
        labels: for each image id the classes on the photo; photos without any are spread too.
        fractions: for each part its share; together 1.
        seed: another seed, another split.
        twins: image id → another image id that must be in the same part.

    Returns:
        for each part its image ids, sorted.
    """
    if abs(sum(fractions.values()) - 1) > 1e-6 or min(fractions.values()) <= 0:
        raise ValueError(f"fractions must be positive and sum to 1: {dict(fractions)}")
    if twins:
        return _with_twins(labels, fractions, seed, twins)
    return _deal(labels, fractions, seed, {})


def _deal(
    labels: Mapping[str, Collection[str]],
    fractions: Mapping[str, float],
    seed: int,
    weights: Mapping[str, int],
) -> dict[str, tuple[str, ...]]:
    """``stratified_split`` of photos, or of families that count as several (1 by themselves).

    A family may be larger than the room that is left in its part; then the others get less, but
    none stays empty while there are families enough.
    """
    parts = list(fractions)
    total = sum(weights.get(image_id, 1) for image_id in labels)
    room = dict(zip(parts, _sizes(total, list(fractions.values())), strict=True))
    waiting = {  # class → image ids in a shuffled order; "" stands for the photos without objects
        name: dict.fromkeys(image_ids) for name, image_ids in _stems_by_class(labels, seed).items()
    }
    counts = {
        name: sum(weights.get(s, 1) for s in image_ids) for name, image_ids in waiting.items()
    }
    wanted = {
        name: {part: count * fractions[part] for part in parts} for name, count in counts.items()
    }
    result: dict[str, list[str]] = {part: [] for part in parts}
    while waiting:
        rarest = min(waiting, key=lambda name: (len(waiting[name]), name))
        # Large families first, while there is room for them; the others fill what is left.
        for image_id in sorted(waiting[rarest], key=lambda image_id: -weights.get(image_id, 1)):
            weight = weights.get(image_id, 1)
            part = max(
                (part for part in parts if room[part] > 0),
                key=lambda part: (wanted[rarest][part], room[part]),
            )
            result[part].append(image_id)
            room[part] -= weight
            for name in set(labels[image_id]) or {""}:
                wanted[name][part] -= weight
                del waiting[name][image_id]
        waiting = {name: image_ids for name, image_ids in waiting.items() if image_ids}
    _fill_empty(result, weights)
    return {part: tuple(sorted(image_ids)) for part, image_ids in result.items()}


def _fill_empty(result: dict[str, list[str]], weights: Mapping[str, int]) -> None:
    """Give each part that large families left empty the smallest family of one that has several.

    Of several of that size the part that has most photos gives its last.
    """
    for own in result.values():
        donors = [image_ids for image_ids in result.values() if len(image_ids) > 1]
        if own or not donors:
            continue
        smallest = min(weights.get(image_id, 1) for image_ids in donors for image_id in image_ids)
        givers = [s for s in donors if any(weights.get(image_id, 1) == smallest for image_id in s)]
        giver = max(
            givers, key=lambda image_ids: sum(weights.get(image_id, 1) for image_id in image_ids)
        )
        given = [image_id for image_id in giver if weights.get(image_id, 1) == smallest][-1]
        giver.remove(given)
        own.append(given)


def _with_twins(
    labels: Mapping[str, Collection[str]],
    fractions: Mapping[str, float],
    seed: int,
    twins: Mapping[str, str],
) -> dict[str, tuple[str, ...]]:
    """Divide the families, large and small; their photos follow."""
    families: dict[str, list[str]] = {}
    for image_id in sorted(labels):
        families.setdefault(twins.get(image_id, image_id), []).append(image_id)
    shown = {
        name: {c for image_id in image_ids for c in labels[image_id]}
        for name, image_ids in families.items()
    }
    weights = {name: len(image_ids) for name, image_ids in families.items() if len(image_ids) > 1}
    parts = _deal(shown, fractions, seed, weights)
    return {
        part: tuple(sorted(image_id for name in names for image_id in families[name]))
        for part, names in parts.items()
    }


def hold_out(
    labels: Mapping[str, Collection[str]],
    fraction: float = HOLD_OUT,
    *,
    seed: int = 0,
    twins: Mapping[str, str] | None = None,
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(kept, held out): a stratified ``fraction`` of the photos set aside, one at the least.

    Raises:
        UserError: fewer than two photos.
    """
    if len(labels) < 2:
        raise UserError(
            f"{len(labels)} labelled photo is too few to set validation images aside; "
            "at least 2 are needed"
        )
    fractions = {"train": 1 - fraction, "val": fraction}
    parts = stratified_split(labels, fractions, seed=seed, twins=twins)
    return parts["train"], parts["val"]


def write_split(path: str | Path, splits: Mapping[str, Sequence[str]]) -> None:
    """Write named lists of image ids, atomically, as JSON (which YAML readers understand too)."""
    with atomic_write(path) as file:
        json.dump({name: list(image_ids) for name, image_ids in splits.items()}, file, indent=1)
        file.write("\n")


def read_split(path: str | Path) -> dict[str, tuple[str, ...]]:
    """Read what ``write_split`` wrote.

    Raises:
        UserError: the file is missing or does not hold named lists of image ids.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path}: cannot be read as a split file ({error})") from error
    if not isinstance(content, dict) or not all(
        isinstance(image_ids, list) and all(isinstance(image_id, str) for image_id in image_ids)
        for image_ids in content.values()
    ):
        raise UserError(f"{path}: a split file holds named lists of photo names, nothing else")
    return {name: tuple(image_ids) for name, image_ids in content.items()}


def _sizes(count: int, fractions: Sequence[float]) -> list[int]:
    """Whole sizes that sum to ``count``, nearest to the shares, none 0 while photos last."""
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


def _stems_by_class(labels: Mapping[str, Collection[str]], seed: int) -> dict[str, list[str]]:
    def shuffled(image_id: str) -> bytes:
        return hashlib.sha256(f"{seed}:{image_id}".encode("utf-8", "surrogatepass")).digest()

    stems_by_class: dict[str, list[str]] = {}
    for image_id in sorted(labels, key=shuffled):
        for name in set(labels[image_id]) or {""}:
            stems_by_class.setdefault(name, []).append(image_id)
    return stems_by_class
