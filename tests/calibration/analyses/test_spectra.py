from __future__ import annotations

import numpy as np
import pytest

from calibration.analyses.spectra import BANDS, band_power, resolved, spectrum

SFREQ, N = 250.0, 250
TIMES = np.arange(N) / SFREQ


@pytest.mark.parametrize(("band", "freq"), [("delta", 2), ("theta", 6), ("alpha", 10), ("beta", 20), ("gamma", 45)])
def test_a_tone_has_its_power_in_its_band(band: str, freq: float) -> None:
    X = np.sin(2 * np.pi * freq * TIMES)[None, None]
    power = band_power(X, SFREQ)
    totals = {name: power[name][0, 0] * (high - low) for name, (low, high) in BANDS.items()}
    assert totals[band] > 0.9 * sum(totals.values())


def test_the_spectrum_of_noise_adds_up_to_its_variance() -> None:
    X = np.random.default_rng(0).standard_normal((200, 2, N))
    freqs, density = spectrum(X, SFREQ)
    assert density.mean((0, 1)).sum() * freqs[1] == pytest.approx(1.0, rel=0.03)


def test_bands_that_a_window_cannot_tell_are_left_out() -> None:
    assert list(resolved(250, 250.0)) == list(BANDS)
    assert list(resolved(200, 1000.0)) == ["theta", "alpha", "beta", "gamma"]
    assert list(resolved(100, 100.0)) == ["delta", "theta", "alpha", "beta"]
    assert set(band_power(np.zeros((1, 1, 100)), 100.0)) == {"delta", "theta", "alpha", "beta"}
