"""Running a detector over the photos of a dataset, for scoring: the same during and after
training."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from utils.data.records import Record
from utils.detections import Detections
from utils.detector import Detector, NetworkInput, NetworkOutput
from utils.errors import UserError
from utils.prefetch import map_ahead

_WAITING = 2  # batches that may wait for suppression


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
    letterbox the photos ahead of it; another one suppresses while it works on the next batch. A
    photo that cannot be read is reported through ``on_unreadable``. It has no detections, so its
    objects count as missed.

    Args:
        detector: a detector.
        records: photos to look at.
        conf, max_det: as for ``utils.postprocess.nms``.
        ious: NMS thresholds.
        progress: wraps the iterable of batches, for instance in a progress bar.
        on_unreadable: called with one sentence for each photo that cannot be read.

    Raises:
        UserError: none of the photos can be read.
    """

    def prepare(record: Record) -> NetworkInput | UserError:
        try:
            return detector.prepare(detector.read(record.image))
        except UserError as error:
            return error

    def finish(image_ids: list[str], outputs: list[NetworkOutput]) -> None:
        for image_id, output in zip(image_ids, outputs, strict=True):
            for iou in ious:
                found[iou][image_id] = detector.finish(output, conf=conf, iou=iou, max_det=max_det)

    found: dict[float, dict[str, Detections]] = {iou: {} for iou in ious}
    size = detector.batch_size
    batches = [records[i : i + size] for i in range(0, len(records), size)]
    prepared = map_ahead(prepare, records, threads=2, depth=3 * size)
    waiting: deque[Future] = deque()
    with ThreadPoolExecutor(1) as pool:  # one thread, so that the photos stay in order
        for batch in progress(batches):
            inputs: dict[str, NetworkInput] = {}
            for record in batch:
                result = next(prepared)
                if isinstance(result, UserError):
                    on_unreadable(str(result))
                else:
                    inputs[record.image_id] = result
            if not inputs:
                continue
            outputs = detector.infer(list(inputs.values()))
            waiting.append(pool.submit(finish, list(inputs), outputs))
            if len(waiting) > _WAITING:
                waiting.popleft().result()
        for future in waiting:
            future.result()
    if len(records) and not any(found.values()):
        raise UserError(f"none of the {len(records)} photos can be read")
    return found
