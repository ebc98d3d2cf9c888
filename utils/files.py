"""Files and folders: written whole or not at all (``atomic_write``, ``atomic_folder``), known by
content (``content_hash``), names that are still free (``next_free``)."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from utils.errors import UserError

PART = ".part-"  # begins the names of what is being written
MOVED_AWAY = "old"  # in a folder of such a name: what was in the place of what is being written
ABANDONED_S = 86_400.0  # without a change, after which nobody writes there any more


@contextmanager
def atomic_write(path: str | Path, mode: str = "w", *, durable: bool = False) -> Iterator[IO[Any]]:
    """Open a file for writing that appears under its name only once it is complete.

    The content goes to a temporary file in the same folder (created if missing), which is renamed
    over ``path`` when the block ends. If the block raises, the temporary is removed and whatever
    was at ``path`` before is still there.

    Args:
        path: where the file will be.
        mode: ``"w"`` (UTF-8 text, newlines as written) or ``"wb"``.
        durable: also wait until the content is on the disk, so that it survives a power cut.

    Raises:
        RemovedError: the folder was removed while the file was written.
    """
    if mode not in ("w", "wb"):
        raise ValueError(f"atomic_write knows the modes 'w' and 'wb', not {mode!r}")
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # A short prefix: the file's own name plus a suffix could exceed the longest name allowed.
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=PART)
    except FileNotFoundError:
        raise _removed(path) from None
    lock(handle)
    try:
        text = (
            {}
            if "b" in mode
            else {"encoding": "utf-8", "errors": "backslashreplace", "newline": ""}
        )
        with os.fdopen(handle, mode, **text) as file:
            yield file
            if durable:
                file.flush()
                os.fsync(file.fileno())
        os.chmod(temporary, _permissions(path))
        os.replace(temporary, path)
    except BaseException as error:
        if isinstance(error, FileNotFoundError) and error.filename == temporary:
            raise _removed(path) from None
        with suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    if durable:
        _sync_folder(path.parent)


def _removed(path: Path) -> RemovedError:
    return RemovedError(f"{path}: its folder was removed while the file was written; start again")


def lock(handle: int) -> bool | None:
    """Lock an open file until it is closed or the process ends.

    Returns:
        False where another process has it; None where the system has no such locks.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return False if error.errno in (errno.EAGAIN, errno.EACCES) else None
    return True


def remove_abandoned(folder: str | Path) -> None:
    """Remove what processes that were killed have left half written in a folder.

    That is what is named like it, was not touched for a day, and is locked by nobody. What cannot
    be removed stays, as does an earlier export that the next one brings back.
    """
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(PART):
                with suppress(OSError):
                    _remove_if_abandoned(entry)


def _remove_if_abandoned(entry: os.DirEntry) -> None:
    if time.time() - entry.stat(follow_symlinks=False).st_mtime < ABANDONED_S:
        return
    if entry.is_dir(follow_symlinks=False):
        if not os.path.lexists(os.path.join(entry.path, MOVED_AWAY)):
            shutil.rmtree(entry.path, ignore_errors=True)
        return
    remove_unlocked(entry.path)


def remove_unlocked(path: str | Path) -> None:
    """Remove a file, unless a process has it locked, as ``atomic_write`` has what it writes.

    Raises:
        OSError: it cannot be opened or removed.
    """
    flags = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)  # a pipe has no end
    handle = os.open(path, os.O_RDONLY | flags)
    try:
        if lock(handle) is not False:
            os.unlink(path)
    finally:
        os.close(handle)


def _permissions(path: Path) -> int:
    """The mode bits an ordinary ``open`` would have left: the old file's, or the umask's."""
    with suppress(FileNotFoundError):
        return path.stat().st_mode & 0o777
    # Reading the umask means setting it, which is not safe between threads; ask the kernel first.
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("Umask:"):
                return 0o666 & ~int(line.split()[1], 8)
    return 0o644


