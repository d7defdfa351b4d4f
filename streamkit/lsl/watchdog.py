"""When is silence a stall? After 200 ms, or later where a source usually takes its time."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from statistics import median

import pylsl

WATCHDOG_S = 0.2
"""Silence that is a stall in a stream that usually sends more often."""

USUAL = 2.5
"""A stream may be silent for this many of its usual intervals."""

ONE_S = 0.05
"""What arrives within so long is one arrival: a chunk may be read in several pieces."""

UNKNOWN_S = 1.0
"""Silence that is a stall while nothing is known about a source but its rate."""

_FEWEST, _MOST = 3, 15


class Watchdog:
    """Learns how often a stream sends.

    Parameters
    ----------
    least
        Seconds of silence that are never a stall.
    sfreq
        Nominal rate of the stream in Hz; an irregular stream (0) may be silent for ever.
    clock
        Seconds on the LSL clock.

    Notes
    -----
    The usual interval is the median of the last 15, so one stall teaches nothing. Where 2.5 of it are more than
    `least` they are the limit: a headband that sends twice a second is not stalled between its chunks.
    """

    def __init__(
        self, least: float = WATCHDOG_S, sfreq: float = 0.0, clock: Callable[[], float] = pylsl.local_clock
    ) -> None:
        self._clock = clock
        self._least = max(least, USUAL / sfreq) if sfreq > 0 else math.inf
        self._intervals: deque[float] = deque(maxlen=_MOST)
        self._last: float | None = None
        self._heard = clock()
        self.limit = max(self._least, UNKNOWN_S)

    @property
    def left(self) -> float:
        """Seconds until the present silence is a stall; not positive when it is."""
        return self._heard + self.limit - self._clock()

    def saw(self) -> None:
        """Tell that samples came just now."""
        self._heard = now = self._clock()
        if self._last is None:
            self._last = now
        elif now - self._last >= ONE_S:
            self._learn(now - self._last)
            self._last = now

    def restart(self) -> None:
        """Begin to count anew: what was before says nothing about the source."""
        self._heard = self._clock()
        self._last = None

    def _learn(self, interval: float) -> None:
        self._intervals.append(interval)
        if len(self._intervals) >= _FEWEST:
            self.limit = max(self._least, USUAL * median(self._intervals))
