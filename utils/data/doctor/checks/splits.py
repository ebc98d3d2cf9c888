"""Checks of split lists: what they name, what they share, and copies of one photo."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from itertools import combinations

from utils.data.doctor.findings import Finding
from utils.data.doctor.photos import Folder, Photo
from utils.overlap import iou

AGREE = 0.5  # IoU; two people drawing the same box agree much better


def check_lists(folder: Folder) -> Iterator[Finding]:
    """No lists, photos in two or in none of them, and names of photos that are not there."""
    parts = folder.parts()
    if not parts:
        if not folder.split:
            yield Finding("split-none", "there are no lists named train, val or test")
        return
    for note in folder.missing:
        yield Finding("split-missing-photo", note)
    by_stem = {photo.image_id: photo for photo in folder.photos}
    for (one, first), (other, second) in combinations(parts.items(), 2):
        for image_id in sorted(first & second & by_stem.keys()):
            message = f"is in {one} and in {other}"
            yield Finding("split-two-lists", message, image_id, by_stem[image_id].name)
    listed = {image_id for image_ids in folder.lists.values() for image_id in image_ids}
    for image_id in sorted(by_stem.keys() - listed):
        yield Finding("split-unlisted-photo", "is in no list", image_id, by_stem[image_id].name)


def check_copies(folder: Folder) -> Iterator[Finding]:
    """Copies and near copies of a photo, across lists and within one."""
    by_stem = {photo.image_id: photo for photo in folder.photos}
    parts = folder.parts()
    for twins, near in ((folder.copies, False), (folder.alike, True)):
        for first, second in _pairs(twins, parts):
            one, other = by_stem[first], by_stem[second]
            kind, message = _copy(one, other, _part(first, parts), _part(second, parts), near)
            yield Finding(kind, message, second, other.name, others=(first,))
    # Families are not chained: two photos of different ones may look alike as well.
    family, told = {**folder.alike, **folder.copies}, set()
    for first, second in folder.pairs:
        if second in told or first not in by_stem or second not in by_stem:
            continue
        if family.get(first, first) == family.get(second, second):
            continue
        if _differ(_part(first, parts), _part(second, parts)):
            told.add(second)
            one, other = by_stem[first], by_stem[second]
            kind, message = _copy(one, other, _part(first, parts), _part(second, parts), True)
            yield Finding(kind, message, second, other.name, others=(first,))


def agreement(one: Photo, other: Photo) -> float:
    """How well the labels of two copies agree: the lowest IoU of an object and its counterpart.

    Counterparts are the best overlapping ones of the same class; 1 where neither has objects, 0
    where one of them has an object more.
    """
    if one.annotation is None or other.annotation is None:
        return 1.0 if one.annotation is other.annotation else 0.0
    if Counter(one.annotation.names) != Counter(other.annotation.names):
        return 0.0
    lowest, free = 1.0, set(range(len(other.boxes)))
    for _, name, box in one.objects():
        rivals = [i for i in free if other.annotation.names[i] == name]
        overlaps = iou(box, other.boxes[rivals])
        lowest = min(lowest, float(overlaps.max()))
        free.discard(rivals[int(overlaps.argmax())])
    return lowest


def _pairs(
    twins: Mapping[str, str], parts: Mapping[str, frozenset[str]]
) -> Iterator[tuple[str, str]]:
    """Each photo that has a twin, second, with one of its family, first: one in another list."""
    families: dict[str, list[str]] = defaultdict(list)
    for image_id, first in sorted(twins.items()):
        families[first].append(image_id)
    for first, image_ids in families.items():
        family = [first, *image_ids]
        home = _part(first, parts)
        for image_id in image_ids:
            elsewhere = (s for s in family if _differ(_part(s, parts), _part(image_id, parts)))
            yield (
                (first if _differ(home, _part(image_id, parts)) else next(elsewhere, first)),
                image_id,
            )


def _part(image_id: str, parts: Mapping[str, frozenset[str]]) -> str:
    return next((name for name, image_ids in parts.items() if image_id in image_ids), "")


def _differ(one: str, other: str) -> bool:
    return bool(one and other and one != other)


def _copy(one: Photo, other: Photo, first: str, second: str, near: bool) -> tuple[str, str]:
    like = "looks like" if near else "is the same file as"
    if _differ(first, second):
        return ("near-across" if near else "copy-across"), (
            f"in {second}, {like} {one.name} in {first}"
        )
    where = f", both in {first}" if first and first == second else ""
    if near:
        return "near-inside", f"{like} {one.name}{where}"
    agreed = agreement(one, other)
    if agreed < AGREE:
        return "copy-labels", f"{like} {one.name}, but their labels differ{where}"
    differ = f"; their boxes overlap by {agreed:.2f} or more" if agreed < 0.995 else ""
    return "copy-inside", f"{like} {one.name}{where}{differ}"