def _sync_folder(folder: Path) -> None:
    """Flush a rename to the disk, where the system lets a folder be opened."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@contextmanager
def atomic_folder(path: str | Path) -> Iterator[Path]:
    """Fill a new folder that appears under its name only once it is complete.

    The block gets a temporary folder beside ``path``, which is renamed to ``path`` when the block
    ends and removed if it raises.

    Raises:
        UserError: ``path`` is there already and is not an empty folder.
    """
    path = Path(path)
    check_empty(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(dir=path.parent, prefix=PART))
    except FileNotFoundError:
        raise _folder_removed(path) from None
    try:
        folder = beside / "data"  # has the usual permissions, unlike ``beside``
        folder.mkdir()
        yield folder
        check_empty(path)
        if path.is_dir():
            path.rmdir()
        os.rename(folder, path)
    except FileNotFoundError:
        if beside.exists():
            raise
        raise _folder_removed(path) from None
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _folder_removed(path: Path) -> RemovedError:
    return RemovedError(
        f"{path}: the folder around it was removed while it was written; start again"
    )


def check_empty(path: Path) -> None:
    """Raises UserError: there is a file of that name, or a folder that is not empty."""
    if path.is_symlink() or (path.exists() and not path.is_dir()):
        raise UserError(f"{path}: is there already, and is no folder")
    if path.is_dir() and any(path.iterdir()):
        raise UserError(f"{path}: is not empty; name a folder that does not exist yet")


class RemovedError(UserError, OSError):
    """A folder was removed while a file in it was written."""


class TooLargeError(ValueError):
    """A file is larger than a reader takes."""


def read_limited(path: str | Path, most: int) -> bytes:
    """The content of a file from a stranger, which must not be larger than ``most`` bytes.

    Raises:
        ValueError: it is, or it cannot be read; the message says which, without the file's name.
    """
    try:
        # A pipe waits for a writer, and a device is endless.
        if stat.S_IFMT(os.stat(path).st_mode) not in (stat.S_IFREG, stat.S_IFDIR):
            raise ValueError("not an ordinary file")
        with open(path, "rb") as file:
            if os.fstat(file.fileno()).st_size > most:
                raise TooLargeError(f"larger than {most >> 20} MiB")
            return file.read()
    except OSError as error:
        raise ValueError(error.strerror or str(error)) from error


def with_home(text: str | Path) -> Path:
    """The path with ``~`` and ``~user`` replaced by the folder; as it is where nobody is so called,
    as a shell does it."""
    try:
        return Path(text).expanduser()
    except RuntimeError:
        return Path(text)


def check_clock() -> None:
    """Refuse a clock that is not set.

    Raises:
        UserError: the machine's clock is set before 1980, as without a battery. Archives, such as
            checkpoints, cannot hold such a date.
    """
    year = time.localtime().tm_year
    if year < 1980:
        raise UserError(
            f"the clock of this machine says {year}; set it, as checkpoints hold dates from 1980 on"
        )


def content_hash(path: str | Path) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of a file's bytes."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def next_free(folder: Path, name: str) -> Path:
    """``folder/name``, or with -2, -3 … the first that does not exist."""
    path, number = folder / name, 1
    while path.exists():
        number += 1
        path = folder / f"{name}-{number}"
    return path


def check_writable(path: str | Path, where: str) -> None:
    """Find out before long work whether a file can be made; its folder need not exist yet.

    Args:
        path: of the file.
        where: begins the message.

    Raises:
        UserError: the nearest folder above it that exists takes no files.
    """
    folder = Path(path).absolute().parent
    while not os.path.exists(folder):
        folder = folder.parent
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UserError(f"{where}: nothing can be written to {folder}") from error


def check_utf8(path: str | Path, where: str) -> None:
    """Find out whether OpenCV can be given a path or address: on bytes that are no text it crashes.

    Args:
        path: of a video.
        where: begins the message.

    Raises:
        UserError: the path is not in UTF-8.
    """
    try:
        os.fspath(path).encode()
    except UnicodeEncodeError:
        raise UserError(
            f"{where}: its path is not in UTF-8, as that of a video has to be; rename the file or "
            "a folder above it"
        ) from None


def within_bytes(name: str, most: int) -> str:
    """A part of a file name, cut to so many bytes: systems bound names by bytes, not by letters."""
    while name and len(os.fsencode(name)) > most:
        name = name[:-1]
    return name


def size_of(path: str | Path) -> int:
    """Bytes of a file, or of all files in a folder."""
    path = Path(path)
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())
