"""Saving photos and frames of videos beside their labels, so that they can be trained on."""

from __future__ import annotations

import shutil
from collections.abc import Sequence

import numpy as np

from utils.detections import Detections
from utils.errors import UnwritableError
from utils.files import atomic_write
from utils.images import save_image
from utils.media.frame_photos import FramePhotos
from utils.media.frames import Frame, Source
from utils.media.outputs import Output, close_all
from utils.overlap import iou

SAME_IOU = 0.5  # with the box of the same object in the frame saved before
MIN_GAP_S = 0.5  # between saved frames, so that a detection that flickers does not save them all


class SavedFrames(Output):
    """Saves each picture and some frames of each video, and passes only these on to other outputs.

    Pictures are copied byte for byte. Frames become JPEG files.

    Args:
        photos: where they are saved.
        labels: the outputs that describe what is saved.
        every: of each block of so many frame numbers of a video, saves the first frame that is
            looked at; None saves the first frame, and each one where ``changed`` says so.
    """

    def __init__(
        self, photos: FramePhotos, labels: Sequence[Output], every: int | None = None
    ) -> None:
        self.photos, self.labels, self.every = photos, labels, every
        self._source: Source | None = None
        self._saved: tuple[float, Detections] | None = None  # time and objects of the last frame
        self._block: int | None = None  # that the last frame was saved of, by ``every``

    def write(self, frame: Frame, detections: Detections, name: str) -> None:
        if frame.index is not None and not self._wanted(frame, detections):
            return
        path = self.photos.path(frame, name)
        if frame.source.kind == "picture":
            try:
                photo = frame.source.path.open("rb")
            except OSError as error:  # it was there when it was looked at
                raise UnwritableError(f"cannot be copied to {path} ({error.strerror})") from error
            with photo, atomic_write(path, "wb") as copy:
                shutil.copyfileobj(photo, copy)
        else:
            save_image(path, frame.image)
        for output in self.labels:
            output.write(frame, detections, name)

    def _wanted(self, frame: Frame, detections: Detections) -> bool:
        if frame.source != self._source:
            self._source, self._saved, self._block = frame.source, None, None
        if self.every:
            before, self._block = self._block, frame.index // self.every
            return self._block != before
        if self._saved:
            time_s, before = self._saved
            # Time stamps may start anew.
            if 0 <= frame.time_s - time_s < MIN_GAP_S or not changed(before, detections):
                return False
        self._saved = frame.time_s, detections
        return True

    def close(self, complete: bool) -> None:
        close_all(self.labels, complete)


def changed(before: Detections, now: Detections) -> bool:
    """Whether an object came, went, or moved so far that its boxes share less than ``SAME_IOU``."""
    if sorted(before.class_ids.tolist()) != sorted(now.class_ids.tolist()):
        return True
    for class_id in np.unique(now.class_ids):
        old = before.boxes[before.class_ids == class_id]
        new = now.boxes[now.class_ids == class_id]
        same = iou(old[:, None], new[None]) >= SAME_IOU
        # In both directions: two that overlap can both be near to one that is left of them.
        if not (same.any(axis=1).all() and same.any(axis=0).all()):
            return True
    return False
