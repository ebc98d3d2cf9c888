"""Comments in JPEG and PNG files, which viewers pass over: ``with_comment``."""

from __future__ import annotations

import zlib

_PNG_HEADER = 8 + 25  # bytes of the signature and of IHDR, which is the first chunk
_JFIF = b"\xff\xd8\xff\xe0"


def with_comment(data: bytes, comment: str) -> bytes:
    """A JPEG or PNG file with a comment behind its header.

    Args:
        data: the file.
        comment: ASCII, shorter than 65,000 letters.
    """
    text = comment.encode("ascii")
    if data.startswith(b"\x89PNG"):
        place, chunk = _PNG_HEADER, b"tEXtComment\0" + text
        length = len(chunk) - 4  # without the type
        part = length.to_bytes(4, "big") + chunk + zlib.crc32(chunk).to_bytes(4, "big")
    else:
        # JFIF wants its own segment to be the first.
        place = 4 + int.from_bytes(data[4:6], "big") if data.startswith(_JFIF) else 2
        part = b"\xff\xfe" + (2 + len(text)).to_bytes(2, "big") + text
    return data[:place] + part + data[place:]
