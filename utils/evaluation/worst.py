"""The errors worth looking at one by one: the costliest, the images they are on, and labels that
may themselves be wrong."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from utils.evaluation import tide
from utils.evaluation.analysis import (
    ERROR_KINDS,
    SUSPICIONS,
    ErrorItem,
    ImageCost,
    Suspicion,
)
from utils.evaluation.matching import Matching
from utils.evaluation.pairs import pairs
from utils.evaluation.tables import FoundTable, TruthTable
from utils.evaluation.voc import IGNORED, TRUE_POSITIVE
from utils.overlap import iou as box_iou

EACH = 12  # errors of one kind and class at most
ALL = 1500
IMAGES = 100
LABELS = 200
MIN_TRUST = 0.8
_RIVAL = 0.5  # share of the score with which another class at the same place sows doubt


@dataclass(frozen=True)
class Photos:
    """What to call the photos and classes: the tables hold numbers only.

    Attributes:
        stems, file_names: by image id, counted from 1 (so that the first is at 0).
        classes: names by class id.
    """

    stems: list[str]
    file_names: list[str]
    classes: list[str]

    def name(self, image_id: int) -> dict[str, int | str]:
        """The fields that every item opens with."""
        return {
            "image_id": image_id,
            "stem": self.stems[image_id - 1],
            "file_name": self.file_names[image_id - 1],
        }


@dataclass(frozen=True)
class Ledger:
    """All errors of all kinds in one list of columns (n): detections first, then missed objects.

    Attributes:
        kind: index into ``ERROR_KINDS``.
        found: row of the detection; −1 for a missed object.
        truth: row of the object concerned; −1 for background.
        iou: of the two; 0 where one is missing.
        image: image id.
        label: class id, the detection's or the missed object's.
        cost: in AP50.
    """

    kind: np.ndarray
    found: np.ndarray
    truth: np.ndarray
    iou: np.ndarray
    image: np.ndarray
    label: np.ndarray
    cost: np.ndarray


def ledger(truth: TruthTable, found: FoundTable, matching: Matching, errors: tide.Sorted) -> Ledger:
    """The sorted errors with their costs."""
    cost, missed_cost = tide.costs(truth, found, matching, errors)
    none = np.full(len(errors.missed), -1, np.int64)
    join = np.concatenate
    return Ledger(
        kind=join([errors.kinds, np.full(len(none), tide.MISSED)]),
        found=join([errors.rows, none]),
        truth=join([errors.objects, errors.missed]),
        iou=join([errors.ious, np.zeros(len(none))]),
        image=join([found.image_ids[errors.rows], truth.image_ids[errors.missed]]),
        label=join([found.class_ids[errors.rows], truth.class_ids[errors.missed]]),
        cost=join([cost, missed_cost]),
    )


def worst_errors(
    truth: TruthTable, found: FoundTable, entries: Ledger, photos: Photos
) -> list[ErrorItem]:
    """The ``EACH`` costliest of each kind and class, ``ALL`` at most, worst first. Of equal costs
    (missed objects of a class all cost the same) the largest object comes first."""
    size = np.where(entries.found < 0, _areas(truth, entries.truth), _scores(found, entries.found))
    order = np.lexsort((-size, -entries.cost, entries.kind, entries.label))
    group = entries.label[order] * len(ERROR_KINDS) + entries.kind[order]
    fresh = np.append(True, group[1:] != group[:-1])[: len(group)]
    place = np.arange(len(order))
    within = place - np.maximum.accumulate(np.where(fresh, place, 0))
    order = order[within < EACH]
    order = order[np.argsort(-entries.cost[order], kind="stable")][:ALL]
    return [_item(truth, found, entries, int(i), photos) for i in order]


def worst_images(entries: Ledger, photos: Photos) -> list[ImageCost]:
    """The images whose errors cost most together."""
    count = len(photos.stems) + 1
    total = np.bincount(entries.image, entries.cost, count)
    kinds = np.zeros((count, len(ERROR_KINDS)), np.int64)
    np.add.at(kinds, (entries.image, entries.kind), 1)
    order = np.argsort(-total, kind="stable")[:IMAGES]
    return [
        ImageCost(
            **photos.name(int(i)),
            cost=float(total[i]),
            errors=dict(zip(ERROR_KINDS, kinds[i].tolist(), strict=True)),
        )
        for i in order
        if kinds[i].any()
    ]


def suspicions(
    truth: TruthTable,
    found: FoundTable,
    matching: Matching,
    errors: tide.Sorted,
    photos: Photos,
    confidence: np.ndarray,
) -> list[Suspicion]:
    """Detections that the labels contradict and that are seldom wrong.

    One is confident when its score is at least ``confidence`` of its class (C,) and at least four
    in five of its class's other detections that are as sure are right. It is consistent when no
    detection of another class lies at the same place with half its score or more, and the label
    it contradicts is found by no detection of its own class.
    """
    trust = _trust(found, matching)
    kinds = {tide.BACKGROUND: 0, tide.CLASS: 1, tide.LOCATION: 2}
    rows = errors.rows
    wanted = np.isin(errors.kinds, list(kinds))
    wanted &= found.scores[rows] >= confidence[found.class_ids[rows]]
    wanted &= trust[rows] >= MIN_TRUST
    wanted &= ~np.append(errors.found, False)[errors.objects]  # −1, background, reads the last
    chosen = np.flatnonzero(wanted)
    chosen = chosen[~_has_rival(found, rows[chosen])]
    order = np.lexsort((-found.scores[rows[chosen]], -trust[rows[chosen]]))
    return [
        Suspicion(
            kind=SUSPICIONS[kinds[int(errors.kinds[i])]],
            **photos.name(int(found.image_ids[rows[i]])),
            said=photos.classes[found.class_ids[rows[i]]],
            score=float(found.scores[rows[i]]),
            box=found.boxes[rows[i]].tolist(),
            **_object(truth, int(errors.objects[i]), photos),
            trust=float(trust[rows[i]]),
        )
        for i in chosen[order][:LABELS].tolist()
    ]


def _trust(found: FoundTable, matching: Matching) -> np.ndarray:
    """(D,) share of right ones among each class's detections at least as sure, itself left out."""
    trust = np.zeros(len(found))
    for class_id in range(len(matching.edges) - 1):
        rows = matching.of_class(class_id)
        what = matching.outcome[0, 0, rows]
        rows, hit = rows[what != IGNORED], what[what != IGNORED] == TRUE_POSITIVE
        sure = -found.scores[rows]  # rising
        as_sure = np.searchsorted(sure, sure, side="right")
        right = np.append(0, np.cumsum(hit))[as_sure]
        trust[rows] = (right - hit) / np.maximum(as_sure - 1, 1)
    return trust


