"""Text files of the MOT challenge, which metric packages and other trackers read.

Those programs know one class. So that only boxes of the same class can match, each class gets a
stretch of the x axis of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from bench.tracking.drives import Drive
from utils.data.synthetic.signs import CLASSES
from utils.detections import NO_TRACK, Detections
from utils.files import atomic_write

CLASS_STRIDE = 10_000  # pixels between the stretches


def write_truth(path: Path, drive: Drive) -> None:
    """``frame,id,x,y,width,height,1,1,visibility`` for each object."""
    with atomic_write(path) as file:
        for frame in range(len(drive.times_s)):
            rows, boxes = drive.truth(frame)
            for row, box in zip(rows, boxes, strict=True):
                box = _at_class(box, CLASSES.index(drive.kinds[row]))
                visible = drive.visible[row, frame]
                file.write(f"{frame + 1},{row + 1},{box},1,1,{visible:.2f}\n")


def write_detections(path: Path, detections: Iterable[Detections]) -> None:
    """``frame,-1,x,y,width,height,score``; with track ids ``frame,id,x,y,width,height,score`` for
    the objects that have one."""
    with atomic_write(path) as file:
        for frame, found in enumerate(detections, start=1):
            for one in found:
                if found.track_ids is None or one.track_id is not None:
                    track_id = NO_TRACK if one.track_id is None else one.track_id
                    box = _at_class(np.array(one.box), one.class_id)
                    file.write(f"{frame},{track_id},{box},{one.score:.4f}\n")


def _at_class(box: np.ndarray, class_id: int) -> str:
    x0, y0, x1, y1 = box
    return f"{x0 + CLASS_STRIDE * class_id:.2f},{y0:.2f},{x1 - x0:.2f},{y1 - y0:.2f}"
