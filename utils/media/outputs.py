"""Outputs of predict.py: drawn pictures, JSON, CSV, crops.

Each kind of output is a subclass of ``Output``. ``Outputs`` holds those that were asked for. Only
the current frame is in memory, and every file appears under its name once it is complete.
"""

from __future__ import annotations

import csv
import errno
import json
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from utils.detections import Detections
from utils.drawing.boxes import draw_detections
from utils.errors import UnwritableError
from utils.files import atomic_write, within_bytes
from utils.images import save_image
from utils.media.drawn_files import MARK, check_replaceable
from utils.media.frames import Frame, Source
from utils.tiff_regions import TiffRegions

JPEG_LIMIT = 65_500  # pixels along a side: the format has no more
MAX_STEM_BYTES = 225  # bytes of the 255 that a file name has; numbers and suffix come behind it
_NAME_ERRORS = (errno.ENAMETOOLONG, errno.EILSEQ)  # of one name; other errors are the disk's
MAX_DRAWN = 8_000  # pixels: longer side of the drawing of a picture that is read by regions

Draw = Callable[[Frame, Detections], np.ndarray]


class Output(ABC):
    """One kind of output."""

    @abstractmethod
    def write(self, frame: Frame, detections: Detections, name: str) -> None:
        """Write what is made of a frame; ``name`` is a unique file name for it, without suffix."""

    def close(self, complete: bool) -> None:  # noqa: B027  most kinds have nothing to finish
        """Finish the files if ``complete``; otherwise remove those that are not finished."""

    def notes(self) -> list[str]:
        """Sentences on what was written, for the end of the run."""
        return []


class Outputs:
    """All outputs of a run, and the file names they share.

    A context manager: files are finished when the block ends. If it raises, unfinished files are
    removed.

    Args:
        outputs: what to write.
        sources: get their names in this order, whichever are read.
    """

    def __init__(self, outputs: Sequence[Output], sources: Sequence[Source] = ()) -> None:
        self._outputs = list(outputs)
        self._names = Names(sources)
        self._failed: set[tuple[int, Source]] = set()  # outputs and what they could not write

    def write(self, frame: Frame, detections: Detections) -> list[str]:
        """Write everything about a frame.

        Returns:
            a sentence on each output that cannot be written of this source, the first time.

        Raises:
            UserError, OSError: nothing more can be written, as the disk is full.
        """
        name = self._names.of(frame)
        problems = []
        for number, output in enumerate(self._outputs):
            try:
                output.write(frame, detections, name)
            except (UnwritableError, OSError) as error:
                if not isinstance(error, UnwritableError) and error.errno not in _NAME_ERRORS:
                    raise
                if (number, frame.source) not in self._failed:
                    self._failed.add((number, frame.source))
                    problems.append(_problem(frame.source, error))
        return problems

    def __enter__(self) -> Outputs:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        close_all(self._outputs, complete=error is None)

    def notes(self) -> list[str]:
        """Sentences on what was written, for the end of the run."""
        return [note for output in self._outputs for note in output.notes()]


def _problem(source: Source, error: UnwritableError | OSError) -> str:
    if isinstance(error, UnwritableError):
        return f"{source.name}: {error}"
    return f"{source.name}: {os.strerror(error.errno)}, so a result was not written; rename it"


def close_all(outputs: Sequence[Output], complete: bool) -> None:
    """Close all outputs, also where one of them fails."""
    with ExitStack() as closing:
        for output in reversed(outputs):
            closing.callback(output.close, complete)


