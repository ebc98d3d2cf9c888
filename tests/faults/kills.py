"""``kill -9`` at random moments of a run, from its start to its end."""

from __future__ import annotations

import random
import shutil
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from . import serve
from .commands import EXPORTS, GET_MAP, MADE_UP_EXPORTS, PREDICT, TRAIN, Command
from .outcome import KILL, Outcome
from .process import Process
from .whole import broken, left_over
from .work import Work

_MADE_UP = MADE_UP_EXPORTS[0].module


def kills(work: Work, times: int, seed: int) -> Iterator[Outcome]:
    """``times`` kills of each command: one of each, then the next of each."""
    groups: dict[str, Sequence[Command]] = {one.name: [one] for one in (GET_MAP, PREDICT)}
    if work.heavy:
        groups |= {TRAIN.name: [TRAIN], "export": EXPORTS}
    if "export" in work.only:
        groups |= {MADE_UP_EXPORTS[0].name: MADE_UP_EXPORTS}
    groups = {
        name: group for name, group in groups.items() if group[0].module in (*work.only, _MADE_UP)
    }
    shares = {name: moments(times, f"{seed} {name}") for name in (*groups, serve.NAME)}
    runs = {id(one): Runs(one, work) for group in groups.values() for one in group}
    server = serve.Server(work)
    for i in range(times):
        for name, group in groups.items():
            yield runs[id(group[i % len(group)])].kill(name, i, shares[name][i])
        if "serve" in work.only:
            yield server.kill(shares[serve.NAME][i])


def moments(times: int, seed: str) -> list[float]:
    """Shares of a run, in random order: one in each of as many equal parts of it."""
    rng = random.Random(seed)
    found = [(i + rng.random()) / times for i in range(times)]
    rng.shuffle(found)
    return found


class Runs:
    """Runs of one command, and how long they take."""

    def __init__(self, command: Command, work: Work) -> None:
        self.command, self.work = command, work
        self._seconds: list[float] = []

    def kill(self, name: str, number: int, share: float) -> Outcome:
        """Kill a run after that share of its time, look at the files, and run again."""
        if not self._seconds:
            self._run_whole()
        command, work = self.command, self.work
        out = work.root / "out" / f"{command.name} {number}"
        printed = work.printed / f"{command.name} {number}"
        moment = share * statistics.median(self._seconds[-3:])  # the machine may have other work
        process = Process(command.call(work, out), printed.with_suffix(".txt"))
        process.wait(moment)
        within = not process.ended()
        process.send()
        process.wait()
        losses = [*broken(out), *broken(work.cache)]
        process.end()  # what it started, such as a converter, ends a moment later
        losses = losses or [*broken(out), *broken(work.cache)]
        began = time.monotonic()
        losses += ended_badly(command, work, out, printed.with_suffix(".again.txt"))
        if not command.again:  # otherwise it did only a part of the work
            self._seconds.append(time.monotonic() - began)
        left = len(left_over(out))
        shutil.rmtree(out, ignore_errors=True)
        return Outcome(KILL, name, losses, round(moment, 2), within, left)

    def _run_whole(self) -> None:
        out = self.work.root / "out" / f"{self.command.name} whole"
        began = time.monotonic()
        printed = self.work.printed / f"{self.command.name}.txt"
        losses = ended_badly(self.command, self.work, out, printed, again=False)
        if losses:
            raise RuntimeError("; ".join(losses))
        self._seconds.append(time.monotonic() - began)
        shutil.rmtree(out)


def ended_badly(
    command: Command,
    work: Work,
    out: Path,
    printed: Path,
    *,
    again: bool = True,
    before: Callable[[], None] | None = None,
) -> list[str]:
    """Run a command to its end; sentences on what is wrong with it or with its files."""
    words = command.again if again else ()
    process = Process(command.call(work, out, *words), printed, before)
    status = process.wait()
    process.end()
    if status is None:
        return ["the next run hangs"]
    if status:
        return [f"the next run ends with {status}: {process.text()[-300:]}"]
    lacks = command.lacks(out)
    return [f"the next run ends well, but {lacks}"] if lacks else broken(out)
