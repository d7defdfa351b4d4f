"""Robust RMS of a stream of any length: the standard deviation of its noise, hardly moved by the spikes in it.

Source: Quiroga, Nadasdy & Ben-Shaul 2004, Neural Computation 16(8), section 2.2: median(|x|) / 0.6745.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streamkit.preprocess.stage import Samples

NORMAL_MEDIAN = 0.6745
"""Median of the absolute value of a standard normal variable."""

MOST_KEPT = 4096
"""Samples the median is taken over: for normal noise it is then within 2 % of the exact one (one sigma)."""


class RobustRms:
    """Median of abs(x), over 0.6745, of each channel for evenly spaced samples, in memory that does not grow.

    Every sample is kept until `MOST_KEPT` are there, then every second, every fourth, and so on: which ones depends
    on their number alone, so the result is the same whatever the chunks.
    """

    def __init__(self, n_chans: int) -> None:
        self.n = 0
        self._kept: NDArray[np.float32] = np.empty((MOST_KEPT, n_chans), np.float32)
        self._n_kept = 0
        self._stride = 1

    def add(self, data: Samples) -> None:
        """Count the samples of ``(n_times, n_chans)``."""
        at = -self.n % self._stride
        while at < len(data):
            if self._n_kept == MOST_KEPT:
                self._thin_out()
            rows = data[at :: self._stride][: MOST_KEPT - self._n_kept]
            np.abs(rows, out=self._kept[self._n_kept : self._n_kept + len(rows)], casting="same_kind")
            self._n_kept += len(rows)
            at += len(rows) * self._stride
        self.n += len(data)

    @property
    def value(self) -> Samples:
        """``(n_chans,)``; one at least has to be counted."""
        median: Samples = np.median(self._kept[: self._n_kept], axis=0).astype(np.float64)
        return median / NORMAL_MEDIAN

    def _thin_out(self) -> None:
        self._kept[: MOST_KEPT // 2] = self._kept[::2].copy()
        self._n_kept = MOST_KEPT // 2
        self._stride *= 2
