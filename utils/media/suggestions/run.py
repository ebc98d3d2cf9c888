"""``suggest_photos``: from pictures to the list, the links and the page of suggestions."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from utils.detector import Detector
from utils.errors import UserError
from utils.media.detecting import detect_frames
from utils.media.sources import Source, read_frames
from utils.media.suggestions.features import backbone_features
from utils.media.suggestions.suggest import find_suggestions, unlabelled, write_suggestions
from utils.media.suggestions.suggestions_page import write_page
from utils.media.suggestions.uncertainty import LOWEST_SCORE
from utils.text import counted
from utils.thresholds import Thresholds


def suggest_photos(
    detector: Detector,
    weights: Path,
    sources: Sequence[Source],
    out: Path,
    *,
    count: int,
    known: Collection[str],
    thresholds: Thresholds,
    progress: Callable[[Iterator, Sequence[Source]], Iterator],
) -> list[str]:
    """Choose up to ``count`` photos and write ``out/suggested.txt``, ``.html`` and ``suggested/``.

    Args:
        detector: finds the objects.
        weights: its checkpoint, which gives the features.
        sources: pictures.
        out: the folder for results.
        count: how many photos to suggest.
        known: content hashes of photos that training knew, which are left out.
        thresholds: of the detections; ``conf`` is not used, as low scores count here, too.
        progress: shows how far the pictures are.

    Returns:
        sentences on what was done.

    Raises:
        UserError: a source is no picture, none can be read or is new, the weights are no
            checkpoint, or ``out`` has suggestions already.
    """
    new = unlabelled(sources, known)
    features = backbone_features(weights)

    def report(problem: str) -> None:
        print(f"warning: {problem}", file=sys.stderr)

    frames = read_frames(new, report, detector.read)
    results = detect_frames(detector, frames, replace(thresholds, conf=LOWEST_SCORE))
    pictures = ((frame, found) for frame, found, _ in progress(results, new))
    found = find_suggestions(pictures, features, count)
    if not found:
        raise UserError(f"none of the {len(new)} pictures can be read")
    listing, links = write_suggestions(found, out)
    page = out / "suggested.html"
    known_here = len(sources) - len(new)
    write_page(found, page, looked_at=len(new), left_out=known_here, read=detector.read)
    sentences = [f"{counted(len(found), 'photo')} to label next, chosen from {len(new):,}"]
    if known_here:
        sentences.append(f"left out, as training knew them: {counted(known_here, 'photo')}")
    if len(found) < min(count, len(new)):
        sentences.append("all others are near copies of these, or cannot be read")
    return [*sentences, f"list: {listing}; links: {links}; reasons: {page}"]
