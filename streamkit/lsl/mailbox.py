"""A bounded queue from the decoding thread to the writing one."""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")

MOST_ITEMS = 1 << 16
MOST_BYTES = 1 << 28


class Mailbox(Generic[T]):
    """What one thread puts in without ever waiting, and another takes out.

    Parameters
    ----------
    item_bytes
        Memory that one item takes, so that no more than `MOST_BYTES` pile up.

    Attributes
    ----------
    lost
        Items that found it full.
    """

    def __init__(self, item_bytes: int = 1) -> None:
        self._most = max(16, min(MOST_ITEMS, MOST_BYTES // max(1, item_bytes)))
        self._items: deque[T] = deque()
        self.lost = 0

    def put(self, item: T) -> None:
        """Add an item; one that finds the box full is counted and left out."""
        if len(self._items) < self._most:
            self._items.append(item)
        else:
            self.lost += 1

    def take(self, most: int) -> list[T]:
        """Remove up to `most` items, oldest first; an empty list when there are none."""
        return [self._items.popleft() for _ in range(min(most, len(self._items)))]
