"""From the SOURCE arguments of the command line to frames.

``find_sources`` resolves an argument: a picture, a folder, a glob, a video, a stream or a camera.
``read_frames`` gives the frames of all sources, decoded in the background.
"""

from __future__ import annotations

import glob
import os
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path

import cv2
import numpy as np

from utils.errors import UserError
from utils.files import with_home
from utils.image_kinds import FileKind, file_kind, unread_note
from utils.images import HUGE, IMAGE_SUFFIXES, image_size, read_image
from utils.media.animations import is_animated
from utils.media.frame_selection import EVERY_FRAME, FrameSelection
from utils.media.frames import VIDEO_SUFFIXES, WAITING_BYTES, Frame, Source
from utils.media.live import read_stream
from utils.media.video_reader import open_capture, read_video
from utils.prefetch import iterate_ahead, map_ahead
from utils.runtime.runtime import READERS
from utils.text import counted, listed

_NEVER_ANIMATED = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".bmp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm",
    ".pnm", ".jp2", ".j2k",
)  # fmt: skip

_STREAM = re.compile(r"(rtsps?|rtmps?|https?|udp|tcp|rtp|srt|mms)://", re.IGNORECASE)


class NotMedia(UserError):
    """A file that is neither a picture nor a video."""


def quiet_opencv() -> None:
    """Suppress OpenCV's and FFmpeg's own messages about damaged videos, which are reported here.

    Environment variables set by the user take precedence. Call before the first video is opened.
    """
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    if "OPENCV_LOG_LEVEL" not in os.environ:
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def find_sources(arguments: Sequence[str]) -> list[Source]:
    """The sources that the arguments name, in order. A warning says what was left out.

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


def read_frames(
    sources: Sequence[Source],
    report: Callable[[str], None],
    read_picture: Callable[[Path], np.ndarray] = read_image,
    selection: FrameSelection = EVERY_FRAME,
    readers: int = READERS,
) -> Iterator[Frame]:
    """Frames of all sources in order, read ahead by background threads.

    A huge picture is decoded only when its turn comes, as several would fill the memory.

    Args:
        sources: what ``find_sources`` gave.
        report: called with one sentence for each source that cannot be read completely. The
            others are still read.
        read_picture: gives uint8 (H, W, 3) RGB for a path.
        selection: which frames of videos, cameras and streams are wanted.
        readers: threads that decode pictures.
    """

    def read_ahead(source: Source) -> Frame | UserError | Source:
        return source if _is_huge(source.path) else read(source)

    def read(source: Source) -> Frame | UserError:
        try:
            return Frame(read_picture(source.path), source)
        except UserError as error:
            return error

    for pictures, group in groupby(sources, lambda source: source.kind == "picture"):
        if pictures:
            for result in map_ahead(read_ahead, group, threads=readers, depth=readers + 2):
                if isinstance(result, Source):
                    result = read(result)
                if isinstance(result, UserError):
                    report(str(result))
                else:
                    yield result
            continue
        for source in group:
            try:
                if source.kind in ("live", "stream"):
                    yield from read_stream(source, report, selection)
                else:
                    frames = read_video(source, report, selection)
                    yield from iterate_ahead(
                        frames, depth=8, size=lambda frame: frame.bytes, most=WAITING_BYTES
                    )
            except UserError as error:
                report(str(error))


def _is_huge(path: Path) -> bool:
    try:
        width, height, _ = image_size(path)
    except UserError:  # reading it says what is wrong
        return False
    return width * height > HUGE


def _find(argument: str, pass_over: Callable[[str], None]) -> list[Source]:
    if _STREAM.match(argument):
        live = not argument.lower().startswith("http")  # http may give an ordinary file
        return [Source(_without_password(argument), "live" if live else "stream", argument)]
    path = with_home(argument)
    if _exists(path):
        return _in_folder(path, pass_over) if path.is_dir() else [_from_file(path)]
    if argument.isdecimal() and len(argument) < 5:
        return [Source(argument, "live", int(argument))]
    if "://" in argument:
        scheme = argument.partition("://")[0]
        raise UserError(
            f"{_without_password(argument)}: streams of the kind {scheme!r} cannot be read; rtsp "
            "and http can"
        )
    if any(sign in argument for sign in "*?["):
        return _matching(str(path), pass_over)
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
    return list(_from_files(files, pass_over))


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
    return list(_from_files(files, pass_over))


def _media(paths: Iterable[Path]) -> tuple[list[Path], str]:
    """The pictures and videos among the paths, in natural order, and a sentence on other files.

    Hidden files (such as the ``._`` ones of macOS) and folders are left out.
    """
    visible = [path for path in paths if not path.name.startswith(".")]
    files = [path for path in visible if path.is_file()]
    no_files = [  # folders, links to nothing, pipes and devices
        path.name
        for path in visible
        if path.suffix.lower() in IMAGE_SUFFIXES + VIDEO_SUFFIXES and not path.is_file()
    ]
    media, unread, others = [], [], []
    for path in sorted(files, key=natural_key):
        kind = FileKind.PICTURE if path.suffix.lower() in VIDEO_SUFFIXES else file_kind(path)
        if kind is FileKind.OTHER and not path.suffix and _holds_video(path):
            kind = FileKind.PICTURE
        if kind is FileKind.PICTURE:
            media.append(path)
        elif kind is FileKind.UNREAD:
            unread.append(path)
        else:
            others.append(path)
    notes = [unread_note(unread)] if unread else []
    if no_files:
        named = listed(sorted(no_files), most=8)
        are = "is no file, or a link to none" if len(no_files) == 1 else "are no files"
        notes.append(f"{named} {are}; left out")
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


def _from_files(paths: Iterable[Path], pass_over: Callable[[str], None]) -> Iterator[Source]:
    for path in paths:
        try:
            yield _from_file(path)
        except NotMedia as error:  # begins like a video, and is none
            pass_over(f"{error}; left out")


def _from_file(path: Path) -> Source:
    if not path.is_file():  # to open a pipe would wait for its writer
        raise NotMedia(
            f"{path}: is a pipe or a device, not a file; a camera is named by its number"
        )
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
        open_capture(video).release()
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
    # Up to the last @ before the path: a password may have one itself.
    return re.sub(r"(?<=://)[^/]*@", "", address)
