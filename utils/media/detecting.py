"""Running a detector over frames."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import NamedTuple

from utils.detections import Detections
from utils.detector import Detector
from utils.media.frames import WAITING_BYTES, Frame
from utils.thresholds import Thresholds
from utils.tiled_stream import detect_pictures, parts_of
from utils.tiling import NO_TILES, Tiling


def detect_frames(
    detector: Detector,
    frames: Iterator[Frame],
    thresholds: Thresholds,
    *,
    tiling: Tiling = NO_TILES,
    report: Callable[[str], None] | None = None,
) -> Iterator[tuple[Frame, Detections, float]]:
    """Each frame in order, what is on it, and the milliseconds that the network took for it.

    Args:
        detector: a detector.
        frames: what it looks at.
        thresholds: of the detections that are kept.
        tiling: whether large pictures are searched in tiles.
        report: called with one sentence for a picture that is read by regions and damaged,
            or that would have too many tiles.
    """
    pending = _PendingFrames()
    pictures = (
        (one, parts_of(detector, one.frame.image, tiling, one.frame.source.name))
        for one in pending.with_urgency(frames)
    )
    for (frame, _), by_iou, network_ms in detect_pictures(
        detector, pictures, conf=thresholds.conf, ious=(thresholds.iou,),
        max_det=thresholds.max_det, on_unreadable=report, urgent=lambda one: one.urgent,
    ):  # fmt: skip
        pending.given_back(frame)
        yield frame, by_iou[thresholds.iou], network_ms


class _Urgency(NamedTuple):
    """A frame, and whether neither it nor those before it may wait for others."""

    frame: Frame
    urgent: bool


class _PendingFrames:
    """The frames that were read and are not yet given back, in order."""

    def __init__(self) -> None:
        self._frames: deque[Frame] = deque()

    def with_urgency(self, frames: Iterator[Frame]) -> Iterator[_Urgency]:
        """Live frames are urgent, and any as long as the pending ones fill much memory."""
        for frame in frames:
            self._frames.append(frame)
            live = frame.source.kind in ("live", "stream")
            yield _Urgency(frame, live or sum(one.bytes for one in self._frames) > WAITING_BYTES)

    def given_back(self, frame: Frame) -> None:
        """Forget it, and those before it, which could not be read to their end."""
        while self._frames and self._frames.popleft() is not frame:
            pass
