"""Turns of phrase that notes on data share."""

from __future__ import annotations

from collections.abc import Sequence


def listing(names: Sequence[str], most: int = 8) -> str:
    """The first few names, and a sign that there are more."""
    return ", ".join(names[:most]) + (", …" if len(names) > most else "")
