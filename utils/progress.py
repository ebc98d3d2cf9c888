"""A progress bar for work on many photos; on a terminal only."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from tqdm import tqdm

MANY = 5000  # photos from which on a bar is shown

Item = TypeVar("Item")


def progress(items: Iterable[Item], what: str, count: int) -> Iterable[Item]:
    """``items`` with a bar, where there are many and somebody is looking."""
    if count < MANY:
        return items
    return tqdm(items, what, total=count, unit=" photos", leave=False, disable=None)
