"""Exit statuses of the commands, and what they do with errors."""

from __future__ import annotations

import errno
import os
import sys
import typing
from collections.abc import Callable, Sequence
from contextlib import suppress

from utils.errors import UserError
from utils.signals import interrupt_raised, terminable

OK, MISSED, USAGE_ERROR, INTERRUPTED = 0, 1, 2, 130  # the exit statuses of every command


def run(main: Callable[[list[str]], int | None], argv: Sequence[str] | None = None) -> int:
    """Call ``main`` with the arguments and return the exit status of the command.

    Without ``argv`` the process is expected to end with that status.

    A ``UserError`` gives one message on stderr and status 2, and so does a full or failing disk, a
    missing permission, or a machine without memory or places for open files. Ctrl-C and SIGTERM
    give 130. Anything else is a bug and keeps its traceback.
    """
    quiet_tensorflow()
    try:
        with terminable(last=argv is None):
            status = _run(main, list(sys.argv[1:] if argv is None else argv))
            _flush()
    except KeyboardInterrupt:  # a second one, or one while an error is printed
        status = INTERRUPTED
    return status


def _run(main: Callable[[list[str]], int | None], argv: list[str]) -> int:
    for stream in (sys.stdout, sys.stderr):  # file names need not be text
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        return main(argv) or OK
    except KeyboardInterrupt:
        return _interrupted()
    except Exception as error:
        if interrupt_raised():  # a library lost the interrupt, and failed for that reason
            return _interrupted()
        if (message := _for_people(error)) is None:
            raise
        with suppress(BrokenPipeError):  # nobody reads it; the status tells
            print(f"error: {message}", file=sys.stderr)
        return USAGE_ERROR


def _interrupted() -> int:
    print("interrupted", file=sys.stderr)
    return INTERRUPTED


def _for_people(error: Exception) -> str | None:
    """What is wrong, in a sentence; None for a bug."""
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, OSError) and error.errno in _USER_ERRORS:
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{os.strerror(error.errno)}"
    return None


def leave(status: int) -> typing.NoReturn:
    """End the process at once, after printing all output.

    Freeing TensorFlow's graphs at the end of a training run would take 5 to 30 seconds.
    """
    _flush()
    os._exit(status)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # a full disk; a closed stream
            try:
                stream.flush()
            except BrokenPipeError:  # Python would try again at the end, and complain
                discard(stream)


def discard(stream: typing.TextIO) -> None:
    """Whatever is printed to a stream from now on, by whomever, goes nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, stream.fileno())
    finally:
        os.close(nowhere)


_USER_ERRORS = {
    errno.EACCES, errno.EPERM, errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.EEXIST,
    errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP, errno.EFBIG,
    errno.EIO, errno.ESTALE, errno.EMFILE, errno.ENFILE, errno.ENOMEM,
    errno.EPIPE,
}  # fmt: skip


def quiet_tensorflow() -> None:
    """Suppress TensorFlow's start-up messages. Call before TensorFlow is imported.

    ``TF_CPP_MIN_LOG_LEVEL=0`` in the environment takes precedence and shows them.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
