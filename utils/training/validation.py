"""Which validation photos a run scores: with ``--minutes`` no more than there is time for.

The last evaluation is inside the minutes. Where it would take most of them, little would be left
to train in, so a sample of the photos is scored, the same one throughout the run.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from utils.data.records import Dataset
from utils.data.splits.stratified import stratified_split
from utils.text import counted, minutes_text

MAX_SHARE_OF_MINUTES = 0.05  # share of the minutes of a run that one evaluation may take
SCORED_PHOTOS = "scored validation photos"  # among the choices of a run: how many
MIN_PHOTOS = 50  # however little time there is: fewer say little


def photos_to_score(photos: int, seconds_each: float, seconds: float | None) -> int:
    """How many of so many validation photos are scored.

    Args:
        photos: there are.
        seconds_each: that one of them takes in an evaluation.
        seconds: of the whole run; None without a limit.
    """
    if seconds is None or photos * seconds_each <= MAX_SHARE_OF_MINUTES * seconds:
        return photos
    return min(photos, max(MIN_PHOTOS, int(MAX_SHARE_OF_MINUTES * seconds / seconds_each)))


def sample_photos(val: Dataset, count: int, seed: int) -> Dataset:
    """A stratified sample of the validation photos: each class has its share of the photos.

    A class whose share is less than a photo has one, up to half of the sample; the more frequent
    classes come first. The same photos, labels and seed give the same sample.
    """
    if count >= len(val):
        return val
    classes = {  # on each photo
        record.image_id: {val.classes[i] for i in record.class_ids[~record.difficult]}
        for record in val.records
    }
    share = count / len(val)
    parts = stratified_split(
        classes, {"scored": share, "left out": 1 - share}, seed=seed,
        fixed=dict.fromkeys(_of_rare_classes(classes, count, seed), "scored"),
    )  # fmt: skip
    chosen = set(parts["scored"])
    return replace(val, records=tuple(r for r in val.records if r.image_id in chosen))


def _of_rare_classes(classes: Mapping[str, set[str]], count: int, seed: int) -> list[str]:
    """A photo of each class that a share of ``count`` photos would leave without any."""
    frequency = Counter(name for names in classes.values() for name in sorted(names))
    shuffled = sorted(classes, key=lambda image_id: _shuffled(image_id, seed))
    found: list[str] = []
    for name, photos in sorted(frequency.items(), key=lambda item: (-item[1], item[0])):
        has_one = any(name in classes[image_id] for image_id in found)
        if photos * count < len(classes) and not has_one and len(found) < count // 2:
            found.append(next(image_id for image_id in shuffled if name in classes[image_id]))
    return found


def sample_text(count: int, photos: int, minutes: float | None) -> str:
    """A sentence for the log on a sample of the validation photos; None in a resumed run."""
    reason = "as before"
    if minutes:
        limit = minutes_text(minutes)
        reason = f"one evaluation of all would take more than a twentieth of the {limit}"
    of = counted(photos, "validation photo")
    return f"a stratified sample of {count:,} of the {of} is scored: {reason}"


def scored_text(count: int, photos: int) -> str:
    """`` on 240 of the 1,500 validation photos`` after a score; "" where all are scored."""
    return f" on {count:,} of the {photos:,} validation photos" if count < photos else ""


def _shuffled(image_id: str, seed: int) -> bytes:
    return hashlib.sha256(f"{seed}:{image_id}".encode("utf-8", "surrogatepass")).digest()
