"""A part of the work for one of several machines: ``Shard``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple, TypeVar

Item = TypeVar("Item")


class Shard(NamedTuple):
    """Part ``number`` of ``count``, both from 1."""

    number: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        """``3/8`` → the third of eight parts.

        Raises:
            ValueError: it is not written so, or there is no such part.
        """
        found = re.fullmatch(r"(\d{1,9})/(\d{1,9})", text.strip())
        if not found:
            raise ValueError(f"{text!r} is not a part of the work, such as 3/8 (the third of 8)")
        number, count = int(found[1]), int(found[2])
        if not 1 <= number <= count:
            raise ValueError(f"there is no part {number} of {count}; parts are 1 to {count}")
        return cls(number, count)

    def of(self, items: Sequence[Item]) -> Sequence[Item]:
        """The items of this part: neighbours, so that the parts in order are the whole list."""
        return items[
            (self.number - 1) * len(items) // self.count : self.number * len(items) // self.count
        ]

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"
