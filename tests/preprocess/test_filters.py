"""Filters pass and stop what they should, and declare the delay they have."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import butter, sosfilt

from streamkit.errors import ConfigError
from streamkit.preprocess import PreprocessConfig, Preprocessor
from streamkit.types import Chunk, StreamSpec

SFREQ = 500.0
ONE = StreamSpec(name="amp", ch_names=("Cz",), sfreq=SFREQ, unit="microvolts")


def preprocessor(**stage: object) -> Preprocessor:
    return Preprocessor(ONE, PreprocessConfig.model_validate({"stages": [stage]}))


def through(stage: Preprocessor, data: np.ndarray) -> np.ndarray:
    return stage.process(Chunk(data[:, np.newaxis], np.arange(len(data)) / SFREQ)).data[:, 0]


def gain(stage: Preprocessor, freq: float) -> float:
    """Amplitude of a settled sine of amplitude 1."""
    out = through(stage, np.sin(2 * np.pi * freq * np.arange(10_000) / SFREQ))
    return float(np.sqrt(2 * np.mean(out[5000:] ** 2)))


@pytest.mark.parametrize(
    ("stage", "passed", "stopped", "edges"),
    [
        ({"kind": "bandpass", "low": 8, "high": 12}, [10], [2, 30], [8, 12]),
        ({"kind": "highpass", "freq": 1}, [10, 200], [0.1], [1]),
        ({"kind": "lowpass", "freq": 40}, [1, 20], [120], [40]),
        ({"kind": "notch", "freq": 50}, [30, 80], [50], []),
    ],
)
def test_a_filter_passes_its_band_and_stops_the_rest(stage, passed, stopped, edges):
    for freq in passed:
        assert gain(preprocessor(**stage), freq) == pytest.approx(1, abs=0.02)
    for freq in stopped:
        assert gain(preprocessor(**stage), freq) < 0.02
    for freq in edges:
        assert gain(preprocessor(**stage), freq) == pytest.approx(np.sqrt(0.5), abs=0.01)


def test_the_band_pass_is_scipys_started_from_the_first_sample():
    data = np.random.default_rng(0).normal(0, 1, 1000)
    sos = butter(4, [1, 40], "bandpass", fs=SFREQ, output="sos")
    expected = sosfilt(sos, data - data[0])
    out = through(preprocessor(kind="bandpass", low=1, high=40), data + 4e4)
    np.testing.assert_allclose(out, expected, atol=1e-6)


@pytest.mark.parametrize("kind", ["bandpass", "highpass"])
def test_an_offset_rings_nothing(kind):
    edges = {"low": 1, "high": 40} if kind == "bandpass" else {"freq": 1}
    assert np.abs(through(preprocessor(kind=kind, **edges), np.full(500, 5e4))).max() < 1e-3


def test_a_low_pass_starts_at_the_first_value():
    np.testing.assert_allclose(through(preprocessor(kind="lowpass", freq=40), np.full(500, 5e4)), 5e4, rtol=1e-6)


@pytest.mark.parametrize(
    ("stage", "centre"),
    [
        ({"kind": "bandpass", "low": 8, "high": 12}, np.sqrt(96)),
        ({"kind": "bandpass", "low": 1, "high": 40, "order": 2}, np.sqrt(40)),
        ({"kind": "lowpass", "freq": 20}, 10.0),
    ],
)
def test_the_declared_delay_is_how_late_a_slow_swell_at_the_centre_comes_out(stage, centre):
    times = np.arange(10_000) / SFREQ
    swell = 4.0
    data = np.exp(-0.5 * ((times - 10) / swell) ** 2) * np.sin(2 * np.pi * centre * times)
    filtering = preprocessor(**stage)
    power = through(filtering, data) ** 2
    late = (times * power).sum() / power.sum() - (times * data**2).sum() / (data**2).sum()
    assert late == pytest.approx(filtering.delay, rel=0.05)


def test_delays_add_up():
    stages = [
        {"kind": "bandpass", "low": 1, "high": 40},
        {"kind": "lowpass", "freq": 30},
        {"kind": "notch", "freq": 50},
    ]
    both = Preprocessor(ONE, PreprocessConfig.model_validate({"stages": stages}))
    assert both.delay == pytest.approx(preprocessor(**stages[0]).delay + preprocessor(**stages[1]).delay)
    assert preprocessor(kind="notch", freq=50).delay == 0


@pytest.mark.parametrize(
    "stage",
    [
        {"kind": "bandpass", "low": 1, "high": 250},
        {"kind": "highpass", "freq": 250},
        {"kind": "lowpass", "freq": 250},
        {"kind": "notch", "freq": 250},
        {"kind": "bandpower", "bands": [[8, 12], [100, 250]], "smooth": 0.1},
    ],
)
def test_an_edge_at_the_nyquist_frequency_is_refused(stage):
    with pytest.raises(ConfigError, match=rf"stage 1 \({stage['kind']}\).*250 Hz.*Nyquist frequency 250 Hz.*500 Hz"):
        preprocessor(**stage)


def test_band_edges_the_wrong_way_round_are_refused():
    with pytest.raises(ConfigError, match=r"bandpass.*expected low < high, got 40 Hz and 1 Hz"):
        preprocessor(kind="bandpass", low=40, high=1)


def test_a_filter_needs_a_regular_stream():
    config = PreprocessConfig.model_validate({"stages": [{"kind": "lowpass", "freq": 1}]})
    with pytest.raises(ConfigError, match="'spikes' is irregular"):
        Preprocessor(StreamSpec(name="spikes", ch_names=("a",), sfreq=0), config)
