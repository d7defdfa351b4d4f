"""How channels go together: correlation, and the phase lag index."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from calibration.metrics import correlations

Array = NDArray[np.floating]


def channel_correlation(X: Array) -> Array:
    """Correlation over time of every two channels, mean over windows.

    ``(n, n_chans, n_times)`` to ``(n_chans, n_chans)``; a channel that is constant in a window counts as uncorrelated.
    """
    return np.mean([correlations(window, window) for window in X], axis=0)


def phase_lag_index(X: Array, sfreq: float, band: tuple[float, float] | None = None) -> Array:
    """``|mean over time of sign(sin(phase difference))|`` of every two channels, mean over windows.

    0 where neither leads or both move together without a lag, 1 where one always leads. In a window of few cycles it is
    high by chance: compare windows of one length. Source: Stam, Nolte & Daffertshofer 2007, Hum Brain Mapp 28(11).

    Parameters
    ----------
    X
        ``(n, n_chans, n_times)``.
    band
        Hz, of which the phases are taken; all but the mean by default.

    Returns
    -------
    ndarray
        ``(n_chans, n_chans)``, 0 on the diagonal.
    """
    z = analytic(X, sfreq, band)
    n_chans = z.shape[1]
    found = np.zeros((n_chans, n_chans))
    for k in range(n_chans - 1):
        lead = np.sign(np.imag(z[:, k : k + 1] * z[:, k + 1 :].conj()))  # (n, others, n_times)
        found[k, k + 1 :] = np.abs(lead.mean(-1)).mean(0)
    return found + found.T


def analytic(X: Array, sfreq: float, band: tuple[float, float] | None = None) -> NDArray[np.complexfloating]:
    """Analytic signal of each window in a band: its positive frequencies alone, twice."""
    n_times = X.shape[-1]
    freqs = np.fft.fftfreq(n_times, 1 / sfreq)
    low, high = band or (0.0, sfreq / 2)
    kept = (freqs > 0) & (freqs >= low) & (freqs < high)
    return np.fft.ifft(2 * kept * np.fft.fft(np.asarray(X, np.float64), axis=-1), axis=-1)
