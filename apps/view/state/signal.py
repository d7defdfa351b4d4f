"""SignalState: what the signal panel shows, from which channels, at which scale."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from apps.view.state.freshness import Freshness
from apps.view.state.sweep import Sweep
from streamkit.clock import default_max_gap, monotonic
from streamkit.ring import RingBuffer
from streamkit.types import Event, FloatArray, Stamps, StreamSpec

TIME_BASES = (1.0, 2.0, 5.0, 10.0, 20.0, 30.0)
PAGE_SIZES = (4, 8, 16, 32, 64, 128, 256)
RING_VALUES = 2**24
SETTLE = (0.2, 1.0, 3.0)
UNITS = {"microvolts": "µV", "microvolt": "µV", "uV": "µV", "millivolts": "mV", "volts": "V", "": "units"}


def nice(value: float) -> float:
    """The nearest step of the series 1, 2, 5, 10 … that is at least `value`."""
    if not np.isfinite(value) or value <= 0:
        return 1.0
    decade = 10.0 ** np.floor(np.log10(value))
    return float(next((step * decade for step in (1, 2, 5) if step * decade >= value * 0.999), 10 * decade))


class SignalState:
    """Raw samples of the last half minute and how to look at them.

    Parameters
    ----------
    seconds
        Time base: what the width of the sweep stands for.
    page_size
        Channels on one page.
    columns
        Screen columns of the sweep.

    Attributes
    ----------
    spec
        Stream shown; None while there is none.
    version
        Changes whenever everything must be painted anew.
    """

    def __init__(self, seconds: float = 10.0, page_size: int = 32, columns: int = 800) -> None:
        self.seconds = seconds
        self.page_size = page_size
        self.columns = columns
        self.spec: StreamSpec | None = None
        self.version = 0
        self.page = 0
        self.scale = 1.0
        self.auto = True
        self.frozen = False
        self.samples = 0
        self.freshness = Freshness(patience=1.0)
        self.events: deque[Event] = deque(maxlen=512)
        self.event_version = 0
        self.offset: NDArray[np.float32] = np.zeros(1, np.float32)
        self.sweep = Sweep(1, columns, seconds)
        self._ring = RingBuffer(1, 1)
        self._settled = 0
        self._lap = 0

    def configure(self, spec: StreamSpec) -> None:
        """Show another stream, from nothing."""
        self.spec = spec
        rate = spec.sfreq or 100.0
        self.samples, self.page, self.auto, self._settled, self._lap = 0, 0, True, 0, 0
        self.offset = np.zeros(spec.n_chans, np.float32)
        capacity = int(min(rate * TIME_BASES[-1] * 1.2 + 64, max(1024, RING_VALUES // spec.n_chans)))
        self._ring = RingBuffer(capacity, spec.n_chans)
        self.freshness = Freshness(patience=max(1.0, 5 / rate))
        self.rebuild()

    def push(self, data: FloatArray, stamps: Stamps, now: float) -> None:
        """Add samples ``(n_times, n_chans)`` that arrived at wall-clock time `now`."""
        if self.spec is None or len(stamps) == 0:
            return
        previous = self._ring.view(self._ring.written - 1, 1).stamps[0] if self._ring.written else -np.inf
        if stamps[0] < previous - 5.0:
            self.configure(self.spec)
            previous = -np.inf
        stamps = monotonic(stamps, previous)
        data = data[-self._ring.capacity :]
        stamps = stamps[-self._ring.capacity :]
        self._ring.reserve(len(stamps))[:] = data
        self._ring.commit(stamps)
        self.samples += len(stamps)
        self.freshness.touch(now)
        if not self.frozen:
            self.sweep.push(data, stamps)
            self._settle()

    def add_event(self, event: Event) -> None:
        """Mark an instant."""
        self.events.append(event)
        self.event_version += 1

    def forget_events(self, stream: str) -> None:
        """Drop the events that the marker stream of this name told of."""
        self.events = deque((event for event in self.events if event.stream != stream), self.events.maxlen)
        self.version += 1

    def visible_events(self) -> list[tuple[int, str, int]]:
        """Screen column, label and running number of each event on the screen."""
        if self.sweep.head < 0:
            return []
        first = self.event_version - len(self.events)
        found = ((self.sweep.column(event.stamp), event.label, first + k) for k, event in enumerate(self.events))
        return [(column % self.sweep.columns, label, k) for column, label, k in found if self.sweep.visible(column)]

    def resize(self, columns: int) -> None:
        """Use another number of screen columns."""
        if columns != self.columns and columns > 0:
            self.columns = columns
            self.rebuild()

    def rebuild(self) -> None:
        """Decimate what the ring holds again."""
        n_chans = 1 if self.spec is None else self.spec.n_chans
        rate = 0.0 if self.spec is None else self.spec.sfreq
        self.sweep = Sweep(n_chans, self.columns, self.seconds, default_max_gap(rate))
        if self._ring.written and self.spec is not None:
            held = self._ring.view(self._ring.oldest, self._ring.written - self._ring.oldest)
            first = int(np.searchsorted(held.stamps, held.stamps[-1] - self.seconds))
            self.sweep.push(held.data[first:], held.stamps[first:])
        self.version += 1

    @property
    def channels(self) -> slice:
        """Channels on the present page."""
        n_chans = 0 if self.spec is None else self.spec.n_chans
        first = min(self.page * self.page_size, max(0, n_chans - 1))
        return slice(first, min(first + self.page_size, n_chans))

    @property
    def n_pages(self) -> int:
        """Number of pages."""
        return 1 if self.spec is None else max(1, -(-self.spec.n_chans // self.page_size))

    @property
    def unit(self) -> str:
        """Unit as it is written on screen."""
        unit = "" if self.spec is None else self.spec.unit
        return UNITS.get(unit, unit)

    @property
    def centre(self) -> NDArray[np.float32]:
        """``(n_chans,)`` value drawn on each channel's own line: its median when last looked at."""
        return self.offset

    def turn_page(self, step: int) -> None:
        """Go `step` pages on, round and round."""
        self.page = (self.page + step) % self.n_pages
        self.version += 1

    def change_page_size(self, step: int) -> None:
        """More (`step` > 0) or fewer channels on a page."""
        first = self.channels.start
        nearest = int(np.argmin([abs(size - self.page_size) for size in PAGE_SIZES]))
        self.page_size = PAGE_SIZES[int(np.clip(nearest + step, 0, len(PAGE_SIZES) - 1))]
        self.page = min(first // self.page_size, self.n_pages - 1)
        self.version += 1

    def change_scale(self, step: int) -> None:
        """Larger (`step` > 0) or smaller traces: the next step of 1, 2, 5 units per division."""
        steps = [m * 10.0**e for e in range(-9, 10) for m in (1, 2, 5)]
        nearest = int(np.argmin(np.abs(np.log(steps) - np.log(self.scale))))
        self.scale = steps[int(np.clip(nearest - step, 0, len(steps) - 1))]
        self.auto = False
        self.version += 1

    def change_time_base(self, step: int) -> None:
        """Longer (`step` > 0) or shorter time base."""
        nearest = int(np.argmin([abs(seconds - self.seconds) for seconds in TIME_BASES]))
        self.seconds = TIME_BASES[int(np.clip(nearest + step, 0, len(TIME_BASES) - 1))]
        self.rebuild()

    def autoscale(self) -> None:
        """Choose the scale again from what is on screen."""
        self.auto = True
        self._measure()
        self.version += 1

    def freeze(self, frozen: bool) -> None:
        """Hold the picture still; thawing catches up with what came meanwhile."""
        self.frozen = frozen
        if not frozen:
            self.rebuild()

    def _settle(self) -> None:
        """Look at offset and scale again early on, then once per lap of the sweep."""
        age = self.samples / (self.spec.sfreq if self.spec and self.spec.sfreq else 100.0)
        lap = self.sweep.head // self.sweep.columns
        if self._settled < len(SETTLE) and age >= SETTLE[self._settled]:
            self._settled += 1
            self._measure()
            self.version += 1
        elif lap != self._lap and self._drifted():
            self._measure()
            self.version += 1
        self._lap = lap

    def _recent(self) -> NDArray[np.float32]:
        """Up to 2000 finite-or-NaN rows spread over the last few seconds."""
        n_times = min(self._ring.written - self._ring.oldest, int((self.spec.sfreq if self.spec else 0) * 5) or 500)
        rows = self._ring.view(self._ring.written - n_times, n_times).data
        return np.asarray(rows[:: max(1, n_times // 500)], np.float32)

    def _drifted(self) -> bool:
        drift = np.abs(_median(self._recent()) - self.offset)
        return bool(np.any(drift > 0.5 * self.scale))

    def _measure(self) -> None:
        recent = self._recent()
        if not len(recent):
            return
        self.offset = _median(recent)
        if self.auto:
            # The upper quartile over channels: one loose electrode does not flatten all others.
            spread = np.nan_to_num(np.abs(recent - self.offset))
            self.scale = nice(float(np.quantile(np.quantile(spread, 0.95, axis=0), 0.75)) / 0.6)


def _median(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Median of each column, 0 where a column holds nothing finite."""
    finite = np.isfinite(rows)
    if finite.all():
        return np.median(rows, axis=0).astype(np.float32)
    ordered = np.sort(np.where(finite, rows, np.inf), axis=0)
    middle = np.maximum(finite.sum(axis=0) - 1, 0) // 2
    centre = ordered[middle, np.arange(rows.shape[1])]
    return np.where(np.isfinite(centre), centre, 0).astype(np.float32)
