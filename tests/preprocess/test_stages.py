"""Every stage kind: one pass equals any chunking, the future never matters, inputs stay as they are."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamkit.preprocess import PreprocessConfig, Preprocessor
from streamkit.preprocess.config import StageConfig
from tests.preprocess.signals import PROPERTY, SPEC, Stream, a_signal, assert_same, even_cuts, run, streams

ROWS = {
    "pick": [{"ch_names": ["Oz", "Fz"]}],
    "unit": [{"to": "mV"}],
    "rereference": [{"ref": "average"}, {"ref": ["Oz"], "ch_names": ["Fz", "Cz"]}, {"ref": ["Fz", "Cz", "Oz"]}],
    "bandpass": [{"low": 1, "high": 40}, {"low": 8, "high": 12, "order": 2}],
    "highpass": [{"freq": 0.5}],
    "lowpass": [{"freq": 30, "order": 3}],
    "notch": [{"freq": 50}],
    "scale": [{"mean": [1, 2, 3, 4], "std": [5, 6, 7, 8]}, {"mean": [0.5], "std": [0.1], "per_channel": False}],
    "whiten": [{"matrix": [[0.2, -0.1, 0, 0.03], [-0.1, 0.3, 0.1, 0], [0, 0.1, 0.1, 0.7], [0.03, 0, 0.7, 1.1]]}],
    "resample": [{"sfreq": 50}, {"sfreq": 300}, {"sfreq": 128}, {"sfreq": 200}, {"sfreq": 1000, "zeros": 3}],
    "bandpower": [
        {"bands": [[8, 12], [20, 40]], "smooth": 0.1},
        {"bands": [[70, 90]], "smooth": 0.5, "log": False, "order": 2},
        {"bands": [[70, 90]], "smooth": 0.005},
    ],
    "threshold": [
        {"rms": [10, 20, 5, 10], "factor": 1.5},
        {"learn": 0.2, "factor": -1.0},
        {"rms": [700], "factor": -1, "refractory": 0.02},
    ],
    "bin": [{"width": 0.05}, {"width": 0.005}],
}
"""Every stage kind with the settings under which the properties below must hold."""

CHAINS = {
    "nothing": [],
    "evoked response": [
        {"kind": "pick", "ch_names": ["Pz", "Cz", "Oz"]},
        {"kind": "unit", "to": "nanovolts"},
        {"kind": "bandpass", "low": 0.5, "high": 30},
        {"kind": "rereference"},
        {"kind": "scale", "mean": [0, 1, 2], "std": [10, 20, 30]},
    ],
    "envelope at another rate": [
        {"kind": "notch", "freq": 50},
        {"kind": "resample", "sfreq": 125},
        {"kind": "bandpower", "bands": [[4, 8], [12, 30]], "smooth": 0.2},
        {"kind": "resample", "sfreq": 20},
        {"kind": "highpass", "freq": 0.1},
    ],
    "spike counts": [
        {"kind": "bandpass", "low": 10, "high": 60},
        {"kind": "threshold", "learn": 0.3, "factor": -1.5, "refractory": 0.02},
        {"kind": "bin", "width": 0.1},
        {"kind": "scale", "mean": [1], "std": [2]},
    ],
    "down to one channel and up": [
        {"kind": "pick", "ch_names": ["Cz"]},
        {"kind": "resample", "sfreq": 60},
        {"kind": "lowpass", "freq": 20},
        {"kind": "resample", "sfreq": 240},
    ],
}


def config(stages: list[dict], **rules: object) -> PreprocessConfig:
    return PreprocessConfig.model_validate({"stages": stages, **rules})


CONFIGS = [
    pytest.param([{"kind": kind, **options}], id=f"{kind}-{n}")
    for kind, rows in ROWS.items()
    for n, options in enumerate(rows)
] + [pytest.param(stages, id=name) for name, stages in CHAINS.items()]


def test_every_stage_kind_has_a_row():
    settings_of_kinds = get_args(get_args(StageConfig)[0])
    assert {settings.model_fields["kind"].default for settings in settings_of_kinds} == set(ROWS)


@pytest.mark.parametrize("stages", CONFIGS)
@PROPERTY
@given(stream=streams(), on_gap=st.sampled_from(["continue", "reset"]))
def test_any_chunking_gives_the_bits_of_one_pass(stages, stream, on_gap):
    preprocessor = Preprocessor(SPEC, config(stages, on_gap=on_gap))
    data, stamps = stream.data.copy(), stream.stamps.copy()
    in_chunks = run(preprocessor, stream)
    np.testing.assert_array_equal(stream.data, data)
    np.testing.assert_array_equal(stream.stamps, stamps)

    preprocessor.reset()
    one_pass = preprocessor.process(stream.whole())
    assert_same(in_chunks, one_pass)
    assert_same(one_pass, Preprocessor(SPEC, config(stages, on_gap=on_gap)).process(stream.whole()))

    assert np.isfinite(one_pass.data).all()
    assert (np.diff(one_pass.stamps) >= 0).all()
    assert one_pass.data.shape == (len(one_pass.stamps), preprocessor.out.n_chans)


@pytest.mark.parametrize("stages", CONFIGS)
@pytest.mark.parametrize("size", [1, 7, 64])
def test_chunks_of_a_fixed_size_give_the_bits_of_one_pass(stages, size):
    stream = Stream(a_signal(700, 4, seed=1), np.arange(700) / 200, even_cuts(700, size))
    assert_same(
        run(Preprocessor(SPEC, config(stages)), stream), Preprocessor(SPEC, config(stages)).process(stream.whole())
    )


@pytest.mark.parametrize("stages", CONFIGS)
def test_the_future_never_changes_what_came_out(stages):
    past, n_times = 301, 600
    stamps = np.arange(n_times) / 200
    data = a_signal(n_times, 4, seed=2)
    other = data.copy()
    other[past:] = a_signal(n_times - past, 4, seed=3) * 50
    first, second = Preprocessor(SPEC, config(stages)), Preprocessor(SPEC, config(stages))
    one, two = first.process(Stream(data, stamps, ()).whole()), second.process(Stream(other, stamps, ()).whole())
    n_past = len(Preprocessor(SPEC, config(stages)).process(Stream(data[:past], stamps[:past], ()).whole()))
    assert n_past >= (past - 2) * first.out.sfreq / 200 - 1
    np.testing.assert_array_equal(one.data[:n_past], two.data[:n_past])
    assert (one.data[n_past:] != two.data[n_past:]).any()


@pytest.mark.parametrize("stages", CONFIGS)
def test_after_a_gap_with_reset_everything_starts_anew(stages):
    data, stamps = a_signal(400, 4, seed=4), np.arange(400) / 200
    stamps[150:] += 5
    together = Preprocessor(SPEC, config(stages, on_gap="reset")).process(Stream(data, stamps, ()).whole())
    alone = Preprocessor(SPEC, config(stages)).process(Stream(data[150:], stamps[150:], ()).whole())
    after = together.stamps >= stamps[150]
    np.testing.assert_array_equal(together.data[after], alone.data)
    np.testing.assert_array_equal(np.flatnonzero(together.gap), [np.flatnonzero(after)[0]])


@pytest.mark.parametrize("stages", CONFIGS)
def test_an_empty_chunk_gives_an_empty_chunk(stages):
    preprocessor = Preprocessor(SPEC, config(stages))
    out = preprocessor.process(Stream(np.zeros((0, 4), np.float32), np.zeros(0), ()).whole())
    assert out.data.shape == (0, preprocessor.out.n_chans)
    assert len(out.valid) == len(out.gap) == len(out.stamps) == 0
