"""``SOURCE``: what a person names on the command line, found and opened.

A picture, a folder, a glob, a video file, a stream's address or a camera's number.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from utils.ahead import map_ahead
from utils.errors import UserError
from utils.images import IMAGE_SUFFIXES, read_image

VIDEO_SUFFIXES = frozenset(
    [".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv", ".ts"]
)
DEFAULT_FPS = 25.0  # of streams that do not tell
_STREAM = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)


@dataclass(frozen=True)
class Source:
    """One picture or video.

    Attributes:
        name: as it appears in results; the path, the address, or ``camera 0``.
        path: the file; None for streams and cameras.
        is_video: whether it is a sequence of frames.
        camera: a camera's number.
    """

    name: str
    path: Path | None
    is_video: bool
    camera: int | None = None

    @property
    def stem(self) -> str:
        """What files made from it are called."""
        return self.path.stem if self.path else re.sub(r"\W+", "_", self.name).strip("_")


def find_sources(names: Sequence[str]) -> list[Source]:
    """Everything that the arguments name, folders and globs in natural order, nothing twice.

    Raises:
        UserError: a path that does not exist, a glob or folder without pictures or videos, or a
            file of another kind.
    """
    found: dict[str, Source] = {}
    for name in names:
        for source in _expand(name):
            found.setdefault(source.name, source)
    return list(found.values())


def _expand(name: str) -> list[Source]:
    if name.isdecimal() and not Path(name).exists():
        return [Source(f"camera {int(name)}", None, is_video=True, camera=int(name))]
    if _STREAM.match(name):
        return [Source(name, None, is_video=True)]
    path = Path(name).expanduser()
    if path.is_dir():
        inside = [_file(p) for p in sorted(path.iterdir(), key=_natural) if _is_media(p)]
        if not inside:
            raise UserError(f"{name}: the folder holds no picture and no video")
        return inside
    if path.exists():
        if not _is_media(path):
            raise UserError(f"{name}: neither a picture nor a video, by its ending")
        return [_file(path)]
    if glob.has_magic(name):
        matches = sorted(map(Path, glob.glob(str(path), recursive=True)), key=_natural)
        inside = [_file(p) for p in matches if _is_media(p)]
        if not inside:
            raise UserError(f"{name}: matches no picture and no video")
        return inside
    raise UserError(f"{name}: there is no such file or folder")


def _is_media(path: Path) -> bool:
    hidden = path.name.startswith(".")
    return not hidden and path.is_file() and path.suffix.lower() in IMAGE_SUFFIXES | VIDEO_SUFFIXES


def _file(path: Path) -> Source:
    return Source(str(path), path, is_video=path.suffix.lower() in VIDEO_SUFFIXES)


def _natural(path: Path) -> list:
    """photo2 before photo10. Digits and letters never meet in a comparison."""
    parts = re.split(r"(\d+)", str(path).lower())
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]


@dataclass(frozen=True)
class Frame:
    """One picture to look at.

    Attributes:
        image: uint8 (H, W, 3) RGB.
        number: position in the video from 0; None for a picture.
        time_s: seconds since the start of the video; None for a picture.
        fps: frames a second of the video; None for a picture.
    """

    image: np.ndarray
    number: int | None = None
    time_s: float | None = None
    fps: float | None = None


def open_sources(sources: Sequence[Source]) -> Iterator[tuple[Source, Iterator[Frame]]]:
    """Each source with its frames, in order; pictures are decoded ahead by threads.

    What cannot be read raises ``UserError`` from the iterator of frames, not from this one.
    """
    pictures = map_ahead(_try_to_read, [s for s in sources if not s.is_video], depth=4)
    for source in sources:
        yield source, _video(source) if source.is_video else _picture(next(pictures))


def _try_to_read(source: Source) -> np.ndarray | UserError:
    try:
        return read_image(source.path)
    except UserError as error:
        return error


def _picture(image: np.ndarray | UserError) -> Iterator[Frame]:
    if isinstance(image, UserError):
        raise image
    yield Frame(image)


def _video(source: Source) -> Iterator[Frame]:
    address = source.name if source.camera is None else source.camera
    capture = cv2.VideoCapture(address)
    try:
        fps = capture.get(cv2.CAP_PROP_FPS)
        fps = fps if 0 < fps < 1000 else DEFAULT_FPS
        number = 0
        while True:
            good, frame = capture.read()
            if not good:
                break
            yield Frame(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB), number, number / fps, fps)
            number += 1
    finally:
        capture.release()
    if not number:
        raise UserError(f"{source.name}: cannot be opened as a video, or holds no frame")
