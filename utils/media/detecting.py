"""Running a detector over frames."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from utils.detections import Detections
from utils.detector import Detector
from utils.media.frames import WAITING_BYTES, Frame
from utils.tiled_stream import detect_pictures, parts_of
from utils.tiling import NO_TILES, Tiling


def detect_frames(
    detector: Detector,
    frames: Iterator[Frame],
    *,
    conf: float,
    iou: float,
    max_det: int,
    tiling: Tiling = NO_TILES,
    report: Callable[[str], None] | None = None,
) -> Iterator[tuple[Frame, Detections, float]]:
    """Each frame in order, what is on it, and the milliseconds that the network took for it.

    Args:
        detector: a detector.
        frames: what it looks at.
        conf, iou, max_det: as for ``Detector``.
        tiling: whether large pictures are looked at in tiles.
        report: called with one sentence for a picture that is read by regions and damaged,
            or that would have too many tiles.
    """
    pictures = (
        (one, parts_of(detector, one.frame.image, tiling, one.frame.source.name))
        for one in _with_urgency(frames)
    )
    for (frame, _), by_iou, network_ms in detect_pictures(
        detector, pictures, conf=conf, ious=(iou,), max_det=max_det, on_unreadable=report,
        urgent=lambda one: one.urgent,
    ):  # fmt: skip
        yield frame, by_iou[iou], network_ms


class _Urgency(NamedTuple):
    """A frame, and whether neither it nor those before it may wait for others."""

    frame: Frame
    urgent: bool


def _with_urgency(frames: Iterator[Frame]) -> Iterator[_Urgency]:
    """Live frames are urgent, and any as soon as those on their way fill much memory."""
    waiting = 0
    for frame in frames:
        waiting += frame.bytes
        urgent = frame.source.kind in ("live", "stream") or waiting > WAITING_BYTES
        if urgent:
            waiting = 0
        yield _Urgency(frame, urgent)
