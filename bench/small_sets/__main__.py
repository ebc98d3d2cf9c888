"""Train for five minutes on each of five small datasets; each has to reach an AP50 above 0.5.

    python -m bench.small_sets

draws the sets where they are missing (``--draw-only`` stops there), trains on each with default
options, scores its test list, appends a line a set to bench/results/small_sets.jsonl and prints a
table. The exit status is 1 when a set, or the rare class of the set that has one, stays at 0.5 or
below. Five minutes are five minutes of a machine that does nothing else.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from bench.small_sets.runs import keep, table, train_and_score
from bench.small_sets.sets import SETS, SmallSet, write_set
from utils.cli import MISSED, OK, option, parse, run

NEEDED = 0.5  # AP50 on the test list, and more


@dataclass(frozen=True)
class SmallSetsConfig:
    """The options of this measurement."""

    only: tuple[str, ...] = option(
        (), help="sets by name instead of all", choices=tuple(SETS), metavar="NAME"
    )
    minutes: float = option(5.0, help="length of each training run", low=0.1)
    out: Path = option(Path("runs/small_sets"), help="folder for the sets and runs", metavar="DIR")
    draw_only: bool = option(False, help="draw what is missing and stop")


def lowest(row: dict, small: SmallSet) -> float:
    """A set's AP50, or that of its rare class where that is lower."""
    by_class = row.get("AP50_by_class", {})
    return min(row["AP50"], by_class[small.rare[0]]) if small.rare else row["AP50"]


def main(argv: list[str]) -> int:
    config = parse(
        SmallSetsConfig, argv, __doc__.split("\n\n")[0], prog="python -m bench.small_sets"
    )
    folder = config.out.resolve()
    chosen = {name: small for name, small in SETS.items() if name in (config.only or SETS)}
    for name, small in chosen.items():
        new = write_set(small, folder / name / "data")
        words = "drawn" if new else "there already"
        print(f"{name}: {small.train} + {small.test} photos, {words} ({small.asks})", flush=True)
    if config.draw_only:
        return OK
    rows = []
    for name, small in chosen.items():
        data, out = folder / name / "data", folder / name
        rows.append(train_and_score(name, small, data, config.minutes, out))
        keep(rows[-1])
    print(table(rows))
    missed = [row["set"] for row in rows if not lowest(row, SETS[row["set"]]) > NEEDED]
    if missed:
        print(f"AP50 is not above {NEEDED}: {', '.join(missed)}")
    return MISSED if missed else OK


if __name__ == "__main__":
    sys.exit(run(main))
