"""The same photo under two names: it must not be trained on and scored."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from utils.files import content_hash


def identical_photos(paths: Mapping[str, Path]) -> dict[str, str]:
    """Stem → the first stem whose file has the same content, for those that have a twin.

    Only files of equal length are read. A file that cannot be read has no twin.
    """
    by_size: dict[int, list[str]] = {}
    for stem in sorted(paths):
        try:
            by_size.setdefault(paths[stem].stat().st_size, []).append(stem)
        except OSError:
            continue
    twins: dict[str, str] = {}
    for stems in by_size.values():
        first: dict[str, str] = {}
        for stem in stems if len(stems) > 1 else ():
            try:
                digest = content_hash(paths[stem])
            except OSError:
                continue
            if first.setdefault(digest, stem) != stem:
                twins[stem] = first[digest]
    return twins
