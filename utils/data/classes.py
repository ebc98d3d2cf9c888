"""The classes file: one name a line, in the order of the class ids.

A line that starts with ``#`` is a comment; the name of a class that starts so is written with a
backslash before it. Accents are read in one spelling, as in labels.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from utils.data.formats.encoding import decoded
from utils.errors import UserError
from utils.files import atomic_write, read_limited
from utils.text import MAX_NAME_LENGTH, is_control, nfc

_MAX_BYTES = 16 << 20  # hundreds of thousands of names


def write_classes(path: str | Path, classes: Iterable[str]) -> None:
    """Write a file that ``read_classes`` reads as these names, atomically."""
    with atomic_write(path) as file:
        for name in classes:
            if name.lstrip("\\").startswith("#"):
                file.write("\\")  # otherwise it would be a comment, or lose a backslash
            file.write(f"{name}\n")


def read_classes(path: str | Path) -> tuple[str, ...]:
    """Read class names; blank lines and comments are left out.

    Raises:
        UserError: the file is missing, no text, empty, names a class twice, or by a name that is
            too long.
    """
    try:
        text = decoded(read_limited(path, _MAX_BYTES))
    except ValueError as error:
        raise UserError(f"{path}: cannot be read as a classes file ({error})") from error
    lines: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        name = " ".join(nfc(line).split())
        if not name or name.startswith("#"):
            continue
        if name.lstrip("\\").startswith("#"):
            name = name[1:]
        if any(map(is_control, name)):
            raise UserError(f"{path}, line {number}: {name!r} is not a class name")
        if len(name) > MAX_NAME_LENGTH:
            raise UserError(
                f"{path}, line {number}: a name of {len(name):,} characters; a class name has at "
                f"most {MAX_NAME_LENGTH:,}"
            )
        if name in lines:
            raise UserError(
                f"{path}, line {number}: class {name!r} stands in line {lines[name]} already"
            )
        lines[name] = number
    if not lines:
        raise UserError(f"{path}: holds no class name; it takes one a line")
    return tuple(lines)
