"""Scoring on photos that the detector has not seen: the split to score, and warnings about leaks.

``metadata`` is what a checkpoint stores of its training. ``hashes`` in it are content hashes by
image id: ``{"train": {image id: hash}, "val": …, "test": …}``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from utils.data.datasets import load_photos, load_split
from utils.data.duplicates.hashes import content_hashes
from utils.data.folder.index import open_index
from utils.data.records import Dataset, Record
from utils.data.splits.known import known_splits
from utils.text import counted, listed

_MAX_COMPARED = 50  # photos whose content is compared


def load_evaluation_split(
    data: Path, split: str, metadata: Mapping[str, Any], **options: Any
) -> Dataset:
    """A split of a data folder; ``options`` as for ``utils.data.datasets.load_split``.

    Two kinds of splits come from the checkpoint, if the folder holds the photos of its run: the
    validation photos that the run held out, and all splits of a folder without lists. Otherwise
    photos of the training could be taken for new ones. Where a split is made here, photos of the
    run stay in their part of it.
    """
    seed = metadata.get("training", {}).get("seed", 0)
    run_split, stored = metadata.get("split", {}), metadata.get("splits", {}).get(split)
    held_out = split == "val" and str(run_split.get("val", "")).startswith("held out")
    if stored and (run_split.get("generated") or held_out):
        layout = open_index(data).layout
        if held_out or not layout.lists:
            photos = {image_id: entry.image for image_id, entry in layout.entries.items()}
            if is_folder_of_run(photos, stored, metadata.get("hashes", {})):
                print(f"{split!r} is the split of the training run")
                return load_photos(data, stored, **options)
    known = known_splits(metadata.get("hashes", {}))
    return load_split(data, split, **options, seed=seed, known=known)


def is_folder_of_run(
    photos: Mapping[str, Path], stored: Iterable[str], hashes: Mapping[str, Mapping[str, str]]
) -> bool:
    """Whether a folder holds the photos of a run, and not others with the same names.

    Most of the stored split must be in the folder. Of the photos with a stored hash, most of up to
    ``_MAX_COMPARED`` must have that content.

    Args:
        photos: the folder's photos by image id.
        stored: image ids of the wanted split.
        hashes: of the run.
    """
    stored = set(stored)
    if not stored or 2 * len(stored & photos.keys()) <= len(stored):
        return False
    known = {image_id: digest for one in hashes.values() for image_id, digest in one.items()}
    compared = sorted(known.keys() & photos.keys())
    compared = compared[:: max(1, len(compared) // _MAX_COMPARED)]
    digests = content_hashes({image_id: photos[image_id] for image_id in compared})
    same = sum(digests.get(image_id) == known[image_id] for image_id in compared)
    return 2 * same > len(compared) or not compared


def find_leaks(
    records: Sequence[Record], hashes: Mapping[str, Mapping[str, str]]
) -> dict[str, list[str]]:
    """``{"train": [image ids], "val": [image ids]}`` of the records whose file the run used.

    Files are compared by content, so that renamed copies are found.
    """
    used = {name: set(by_id.values()) for name, by_id in hashes.items()}
    leaks: dict[str, list[str]] = {name: [] for name in ("train", "val")}
    if not any(used.values()):
        return leaks
    digests = content_hashes({record.image_id: record.image for record in records})
    for record in records:
        digest = digests.get(record.image_id)
        for name in leaks:
            if digest in used.get(name, ()):
                leaks[name].append(record.image_id)
    return leaks


def find_shared(records: Sequence[Record], others: Sequence[Record]) -> list[str]:
    """Image ids of the records whose file is among ``others`` too, under any name."""
    theirs = set(content_hashes({record.image_id: record.image for record in others}).values())
    own = content_hashes({record.image_id: record.image for record in records})
    return [record.image_id for record in records if own.get(record.image_id) in theirs]


def leak_warnings(leaks: Mapping[str, Sequence[str]], prefix: str = "") -> list[str]:
    """Warnings about scored photos that the detector was trained on or chosen by."""
    uses = {"train": "trained on", "val": "used to choose this checkpoint"}
    return [
        f"{prefix}{len(leaks[kind])} of these photos were {use} ({listed(leaks[kind])}); "
        "the scores are better than they would be on new photos"
        for kind, use in uses.items()
        if leaks[kind]
    ]


def tuning_leak_warnings(
    trained: Sequence[str], shared: Sequence[str], photos: int, *, tune: str, split: str
) -> list[str]:
    """Warnings about photos of ``--tune`` that were trained on, or that are reported on as well."""
    of_photos = f"of the {counted(photos, 'photo')} of --tune {tune}"
    reported = "what the thresholds reach there is better than it would be on new photos"
    warnings = []
    if trained:
        warnings.append(
            f"{len(trained)} {of_photos} were trained on ({listed(trained)}); on new photos "
            "other thresholds are better than those found here"
        )
    if tune == split:
        warnings.append(f"tuning on {tune!r}, the split that is reported; {reported}")
    elif shared:
        warnings.append(
            f"{len(shared)} {of_photos} are reported on as well ({listed(shared)}); {reported}"
        )
    return warnings
