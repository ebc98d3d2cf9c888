"""``python -m tests.faults --out DIR [--kind KIND …] [--times N]``; exit status 1 where something
is lost. Ctrl-C ends it with the table of what was done."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

from .outcome import Outcome, markdown, summed
from .work import NAMES, Work

Provoke = Callable[[Work, int, int], Iterator[Outcome]]
KINDS = ("kills", "folders", "clocks", "others")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="new folder, a few megabytes")
    parser.add_argument("--kind", action="append", choices=KINDS, help="default: all")
    parser.add_argument("--times", type=int, default=20, help="kills of each command; default: 20")
    parser.add_argument("--seed", type=int, default=0, help="of the moments; default: 0")
    parser.add_argument("--minutes", type=float, help="of each kind, at most")
    parser.add_argument(
        "--command", action="append", choices=NAMES, help="that faults befall; default: all"
    )
    parser.add_argument("--light", action="store_true", help="without train and export")
    parser.add_argument("--record", action="store_true", help="append to bench/results")
    given = parser.parse_args()
    work = Work(given.out.resolve(), heavy=not given.light, only=tuple(given.command or NAMES))
    work.prepare()
    os.chdir(work.root)
    began, outcomes, stopped = time.monotonic(), [], False
    try:
        for kind in given.kind or KINDS:
            for one in provoker(kind)(work, given.times, given.seed):
                outcomes.append(one)
                moment = "" if one.moment_s is None else f" after {one.moment_s:.2f} s"
                lost = "; ".join(one.losses) or "nothing lost"
                print(f"{one.fault}, {one.command}{moment}: {lost}", flush=True)
                if given.minutes and time.monotonic() - began > 60 * given.minutes:
                    break
    except KeyboardInterrupt:
        stopped = True
        print("stopped; what was done so far:")
    rows = summed(outcomes)
    print(*markdown(rows), sep="\n")
    lost = sum(row["losses"] for row in rows)
    print(f"{len(outcomes)} faults, {lost} with losses, {time.monotonic() - began:.0f} s")
    if given.record:
        from bench.common import append_result

        for row in rows:
            append_result("faults", {**row, "seed": given.seed})
    return 1 if lost else 130 if stopped else 0


def provoker(kind: str) -> Provoke:
    """The function that provokes the faults of a kind; its module imports the commands."""
    return getattr(import_module(f"tests.faults.{kind}"), kind)


if __name__ == "__main__":
    sys.exit(main())
