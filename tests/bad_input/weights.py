"""Weights files of every runtime."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from .case import Case
from .checkpoints import checkpoints
from .exports import exports


def cases() -> Iterator[Case]:
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", f"{__package__}.sound_weights", folder], check=True)
        yield from exports(Path(folder))
        yield from checkpoints(Path(folder) / "sound.keras")
