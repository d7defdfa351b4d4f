"""When the next sample is due, and how late it may be before samples are missing: learned from the stream itself."""

from __future__ import annotations

import math
from collections import deque

import numpy as np

from streamkit.types import Stamps

BLOCK_S = 2.0
MEMORY_S = 30.0
RECOVERY_S = 0.25
LEAK = 0.02

_BLOCK = (256, 8192)
_RECOVERY = (32, 1024)
_JITTER, _BURST, _BEND = 1.5, 2.5, 0.75
_STEADY = 0.5 / _BURST


class Pace:
    """The schedule of a stream, and how far it may fall behind.

    A sample is due one period after the one before, or after the time that one was due if it came early: so a burst
    may be followed by a pause. The schedule is a hair too fast (`LEAK`), or a wrong period would add up. How late a
    sample may be is learned: lateness is jitter when the samples behind it catch up, and a loss when they do not. Each
    block of samples teaches the longest lateness that was caught up within `RECOVERY_S`; what follows is measured
    against the longest of the last `MEMORY_S`.

    Parameters
    ----------
    sfreq
        Nominal rate in Hz, which with the number of samples alone says where a block ends.
    period
        Seconds from one stamp to the next at the nominal rate.
    widest
        Longest step in seconds that may be jitter; every one may until the first block is over.

    Attributes
    ----------
    period
        Seconds between samples, as learned.
    slack
        Seconds that a sample may be late.
    room
        How many more samples these hold for, at least 1.

    Notes
    -----
    With the learned period p and lateness J the slack is max(p/2, 1.5 J, 2.5 J - 0.75 p): half a period in a steady
    stream; tight around jitter of less than a period, so that one lost sample still shows; wide around bursts, where
    one cannot show.
    """

    def __init__(self, sfreq: float, period: float, widest: float) -> None:
        self.period, self.slack = period, widest - period
        self._usual, self._widest = period, widest
        self._block = int(np.clip(round(BLOCK_S * sfreq), *_BLOCK))
        self._reach = int(np.clip(round(RECOVERY_S * sfreq), *_RECOVERY))
        self._lateness: deque[float] = deque(maxlen=math.ceil(MEMORY_S * sfreq / self._block))
        # Stamps of this block, behind the last ones of the block before.
        self._seen: Stamps = np.zeros(self._reach + self._block)
        self._ramp: Stamps = np.zeros(0)
        self.restart()
        self._set_ramp()

    @property
    def limit(self) -> float:
        """A step up to this long is never too late."""
        return self.period + self.slack

    def restart(self) -> None:
        """Begin a new block: what comes next has nothing to do with the stamps so far."""
        self._start = self._n_seen = self._reach
        self._late_before: Stamps = np.zeros(0)
        self.room = self._block
        self._due = -math.inf  # when the first sample of the block was due, by the schedule

    def lateness(self, stamps: Stamps) -> Stamps:
        """How many seconds each of up to `room` further samples comes after it was due; 0 for the first of all."""
        at = self._n_seen - self._reach
        ahead = np.empty(len(stamps) + 1)
        np.subtract(stamps, self._ramp[at : at + len(stamps)], out=ahead[1:])
        known = self._seen[self._reach : self._n_seen] - self._ramp[:at]
        ahead[0] = max(self._due, float(known.max()) if at else -math.inf)
        late: Stamps = ahead[1:] - np.maximum.accumulate(ahead)[:-1] - (self.period - self._step)
        if ahead[0] == -math.inf:
            late[0] = 0.0
        return late

    def learn(self, stamps: Stamps) -> None:
        """Take in the stamps of up to `room` further samples, not corrected for order."""
        self._seen[self._n_seen : self._n_seen + len(stamps)] = stamps
        self._n_seen += len(stamps)
        self.room -= len(stamps)
        if not self.room:
            self._conclude()

    def _conclude(self) -> None:
        stamps = self._seen[self._reach :].copy()
        self._n_seen = self._reach
        late = np.concatenate((self._late_before, self.lateness(stamps)))
        due = max(self._due, float((stamps - self._ramp).max())) + self._ramp[-1]
        seen = self._seen[self._start :]
        self.period = period_of(seen, self._usual)
        self._lateness.append(caught_up(seen, late, self.period, self._reach))
        longest = max(self._lateness)
        slack = max(0.5 * self.period, _JITTER * longest, _BURST * longest - _BEND * self.period)
        self.slack = min(slack, max(self._widest - self.period, 0.5 * self.period))
        self._set_ramp()
        # What the schedule runs ahead by is never more than the longest burst there can be.
        self._due = min(due, float(stamps.max()) + self._widest) + self._step
        # A sample late at the end of this block is caught up in the next.
        self._late_before = late[-self._reach :]
        self._start = self._reach - len(self._late_before)
        self._seen[self._start : self._reach] = seen[len(seen) - len(self._late_before) :]
        self.room = self._block

    def _set_ramp(self) -> None:
        self._step = self.period * (1 - LEAK)
        self._ramp = self._step * np.arange(self._block, dtype=np.float64)


def period_of(stamps: Stamps, usual: float) -> float:
    """Mean step between stamps that is neither a burst's nor a gap's; around `usual` where too few are even."""
    steps = stamps[1:] - stamps[:-1]
    typical = max(usual, float(np.median(steps)))
    regular = steps[np.abs(steps - typical) < 0.5 * typical]
    return float(regular.mean()) if 2 * len(regular) >= len(steps) else typical


def caught_up(stamps: Stamps, late: Stamps, period: float, reach: int) -> float:
    """Longest lateness, in seconds, that samples up to `reach` behind caught up."""
    if float(late.max()) <= _STEADY * period:
        return max(float(late.max()), 0.0)
    behind = stamps - stamps[0] - period * np.arange(len(stamps))
    recovered = behind - _lowest_ahead(behind, reach)
    return max(float(np.minimum(late, recovered).max()), 0.0)


def _lowest_ahead(values: Stamps, reach: int) -> Stamps:
    """Least of each value and those up to `reach` or a little more behind it."""
    lowest = values.copy()
    span = 1
    while span <= reach and span < len(values):
        np.minimum(lowest[:-span], lowest[span:], out=lowest[:-span])
        span *= 2
    return lowest
