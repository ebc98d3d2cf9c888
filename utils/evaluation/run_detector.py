"""Running a detector over the photos of a dataset, for validation and for scoring.

Training validates on squares; get_map.py runs each photo at its own shape where the runtime can.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from utils.data.records import Record
from utils.detections import Detections
from utils.detector import Detector, NetworkInput, NetworkOutput
from utils.errors import UserError
from utils.prefetch import map_ahead
from utils.streaming import detect_stream


def detect_records(
    detector: Detector,
    records: Sequence[Record],
    *,
    conf: float,
    ious: Sequence[float],
    max_det: int,
    progress: Callable[[Iterable], Iterable] = iter,
    on_unreadable: Callable[[str], None] = print,
) -> dict[float, dict[str, Detections]]:
    """Detections by NMS threshold, then by image id, in the order of ``records``.

    The network sees each photo once, whatever the number of thresholds. Two threads read and
    letterbox the photos ahead of it; see ``utils.streaming`` for what follows. A photo that cannot
    be read is reported through ``on_unreadable``. It has no detections, so its objects count as
    missed.

    Args:
        detector: a detector.
        records: photos to look at.
        conf, max_det: as for ``utils.postprocess.nms``.
        ious: NMS thresholds.
        progress: wraps the records, for instance in a progress bar.
        on_unreadable: called with one sentence for each photo that cannot be read.

    Raises:
        UserError: none of the photos can be read.
    """

    def prepare(record: Record) -> tuple[str, NetworkInput | UserError]:
        try:
            return record.image_id, detector.prepare(detector.read(record.image))
        except UserError as error:
            return record.image_id, error

    def readable() -> Iterator[tuple[str, NetworkInput]]:
        depth = 3 * detector.batch_size
        for image_id, result in map_ahead(prepare, progress(records), threads=2, depth=depth):
            if isinstance(result, UserError):
                on_unreadable(str(result))
            else:
                yield image_id, result

    def finish(output: NetworkOutput) -> dict[float, Detections]:
        return {iou: detector.finish(output, conf=conf, iou=iou, max_det=max_det) for iou in ious}

    found: dict[float, dict[str, Detections]] = {iou: {} for iou in ious}
    for image_id, by_iou, _ in detect_stream(detector, readable(), finish):
        for iou, detections in by_iou.items():
            found[iou][image_id] = detections
    if len(records) and not any(found.values()):
        raise UserError(f"none of the {len(records)} photos can be read")
    return found
