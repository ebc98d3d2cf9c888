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
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Literal

import cv2
import numpy as np

from utils.errors import UserError
from utils.image_kinds import FileKind, file_kind, photo_stem, unread_note
from utils.images import IMAGE_SUFFIXES, read_image
from utils.media.animations import animation_fps, is_animated, read_animation
from utils.prefetch import iterate_ahead, map_ahead
from utils.text import counted, listed

VIDEO_SUFFIXES = (
    ".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv", ".flv", ".ogv",
    ".3gp", ".mts", ".m2ts",
)  # fmt: skip
DEFAULT_FPS = 25.0  # where a camera or stream does not say
MAX_VIDEO_FPS = 120.0  # of drawn videos
_STAMPS = 300  # frames whose time stamps show whether the rate varies
_JITTER_MS = 2.5  # between time stamps of a constant rate
_NEVER_ANIMATED = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".bmp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm",
    ".pnm", ".jp2", ".j2k",
)  # fmt: skip
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
        kind: an ``animation`` is a picture file with several frames. Frames of ``live`` sources are
            dropped when they come too fast.
        address: path, URL or camera number.
    """

    name: str
    kind: Literal["picture", "animation", "video", "stream", "live"]
    address: str | int

    @property
    def path(self) -> Path | None:
        """The file, or None for streams and cameras."""
        return Path(self.address) if self.kind in ("picture", "animation", "video") else None

    @property
    def output_name(self) -> str:
        """A file name for outputs of this source, without suffix."""
        if self.path is not None:
            return photo_stem(self.path)
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
        fps: frames a second at which every frame of the video can be shown on time; None for a
            picture.
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
    """The sources that the arguments name, in order. A warning says what was passed over.

    Files are opened only where their suffix does not tell what they are, and where it is that of
    pictures that may be animated. A folder stands for its pictures and videos, one level deep,
    in natural order (2 before 10). So does a glob, in which ``**`` stands for any number of
    folders. A file found twice counts once.

    Raises:
        UserError: a path that does not exist, a folder or glob without pictures and videos, a
            file that is neither.
    """
    found: list[Source] = []
    others: list[str] = []
    for argument in arguments:
        try:
            found += _find(str(argument), others.append)
        except NotMedia as error:  # photos/* may match label files, too
            others.append(f"{error}; left out")
    for message in others if found else ():
        print(f"warning: {message}", file=sys.stderr)
    if not found:
        raise UserError(others[0].removesuffix("; left out"))
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
    if source.kind == "animation":
        yield from _animation(source)
        return
    capture = _open(source)
    try:
        average = capture.get(cv2.CAP_PROP_FPS)
        average = average if 0.1 <= average <= 1000 else DEFAULT_FPS
        expected = capture.get(cv2.CAP_PROP_FRAME_COUNT)
        fps = max(average, _fastest(source)) if source.kind == "video" else average
        started = time.monotonic()
        index, seconds, before = 0, 0.0, 0.0
        while True:
            good, pixels = capture.read()
            if not good:
                break
            before = seconds
            if source.kind == "live":
                seconds = time.monotonic() - started
            else:
                # The frame's time stamp. Only the first may be 0; otherwise the video has none.
                stamp = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
                seconds = stamp if stamp > 0 or index == 0 else index / average
            image = cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
            yield Frame(image, source, index, max(0.0, seconds), fps)
            index += 1
    finally:
        capture.release()
    if index == 0:
        raise UserError(f"{source.name}: no frame of this video can be decoded")
    # Where the container does not count its frames, the count is its length times the average
    # rate, and may be far too high. So the length must be short as well.
    end, length = seconds + max(seconds - before, 1 / average), expected / average
    if source.kind == "video" and index < 0.95 * expected - 1 and end < 0.95 * length:
        warn(
            f"{source.name}: ends after {index} of {expected:.0f} frames, at {end:.1f} of "
            f"{length:.1f} s; it may be damaged"
        )


def read_frames(
    sources: Sequence[Source],
    report: Callable[[str], None],
    read_picture: Callable[[Path], np.ndarray] = read_image,
) -> Iterator[Frame]:
    """Frames of all sources in order, read ahead by background threads.

    Args:
        sources: what ``find_sources`` gave.
        report: called with one sentence for each source that cannot be read completely. The
            others are still read.
        read_picture: gives uint8 (H, W, 3) RGB for a path.
    """

    def read(source: Source) -> Frame | UserError:
        try:
            return Frame(read_picture(source.path), source)
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


def _animation(source: Source) -> Iterator[Frame]:
    fps = animation_fps(source.address)
    for index, (image, seconds) in enumerate(read_animation(source.address)):
        yield Frame(image, source, index, seconds, fps)


def _fastest(source: Source) -> float:
    """The highest frame rate at the beginning of a video, by its time stamps; 0 without any.

    It differs from the average where the rate varies.
    """
    capture = _open(source)
    try:
        stamps: list[float] = []
        while len(stamps) < _STAMPS and capture.grab():
            stamps.append(capture.get(cv2.CAP_PROP_POS_MSEC))
    finally:
        capture.release()
    gaps = np.diff(stamps)
    if len(gaps) < 2 or (gaps <= 0).any() or gaps.max() - gaps.min() <= _JITTER_MS:
        return 0.0
    # Stamps are often rounded to milliseconds, so several of the shortest gaps count.
    shortest = gaps[gaps <= gaps.min() + _JITTER_MS].mean()
    rate = 1000 / shortest
    return min(round(rate) if abs(rate - round(rate)) < 0.1 else rate, MAX_VIDEO_FPS)


def _find(argument: str, pass_over: Callable[[str], None]) -> list[Source]:
    if _STREAM.match(argument):
        live = not argument.lower().startswith("http")  # http may give an ordinary file
        return [Source(_without_password(argument), "live" if live else "stream", argument)]
    path = Path(argument).expanduser()
    if _exists(path):
        return _in_folder(path, pass_over) if path.is_dir() else [_from_file(path)]
    if argument.isdecimal() and len(argument) < 5:
        return [Source(argument, "live", int(argument))]
    if any(sign in argument for sign in "*?["):
        return _matching(str(path), pass_over)
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


def _in_folder(folder: Path, pass_over: Callable[[str], None]) -> list[Source]:
    try:
        paths = list(folder.iterdir())
    except OSError as error:
        raise UserError(f"{folder}: cannot be read ({error.strerror})") from error
    files, others = _media(paths)
    if not files:
        raise UserError(
            f"{folder}: no pictures or videos in this folder{others and f': {others}'} (folders "
            "inside it are not searched; "
            f"a glob such as '{folder}/**/*.jpg' does)"
        )
    if others:
        pass_over(f"{folder}: {others}")
    return [_from_file(path) for path in files]


def _matching(pattern: str, pass_over: Callable[[str], None]) -> list[Source]:
    paths = [Path(match) for match in glob.glob(pattern, recursive=True)]
    files, others = _media(paths)
    if not files:
        what = (
            f"{counted(len(paths), 'file')} match, but no pictures or videos"
            if paths
            else "no file matches"
        )
        raise UserError(f"{pattern}: {what}{others and f' ({others})'}")
    if others:
        pass_over(f"{pattern}: {others}")
    return [_from_file(path) for path in files]


def _media(paths: Iterable[Path]) -> tuple[list[Path], str]:
    """The pictures and videos among the paths, in natural order, and a sentence on other files.

    Hidden files (such as the ``._`` ones of macOS) and folders are left out.
    """
    files = [path for path in paths if not path.name.startswith(".") and path.is_file()]
    media, unread, others = [], [], []
    for path in sorted(files, key=natural_key):
        kind = FileKind.PICTURE if path.suffix.lower() in VIDEO_SUFFIXES else file_kind(path)
        if kind is FileKind.OTHER and not path.suffix and _holds_video(path):
            kind = FileKind.PICTURE
        {FileKind.PICTURE: media, FileKind.UNREAD: unread}.get(kind, others).append(path)
    notes = [unread_note(unread)] if unread else []
    if others:
        kinds = Counter(path.suffix.lower() or "without suffix" for path in others)
        by_kind = listed([f"{kind} {count}" for kind, count in kinds.most_common()], most=8)
        are = "is no picture or video" if len(others) == 1 else "are no pictures or videos"
        notes.append(f"{counted(len(others), 'file')} {are} ({by_kind}); left out")
    return media, "; ".join(notes)


def _holds_video(path: Path) -> bool:
    """Whether the first bytes are those of one of the usual containers of video."""
    try:
        with path.open("rb") as file:
            head = file.read(12)
    except OSError:
        return False
    starts = (b"\x1aE\xdf\xa3", b"FLV\x01", b"0&\xb2u\x8ef\xcf\x11", b"\0\0\x01\xba")
    return (
        head[4:8] == b"ftyp"
        or (head[:4] == b"RIFF" and head[8:] == b"AVI ")
        or head.startswith(starts)
    )


def _from_file(path: Path) -> Source:
    suffix = path.suffix.lower()
    if suffix in VIDEO_SUFFIXES:
        return Source(str(path), "video", str(path))
    if suffix in _NEVER_ANIMATED:
        return Source(str(path), "picture", str(path))
    if suffix in IMAGE_SUFFIXES or file_kind(path) is FileKind.PICTURE:
        kind = "animation" if is_animated(path) else "picture"
        return Source(str(path), kind, str(path))
    video = Source(str(path), "video", str(path))
    try:
        _open(video).release()
    except UserError:
        if file_kind(path) is FileKind.UNREAD:
            raise NotMedia(
                f"{path}: a picture of a kind that is not read; convert it to JPEG or PNG"
            ) from None
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
