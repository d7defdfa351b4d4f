"""When something happened to each of the newest samples."""

from __future__ import annotations

import numpy as np


class SampleTimes:
    """One time per sample for the newest `capacity` samples, written as samples come.

    Parameters
    ----------
    capacity
        Number of samples remembered.
    """

    def __init__(self, capacity: int) -> None:
        self._times = np.full(capacity, np.nan)
        self._written = 0

    def extend(self, n_times: int, time: float) -> None:
        """Give the next `n_times` samples the same time, seconds on the LSL clock."""
        capacity = len(self._times)
        at = self._written % capacity
        self._times[at : at + n_times] = time
        self._times[: max(0, at + n_times - capacity)] = time
        self._written += n_times

    def __getitem__(self, index: int) -> float:
        """Time of sample `index`; NaN when it is forgotten or was not yet written."""
        held = self._written - len(self._times) <= index < self._written
        return float(self._times[index % len(self._times)]) if held else float("nan")
