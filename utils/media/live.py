"""Cameras and live streams: the newest frame counts, and a lost connection is made again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import cv2
import numpy as np

from utils.errors import UserError
from utils.media.frame_selection import EVERY_FRAME, FrameSelection
from utils.media.frames import WAITING_BYTES, Frame, Source
from utils.media.video_reader import (
    UndecodableFrame,
    VideoInfo,
    grab_frames,
    open_capture,
    retrieve,
    select_frames,
)
from utils.media.web_files import is_playlist, is_web_file
from utils.prefetch import iterate_ahead

MAX_UNDECODABLE = 30  # frames in a row; then the connection is made again
PAUSES_S = (1, 2, 4, 8, 15, 30, 60, 60, 60, 60, 60, 60)  # before each try to connect again


def read_stream(
    source: Source, report: Callable[[str], None], selection: FrameSelection = EVERY_FRAME
) -> Iterator[Frame]:
    """Frames of a camera or stream, read by a background thread.

    Of a live one the newest frame that has come, so that a slow detector is late by one frame only.
    A stream with a length, a file on a web server and a playlist (``.m3u8``, whose frames come in
    bursts) are read in order, and once.

    Args:
        source: a ``live`` source or a ``stream``.
        report: called with one sentence when the connection is lost.
        selection: which frames are wanted.

    Raises:
        UserError: it cannot be opened, or has no frame that can be decoded.
    """
    capture = open_capture(source)
    info = VideoInfo.of(capture)
    # Pictures and the videos that browsers record do not tell how many frames they have.
    ends = source.kind == "stream" and (
        info.frames or is_playlist(source.address) or is_web_file(source.address)
    )
    if not ends:
        frames = read_live(source, capture, report, selection)
        yield from iterate_ahead(frames, depth=1, newest_only=True)
        return
    try:
        grabbed = grab_frames(source, capture, info, report)
        frames = select_frames(source, grabbed, selection.rate(info.fps), report, selection)
        yield from iterate_ahead(
            frames, depth=8, size=lambda frame: frame.bytes, most=WAITING_BYTES
        )
    finally:
        capture.release()


def read_live(
    source: Source,
    capture: cv2.VideoCapture,
    report: Callable[[str], None],
    selection: FrameSelection = EVERY_FRAME,
    pauses_s: tuple[float, ...] = PAUSES_S,
) -> Iterator[Frame]:
    """Frames of a live source as they come; times are those of their arrival.

    A frame that cannot be decoded is left out. When the connection is lost, or
    ``MAX_UNDECODABLE`` frames in a row cannot be decoded, it is made again, after pauses that
    grow. After the last of them the source counts as ended.

    Args:
        source: what ``capture`` reads.
        capture: open; it is released at the end.
        report: called with one sentence when the connection is lost, and for the first frame that
            cannot be decoded.
        selection: which frames are wanted.
        pauses_s: seconds to wait before each try.

    Raises:
        UserError: not one frame came, or none that can be decoded, or they are too large.
    """
    index, started, before, tries = 0, time.monotonic(), None, 0
    decoder = _Decoder(source, report)
    while True:
        rate = selection.rate(VideoInfo.of(capture).fps)
        try:
            while capture.grab():
                if not index:
                    started = time.monotonic()
                time_s, index = time.monotonic() - started, index + 1
                if selection.is_past(time_s):
                    return
                if selection.takes(index - 1, time_s, before):
                    image = decoder.image(capture)
                    if image is not None:
                        yield Frame(image, source, index - 1, time_s, rate)
                    elif decoder.failures % MAX_UNDECODABLE == 0:
                        break
                if not decoder.failures:  # otherwise the next frame takes the place of this one
                    before, tries = time_s, 0
        finally:
            capture.release()
        if not index or decoder.always_failed:
            raise UserError(f"{source.name}: no frame of this video can be decoded")
        if tries == len(pauses_s) or selection.is_past(time.monotonic() - started):
            report(f"{source.name}: the connection is lost and does not come back")
            return
        what = "can be decoded" if decoder.failures else "come"
        report(f"{source.name}: no more frames {what}; connecting again in {pauses_s[tries]:g} s")
        time.sleep(pauses_s[tries])
        tries += 1
        capture = _reopened(source)


class _Decoder:
    """Decodes frames of a live source. Those that cannot be decoded are left out.

    Attributes:
        failures: in a row.
        always_failed: whether there were failures, and nothing else.
    """

    def __init__(self, source: Source, report: Callable[[str], None]) -> None:
        self._source, self._report = source, report
        self._decoded, self._reported = False, False
        self.failures = 0

    @property
    def always_failed(self) -> bool:
        return self.failures > 0 and not self._decoded

    def image(self, capture: cv2.VideoCapture) -> np.ndarray | None:
        """The frame that was grabbed, uint8 (H, W, 3) RGB; None if it cannot be decoded.

        Raises:
            UserError: it is too large.
        """
        try:
            image = retrieve(self._source, capture)
        except UndecodableFrame:
            self.failures += 1
            if not self._reported:
                self._report(f"{self._source.name}: a frame cannot be decoded; it is left out")
            self._reported = True
            return None
        self.failures, self._decoded = 0, True
        return image


def _reopened(source: Source) -> cv2.VideoCapture:
    """An open capture, or one that gives no frame."""
    try:
        return open_capture(source)
    except UserError:
        return cv2.VideoCapture()
