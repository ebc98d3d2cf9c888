"""Raw frames with their time stamps as a Matroska stream, for a pipe to ``ffmpeg``.

A pipe of bare pixels would have one constant rate. Matroska (RFC 9559) is the simplest container
that ``ffmpeg`` reads and that gives each frame its own time.
"""

from __future__ import annotations

_MICROSECOND = 1000  # nanoseconds: the unit of all time stamps

# Ids of elements, as in the tables of the RFC.
_EBML, _DOC_TYPE, _SEGMENT, _INFO, _TIMESTAMP_SCALE = (
    "1A45DFA3", "4282", "18538067", "1549A966", "2AD7B1",
)  # fmt: skip
_TRACKS, _TRACK, _NUMBER, _UID, _TYPE, _CODEC, _DEFAULT_DURATION = (
    "1654AE6B", "AE", "D7", "73C5", "83", "86", "23E383",
)  # fmt: skip
_VIDEO, _WIDTH, _HEIGHT, _PIXEL_FORMAT = "E0", "B0", "BA", "2EB524"
_CLUSTER, _TIMESTAMP, _BLOCK_GROUP, _BLOCK, _BLOCK_DURATION = (
    "1F43B675", "E7", "A0", "A1", "9B",
)  # fmt: skip


def header(width: int, height: int, fps: float) -> bytes:
    """The start of a stream of RGB frames of one size; ``fps`` is about how many a second."""
    video = _number(_WIDTH, width) + _number(_HEIGHT, height) + _element(_PIXEL_FORMAT, b"RGB\x18")
    track = (
        _number(_NUMBER, 1)
        + _number(_UID, 1)
        + _number(_TYPE, 1)
        + _number(_DEFAULT_DURATION, round(1e9 / fps))
        + _element(_CODEC, b"V_UNCOMPRESSED")
        + _element(_VIDEO, video)
    )
    return (
        _element(_EBML, _element(_DOC_TYPE, b"matroska"))
        + bytes.fromhex(_SEGMENT) + b"\x01" + b"\xff" * 7  # of unknown length
        + _element(_INFO, _number(_TIMESTAMP_SCALE, _MICROSECOND))
        + _element(_TRACKS, _element(_TRACK, track))
    )  # fmt: skip


def frame(pixel_bytes: int, start_s: float, duration_s: float) -> tuple[bytes, bytes]:
    """What goes before the pixels of a frame, and what comes after them."""
    start, end = round(1e6 * start_s), round(1e6 * (start_s + duration_s))
    block = b"\x81\0\0\0"  # track 1, at the cluster's own time, no flags
    after = _number(_BLOCK_DURATION, end - start)
    block_size = len(block) + pixel_bytes
    head = bytes.fromhex(_BLOCK) + _size(block_size) + block
    group = bytes.fromhex(_BLOCK_GROUP) + _size(len(head) + pixel_bytes + len(after)) + head
    time = _number(_TIMESTAMP, start)
    cluster_size = len(time) + len(group) + pixel_bytes + len(after)
    return bytes.fromhex(_CLUSTER) + _size(cluster_size) + time + group, after


def _element(ident: str, content: bytes) -> bytes:
    return bytes.fromhex(ident) + _size(len(content)) + content


def _number(ident: str, value: int) -> bytes:
    return _element(ident, value.to_bytes(8, "big"))


def _size(length: int) -> bytes:
    """A length in eight bytes, the first of which says that there are eight."""
    return (length | 1 << 56).to_bytes(8, "big")
