"""Running a network over the photos of a dataset, for scoring: the same code during and after
training."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from utils.data.records import Record
from utils.detections import Detections
from utils.errors import UserError
from utils.images import read_image
from utils.letterbox import Letterbox
from utils.postprocess import to_detections
from utils.prefetch import map_ahead

# uint8 (B, S, S, 3) network inputs → boxes (B, N, 4) and scores (B, N, classes)
Infer = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
_Loaded = tuple[Record, np.ndarray, Letterbox]
_BEHIND = 2  # batches whose boxes may wait to be suppressed


def detect_records(
    infer: Infer,
    records: Sequence[Record],
    input_size: int | tuple[int, int],
    class_names: Sequence[str],
    *,
    conf: float,
    iou: float,
    max_det: int,
    batch_size: int = 8,
    progress: Callable[[Iterable], Iterable] = iter,
    on_unreadable: Callable[[str], None] = print,
) -> dict[str, Detections]:
    """Detections by file stem, in the order of ``records``.

    Photos are read and letterboxed ahead of the network by two threads; what it says is suppressed
    by another one while it is at work on the next batch. A photo that cannot be read is reported
    through ``on_unreadable`` and has no detections: its objects count as missed.

    Args:
        infer: the network.
        records: photos to look at.
        input_size: side of the network input in pixels, or its height and width.
        class_names: names of the network's classes.
        conf, iou, max_det: as for ``utils.postprocess.nms``.
        batch_size: photos the network sees at once.
        progress: wraps the iterable of batches, for instance in a progress bar.
        on_unreadable: called with one sentence for each photo that cannot be read.

    Raises:
        UserError: none of the photos can be read.
    """
    return detect_at(
        infer,
        records,
        input_size,
        class_names,
        conf=conf,
        ious=(iou,),
        max_det=max_det,
        batch_size=batch_size,
        progress=progress,
        on_unreadable=on_unreadable,
    )[iou]


def detect_at(
    infer: Infer,
    records: Sequence[Record],
    input_size: int | tuple[int, int],
    class_names: Sequence[str],
    *,
    conf: float,
    ious: Sequence[float],
    max_det: int,
    batch_size: int = 8,
    progress: Callable[[Iterable], Iterable] = iter,
    on_unreadable: Callable[[str], None] = print,
) -> dict[float, dict[str, Detections]]:
    """As ``detect_records``, for several NMS thresholds: each suppresses the network's own output
    afresh, which is run once. By threshold, then by file stem."""
    height, width = (input_size, input_size) if isinstance(input_size, int) else input_size

    def load(record: Record) -> tuple[np.ndarray, Letterbox] | UserError:
        try:
            image = read_image(record.image)
        except UserError as error:
            return error
        letterbox = Letterbox(image.shape[1], image.shape[0], width, height)
        return letterbox.apply(image), letterbox

    def suppress(good: list[_Loaded], boxes: np.ndarray, scores: np.ndarray) -> None:
        for (record, _, letterbox), box, score in zip(good, boxes, scores, strict=True):
            for iou in ious:
                found[iou][record.image_id] = to_detections(
                    box, score, letterbox, class_names, conf=conf, iou=iou, max_det=max_det
                )

    found: dict[float, dict[str, Detections]] = {iou: {} for iou in ious}
    batches = [records[i : i + batch_size] for i in range(0, len(records), batch_size)]
    loaded = map_ahead(load, records, threads=2, depth=3 * batch_size)
    behind: deque[Future] = deque()
    with ThreadPoolExecutor(1) as pool:  # one thread: the order of the photos stays
        for batch in progress(batches):
            good: list[_Loaded] = []
            for record in batch:
                result = next(loaded)
                if isinstance(result, UserError):
                    on_unreadable(str(result))
                else:
                    good.append((record, *result))
            if not good:
                continue
            boxes, scores = infer(np.stack([image for _, image, _ in good]))
            behind.append(pool.submit(suppress, good, boxes, scores))
            if len(behind) > _BEHIND:
                behind.popleft().result()
        for future in behind:
            future.result()
    if len(records) and not any(found.values()):
        raise UserError(f"none of the {len(records)} photos can be read")
    return found
