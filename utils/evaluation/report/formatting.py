"""Numbers and names as people read them."""

from __future__ import annotations

import re

from markupsafe import Markup, escape

from utils.evaluation.analysis import Estimate
from utils.text import one_line

NONE = "–"  # stands for a number that cannot be told
SUSPICIOUS = "suspicious"

# Kind → (name, what it means); the kinds of utils.evaluation.analysis, and labels to look at.
KINDS = {
    "class": ("Wrong class", "in the right place, but called something else"),
    "location": ("Wrong place", "the right class, but the box fits badly (IoU 0.1 to 0.5)"),
    "both": ("Wrong class and place", "called something else, and the box fits badly"),
    "duplicate": ("Found twice", "a second box on an object that has one already"),
    "background": ("Nothing there", "a box where no object is labelled"),
    "missed": ("Missed", "an object that no box explains"),
    SUSPICIOUS: ("Suspicious label", "a confident detection that the label contradicts"),
}


def score(value: float | None, digits: int = 3) -> str:
    """0.888, or a dash for None."""
    return NONE if value is None else f"{value:.{digits}f}"


def interval(estimate: Estimate) -> str:
    """``0.861–0.912``, or nothing where there is no interval."""
    if estimate.low is None or estimate.high is None:
        return ""
    return f"{estimate.low:.3f}–{estimate.high:.3f}"


def signed(value: float | None) -> str:
    """``+0.021``, ``−0.004``, with a real minus; a dash for None."""
    if value is None:
        return NONE
    text = f"{value:+.3f}".replace("-", "−")
    return "0.000" if text in ("+0.000", "−0.000") else text


def percent(share: float | None) -> str:
    """Share → ``87 %``, with "nearly" left to the reader but 100 % and 0 % only where exact."""
    if share is None:
        return NONE
    whole = min(max(round(100 * share), 1), 99) if 0 < share < 1 else round(100 * share)
    return f"{whole}\N{NO-BREAK SPACE}%"


def breakable(name: str) -> Markup:
    """The name as HTML that may break after what joins its parts, rather than inside them."""
    parts = re.split(r"(?<=[-_./])(?=.)", one_line(name))
    return Markup("<wbr>").join(escape(part) for part in parts)
