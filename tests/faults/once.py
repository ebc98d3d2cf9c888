"""``befall``: one fault to one run, what it may do to the run, and the run after it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from .commands import EXPORTS, GET_MAP, MADE_UP_EXPORTS, PREDICT, TRAIN, Command
from .kills import ended_badly
from .outcome import Outcome
from .process import Process
from .whole import broken
from .work import Work


def commands(work: Work) -> list[Command]:
    """One of each kind."""
    found = [GET_MAP, PREDICT, *((TRAIN, EXPORTS[0]) if work.heavy else ())]
    found = [one for one in found if one.module in work.only]
    return [*found, *(MADE_UP_EXPORTS if "export" in work.only else ())]


def befall(
    fault: str,
    command: Command,
    work: Work,
    out: Path,
    *,
    before: Callable[[], None] | None = None,
    during: Callable[[Process], None] | None = None,
    repair: Callable[[], None] | None = None,
    statuses: tuple[int, ...] = (0, 2),
) -> Outcome:
    """Run a command to which something happens, judge how it ends, and run it again.

    Args:
        out: its output folder, which is removed at the end.
        before: called in its process before it starts.
        during: called in this process while it runs.
        repair: called before the next run.
        statuses: with which it may end; one that ends with 0 must have left everything.
    """
    printed = work.printed / f"{fault} {command.name}.txt"
    process = Process(command.call(work, out), printed, before)
    if during:
        during(process)
    losses = judged(process, command, out, statuses) + broken(work.cache)
    process.end()
    if repair:
        repair()
    losses += ended_badly(command, work, out, printed.with_suffix(".again.txt"))
    shutil.rmtree(out, ignore_errors=True)
    return Outcome(fault, command.name, losses)


def judged(
    process: Process, command: Command, out: Path, statuses: tuple[int, ...] = (0, 2)
) -> list[str]:
    """What is wrong with how a run ended, and with its files."""
    status = process.wait()
    text = process.text()
    losses = broken(out) if out.is_dir() else []
    if status is None:
        return [*losses, "hangs"]
    if "Traceback (most recent call last)" in text:
        losses.append(f"a traceback: {text.strip().splitlines()[-1]}")
    if status not in statuses:
        losses.append(f"ends with {status}: {text[-300:]}")
    if status == 2 and not text.strip().splitlines()[-1].startswith("error: "):
        losses.append(f"ends with 2 and no sentence: {text[-300:]}")
    if status == 0 and (lacks := command.lacks(out)):
        losses.append(f"ends with 0, but {lacks}")
    return losses
