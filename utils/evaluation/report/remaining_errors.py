"""How many mistakes are left when only confident detections are kept.

AP is made of all detections, down to scores that nobody keeps, and its errors are counted over all
of them; what a reader meets in use is what is left from the operating confidence on.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from utils.evaluation import tide
from utils.evaluation.analysis import ERROR_KINDS, ErrorItem
from utils.evaluation.matched_results import open_case
from utils.evaluation.worst import Photos, ledger, worst_errors


@dataclass(frozen=True)
class Kept:
    """Mistakes among the detections from a confidence on, sorted anew.

    An object that only a less confident detection had explained is missed now.

    Attributes:
        kinds: count of each of ``ERROR_KINDS``.
        photos: the same by stem of the photo; a photo without mistakes is not in it.
        missed: the objects missed, the costliest first; at most a few of each class.
    """

    kinds: dict[str, int]
    photos: dict[str, dict[str, int]]
    missed: list[ErrorItem]

    def of(self, stem: str) -> dict[str, int]:
        """The counts of a photo."""
        return self.photos.get(stem) or dict.fromkeys(ERROR_KINDS, 0)


def mistakes_kept(ground_truth: dict, results: list[dict], confidence: float) -> Kept:
    """Sort the mistakes of the COCO results with at least that score."""
    case = open_case(ground_truth, [one for one in results if one["score"] >= confidence])
    mistakes = tide.sort_errors(case.truth, case.found, case.matching, case.pairs)
    entries = ledger(case.truth, case.found, case.matching, mistakes)
    counts = np.zeros((case.images + 1, len(ERROR_KINDS)), np.int64)
    np.add.at(counts, (entries.image, entries.kind), 1)  # a case counts its images from 1
    images = sorted(ground_truth["images"], key=lambda image: image["id"])
    photos = Photos(
        [image["stem"] for image in images], [image["file_name"] for image in images], case.names
    )
    return Kept(
        _named(counts.sum(axis=0)),
        {
            image["stem"]: _named(row)
            for image, row in zip(images, counts[1:], strict=True)
            if row.any()
        },
        [
            item
            for item in worst_errors(case.truth, case.found, entries, photos)
            if item.kind == "missed"
        ],
    )


def _named(counts: np.ndarray) -> dict[str, int]:
    return dict(zip(ERROR_KINDS, counts.tolist(), strict=True))
