"""``Target``: what is fuzzed, and what may come of it; ``find`` judges one input."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
import traceback
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
MAX_SECONDS = 30  # for one input
MAX_MEMORY = 4096  # MiB


class BrokenPromise(AssertionError):
    """The code answered, and the answer cannot be right."""


@dataclass(frozen=True)
class Target:
    """A reader of strangers' bytes.

    Attributes:
        name: of the target and its file.
        run: reads an input; raises ``BrokenPromise`` where what it finds contradicts itself.
        seeds: inputs to begin with, sound ones and bad ones.
        refusals: the errors by which the reader may refuse an input.
        words: pieces of the format, which mutations put in.
        most_bytes: of an input.
        finds: inputs that broke a promise once.
    """

    name: str
    run: Callable[[bytes], None]
    seeds: Callable[[], Iterable[bytes]]
    refusals: tuple[type[Exception], ...]
    words: tuple[bytes, ...] = ()
    most_bytes: int = 4096
    finds: tuple[bytes, ...] = ()


@dataclass(frozen=True)
class Find:
    """A broken promise.

    Attributes:
        place: kind of error, and the line that raised it; the same for the same fault.
        report: the traceback.
    """

    place: str
    report: str


def find(target: Target, data: bytes) -> Find | None:
    """What an input shows; None where it is read or refused as it should be."""
    try:
        target.run(data)
    except KeyboardInterrupt:
        raise
    except target.refusals as error:
        return _of_message(error)
    except BaseException as error:
        return _found(error)
    return None


def _of_message(error: Exception) -> Find | None:
    """A refusal is shown to people: it says something, and sends no codes to their terminal."""
    message = str(error).replace("\n", " ")  # YAML's messages have lines
    if message.strip() and is_plain(message):
        return None
    found = _found(error)
    return Find(f"message {message[:40]!a}: {found.place}", found.report)


def is_plain(text: str) -> bool:
    """Whether a text stands on one line and has no codes for the terminal."""
    return not any(unicodedata.category(sign) in ("Cc", "Cs", "Zl", "Zp") for sign in text)


def _found(error: BaseException) -> Find:
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "/tests/fuzz/" not in frame.filename] or frames
    last = own[-1]
    place = f"{type(error).__name__} at {Path(last.filename).name}:{last.lineno}"
    if isinstance(error, BrokenPromise):
        place = str(error).partition(":")[0]
    return Find(place, "".join(traceback.format_exception(error)))


@cache
def scratch() -> Path:
    """A folder in memory, where there is such a file system; removed when the process ends."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    folder = Path(tempfile.mkdtemp(prefix="fuzz-", dir=memory))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def written(data: bytes, name: str) -> Path:
    """A file with that content; the next of that name takes its place."""
    path = scratch() / name
    path.write_bytes(data)
    return path


def files_of(cases: Iterable, kind: str, pattern: str, most_bytes: int) -> Iterator[bytes]:
    """The files of a name in the cases of ``tests.bad_input``, as far as they are small."""
    for case in cases:
        if case.kind != kind:
            continue
        with tempfile.TemporaryDirectory(dir=scratch()) as name:
            folder = Path(name)
            try:
                case.write(folder)
            except OSError:  # not every file system takes every name
                continue
            for path in sorted(folder.rglob(pattern)):
                if path.is_file() and not path.is_symlink():
                    data = path.read_bytes()
                    if len(data) <= most_bytes:
                        yield data


def require(holds: bool, what: str) -> None:
    """Raises BrokenPromise: it does not hold."""
    if not holds:
        raise BrokenPromise(what)
