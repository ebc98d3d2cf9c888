"""The output folder: on a full disk, removed while the command runs, and not writable."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from .commands import Command
from .once import befall, commands
from .outcome import Outcome
from .process import Process
from .work import Work

_SMALL = 40 << 10  # bytes of the disk that is full
_NOBODY = 65534


def folders(work: Work, times: int, seed: int) -> Iterator[Outcome]:
    for command in commands(work):
        out = work.root / "out" / command.name
        yield full_disk(command, work)
        yield befall(
            "output folder removed", command, work, out, during=lambda p, out=out: remove(p, out)
        )
        if os.geteuid() == 0:
            closed = work.root / "closed" / command.name
            yield befall(
                "read-only folder", command, work, closed, before=become_nobody, statuses=(2,)
            )


def full_disk(command: Command, work: Work) -> Outcome:
    """On a disk of a few kilobytes; where none can be mounted, no file may grow beyond that."""
    disk = work.root / "disk"
    disk.mkdir(exist_ok=True)
    options = ["-t", "tmpfs", "-o", f"size={_SMALL}", "none", str(disk)]
    mounted = os.geteuid() == 0 and ran(["mount", *options])
    larger = ["mount", "-o", "remount,size=64m", str(disk)]
    try:
        return befall(
            "full disk", command, work, disk / "out", before=None if mounted else small_files,
            repair=(lambda: subprocess.run(larger, check=True)) if mounted else None,
        )  # fmt: skip
    finally:
        if mounted:
            subprocess.run(["umount", str(disk)], check=True)


def ran(words: list[str]) -> bool:
    return subprocess.run(words, capture_output=True).returncode == 0


def small_files() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (_SMALL, _SMALL))


def remove(process: Process, out: Path) -> None:
    """Remove the folder as soon as something is written there."""
    while not process.ended():
        with suppress(OSError):
            if any(out.iterdir()):
                shutil.rmtree(out)
                return
        time.sleep(0.002)


def become_nobody() -> None:
    os.setgroups([])
    os.setgid(_NOBODY)
    os.setuid(_NOBODY)
