"""Sets of items that are connected directly or in chains: ``UnionFind``."""

from __future__ import annotations

from typing import Generic, TypeVar

Item = TypeVar("Item", int, str)


class UnionFind(Generic[Item]):
    """Disjoint sets. Every item is a set of its own until it is joined with others."""

    def __init__(self) -> None:
        self._parents: dict[Item, Item] = {}

    def find(self, item: Item) -> Item:
        """The smallest item of the set."""
        while (parent := self._parents.get(item, item)) != item:
            self._parents[item] = self._parents.get(parent, parent)  # path splitting
            item = parent
        return item

    def join(self, one: Item, other: Item) -> None:
        """Make one set of the sets of two items."""
        smaller, larger = sorted((self.find(one), self.find(other)))
        self._parents[larger] = smaller
