"""Running a detector over frames."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from utils.detections import Detections
from utils.detector import Detector
from utils.media.frames import Frame
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
        (frame, parts_of(detector, frame.image, tiling, frame.source.name)) for frame in frames
    )
    for frame, by_iou, network_ms in detect_pictures(
        detector, pictures, conf=conf, ious=(iou,), max_det=max_det, on_unreadable=report,
        urgent=lambda frame: frame.source.kind in ("live", "stream"),
    ):  # fmt: skip
        yield frame, by_iou[iou], network_ms
