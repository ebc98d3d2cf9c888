"""Names and numbers in sentences: counted, listed, shortened. One way for every message."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

MAX_NAME_LENGTH = 1000  # characters of a class name


def counted(number: int, singular: str, plural: str | None = None) -> str:
    """``1 photo``, ``72 photos``, ``1,234 photos``."""
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"


def minutes_text(minutes: float) -> str:
    """``1 minute``, ``10 minutes``, ``2.5 minutes``."""
    return f"{minutes:g} minute{'' if minutes == 1 else 's'}"


def exact(number: float) -> str:
    """``1.5``, ``3``: the shortest text that is read as the same number again."""
    return repr(float(number)).removesuffix(".0")


def listed(items: Sequence[str], most: int = 3) -> str:
    """``a, b and c``, or ``a, b, c and 4 more``."""
    if len(items) > most + 1:
        items = [*items[:most], f"{len(items) - most} more"]
    return " and ".join(filter(None, [", ".join(items[:-1]), items[-1]])) if items else ""


def nfc(text: str) -> str:
    """One spelling for letters that can be written in two ways (é as one sign or as two)."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def one_line(name: str) -> str:
    """A class or file name with what is not printable replaced by a blank; never empty."""
    return "".join(c if c.isprintable() else " " for c in name).strip() or "(no name)"


def is_control(sign: str) -> bool:
    """Whether a class name must not contain this character: a line break, a control code, a
    surrogate, a byte order mark, or U+FFFE or U+FFFF, which XML cannot hold."""
    return unicodedata.category(sign) in ("Cc", "Cs", "Zl", "Zp") or sign in "\ufeff\ufffe\uffff"


def short(name: str, length: int = 22) -> str:
    """A name for a drawing, cut in the middle: the end of a name often tells it from others."""
    name = one_line(name)
    if len(name) <= length:
        return name
    tail = length // 3
    return f"{name[: length - tail - 1]}…{name[-tail:]}"
