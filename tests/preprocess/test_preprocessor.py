"""The chain as a whole: missing values, gaps, what comes out, fitting."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from streamkit.errors import ConfigError
from streamkit.preprocess import PreprocessConfig, Preprocessor, WindowConfig, fit_preprocess
from streamkit.preprocess.config import StageConfig
from streamkit.recording.model import Signal
from streamkit.types import Chunk, StreamSpec
from tests.preprocess.signals import a_signal

SPEC = StreamSpec(name="amp", ch_names=("Fz", "Cz", "AUX"), sfreq=100.0, unit="uV")


def chain(*stages: dict, **rules: object) -> PreprocessConfig:
    return PreprocessConfig.model_validate({"stages": list(stages), **rules})


def chunk(data: object, first: int = 0, **more: object) -> Chunk:
    data = np.asarray(data, np.float32)
    return Chunk(data, (first + np.arange(len(data))) / 100, first, **more)


def test_without_stages_samples_pass_in_memory_of_their_own():
    data = a_signal(50, 3, seed=0)
    out = Preprocessor(SPEC, chain()).process(chunk(data, arrival=12.5))
    np.testing.assert_array_equal(out.data, data)
    assert not np.shares_memory(out.data, data)
    assert out.valid.all()
    assert not out.gap.any()
    assert out.arrival == 12.5


def test_the_index_counts_processed_samples():
    preprocessor = Preprocessor(SPEC, chain({"kind": "resample", "sfreq": 50}))
    firsts = [preprocessor.process(chunk(np.zeros((7, 3)), first)).first for first in range(0, 70, 7)]
    assert firsts == [0, 4, 7, 11, 14, 18, 21, 25, 28, 32]


def test_a_missing_value_is_held_and_marked():
    preprocessor = Preprocessor(SPEC, chain())
    first = preprocessor.process(chunk([[np.nan, 1, 2], [3, np.inf, 4], [np.nan, 5, -np.inf]]))
    np.testing.assert_array_equal(first.data, [[0, 1, 2], [3, 1, 4], [3, 5, 4]])
    np.testing.assert_array_equal(first.valid, [False, False, False])
    second = preprocessor.process(chunk([[np.nan, np.nan, 6], [7, 8, 9]], first=3))
    np.testing.assert_array_equal(second.data, [[3, 5, 6], [7, 8, 9]])
    np.testing.assert_array_equal(second.valid, [False, True])


def test_a_missing_value_is_held_over_a_gap_too():
    preprocessor = Preprocessor(SPEC, chain(on_gap="reset"))
    preprocessor.process(chunk([[1, 2, 3]]))
    out = preprocessor.process(chunk([[np.nan, 5, 6]], first=500))
    np.testing.assert_array_equal(out.data, [[1, 5, 6]])
    np.testing.assert_array_equal(out.gap, [True])


def test_one_missing_value_never_poisons_a_filter():
    data = a_signal(400, 3, seed=1)
    data[100, 1] = np.nan
    out = Preprocessor(SPEC, chain({"kind": "bandpass", "low": 1, "high": 30})).process(chunk(data))
    assert np.isfinite(out.data).all()
    np.testing.assert_array_equal(np.flatnonzero(~out.valid), [100])


def test_a_channel_that_is_picked_away_first_cannot_make_a_sample_invalid():
    data = a_signal(20, 3, seed=2)
    data[:, 2] = np.nan
    out = Preprocessor(SPEC, chain({"kind": "pick", "ch_names": ["Fz", "Cz"]}, {"kind": "rereference"})).process(
        chunk(data)
    )
    assert out.valid.all()


def test_samples_that_arrive_invalid_stay_so():
    out = Preprocessor(SPEC, chain()).process(chunk(np.ones((3, 3)), valid=np.array([True, False, True])))
    np.testing.assert_array_equal(out.valid, [True, False, True])


def test_gaps_follow_from_stamps_and_the_stated_longest_step():
    stamps = np.array([0, 0.01, 0.08, 0.5, 0.51])
    whole = Chunk(np.zeros((5, 3)), stamps)
    np.testing.assert_array_equal(Preprocessor(SPEC, chain()).process(whole).gap, [0, 0, 0, 1, 0])
    np.testing.assert_array_equal(Preprocessor(SPEC, chain(max_gap=0.05)).process(whole).gap, [0, 0, 1, 1, 0])
    np.testing.assert_array_equal(Preprocessor(SPEC, chain(max_gap=1.0)).process(whole).gap, [0, 0, 0, 0, 0])


@pytest.mark.parametrize("speed", [0.25, 4.0])
def test_the_longest_step_is_that_of_the_recording_at_any_speed(speed):
    kept = np.delete(np.arange(100), [20, *range(50, 54)])
    data = a_signal(len(kept), 3, seed=3)
    for rules in ({}, {"max_gap": 0.03}):
        whole = Preprocessor(SPEC, chain(**rules)).process(Chunk(data, kept / 100))
        replayed = Preprocessor(SPEC, chain(**rules), speed).process(Chunk(data, 7 + kept / 100 / speed))
        np.testing.assert_array_equal(replayed.gap, whole.gap)
        assert whole.gap.sum() == len(rules)


def test_gaps_that_are_known_are_taken_over_unless_a_longest_step_is_stated():
    stamps = np.array([0, 0.01, 0.03, 0.5, 0.51])
    known = Chunk(np.zeros((5, 3)), stamps, gap=np.array([0, 0, 1, 0, 0], bool))
    np.testing.assert_array_equal(Preprocessor(SPEC, chain()).process(known).gap, [0, 0, 1, 0, 0])
    np.testing.assert_array_equal(Preprocessor(SPEC, chain(max_gap=0.1)).process(known).gap, [0, 0, 0, 1, 0])


def test_duplicates_are_left_out_whatever_the_stages():
    order = np.array([0, 1, 2, 1, 2, 3, 3, 4])
    data = a_signal(5, 3, seed=4)
    twice = Chunk(data[order], np.maximum.accumulate(order) / 100, duplicate=np.array([0, 0, 0, 1, 1, 0, 1, 0], bool))
    stages = ({"kind": "highpass", "freq": 1}, {"kind": "resample", "sfreq": 50})
    for rules in ({}, {"max_gap": 0.005}):
        out = Preprocessor(SPEC, chain(*stages, **rules)).process(twice)
        expected = Preprocessor(SPEC, chain(*stages, **rules)).process(chunk(data))
        np.testing.assert_array_equal(out.data, expected.data)
        np.testing.assert_array_equal(out.stamps, expected.stamps)
        np.testing.assert_array_equal(out.gap, expected.gap)


def test_a_chunk_of_nothing_but_duplicates_gives_nothing():
    preprocessor = Preprocessor(SPEC, chain())
    preprocessor.process(chunk(np.ones((3, 3))))
    assert len(preprocessor.process(chunk(np.ones((2, 3)), first=1, duplicate=np.ones(2, bool)))) == 0
    assert preprocessor.process(chunk(np.ones((2, 3)), first=3)).first == 3


def test_at_a_gap_filters_go_on_or_start_anew_as_stated():
    highpass = {"kind": "highpass", "freq": 1}
    stamps = np.concatenate((np.arange(100), 1000 + np.arange(100))) / 100
    data = np.repeat([[0.0], [500.0]], 100, axis=0) * np.ones(3)
    on = {rule: Preprocessor(SPEC, chain(highpass, on_gap=rule)) for rule in ("continue", "reset")}
    assert np.abs(on["continue"].process(Chunk(data, stamps)).data).max() > 400
    assert np.abs(on["reset"].process(Chunk(data, stamps)).data).max() < 1e-3


def test_reset_forgets_stamps_indices_and_held_values():
    preprocessor = Preprocessor(SPEC, chain({"kind": "lowpass", "freq": 10}))
    preprocessor.process(chunk(a_signal(30, 3, seed=3), first=5000))
    preprocessor.reset()
    out = preprocessor.process(chunk([[np.nan, 1, 2]]))
    assert out.first == 0
    assert not out.gap.any()
    np.testing.assert_allclose(out.data, [[0, 1, 2]], rtol=1e-6)


def test_what_comes_out_is_described():
    out = Preprocessor(
        SPEC,
        chain({"kind": "pick", "ch_names": ["Cz"]}, {"kind": "unit", "to": "V"}, {"kind": "resample", "sfreq": 25}),
    ).out
    assert (out.name, out.ch_names, out.unit, out.sfreq) == ("amp", ("Cz",), "volts", 25)
    assert out.channel_format == "float32"


def test_an_error_names_the_place_and_kind_of_the_stage():
    with pytest.raises(ConfigError, match=r"^preprocess stage 2 \(pick\): there is no channel 'AUX'"):
        Preprocessor(SPEC, chain({"kind": "pick", "ch_names": ["Fz", "Cz"]}, {"kind": "pick", "ch_names": ["AUX"]}))


def test_a_chunk_of_other_width_is_refused():
    with pytest.raises(ConfigError, match=r"shape \(4, 2\) came in, expected \(n_times, 3\).*Fz, Cz, AUX"):
        Preprocessor(SPEC, chain()).process(chunk(np.zeros((4, 2))))


@pytest.mark.parametrize("dtype", [np.int16, np.int64, np.float32, np.float64])
def test_any_sample_format_goes_in_and_float32_comes_out(dtype):
    data = np.arange(30).reshape(10, 3).astype(dtype)
    out = Preprocessor(SPEC, chain({"kind": "rereference"})).process(Chunk(data, np.arange(10) / 100))
    assert out.data.dtype == np.float32
    np.testing.assert_allclose(out.data, [[-1, 0, 1]] * 10)


def signals(n: int = 3) -> list[Signal]:
    return [Signal(SPEC, a_signal(200 + 50 * k, 3, seed=k) + 100 * k, np.arange(200 + 50 * k) / 100) for k in range(n)]


def test_fitting_takes_mean_and_std_over_all_training_recordings():
    fitted = fit_preprocess(SPEC, chain({"kind": "scale"}), (s.chunks(33) for s in signals()))
    pooled = np.concatenate([s.data for s in signals()]).astype(np.float64)
    np.testing.assert_allclose(fitted.stages[0].mean, pooled.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(fitted.stages[0].std, pooled.std(axis=0), rtol=1e-10)


def test_fitting_is_the_same_whatever_the_chunks():
    stages = chain({"kind": "highpass", "freq": 1}, {"kind": "scale"})
    fits = [fit_preprocess(SPEC, stages, (s.chunks(size) for s in signals())).stages[1] for size in (1, 17, 1000)]
    for fit in fits[1:]:
        np.testing.assert_allclose(fit.mean, fits[0].mean, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(fit.std, fits[0].std, rtol=1e-9)


def test_scale_stages_are_fitted_in_order_each_on_what_the_ones_before_give():
    stages = chain(
        {"kind": "bandpass", "low": 5, "high": 20},
        {"kind": "scale", "per_channel": False},
        {"kind": "bandpower", "bands": [[6, 12]], "smooth": 0.2},
        {"kind": "scale"},
    )
    fitted = fit_preprocess(SPEC, stages, (s.chunks(50) for s in signals()))
    assert len(fitted.stages[1].mean) == 1
    assert len(fitted.stages[3].mean) == 3
    out = [Preprocessor(SPEC, fitted).process(chunk(s.data)).data for s in signals()]
    np.testing.assert_allclose(np.concatenate(out).mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(np.concatenate(out).std(axis=0), 1, atol=1e-4)


def test_values_that_are_there_are_kept_and_nothing_is_read_for_them():
    config = chain({"kind": "scale", "mean": [1], "std": [2]})
    assert fit_preprocess(SPEC, config, iter(())) == config


def test_invalid_samples_do_not_count():
    data = np.random.default_rng(4).normal(0, 1, (100, 3))
    data[50:, 1] = np.nan
    (scale,) = fit_preprocess(SPEC, chain({"kind": "scale"}), [[Chunk(data, np.arange(100) / 100)]]).stages
    np.testing.assert_allclose(scale.mean, data[:50].mean(axis=0))


def test_a_channel_that_never_changes_is_only_centred():
    (scale,) = fit_preprocess(SPEC, chain({"kind": "scale"}), [[chunk(np.full((10, 3), 7))]]).stages
    assert scale.mean == (7, 7, 7)
    assert scale.std == (1, 1, 1)


@pytest.mark.parametrize("recordings", [[], [[chunk(np.full((5, 3), np.nan))]]])
def test_fitting_on_nothing_is_refused(recordings):
    with pytest.raises(ConfigError, match="no valid sample"):
        fit_preprocess(SPEC, chain({"kind": "scale"}), recordings)


def test_a_whole_recording_at_once_gives_the_bits_of_small_chunks():
    stages = chain(
        {"kind": "bandpass", "low": 1, "high": 40},
        {"kind": "resample", "sfreq": 64},
        {"kind": "bandpower", "bands": [[4, 12]], "smooth": 1},
        on_gap="reset",
    )
    data, stamps = a_signal(10_000, 3, seed=5), np.arange(10_000) / 100
    stamps[5000:] += 3
    whole = Preprocessor(SPEC, stages).process(Chunk(data, stamps))
    small = Preprocessor(SPEC, stages)
    parts = [small.process(Chunk(data[at : at + 33], stamps[at : at + 33])) for at in range(0, 10_000, 33)]
    np.testing.assert_array_equal(np.concatenate([part.data for part in parts]), whole.data)
    np.testing.assert_array_equal(np.concatenate([part.stamps for part in parts]), whole.stamps)
    np.testing.assert_array_equal(np.concatenate([part.gap for part in parts]), whole.gap)


def test_the_example_of_the_documentation_is_valid():
    page = (Path(__file__).parents[2] / "docs" / "preprocessing.md").read_text()
    example = tomllib.loads(page.split("## Example")[1].split("```toml")[1].split("```")[0])
    assert len(PreprocessConfig.model_validate(example["preprocess"]).stages) == 4
    assert WindowConfig.model_validate(example["window"]).n_times == 103


def test_the_example_of_spikes_counts_at_the_rate_it_says():
    page = (Path(__file__).parents[2] / "docs" / "preprocessing.md").read_text()
    example = tomllib.loads(page.split("## Spikes")[1].split("```toml")[1].split("```")[0])
    config = PreprocessConfig.model_validate(example["preprocess"])
    array = StreamSpec(name="array", ch_names=("a",), sfreq=30000.0, unit="microvolts")
    noise = np.random.default_rng(6).normal(0, 10, (6000, 1))
    fitted = fit_preprocess(array, config, [[Chunk(noise, np.arange(6000) / 30000)]])
    out = Preprocessor(array, fitted).out
    assert (out.sfreq, out.unit) == (100, "counts")


def test_the_documentation_has_a_row_for_every_stage_kind_and_option():
    page = (Path(__file__).parents[2] / "docs" / "preprocessing.md").read_text()
    for settings in get_args(get_args(StageConfig)[0]):
        (row,) = [line for line in page.splitlines() if line.startswith(f"| `{settings.model_fields['kind'].default}`")]
        assert all(f"`{option}`" in row for option in settings.model_fields if option != "kind")
