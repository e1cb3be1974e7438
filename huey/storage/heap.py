"""Messages in order, of which the first is taken, and any other one too."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from huey.storage.base import FEW, halve

T = TypeVar("T")


class Heap(Generic[T]):
    """Items by rank, and those of one rank by number.

    All but `items` and `in_order` take no longer for many items than the logarithm of how many
    there are.
    """

    def __init__(self) -> None:
        self._order: list[tuple[float, int]] = []  # a heap; numbers without an item were removed
        self._items: dict[int, T] = {}

    def __len__(self) -> int:
        return len(self._items)

    def push(self, rank: float, number: int, item: T) -> None:
        """Add an item; no number comes twice."""
        heapq.heappush(self._order, (rank, number))
        self._items[number] = item

    def first(self) -> tuple[float, int] | None:
        """Return the rank and the number of the first item, None if there is none."""
        while self._order:
            if self._order[0][1] in self._items:
                return self._order[0]
            heapq.heappop(self._order)
        return None

    def pop(self) -> tuple[float, int, T]:
        """Take the first item, with its rank and number; IndexError if there is none."""
        while True:  # until one is there, or the heap is empty
            rank, number = heapq.heappop(self._order)
            if number in self._items:
                return rank, number, self._items.pop(number)

    def get(self, number: int) -> T | None:
        """Return the item with a number, None if it is not there."""
        return self._items.get(number)

    def remove(self, number: int) -> None:
        """Take the item with a number out."""
        del self._items[number]
        if len(self._order) > 2 * len(self._items) + 100:
            self._order = [place for place in self._order if place[1] in self._items]
            heapq.heapify(self._order)

    def items(self) -> Iterator[tuple[int, T]]:
        """Return the items with their numbers, in any order, as they are now."""
        return iter(list(self._items.items()))

    def about(self, is_earlier: Callable[[T], bool]) -> list[tuple[int, T]]:
        """Return items with their numbers, some of those by which ``is_earlier`` ends to be true.

        By number, and by halving. Those that are out of order are missed.
        """
        if not self._items:
            return []
        first, last = next(iter(self._items)), next(reversed(self._items))
        number = halve(first, last, self._look, is_earlier)
        near = range(number - FEW, number + 2 * FEW)
        return [(n, self._items[n]) for n in near if n in self._items]

    def _look(self, number: int) -> tuple[int, T] | None:
        near = range(number, number + FEW)
        return next(((n, self._items[n]) for n in near if n in self._items), None)

    def in_order(self) -> list[T]:
        """Return the items, the first one first."""
        places = sorted(place for place in self._order if place[1] in self._items)
        return [self._items[number] for _, number in places]

    def clear(self) -> None:
        """Remove all items."""
        self._order.clear()
        self._items.clear()
