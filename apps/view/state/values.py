"""ValueState: predicted quantities beside the recorded ones, over the last seconds."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from apps.view.state.freshness import Freshness
from streamkit.types import FloatArray, Stamps

Trace = deque[tuple[float, NDArray[np.float32]]]
RESOLUTION = 0.01


@dataclass
class ValueState:
    """One predicted trace per label and, where a stream carries the same name, the recorded one.

    Attributes
    ----------
    labels, unit
        Names and unit of the predicted quantities.
    seconds
        How far back the traces reach.
    recorded_names
        Labels for which a recorded trace is being fed, in the order of its columns.
    """

    labels: tuple[str, ...] = ()
    unit: str = ""
    seconds: float = 20.0
    recorded_names: tuple[str, ...] = ()
    freshness: Freshness = field(default_factory=lambda: Freshness(patience=5.0))
    count: int = 0
    _predicted: Trace = field(default_factory=lambda: deque(maxlen=4096), repr=False)
    _recorded: Trace = field(default_factory=lambda: deque(maxlen=4096), repr=False)

    def configure(self, labels: tuple[str, ...], unit: str) -> None:
        """Start anew with other quantities."""
        self.labels, self.unit, self.recorded_names, self.count = labels, unit, (), 0
        self._predicted.clear()
        self._recorded.clear()

    def push(self, values: FloatArray, stamps: Stamps, now: float) -> None:
        """Predicted values ``(n, n_labels)`` and their stamps."""
        self._predicted.extend((float(t), np.array(v, np.float32)) for t, v in zip(stamps, values, strict=True))
        self.count += len(stamps)
        if len(stamps):
            self.freshness.touch(now)

    def push_recorded(self, values: FloatArray, stamps: Stamps) -> None:
        """Recorded values ``(n, n_recorded)``; kept at about 100 Hz."""
        last = self._recorded[-1][0] if self._recorded else -np.inf
        for stamp, value in zip(stamps, values, strict=True):
            if stamp - last >= RESOLUTION * 0.999:
                self._recorded.append((float(stamp), np.array(value, np.float32)))
                last = stamp

    def predicted(self, label: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Stamps and values of one predicted quantity."""
        return _column(self._predicted, self.labels.index(label))

    def recorded(self, label: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Stamps and values of the recorded quantity of that name; empty when there is none."""
        if label not in self.recorded_names:
            return np.empty(0), np.empty(0)
        return _column(self._recorded, self.recorded_names.index(label))

    def newest(self) -> float:
        """Stamp of the newest predicted value; NaN before the first."""
        return self._predicted[-1][0] if self._predicted else float("nan")

    def correlation(self, label: str) -> float:
        """Pearson correlation of predicted and recorded over what is kept; NaN when it cannot be told."""
        t, x = self.predicted(label)
        s, y = self.recorded(label)
        if len(t) < 8 or len(s) < 8:
            return float("nan")
        inside = (t >= s[0]) & (t <= s[-1])
        x, y = x[inside], np.interp(t[inside], s, y)
        if len(x) < 8 or np.std(x) == 0 or np.std(y) == 0:
            return float("nan")
        return float(np.corrcoef(x, y)[0, 1])


def _column(trace: Trace, column: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    stamps = np.array([t for t, _ in trace])
    return stamps, np.array([v[column] for _, v in trace], float)
