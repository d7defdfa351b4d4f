"""Band power: the right power, under the right name, without drift."""

from __future__ import annotations

import numpy as np
import pytest

from streamkit.errors import ConfigError
from streamkit.preprocess import PreprocessConfig, Preprocessor
from streamkit.preprocess.moving_average import MovingAverage
from streamkit.types import Chunk, StreamSpec

SFREQ = 200.0
TWO = StreamSpec(ch_names=("C3", "C4"), sfreq=SFREQ, unit="microvolts")


def powers(**options: object) -> Preprocessor:
    return Preprocessor(TWO, PreprocessConfig.model_validate({"stages": [{"kind": "bandpower", **options}]}))


def test_channels_are_named_by_channel_and_band():
    out = powers(bands=[[8, 12], [17.5, 30]], smooth=0.5).out
    assert out.ch_names == ("C3@8-12", "C4@8-12", "C3@17.5-30", "C4@17.5-30")
    assert out.unit == "log(microvolts^2)"
    assert powers(bands=[[8, 12]], smooth=0.5, log=False).out.unit == "microvolts^2"


def test_power_is_half_the_squared_amplitude_in_the_waves_band_alone():
    times = np.arange(4000) / SFREQ
    data = np.stack([6 * np.sin(2 * np.pi * 10 * times), 2 * np.sin(2 * np.pi * 25 * times)], axis=1)
    stage = powers(bands=[[8, 12], [20, 30]], smooth=1.0, log=False)
    out = stage.process(Chunk(data, times)).data[-1]
    np.testing.assert_allclose(out, [18, 0, 0, 2], rtol=0.02, atol=0.01)


def test_the_logarithm_is_of_the_power_plus_eps():
    times = np.arange(1000) / SFREQ
    data = np.random.default_rng(0).normal(0, 5, (1000, 2))
    plain = powers(bands=[[8, 12]], smooth=0.2, log=False).process(Chunk(data, times)).data
    logged = powers(bands=[[8, 12]], smooth=0.2, eps=0.5).process(Chunk(data, times)).data
    np.testing.assert_allclose(logged, np.log(plain + 0.5), rtol=1e-5, atol=1e-6)
    silent = powers(bands=[[8, 12]], smooth=0.2).process(Chunk(np.zeros((10, 2)), times[:10])).data
    np.testing.assert_allclose(silent, np.log(1e-12), rtol=1e-6)


def test_the_declared_delay_is_how_late_a_burst_shows():
    times = np.arange(8000) / SFREQ
    envelope = np.exp(-0.5 * ((times - 15) / 1.5) ** 2)
    data = np.stack([envelope * np.sin(2 * np.pi * 10 * times)] * 2, axis=1)
    stage = powers(bands=[[8, 12.5]], smooth=0.5, log=False)
    out = stage.process(Chunk(data, times)).data[:, 0]
    late = (times * out).sum() / out.sum() - 15
    assert late == pytest.approx(stage.delay, rel=0.05)


@pytest.mark.parametrize("n_mean", [1, 2, 7, 50])
def test_the_moving_average_is_the_mean_of_the_last_samples(n_mean):
    data = np.random.default_rng(1).normal(3, 1, (120, 2))
    means = MovingAverage(n_mean, 2).transform(data)
    expected = [data[max(0, at + 1 - n_mean) : at + 1].mean(axis=0) for at in range(120)]
    np.testing.assert_allclose(means, expected, rtol=1e-12)


def test_a_huge_artefact_leaves_no_trace_once_it_has_left_the_mean():
    data = np.ones((3000, 1))
    data[:1000] = 1e15
    means = MovingAverage(100, 1).transform(data)
    np.testing.assert_array_equal(means[1200:], 1.0)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"bands": [[12, 8]], "smooth": 0.1}, "expected low < high, got 12 Hz and 8 Hz"),
        ({"bands": [[8, 12]], "smooth": 0.001}, "smooth = 0.001 s is shorter than one sample at 200 Hz"),
    ],
)
def test_impossible_settings_are_refused(options, says):
    with pytest.raises(ConfigError, match=says):
        powers(**options)
