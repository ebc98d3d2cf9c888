"""Photos that an earlier run used: they stay in their split when splits are made anew.

A detector that is trained on from a checkpoint would otherwise be validated and tested on photos
that the checkpoint was trained on. Photos are known by the content of their files.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

SPLIT_NAMES = ("train", "val", "test")  # a photo that is known from several is in the first


def known_splits(hashes: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Content hash → its split.

    Args:
        hashes: ``{"train": {image id: hash}, "val": …, "test": …}`` of a checkpoint's metadata;
            any of them may be missing.
    """
    return {
        digest: split
        for split in reversed(SPLIT_NAMES)
        for digest in hashes.get(split, {}).values()
    }


def extend_to_groups(
    splits: Mapping[str, str], groups: Mapping[str, str], image_ids: Iterable[str]
) -> dict[str, str]:
    """Image id → split, for known photos and for all that are in a group with one of them.

    Args:
        splits: image id → split.
        groups: image id → the first image id of its group.
        image_ids: the photos to be divided.
    """
    image_ids = list(image_ids)
    of_group: dict[str, str] = {}
    for image_id in image_ids:
        if split := splits.get(image_id):
            group = groups.get(image_id, image_id)
            of_group[group] = min(of_group.get(group, split), split, key=SPLIT_NAMES.index)
    found = ((image_id, of_group.get(groups.get(image_id, image_id))) for image_id in image_ids)
    return {image_id: split for image_id, split in found if split}


def kept_text(splits: Mapping[str, str]) -> str:
    """How many photos stay where they were, in words."""
    counts = Counter(splits.values())
    return ", ".join(f"{counts[split]} {split}" for split in SPLIT_NAMES if counts[split])
