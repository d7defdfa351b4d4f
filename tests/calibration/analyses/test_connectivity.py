from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import hilbert

from calibration.analyses.connectivity import analytic, channel_correlation, phase_lag_index

RNG = np.random.default_rng(0)
SFREQ = 250.0
TIMES = np.arange(500) / SFREQ


def test_correlation_is_the_mean_over_windows() -> None:
    X = RNG.standard_normal((5, 3, 40))
    np.testing.assert_allclose(channel_correlation(X), np.mean([np.corrcoef(each) for each in X], axis=0))


def test_the_analytic_signal_is_that_of_scipy() -> None:
    X = RNG.standard_normal((2, 3, 64))
    X -= X.mean(-1, keepdims=True)
    expected = hilbert(X, axis=-1)
    nyquist = np.fft.ifft(np.where(np.arange(64) == 32, np.fft.fft(X, axis=-1), 0), axis=-1)
    np.testing.assert_allclose(analytic(X, SFREQ), expected - nyquist, atol=1e-12)


def test_a_constant_lag_has_index_one_and_none_has_zero() -> None:
    phase = 2 * np.pi * 10 * TIMES
    X = np.stack([np.sin(phase), np.sin(phase - 0.7), np.sin(phase), -np.sin(phase)])[None]
    found = phase_lag_index(X, SFREQ, (8, 13))
    assert found[0, 1] == pytest.approx(1.0)
    np.testing.assert_allclose(np.diag(found), 0)
    np.testing.assert_allclose(found, found.T)


def test_a_source_seen_by_two_channels_at_once_counts_for_nothing() -> None:
    source = RNG.standard_normal((30, 500))
    own = 0.3 * RNG.standard_normal((30, 2, 500))
    both = phase_lag_index(source[:, None] + own, SFREQ)[0, 1]
    alone = phase_lag_index(RNG.standard_normal((30, 2, 500)), SFREQ)[0, 1]
    assert both == pytest.approx(alone, abs=0.03)
    assert both < 0.1


def test_the_index_equals_its_definition() -> None:
    X = RNG.standard_normal((3, 2, 100))
    X -= X.mean(-1, keepdims=True)
    phases = np.angle(analytic(X, SFREQ))
    by_hand = np.mean(np.abs(np.mean(np.sign(np.sin(phases[:, 0] - phases[:, 1])), axis=-1)))
    assert phase_lag_index(X, SFREQ)[0, 1] == pytest.approx(by_hand)
