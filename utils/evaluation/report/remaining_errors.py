"""The errors that remain when only detections above a confidence are kept.

AP uses all detections, down to scores that nobody keeps, and so does the error breakdown. In use,
only the errors above the chosen confidence matter.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from utils.evaluation.error_costs import error_costs, worst_errors
from utils.evaluation.matching import match_results
from utils.evaluation.schema import ERROR_KINDS, ErrorItem
from utils.evaluation.tide import break_down_errors


@dataclass(frozen=True)
class RemainingErrors:
    """The error breakdown of the detections from a confidence on.

    An object that only a less confident detection explained is missed here.

    Attributes:
        kinds: number of each of ``ERROR_KINDS``.
        by_image: the same by the records' ``image_id``; images without errors are left out.
        missed: the missed objects, the costliest first; at most a few of each class.
    """

    kinds: dict[str, int]
    by_image: dict[str, dict[str, int]]
    missed: list[ErrorItem]

    def of_image(self, image_id: str) -> dict[str, int]:
        """The counts of an image."""
        return self.by_image.get(image_id) or dict.fromkeys(ERROR_KINDS, 0)


def remaining_errors(ground_truth: dict, results: list[dict], confidence: float) -> RemainingErrors:
    """The error breakdown of the COCO results with at least that score."""
    matched = match_results(ground_truth, [one for one in results if one["score"] >= confidence])
    costs = error_costs(matched, break_down_errors(matched))
    counts = costs.counts(costs.image, matched.images + 1)  # image ids count from 1
    return RemainingErrors(
        _by_kind(counts.sum(axis=0)),
        {
            image["stem"]: _by_kind(row)
            for image, row in zip(matched.coco_images, counts[1:], strict=True)
            if row.any()
        },
        [item for item in worst_errors(matched, costs) if item.kind == "missed"],
    )


def _by_kind(counts: np.ndarray) -> dict[str, int]:
    return dict(zip(ERROR_KINDS, counts.tolist(), strict=True))
