"""The ``ffmpeg`` program, used as a process of its own: H.264 and sound for drawn videos, and
kinds of video that OpenCV cannot decode.

The one in PATH is taken; without it the one that the package imageio-ffmpeg brings, which the extra
``video`` installs. Without either, videos are still read and written, by OpenCV alone.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import IO

import cv2

from utils.errors import UserError

# Encoders of H.264 by preference, with options for a good picture at the speed of detecting.
# No B-frames: MP4 would store wrong durations for frames of a varying rate.
_H264 = {
    "libx264": ("-preset", "veryfast", "-crf", "23", "-bf", "0"),
    "libopenh264": ("-b:v", "6M"),
}


@dataclass(frozen=True)
class Ffmpeg:
    """An ``ffmpeg`` that runs here.

    Attributes:
        program: its path.
        h264: options that choose and set up its encoder of H.264; empty where it has none.
    """

    program: str
    h264: tuple[str, ...]

    def start(self, *options: str, **streams: int) -> Process:
        """Start ffmpeg with these options.

        Raises:
            UserError: it cannot be started.
        """
        return Process([self.program, "-hide_banner", "-loglevel", "error", *options], **streams)

    def run(self, *options: str) -> str | None:
        """Run to the end; what went wrong, or None."""
        process = self.start("-nostdin", *options)
        try:
            return process.wait()
        finally:
            process.kill()


def find_ffmpeg() -> Ffmpeg | None:
    """The ``ffmpeg`` in PATH, or that of imageio-ffmpeg; None without either."""
    for find in (lambda: shutil.which("ffmpeg"), _packaged):
        program = find()
        if program is None:
            continue
        try:
            encoders = subprocess.run(
                [program, "-hide_banner", "-encoders"], capture_output=True, timeout=30, check=True
            ).stdout.split()
        except (OSError, subprocess.SubprocessError):
            continue  # it does not run here
        name = next((name for name in _H264 if name.encode() in encoders), None)
        return Ffmpeg(program, ("-c:v", name, *_H264[name]) if name else ())
    return None


def _packaged() -> str | None:
    try:
        import imageio_ffmpeg

        return imageio_ffmpeg.get_ffmpeg_exe()
    except (ImportError, RuntimeError, OSError):
        return None


def from_file(path: str | Path) -> list[str]:
    """Options that read a file of any name. A file from a stranger can open no address."""
    return ["-protocol_whitelist", "file,pipe", "-i", f"file:{os.path.abspath(path)}"]


def to_file(path: str | Path) -> list[str]:
    """Options that write a file of any name, over one that is there."""
    return ["-y", f"file:{os.path.abspath(path)}"]


class Process:
    """A running ``ffmpeg``, whose complaints are kept for one sentence.

    Ctrl-C in the terminal does not reach it: whoever started it ends it.
    """

    def __init__(self, command: list[str], **streams: int) -> None:
        self._complaints: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  closed by kill
        try:
            self._process = subprocess.Popen(
                command, stderr=self._complaints, start_new_session=True, **streams
            )
        except OSError as error:
            self._complaints.close()
            raise UserError(f"{command[0]}: cannot be started ({error.strerror})") from error

    @property
    def pid(self) -> int:
        return self._process.pid

    def send(self, *parts: bytes | memoryview) -> None:
        """Write to its standard input.

        Raises:
            OSError: it has ended.
        """
        for part in parts:
            self._process.stdin.write(part)

    def wait(self) -> str | None:
        """End its input, and wait until it ends; what went wrong, or None."""
        if self._process.stdin:
            with suppress(OSError):  # it has ended already
                self._process.stdin.close()
        status = self._process.wait()
        if not status:
            return None
        self._complaints.seek(0)
        lines = self._complaints.read().decode(errors="replace").splitlines()
        last = next((line.strip() for line in reversed(lines) if line.strip()), "")
        how = f"was ended by signal {-status}" if status < 0 else f"failed with status {status}"
        return f"ffmpeg {how}" + (f": {last}" if last else "")

    def kill(self) -> None:
        """End it, if it still runs."""
        self._process.kill()
        if self._process.stdin:
            with suppress(OSError):
                self._process.stdin.close()
        self._process.wait()
        self._complaints.close()


@contextmanager
def decoding(ffmpeg: Ffmpeg, path: str | Path) -> Iterator[cv2.VideoCapture]:
    """The frames of a video that OpenCV cannot decode, with their times.

    ffmpeg decodes and rotates; OpenCV reads the raw frames and their time stamps from a pipe. The
    capture gives no frame where ffmpeg cannot decode the video either.
    """
    reading, writing = os.pipe()
    try:
        options = [*from_file(path), "-map", "0:v:0", "-c:v", "rawvideo", "-pix_fmt", "bgr24"]
        try:
            process = ffmpeg.start("-nostdin", *options, "-f", "nut", "pipe:1", stdout=writing)
        finally:
            os.close(writing)
        capture = cv2.VideoCapture(f"pipe:{reading}", cv2.CAP_FFMPEG)
        try:
            yield capture
        finally:
            capture.release()
            process.kill()
    finally:
        os.close(reading)


def video_start_s(ffmpeg: Ffmpeg, path: str | Path) -> float | None:
    """When the first frame of a video is shown, in seconds from the start of the file, whose sound
    may start earlier; None for a video without sound."""
    picture = ["-map", "0:v:0", "-c", "copy", "-frames:v", "1", "-f", "framecrc", "-"]
    sound = ["-map", "0:a:0", "-c", "copy", "-frames:a", "1", "-f", "null", "-"]  # fails without
    try:
        listing = subprocess.run(
            [ffmpeg.program, "-nostdin", "-loglevel", "error", *from_file(path), *picture, *sound],
            capture_output=True, timeout=60, check=True, text=True,
        ).stdout  # fmt: skip
        unit = next(line for line in listing.splitlines() if line.startswith("#tb 0:"))
        packet = next(line for line in listing.splitlines() if line.startswith("0,"))
        return float(Fraction(unit.split(":")[1].strip()) * int(packet.split(",")[2]))
    except (subprocess.SubprocessError, OSError, ValueError, StopIteration):
        return None