class Names:
    """File names for the frames of the sources, with a number where two sources share a name.

    ``cats/1.jpg`` and ``dogs/1.jpg`` become ``1`` and ``1-2``; frames of a video get their number.
    A picture that is named like a frame of one of the videos gets a number, too.

    Args:
        sources: get their names in this order; further ones when they are met.
        own_name: gives the name of a source where no other has it; without suffix. By default it
            is short enough for numbers and a suffix behind it.
        kinds_apart: a picture and a video may share a name, as only files of their frames are
            written of videos.
    """

    def __init__(
        self,
        sources: Iterable[Source] = (),
        own_name: Callable[[Source], str] = lambda source: within_bytes(
            source.output_name, MAX_STEM_BYTES
        ),
        *,
        kinds_apart: bool = False,
    ) -> None:
        self._own_name, self._kinds_apart = own_name, kinds_apart
        self._by_source: dict[Source, str] = {}
        self._photos: set[str] = set()  # used names of pictures
        self._videos: set[str] = set()  # used names of videos
        self.renamed = 0  # pictures whose own name was taken
        self._frames_of: set[str | None] = set()  # videos that used names look like frames of
        # By own name and whether it is a video's: the lowest number that may be free. All sources
        # may share one name, and to try from 2 on for each of them would take very long.
        self._next_number: dict[tuple[str, bool], int] = {}
        for source in sources:
            self._new(source)

    def of(self, frame: Frame) -> str:
        name = self.of_source(frame.source)
        return name if frame.index is None else f"{name}_{frame.index:06d}"

    def of_source(self, source: Source) -> str:
        return self._by_source.get(source) or self._new(source)

    def _new(self, source: Source) -> str:
        own = self._own_name(source)
        video = source.kind != "picture"
        key = own.casefold(), video  # a and A are one file on some systems
        number = self._next_number.get(key, 1)
        while self._is_taken((name := _numbered(own, number)).casefold(), video):
            number += 1
        self._next_number[key] = number + 1
        self._frames_of.add(_video_of(name.casefold()))
        (self._videos if video else self._photos).add(name.casefold())
        self.renamed += number > 1 and not video
        self._by_source[source] = name
        return name

    def _is_taken(self, name: str, video: bool) -> bool:
        same, other = (self._videos, self._photos) if video else (self._photos, self._videos)
        return (
            name in same
            or (name in other and not self._kinds_apart)
            or _video_of(name) in self._videos
            or (video and name in self._frames_of)
        )


def _numbered(name: str, number: int) -> str:
    return name if number == 1 else f"{name}-{number}"


def _video_of(name: str) -> str | None:
    """The name of the video that a name of this form could be a frame of."""
    found = re.fullmatch(r"(.+)_\d{6,}", name, re.DOTALL)
    return found and found[1]


def draw_frame(frame: Frame, detections: Detections) -> np.ndarray:
    """A copy of the frame with the boxes, uint8 (H, W, 3) RGB; smaller if it is read by regions."""
    picture, scale = in_memory(frame)
    if scale != 1:
        detections = replace(detections, boxes=detections.boxes * scale)
    return draw_detections(picture, detections)


def in_memory(frame: Frame) -> tuple[np.ndarray, float]:
    """uint8 (H, W, 3) RGB, and its size as a factor of the frame's: 1 unless read by regions."""
    if not isinstance(frame.image, TiffRegions):
        return frame.image, 1.0
    height, width = frame.image.shape[:2]
    scale = MAX_DRAWN / max(height, width)
    return frame.image.resized(round(width * scale), round(height * scale)), scale


