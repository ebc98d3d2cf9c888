"""The mark in drawn pictures and videos, by which a later run knows what it may replace.

Who repeats a run into the same folder wants the new drawings. A file of the same name that no run
has drawn is somebody's photo or film, and must stay. The mark is a comment that viewers and players
pass over. It lies near the start or the end of the file, so that it is found without decoding.
"""

from __future__ import annotations

import os
from pathlib import Path

from utils.errors import UnwritableError
from utils.media.matroska_header import fill_void

MARK = "objects drawn in by predict.py of efficient-yolo3"
_NEAR = 4096  # bytes from the start and from the end


def mark_video(path: Path) -> None:
    """Mark a complete MP4 or WebM file. A WebM file without room for it stays as it is."""
    mark = MARK.encode()
    if path.suffix == ".webm":
        fill_void(path, mark)
        return
    with path.open("ab") as file:  # a box of free space, which may be anywhere (ISO/IEC 14496-12)
        file.write((8 + len(mark)).to_bytes(4, "big") + b"free" + mark)


def is_drawn(path: Path) -> bool:
    """Whether a file has the mark."""
    mark = MARK.encode()
    try:
        if not path.is_file():  # to open a pipe would wait for its writer
            return False
        with path.open("rb") as file:
            if mark in file.read(_NEAR):
                return True
            file.seek(max(0, os.fstat(file.fileno()).st_size - _NEAR))
            return mark in file.read()
    except OSError:
        return False


def check_replaceable(path: Path) -> None:
    """Refuse to replace a file that no earlier run has drawn.

    Raises:
        UnwritableError: something is there already that has no mark.
    """
    if os.path.lexists(path) and not is_drawn(path):
        raise UnwritableError(
            f"{path}: is there already, and has no mark of a drawn picture (files drawn by earlier "
            "versions, or edited since, have none); remove it, or choose another folder for --out"
        )
