"""Warmth: the way from a sample to a prediction, walked once just before it counts.

Code and memory that rest for 50 ms between two predictions are cold when they are needed: caches, address translation
and branch prediction have been used by others, and the processor has slept. The same preprocessing and network take
about twice as long as in a tight loop. A source that sends at a steady pace makes the next chunk foreseeable, so a
twin of the pipeline, with samples of its own, walks the same way a few milliseconds before; what it says goes nowhere.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np
import pylsl

from streamkit.pipeline import Pipeline
from streamkit.types import Chunk, StreamSpec, Window

LEARN = 16
"""Chunks looked at before the pace of a source is known, and after which it is looked at again."""

EARLIER = 2.5
"""A rehearsal begins this many times its own length before the chunk is expected: it must be over by then."""

LONGEST = 0.4
"""Largest part of the time between two chunks that a rehearsal may take."""

RETRY = 200
"""Opportunities left out after rehearsals proved too long, before another is tried."""


class Pace:
    """When the next chunk of a source is to be expected.

    Attributes
    ----------
    period
        Seconds between chunks; NaN while it is not known or not steady.
    size
        Usual number of samples in a chunk.
    """

    def __init__(self) -> None:
        self.period = np.nan
        self.size = 0
        self._last = np.nan
        self._seen = 0
        self._intervals: deque[float] = deque(maxlen=2 * LEARN)
        self._sizes: deque[int] = deque(maxlen=2 * LEARN)

    def saw(self, arrival: float, n_times: int) -> None:
        """Take note of a chunk of `n_times` samples that came at `arrival`, seconds on the LSL clock."""
        if not np.isnan(self._last):
            self._intervals.append(arrival - self._last)
            self._sizes.append(n_times)
        self._last = arrival
        self._seen += 1
        if self._seen % LEARN == 0:
            self._learn()

    @property
    def expected(self) -> float:
        """When the next chunk should come, seconds on the LSL clock; NaN when nobody can say."""
        return self._last + self.period

    def _learn(self) -> None:
        early, usual, late = np.quantile(self._intervals, (0.1, 0.5, 0.9))
        self.period = float(usual) if late - early < 0.3 * usual else np.nan
        self.size = int(np.median(self._sizes))


class Warmth:
    """Keeps a pipeline warm.

    Parameters
    ----------
    twin
        A pipeline like the one that decodes, with the same runner, cutting a window now and then.
    spec
        The stream it takes.
    missing
        Processed samples that the decoding pipeline lacks for its next window; None when nobody can say.
    clock
        Seconds on the LSL clock.

    Attributes
    ----------
    pace
        To be told of every chunk.
    rehearsals
        How often the way was walked.
    """

    def __init__(
        self,
        twin: Pipeline,
        spec: StreamSpec,
        missing: Callable[[], int | None],
        clock: Callable[[], float] = pylsl.local_clock,
    ) -> None:
        self.pace = Pace()
        self.rehearsals = 0
        self._twin, self._spec, self._missing, self._clock = twin, spec, missing, clock
        self._noise = np.random.default_rng(0).standard_normal((4096, spec.n_chans)).astype(np.float32)
        self._per_raw = twin.out.sfreq / spec.sfreq
        self._done_for: float = np.nan
        self._left_out: int = 0
        self._written = 0
        self._window: Window | None = None
        while self._window is None:
            self._walk(256)
        self._lengths: deque[float] = deque([self._walk(1) for _ in range(3)], maxlen=8)

    def pause(self) -> float | None:
        """Seconds until the way should be walked; None when no window is due with the next chunk, or time is short."""
        expected = self.pace.expected
        if expected == self._done_for or np.isnan(expected):
            return None
        missing = self._missing()
        if missing is None or missing > self.pace.size * self._per_raw:
            return None
        length = float(np.median(self._lengths))
        if length > LONGEST * self.pace.period and self._left_out < RETRY:
            self._left_out += 1
            return None
        until = expected - EARLIER * length - self._clock()
        return max(until, 0.0) if until > -length else None

    def rehearse(self) -> None:
        """Walk the way once."""
        self._done_for = self.pace.expected
        self._left_out = 0
        self._lengths.append(self._walk(self.pace.size))
        self.rehearsals += 1

    def _walk(self, n_times: int) -> float:
        began = self._clock()
        n_times = min(n_times, len(self._noise))
        stamps = (self._written + np.arange(n_times)) / self._spec.sfreq
        windows = self._twin.windows(Chunk(self._noise[:n_times], stamps, self._written, arrival=began))
        self._written += n_times
        self._window = windows[-1] if windows else self._window
        if self._window is not None:
            self._twin.infer(self._window)
        return self._clock() - began