def _has_rival(found: FoundTable, rows: np.ndarray) -> np.ndarray:
    """Which of the detections share their place with another class nearly as sure."""
    result = np.zeros(len(rows), bool)
    for mine, other in pairs(found.image_ids, found.image_ids[rows]):
        row = rows[mine]
        rival = found.class_ids[other] != found.class_ids[row]
        rival &= found.scores[other] >= _RIVAL * found.scores[row]
        mine, row, other = mine[rival], row[rival], other[rival]
        result[mine[box_iou(found.boxes[row], found.boxes[other]) >= 0.5]] = True
    return result


def _item(
    truth: TruthTable, found: FoundTable, entries: Ledger, i: int, photos: Photos
) -> ErrorItem:
    row, thing = int(entries.found[i]), int(entries.truth[i])
    said = row >= 0
    return ErrorItem(
        kind=ERROR_KINDS[entries.kind[i]],
        **photos.name(int(entries.image[i])),
        said=photos.classes[found.class_ids[row]] if said else None,
        score=float(found.scores[row]) if said else None,
        box=found.boxes[row].tolist() if said else None,
        **_object(truth, thing, photos),
        iou=float(entries.iou[i]) if said and thing >= 0 else None,
        cost=float(entries.cost[i]),
    )


def _object(truth: TruthTable, row: int, photos: Photos) -> dict:
    if row < 0:
        return {"true_class": None, "true_box": None}
    return {
        "true_class": photos.classes[truth.class_ids[row]],
        "true_box": truth.boxes[row].tolist(),
    }


def _areas(truth: TruthTable, rows: np.ndarray) -> np.ndarray:
    return np.append(truth.areas, 0.0)[rows]  # −1 reads the 0


def _scores(found: FoundTable, rows: np.ndarray) -> np.ndarray:
    return np.append(found.scores, 0.0)[rows]
