"""The longest step between stamps that is jitter, learned from the stream itself."""

from __future__ import annotations

import math
from collections import deque

import numpy as np

from streamkit.types import Stamps

BLOCK_S = 2.0
MEMORY_S = 30.0
RECOVERY_S = 0.25

_BLOCK = (64, 8192)
_RECOVERY = (32, 1024)
_STEADY = 0.38


class StepLimit:
    """How long a step may be before samples are missing.

    A late sample is jitter when the ones behind it catch up, and a loss when they do not. So each block of samples
    teaches the longest lateness that was caught up within `RECOVERY_S`; what follows is measured against the longest
    of the last `MEMORY_S`. Nothing learned yet: the widest limit.

    Parameters
    ----------
    sfreq
        Nominal rate in Hz, which with the number of samples alone says where a block ends.
    period
        Seconds from one stamp to the next at the nominal rate.
    widest
        Limit in seconds beyond which nothing is jitter.

    Attributes
    ----------
    value
        The limit now, in seconds.
    period
        Seconds between samples, as learned.
    room
        How many more samples this limit holds for, at least 1.

    Notes
    -----
    With the learned period p and lateness J the limit is p + max(p/2, 1.3 J, 2.5 J - 0.9 p): half a period in a steady
    stream; tight around jitter of less than a period, so that one lost sample still shows; wide around bursts, where
    one cannot show.
    """

    def __init__(self, sfreq: float, period: float, widest: float) -> None:
        self.value, self.period = widest, period
        self._usual, self._widest = period, widest
        self._block = int(np.clip(round(BLOCK_S * sfreq), *_BLOCK))
        self._reach = int(np.clip(round(RECOVERY_S * sfreq), *_RECOVERY))
        self._seen: Stamps = np.zeros(self._block + self._reach)
        self._n_seen, self.room = 0, self._block
        self._lateness: deque[float] = deque(maxlen=math.ceil(MEMORY_S * sfreq / self._block))

    def learn(self, stamps: Stamps) -> None:
        """Take in the stamps of up to `room` further samples, not corrected for order."""
        self._seen[self._n_seen : self._n_seen + len(stamps)] = stamps
        self._n_seen += len(stamps)
        self.room -= len(stamps)
        if not self.room:
            self._conclude()

    def restart(self) -> None:
        """Begin a new block: what comes next has nothing to do with the stamps so far."""
        self._n_seen, self.room = 0, self._block

    def _conclude(self) -> None:
        seen = self._seen[: self._n_seen]
        self.period, lateness = period_and_lateness(seen, self._usual, self._reach)
        self._lateness.append(lateness)
        longest = max(self._lateness)
        slack = max(0.5 * self.period, 1.3 * longest, 2.5 * longest - 0.9 * self.period)
        self.value = min(self.period + slack, max(self._widest, 1.5 * self.period))
        # A sample late at the end of this block is caught up in the next.
        self._seen[: self._reach] = seen[-self._reach :]
        self._n_seen, self.room = self._reach, self._block


def period_and_lateness(stamps: Stamps, usual: float, reach: int) -> tuple[float, float]:
    """Seconds between samples, and the longest lateness that later samples caught up.

    Parameters
    ----------
    stamps
        ``(n_times,)`` as sent.
    usual
        Period of the nominal rate, in seconds; taken where the stamps are too uneven to tell.
    reach
        Samples within which lateness is caught up.
    """
    steps = stamps[1:] - stamps[:-1]
    typical = max(usual, float(np.median(steps)))
    regular = steps[np.abs(steps - typical) < 0.5 * typical]
    period = float(regular.mean()) if 2 * len(regular) >= len(steps) else typical
    late = steps - period
    longest = float(late.max())
    if longest <= _STEADY * period:
        return period, max(longest, 0.0)
    lateness = np.cumsum(late)
    caught_up = lateness - _lowest_ahead(lateness, reach)
    return period, max(float(np.minimum(late, caught_up).max()), 0.0)


def _lowest_ahead(values: Stamps, reach: int) -> Stamps:
    """Least of each value and those up to `reach` or a little more behind it."""
    lowest = values.copy()
    span = 1
    while span <= reach and span < len(values):
        np.minimum(lowest[:-span], lowest[span:], out=lowest[:-span])
        span *= 2
    return lowest
