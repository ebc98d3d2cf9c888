"""What predict.py writes: pictures, video, JSON, VOC and YOLO labels. Each file whole or absent.

``Results`` is given every frame with what was found on it, and knows which files that makes.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import cv2
import numpy as np

from utils.data.voc_writer import write_voc_annotation
from utils.detections import Detections
from utils.errors import UserError
from utils.files import atomic_write
from utils.media.drawing import draw_detections
from utils.media.sources import Frame, Source


class Results:
    """Everything that comes of one call of predict.py. Use as a context manager.

    Args:
        folder: where pictures, videos and label files go.
        json_file: where all detections go, if anywhere.
        txt, voc: whether each picture gets a YOLO or VOC label file beside it.

    Attributes:
        counts: objects seen, by class name.
        frames: pictures and frames looked at.
    """

    def __init__(self, folder: Path, json_file: Path | None, *, txt: bool, voc: bool) -> None:
        self.folder, self.txt, self.voc = folder, txt, voc
        self.counts: Counter[str] = Counter()
        self.frames = 0
        self._names = UniqueNames()
        self._json = JsonOutput(json_file) if json_file else None

    def __enter__(self) -> Results:
        if self._json:
            self._json.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        if self._json:
            self._json.__exit__(*error)

    def add_source(self, source: Source, looked_at: Iterable[tuple[Frame, Detections]]) -> None:
        """Take in the frames of one picture or video, with their detections, as they come."""
        stem = self._names.take(source.stem)
        with VideoOutput(self.folder / f"{stem}.mp4") as video:
            for frame, found in looked_at:
                drawn = draw_detections(frame.image, found)
                if source.is_video:
                    video.write(drawn, frame.fps)
                else:
                    self._add_picture(source, stem, frame, found, drawn)
                if self._json:
                    size = frame.image.shape[1], frame.image.shape[0]
                    self._json.write(source.name, size, found, frame.number, frame.time_s)
                self.counts.update(found.names())
                self.frames += 1

    def _add_picture(
        self, source: Source, stem: str, frame: Frame, found: Detections, drawn: np.ndarray
    ) -> None:
        ending = ".png" if source.path.suffix.lower() == ".png" else ".jpg"
        picture = self.folder / f"{stem}{ending}"
        write_picture(picture, drawn)
        if self.voc:
            write_voc(self.folder, stem, source.path, frame.image, found)
        if self.txt:
            write_txt(self.folder, stem, frame.image, found)


class UniqueNames:
    """Names for output files; pictures of one name from two folders both get a place."""

    def __init__(self) -> None:
        self._given: set[str] = set()

    def take(self, stem: str) -> str:
        """``stem``, or ``stem-2``, ``stem-3`` … where it is taken."""
        name, number = stem, 1
        while name.casefold() in self._given:
            number += 1
            name = f"{stem}-{number}"
        self._given.add(name.casefold())
        return name


def write_picture(path: Path, image: np.ndarray) -> None:
    """Write uint8 (H, W, 3) RGB as the kind of picture that the ending of ``path`` names."""
    options = [cv2.IMWRITE_JPEG_QUALITY, 92] if path.suffix.lower() in (".jpg", ".jpeg") else []
    good, data = cv2.imencode(path.suffix, cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)
    if not good:
        raise UserError(f"{path}: this kind of picture cannot be written")
    with atomic_write(path, "wb") as file:
        file.write(data.tobytes())


class VideoOutput:
    """An MP4 file that appears once it is closed; none without frames. A context manager."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._part = path.with_name(f".part-{path.name}")
        self._writer: cv2.VideoWriter | None = None
        self._size: tuple[int, int] = (0, 0)

    def write(self, frame: np.ndarray, fps: float) -> None:
        """Add an RGB frame. All have the size of the first, made even, as the codec needs it."""
        if self._writer is None:
            self._open(frame, fps)
        if (frame.shape[1], frame.shape[0]) != self._size:
            frame = cv2.resize(frame, self._size, interpolation=cv2.INTER_AREA)
        self._writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))

    def _open(self, frame: np.ndarray, fps: float) -> None:
        self._size = tuple(max(2, side // 2 * 2) for side in (frame.shape[1], frame.shape[0]))
        self.path.parent.mkdir(parents=True, exist_ok=True)
        codec = cv2.VideoWriter.fourcc(*"mp4v")
        self._writer = cv2.VideoWriter(str(self._part), codec, fps, self._size)
        if not self._writer.isOpened():
            raise UserError(f"{self.path}: the video cannot be written here")

    def __enter__(self) -> VideoOutput:
        return self

    def __exit__(self, kind: Any, *_: Any) -> None:
        if self._writer is None:
            return
        self._writer.release()
        # What was watched up to Ctrl-C is a good video; after an error it is not.
        if kind is None or kind is KeyboardInterrupt:
            os.replace(self._part, self.path)
        else:
            with suppress(FileNotFoundError):
                self._part.unlink()


class JsonOutput:
    """A JSON list written entry by entry, so that a long video needs no memory."""

    def __init__(self, path: Path) -> None:
        self._context = atomic_write(path)
        self._file: IO[str] | None = None
        self._first = True

    def __enter__(self) -> JsonOutput:
        self._file = self._context.__enter__()
        self._file.write("[")
        return self

    def write(
        self,
        source: str,
        size: tuple[int, int],
        detections: Detections,
        frame: int | None = None,
        time_s: float | None = None,
    ) -> None:
        """Add one picture or frame; ``size`` is (width, height) in pixels."""
        entry = {
            "source": source,
            "width": size[0],
            "height": size[1],
            "frame": frame,
            "time_s": None if time_s is None else round(time_s, 4),
            "detections": [
                {
                    "class": detections.class_names[class_id],
                    "class_id": class_id,
                    "score": round(score, 5),
                    "box": [round(side, 2) for side in box],
                }
                for box, score, class_id in zip(
                    detections.boxes.tolist(),
                    detections.scores.tolist(),
                    detections.class_ids.tolist(),
                    strict=True,
                )
            ],
        }
        self._file.write(("\n" if self._first else ",\n") + json.dumps(entry, ensure_ascii=False))
        self._first = False

    def __exit__(self, *error: Any) -> None:
        if error[0] is None or error[0] is KeyboardInterrupt:
            self._file.write("\n]\n")
            error = (None, None, None)
        self._context.__exit__(*error)


def write_voc(folder: Path, stem: str, picture: Path, image: np.ndarray, found: Detections) -> None:
    """Detections as a VOC annotation, ready to be corrected in a labelling tool."""
    write_voc_annotation(
        folder / f"{stem}.xml",
        picture.name,
        image.shape[1],
        image.shape[0],
        found.boxes,
        found.names(),
    )


def write_txt(folder: Path, stem: str, image: np.ndarray, found: Detections) -> None:
    """Detections as YOLO labels: class id, centre and size as shares of the picture, score."""
    height, width = image.shape[:2]
    lines = []
    for (x0, y0, x1, y1), score, class_id in zip(
        found.boxes.tolist(), found.scores.tolist(), found.class_ids.tolist(), strict=True
    ):
        centre = (x0 + x1) / 2 / width, (y0 + y1) / 2 / height
        size = (x1 - x0) / width, (y1 - y0) / height
        lines.append(" ".join([str(class_id), *(f"{v:.6f}" for v in (*centre, *size, score))]))
    with atomic_write(folder / f"{stem}.txt") as file:
        file.writelines(line + "\n" for line in lines)
