"""Precision and recall at every confidence threshold: the best F1, the log-average miss rate and
the calibration of scores. Matches are COCO's at IoU 0.5."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from utils.evaluation.matching import MatchedResults
from utils.evaluation.schema import Curve, OperatingPoint, Reliability

CURVE_POINTS = 200
RELIABILITY_BINS = 10
RELIABILITY_LOWEST = 0.05
_FALSE_POSITIVES_PER_IMAGE = np.logspace(-2, 0, 9)


@dataclass(frozen=True)
class ThresholdCurve:
    """True and false positives at each confidence threshold, the highest first.

    Attributes:
        confidence: float64 (n,), falling, without repeats.
        true, false: int64 (n,), true and false positives with at least that confidence.
        positives: number of objects.
    """

    confidence: np.ndarray
    true: np.ndarray
    false: np.ndarray
    positives: int

    def point(self, index: int) -> OperatingPoint:
        """The operating point at one of the confidences."""
        return _point(
            float(self.confidence[index]),
            int(self.true[index]),
            int(self.false[index]),
            self.positives,
        )

    def at(self, confidence: float) -> OperatingPoint:
        """The operating point at any confidence."""
        kept = int(np.searchsorted(-self.confidence, -confidence, side="right"))
        if not kept:
            return _point(confidence, 0, 0, self.positives)
        return _point(
            confidence, int(self.true[kept - 1]), int(self.false[kept - 1]), self.positives
        )

    def best_f1(self) -> OperatingPoint:
        """The highest F1; of several, that with the highest confidence."""
        if not len(self.confidence) or not self.positives:
            return _point(None, 0, 0, self.positives)
        return self.point(int(np.argmax(2 * self.true / (self.true + self.false + self.positives))))

    def best_recall(self, precision: float) -> OperatingPoint | None:
        """The highest recall with at least this precision; None if the precision is not reached."""
        good = self.true >= precision * (self.true + self.false) - 1e-9
        good = np.flatnonzero(good & (self.true > 0))
        if not len(good):
            return None
        # Of several points with the same recall, argmax takes the highest confidence.
        return self.point(int(good[np.argmax(self.true[good])]))

    def curve(self) -> Curve:
        """At most about ``CURVE_POINTS`` points, evenly spread over recall and detections."""
        n = len(self.confidence)
        if not n or not self.positives:
            return Curve([], [], [])
        chosen = np.arange(n)
        if n > CURVE_POINTS:
            by_rank = np.linspace(0, n - 1, CURVE_POINTS // 4).round().astype(int)
            steps = np.linspace(self.true[0], self.true[-1], 3 * CURVE_POINTS // 4)
            by_recall = np.minimum(np.searchsorted(self.true, steps), n - 1)
            chosen = np.unique(np.concatenate([by_rank, by_recall]))
        true, false = self.true[chosen], self.false[chosen]
        return Curve(
            self.confidence[chosen].tolist(),
            (true / (true + false)).tolist(),
            (true / self.positives).tolist(),
        )

    def log_average_miss_rate(self, images: int) -> float | None:
        """Geometric mean of the miss rate at nine rates of false positives an image, 0.01 to 1.

        At each rate it takes the last point of the curve with at most that many false positives,
        or 1 if there is none. Miss rates below 1e-10 become 1e-10, as in the authors' toolbox.
        """
        if not self.positives or not images:
            return None
        rate = np.append(-1.0, self.false / images)
        missed = np.append(1.0, 1 - self.true / self.positives)
        last = np.searchsorted(rate, _FALSE_POSITIVES_PER_IMAGE, side="right") - 1
        return float(np.exp(np.log(np.maximum(missed[last], 1e-10)).mean()))


def threshold_curve(matched: MatchedResults, class_id: int | None = None) -> ThresholdCurve:
    """The curve of one class, or of all classes together (None)."""
    rows, hits = matched.scored_rows(class_id)
    counted = matched.counted[0]
    if class_id is not None:
        counted = counted & (matched.truth.class_ids == class_id)
    falling = np.argsort(-matched.detections.scores[rows], kind="stable")
    scores, hits = matched.detections.scores[rows][falling], hits[falling]
    last = np.flatnonzero(np.append(np.diff(scores) != 0, True))[: len(scores)]  # of equal scores
    true = np.cumsum(hits)[last]
    return ThresholdCurve(scores[last], true, last + 1 - true, int(counted.sum()))


def reliability(matched: MatchedResults) -> Reliability:
    """The calibration of the scores, all classes together."""
    rows, hits = matched.scored_rows(None)
    scores = matched.detections.scores[rows]
    used = scores >= RELIABILITY_LOWEST
    scores, hits = scores[used], hits[used]
    edges = np.arange(RELIABILITY_BINS + 1) / RELIABILITY_BINS  # 3/10 is 0.3; linspace is not
    which = np.clip(np.searchsorted(edges, scores, side="right") - 1, 0, RELIABILITY_BINS - 1)
    counts = np.bincount(which, minlength=RELIABILITY_BINS)
    confidence = np.bincount(which, scores, RELIABILITY_BINS)
    right = np.bincount(which, hits, RELIABILITY_BINS)
    # Scores outside 0 to 1, such as logits, have no calibration.
    every = matched.detections.scores
    probabilities = not len(every) or 0 <= every.min() <= every.max() <= 1
    known = counts.sum() and probabilities
    error = float(np.abs(confidence - right).sum() / counts.sum()) if known else None
    return Reliability(
        edges=edges.tolist(),
        counts=counts.tolist(),
        confidence=_shares(confidence, counts),
        precision=_shares(right, counts),
        error=error,
        lowest=RELIABILITY_LOWEST,
    )


def _shares(sums: np.ndarray, counts: np.ndarray) -> list[float | None]:
    return [float(s / n) if n else None for s, n in zip(sums, counts, strict=True)]


def _point(confidence: float | None, true: int, false: int, positives: int) -> OperatingPoint:
    kept = true + false
    return OperatingPoint(
        confidence=confidence,
        precision=true / kept if kept else None,
        recall=true / positives if positives else None,
        f1=2 * true / (kept + positives) if kept or positives else None,
        true_positives=true,
        false_positives=false,
        missed=positives - true,
    )
