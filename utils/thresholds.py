"""``Thresholds``: which detections of a picture are kept."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Thresholds:
    """Which detections of a picture are kept.

    Attributes:
        conf: lowest score, 0 to 1.
        iou: IoU above which the weaker of two boxes of a class is dropped, 0 to 1.
        max_det: most objects a picture.
    """

    conf: float = 0.25
    iou: float = 0.45
    max_det: int = 300
