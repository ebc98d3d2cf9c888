"""Cameras and live streams: the newest frame counts, and a lost connection is made again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import cv2

from utils.errors import UserError
from utils.media.frame_choice import EVERY_FRAME, FrameChoice
from utils.media.frames import WAITING_BYTES, Frame, Source
from utils.media.video_reader import Told, capture_moments, chosen, open_capture, retrieve
from utils.prefetch import iterate_ahead

PAUSES_S = (1, 2, 4, 8, 15, 30, 60, 60, 60, 60, 60, 60)  # before each try to connect again


def read_stream(
    source: Source, report: Callable[[str], None], choice: FrameChoice = EVERY_FRAME
) -> Iterator[Frame]:
    """Frames of a camera or stream, read by a background thread.

    Of a live one the newest frame that has come, so that a slow detector is late by one frame only.
    A stream with a length (a video file on a web server) and a playlist (``.m3u8``, whose frames
    come in bursts) are read in order.

    Args:
        source: a ``live`` source or a ``stream``.
        report: called with one sentence when the connection is lost.
        choice: which frames are wanted.

    Raises:
        UserError: it cannot be opened, or has no frame that can be decoded.
    """
    capture = open_capture(source)
    told = Told.of(capture)
    if source.kind == "live" or not (told.frames or ".m3u8" in source.address):
        frames = read_live(source, capture, report, choice)
        yield from iterate_ahead(frames, depth=1, newest_only=True)
        return
    try:
        moments = capture_moments(source, capture, told, report)
        frames = chosen(source, moments, choice.rate(told.fps), report, choice)
        yield from iterate_ahead(
            frames, depth=8, size=lambda frame: frame.bytes, most=WAITING_BYTES
        )
    finally:
        capture.release()


def read_live(
    source: Source,
    capture: cv2.VideoCapture,
    report: Callable[[str], None],
    choice: FrameChoice = EVERY_FRAME,
    pauses_s: tuple[float, ...] = PAUSES_S,
) -> Iterator[Frame]:
    """Frames of a live source as they come; times are those of their arrival.

    When the connection is lost it is made again, after pauses that grow. After the last of them
    the source counts as ended.

    Args:
        source: what ``capture`` reads.
        capture: open; it is released at the end.
        report: called with one sentence when the connection is lost.
        choice: which frames are wanted.
        pauses_s: seconds to wait before each try.

    Raises:
        UserError: not one frame came.
    """
    index, started, before, tries = 0, time.monotonic(), None, 0
    while True:
        rate = choice.rate(Told.of(capture).fps)
        try:
            while capture.grab():
                if not index:
                    started = time.monotonic()
                time_s, tries = time.monotonic() - started, 0
                if choice.is_past(time_s):
                    return
                if choice.takes(index, time_s, before):
                    yield Frame(retrieve(source, capture), source, index, time_s, rate)
                index, before = index + 1, time_s
        finally:
            capture.release()
        if not index:
            raise UserError(f"{source.name}: no frame of this video can be decoded")
        if tries == len(pauses_s) or choice.is_past(time.monotonic() - started):
            report(f"{source.name}: the connection is lost and does not come back")
            return
        report(f"{source.name}: no more frames come; connecting again in {pauses_s[tries]:g} s")
        time.sleep(pauses_s[tries])
        tries += 1
        capture = _reopened(source)


def _reopened(source: Source) -> cv2.VideoCapture:
    """An open capture, or one that gives no frame."""
    try:
        return open_capture(source)
    except UserError:
        return cv2.VideoCapture()
