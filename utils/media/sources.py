"""From the SOURCE arguments of the command line to frames.

``find_sources`` resolves an argument: a picture, a folder, a glob, a video, a stream or a camera.
``read_frames`` gives the frames of all sources, decoded in the background.
"""

from __future__ import annotations

import glob
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Literal

import cv2
import numpy as np

from utils.errors import UserError
from utils.images import IMAGE_SUFFIXES, image_size, read_image
from utils.prefetch import iterate_ahead, map_ahead

VIDEO_SUFFIXES = (
    ".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv", ".flv", ".ogv",
    ".3gp", ".mts", ".m2ts",
)  # fmt: skip
DEFAULT_FPS = 25.0  # where a camera or stream does not say
READERS = 2  # threads that decode pictures

_STREAM = re.compile(r"(rtsps?|rtmps?|https?|udp|tcp|rtp|srt|mms)://", re.IGNORECASE)


class NotMedia(UserError):
    """A file that is neither a picture nor a video."""


@dataclass(frozen=True)
class Source:
    """Something that frames can be read from.

    Attributes:
        name: for messages and JSON: the path, the address without its password, or the number of
            the camera.
        kind: frames of ``live`` sources are dropped when they come too fast.
        address: path, URL or camera number.
    """

    name: str
    kind: Literal["picture", "video", "stream", "live"]
    address: str | int

    @property
    def path(self) -> Path | None:
        """The file, or None for streams and cameras."""
        return Path(self.address) if self.kind in ("picture", "video") else None

    @property
    def output_name(self) -> str:
        """A file name for outputs of this source, without suffix."""
        if self.path is not None:
            return self.path.stem
        if isinstance(self.address, int):
            return f"camera-{self.address}"
        return re.sub(r"[^\w.-]+", "-", self.name.partition("://")[2]).strip("-.")[:80] or "stream"


@dataclass(frozen=True)
class Frame:
    """One picture, or one picture of a video.

    Attributes:
        image: uint8 (H, W, 3) RGB, upright.
        source: where it comes from.
        index: number of the frame from 0; None for a picture.
        time_s: seconds from the start of the video; None for a picture.
        fps: frames a second of the video; None for a picture.
    """

    image: np.ndarray
    source: Source
    index: int | None = None
    time_s: float | None = None
    fps: float | None = None


def quiet_opencv() -> None:
    """Suppress OpenCV's and FFmpeg's own messages about damaged videos, which are reported here.

    Environment variables set by the user take precedence. Call before the first video is opened.
    """
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    if "OPENCV_LOG_LEVEL" not in os.environ:
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def find_sources(arguments: Sequence[str]) -> list[Source]:
    """The sources that the arguments name, in order. Only files of unknown suffix are opened.

    A folder stands for its pictures and videos, one level deep, in natural order (2 before 10). So
    does a glob, in which ``**`` stands for any number of folders. A file found twice counts once.

    Raises:
        UserError: a path that does not exist, a folder or glob without pictures and videos, a
            file that is neither.
    """
    found: list[Source] = []
    others: list[str] = []
    for argument in arguments:
        try:
            found += _find(str(argument))
        except NotMedia as error:  # photos/* may match label files, too
            others.append(str(error))
    for message in others if found else ():
        print(f"warning: {message}; left out", file=sys.stderr)
    if not found:
        raise UserError(others[0])
    unique = {_identity(source): source for source in reversed(found)}
    return list(reversed(unique.values()))


def natural_key(path: str | Path) -> list[tuple[int, int, str]]:
    """A sorting key by which ``2.jpg`` comes before ``10.jpg``."""
    parts = re.split(r"(\d+)", str(path))
    return [(0, int(p), p) if p.isdecimal() else (1, 0, p.casefold()) for p in parts if p]


def read_video(source: Source, warn: Callable[[str], None]) -> Iterator[Frame]:
    """Frames of a video, stream or camera in order; rotation stored in a video is applied.

    Args:
        source: not a picture.
        warn: called with one sentence when the video ends long before its own length.

    Raises:
        UserError: it cannot be opened, or has no frame that can be decoded.
    """
    capture = _open(source)
    try:
        fps = capture.get(cv2.CAP_PROP_FPS)
        fps = fps if 0.1 <= fps <= 1000 else DEFAULT_FPS
        expected = capture.get(cv2.CAP_PROP_FRAME_COUNT)
        started = time.monotonic()
        index = 0
        while True:
            good, pixels = capture.read()
            if not good:
                break
            if source.kind == "live":
                seconds = time.monotonic() - started
            else:
                # The frame's time stamp. Only the first may be 0; otherwise the video has none.
                stamp = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
                seconds = stamp if stamp > 0 or index == 0 else index / fps
            image = cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
            yield Frame(image, source, index, max(0.0, seconds), fps)
            index += 1
    finally:
        capture.release()
    if index == 0:
        raise UserError(f"{source.name}: no frame of this video can be decoded")
    if source.kind == "video" and index < 0.95 * expected - 1:
        warn(f"{source.name}: ends after {index} of {expected:.0f} frames; it may be damaged")


