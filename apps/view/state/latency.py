"""LatencyState: where the milliseconds of recent predictions went."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from apps.view.state.freshness import Freshness

STAGES = ("arrival", "preprocess", "window", "wait", "inference", "publish", "total")
WORDS = {
    "arrival": "in",
    "preprocess": "preprocess",
    "window": "cut",
    "wait": "wait",
    "inference": "model",
    "publish": "out",
}


@dataclass
class LatencyState:
    """The last `window` predictions, in milliseconds per stage."""

    window: int = 600
    ch_names: tuple[str, ...] = STAGES
    freshness: Freshness = field(default_factory=lambda: Freshness(patience=10.0))
    count: int = 0
    _rows: deque[NDArray[np.float64]] = field(default_factory=deque, repr=False)

    def configure(self, ch_names: tuple[str, ...]) -> None:
        """Start anew with the stream's own channel order."""
        self.ch_names, self.count = ch_names, 0
        self._rows.clear()

    def push(self, rows: NDArray[np.float64], now: float) -> None:
        """Add ``(n, n_stages)`` rows in milliseconds."""
        for row in rows:
            self._rows.append(np.array(row, float))
            self.count += 1
        while len(self._rows) > self.window:
            self._rows.popleft()
        if len(rows):
            self.freshness.touch(now)

    def stage(self, name: str) -> NDArray[np.float64]:
        """``(n,)`` milliseconds of one stage, oldest first; empty when the stream has no such channel."""
        if name not in self.ch_names or not self._rows:
            return np.empty(0)
        return np.array(self._rows)[:, self.ch_names.index(name)]

    def median(self, name: str) -> float:
        """Median of one stage in ms; NaN when unknown."""
        return _quantile(self.stage(name), 0.5)

    def percentile(self, name: str, percent: float) -> float:
        """Percentile of one stage in ms; NaN when unknown."""
        return _quantile(self.stage(name), percent / 100)


def _quantile(values: NDArray[np.float64], part: float) -> float:
    finite = values[np.isfinite(values)]
    return float(np.quantile(finite, part)) if len(finite) else float("nan")
