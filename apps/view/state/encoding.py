"""EncodingState: predicted epochs beside recorded ones, and how well they agree channel by channel."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from apps.view.state.freshness import Freshness
from apps.view.state.montage import Place, places
from streamkit.lsl.epochs import FACTS, MEASURES
from streamkit.types import FloatArray, Stamps

Rows = NDArray[np.float32]
KEPT = 50
"""Epochs that are remembered, and averaged where that is asked for."""


@dataclass(frozen=True, eq=False)
class EpochPair:
    """One epoch, ``(n_times, n_chans)`` on each side."""

    label: str
    predicted: Rows
    recorded: Rows
    valid: bool


@dataclass
class _Side:
    """The newest samples of one stream of epochs."""

    stamps: Stamps = field(default_factory=lambda: np.empty(0))
    rows: Rows = field(default_factory=lambda: np.empty((0, 0), np.float32))

    def push(self, rows: Rows, stamps: Stamps, most: int) -> None:
        self.rows = np.concatenate([self.rows, rows])[-most:] if len(self.rows) else np.array(rows[-most:])
        self.stamps = np.concatenate([self.stamps, stamps])[-most:]

    def ending(self, stamp: float, n_times: int, step: float) -> Rows | None:
        """The newest whole epoch whose last sample has this stamp; None while there is none."""
        for last in np.flatnonzero(np.abs(self.stamps - stamp) < 0.5 * step)[::-1]:
            first = int(last) - n_times + 1
            if first >= 0 and abs(self.stamps[last] - self.stamps[first] - (n_times - 1) * step) < max(step, 0.02):
                return self.rows[first : last + 1].copy()
        return None


@dataclass
class EncodingState:
    """Epochs of the session in view.

    Attributes
    ----------
    ch_names, sfreq, n_times, tmin, unit, labels
        As the session describes its epochs.
    chosen
        Number of the channel that is drawn.
    average
        Draw the mean of the last epochs rather than the newest one.
    r, low, high, chance, n
        Correlation of each channel, its 95 % interval, what predictions for other stimuli get, and the number of epochs
        they cover.
    """

    ch_names: tuple[str, ...] = ()
    sfreq: float = 0.0
    n_times: int = 0
    tmin: float = 0.0
    unit: str = ""
    labels: tuple[str, ...] = ()
    chosen: int = 0
    average: bool = False
    n: int = 0
    count: int = 0
    freshness: Freshness = field(default_factory=lambda: Freshness(patience=10.0))
    places: list[Place | None] = field(default_factory=list, repr=False)
    epochs: deque[EpochPair] = field(default_factory=lambda: deque(maxlen=KEPT), repr=False)

    def __post_init__(self) -> None:
        self._clear()

    def _clear(self) -> None:
        nothing = np.full(len(self.ch_names), np.nan)
        self.r, self.low, self.high, self.chance = nothing, nothing, nothing, nothing
        self._sides = {"predicted": _Side(), "recorded": _Side()}
        self._told: deque[tuple[float, str, bool]] = deque(maxlen=KEPT)
        self._picked = False
        self.n = self.count = 0
        self.epochs.clear()

    def configure(
        self, ch_names: tuple[str, ...], sfreq: float, n_times: int, tmin: float, labels: tuple[str, ...]
    ) -> None:
        """Start anew with the epochs of another session."""
        self.ch_names, self.sfreq, self.n_times = ch_names, sfreq, n_times
        self.tmin, self.labels = tmin, labels
        self.chosen, self.places = 0, places(ch_names)
        self._clear()

    @property
    def ready(self) -> bool:
        """Whether it is known what an epoch is."""
        return bool(self.ch_names and self.n_times and self.sfreq)

    def push_rows(self, side: str, rows: FloatArray, stamps: Stamps) -> None:
        """Samples ``(n, n_chans)`` of the ``"predicted"`` or ``"recorded"`` epochs."""
        if self.ready and len(stamps) and rows.shape[1] == len(self.ch_names):
            self._sides[side].push(np.asarray(rows, np.float32), stamps, (KEPT // 2) * self.n_times)
            self._settle()

    def push_report(self, row: NDArray[np.float64], stamp: float, now: float) -> None:
        """One row of the encoding stream."""
        n_chans = len(self.ch_names)
        if len(row) != len(FACTS) + len(MEASURES) * n_chans:
            return
        facts = dict(zip(FACTS, row.tolist(), strict=False))
        self.r, self.low, self.high, self.chance = np.split(np.array(row[len(FACTS) :], float), len(MEASURES))
        self.n, self.count = int(facts["n"]), self.count + 1
        stimulus = int(facts["stimulus"])
        label = self.labels[stimulus] if 0 <= stimulus < len(self.labels) else ""
        self._told.append((stamp, label, bool(facts["valid"])))
        self.freshness.touch(now)
        self._settle()
        if not self._picked and self.n >= 3:
            self.choose_best()

    def choose(self, channel: int) -> None:
        """Draw this channel from now on."""
        if 0 <= channel < len(self.ch_names):
            self.chosen, self._picked = channel, True

    def turn(self, step: int) -> None:
        """Go `step` channels on, round and round."""
        if self.ch_names:
            self.choose((self.chosen + step) % len(self.ch_names))

    def choose_best(self) -> None:
        """Draw the channel that is predicted best."""
        if np.isfinite(self.r).any():
            self.choose(int(np.nanargmax(self.r)))

    @property
    def times(self) -> NDArray[np.float64]:
        """``(n_times,)`` seconds from the event."""
        return (round(self.tmin * self.sfreq) + np.arange(self.n_times)) / (self.sfreq or 1.0)

    def traces(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Predicted and recorded values of the chosen channel; empty before the first epoch."""
        if not self.epochs:
            return np.empty(0), np.empty(0)
        shown = [pair for pair in self.epochs if pair.valid] or list(self.epochs)
        shown = shown if self.average else [self.epochs[-1]]
        sides = ([getattr(pair, side)[:, self.chosen] for pair in shown] for side in ("predicted", "recorded"))
        predicted, recorded = (np.mean(side, axis=0, dtype=np.float64) for side in sides)
        return predicted, recorded

    @property
    def caption(self) -> str:
        """What the traces are."""
        if not self.epochs:
            return "waiting for an event of a known stimulus"
        if self.average:
            return f"mean of the last {sum(pair.valid for pair in self.epochs)} epochs"
        return self.epochs[-1].label + ("" if self.epochs[-1].valid else "  ·  holds invalid samples")

    def _settle(self) -> None:
        """Take out of the samples the epochs that were told of and have come."""
        step = 1 / self.sfreq if self.sfreq else 1.0
        while self._told:
            stamp, label, valid = self._told[0]
            found = [side.ending(stamp, self.n_times, step) for side in self._sides.values()]
            predicted, recorded = found
            if predicted is None or recorded is None:
                if len(self._told) < 8:
                    return
            else:
                self.epochs.append(EpochPair(label, predicted, recorded, valid))
            self._told.popleft()
