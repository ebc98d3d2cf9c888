"""``Tracker``: the same object has the same id in every frame of a video.

    tracker = Tracker(conf=0.25)
    for image, seconds in frames:
        detections = tracker.update(detector(image, conf=tracker.low_conf), seconds)
        detections.track_ids  # (N,), -1 for an unconfirmed track: seen only once so far

The association is that of ByteTrack (Zhang et al., ByteTrack: Multi-Object Tracking by Associating
Every Detection Box, ECCV 2022). Detections with a high score are matched first. The tracks left
over are matched with detections of a low score: an object that is half hidden mostly has one. Boxes
are matched by their IoU with the boxes that a Kalman filter predicts, so that the sum of the IoUs
is the largest. Three things differ from the paper:

- Only boxes of one class are matched.
- Times are in seconds, so that the frame rate may be any and may vary.
- Both boxes of a pair are grown by the uncertainty of the prediction before their IoU is taken. So
  a track finds its object again after a longer time, and at a low frame rate. Buffers of a fixed
  size are from Yang et al., Hard to Track Objects with Irregular Motions and Similar Appearances?
  Make It Easier by Buffering the Matching Space, WACV 2023.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from scipy.optimize import linear_sum_assignment

from utils.detections import NO_TRACK, Detections
from utils.media.kalman import new_filters
from utils.media.time_steps import TimeSteps
from utils.overlap import iou

LOW_CONF = 0.1  # lowest score of a detection that can continue a track
NEW_TRACK_MARGIN = 0.1  # above ``conf``, of a detection that begins a track
TRACK_BUFFER_S = 1.5  # how long a lost track is kept
HIGH_SCORE_MATCH_IOU = 0.2  # lowest IoU of a track and a detection of a high score,
LOW_SCORE_MATCH_IOU = 0.5  # and of a low score
MAX_STEP_S = 10.0  # between two frames; after a longer one all tracks begin anew,
MAX_STEP_GROWTH = 2.0  # unless it is at most so many times the step before, as in a time lapse
LAPSE_BUFFER = 2.5  # steps of a time lapse, which vary: one frame without its object ends no track
# Beyond it the tracks that were lost longest are removed. All are compared with all detections, and
# where time hardly moves none of them would ever be too old.
MAX_LOST_TRACKS = 2_000


class Tracker:
    """Follows the objects of one video.

    Args:
        conf: lowest score of an object that is shown, 0 to 1.
        track_buffer_s: seconds for which an object that is not seen keeps its id; from one frame to
            the next, up to ``MAX_STEP_S``, or any time if all frames are so far apart. There one
            frame in which it is not seen may lie in between.

    Attributes:
        step_s: seconds between the last two frames; infinite until there are two.
    """

    def __init__(self, conf: float = 0.25, *, track_buffer_s: float = TRACK_BUFFER_S) -> None:
        self.conf = conf
        self.track_buffer_s = track_buffer_s
        self.reset()

    @property
    def low_conf(self) -> float:
        """The confidence that the detector needs: lower scores are of no use here."""
        return min(LOW_CONF, self.conf)

    @property
    def new_track_conf(self) -> float:
        """The lowest score of an object that begins a track."""
        return min(self.conf + NEW_TRACK_MARGIN, (self.conf + 1) / 2)

    def reset(self) -> None:
        """Forget all tracks, for another video; ids start from 1 again."""
        self._first = True
        self._steps = TimeSteps()
        self.step_s = math.inf
        self._tracks = 0  # ids given so far
        self._filters = new_filters(np.zeros((0, 4)))
        self._ids = np.zeros(0, np.int64)  # NO_TRACK for an unconfirmed track, seen once
        self._class_ids = np.zeros(0, np.int64)
        self._lost_s = np.zeros(0)  # seconds since each was last seen; 0 where it is not lost

    def update(self, detections: Detections, time_s: float) -> Detections:
        """The objects of the next frame with their ids.

        Args:
            detections: those of the frame, from a score of ``low_conf`` on.
            time_s: seconds from the start of the video. Where time stands still or runs backwards,
                the step before is taken again.

        Returns:
            The detections with ``track_ids``, in the same order. Those with a score below ``conf``
            are left out unless they continue a track. A track begins with a score of
            ``new_track_conf``. It has an id from the second time on that its object is seen; in the
            first frame at once.
        """
        first, self._first = self._first, False
        before_s, self.step_s = self.step_s, self._steps.to(time_s)
        tracked = self._advance(self.step_s, max(MAX_STEP_S, MAX_STEP_GROWTH * before_s))
        if first:
            self.step_s = math.inf
        confirmed = self._ids != NO_TRACK
        high_score = detections.scores >= self.conf
        low_score = ~high_score & (detections.scores >= self.low_conf)
        track_ids = np.full(len(detections), NO_TRACK, np.int64)

        for tracks, candidates, lowest_iou in (
            (confirmed, high_score, HIGH_SCORE_MATCH_IOU),
            (confirmed & tracked, low_score, LOW_SCORE_MATCH_IOU),
            (~confirmed, high_score, HIGH_SCORE_MATCH_IOU),
        ):
            rows = np.flatnonzero(tracks & (self._lost_s > 0))
            columns = np.flatnonzero(candidates & (track_ids == NO_TRACK))
            rows, columns = self._match(rows, columns, detections, lowest_iou)
            new = rows[self._ids[rows] == NO_TRACK]
            self._ids[new] = self._new_ids(len(new))
            self._filters.update(rows, detections.boxes[columns])
            self._lost_s[rows] = 0
            track_ids[columns] = self._ids[rows]

        self._filters.hold_size(self._lost_s > 0)
        begun = np.flatnonzero((detections.scores >= self.new_track_conf) & (track_ids == NO_TRACK))
        if first:
            track_ids[begun] = self._new_ids(len(begun))
        self._keep(self._ids != NO_TRACK)
        self._begin(detections.boxes[begun], detections.class_ids[begun], track_ids[begun])
        return replace(detections, track_ids=track_ids)[high_score | (track_ids != NO_TRACK)]

    def _advance(self, step_s: float, longest_s: float) -> np.ndarray:
        """Move all tracks to the time of the frame, and remove those that were lost too long.

        Args:
            step_s: since the frame before.
            longest_s: step over which those that were seen in that frame are kept.

        Returns:
            bool (N,), whether each of the others was seen in the frame before.
        """
        tracked = self._lost_s == 0
        self._lost_s += step_s
        time_lapse = MAX_STEP_S < step_s <= longest_s
        track_buffer_s = max(self.track_buffer_s, LAPSE_BUFFER * step_s if time_lapse else 0)
        kept = self._lost_s <= np.where(
            tracked, max(self.track_buffer_s, longest_s), track_buffer_s
        )
        lost = np.flatnonzero(kept & ~tracked)
        kept[lost[np.argsort(self._lost_s[lost], kind="stable")[MAX_LOST_TRACKS:]]] = False
        self._keep(kept)
        self._filters.predict(step_s)
        return tracked[kept]

    def _match(
        self, rows: np.ndarray, columns: np.ndarray, detections: Detections, lowest_iou: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Pairs of tracks ``rows`` and detections ``columns`` with the largest sum of IoUs.

        Returns:
            Two arrays of the same length, a pair in each position.
        """
        margin = self._filters.uncertainty[rows, None]
        overlap = iou(self._filters.boxes[rows, None] + margin, detections.boxes[columns] + margin)
        same_class = self._class_ids[rows, None] == detections.class_ids[columns]
        overlap[~same_class | (overlap < lowest_iou)] = 0
        some, other = linear_sum_assignment(overlap, maximize=True)
        good = overlap[some, other] > 0
        return rows[some[good]], columns[other[good]]

    def _new_ids(self, count: int) -> np.ndarray:
        ids = np.arange(self._tracks + 1, self._tracks + count + 1)
        self._tracks += count
        return ids

    def _keep(self, rows: np.ndarray) -> None:
        """Forget the tracks for which ``rows`` (N,) is false."""
        self._filters = self._filters.select(rows)
        self._ids, self._class_ids = self._ids[rows], self._class_ids[rows]
        self._lost_s = self._lost_s[rows]

    def _begin(self, boxes: np.ndarray, class_ids: np.ndarray, ids: np.ndarray) -> None:
        self._filters = self._filters.joined(new_filters(boxes))
        self._ids = np.concatenate([self._ids, ids])
        self._class_ids = np.concatenate([self._class_ids, class_ids])
        self._lost_s = np.concatenate([self._lost_s, np.zeros(len(ids))])
