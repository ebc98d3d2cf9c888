"""The folder of one training run: where its files are, its log, and its table of epochs."""

from __future__ import annotations

import csv
import errno
import io
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import yaml
from filelock import FileLock, Timeout

from utils.cli.status import discard
from utils.errors import UserError
from utils.files import atomic_write, check_writable, remove_unlocked
from utils.images import save_image

MAX_BAD_BATCHES = 5
PREVIEW, DOCTOR_PAGE = "preview.jpg", "doctor.html"  # of --preview and --check: no part of a run
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class RunDirectory:
    """Paths and small files of a run. ``log`` prints a line and appends it to ``log.txt``."""

    def __init__(self, path: Path, *, writes: bool = True) -> None:
        self.path, self.writes = path, writes
        self._lock = FileLock(path / ".lock")
        self._events: Any = None
        self._config: dict[str, Any] = {}
        self._locked_file: tuple[int, int] | None = None
        self.best = path / "best.keras"
        self.last = path / "last.keras"
        self.state = path / "state" / "state.npz"
        self.pseudo_labels = path / "state" / "pseudo_labels.json"
        self.events = path / "events"
        self.split = path / "split.json"
        self.curves = path / "curves.png"
        self.labels = path / "labels.png"

    @classmethod
    def open(cls, path: Path, *, resume: bool, writes: bool = True) -> RunDirectory:
        """Create the folder, or open the one to resume, and lock it against other processes.

        Where several hosts train, only the chief ``writes``; on the others every method here does
        nothing. The lock is the system's: it ends with this process, however that ends.

        Raises:
            UserError: it holds files and ``resume`` was not asked for, it is no folder, or
                another process is training in it.
        """
        if not writes:
            return cls(path, writes=False)
        if path.exists() and not path.is_dir():
            raise UserError(f"--out {path}: is a file, not a folder")
        if not resume:
            cls.refuse_used(path)
        path.mkdir(parents=True, exist_ok=True)
        directory = cls(path)
        directory._acquire()
        for part in (*path.glob(".part-*"), *path.glob("state/.part-*")):
            if not part.is_dir():  # folders are of exports, which clear up themselves
                with suppress(OSError):
                    remove_unlocked(part)  # of a process that was killed while it wrote
        return directory

    @staticmethod
    def refuse_used(path: Path) -> None:
        """
        Raises:
            UserError: a new run cannot be made there, as the folder is not empty, or takes no
                files.
        """
        check_writable(path / "any", f"--out {path}")
        ignored_names = {".lock", PREVIEW, DOCTOR_PAGE}
        if path.is_dir() and any(p.name not in ignored_names for p in path.iterdir()):
            has_run = (path / "config.yaml").exists() or (path / "state").exists()
            raise UserError(
                f"--out {path}: the folder is not empty; "
                + (
                    "give --resume to continue the run in it, or another folder"
                    if has_run
                    else "give another folder"
                )
            )

    def close(self) -> None:
        """Unlock the folder."""
        self._lock.release()

    def _recreate_if_removed(self) -> None:
        """Make the folder anew, and lock it, where somebody has removed it.

        Raises:
            UserError: another process has made it anew, and trains there.
        """
        if not self._lock.is_locked or _file_id(self._lock.lock_file) == self._locked_file:
            return
        self._lock.release(force=True)
        self.path.mkdir(parents=True, exist_ok=True)
        self._acquire()
        self._events = None
        self.warn(f"{self.path} was removed while the run was at work; the run goes on there anew")
        if self._config:
            self.write_config(self._config)

    def _acquire(self) -> None:
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise UserError(f"--out {self.path}: another process is training there") from None
        self._locked_file = _file_id(self._lock.lock_file)

    def write_or_warn(self, write: Callable[[], None]) -> bool:
        """Write; where the disk is full, warn and continue.

        The old file is still whole, and the next save tries again.

        Returns:
            Whether it was written.
        """
        self._recreate_if_removed()
        try:
            write()
        except OSError as error:
            if error.errno not in FULL:
                raise
            self.warn(f"nothing could be saved in {self.path}: {os.strerror(error.errno)}")
            return False
        return True

    def log(self, message: str) -> None:
        if self.writes:
            _say(message, sys.stdout)
            self.note(message)

    def note(self, message: str) -> None:
        """Into ``log.txt`` only; a full disk is reported on the terminal."""
        if not self.writes:
            return
        self._recreate_if_removed()
        log = self.path / "log.txt"
        try:
            with open(log, "a", encoding="utf-8", errors="backslashreplace") as file:
                file.write(message + "\n")
        except OSError as error:
            if error.errno not in FULL:
                raise
            _say(f"warning: {log}: {os.strerror(error.errno)}", sys.stderr)

    def warn(self, message: str) -> None:
        _say(f"warning: {message}", sys.stderr)
        self.note(f"warning: {message}")

    def log_remarks(self, remarks: Sequence[str], shown: int = 5) -> None:
        """All remarks into ``log.txt``, the first few also onto the terminal."""
        for number, remark in enumerate(remarks):
            (self.log if number < shown else self.note)(f"data: {remark}")
        if len(remarks) > shown:
            self.log(f"data: and {len(remarks) - shown} more remarks, in {self.path / 'log.txt'}")

    def save(self, name: str, write: Callable[[Path], None]) -> bool:
        """Call ``write`` with the path of that file. Returns whether the disk had space."""
        return not self.writes or self.write_or_warn(lambda: write(self.path / name))

    def save_picture(self, name: str, picture: np.ndarray | None) -> None:
        """Save uint8 (H, W, 3) as a JPEG file; None is no picture."""
        if picture is not None:
            self.save(name, lambda path: save_image(path, picture))

    def save_bad_batch(self, step: int, batch: Sequence[Any]) -> Path | None:
        """Save images, boxes and class ids of the first few bad batches for inspection."""
        folder = self.path / "bad_batches"
        if not self.writes or (folder.is_dir() and len(list(folder.iterdir())) >= MAX_BAD_BATCHES):
            return None
        path = folder / f"step_{step}.npz"
        images, boxes, class_ids = map(np.asarray, batch)

        def write() -> None:
            with atomic_write(path, "wb") as file:
                np.savez_compressed(file, images=images, boxes=boxes, class_ids=class_ids)

        return path if self.write_or_warn(write) else None

    def write_events(self, method: Callable[..., None], *values: Any) -> None:
        """Call a method of ``TensorBoardWriter``; a full disk is a warning."""
        if not self.writes:
            return
        import tensorflow as tf

        from utils.training.reporting import TensorBoardWriter

        try:
            self._events = self._events or TensorBoardWriter(self.events)
            method(self._events, *values)
        except tf.errors.OpError as error:  # TensorFlow's own name for a full disk
            self.warn(f"nothing could be written for TensorBoard: {error.message[:200]}")

    def write_config(self, values: dict[str, Any]) -> None:
        if not self.writes:
            return
        self._config = values
        with atomic_write(self.path / "config.yaml") as file:
            yaml.safe_dump(values, file, sort_keys=False, allow_unicode=True)

    def write_metrics(self, rows: list[dict[str, Any]]) -> None:
        """``metrics.csv``: one row an epoch, written whole each time."""
        if not self.writes:
            return
        names = list(dict.fromkeys(name for row in rows for name in row))
        text = io.StringIO()
        writer = csv.DictWriter(text, names, lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow({k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()})
        with atomic_write(self.path / "metrics.csv") as file:
            file.write(text.getvalue())


def _file_id(path: str) -> tuple[int, int] | None:
    """What tells a file from a later one of the same name; None where there is none."""
    with suppress(OSError):
        status = os.stat(path)
        return status.st_dev, status.st_ino
    return None


def _say(message: str, stream: TextIO) -> None:
    """Print; the output may be a file on the disk that is full, or a pipe that nobody reads."""
    try:
        print(message, file=stream, flush=True)
    except BrokenPipeError:  # as behind ``| head``; the log is a file, and the run goes on
        discard(stream)
    except OSError as error:
        if error.errno not in FULL:
            raise
