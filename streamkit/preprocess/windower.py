"""Windower: windows of processed samples as they come, every hop or locked to events."""

from __future__ import annotations

import dataclasses
import math
from bisect import bisect_right
from dataclasses import dataclass

import numpy as np

from streamkit import clock
from streamkit.preprocess.fill import Filler
from streamkit.preprocess.sample_times import SampleTimes
from streamkit.preprocess.window import WindowConfig, check_window, event_sample
from streamkit.ring import RingBuffer
from streamkit.types import Chunk, Event, FloatArray, Mask, StreamSpec, Window

PIECE = 1024
"""Samples taken in at once; a longer chunk is taken in pieces."""

HISTORY_BYTES = 1 << 28
"""Most that is kept of processed samples for late markers: 2 s of 1024 channels at 30 kHz, 30 s of 1024 at 2 kHz."""


@dataclass(slots=True)
class _Pending:
    event: Event
    order: int
    at: int | None = None  # index of its sample, once known


class Windower:
    """Cuts windows from processed samples as they come; keeps a history for markers that come late.

    Parameters
    ----------
    spec
        The processed stream (`Preprocessor.out`).
    config
        What to cut.
    history
        Seconds of processed samples kept for late markers; fewer where they would take more than `HISTORY_BYTES`.
    speed
        How many times faster than at the rate of `spec` a replay sends: stamps lie that much closer.

    Attributes
    ----------
    counts
        ``"decoded"`` windows given; ``"gap"`` left out over a gap; ``"late"`` for an event that needed samples
        no longer held or from before the stream's start; ``"no_sample"`` for an event in a gap or far after the
        end; ``"incomplete"`` when the stream ended within the window.
    capacity
        Processed samples held.

    Notes
    -----
    Window data may be a view into the ring: one that samples complete stays right until about `history` seconds more
    have been pushed, one that a late event completes is no view. Windows of one call come in the order of
    their event's sample.
    """

    def __init__(self, spec: StreamSpec, config: WindowConfig, history: float = 30.0, speed: float = 1.0) -> None:
        check_window(spec, config)
        self.config = config
        self._sfreq, self._speed = spec.sfreq, speed
        self._place(spec.sfreq)
        held = min(math.ceil(history * spec.sfreq), HISTORY_BYTES // (4 * spec.n_chans))
        self.capacity = max(held, self._last - self._first) + PIECE
        self._ring = RingBuffer(self.capacity, spec.n_chans)
        self._arrivals = SampleTimes(self.capacity)
        self._filler = Filler(config, spec.sfreq * speed)
        self._stamp = np.nan
        self._gaps: list[int] = []  # indices of the samples that follow the gaps a window may still lie at
        self._gaps_before = 0
        self._hop_start = 0
        self._pending: list[_Pending] = []
        self._n_events = 0
        self.counts = {"decoded": 0, "gap": 0, "late": 0, "no_sample": 0, "incomplete": 0}

    def push(self, chunk: Chunk) -> list[Window]:
        """Take in processed samples; returns the windows they complete."""
        chunk = self._filler.fill(self._with_gaps(chunk))
        if len(chunk) <= PIECE:
            return self._push_piece(chunk)
        pieces = (_part(chunk, slice(first, first + PIECE)) for first in range(0, len(chunk), PIECE))
        # The next piece may overwrite what a view shows.
        return [window.owned() for piece in pieces for window in self._push_piece(piece)]

    def push_event(self, event: Event) -> list[Window]:
        """Take in an event; returns its window at once when all its samples are there already."""
        if not self.config.matches(event.label):
            return []
        self._pending.append(_Pending(event, self._n_events))
        self._n_events += 1
        # A marker that comes late may need the oldest samples held: the next ones overwrite them.
        return [window.owned() for window in self._event_windows(final=False)]

    def invalidate(self, since: float) -> None:
        """Mark the samples stamped `since` or later as invalid: windows cut from now on will say so."""
        held = self._ring.view(self._ring.oldest, self._ring.written - self._ring.oldest)
        self._ring.invalidate(held.first + int(np.searchsorted(held.stamps, since)))

    def finish(self) -> list[Window]:
        """Resolve the waiting events now that no more samples will come."""
        windows = self._event_windows(final=True)
        self.counts["incomplete"] += len(self._pending)
        self._pending.clear()
        return windows

    def _place(self, sfreq: float) -> None:
        """Offsets from the event's sample (event mode) or the window's start (hop mode)."""
        self._start = round(self.config.tmin * sfreq)
        self._stop = self._start + self.config.n_times
        baseline = self.config.baseline
        self._baseline = None if baseline is None else (round(baseline[0] * sfreq), round(baseline[1] * sfreq))
        edges = (self._start, self._stop, *(self._baseline or ()))
        self._newest = max(edges) - 1
        # The event's own sample counts: a gap between it and the window would shift the window in time.
        self._first = min(edges) if self.config.mode == "hop" else min(*edges, 0)
        self._last = max(edges) if self.config.mode == "hop" else max(*edges, 1)

    @property
    def written(self) -> int:
        """Samples taken in so far, those made up in gaps included: `Window.last` counts these."""
        return self._ring.written

    def _with_gaps(self, chunk: Chunk) -> Chunk:
        if not len(chunk):
            return chunk
        before, self._stamp = self._stamp, float(chunk.stamps[-1])
        if chunk.gap is not None:
            return chunk
        gap = clock.gaps(chunk.stamps, before, clock.default_max_gap(self._sfreq) / self._speed)
        return dataclasses.replace(chunk, gap=gap)

    def _push_piece(self, chunk: Chunk) -> list[Window]:
        if not len(chunk):
            return []
        self._count_gaps(chunk)
        self._ring.write(chunk)
        self._arrivals.extend(len(chunk), chunk.arrival)
        return self._hop_windows() if self.config.mode == "hop" else self._event_windows(final=False)

    def _count_gaps(self, chunk: Chunk) -> None:
        if chunk.gap is None or not chunk.gap.any():
            return
        gone = bisect_right(self._gaps, self._ring.oldest)
        self._gaps_before += gone
        self._gaps = self._gaps[gone:] + (self._ring.written + np.flatnonzero(chunk.gap)).tolist()

    @property
    def missing(self) -> int | None:
        """Samples still to come until the next window is whole; None when no window is in sight."""
        if self.config.mode == "hop":
            return self._hop_start + self.config.n_times - self._ring.written
        ends = [pending.at + self._last for pending in self._pending if pending.at is not None]
        return min(ends) - self._ring.written if ends else None

    def _hop_windows(self) -> list[Window]:
        windows = []
        while self._hop_start + self.config.n_times <= self._ring.written:
            windows += self._cut(self._hop_start, None)
            self._hop_start += self.config.hop or self.config.n_times
        return windows

    def _event_windows(self, final: bool) -> list[Window]:
        if not self._pending:
            return []
        self._pending = [p for p in self._pending if self._possible(p, final)]
        ready = [p for p in self._pending if self._complete(p)]
        self._pending = [p for p in self._pending if not self._complete(p)]
        ready.sort(key=lambda p: (p.at, p.event.stamp, p.order))
        return [window for p in ready if p.at is not None for window in self._cut(p.at, p.event)]

    def _complete(self, pending: _Pending) -> bool:
        return pending.at is not None and pending.at + self._last <= self._ring.written

    def _possible(self, pending: _Pending, final: bool) -> bool:
        """Whether the event has or may yet get a window; looks for its sample, and counts it when not."""
        if pending.at is not None:
            return True
        oldest = self._ring.oldest
        stamps = self._ring.view(oldest, self._ring.written - oldest).stamps
        at = event_sample(stamps, pending.event.stamp, self._sfreq, self._speed, final=final)
        if at is None:
            return True
        if at == clock.NO_SAMPLE:
            before = len(stamps) > 0 and pending.event.stamp < stamps[0]
            return self._never("late" if before else "no_sample")
        # The sample before the oldest one held might have been nearer.
        if at + self._first < 0 or (at == 0 and oldest > 0):
            return self._never("late")
        pending.at = oldest + at
        return True

    def _never(self, why: str) -> bool:
        self.counts[why] += 1
        return False

    def _cut(self, at: int, event: Event | None) -> list[Window]:
        span = self._ring.view(at + self._first, self._last - self._first)
        crosses = bool(span.gap is not None and span.gap[1:].any())
        if crosses and self.config.gaps != "flag":
            self.counts["gap"] += 1
            return []
        part = self._ring.view(at + self._start, self._stop - self._start)
        rows, mask, valid = _rows(part)
        if self._baseline is not None:
            first, stop = self._baseline
            before, _, before_valid = _rows(self._ring.view(at + first, stop - first))
            rows = (rows - before.mean(axis=0, dtype=np.float64)).astype(np.float32)
            valid = valid and before_valid
        self.counts["decoded"] += 1
        last = at + self._newest
        stamp = float(self._ring.view(last, 1).stamps[0])
        gaps = self._gaps_before + bisect_right(self._gaps, last)
        arrival, valid = self._arrivals[last], valid and not crosses
        return [Window(rows, stamp, last, valid, event, arrival, mask, gaps=gaps, stamps=part.stamps)]


def _rows(part: Chunk) -> tuple[FloatArray, Mask | None, bool]:
    """Values, which samples are valid (None for all), and whether all are."""
    valid = part.valid is None or bool(part.valid.all())
    return part.data, None if valid else part.valid, valid


def _part(chunk: Chunk, part: slice) -> Chunk:
    return Chunk(
        chunk.data[part],
        chunk.stamps[part],
        chunk.first + (part.start or 0),
        None if chunk.valid is None else chunk.valid[part],
        None if chunk.gap is None else chunk.gap[part],
        arrival=chunk.arrival,
    )
