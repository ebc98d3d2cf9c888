"""Videos: cut off, without frames, of changing size, with a header that lies."""

from __future__ import annotations

import os
import struct
import tempfile
import zlib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import cv2

from .case import Case, content, encoded, picture, pixels


def cases() -> Iterator[Case]:
    for name, (suffix, make) in _videos().items():
        file = f"odd-one{suffix}"
        # Of a folder's other files, predict.py says how many there are of each ending.
        uses = ("predict alone",) if suffix == ".y4m" else ()
        yield Case("video", name, _writer(make, file), (file,), uses=uses)
    # Any of its bytes that is no text crashes OpenCV.
    latin = os.fsdecode(b"odd-one caf\xe9.avi")
    yield Case("video", "name-that-is-no-text", _writer(_avi, latin), ("odd-one caf",),
               uses=("predict",))  # fmt: skip
    for name, data in _films().items():
        for uses in ((), ("predict without ffmpeg",)):
            file = f"odd-one{name[-4:]}"
            part = "-without-ffmpeg" if uses else ""
            yield Case("video", name[:-4] + part, content(data, file), (file,), uses=uses)
    pipe = "odd-one.mp4"
    yield Case("video", "named-pipe", lambda folder: os.mkfifo(folder / pipe), (pipe,))


def _writer(make: Callable[[], bytes], file: str) -> Callable[[Path], None]:
    return lambda folder: content(make(), file)(folder)


@cache
def _video(suffix: str, code: str, width: int = 64, frames: int = 12) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"video{suffix}"
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*code), 10, (width, 48))
        for i in range(frames):
            writer.write(pixels(width, 48, seed=i))
        writer.release()
        return path.read_bytes()


def _mp4() -> bytes:
    return _video(".mp4", "mp4v")


def _avi(width: int = 64) -> bytes:
    return _video(".avi", "MJPG", width)


def _videos() -> dict[str, tuple[str, Callable[[], bytes]]]:
    cut = {
        f"{name}-{tenth}-tenths": (suffix, lambda m=make, t=tenth: m()[: len(m()) * t // 10])
        for name, suffix, make in (("mp4", ".mp4", _mp4), ("avi", ".avi", _avi))
        for tenth in range(1, 10, 2)
    }
    texts = {
        "text": "no video\n",
        "playlist": "#EXTM3U\n#EXTINF:1,\n/etc/passwd\n",
        "playlist-behind-blanks": "\ufeff \n#EXTM3U\nfile:///etc/passwd\n",
        "concat": "ffconcat version 1.0\nfile /etc/passwd\n",
        "stream-description": "v=0\no=- 0 0 IN IP4 127.0.0.1\nm=video 9 RTP/AVP 96\n",
        "dash": '<?xml version="1.0"?><MPD><BaseURL>file:///etc/passwd</BaseURL></MPD>',
    }
    return {
        **cut,
        **{name: (".mp4", lambda t=text: t.encode()) for name, text in texts.items()},
        "empty": (".mp4", lambda: b""),
        "zeros": (".mkv", lambda: bytes(100_000)),
        "header-only": (".mp4", lambda: _mp4()[:64]),
        "no-frames": (".avi", lambda: _video(".avi", "MJPG", frames=0)),
        "mp4-named-avi": (".avi", _mp4),
        "jpeg-named-mp4": (".mp4", lambda: cv2.imencode(".jpg", pixels())[1].tobytes()),
        "noise-inside": (".mp4", lambda: _noisy(_mp4())),
        "changing-size": (".avi", _changing_size),
        "frames-of-noise": (".avi", lambda: _avi().replace(b"\xff\xd8", b"\0\0")),
        "frame-60000": (".avi", _huge_frames),
        "rate-0": (".avi", lambda: _header(0, 0)),
        "rate-a-million": (".avi", lambda: _header(0, 1)),
        "count-4-billion": (".avi", lambda: _header(16, 2**32 - 1)),
        "width-0": (".avi", lambda: _header(32, 0)),
        "width-4-billion": (".avi", lambda: _header(32, 2**32 - 1)),
        "box-length-0": (".mp4", lambda: _box_length(0)),
        "box-length-4-billion": (".mp4", lambda: _box_length(2**32 - 1)),
        "sample-count-4-billion": (".mp4", _samples),
        "raw-60000": (".y4m", lambda: b"YUV4MPEG2 W60000 H60000 F25:1\nFRAME\n" + bytes(99)),
    }


def _films() -> dict[str, bytes]:
    """Animated pictures: few bytes that are many pixels, or a long time."""
    one = b"!\xf9\4\4\x0a\0\0\0,\0\0\0\0\1\0\1\0\0\2\2\x44\1\0"  # a frame of one pixel
    head = b"GIF89a" + struct.pack("<HH", 6300, 6300) + b"\x80\0\0" + bytes(6)
    return {"film-6300.gif": head + one * 50 + b";", "film-of-18-hours.png": long_film()}


def long_film(last_s: int = 65535) -> bytes:
    """An animated PNG of two frames: 20 ms, and as many seconds."""
    frames = [picture(seed=seed) for seed in range(2)]
    data = encoded(frames[0], "PNG", save_all=True, append_images=frames[1:], duration=[20, 1000])
    control = data.rindex(b"fcTL")
    changed = data[control : control + 24] + struct.pack(">HH", last_s, 1)
    changed += data[control + 28 : control + 30]
    checksum = struct.pack(">I", zlib.crc32(changed))
    return data[:control] + changed + checksum + data[control + 34 :]


def _noisy(data: bytes) -> bytes:
    found = bytearray(data)
    for place in range(200, len(found) - 1200, 37):
        found[place] ^= 0x55
    return bytes(found)


def _changing_size() -> bytes:
    """An AVI whose later frames are wider than its header says."""
    small, large = _avi(), _avi(128)
    frames = large[large.index(b"movi") : large.index(b"idx1")]
    return small[: small.index(b"idx1")] + frames[4:] + small[small.index(b"idx1") :]


def _huge_frames() -> bytes:
    """Each JPEG says that it is 60,000 pixels wide and high."""
    found, place = bytearray(_avi()), 0
    while (place := found.find(b"\xff\xc0", place)) >= 0:
        found[place + 5 : place + 9] = struct.pack(">HH", 60_000, 60_000)
        place += 9
    return bytes(found)


def _header(place: int, value: int) -> bytes:
    """An AVI with another number at a place of its main header (0: microseconds a frame)."""
    found = bytearray(_avi())
    start = found.index(b"avih") + 8 + place
    found[start : start + 4] = struct.pack("<I", value)
    return bytes(found)


def _box_length(value: int) -> bytes:
    found = bytearray(_mp4())
    place = found.index(b"moov") - 4
    found[place : place + 4] = struct.pack(">I", value)
    return bytes(found)


def _samples() -> bytes:
    found = bytearray(_mp4())
    place = found.index(b"stsz") + 12
    found[place : place + 4] = struct.pack(">I", 2**32 - 1)
    return bytes(found)
