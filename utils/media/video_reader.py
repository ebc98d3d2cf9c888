"""Frames of video files: rotation applied, each with the time at which it is shown and for how
long. OpenCV decodes them; where it cannot, an ``ffmpeg`` that is installed does."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from utils.errors import UserError
from utils.files import check_utf8
from utils.media.animations import MAX_FPS, animation_fps, read_animation
from utils.media.ffmpeg import decoding, find_ffmpeg
from utils.media.frame_selection import EVERY_FRAME, FrameSelection
from utils.media.frames import Frame, Source, check_frame_size
from utils.media.matroska_header import has_duration
from utils.media.web_files import is_playlist

DEFAULT_FPS = 25.0  # where a camera or stream does not say
MAX_VIDEO_FPS = 120.0  # of drawn videos
MAX_GAP_S = 300.0  # between two frames of a video; more is a jump of its time stamps
_STAMPS = 300  # frames whose time stamps show whether the rate varies
_JITTER_MS = 2.5  # between time stamps of a constant rate
_MIN_SECONDS = 0.004  # that the last frame is shown; less is a container's rounding
_TIMEOUT_MS = 10_000  # without an answer of a stream


class UndecodableFrame(UserError):
    """One frame that cannot be decoded; those after it may be good."""


class GrabbedFrame(NamedTuple):
    """A frame that is not decoded to RGB yet. The last one of a video stands for its end.

    Attributes:
        time_s: seconds from the start of the video.
        pixels: gives uint8 (H, W, 3) RGB, before the next frame is asked for; None at the end.
    """

    time_s: float
    pixels: Callable[[], np.ndarray] | None


def read_video(
    source: Source, warn: Callable[[str], None], selection: FrameSelection = EVERY_FRAME
) -> Iterator[Frame]:
    """Frames of a video or an animated picture in order; rotation stored in a video is applied.

    Args:
        source: an animation or a video.
        warn: called with one sentence when the video ends long before its own length, or has no
            frame that is wanted.
        selection: which frames are wanted.

    Raises:
        UserError: it cannot be opened, or has no frame that can be decoded.
    """
    if source.kind == "animation":
        fps = cache(lambda: selection.rate(_animation_rate(source)))  # looks at all frames
        yield from select_frames(source, _animation(source), fps, warn, selection)
        return
    capture = open_capture(source)
    try:
        info = VideoInfo.of(capture)
        if not has_duration(source.address):  # FFmpeg's guess by the bit rate, often far too long
            info = replace(info, frames=0)
        grabbed = peek(grab_frames(source, capture, info, warn))
        if grabbed:

            @cache
            def rate() -> float:  # of drawn videos; others need not wait for it
                return selection.rate(max(info.fps, _highest_rate(source)))

            yield from select_frames(source, grabbed, rate, warn, selection)
            return
    finally:
        capture.release()
    yield from _by_ffmpeg(source, info, warn, selection)


def select_frames(
    source: Source,
    grabbed: Iterator[GrabbedFrame],
    rate: float | Callable[[], float],
    warn: Callable[[str], None],
    selection: FrameSelection = EVERY_FRAME,
) -> Iterator[Frame]:
    """The frames that are wanted, each with the time that it is shown.

    Args:
        source, warn, selection: as for ``read_video``.
        grabbed: all frames, and the end.
        rate: as in ``Frame``, of the frames that are wanted.
    """
    waiting: Frame | None = None  # for the time of the next one
    before: float | None = None
    try:
        for index, (time_s, pixels) in enumerate(grabbed):
            past = selection.is_past(time_s)
            if past or pixels is None or selection.takes(index, time_s, before):
                if waiting is not None:
                    until = selection.end_s if past else time_s
                    yield replace(waiting, duration_s=max(0.0, until - waiting.time_s))
                    waiting = None
                elif past or pixels is None:
                    warn(f"{source.name}: {selection.why_none(before, time_s)}")
                if past or pixels is None:
                    return
                waiting = Frame(pixels(), source, index, time_s, rate)
            before = time_s
    except UserError:  # damaged: the frames before it are used
        if waiting is not None:
            yield waiting
        raise


@dataclass(frozen=True)
class VideoInfo:
    """What the container declares of its video.

    Attributes:
        fps: frames a second, on average.
        frames: how many; its length times the rate where the container does not count them; 0
            where it does not declare that either.
    """

    fps: float
    frames: float

    @classmethod
    def of(cls, capture: cv2.VideoCapture) -> VideoInfo:
        fps = capture.get(cv2.CAP_PROP_FPS)
        return cls(
            fps if 0.1 <= fps <= 1000 else DEFAULT_FPS,
            max(0.0, capture.get(cv2.CAP_PROP_FRAME_COUNT)),
        )

    @property
    def length_s(self) -> float:
        return self.frames / self.fps


def grab_frames(
    source: Source, capture: cv2.VideoCapture, info: VideoInfo, warn: Callable[[str], None]
) -> Iterator[GrabbedFrame]:
    """The frames of an open video, and its end; nothing if no frame can be decoded.

    Raises:
        UserError: its frames are too large.
    """
    width, height = capture.get(cv2.CAP_PROP_FRAME_WIDTH), capture.get(cv2.CAP_PROP_FRAME_HEIGHT)
    check_frame_size(width, height, source.name)
    index, seconds, gap = 0, 0.0, 0.0
    while capture.grab():
        # The frame's time stamp. Only the first may be 0; otherwise the video has none.
        stamp = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
        now = max(0.0, stamp if stamp > 0 or index == 0 else index / info.fps)
        seconds, gap = now, now - seconds
        yield GrabbedFrame(seconds, lambda: retrieve(source, capture))
        index += 1
    if not index:
        return
    end = seconds + (gap if 0 < gap <= MAX_GAP_S else 1 / info.fps)
    # Where the container does not count its frames, the count is its length times the average
    # rate, and may be far too high. So the length must be short as well. In Matroska that is the
    # length of the longest track.
    # A playlist may be live, and its length that of a part.
    whole = source.kind == "video" or not is_playlist(str(source.address))
    if whole and index < 0.95 * info.frames - 1 and end < 0.95 * info.length_s:
        why = "it may be damaged, or its sound longer"
        if source.kind == "stream":
            why = "the connection was lost, or it is damaged"
        warn(
            f"{source.name}: ends after {index} of {info.frames:.0f} frames, at {end:.1f} of "
            f"{info.length_s:.1f} s; {why}"
        )
    elif index >= info.frames > 0 and _MIN_SECONDS <= info.length_s - seconds <= MAX_GAP_S:
        end = info.length_s
    yield GrabbedFrame(end, None)


def retrieve(source: Source, capture: cv2.VideoCapture) -> np.ndarray:
    """The frame that was grabbed: uint8 (H, W, 3) RGB.

    Raises:
        UndecodableFrame: it cannot be decoded.
        UserError: it is too large.
    """
    good, pixels = capture.retrieve()
    if not good:
        raise UndecodableFrame(
            f"{source.name}: a frame cannot be decoded; the frames before it are used"
        )
    check_frame_size(pixels.shape[1], pixels.shape[0], source.name)  # they may grow
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)


def peek(grabbed: Iterator[GrabbedFrame]) -> Iterator[GrabbedFrame] | None:
    """The frames, the first one fetched already; None where there are none."""
    first = next(grabbed, None)
    if first is None:
        return None

    def first_and_rest() -> Iterator[GrabbedFrame]:
        yield first
        yield from grabbed

    return first_and_rest()


def open_capture(source: Source) -> cv2.VideoCapture:
    """Open a video, camera or stream with OpenCV.

    Raises:
        UserError: it cannot be opened.
    """
    if source.kind == "video":
        _refuse_playlist(Path(source.address))
        check_utf8(os.path.abspath(source.address), source.name)
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
        check_utf8(source.address, source.name)
        limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, _TIMEOUT_MS]
        limits += [cv2.CAP_PROP_READ_TIMEOUT_MSEC, _TIMEOUT_MS]
        capture = cv2.VideoCapture(source.address, cv2.CAP_FFMPEG, limits)
        problem = "this stream cannot be opened"
    if not capture.isOpened():
        raise UserError(f"{source.name}: {problem}")
    return capture


def _by_ffmpeg(
    source: Source, info: VideoInfo, warn: Callable[[str], None], selection: FrameSelection
) -> Iterator[Frame]:
    """Frames of a video that OpenCV opens but cannot decode, such as AV1."""
    nothing = f"{source.name}: no frame of this video can be decoded"
    ffmpeg = find_ffmpeg()
    if ffmpeg is None:
        raise UserError(f"{nothing}; with ffmpeg installed, more kinds of video can be read")
    with decoding(ffmpeg, source.address) as capture:
        grabbed = peek(grab_frames(source, capture, info, warn))
        if grabbed is None:
            raise UserError(nothing)
        yield from select_frames(source, grabbed, selection.rate(info.fps), warn, selection)


def _animation(source: Source) -> Iterator[GrabbedFrame]:
    end_s = 0.0
    for image, start_s, end_s in read_animation(source.address):  # noqa: B007  end_s is used below
        yield GrabbedFrame(start_s, lambda image=image: image)
    yield GrabbedFrame(end_s, None)


def _animation_rate(source: Source) -> float:
    try:
        return animation_fps(source.address)
    except (UserError, OSError):  # removed since it was opened for its frames
        return MAX_FPS


def _highest_rate(source: Source) -> float:
    """The highest frame rate at the beginning of a video, by its time stamps; 0 without any.

    It differs from the average where the rate varies.
    """
    try:
        capture = open_capture(source)
    except UserError:  # removed since it was opened for its frames
        return 0.0
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
