"""Photos that an earlier run used: they stay in their part when a split is made anew.

A detector that is trained on from a checkpoint would otherwise be validated and tested on photos
that the checkpoint was trained on. Photos are known by the content of their files.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

PARTS = ("train", "val", "test")  # a photo that is known from several is in the first


def known_parts(hashes: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Content hash → its part.

    Args:
        hashes: ``{"train": {image id: hash}, "val": …, "test": …}`` of a checkpoint's metadata;
            any of them may be missing.
    """
    return {digest: part for part in reversed(PARTS) for digest in hashes.get(part, {}).values()}


def with_groups(
    parts: Mapping[str, str], groups: Mapping[str, str], image_ids: Iterable[str]
) -> dict[str, str]:
    """The parts of known photos, and of all photos that must stay with one of them.

    Args:
        parts: image id → part.
        groups: image id → the first image id of its group.
        image_ids: the photos to be divided.
    """
    image_ids = list(image_ids)
    of_group: dict[str, str] = {}
    for image_id in image_ids:
        if part := parts.get(image_id):
            group = groups.get(image_id, image_id)
            of_group[group] = min(of_group.get(group, part), part, key=PARTS.index)
    found = ((image_id, of_group.get(groups.get(image_id, image_id))) for image_id in image_ids)
    return {image_id: part for image_id, part in found if part}


def kept_text(parts: Mapping[str, str]) -> str:
    """How many photos stay where they were, in words."""
    counts = Counter(parts.values())
    return ", ".join(f"{counts[part]} {part}" for part in PARTS if counts[part])
