"""The clock: set back before 1980, and a cache and a run directory that come from the future."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

from .kills import ended_badly
from .once import befall, commands
from .outcome import Outcome
from .work import Work

_YEAR = 366 * 86400


def clocks(work: Work, times: int, seed: int) -> Iterator[Outcome]:
    for command in commands(work):
        out = work.root / "out" / command.name
        yield befall("clock says 1970", command, work, out, before=go_back)
    for command in commands(work):
        out = work.root / "out" / command.name
        losses = ended_badly(command, work, out, work.printed / "future.txt", again=False)
        for folder in (out, work.cache):
            from_the_future(folder)
        losses += ended_badly(command, work, out, work.printed / "future.again.txt")
        yield Outcome("files from the future", command.name, losses)


def go_back() -> None:
    """This process believes that it is 1970."""
    real, off = time.time, time.time()
    time.time = lambda: real() - off
    local = time.localtime
    time.localtime = lambda seconds=None: local(time.time() if seconds is None else seconds)


def from_the_future(folder: Path) -> None:
    later = time.time() + _YEAR
    for path in (folder, *folder.rglob("*")) if folder.is_dir() else ():
        os.utime(path, (later, later))
