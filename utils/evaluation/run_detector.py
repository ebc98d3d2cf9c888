"""Running a detector over the photos of a dataset, for validation and for scoring.

Training validates on squares; get_map.py runs each photo at its own shape where the runtime can.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress

import numpy as np

from utils.data.records import Record
from utils.detections import Detections
from utils.detector import Detector
from utils.errors import UserError
from utils.prefetch import map_ahead
from utils.runtime.precision_trial import PrecisionTrial
from utils.tiled_stream import Part, detect_pictures, parts_of
from utils.tiles import picture_areas
from utils.tiling import NO_TILES, Tiling, TrainingSizes


def detect_records(
    detector: Detector,
    records: Sequence[Record],
    *,
    conf: float,
    ious: Sequence[float],
    max_det: int,
    progress: Callable[[Iterable], Iterable] = iter,
    on_unreadable: Callable[[str], None] = print,
    tiling: Tiling = NO_TILES,
) -> dict[float, dict[str, Detections]]:
    """Detections by NMS threshold, then by image id, in the order of ``records``.

    The network sees each photo once, whatever the number of thresholds. Threads read and
    letterbox the photos ahead of it; see ``utils.streaming`` for what follows. Photos that get
    tiles are read one at a time. A photo that cannot be read is reported through
    ``on_unreadable``. It has no detections, so its objects count as missed.

    Args:
        detector: a detector.
        records: photos to look at.
        conf, max_det: as for ``utils.postprocess.nms``.
        ious: NMS thresholds.
        progress: wraps the records, for instance in a progress bar.
        on_unreadable: called with one sentence for each photo that cannot be read.
        tiling: whether large photos are searched in tiles.

    Raises:
        UserError: none of the photos can be read.
    """

    longest, trained = max(detector.input_size), detector.training_sizes

    def prepare(record: Record) -> tuple[str, list[Part] | Record | UserError]:
        if tiling.sides_for(record.height, record.width, longest, trained):
            return record.image_id, record
        try:
            return record.image_id, list(parts_of(detector, detector.read(record.image), NO_TILES))
        except UserError as error:
            return record.image_id, error

    def readable() -> Iterator[tuple[str, Iterable[Part]]]:
        threads = detector.runtime.readers
        depth = max(3 * detector.batch_size, threads + 1)
        for image_id, result in map_ahead(prepare, progress(records), threads=threads, depth=depth):
            if isinstance(result, UserError):
                on_unreadable(str(result))
            elif isinstance(result, Record):
                yield image_id, read_large(result)
            else:
                yield image_id, result

    def read_large(record: Record) -> Iterator[Part]:  # when it is its turn
        yield from parts_of(
            detector, detector.read(record.image, tiling), tiling, str(record.image)
        )

    found: dict[float, dict[str, Detections]] = {iou: {} for iou in ious}
    for image_id, by_iou, _ in detect_pictures(
        detector, readable(), conf=conf, ious=ious, max_det=max_det, on_unreadable=on_unreadable
    ):
        for iou, detections in by_iou.items():
            found[iou][image_id] = detections
    if len(records) and not any(found.values()):
        raise UserError(f"none of the {len(records)} photos can be read")
    return found


def views_of(
    records: Iterable[Record], tiling: Tiling, longest_input: int, trained: TrainingSizes
) -> np.ndarray:
    """(P,): how many pictures the network gets of each photo: itself, and tiles of large ones.

    Args:
        records: the photos.
        tiling: as for ``detect_records``.
        longest_input: longer side of the network input in pixels.
        trained: tile side and object sizes of the detector's training.
    """
    views = []
    for record in records:
        size = (record.height, record.width)
        sides = tiling.sides_for(*size, longest_input, trained)
        views.append(len(picture_areas(*size, sides, tiling.overlap)))
    return np.array(views)


def in_one_precision(detector: Detector, records: Iterable[Record]) -> Detector:
    """The detector with the precision that ``--runtime auto`` takes, decided on the first photos.

    Otherwise it would be decided while they are scored, so some of the detections would come from
    float32 and the others from another precision.
    """
    trial = detector.runtime.infer
    if not isinstance(trial, PrecisionTrial):
        return detector

    def inputs() -> Iterator[np.ndarray]:
        for record in records:
            with suppress(UserError):  # reported when it is scored
                yield detector.preprocess(detector.read(record.image)).pixels

    runtime = trial.decide_now(inputs())
    print(f"all photos are scored with {runtime.description}")
    return Detector(runtime)
