"""Samples that came before: one sent twice, or a whole chunk sent again."""

from __future__ import annotations

import math
from collections import deque

import numpy as np

from streamkit.types import FloatArray, Mask, Stamps


class Repeats:
    """Remembers the newest samples and recognises them when they come again.

    Parameters
    ----------
    reach
        How many samples back are remembered.

    Attributes
    ----------
    newest
        Largest stamp remembered; only a sample stamped no later can be a repeat.

    Notes
    -----
    The values are not copied: the caller leaves the arrays as they are until `reach` further samples have come.
    """

    def __init__(self, reach: int) -> None:
        self._reach = reach
        self.forget()

    def forget(self) -> None:
        """Remember nothing."""
        self._parts: deque[tuple[Stamps, FloatArray]] = deque()
        self._n_held = 0
        self.newest = -math.inf

    def remember(self, stamps: Stamps, data: FloatArray, newest: float) -> None:
        """Keep samples, `newest` being the largest of their stamps."""
        self._parts.append((stamps, data))
        self._n_held += len(stamps)
        while self._n_held - len(self._parts[0][0]) >= self._reach:
            self._n_held -= len(self._parts.popleft()[0])
        if newest > self.newest:
            self.newest = newest

    def find(self, stamps: Stamps, data: FloatArray) -> Mask:
        """``(n_times,)`` True where stamp and values are those of one of the `reach` samples before."""
        repeated = np.zeros(len(stamps), bool)
        highest = np.maximum.accumulate(np.concatenate(([self.newest], stamps[:-1])))
        suspects = np.flatnonzero(stamps <= highest)
        if not len(suspects):
            return repeated
        parts = [*self._parts, (stamps, data)]
        past = np.concatenate([part for part, _ in parts])
        starts = np.cumsum([0, *(len(part) for part, _ in parts)])
        n_held = len(past) - len(stamps)
        for suspect in suspects.tolist():
            at = n_held + suspect
            begin = max(0, at - self._reach)
            for earlier in (begin + np.flatnonzero(past[begin:at] == past[at])).tolist():
                part = int(np.searchsorted(starts, earlier, side="right")) - 1
                if np.array_equal(parts[part][1][earlier - starts[part]], data[suspect], equal_nan=True):
                    repeated[suspect] = True
                    break
        return repeated
