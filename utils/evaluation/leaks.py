"""Noticing that an evaluation scores photos that the detector was trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from utils.data.photo_facts import content_hashes
from utils.data.records import Record


def find_leaks(records: Sequence[Record], hashes: Mapping[str, Mapping[str, str]]) -> dict:
    """Stems of ``records`` whose very file was among the photos of a run.

    Args:
        records: the photos about to be scored.
        hashes: ``{"train": {stem: content hash}, "val": …}``, as a checkpoint stores them.

    Returns:
        ``{"train": [stems], "val": [stems]}``; compared by content, so renaming hides nothing.
    """
    used = {name: set(by_stem.values()) for name, by_stem in hashes.items()}
    found: dict[str, list[str]] = {name: [] for name in ("train", "val")}
    if not any(used.values()):
        return found
    digests = content_hashes({record.stem: record.image for record in records})
    for record in records:
        digest = digests.get(record.stem)
        for name in found:
            if digest in used.get(name, ()):
                found[name].append(record.stem)
    return found
