"""Numbers, intervals and kinds of errors as text, for the table, the summary and the report."""

from __future__ import annotations

from utils.evaluation.schema import Difference, Estimate

NONE = "–"  # for a number that cannot be computed

# Error kind → (name, what it means).
ERROR_NAMES = {
    "class": ("Wrong class", "right place (IoU at least 0.5), wrong class"),
    "location": ("Poor localization", "right class, but the box fits badly (IoU 0.1 to 0.5)"),
    "both": ("Class and localization", "wrong class, and the box fits badly"),
    "duplicate": ("Duplicate", "a second box on an object that is already found"),
    "background": ("Background", "a box where no object is labelled"),
    "missed": ("Missed", "an object that no box explains"),
}


def score(value: float | None, digits: int = 3) -> str:
    """0.888; a dash for None. Scores below 0, which some detectors give, get a real minus."""
    return NONE if value is None else f"{value:z.{digits}f}".replace("-", "−")


def interval(estimate: Estimate) -> str:
    """``0.861–0.912``, or nothing where there is no interval."""
    if estimate.low is None or estimate.high is None:
        return ""
    return f"{estimate.low:.3f}–{estimate.high:.3f}"


def signed(value: float | None) -> str:
    """``+0.021`` or ``−0.004``, with a real minus; a dash for None."""
    if value is None:
        return NONE
    text = f"{value:+.3f}".replace("-", "−")
    return "0.000" if text in ("+0.000", "−0.000") else text


def percent(share: float | None) -> str:
    """Share → ``87 %``; 100 % and 0 % only where exact."""
    if share is None:
        return NONE
    whole = min(max(round(100 * share), 1), 99) if 0 < share < 1 else round(100 * share)
    return f"{whole}\N{NO-BREAK SPACE}%"


def verdict(difference: Difference) -> str:
    """Whether a difference is significant."""
    if difference.more_than_luck is None:
        return "too few photos to tell"
    if not difference.more_than_luck:
        return "not significant (95 %)"
    return "significantly better" if difference.value > 0 else "significantly worse"
