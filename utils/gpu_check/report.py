"""The report in Markdown, to be read and to be pasted into a bug report."""

from __future__ import annotations

import time
from collections.abc import Sequence

from utils.gpu_check.machine import host, versions
from utils.gpu_check.plan import Plan
from utils.gpu_check.result import FAILED, PASSED, Result
from utils.gpu_check.session import Session
from utils.text import counted

STAND_IN = (
    "**No GPU was found: the checks ran on the CPU, with two logical CPU devices where two are "
    "needed. That shows that the commands work, and says nothing of a GPU.**"
)
_MARKS = {PASSED: "passed", FAILED: "**FAILED**"}


def report(session: Session, results: Sequence[Result], seconds: float) -> str:
    """The report on the checks so far."""
    failed = [result.name for result in results if result.outcome == FAILED]
    lines = [
        "# GPU check",
        "",
        *([STAND_IN, ""] if session.stand_in else []),
        f"{counted(len(results), 'check')} in {seconds / 60:.1f} minutes, "
        + (f"{len(failed)} failed: {', '.join(failed)}." if failed else "none failed."),
        "",
        f"- {time.strftime('%Y-%m-%d')}, {host()}",
        f"- {versions()}",
        *built_lines(session),
        f"- {plan_text(session.plan)}",
        "",
        "| check | outcome | s |",
        "|---|---|--:|",
        *(outcome_line(result) for result in results),
    ]
    for result in results:
        lines += ["", f"## {result.name}: {result.outcome}", "", capitalised(result.summary)]
        if result.table:
            lines += ["", *table(result.table)]
    return "\n".join(lines) + "\n"


def outcome_line(result: Result) -> str:
    """A row of the first table."""
    mark = _MARKS.get(result.outcome, result.outcome)
    return f"| {result.name} | {mark} | {result.seconds:.0f} |"


def built_lines(session: Session) -> list[str]:
    """What TensorFlow was built for; nothing before it was asked."""
    built = session.__dict__.get("machine", {}).get("built for", {})
    words = ", ".join(f"{name.removesuffix('_version')} {value}" for name, value in built.items())
    return [f"- TensorFlow was built for {words}"] if words else []


def plan_text(plan: Plan) -> str:
    """What was trained, in a line."""
    return (
        f"{plan.backbone} ({plan.backbone_weights} weights) at {plan.input_size}×{plan.input_size} "
        f"on {plan.train} generated road scenes, batches of {plan.batch}"
    )


def table(rows: Sequence[dict[str, str | float]]) -> list[str]:
    """Lines of a Markdown table; columns of numbers are right-aligned."""
    names = list(rows[0])
    numbers = {n: all(isinstance(row[n], int | float) for row in rows) for n in names}
    return [
        f"| {' | '.join(names)} |",
        f"|{'|'.join('--:' if numbers[name] else '---' for name in names)}|",
        *(f"| {' | '.join(cell(row[name]) for name in names)} |" for row in rows),
    ]


def cell(value: str | float) -> str:
    """A value as it may stand in a table."""
    return " ".join(str(value).split()).replace("|", "\\|")


def capitalised(sentence: str) -> str:
    """With a capital and a full stop."""
    return f"{sentence[:1].upper()}{sentence[1:]}" + ("" if sentence.endswith(".") else ".")
