"""The part of a recording that can repeat without a jump in the stamps of any steady stream."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamkit.clock import TIE_S
from streamkit.errors import ConfigError
from streamkit.recording.clip import clip_markers, clip_signal
from streamkit.recording.model import Recording, Signal
from streamkit.types import Stamps

COVERS = 0.9
"""A stream decides where the loop turns when it covers this much of the longest one; it may lose the rest at most."""

EXACT = 1e-3
"""A turn within this part of a sample's period has no jump."""


@dataclass(frozen=True)
class Loop:
    """What repeats.

    Attributes
    ----------
    recording
        The part that is played each time.
    period
        Seconds from one time to the next, on the recording's clock.
    pauses
        Names of steady streams too short to fill the period: they have a gap at every turn.
    """

    recording: Recording
    period: float
    pauses: tuple[str, ...]


@dataclass(frozen=True)
class _Grid:
    """The corrected stamps of a steady signal from the loop's beginning to where its next sample would be."""

    stamps: Stamps
    step: float

    @classmethod
    def of(cls, signal: Signal) -> _Grid:
        stamps, step = signal.whole().stamps, 1 / signal.spec.sfreq
        return cls(np.append(stamps, stamps[-1] + step), step)

    @property
    def span(self) -> float:
        return float(self.stamps[-1] - self.stamps[0])

    def since(self, begin: float) -> _Grid:
        return replace(self, stamps=self.stamps[self.stamps.searchsorted(begin - TIE_S) :])

    def off(self, periods: Stamps) -> NDArray[np.float64]:
        """How far, in samples, each of `periods` after the first sample is from the nearest sample."""
        turns = self.stamps[0] + periods
        return np.asarray(np.abs(self.stamps[self.nearest(turns)] - turns) / self.step)

    def nearest(self, turns: Any) -> Any:
        after = np.clip(np.searchsorted(self.stamps, turns), 1, len(self.stamps) - 1)
        return np.where(turns - self.stamps[after - 1] < self.stamps[after] - turns, after - 1, after)


def loop_of(recording: Recording) -> Loop | None:
    """Find the longest part that repeats without a jump; None where there is no steady signal.

    It begins where every steady signal has begun, and ends where, in each of them, the next sample lies as near as can
    be to the place of the first sample of the next turn: exactly there for steady stamps of rates with a common
    period. Streams without a rate, and markers, are cut to the same part.

    Raises
    ------
    ConfigError
        When the steady signals have too little in common.
    """
    steady = [signal for signal in recording.signals if signal.spec.sfreq > 0 and len(signal.stamps) > 1]
    if not steady:
        return None
    grids = {id(signal): _Grid.of(signal) for signal in steady}
    longest = max(grid.span for grid in grids.values())
    grids = {key: grid for key, grid in grids.items() if grid.span >= COVERS * longest}
    begin = max(float(grid.stamps[0]) for grid in grids.values())
    grids = {key: grid.since(begin) for key, grid in grids.items()}
    period = _period(recording, list(grids.values()))
    signals = tuple(
        _turn(signal, grids[id(signal)], period) if id(signal) in grids else clip_signal(signal, begin, begin + period)
        for signal in recording.signals
    )
    markers = tuple(clip_markers(stream, begin, begin + period) for stream in recording.markers)
    pauses = tuple(signal.spec.name for signal in steady if id(signal) not in grids)
    return Loop(replace(recording, signals=signals, markers=markers), period, pauses)


def _period(recording: Recording, grids: Sequence[_Grid]) -> float:
    """The longest period that fits all grids exactly, or the one that fits best."""
    if min(len(grid.stamps) for grid in grids) < 2:
        raise ConfigError(
            f"{recording.meta.name}: its signals lie one after the other, so no part of it can repeat with all of "
            "them. Choose a part with --from and --to, or replay it without --loop."
        )
    longest = min(float(grid.stamps[-1] - grid.stamps[0]) for grid in grids)
    slowest = max(grids, key=lambda grid: grid.step)
    periods = (slowest.stamps - slowest.stamps[0])[:0:-1]
    periods = periods[(periods <= longest + TIE_S) & (periods >= COVERS * longest)]
    if not len(periods):
        periods = np.array([longest])
    off = np.max([grid.off(periods) for grid in grids], axis=0)
    exact = np.flatnonzero(off <= EXACT + TIE_S / min(grid.step for grid in grids))
    best = exact[0] if len(exact) else np.argmin(off + 1 - periods / longest)
    return float(periods[best])


def _turn(signal: Signal, grid: _Grid, period: float) -> Signal:
    """The samples of one turn: up to, not including, the one that the first of the next turn replaces."""
    first = len(signal.stamps) + 1 - len(grid.stamps)
    last = first + max(int(grid.nearest(grid.stamps[0] + period)), 1)
    return replace(signal, data=signal.data[first:last], stamps=signal.stamps[first:last])
