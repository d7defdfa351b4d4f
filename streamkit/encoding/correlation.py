"""RunningCorrelation: how well predicted and recorded epochs agree, channel by channel, and how sure that is."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

Array = NDArray[np.float64]

LEAST = 3
"""Fewer epochs than this tell nothing about how much they differ."""


@dataclass(frozen=True)
class Correlation:
    """Pearson correlation of predicted and recorded samples; chance is 0.

    Attributes
    ----------
    r
        ``(n_chans,)`` over all samples of the last `n` epochs; NaN where one side is flat.
    low, high
        95 % interval of `r`: the jackknife over epochs, on Fisher's z. NaN before three epochs.
    n
        How many epochs.
    """

    r: Array
    low: Array
    high: Array
    n: int


class RunningCorrelation:
    """Correlation over the last epochs, epoch by epoch.

    Samples of one epoch depend on each other, so their number says nothing about how sure the correlation is: the
    interval is that of the jackknife, which leaves out one epoch at a time (Efron 1982, ch. 3).

    Parameters
    ----------
    n_chans
        Channels.
    window
        Number of latest epochs that it covers.
    """

    def __init__(self, n_chans: int, window: int = 200) -> None:
        self.n_chans = n_chans
        self._sums: deque[Array] = deque(maxlen=window)
        self._origin: tuple[Array, Array] | None = None

    def add(self, predicted: NDArray[np.floating], recorded: NDArray[np.floating]) -> None:
        """Take in ``(n_times, n_chans)`` of both."""
        x, y = np.asarray(predicted, np.float64), np.asarray(recorded, np.float64)
        # Sums of squares lose their digits far from zero.
        origin = self._origin = self._origin or (x.mean(0), y.mean(0))
        x, y = x - origin[0], y - origin[1]
        n_times = np.full(self.n_chans, float(len(x)))
        self._sums.append(np.stack([n_times, x.sum(0), y.sum(0), (x * x).sum(0), (y * y).sum(0), (x * y).sum(0)]))

    def now(self) -> Correlation:
        """The correlation over the epochs taken in so far."""
        n = len(self._sums)
        nothing = np.full(self.n_chans, np.nan)
        if not n:
            return Correlation(nothing, nothing, nothing, 0)
        each = np.array(self._sums)
        total = each.sum(0)
        r = _correlation(total)
        if n < LEAST:
            return Correlation(r, nothing, nothing, n)
        left_out = _fisher(_correlation(np.moveaxis(total - each, 1, 0)))
        spread = np.sqrt((n - 1) / n * np.square(left_out - left_out.mean(0)).sum(0))
        reach = float(stdtrit(n - 1, 0.975)) * spread
        return Correlation(r, np.tanh(_fisher(r) - reach), np.tanh(_fisher(r) + reach), n)


def _correlation(sums: Array) -> Array:
    """``(6, …)`` sums to r."""
    n, x, y, xx, yy, xy = sums
    flat = 1e-12
    varies_x, varies_y = xx - x * x / n, yy - y * y / n
    flat_x, flat_y = varies_x <= flat * np.maximum(xx, 1e-300), varies_y <= flat * np.maximum(yy, 1e-300)
    with np.errstate(invalid="ignore", divide="ignore"):
        r = (xy - x * y / n) / np.sqrt(varies_x * varies_y)
    return np.where(flat_x | flat_y, np.nan, np.clip(r, -1, 1))


def _fisher(r: Array) -> Array:
    return np.arctanh(np.clip(r, -1 + 1e-12, 1 - 1e-12))
