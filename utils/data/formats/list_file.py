"""Split lists: text files with a photo a line (``list_lines``)."""

from __future__ import annotations

from pathlib import Path

from utils.data.formats.encoding import decoded
from utils.data.splits.names import is_split_name
from utils.errors import UserError
from utils.files import read_limited

MAX_BYTES = 64 << 20  # a list of a million photos is smaller


def list_lines(path: Path, name: str) -> list[str] | None:
    """The lines of a list without blank ones; None for a file of another purpose that is no text.

    Args:
        path: the file.
        name: what to call it in messages.

    Raises:
        UserError: a list that is named like a split cannot be read. Without it another split
            would be made, and its training photos might be those of an official test list.
    """
    try:
        text = decoded(read_limited(path, MAX_BYTES))
    except ValueError as error:
        if not is_split_name(path.stem):
            return None
        raise UserError(
            f"{name}: cannot be read as a list of photos ({error}); save it as text in UTF-8 with "
            "a photo a line, or remove it"
        ) from error
    return [line.strip() for line in text.splitlines() if line.strip()]
