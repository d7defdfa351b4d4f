"""Windows of 100 ms every 20 ms, and bands whose edges the rate can hold."""

from __future__ import annotations

import numpy as np
import pytest

from calibration.spikes2video.analyses.bands import BANDS, SLOW_BANDS, bands_for, in_band, r2, rebin
from streamkit.errors import ConfigError

RNG = np.random.default_rng(0)


def test_a_trial_of_four_and_a_half_seconds_has_221_windows() -> None:
    counts = RNG.poisson(0.3, (2, 225, 3)).astype(np.float32)
    made = rebin(counts, 50.0)
    assert made.shape == (2, 221, 3)
    np.testing.assert_array_equal(made[:, 7], counts[:, 7:12].sum(1))


def test_every_fifth_window_is_the_published_bin() -> None:
    fine = RNG.poisson(0.2, (2, 4500, 3)).astype(np.float32)
    np.testing.assert_array_equal(rebin(fine, 1000.0)[:, ::5], fine.reshape(2, 45, 100, 3).sum(2))


def test_bins_that_do_not_make_the_windows_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"bins of 0.1 s do not make windows of 0.1 s every 0.02 s"):
        rebin(np.zeros((1, 45, 2)), 10.0)
    with pytest.raises(ConfigError, match="shorter than a window"):
        rebin(np.zeros((1, 4, 2)), 50.0)


@pytest.mark.parametrize("band", [(2.0, 10.0), (None, 10.0), (5.0, None)])
def test_an_edge_at_or_above_half_the_rate_is_refused(band: tuple[float | None, float | None]) -> None:
    with pytest.raises(ConfigError, match=r"cannot be had at 10 bins per second: it must be below 5 Hz"):
        in_band(np.zeros((1, 45, 2)), 10.0, band)


def test_the_published_edges_need_the_higher_rate() -> None:
    assert bands_for(50.0) == BANDS
    assert bands_for(10.0) == SLOW_BANDS
    for rate, n_bins in ((50.0, 221), (10.0, 45)):
        for band in bands_for(rate).values():
            assert np.isfinite(in_band(RNG.normal(size=(1, n_bins, 2)), rate, band)).all()


@pytest.mark.parametrize(("hertz", "kept"), [(0.7, "below 2 Hz"), (5.0, "2 to 10 Hz"), (17.0, "above 10 Hz")])
def test_each_band_keeps_its_own_frequencies_and_drops_the_others(hertz: float, kept: str) -> None:
    wave = np.sin(2 * np.pi * hertz * np.arange(500) / 50)[None, :, None]
    middle = slice(100, 400)
    for name, band in BANDS.items():
        left = in_band(wave, 50.0, band)[:, middle].std() / wave[:, middle].std()
        assert left > 0.95 if name == kept else left < 0.06


def test_bands_in_the_wrong_order_and_short_trials_are_refused() -> None:
    with pytest.raises(ConfigError, match="from low to high"):
        in_band(np.zeros((1, 221, 1)), 50.0, (10.0, 2.0))
    with pytest.raises(ConfigError, match="from low to high"):
        in_band(np.zeros((1, 221, 1)), 50.0, (None, None))
    with pytest.raises(ConfigError, match="too short to be filtered"):
        in_band(np.zeros((1, 10, 1)), 50.0, (None, 2.0))


def test_r2_is_one_for_the_truth_zero_for_the_mean_and_undefined_for_a_constant() -> None:
    recorded = RNG.normal(size=(3, 40, 2))
    np.testing.assert_allclose(r2(recorded, recorded), 1.0)
    np.testing.assert_allclose(r2(recorded, np.broadcast_to(recorded.mean(1, keepdims=True), recorded.shape)), 0.0)
    assert (r2(recorded, -recorded) < 0).all()
    assert np.isnan(r2(np.ones((1, 5, 1)), np.zeros((1, 5, 1)))).all()