def read_frames(sources: Sequence[Source], report: Callable[[str], None]) -> Iterator[Frame]:
    """Frames of all sources in order, read ahead by background threads.

    Args:
        sources: what ``find_sources`` gave.
        report: called with one sentence for each source that cannot be read completely. The
            others are still read.
    """

    def read(source: Source) -> Frame | UserError:
        try:
            return Frame(read_image(source.address), source)
        except UserError as error:
            return error

    for pictures, group in groupby(sources, lambda source: source.kind == "picture"):
        if pictures:
            for result in map_ahead(read, group, threads=READERS, depth=2 * READERS):
                if isinstance(result, UserError):
                    report(str(result))
                else:
                    yield result
            continue
        for source in group:
            live = source.kind == "live"
            try:
                yield from iterate_ahead(
                    read_video(source, report), depth=1 if live else 8, newest_only=live
                )
            except UserError as error:
                report(str(error))


def _find(argument: str) -> list[Source]:
    if _STREAM.match(argument):
        live = not argument.lower().startswith("http")  # http may give an ordinary file
        return [Source(_without_password(argument), "live" if live else "stream", argument)]
    path = Path(argument).expanduser()
    if _exists(path):
        return _in_folder(path) if path.is_dir() else [_from_file(path)]
    if argument.isdecimal() and len(argument) < 5:
        return [Source(argument, "live", int(argument))]
    if any(sign in argument for sign in "*?["):
        return _matching(str(path))
    if "://" in argument:
        scheme = argument.partition("://")[0]
        raise UserError(
            f"{argument}: streams of the kind {scheme!r} cannot be read; rtsp and http can"
        )
    raise UserError(f"{argument}: there is no such file or folder")


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # an impossible name
        return False


def _in_folder(folder: Path) -> list[Source]:
    try:
        files = sorted((p for p in folder.iterdir() if _is_media(p)), key=natural_key)
    except OSError as error:
        raise UserError(f"{folder}: cannot be read ({error.strerror})") from error
    if not files:
        raise UserError(
            f"{folder}: no pictures or videos in this folder (folders inside it are not searched; "
            f"a glob such as '{folder}/**/*.jpg' does)"
        )
    return [_from_file(path) for path in files]


def _matching(pattern: str) -> list[Source]:
    paths = [Path(match) for match in glob.glob(pattern, recursive=True)]
    files = sorted((p for p in paths if _is_media(p)), key=natural_key)
    if not files:
        what = (
            f"{len(paths)} files match, but no pictures or videos" if paths else "no file matches"
        )
        raise UserError(f"{pattern}: {what}")
    return [_from_file(path) for path in files]


def _is_media(path: Path) -> bool:
    """By name only; hidden files (such as the ``._`` ones of macOS) are left out."""
    known = path.suffix.lower() in IMAGE_SUFFIXES + VIDEO_SUFFIXES
    return known and not path.name.startswith(".") and path.is_file()


def _from_file(path: Path) -> Source:
    suffix = path.suffix.lower()
    if suffix in IMAGE_SUFFIXES:
        return Source(str(path), "picture", str(path))
    if suffix in VIDEO_SUFFIXES:
        return Source(str(path), "video", str(path))
    try:  # a file named by the user may have any name: look inside
        image_size(path)
        return Source(str(path), "picture", str(path))
    except UserError:
        video = Source(str(path), "video", str(path))
    try:
        _open(video).release()
    except UserError:
        raise NotMedia(f"{path}: neither a picture nor a video that can be read") from None
    return video


def _identity(source: Source) -> str | int:
    return os.path.abspath(source.address) if source.path else source.address


def _without_password(address: str) -> str:
    return re.sub(r"(?<=://)[^/@\s]*@", "", address)


def _open(source: Source) -> cv2.VideoCapture:
    if source.kind == "video":
        _refuse_playlist(Path(source.address))
        # With an absolute path FFmpeg cannot read a part of the name as a protocol. Other back ends
        # would read a % in the name as a series of pictures.
        capture = cv2.VideoCapture(os.path.abspath(source.address), cv2.CAP_FFMPEG)
        problem = "not a video that can be read"
    elif isinstance(source.address, int):
        default = cv2.CAP_V4L2 if sys.platform == "linux" else cv2.CAP_ANY
        capture = cv2.VideoCapture(source.address, default)
        problem = f"camera {source.address} cannot be opened; is it connected, and free?"
        if not capture.isOpened():
            raise UserError(problem)
    else:
        capture = cv2.VideoCapture(source.address)
        problem = "this stream cannot be opened"
    if not capture.isOpened():
        raise UserError(f"{source.name}: {problem}")
    return capture


def _refuse_playlist(path: Path) -> None:
    """Refuse text files: FFmpeg would read one as a playlist and open the files that it lists."""
    try:
        with path.open("rb") as file:
            head = file.read(2048)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error
    text = not re.search(rb"[^\t\n\r\x20-\x7e]", head) and not head.startswith(b"YUV4MPEG2 ")
    if text or head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"#EXTM3U", b"ffconcat")):
        raise UserError(f"{path}: {'a text file' if head else 'empty'}, not a video")
