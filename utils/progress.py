"""A progress bar for work on many photos; on a terminal only."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")


def progress(items: Iterable[Item], what: str, count: int) -> Iterable[Item]:
    """``items`` with a bar on a terminal, where they take longer than half a second."""
    return tqdm(items, what, total=count, unit=" photos", leave=False, delay=0.5, disable=None)
