"""Running a detector over frames."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from utils.detections import Detections
from utils.detector import Detector
from utils.media.frames import Frame
from utils.streaming import detect_stream


def detect_frames(
    detector: Detector, frames: Iterator[Frame], *, conf: float, iou: float, max_det: int
) -> Iterator[tuple[Frame, Detections, float]]:
    """Each frame in order, what is on it, and the milliseconds that the network took for it."""
    inputs = ((frame, detector.prepare(frame.image)) for frame in frames)
    finish = partial(detector.finish, conf=conf, iou=iou, max_det=max_det)
    yield from detect_stream(
        detector, inputs, finish, lambda frame: frame.source.kind in ("live", "stream")
    )
