"""Checks of split lists: what they name, what they share, and copies of one photo."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from itertools import combinations

from utils.data.doctor.checked import CheckedFolder, CheckedPhoto
from utils.data.doctor.findings import Finding
from utils.overlap import iou

AGREE = 0.5  # IoU from which labels of copies agree; two people who draw one box agree better


def check_lists(folder: CheckedFolder) -> Iterator[Finding]:
    """No lists, photos in two or in none of them, and names of photos that are not there."""
    splits = folder.splits()
    if not splits:
        if not folder.split:
            yield Finding("split-none", "there are no lists named train, val or test")
        return
    for note in folder.missing:
        yield Finding("split-missing-photo", note)
    photos = {photo.image_id: photo for photo in folder.photos}
    for (one, first), (other, second) in combinations(splits.items(), 2):
        for image_id in sorted(first & second & photos.keys()):
            message = f"is in {one} and in {other}"
            yield Finding("split-two-lists", message, image_id, photos[image_id].name)
    listed = {image_id for image_ids in folder.lists.values() for image_id in image_ids}
    for image_id in sorted(photos.keys() - listed):
        yield Finding("split-unlisted-photo", "is in no list", image_id, photos[image_id].name)


def check_copies(folder: CheckedFolder) -> Iterator[Finding]:
    """Copies and near-duplicates of a photo, across lists and within one."""
    photos = {photo.image_id: photo for photo in folder.photos}
    splits, exact = folder.splits(), folder.duplicates.exact
    near = {
        image_id: first
        for image_id, first in folder.duplicates.near.items()
        if image_id not in exact
    }

    def finding(first: str, second: str, *, exact: bool) -> Finding:
        one, other = photos[first], photos[second]
        lists = _split_of(first, splits), _split_of(second, splits)
        kind, message = _copy(one, other, *lists, exact)
        return Finding(kind, message, second, other.name, others=(first,))

    for first, second in _pairs(exact, splits):
        yield finding(first, second, exact=True)
    for first, second in _pairs(near, splits):
        yield finding(first, second, exact=False)
    # Groups are not chained: two photos of different groups may look the same as well.
    group, reported = {**near, **exact}, set()
    for first, second in folder.duplicates.pairs:
        same_group = group.get(first, first) == group.get(second, second)
        across = _differ(_split_of(first, splits), _split_of(second, splits))
        if across and not same_group and second not in reported:
            reported.add(second)
            yield finding(first, second, exact=False)


def agreement(one: CheckedPhoto, other: CheckedPhoto) -> float:
    """How well the labels of two copies agree: the lowest IoU of an object and its counterpart.

    The counterpart is the object of the same class with the highest IoU. The result is 1 where
    neither copy has objects, and 0 where one has an object more.
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
    duplicates: Mapping[str, str], splits: Mapping[str, frozenset[str]]
) -> Iterator[tuple[str, str]]:
    """Pairs of a photo of the same group, in another list where there is one, and a duplicate."""
    groups: dict[str, list[str]] = defaultdict(list)
    for image_id, first in sorted(duplicates.items()):
        groups[first].append(image_id)
    for first, image_ids in groups.items():
        split_by_id = {image_id: _split_of(image_id, splits) for image_id in (first, *image_ids)}
        first_of: dict[str, str] = {}  # the first of the group in each split; groups may be large
        for image_id, split in split_by_id.items():
            first_of.setdefault(split, image_id)
        for image_id in image_ids:
            own = split_by_id[image_id]
            elsewhere = (other for split, other in first_of.items() if _differ(split, own))
            yield next(elsewhere, first), image_id


def _split_of(image_id: str, splits: Mapping[str, frozenset[str]]) -> str:
    return next((name for name, image_ids in splits.items() if image_id in image_ids), "")


def _differ(one: str, other: str) -> bool:
    return bool(one and other and one != other)


def _copy(
    one: CheckedPhoto, other: CheckedPhoto, first: str, second: str, exact: bool
) -> tuple[str, str]:
    like = "is the same file as" if exact else "looks like"
    if _differ(first, second):
        return ("copy-across" if exact else "near-across"), (
            f"in {second}, {like} {one.name} in {first}"
        )
    where = f", both in {first}" if first and first == second else ""
    if not exact:
        return "near-inside", f"{like} {one.name}{where}"
    agreed = agreement(one, other)
    if agreed < AGREE:
        return "copy-labels", f"{like} {one.name}, but their labels differ{where}"
    differ = f"; their boxes overlap by {agreed:.2f} or more" if agreed < 0.995 else ""
    return "copy-inside", f"{like} {one.name}{where}{differ}"
