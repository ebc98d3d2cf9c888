"""``DrawnVideos``: the output that writes videos with the objects drawn in."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import numpy as np

from utils.detections import Detections
from utils.errors import UnwritableError, UserError
from utils.files import check_utf8
from utils.media.drawn_files import check_replaceable
from utils.media.ffmpeg import Ffmpeg, find_ffmpeg, video_start_s
from utils.media.frames import Frame, Source
from utils.media.outputs import Draw, Output, draw_frame
from utils.media.video_reader import MAX_GAP_S
from utils.media.video_writer import MAX_FRAME_SIDE, H264Writer, VideoWriter, WebmWriter


def check_video_folder(folder: Path, where: str) -> None:
    """Find out before long work whether drawn videos can have such a path.

    Args:
        folder: where they will be.
        where: begins the message.

    Raises:
        UserError: OpenCV has to write them, and the path is not in UTF-8.
    """
    try:
        check_utf8(folder, where)
    except UserError:
        ffmpeg = find_ffmpeg()  # takes paths of any bytes
        if ffmpeg is None or not ffmpeg.h264:
            raise


def drawn_video_suffix() -> str:
    """The suffix of drawn videos on this machine."""
    return _suffix(find_ffmpeg())


def _suffix(ffmpeg: Ffmpeg | None) -> str:
    return H264Writer.SUFFIX if ffmpeg and ffmpeg.h264 else WebmWriter.SUFFIX


class DrawnVideos(Output):
    """Videos with their boxes, ``FOLDER/name.mp4`` or ``.webm``, of the same size and length.

    Every frame is shown as long as in the source. With ``ffmpeg`` the sound is kept, too. They
    replace those of an earlier run, but no other file.

    Args:
        folder: where the files will be.
        draw: gives the picture of a frame, with what is found.
    """

    def __init__(self, folder: Path, draw: Draw = draw_frame) -> None:
        self.folder = folder
        self._draw = draw
        self._notes: list[str] = []
        self._source: Source | None = None
        self._writer: VideoWriter | None = None
        self._times = _Times(0.0, 0.0)
        self._last: tuple[Frame, np.ndarray, float] | None = None  # waits for the next one's time

    @cached_property
    def _ffmpeg(self) -> Ffmpeg | None:
        return find_ffmpeg()

    def write(self, frame: Frame, detections: Detections, name: str) -> None:
        if frame.index is None:
            return
        if frame.source != self._source:
            self.close(complete=True)
            self._source = frame.source
            self._times = _Times(frame.time_s, 1 / frame.fps)
            self._writer = self._open(frame, name.rpartition("_")[0])
        if self._writer is None:  # it could not be opened
            return
        drawn = self._draw(frame, detections)
        shown_s = self._times.of(frame.time_s)
        if self._last is not None:
            _, picture, start_s = self._last
            self._writer.write(picture, start_s, shown_s - start_s)
        self._last = frame, drawn, shown_s

    def _open(self, frame: Frame, name: str) -> VideoWriter:
        height, width = frame.image.shape[:2]
        if max(height, width) > MAX_FRAME_SIDE:
            raise UnwritableError(
                f"frames of {width}×{height} pixels are too long for a drawn video; its other "
                "results are written"
            )
        path = self.folder / f"{name}{_suffix(self._ffmpeg)}"
        check_replaceable(path)
        if path.suffix == WebmWriter.SUFFIX:
            return WebmWriter(path, width, height, frame.fps)
        return H264Writer(path, width, height, frame.fps, self._ffmpeg)

    def close(self, complete: bool) -> None:
        writer, last = self._writer, self._last
        self._writer = self._last = None
        if writer is None:
            return
        if not complete or last is None:
            writer.discard()
            return
        frame, picture, start_s = last
        try:
            held = frame.duration_s or self._times.gap_s
            writer.write(picture, start_s, held if held <= MAX_GAP_S else self._times.gap_s)
        except BaseException:
            writer.discard()
            raise
        if isinstance(writer, H264Writer) and frame.source.kind == "video":
            if not self._times.skipped:
                writer.sound = frame.source.path, self._times.first_s
            elif video_start_s(self._ffmpeg, frame.source.path) is not None:
                writer.problem = f"{writer.path}: without sound, as the times of the frames jump"
        writer.finish()
        if isinstance(writer, WebmWriter):
            self._note_webm()
            if writer.shortened:
                self._notes.append(
                    f"{writer.path}: shows some frames for a shorter time than the source does, as "
                    "they would be repeated without end; with ffmpeg they keep their times"
                )
        elif writer.problem:
            self._notes.append(writer.problem)

    def _note_webm(self) -> None:
        lacks = "has no encoder of H.264" if self._ffmpeg else "is not installed"
        note = (
            f"ffmpeg {lacks}: drawn videos are VP8 in WebM, without sound; for H.264 in MP4 with "
            'sound install it, or run: pip install -e ".[video]"'
        )
        if note not in self._notes:
            self._notes.append(note)

    def notes(self) -> list[str]:
        return self._notes


class _Times:
    """Times of the frames in the drawn video, which starts with its first frame.

    Attributes:
        first_s: time of the first frame.
        gap_s: seconds between the last two frames.
        skipped: whether the time stamps jumped or started anew.
    """

    def __init__(self, first_s: float, usual_gap_s: float) -> None:
        self.first_s, self.gap_s, self.skipped = first_s, usual_gap_s, False
        self._left_out_s = first_s  # that are no part of the drawn video
        self._last_s: float | None = None

    def of(self, time_s: float) -> float:
        """When a frame with that time stamp is shown, in seconds."""
        shown_s = time_s - self._left_out_s
        if self._last_s is not None:
            if 0 < shown_s - self._last_s <= MAX_GAP_S:
                self.gap_s = shown_s - self._last_s
            else:
                self.skipped = True
                shown_s = self._last_s + self.gap_s
                self._left_out_s = time_s - shown_s
        self._last_s = shown_s
        return shown_s
