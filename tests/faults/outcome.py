"""``Outcome``: what came of one fault; the table of many."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

KILL = "kill -9"


@dataclass(frozen=True)
class Outcome:
    """What came of one fault.

    Attributes:
        fault: its kind.
        command: that it befell.
        losses: what was broken or lost, as sentences; none where all is well.
        moment_s: seconds from the start of the command to the fault; None where that says nothing.
        within: whether the command was still at work then.
        left_over: hidden files that a killed process left, after the next run.
    """

    fault: str
    command: str
    losses: list[str] = field(default_factory=list)
    moment_s: float | None = None
    within: bool = True
    left_over: int = 0


def summed(outcomes: Iterable[Outcome]) -> list[dict]:
    """One row for each fault and command, in the order in which they came."""
    groups: dict[tuple[str, str], list[Outcome]] = {}
    for one in outcomes:
        groups.setdefault((one.fault, one.command), []).append(one)
    return [
        {
            "fault": fault,
            "command": command,
            "times": len(same),
            "while_at_work": sum(one.within for one in same),
            "losses": sum(bool(one.losses) for one in same),
            "left_over": sum(one.left_over for one in same),
        }
        for (fault, command), same in groups.items()
    ]


def markdown(rows: Iterable[dict]) -> Iterator[str]:
    """The lines of a table of ``summed`` rows."""
    yield "| fault | command | times | while at work | losses |"
    yield "|---|---|---|---|---|"
    for row in rows:
        yield (
            f"| {row['fault']} | {row['command']} | {row['times']} | {row['while_at_work']} | "
            f"{row['losses'] or 'none'} |"
        )
