"""Suspected label errors: detections that contradict the labels although they are rarely wrong."""

from __future__ import annotations

import numpy as np

from utils.evaluation import tide
from utils.evaluation.error_costs import image_fields, object_fields
from utils.evaluation.matching import MatchedResults
from utils.evaluation.pairs import rows_with_equal_keys
from utils.evaluation.schema import LABEL_ERROR_KINDS, SuspectedLabelError
from utils.overlap import iou as box_iou

MAX_LABELS = 200
MIN_PRECISION = 0.8
_RIVAL_SCORE = 0.5  # share of the score from which another class at the same place is a rival
_KINDS = {tide.BACKGROUND: 0, tide.CLASS: 1, tide.LOCATION: 2}  # index into LABEL_ERROR_KINDS


def suspected_label_errors(
    matched: MatchedResults, errors: tide.ErrorBreakdown, confidence: np.ndarray
) -> list[SuspectedLabelError]:
    """False positives whose label may be wrong, the likeliest first.

    A detection is listed when all of this holds:

    - Its score is at least ``confidence`` (C,) of its class.
    - Of the other detections of its class with at least its score, 80 % are true positives.
    - No detection of another class lies at the same place with at least half its score.
    - No detection finds the object that it contradicts.
    """
    detections = matched.detections
    precision = _precision_of_others(matched)
    rows = errors.rows
    wanted = np.isin(errors.kinds, list(_KINDS))
    wanted &= detections.scores[rows] >= confidence[detections.class_ids[rows]]
    wanted &= precision[rows] >= MIN_PRECISION
    wanted &= ~np.append(errors.found, False)[errors.objects]  # −1, background, reads the last
    chosen = np.flatnonzero(wanted)
    chosen = chosen[~_has_rival(matched, rows[chosen])]
    order = np.lexsort((-detections.scores[rows[chosen]], -precision[rows[chosen]]))
    return [
        SuspectedLabelError(
            kind=LABEL_ERROR_KINDS[_KINDS[int(errors.kinds[i])]],
            **image_fields(matched, int(detections.image_ids[rows[i]])),
            predicted_class=matched.names[detections.class_ids[rows[i]]],
            score=float(detections.scores[rows[i]]),
            box=detections.boxes[rows[i]].tolist(),
            **object_fields(matched, int(errors.objects[i])),
            precision=float(precision[rows[i]]),
        )
        for i in chosen[order][:MAX_LABELS].tolist()
    ]


def _precision_of_others(matched: MatchedResults) -> np.ndarray:
    """(D,) precision of the class's other detections with at least the same score."""
    precision = np.zeros(len(matched.detections))
    for class_id in range(len(matched.names)):
        rows, hit = matched.scored_rows(class_id)
        negative_scores = -matched.detections.scores[rows]  # rising
        count = np.searchsorted(negative_scores, negative_scores, side="right")
        true = np.append(0, np.cumsum(hit))[count]
        precision[rows] = (true - hit) / np.maximum(count - 1, 1)
    return precision


def _has_rival(matched: MatchedResults, rows: np.ndarray) -> np.ndarray:
    """Which of the detections share their place with another class of at least half the score."""
    detections = matched.detections
    result = np.zeros(len(rows), bool)
    for index, other in rows_with_equal_keys(detections.image_ids[rows], detections.image_ids):
        row = rows[index]
        rival = detections.class_ids[other] != detections.class_ids[row]
        rival &= detections.scores[other] >= _RIVAL_SCORE * detections.scores[row]
        index, row, other = index[rival], row[rival], other[rival]
        result[index[box_iou(detections.boxes[row], detections.boxes[other]) >= 0.5]] = True
    return result
