"""The plainest tracker, to compare with: IoU with the last box of each track, nothing else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.optimize import linear_sum_assignment

from utils.detections import NO_TRACK, Detections
from utils.overlap import iou


class PlainTracker:
    """Matches each frame's detections of score ``conf`` with the last boxes of the tracks.

    The sum of the IoUs is the largest, as in ``Tracker``; but there is neither a motion model nor a
    second round for low scores.
    """

    def __init__(self, conf: float, *, memory_s: float = 1.0, lowest_iou: float = 0.3) -> None:
        self.conf, self.memory_s, self.lowest_iou = conf, memory_s, lowest_iou
        self._boxes = np.zeros((0, 4))
        self._ids, self._class_ids = np.zeros(0, int), np.zeros(0, int)
        self._seen_s = np.zeros(0)
        self._count = 0

    def update(self, detections: Detections, time_s: float) -> Detections:
        found = detections[detections.scores >= self.conf]
        overlap = iou(self._boxes[:, None], found.boxes)
        overlap[self._class_ids[:, None] != found.class_ids] = 0
        overlap[overlap < self.lowest_iou] = 0
        rows, columns = linear_sum_assignment(overlap, maximize=True)
        good = overlap[rows, columns] > 0
        ids = np.full(len(found), NO_TRACK)
        ids[columns[good]] = self._ids[rows[good]]
        new = ids == NO_TRACK
        ids[new] = np.arange(self._count + 1, self._count + 1 + new.sum())
        self._count += int(new.sum())
        lost = (time_s - self._seen_s <= self.memory_s) & ~np.isin(self._ids, ids)
        self._boxes = np.concatenate([self._boxes[lost], found.boxes])
        self._ids = np.concatenate([self._ids[lost], ids])
        self._class_ids = np.concatenate([self._class_ids[lost], found.class_ids])
        self._seen_s = np.concatenate([self._seen_s[lost], np.full(len(found), time_s)])
        return replace(found, track_ids=ids)
