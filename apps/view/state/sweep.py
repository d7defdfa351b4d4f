"""The oscilloscope sweep: samples become one minimum and one maximum per screen column, once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streamkit.types import FloatArray, Stamps

Columns = NDArray[np.int64]


class Sweep:
    """Min-max decimation of a stream onto the columns of a screen that is written over and over.

    Parameters
    ----------
    n_chans
        Number of channels.
    columns
        Number of screen columns.
    seconds
        Time that the whole width stands for.
    max_gap
        Longest step between stamps, in seconds, that is joined by a line; anything longer is a gap.

    Attributes
    ----------
    lo, hi
        ``(columns, n_chans)`` extremes of each column, joined to the sample before it; NaN where there is none.
    gap
        ``(columns,)`` True where samples are missing.
    head
        Absolute column of the newest sample; -1 before the first. Column ``c`` lies at ``c % columns``.
    """

    def __init__(self, n_chans: int, columns: int, seconds: float, max_gap: float = np.inf) -> None:
        self.columns = columns
        self.seconds = seconds
        self.max_gap = max_gap
        self.lo = np.full((columns, n_chans), np.nan, np.float32)
        self.hi = np.full((columns, n_chans), np.nan, np.float32)
        self.gap = np.zeros(columns, bool)
        self.head = -1
        self._origin = np.nan
        self._last_stamp = np.nan
        self._last = np.full(n_chans, np.nan, np.float32)
        self._clean = -1

    @property
    def rate(self) -> float:
        """Columns per second."""
        return self.columns / self.seconds

    def column(self, stamp: float) -> int:
        """Absolute column at which something stamped `stamp` lies; meaningless before the first sample."""
        return int(np.floor((stamp - self._origin) * self.rate))

    def visible(self, column: int) -> bool:
        """True when the absolute column has been drawn and not yet drawn over."""
        return max(-1, self.head - self.columns) < column <= self.head

    def push(self, data: FloatArray, stamps: Stamps) -> None:
        """Add samples ``(n_times, n_chans)`` whose stamps never decrease."""
        if len(stamps) == 0:
            return
        if np.isnan(self._origin):
            self._origin = float(stamps[0])
        recent = int(np.searchsorted(stamps, stamps[-1] - self.seconds * (1 - 1 / self.columns)))
        data, stamps = data[recent:], stamps[recent:]
        at = np.floor((stamps - self._origin) * self.rate).astype(np.int64)
        broken = np.diff(stamps, prepend=self._last_stamp) > self.max_gap
        starts = np.flatnonzero(np.diff(at, prepend=at[0] - 1) | broken)
        self._fill(np.asarray(data, np.float32), at, starts, broken[starts])
        self._last_stamp = float(stamps[-1])

    def take_dirty(self, ahead: int = 0) -> Columns:
        """Screen columns that changed since the last call, and `ahead` more after the newest."""
        first = max(self._clean, self.head - self.columns + 1, 0)
        self._clean = self.head
        return np.arange(first, min(self.head + ahead, first + self.columns - 1) + 1) % self.columns

    def _fill(self, data: NDArray[np.float32], at: Columns, starts: Columns, broken: NDArray[np.bool_]) -> None:
        ends = np.append(starts[1:], len(data)) - 1
        lo, hi = np.fmin.reduceat(data, starts), np.fmax.reduceat(data, starts)
        before = np.vstack([self._last[None], data[ends[:-1]]])
        joined = ~broken[:, None]
        lo = np.where(joined, np.fmin(lo, before), lo)
        hi = np.where(joined, np.fmax(hi, before), hi)
        targets = at[starts]
        merged = bool(self.head == targets[0])
        if merged:
            screen = targets[0] % self.columns
            lo[0], hi[0] = np.fmin(lo[0], self.lo[screen]), np.fmax(hi[0], self.hi[screen])
        self._bridge(targets, broken, before, data[starts])
        screen_columns = targets % self.columns
        self.lo[screen_columns], self.hi[screen_columns] = lo, hi
        self.gap[screen_columns[merged:]] = False
        self.head = int(targets[-1])
        self._last = data[-1].copy()

    def _bridge(
        self, targets: Columns, broken: NDArray[np.bool_], before: NDArray[np.float32], after: NDArray[np.float32]
    ) -> None:
        """Fill columns between samples: with the line that joins them, or as a gap."""
        previous = np.concatenate([[self.head if self.head >= 0 else targets[0]], targets[:-1]])
        for k in np.flatnonzero(targets - previous > 1):
            span = int(targets[k] - previous[k])
            between = np.arange(max(previous[k] + 1, targets[k] - self.columns + 1), targets[k])
            screen = between % self.columns
            if broken[k]:
                self.lo[screen] = self.hi[screen] = np.nan
                self.gap[screen] = True
                continue
            part = ((between - previous[k]) / span)[:, None].astype(np.float32)
            right = before[k] + part * (after[k] - before[k])
            left = right - (after[k] - before[k]) / span
            self.lo[screen], self.hi[screen] = np.minimum(left, right), np.maximum(left, right)
            self.gap[screen] = False
