"""``find_suggestions`` and ``write_suggestions``: the photos most worth labelling next."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from utils.detections import Detections
from utils.errors import UserError
from utils.files import atomic_folder, atomic_write, content_hash, within_bytes
from utils.images import IMAGE_SUFFIXES, check_file
from utils.media.frames import Frame, Source
from utils.media.outputs import MAX_STEM_BYTES
from utils.media.suggestions.choice import choose
from utils.media.suggestions.features import Features
from utils.media.suggestions.uncertainty import class_uncertainty, class_weights, photo_uncertainty
from utils.text import counted

_RARE = 1.3  # times the mean weight of a class
_UNSURE = 0.5  # a detection below this uncertainty counts as sure
_MAX_CLASSES = 3  # named in a reason


@dataclass(frozen=True)
class Suggestion:
    """A photo to label.

    Attributes:
        path: of the photo.
        uncertainty: 0 to 1, as a share of that of the most uncertain photo.
        difference: from the most similar one suggested before, 0 (a copy) to 1.
        nearest: that one; None for the first.
        reasons: why it was chosen, as sentences.
        found: its objects, those with low scores too.
    """

    path: Path
    uncertainty: float
    difference: float
    nearest: Path | None
    reasons: tuple[str, ...]
    found: Detections


def unlabelled(sources: Sequence[Source], known: Collection[str]) -> list[Source]:
    """The photos that were not trained on.

    Args:
        sources: pictures.
        known: content hashes of the photos that the checkpoint was trained, validated or tested on.

    Raises:
        UserError: a source is no picture, or none is left.
    """
    for source in sources:
        if source.kind != "picture":
            raise UserError(
                f"--suggest: {source.name} is no picture; save frames of videos with "
                "--save-frames, and give the folder of these"
            )
    left = [source for source in sources if not known or not _is_known(source.path, known)]
    if not left:
        raise UserError("--suggest: the detector's training knew all of these photos already")
    return left


def _is_known(path: Path, known: Collection[str]) -> bool:
    try:
        check_file(path)  # before it is read: it may be of any size
        return content_hash(path) in known
    except (UserError, OSError):  # reading it as a picture says what is wrong
        return False


def find_suggestions(
    results: Iterable[tuple[Frame, Detections]], features: Features, count: int
) -> list[Suggestion]:
    """The photos most worth labelling, the most useful first; fewer where others are near copies.

    Args:
        results: each picture with all that the detector sees with at least ``LOWEST_SCORE``.
        features: what pictures look like.
        count: how many to suggest.
    """
    paths: list[Path] = []
    found: list[Detections] = []
    looks: list[np.ndarray] = []
    for frame, detections in results:
        paths.append(frame.source.path)
        found.append(detections)
        looks.append(features(frame.image))
    if not paths:
        return []
    weights = class_weights(found)
    uncertainty_by_class = np.array([class_uncertainty(one) for one in found])
    uncertainty = photo_uncertainty(uncertainty_by_class, weights)
    return [
        Suggestion(
            path=paths[one.index],
            uncertainty=float(uncertainty[one.index]),
            difference=one.difference,
            nearest=None if one.nearest is None else paths[one.nearest],
            reasons=_reasons(found[one.index], weights, one.difference),
            found=found[one.index],
        )
        for one in choose(uncertainty, np.array(looks), count)
    ]


def write_suggestions(suggestions: Sequence[Suggestion], out: Path) -> tuple[Path, Path]:
    """Write ``suggested.txt``, a path a line, and the folder ``suggested`` with a link to each
    photo (a copy where the disk has no links). Their names begin with their place.

    Returns:
        both paths.

    Raises:
        UserError: the folder has files already.
    """
    links = out / "suggested"
    with atomic_folder(links) as folder:
        for place, one in enumerate(suggestions, start=1):
            suffix = one.path.suffix if one.path.suffix.lower() in IMAGE_SUFFIXES else ""
            stem = within_bytes(one.path.name.removesuffix(suffix), MAX_STEM_BYTES)
            target = folder / f"{place:0{len(str(len(suggestions)))}d}_{stem}{suffix}"
            try:
                target.symlink_to(os.path.abspath(one.path))
            except OSError:
                shutil.copyfile(one.path, target)
    listing = out / "suggested.txt"
    with atomic_write(listing) as file:
        file.writelines(f"{one.path}\n" for one in suggestions)
    return listing, links


def _reasons(found: Detections, weights: np.ndarray, difference: float) -> tuple[str, ...]:
    """Why a photo is worth labelling, as sentences."""
    reasons = []
    unsure = [one for one in found if 1 - abs(2 * one.score - 1) >= _UNSURE]
    best = sorted(unsure, key=lambda one: abs(one.score - 0.5))
    by_class = {one.class_name: one for one in reversed(best)}
    if by_class:
        ordered = sorted(by_class.values(), key=lambda one: -weights[one.class_id])
        named = ", ".join(f"{one.class_name} {one.score:.2f}" for one in ordered[:_MAX_CLASSES])
        more = len(ordered) - _MAX_CLASSES
        also = f" and {counted(more, 'more class', 'more classes')}" if more > 0 else ""
        reasons.append(f"unsure of {named}{also}")
        rare = [one.class_name for one in ordered if weights[one.class_id] > _RARE]
        if rare:
            reasons.append(f"rare on these photos: {', '.join(rare[:_MAX_CLASSES])}")
    elif len(found):
        reasons.append("sure of what it sees")
    else:
        reasons.append("nothing seen at all")
    if difference < 1:
        reasons.append(f"differs by {difference:.0%} from the nearest suggested before it")
    return tuple(reasons)
