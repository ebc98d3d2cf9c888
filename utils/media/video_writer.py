"""Video files that browsers and messengers play, written frame by frame.

``H264Writer`` has ``ffmpeg`` write H.264 in MP4, and keeps sound and the time of every frame.
``WebmWriter`` needs OpenCV alone: VP8 in WebM, of a constant frame rate, without sound. (OpenCV's
packages cannot write H.264. They write VP9 too, but it takes them several times as long.)
"""

from __future__ import annotations

import os
import subprocess
from abc import ABC, abstractmethod
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

import cv2
import numpy as np

from utils.errors import UserError
from utils.files import check_utf8
from utils.media import raw_matroska
from utils.media.drawn_files import mark_video
from utils.media.ffmpeg import Ffmpeg, from_file, to_file, video_start_s
from utils.media.matroska_header import is_complete
from utils.quiet import silent_stderr

MAX_FRAME_SIDE = 16_382  # pixels of a frame: the most, and even, that VP8 and H.264 have


class VideoWriter(ABC):
    """A video file, which appears under its name once it is complete.

    Both formats need an even width and height. A picture of odd size gets a copy of its last column
    or row.

    Attributes:
        path: where the file will be.
        end_s: how long it is so far, in seconds.
    """

    SUFFIX: ClassVar[str]

    def __init__(self, path: Path, width: int, height: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.end_s = 0.0
        self._size = (width, height)
        self._even_size = (width + width % 2, height + height % 2)

    def write(self, image: np.ndarray, start_s: float, duration_s: float) -> None:
        """Add a frame.

        Args:
            image: uint8 (H, W, 3) RGB; a picture of another size is scaled, as streams may change.
            start_s: when it is shown, in seconds from the start; the frame before it ends then.
            duration_s: how long.

        Raises:
            UserError: it cannot be written.
        """
        width, height = self._size
        if image.shape[:2] != (height, width):
            image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
        if self._even_size != self._size:
            image = cv2.copyMakeBorder(image, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
        self.end_s = start_s + duration_s
        self._write(np.ascontiguousarray(image), start_s, duration_s)

    @abstractmethod
    def _write(self, image: np.ndarray, start_s: float, duration_s: float) -> None:
        """``image`` is contiguous, and of even size."""

    @abstractmethod
    def finish(self) -> None:
        """Complete the file.

        Raises:
            UserError: it cannot be completed; nothing is left of it.
        """

    @abstractmethod
    def discard(self) -> None:
        """Remove what was written."""

    def _beside(self, suffix: str) -> Path:
        """Where the file is while it is not complete. (A short name: the file's own with something
        before it could exceed the longest name allowed.)"""
        return self.path.with_name(f".part-{os.getpid()}-{id(self):x}{suffix}")


class H264Writer(VideoWriter):
    """H.264 in MP4, by ``ffmpeg``.

    Args:
        path: where the file will be.
        width, height: of the pictures, in pixels.
        fps: about how many frames a second; each has its own time all the same.
        ffmpeg: one with an encoder of H.264.

    Attributes:
        sound: a video whose sound is taken, and the time in it, in seconds from its first frame,
            at which the file starts; None for a silent file.
        problem: after ``finish``, a sentence if there is a sound that could not be kept.

    Raises:
        UserError: it cannot be started.
    """

    SUFFIX = ".mp4"

    def __init__(self, path: Path, width: int, height: int, fps: float, ffmpeg: Ffmpeg) -> None:
        super().__init__(path, width, height)
        self.sound: tuple[Path, float] | None = None
        self.problem: str | None = None
        self._ffmpeg, self._fps = ffmpeg, fps
        self._last: tuple[np.ndarray, float] | None = None  # a picture, and how long it is shown
        # NUT, since ffmpeg would give an MP4 file a constant rate, and options that forbid it
        # depend on its version. ``finish`` makes it MP4.
        self._encoded = self._beside(".nut")
        self._process = ffmpeg.start(
            "-f", "matroska", "-i", "pipe:0", "-enc_time_base", "1/1000000",
            # RGB to the colours of HD video, and labelled as such.
            "-vf", "scale=out_color_matrix=bt709:out_range=tv,format=yuv420p",
            "-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709",
            "-color_range", "tv", *ffmpeg.h264, "-f", "nut", *to_file(self._encoded),
            stdin=subprocess.PIPE,
        )  # fmt: skip
        self._send(raw_matroska.header(*self._even_size, fps))

    def _write(self, image: np.ndarray, start_s: float, duration_s: float) -> None:
        self._last = image, duration_s
        before, after = raw_matroska.frame(image.nbytes, start_s, duration_s)
        self._send(before, image.data, after)

    def finish(self) -> None:
        whole = self._beside(self.SUFFIX)
        try:
            self._hold_last()
            if problem := self._process.wait():
                raise UserError(f"{self.path}: the video could not be written; {problem}")
            problem = self._ffmpeg.run(*self._inputs(), *self._mp4(whole))
            if problem and self.sound:
                self.problem = f"{self.path}: without the sound of the video; {problem}"
                self.sound = None
                problem = self._ffmpeg.run(*self._inputs(), *self._mp4(whole))
            if problem:
                raise UserError(f"{self.path}: the video could not be written; {problem}")
            mark_video(whole)
            os.replace(whole, self.path)
        finally:
            self.discard()
            _remove(whole)

    def discard(self) -> None:
        self._process.kill()
        _remove(self._encoded)

    def _send(self, *parts: bytes | memoryview) -> None:
        try:
            self._process.send(*parts)
        except OSError:
            problem = self._process.wait() or "ffmpeg ended early"
            raise UserError(f"{self.path}: the video could not be written; {problem}") from None

    def _hold_last(self) -> None:
        """Repeat the last frame near the end: ffmpeg shows the last one for 1/fps."""
        if self._last is not None and self._last[1] * self._fps > 1.5:
            self._write(self._last[0], self.end_s - 1 / self._fps, 1 / self._fps)

    def _inputs(self) -> list[str]:
        options = from_file(self._encoded)
        begins = video_start_s(self._ffmpeg, self.sound[0]) if self.sound else None
        if begins is None:
            return [*options, "-map", "0:v"]
        part = ["-ss", f"{begins + self.sound[1]:.6f}", "-t", f"{self.end_s:.6f}"]
        return [
            *options, *part, *from_file(self.sound[0]), "-map", "0:v", "-map", "1:a:0",
            "-c:a", "aac", "-b:a", "160k", "-ac", "2",
            "-af", "aresample=async=1:first_pts=0",  # silence where the sound starts late
        ]  # fmt: skip

    def _mp4(self, path: Path) -> list[str]:
        """Options for a file that starts to play before it is loaded, with times in a unit that
        all usual frame rates are multiples of."""
        return [
            "-c:v", "copy", "-video_track_timescale", "120000", "-movflags", "+faststart",
            "-f", "mp4", *to_file(path),
        ]  # fmt: skip


# Most repeats of frames in a WebM file, and more for each frame that was written: a few bytes of a
# source can ask for millions.
_REPEATS, _REPEATS_A_FRAME = 10_000, 120


class WebmWriter(VideoWriter):
    """VP8 in WebM, by OpenCV. Each frame is repeated until the next one is due.

    Args:
        path: where the file will be.
        width, height: of the pictures, in pixels.
        fps: frames a second.

    Attributes:
        shortened: whether a frame was repeated less often, as there were too many repeats.

    Raises:
        UserError: OpenCV here cannot write such a file.
    """

    SUFFIX = ".webm"

    def __init__(self, path: Path, width: int, height: int, fps: float) -> None:
        check_utf8(path.parent, str(path))
        super().__init__(path, width, height)
        self.shortened = False
        self._fps, self._due, self._left = fps, 0, _REPEATS  # frames
        self._partial = self._beside(self.SUFFIX)
        with silent_stderr():  # OpenCV prints that WebM has no tags for codecs
            self._writer = cv2.VideoWriter(
                str(self._partial), cv2.CAP_FFMPEG, cv2.VideoWriter_fourcc(*"VP80"), fps,
                self._even_size,
            )  # fmt: skip
        if not self._writer.isOpened():
            _remove(self._partial)
            raise UserError(
                f"{path}: this OpenCV cannot write a video of {width}×{height} at {fps:g} frames a "
                "second"
            )

    def _write(self, image: np.ndarray, start_s: float, duration_s: float) -> None:
        pixels = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
        count = round(self.end_s * self._fps) - self._due
        self._due += max(count, 0)
        self._left += _REPEATS_A_FRAME
        if count > self._left:
            count, self.shortened = self._left, True
        self._left -= max(count, 0)
        for _ in range(count):
            self._writer.write(pixels)

    def finish(self) -> None:
        self._writer.release()
        if not is_complete(self._partial):  # OpenCV does not say what it could not write
            self.discard()
            raise UserError(f"{self.path}: the video could not be written; is the disk full?")
        mark_video(self._partial)
        os.replace(self._partial, self.path)

    def discard(self) -> None:
        self._writer.release()
        _remove(self._partial)


def _remove(path: Path) -> None:
    with suppress(FileNotFoundError):
        path.unlink()
