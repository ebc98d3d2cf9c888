"""Errors that a user can fix, which commands print with exit status 2; errors in one line."""

from __future__ import annotations

from utils.text import one_line

_MAX_LENGTH = 200  # characters


class UserError(Exception):
    """Bad input or usage.

    The message is one or two plain sentences: what is wrong, in which file, and what to do.
    Commands print it on stderr without a traceback and exit with status 2.
    """


class UnreadableFileError(UserError):
    """A file is damaged, or of another program: only another file helps."""


class UnwritableError(UserError):
    """One picture or video cannot be written as it is, on whatever disk; others can."""


def first_line(error: BaseException) -> str:
    """The first line of a library's error, at most 200 characters; its type without a message."""
    return _lines(error)[0][:_MAX_LENGTH]


def last_line(error: BaseException) -> str:
    """The last line, likewise: what is wrong, where a library first says where it failed."""
    return _lines(error)[-1][:_MAX_LENGTH]


def _lines(error: BaseException) -> list[str]:
    return [one_line(line) for line in str(error).strip().splitlines()] or [type(error).__name__]
