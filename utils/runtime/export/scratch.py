"""Where an export is made before it gets its name, and what a killed process has left there.

``make_room`` moves an earlier export out of the way. If the new one never arrives, the earlier one
comes back: at once after an error, and with ``restore_abandoned`` after a kill.
"""

from __future__ import annotations

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
    an earlier export that ``make_room`` has moved away is there again.
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


def make_room(folder: Path, out: Path) -> None:
    """Move an earlier export at ``out``, if it is a folder, into the scratch folder.

    A file needs no room: another one can replace it in one step.
    """
    if out.is_dir():
        os.rename(out, folder / MOVED_AWAY)


def restore_abandoned(out: Path) -> None:
    """Do what processes could not do that were killed while they made ``out``.

    An earlier export that they moved away comes back, unless there is another one. Their scratch
    folders are removed. Those of living processes stay, as does what cannot be moved or removed.
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
