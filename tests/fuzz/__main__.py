"""Fuzz the readers of strangers' files and requests with Atheris.

Each target gets --minutes of its own. What it learns is kept in --corpus, and the next run goes on
from there. A row for each target is appended to bench/results/fuzz.jsonl. Exit status 1 where a
promise is broken: the input and the traceback then lie in CORPUS/NAME/finds.
"""

from __future__ import annotations

import argparse
import sys
from importlib.util import find_spec
from pathlib import Path

from bench.common import append_result
from tests.fuzz.target import ROOT
from tests.fuzz.targets import NAMES

FOUND, USAGE_ERROR, INTERRUPTED = 1, 2, 130


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--minutes", type=float, default=30.0, help="of each target (default: 30)")
    parser.add_argument(
        "--target", action="append", choices=NAMES, metavar="NAME",
        help=f"only this one; may be repeated; one of {', '.join(NAMES)}",
    )  # fmt: skip
    parser.add_argument(
        "--corpus", type=Path, default=ROOT / ".fuzz", help="folder that is kept (default: .fuzz)"
    )
    parser.add_argument("--no-results", action="store_true", help="append no rows")
    args = parser.parse_args()
    if not args.minutes > 0:
        parser.error("--minutes: expected more than 0")
    if find_spec("atheris") is None:
        print(
            "error: fuzzing needs Atheris, which runs on Linux and macOS: "
            'pip install --editable ".[dev,fuzz]"',
            file=sys.stderr,
        )
        return USAGE_ERROR

    from tests.fuzz.session import run_target

    finds = 0
    for name in args.target or NAMES:
        result = run_target(name, args.corpus / name, 60 * args.minutes)
        print(result.line(), flush=True)
        finds += len(result.finds)
        if not args.no_results and result.executions:
            append_result("fuzz", result.row())
        if result.interrupted:
            return INTERRUPTED
    return FOUND if finds else 0


if __name__ == "__main__":
    sys.exit(main())
