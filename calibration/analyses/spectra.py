"""Power in the bands of the electroencephalogram."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from streamkit.errors import require

Array = NDArray[np.floating]

BANDS: dict[str, tuple[float, float]] = {
    "delta": (1.0, 4.0),
    "theta": (4.0, 8.0),
    "alpha": (8.0, 13.0),
    "beta": (13.0, 30.0),
    "gamma": (30.0, 80.0),
}
"""Hz, as in the paper; the upper edge belongs to the next band."""


def spectrum(X: Array, sfreq: float) -> tuple[Array, Array]:
    """Power spectral density of each window, Hann taper, mean removed.

    Parameters
    ----------
    X
        ``(n, n_chans, n_times)``.

    Returns
    -------
    freqs, density
        Hz, and ``(n, n_chans, n_freqs)`` in units squared per Hz.
    """
    signal = require("scipy.signal", "train", "spectra")
    freqs, density = signal.periodogram(np.asarray(X, np.float64), sfreq, window="hann", detrend="constant", axis=-1)
    return freqs, density


def resolved(
    n_times: int, sfreq: float, bands: Mapping[str, tuple[float, float]] = BANDS
) -> dict[str, tuple[float, float]]:
    """Bands that a window can tell: below half the rate, and with a frequency of its spectrum inside."""
    freqs = np.fft.rfftfreq(n_times, 1 / sfreq)
    return {
        name: (low, high)
        for name, (low, high) in bands.items()
        if high <= sfreq / 2 and ((freqs >= low) & (freqs < high)).any()
    }


def band_power(X: Array, sfreq: float, bands: Mapping[str, tuple[float, float]] = BANDS) -> dict[str, Array]:
    """Mean density in each band that the window can tell: ``(n, n_chans)``, units squared per Hz."""
    freqs, density = spectrum(X, sfreq)
    kept = resolved(X.shape[-1], sfreq, bands)
    return {name: density[..., (freqs >= low) & (freqs < high)].mean(-1) for name, (low, high) in kept.items()}
