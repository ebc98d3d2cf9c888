"""``Case``: one set of detections on one set of labels, with what finds what; scores and analysis
both start from it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from utils.evaluation.matching import Matching, match
from utils.evaluation.overlaps import Overlaps, overlaps
from utils.evaluation.tables import (
    FoundTable,
    TruthTable,
    class_names,
    found_table,
    numbered_from_one,
    truth_table,
)


@dataclass(frozen=True)
class Case:
    """Labels and detections, matched.

    Attributes:
        truth, found: tables, image ids counted from 1.
        pairs: detections and objects that overlap.
        matching: what each detection is.
        names: class names by class id.
        images: number of images, with and without objects.
    """

    truth: TruthTable
    found: FoundTable
    pairs: Overlaps
    matching: Matching
    names: list[str]
    images: int

    @cached_property
    def images_of_class(self) -> list[int]:
        """How many images hold objects of each class that count."""
        counted = self.matching.counted[0]
        places = np.stack([self.truth.class_ids[counted], self.truth.image_ids[counted]])
        return np.bincount(np.unique(places, axis=1)[0], minlength=len(self.names)).tolist()

    @cached_property
    def images_with_objects(self) -> int:
        """How many images hold objects that count."""
        return len(np.unique(self.truth.image_ids[self.matching.counted[0]]))


def open_case(ground_truth: dict, results: list[dict]) -> Case:
    """Match COCO results with a COCO ground truth (``utils.evaluation.coco_files`` makes both)."""
    truth, found = numbered_from_one(ground_truth, truth_table(ground_truth), found_table(results))
    names = class_names(ground_truth)
    pairs = overlaps(truth, found)
    matching = match(truth, found, pairs, len(names))
    return Case(truth, found, pairs, matching, names, len(ground_truth["images"]))