class DrawnPictures(Output):
    """Pictures with their boxes, ``FOLDER/name.jpg``; PNG where they are, or are too large.

    They replace those of an earlier run, but no other file.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, frame: Frame, detections: Detections, name: str) -> None:
        if frame.index is not None:
            return
        picture = draw_frame(frame, detections)
        suffix = ".png" if max(picture.shape) > JPEG_LIMIT else drawn_suffix(frame.source)
        path = self.folder / f"{name}{suffix}"
        check_replaceable(path)
        save_image(path, picture, comment=MARK)


def drawn_suffix(picture: Source) -> str:
    """The suffix of a drawn picture, unless it is too large for JPEG."""
    return ".png" if picture.path.suffix.lower() == ".png" else ".jpg"


class TextFile:
    """A text file that is written frame by frame and appears once it is complete."""

    def __init__(self, path: Path) -> None:
        self._context = atomic_write(path)
        self._file = self._context.__enter__()

    def close(self, complete: bool) -> None:
        if complete:
            self._context.__exit__(None, None, None)
            return
        with suppress(_Incomplete):
            self._context.__exit__(_Incomplete, _Incomplete(), None)


class _Incomplete(Exception):
    """Makes ``atomic_write`` remove its file."""


class JsonList(TextFile):
    """A JSON file of one list, with an item a line."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._file.write("[")
        self._separator = "\n"

    def append(self, item: Any) -> None:
        self._file.write(f"{self._separator}{json.dumps(item, ensure_ascii=False)}")
        self._separator = ",\n"

    def close(self, complete: bool) -> None:
        if complete:
            self._file.write("\n]\n")
        super().close(complete)


class JsonFile(Output):
    """One JSON list with an entry for each picture or frame."""

    def __init__(self, path: Path) -> None:
        self._list = JsonList(path)

    def write(self, frame: Frame, detections: Detections, name: str) -> None:
        self._list.append(as_entry(frame, detections))

    def close(self, complete: bool) -> None:
        self._list.close(complete)


class CsvFile(TextFile, Output):
    """A table with a row for each object; with tracking, a last column ``track_id``."""

    COLUMNS = ("source", "frame", "time_s", "class", "class_id", "score", "x0", "y0", "x1", "y1")

    def __init__(self, path: Path, *, tracked: bool = False) -> None:
        super().__init__(path)
        self._tracked = tracked
        self._writer = csv.writer(self._file, lineterminator="\n")
        self._writer.writerow([*self.COLUMNS, "track_id"] if tracked else self.COLUMNS)

    def write(self, frame: Frame, detections: Detections, name: str) -> None:
        entry = as_entry(frame, detections)
        head = [entry["source"], entry["frame"], entry["time_s"]]
        for item in entry["detections"]:
            row = [*head, item["class"], item["class_id"], item["score"], *item["box"]]
            self._writer.writerow([*row, item.get("track_id")] if self._tracked else row)


class Crops(Output):
    """``FOLDER/crops/CLASS/name_N.jpg``: each object cut out of the original picture; PNG where it
    is too large for JPEG.

    One of a picture that is read by regions has at most ``MAX_DRAWN`` pixels a side.
    """

    def __init__(self, folder: Path, class_names: Sequence[str]) -> None:
        self.folders = [folder / "crops" / name for name in class_folders(class_names)]

    def write(self, frame: Frame, detections: Detections, name: str) -> None:
        for number, one in enumerate(detections, start=1):
            crop = _cut_out(frame.image, one.box)
            if crop.size:
                suffix = ".png" if max(crop.shape) > JPEG_LIMIT else ".jpg"
                save_image(self.folders[one.class_id] / f"{name}_{number}{suffix}", crop)


def _cut_out(image: np.ndarray | TiffRegions, box: Sequence[float]) -> np.ndarray:
    """``crop_box``, at most ``MAX_DRAWN`` pixels long where the picture is read by regions."""
    if not isinstance(image, TiffRegions):
        return crop_box(image, box)
    x0, y0, x1, y1 = _touched(image.shape, box)
    width, height = x1 - x0, y1 - y0
    scale = MAX_DRAWN / max(width, height, 1)
    if scale >= 1 or min(width, height) < 1:
        return image[y0:y1, x0:x1]
    sides = (max(1, round(side * scale)) for side in (width, height))
    return image.resized(*sides, (x0, y0, x1, y1))


def as_entry(frame: Frame, detections: Detections) -> dict[str, Any]:
    """One element of the JSON list."""
    height, width = frame.image.shape[:2]
    return entry(frame.source.name, width, height, detections, frame.index, frame.time_s)


def entry(
    source: str,
    width: int,
    height: int,
    detections: Detections,
    index: int | None = None,
    time_s: float | None = None,
) -> dict[str, Any]:
    """One element of the JSON list; boxes to a thousandth of a pixel.

    Objects have a ``track_id``, which may be null, if the frame was tracked.
    """
    tracked = detections.track_ids is not None
    return {
        "source": source,
        "width": width,
        "height": height,
        "frame": index,
        "time_s": None if time_s is None else round(time_s, 3),
        "detections": [
            {
                "class": one.class_name,
                "class_id": one.class_id,
                "score": round(one.score, 6),
                "box": [round(side, 3) for side in one.box],
                **({"track_id": one.track_id} if tracked else {}),
            }
            for one in detections
        ],
    }


def crop_box(image: np.ndarray, box: Sequence[float]) -> np.ndarray:
    """The pixels that a box touches: uint8 (h, w, 3), empty for a box outside the picture."""
    x0, y0, x1, y1 = _touched(image.shape, box)
    return image[y0:y1, x0:x1]


def _touched(shape: Sequence[int], box: Sequence[float]) -> tuple[int, int, int, int]:
    """``x0, y0, x1, y1`` of the pixels that a box touches in a picture of (H, W, 3)."""
    limits = shape[1], shape[0]
    first = np.floor(box[:2]).astype(int).clip(0, limits)
    last = np.ceil(box[2:]).astype(int).clip(0, limits)
    return (*first.tolist(), *last.tolist())


def class_folders(class_names: Sequence[str]) -> list[str]:
    """A folder name for each class: the class name without characters that file systems refuse."""
    names: list[str] = []
    taken = {""}
    for class_id, name in enumerate(class_names):
        folder = safe = re.sub(r"[^\w. +-]+", "_", name).strip(". ")[:60]
        numbers = count(class_id)
        while folder.casefold() in taken:
            folder = f"{safe}_{next(numbers)}"
        taken.add(folder.casefold())
        names.append(folder)
    return names
