"""Noticing that an evaluation scores photos that the detector was trained on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from utils.data.duplicates.hashes import content_hashes
from utils.data.records import Record

_LOOKED_AT = 50  # photos


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
    digests = content_hashes({record.image_id: record.image for record in records})
    for record in records:
        digest = digests.get(record.image_id)
        for name in found:
            if digest in used.get(name, ()):
                found[name].append(record.image_id)
    return found


def find_shared(records: Sequence[Record], others: Sequence[Record]) -> list[str]:
    """Stems of ``records`` whose very file is among ``others`` too, whatever its name there."""
    theirs = set(content_hashes({record.image_id: record.image for record in others}).values())
    own = content_hashes({record.image_id: record.image for record in records})
    return [record.image_id for record in records if own.get(record.image_id) in theirs]


def is_folder_of_run(
    photos: Mapping[str, Path], stored: Iterable[str], hashes: Mapping[str, Mapping[str, str]]
) -> bool:
    """Whether a folder holds the photos of a run, and not others of the same names.

    Most of the stored split must be there; and of the photos whose content the run noted and
    whose names are here, most of up to ``_LOOKED_AT`` must have that content.

    Args:
        photos: the folder's photos by stem.
        stored: stems of the split that is wanted.
        hashes: as for ``find_leaks``.
    """
    stored = set(stored)
    if not stored or 2 * len(stored & photos.keys()) <= len(stored):
        return False
    noted = {stem: digest for one in hashes.values() for stem, digest in one.items()}
    looked_at = sorted(noted.keys() & photos.keys())
    looked_at = looked_at[:: max(1, len(looked_at) // _LOOKED_AT)]
    found = content_hashes({stem: photos[stem] for stem in looked_at})
    same = sum(found.get(stem) == noted[stem] for stem in looked_at)
    return 2 * same > len(looked_at) or not looked_at
