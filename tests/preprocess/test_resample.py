"""Resampling keeps waves, offsets and time, and removes what would alias."""

from __future__ import annotations

import numpy as np
import pytest

from streamkit.errors import ConfigError
from streamkit.preprocess import PreprocessConfig, Preprocessor
from streamkit.preprocess.resample import rate_ratio
from streamkit.types import Chunk, StreamSpec
from tests.preprocess.signals import Stream, run

SFREQ = 240.0
ONE = StreamSpec(name="amp", ch_names=("Cz",), sfreq=SFREQ)


def resampling(sfreq: float, on_gap: str = "continue", **options: object) -> Preprocessor:
    stage = {"kind": "resample", "sfreq": sfreq, **options}
    return Preprocessor(ONE, PreprocessConfig.model_validate({"stages": [stage], "on_gap": on_gap}))


def wave(times: np.ndarray, freq: float) -> np.ndarray:
    return np.sin(2 * np.pi * freq * times)


@pytest.mark.parametrize("sfreq", [60.0, 80.0, 100.0, 240.0, 250.0, 480.0, 1000.0])
@pytest.mark.parametrize("freq", [1.0, 7.0, 15.0])
def test_a_wave_comes_out_as_itself_the_declared_delay_later(sfreq, freq):
    times = np.arange(2400) / SFREQ
    stage = resampling(sfreq)
    out = stage.process(Chunk(wave(times, freq)[:, np.newaxis], times))
    settled = out.stamps > 1
    expected = wave(out.stamps[settled] - stage.delay, freq)
    np.testing.assert_allclose(out.data[settled, 0], expected, atol=0.01)


@pytest.mark.parametrize("sfreq", [60.0, 100.0, 250.0, 480.0])
def test_stamps_are_evenly_spaced_at_the_new_rate(sfreq):
    times = np.arange(2400) / SFREQ
    out = resampling(sfreq).process(Chunk(np.zeros((2400, 1)), times))
    np.testing.assert_allclose(out.stamps, np.arange(len(out)) / sfreq, atol=1e-9)
    assert len(out) == pytest.approx(10 * sfreq, abs=sfreq / SFREQ + 1)


def test_a_decimated_sample_has_the_stamp_of_the_newest_sample_in_it():
    stamps = 1e6 + np.cumsum(np.random.default_rng(0).uniform(0.002, 0.006, 400))
    out = resampling(60.0).process(Chunk(np.zeros((400, 1)), stamps))
    np.testing.assert_array_equal(out.stamps, stamps[::4])


def test_no_sample_is_given_before_the_samples_it_is_made_of():
    times = np.arange(240) / SFREQ
    stage = resampling(250.0)
    for at in range(240):
        out = stage.process(Chunk(np.zeros((1, 1)), times[at : at + 1], at))
        assert (out.stamps <= times[at] + 1e-12).all()
        assert (out.stamps > times[at] - 1 / SFREQ - 1e-12).all()


@pytest.mark.parametrize("sfreq", [60.0, 100.0, 250.0, 1000.0])
def test_an_offset_passes_without_a_ripple(sfreq):
    out = resampling(sfreq).process(Chunk(np.full((1000, 1), 5e4), np.arange(1000) / SFREQ))
    np.testing.assert_allclose(out.data, 5e4, rtol=1e-6)


def test_what_would_alias_is_removed():
    times = np.arange(2400) / SFREQ
    out = resampling(60.0).process(Chunk(wave(times, 50.0)[:, np.newaxis], times))
    assert np.abs(out.data[60:]).max() < 0.01


def test_more_zero_crossings_come_later():
    assert resampling(60.0, zeros=20).delay == pytest.approx(2 * resampling(60.0, zeros=10).delay)
    assert resampling(60.0, zeros=10).delay == pytest.approx(10 * 4 / SFREQ)


@pytest.mark.parametrize("size", [1, 3, 400])
def test_marks_of_dropped_samples_move_to_the_next_one_given(size):
    data = np.zeros((100, 1))
    data[[41, 80]] = np.nan
    stamps = np.arange(100) / SFREQ
    stamps[50:] += 3
    out = run(resampling(60.0), Stream(data, stamps, tuple(range(size, 100, size))))
    np.testing.assert_array_equal(np.flatnonzero(~out.valid), [11, 20])
    np.testing.assert_array_equal(np.flatnonzero(out.gap), [13])


@pytest.mark.parametrize("size", [1, 400])
def test_a_gap_is_marked_once_when_samples_are_added(size):
    stamps = np.arange(100) / SFREQ
    stamps[50:] += 3
    out = run(resampling(960.0), Stream(np.zeros((100, 1)), stamps, tuple(range(size, 100, size))))
    (at,) = np.flatnonzero(out.gap)
    assert out.stamps[at - 1] == stamps[49]
    assert out.stamps[at] == stamps[50]


def test_no_stamp_lies_in_a_gap():
    stamps = np.arange(100) / SFREQ
    stamps[50:] += 3
    for on_gap in ("continue", "reset"):
        out = resampling(100.0, on_gap).process(Chunk(np.zeros((100, 1)), stamps))
        assert not ((out.stamps > stamps[49]) & (out.stamps < stamps[50])).any()
        assert out.gap.sum() == 1


@pytest.mark.parametrize("sfreq", [0.1, 240.01, 97.123457, 1e6])
def test_a_rate_that_is_no_simple_ratio_is_refused(sfreq):
    with pytest.raises(ConfigError, match=r"resample.*240 Hz to .*whole numbers up to 1000"):
        resampling(sfreq)


def test_ratios_are_reduced():
    assert rate_ratio(512, 256) == 1 / 2
    assert (rate_ratio(256, 250).numerator, rate_ratio(256, 250).denominator) == (125, 128)
    assert (rate_ratio(500, 333.3333333).numerator, rate_ratio(500, 333.3333333).denominator) == (2, 3)


def test_the_stages_after_see_the_new_rate():
    stages = [{"kind": "resample", "sfreq": 60}, {"kind": "lowpass", "freq": 40}]
    with pytest.raises(ConfigError, match=r"stage 2 \(lowpass\).*Nyquist frequency 30 Hz"):
        Preprocessor(ONE, PreprocessConfig.model_validate({"stages": stages}))
