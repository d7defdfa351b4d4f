"""Activity in bands of frequency that its rate can hold.

The paper filters counts of 100 ms at edges of 2 and 10 Hz; ten bins a second hold nothing from 5 Hz on. So the counts
are made anew with the same window every 20 ms (50 Hz, 221 samples of 4.5 s) for this analysis alone, or there is one
edge at 2 Hz. An edge at or above half the rate is an error. A window of 100 ms itself damps what is fast: it passes
nothing at 10 Hz.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from streamkit.errors import ConfigError, require

Array = NDArray[np.floating]
Band = tuple[float | None, float | None]
WIDTH, HOP = 0.1, 0.02
"""Seconds of a window, and from one to the next."""
ORDER = 4
BANDS: Mapping[str, Band] = {"below 2 Hz": (None, 2.0), "2 to 10 Hz": (2.0, 10.0), "above 10 Hz": (10.0, None)}
"""The paper's edges; they need a rate above 20 Hz."""
SLOW_BANDS: Mapping[str, Band] = {"below 2 Hz": (None, 2.0), "above 2 Hz": (2.0, None)}
"""What ten bins a second can hold."""


def bands_for(sfreq: float) -> Mapping[str, Band]:
    """The paper's bands where the rate holds them, those below them otherwise."""
    return BANDS if sfreq > 20 else SLOW_BANDS


def rebin(counts: Array, sfreq: float, width: float = WIDTH, hop: float = HOP) -> Array:
    """Counts in overlapping windows.

    Parameters
    ----------
    counts
        ``(n, n_bins, n_sites)`` in short bins that do not overlap.
    sfreq
        Short bins per second.

    Returns
    -------
    ndarray
        ``(n, n_windows, n_sites)``, one window every `hop` seconds; the first begins with the first bin.

    Raises
    ------
    ConfigError
        When window and hop are no whole number of bins, or the trial is shorter than a window.
    """
    size, step = width * sfreq, hop * sfreq
    if any(abs(value - round(value)) > 1e-6 or round(value) < 1 for value in (size, step)):
        raise ConfigError(
            f"bins of {1 / sfreq:g} s do not make windows of {width:g} s every {hop:g} s: give counts in bins of "
            f"{hop:g} s or of a whole fraction of it"
        )
    if counts.shape[1] < round(size):
        raise ConfigError(f"a trial of {counts.shape[1] / sfreq:g} s is shorter than a window of {width:g} s")
    windows = np.lib.stride_tricks.sliding_window_view(counts, round(size), axis=1)[:, :: round(step)]
    return np.asarray(windows.sum(-1), np.float32)


def in_band(X: Array, sfreq: float, band: Band, order: int = ORDER) -> Array:
    """Activity with only one band left, by a Butterworth filter forwards and backwards; not for what runs live.

    Parameters
    ----------
    X
        ``(n, n_bins, n_sites)``.
    band
        Lower and upper edge, Hz; None where there is none.

    Raises
    ------
    ConfigError
        When an edge is not above 0 and below half the rate, the edges are in the wrong order, or a trial is too short.
    """
    edges = [edge for edge in band if edge is not None]
    for edge in edges:
        if not 0 < edge < sfreq / 2:
            raise ConfigError(
                f"a band edge of {edge:g} Hz cannot be had at {sfreq:g} bins per second: it must be below "
                f"{sfreq / 2:g} Hz, half of them. Count in overlapping windows at a higher rate, or take a lower edge"
            )
    if not edges or sorted(set(edges)) != edges:
        raise ConfigError(f"a band is one edge, or two from low to high; given {band}")
    kind = "bandpass" if len(edges) == 2 else "lowpass" if band[0] is None else "highpass"
    signal = require("scipy.signal", "train", "bands")
    sos = signal.butter(order, edges if len(edges) == 2 else edges[0], kind, fs=sfreq, output="sos")
    needed = 3 * (2 * len(sos) + 1)
    if X.shape[1] <= needed:
        raise ConfigError(f"a trial of {X.shape[1]} bins is too short to be filtered: it needs more than {needed}")
    return np.asarray(signal.sosfiltfilt(sos, np.asarray(X, np.float64), axis=1))


def r2(recorded: Array, predicted: Array) -> Array:
    """Share of the variance over bins that is explained, of each item and site.

    ``(n, n_bins, n_sites)`` twice to ``(n, n_sites)``; NaN where the recorded activity is constant, below 0 where its
    mean would have been the better prediction.
    """
    a, b = (np.asarray(side, np.float64) for side in (recorded, predicted))
    total = ((a - a.mean(1, keepdims=True)) ** 2).sum(1)
    return np.asarray(1 - np.divide(((a - b) ** 2).sum(1), total, out=np.full_like(total, np.nan), where=total > 1e-12))
