"""Spikes: thresholds in units of the noise, crossings that count once, bins that close with their last sample."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from streamkit.errors import ConfigError
from streamkit.preprocess import PreprocessConfig, Preprocessor, fit_preprocess
from streamkit.preprocess.robust_rms import MOST_KEPT, RobustRms
from streamkit.recording import Signal
from streamkit.types import Chunk, StreamSpec

SPEC = StreamSpec(name="array", type="Spikes", ch_names=("a", "b"), sfreq=1000.0, unit="microvolts")


def chain(*stages: dict, **rules: object) -> PreprocessConfig:
    return PreprocessConfig.model_validate({"stages": stages, **rules})


def threshold(**options: object) -> dict:
    return {"kind": "threshold", "rms": [1.0], **options}


def counts(width: float = 0.01) -> dict:
    return {"kind": "bin", "width": width}


def chunk(data: object, stamps: object = None, **parts: object) -> Chunk:
    data = np.asarray(data, np.float32)
    data = data if data.ndim == 2 else np.stack((data, np.zeros(len(data))), axis=1)
    return Chunk(data, np.arange(len(data)) / SPEC.sfreq if stamps is None else np.asarray(stamps), **parts)


def crossings(trace: object, **options: object) -> list[int]:
    out = Preprocessor(SPEC, chain(threshold(**options))).process(chunk(trace))
    return np.flatnonzero(out.data[:, 0]).tolist()


def test_a_spike_counts_once_where_it_goes_below_the_threshold():
    assert crossings([0, -4, -5, -9, -5, 0, -4.4, 0, -4.6, 0]) == [2, 8]


def test_a_positive_factor_looks_upwards():
    assert crossings([0, -9, 0, 4, 0, 9, 9, 0], factor=4.5) == [5]


def test_the_threshold_is_in_units_of_each_channels_noise():
    data = np.array([[0, 0], [-10, -10], [0, 0], [-50, -50]])
    out = Preprocessor(SPEC, chain(threshold(rms=[1, 10]))).process(chunk(data))
    np.testing.assert_array_equal(out.data, [[0, 0], [1, 0], [0, 0], [1, 1]])


def test_a_stream_that_begins_beyond_the_threshold_has_not_crossed_it():
    assert crossings([-9, -9, 0, -9]) == [3]


def test_a_silent_channel_never_crosses():
    assert crossings([0, -1, 0, -5000, 0], rms=[0.0]) == []


def test_within_the_refractory_period_nothing_else_counts():
    trace = np.zeros(20)
    trace[[2, 4, 6, 9, 15]] = -9
    assert crossings(trace, refractory=0.0) == [2, 4, 6, 9, 15]
    assert crossings(trace, refractory=0.005) == [2, 9, 15]
    assert crossings(trace, refractory=0.007) == [2, 9]
    assert crossings(trace, refractory=0.008) == [2, 15]


def test_the_refractory_period_reaches_over_chunks():
    trace = np.zeros(20)
    trace[[2, 4, 6, 9, 15]] = -9
    preprocessor = Preprocessor(SPEC, chain(threshold(refractory=0.005)))
    whole = chunk(trace)
    parts = [preprocessor.process(Chunk(whole.data[k : k + 1], whole.stamps[k : k + 1], k)).data for k in range(20)]
    assert np.flatnonzero(np.concatenate(parts)[:, 0]).tolist() == [2, 9, 15]


@pytest.mark.parametrize("size", [1, 7, 64, 3000])
def test_the_noise_is_learnt_from_the_first_seconds_alone(size):
    data = np.random.default_rng(0).normal(0, (1, 20), (3000, 2))
    data[2000:] *= 10
    preprocessor = Preprocessor(SPEC, chain({"kind": "threshold", "learn": 1.0}))
    whole = chunk(data)
    parts = [
        preprocessor.process(Chunk(whole.data[k : k + size], whole.stamps[k : k + size], k))
        for k in range(0, 3000, size)
    ]
    out, valid = np.concatenate([p.data for p in parts]), np.concatenate([p.valid for p in parts])
    np.testing.assert_array_equal(valid, np.arange(3000) >= 1000)
    assert not out[:1000].any()
    rms = np.median(np.abs(whole.data[:1000]), axis=0) / 0.6745
    fixed = Preprocessor(SPEC, chain(threshold(rms=rms.tolist()))).process(whole)
    np.testing.assert_array_equal(out[1001:], fixed.data[1001:])
    assert out[2000:].sum(axis=0).min() > 100


def test_samples_that_are_invalid_are_not_learnt_from():
    data = np.random.default_rng(1).normal(0, 1, (40, 2))
    data[5:15] = np.nan
    out = Preprocessor(SPEC, chain({"kind": "threshold", "learn": 0.02})).process(chunk(data))
    np.testing.assert_array_equal(out.valid, np.arange(40) >= 30)


def test_after_a_gap_with_reset_the_noise_is_learnt_anew():
    stamps = np.concatenate((np.arange(50), 5000 + np.arange(50))) / 1000
    data = np.random.default_rng(2).normal(0, 1, (100, 2))
    out = Preprocessor(SPEC, chain({"kind": "threshold", "learn": 0.03}, on_gap="reset")).process(chunk(data, stamps))
    np.testing.assert_array_equal(np.flatnonzero(out.valid), [*range(30, 50), *range(80, 100)])


def test_a_bin_appears_with_its_last_sample_and_has_its_stamp():
    preprocessor = Preprocessor(SPEC, chain(threshold(), counts()))
    trace = np.zeros(25)
    trace[[1, 3, 9, 12, 19, 22]] = -9
    whole = chunk(trace)
    before = preprocessor.process(Chunk(whole.data[:9], whole.stamps[:9]))
    closing = preprocessor.process(Chunk(whole.data[9:10], whole.stamps[9:10], arrival=7.0))
    after = preprocessor.process(Chunk(whole.data[10:], whole.stamps[10:]))
    assert len(before) == 0
    np.testing.assert_array_equal(closing.data, [[3, 0]])
    np.testing.assert_array_equal(closing.stamps, whole.stamps[[9]])
    assert closing.arrival == 7.0
    np.testing.assert_array_equal(after.data, [[2, 0]])
    assert (closing.first, after.first) == (0, 1)


def test_counts_say_their_rate_unit_and_delay():
    preprocessor = Preprocessor(SPEC, chain(threshold(), counts(0.02)))
    assert preprocessor.out.sfreq == 50
    assert preprocessor.out.unit == "counts"
    assert preprocessor.delay == pytest.approx(0.0095)


def test_anything_else_is_summed_in_its_own_unit():
    preprocessor = Preprocessor(SPEC, chain(counts(0.002)))
    assert preprocessor.out.unit == "microvolts"
    np.testing.assert_array_equal(preprocessor.process(chunk([1, 2, 3, 4, 5])).data[:, 0], [3, 7])


def test_a_bin_with_an_invalid_sample_is_invalid():
    valid = np.ones(30, bool)
    valid[14] = False
    data = np.zeros((30, 2))
    data[25, 1] = np.nan
    out = Preprocessor(SPEC, chain(threshold(), counts())).process(chunk(data, valid=valid))
    np.testing.assert_array_equal(out.valid, [True, False, False])


@pytest.mark.parametrize("on_gap", ["continue", "reset"])
def test_a_bin_never_hides_missing_samples(on_gap):
    stamps = np.arange(40) / 1000
    stamps[15:] += 2
    out = Preprocessor(SPEC, chain(threshold(), counts(), on_gap=on_gap)).process(chunk(np.zeros(40), stamps))
    if on_gap == "continue":
        np.testing.assert_array_equal(out.valid, [True, False, True, True])
        np.testing.assert_array_equal(out.gap, [False, True, False, False])
    else:
        np.testing.assert_array_equal(out.valid, [True, True, True])
        np.testing.assert_array_equal(out.gap, [False, True, False])
        np.testing.assert_array_equal(out.stamps, stamps[[9, 24, 34]])


def test_a_gap_before_a_bins_first_sample_leaves_it_whole():
    stamps = np.arange(20) / 1000
    stamps[10:] += 2
    out = Preprocessor(SPEC, chain(threshold(), counts())).process(chunk(np.zeros(20), stamps))
    np.testing.assert_array_equal(out.valid, [True, True])
    np.testing.assert_array_equal(out.gap, [False, True])


@pytest.mark.parametrize(
    ("width", "message"),
    [
        (0.0105, r"stage 1 \(bin\): a bin of 0\.0105 s is 10\.5 samples at 1000 Hz.*width = 0\.01 or 0\.011"),
        (0.0004, r"0\.4 samples at 1000 Hz.*width = 0\.001 or 0\.002"),
    ],
)
def test_a_bin_that_is_no_whole_number_of_samples_is_refused(width, message):
    with pytest.raises(ConfigError, match=message):
        Preprocessor(SPEC, chain(counts(width)))


def test_a_bin_is_whole_in_spite_of_rounding():
    spec = SPEC.model_copy(update={"sfreq": 30000.0})
    assert Preprocessor(spec, chain(counts(0.1))).out.sfreq == 10


def test_a_threshold_without_noise_is_refused_with_what_to_do():
    with pytest.raises(ConfigError, match=r"\(threshold\): has no rms yet; calibrate with it"):
        Preprocessor(SPEC, chain({"kind": "threshold"}))
    with pytest.raises(ConfigError, match="both rms and learn"):
        Preprocessor(SPEC, chain(threshold(learn=1)))
    with pytest.raises(ConfigError, match="rms has 3 values, expected 1 or one for each of 2"):
        Preprocessor(SPEC, chain(threshold(rms=[1, 2, 3])))
    with pytest.raises(ValidationError, match=r"threshold of 0 times the noise"):
        chain(threshold(factor=0))


def test_fitting_takes_the_robust_rms_of_what_the_stages_before_give():
    data = np.random.default_rng(3).normal(0, (5, 50), (3000, 2)).astype(np.float32)
    data[::100] -= 1000  # spikes hardly move it
    signal = Signal(SPEC, data, np.arange(3000) / 1000)
    stages = chain({"kind": "bandpass", "low": 50, "high": 300}, {"kind": "threshold"}, counts())
    fitted = fit_preprocess(SPEC, stages, [signal.chunks(100)])
    filtered = Preprocessor(SPEC, chain(stages.stages[0].model_dump())).process(chunk(data)).data
    np.testing.assert_allclose(fitted.stages[1].rms, np.median(np.abs(filtered), axis=0) / 0.6745, rtol=1e-6)
    assert Preprocessor(SPEC, fitted).process(chunk(data)).data.sum() > 0


def test_the_noise_that_is_stated_or_learnt_live_is_not_fitted():
    for stages in (chain(threshold()), chain({"kind": "threshold", "learn": 1.0})):
        assert fit_preprocess(SPEC, stages, iter(())) == stages


def test_fitting_a_threshold_on_nothing_is_refused():
    with pytest.raises(ConfigError, match=r"a threshold stage cannot be fitted.*state rms"):
        fit_preprocess(SPEC, chain({"kind": "threshold"}), [])


@pytest.mark.parametrize("n_times", [1, MOST_KEPT, MOST_KEPT + 1, 5 * MOST_KEPT + 3])
def test_the_robust_rms_is_the_same_whatever_the_chunks(n_times):
    data = np.random.default_rng(4).normal(0, (1, 7), (n_times, 2))
    values = []
    for size in (1000, 3, n_times):
        rms = RobustRms(2)
        for first in range(0, n_times, size):
            rms.add(data[first : first + size])
        values.append(rms.value)
    np.testing.assert_array_equal(values[1], values[0])
    np.testing.assert_array_equal(values[2], values[0])
    if n_times > 1000:
        np.testing.assert_allclose(values[0], (1, 7), rtol=0.1)
    if n_times == MOST_KEPT:
        np.testing.assert_allclose(values[0], np.median(np.abs(data), axis=0) / 0.6745, rtol=1e-6)
