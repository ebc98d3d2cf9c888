"""Where an export is made before it gets its name, and what a killed process has left there.

``put_in_place`` moves an earlier export out of the way. If the new one never arrives, the earlier
one comes back: at once after an error, and with ``restore_abandoned`` after a kill.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from utils.files import MOVED_AWAY, PART, lock

_NOTE = "made-for"  # name of what is made; locked while its maker lives


@contextmanager
def scratch_folder(out: Path) -> Iterator[Path]:
    """A hidden folder beside ``out``, which is removed when the block ends.

    The folder around ``out`` is made if it is missing. If the block ends with nothing at ``out``,
    an earlier export that ``put_in_place`` has moved away is there again.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=out.parent, prefix=PART))
    try:
        with open(folder / _NOTE, "wb", buffering=0) as note:
            lock(note.fileno())
            note.write(os.fsencode(out.name))
            yield folder
    finally:
        _restore_and_remove(folder, out)


def put_in_place(folder: Path, made: Path, out: Path) -> None:
    """Give ``made``, in the scratch folder, the name ``out``.

    An earlier export there that is a folder makes room first. Where two processes do that at the
    same time, the later export stays.
    """
    while True:
        make_room(folder, out)
        try:
            os.replace(made, out)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        else:  # otherwise another process has put its own there
            return


def make_room(folder: Path, out: Path) -> None:
    """Move an earlier export at ``out``, if it is a folder, into the scratch folder.

    A file needs no room: another one can replace it in one step.
    """
    if out.is_dir():
        moved = folder / MOVED_AWAY
        shutil.rmtree(moved, ignore_errors=True)  # older than what is at ``out``
        try:
            os.rename(out, moved)
        except FileNotFoundError:  # another process has moved it
            if not folder.exists():
                raise


def restore_abandoned(out: Path) -> None:
    """Do what processes could not do that were killed while they made ``out``.

    An earlier export that they moved away comes back, unless there is another one. Their scratch
    folders are removed. Those of living processes stay, as does what cannot be moved or removed.
    Where the system has no locks, nobody knows which those are, and all stay.
    """
    with suppress(OSError):
        for folder in out.parent.glob(f"{PART}*/"):
            with suppress(OSError), open(folder / _NOTE, "r+b") as note:
                if note.read() == os.fsencode(out.name) and lock(note.fileno()):
                    _restore_and_remove(folder, out)


def _restore_and_remove(folder: Path, out: Path) -> None:
    if os.path.lexists(folder / MOVED_AWAY) and not os.path.lexists(out):
        os.rename(folder / MOVED_AWAY, out)
    shutil.rmtree(folder, ignore_errors=True)
