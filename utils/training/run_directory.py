"""The folder of one training run: where its files are, its log, and its table of epochs."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from utils.errors import UserError
from utils.files import atomic_write


class RunDirectory:
    """Paths and small files of a run; ``log`` prints a line and keeps it in ``log.txt``."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.best = path / "best.keras"
        self.last = path / "last.keras"
        self.state = path / "state" / "state.npz"
        self.events = path / "events"
        self.split = path / "split.json"
        self.curves = path / "curves.png"
        self.labels = path / "labels.png"
        self.val_predictions = path / "val_predictions.jpg"

    @classmethod
    def open(cls, path: Path, *, resume: bool) -> RunDirectory:
        """Create the folder, or open the one to resume.

        Raises:
            UserError: it holds files and ``resume`` was not asked for, or it is no folder.
        """
        if path.exists() and not path.is_dir():
            raise UserError(f"--out {path}: is a file, not a folder")
        if not resume and path.is_dir() and any(path.iterdir()):
            raise UserError(
                f"--out {path}: the folder is not empty; give --resume to go on with the run in "
                "it, or another folder"
            )
        path.mkdir(parents=True, exist_ok=True)
        return cls(path)

    def log(self, message: str) -> None:
        print(message, flush=True)
        self.note(message)

    def note(self, message: str) -> None:
        """Into ``log.txt`` only."""
        with open(self.path / "log.txt", "a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(message + "\n")

    def warn(self, message: str) -> None:
        print(f"warning: {message}", file=sys.stderr, flush=True)
        self.note(f"warning: {message}")

    def log_remarks(self, remarks: Sequence[str], shown: int = 5) -> None:
        """All of them into ``log.txt``, the first few onto the terminal."""
        for number, remark in enumerate(remarks):
            (self.log if number < shown else self.note)(f"data: {remark}")
        if len(remarks) > shown:
            self.log(f"data: and {len(remarks) - shown} more remarks, in {self.path / 'log.txt'}")

    def write_config(self, values: dict[str, Any]) -> None:
        with atomic_write(self.path / "config.yaml") as file:
            yaml.safe_dump(values, file, sort_keys=False, allow_unicode=True)

    def write_metrics(self, rows: list[dict[str, Any]]) -> None:
        """``metrics.csv``: one row an epoch, written whole each time."""
        names = list(dict.fromkeys(name for row in rows for name in row))
        text = io.StringIO()
        writer = csv.DictWriter(text, names, lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow({k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()})
        with atomic_write(self.path / "metrics.csv") as file:
            file.write(text.getvalue())


def next_free(folder: Path, name: str) -> Path:
    """``folder/name``, or with -2, -3 … the first that does not exist."""
    path, number = folder / name, 1
    while path.exists():
        number += 1
        path = folder / f"{name}-{number}"
    return path
