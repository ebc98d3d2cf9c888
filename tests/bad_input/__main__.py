"""``python -m tests.bad_input --out DIR [--kind KIND …] [--table]``; exit status 1 where a promise
is broken."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from . import (
    configurations,
    http_requests,
    images,
    json_labels,
    lists,
    videos,
    voc_xml,
    weights,
    yolo,
)  # fmt: skip
from .case import Case, content, encoded, picture
from .commands import COMMANDS, import_for
from .run import Outcome, run_case, snapshot

SOURCES = {
    "image": images, "voc": voc_xml, "list": lists, "classes": lists, "coco": json_labels,
    "label-studio": json_labels, "detections": json_labels, "yolo": yolo,
    "configuration": configurations, "video": videos, "request": http_requests,
    "weights": weights, "tensorflow-weights": weights,
}  # fmt: skip
_SMALL = {"weights": 1_000_000}  # bytes; of other kinds:
_SMALL_FILE = 300_000


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bad_input", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="new folder")
    parser.add_argument("--kind", action="append", choices=COMMANDS, help="default: all")
    parser.add_argument("--case", help="only cases with this in their name")
    parser.add_argument(
        "--quick", action="store_true", help="small files, and the first command of each kind"
    )
    parser.add_argument("--table", action="store_true", help="run the commands on every case")
    given = parser.parse_args()
    root = given.out.resolve()
    inputs = root / "input"
    inputs.mkdir(parents=True)
    kinds = given.kind or list(COMMANDS)
    cases = list(written(inputs, kinds, given.case or ""))
    print(f"{inputs}: {len(cases)} cases")
    if not given.table:
        return 0
    before, work = snapshot(inputs), root / "work"
    work.mkdir()
    os.chdir(work)  # where a hostile file would leave its canary
    os.environ["EFFICIENT_YOLO3_CACHE"] = str(root / "cache")
    outcomes = []
    for kind in kinds:
        started = time.monotonic()
        found = list(outcomes_of(kind, cases, root, quick=given.quick))
        outcomes += found
        print_table(kind, found, time.monotonic() - started)
    broken = sum(bool(one.broken) for one in outcomes)
    stray = [*set(snapshot(inputs).items()) ^ set(before.items()), *snapshot(work).items()]
    for path, _ in stray:
        print(f"BROKEN: written outside the output folder: {path}")
    promises = broken + len(stray)
    print(f"{len(cases)} cases, {len(outcomes)} runs, {promises} broken promises")
    return 1 if broken or stray else 0


def written(inputs: Path, kinds: list[str], part: str) -> Iterator[Case]:
    """Write the cases; those that come back no longer hold their files."""
    for source in dict.fromkeys(SOURCES[kind] for kind in kinds):
        for case in source.cases():
            if case.kind not in kinds or part not in case.name:
                continue
            folder = inputs / case.kind / case.name
            folder.mkdir(parents=True)
            case.write(folder)
            if case.kind in ("image", "video"):
                content(encoded(picture(seed=9), "PNG"), "good.png")(folder)
            yield replace(case, write=content(b"", ""))


def outcomes_of(kind: str, cases: list[Case], root: Path, *, quick: bool) -> Iterator[Outcome]:
    import_for(kind)
    for case in cases:
        folder = root / "input" / kind / case.name
        if case.kind != kind or (quick and bytes_in(folder) > _SMALL.get(kind, _SMALL_FILE)):
            continue
        calls = {
            name: call
            for name, call in COMMANDS[kind].items()
            if name in (case.uses or COMMANDS[kind])
        }
        for number, (command, call) in enumerate(list(calls.items())[: 1 if quick else None]):
            out = root / "output" / kind / case.name / str(number)
            found = run_case(case, command, call, folder, out)
            if found.broken:
                print(f"{kind} {case.name}, {command}: {found.broken}", file=sys.stderr)
            yield found


def bytes_in(folder: Path) -> int:
    return sum(size for size, _ in snapshot(folder).values())


def print_table(kind: str, outcomes: list[Outcome], seconds: float) -> None:
    """A line for each case and command; commands that do the same share one."""
    lines: dict[tuple[str, str, str], list[Outcome]] = {}
    for one in outcomes:
        lines.setdefault((one.case.name, one.words.partition(":")[0], one.broken), []).append(one)
    for (name, _, broken), same in lines.items():
        commands = ", ".join(one.command for one in same)
        words = same[0].words.replace("\n", " ")[:160]
        print(f"{'BROKEN' if broken else '      '} {kind} {name} | {commands} | {broken} {words}")
    most = max((one.memory for one in outcomes), default=0) / 2**20
    longest = max((one.seconds for one in outcomes), default=0)
    print(
        f"{kind}: {len({one.case.name for one in outcomes})} cases, {len(outcomes)} runs, "
        f"{seconds:.0f} s, at most {most:.0f} MiB and {longest:.1f} s"
    )


if __name__ == "__main__":
    sys.exit(main())
