"""Text files from people: ``decoded``."""

from __future__ import annotations

import codecs

# What Windows writes: PowerShell's ``>`` makes UTF-16, its Notepad begins UTF-8 with a mark.
_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def decoded(data: bytes) -> str:
    """The text of a file in UTF-8, or in UTF-16 that begins with its mark.

    Other encodings cannot be told apart: the same bytes are names in several alphabets.

    Raises:
        ValueError: it is in none of these; the message says where, and what to do.
    """
    encoding = next((name for mark, name in _MARKS.items() if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ValueError(
            f"not a text file in {'UTF-16' if encoding == 'utf-16' else 'UTF-8'} (byte "
            f"0x{data[error.start]:02X} in line {line}); save it in UTF-8"
        ) from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise ValueError(
            f"not a text file in UTF-8 (it holds zero bytes, the first in line {line}); save it in "
            "UTF-8"
        )
    return text
