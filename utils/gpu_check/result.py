"""``Result``: what a check found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"

Row = dict[str, str | float]


class CheckFailed(Exception):
    """A check cannot go on: a process of it failed, or said what it should not have said."""


@dataclass(frozen=True)
class Result:
    """What a check found.

    Attributes:
        name: of the check.
        outcome: ``PASSED``, ``FAILED`` or ``SKIPPED``.
        summary: a sentence: what was compared and with which tolerance, why it failed, or why it
            was skipped.
        table: figures, a row for each thing that was measured; all rows have the same columns.
        seconds: that it took.
    """

    name: str
    outcome: str
    summary: str
    table: tuple[Row, ...] = ()
    seconds: float = 0.0


def judged(name: str, good: bool, summary: str, table: Sequence[Row] = ()) -> Result:
    """A result that is passed where it is good, otherwise failed."""
    return Result(name, PASSED if good else FAILED, summary, tuple(table))


def skipped(name: str, reason: str) -> Result:
    """A check that there is nothing for."""
    return Result(name, SKIPPED, reason)
