"""Whitening: what the matrix is, what it is learnt from, and that nothing else changes it."""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import pytest
from scipy.linalg import fractional_matrix_power
from sklearn.covariance import ledoit_wolf
from sklearn.preprocessing import StandardScaler

from streamkit.errors import ConfigError
from streamkit.preprocess import PreprocessConfig, Preprocessor, fit_preprocess
from streamkit.preprocess.noise_covariance import NoiseCovariance, shrunk, whitening
from streamkit.recording import Signal
from streamkit.types import Chunk, StreamSpec

SFREQ, N_TIMES = 100.0, 50
SPEC = StreamSpec(name="eeg", ch_names=("Fz", "Cz", "Pz", "Oz"), sfreq=SFREQ, unit="microvolts")
MIXING = np.array([[3.0, 1.0, 0.0, 0.5], [0.0, 2.0, 0.7, 0.0], [1.0, 0.0, 9.0, 0.0], [0.3, 0.1, 0.2, 0.4]])


def trials(n: int, seed: int, mixing: np.ndarray = MIXING, n_times: int = N_TIMES) -> Signal:
    """`n` trials of mixed noise, a second without samples between two."""
    noise = np.random.default_rng(seed).normal(0, 1, (n, n_times, 4)) @ mixing + 40
    stamps = 2.0 * np.arange(n)[:, None] + np.arange(n_times) / SFREQ
    return Signal(SPEC, noise.reshape(-1, 4).astype(np.float32), stamps.ravel())


def chain(**options: object) -> PreprocessConfig:
    return PreprocessConfig.model_validate({"stages": [{"kind": "whiten"} | {"epoch": N_TIMES / SFREQ} | options]})


def fitted(*signals: Signal, size: int = 64, **options: object) -> np.ndarray:
    (stage,) = fit_preprocess(SPEC, chain(**options), [signal.chunks(size) for signal in signals]).stages
    return np.array(stage.matrix)


def published(signals: list[Signal]) -> np.ndarray:
    """The procedure of THINGS-EEG2's authors for one data set of epochs, with the libraries they use."""
    covariances = []
    for signal in signals:
        for epoch in signal.data.astype(np.float64).reshape(-1, N_TIMES, 4):
            scaler = StandardScaler()
            covariance = ledoit_wolf(scaler.fit_transform(epoch))[0]
            covariances.append(scaler.scale_[:, None] * covariance * scaler.scale_[None])
    return fractional_matrix_power(np.mean(covariances, axis=0), -0.5)


def test_the_matrix_is_that_of_the_published_procedure():
    signals = [trials(6, seed=1), trials(9, seed=2)]
    np.testing.assert_allclose(fitted(*signals), published(signals), rtol=1e-9, atol=1e-12)


def test_the_matrix_is_symmetric_and_noise_comes_out_white():
    matrix = fitted(trials(1, seed=3, n_times=20_000), epoch=200.0)
    np.testing.assert_array_equal(matrix, matrix.T)
    fresh = trials(1, seed=4, n_times=20_000)
    config = chain(matrix=matrix.tolist())
    preprocessor = Preprocessor(SPEC, config)
    out = preprocessor.process(fresh.whole()).data
    assert preprocessor.out.unit == "sd"
    np.testing.assert_allclose(out, fresh.data @ matrix, rtol=1e-4, atol=1e-4)
    before, after = np.corrcoef(fresh.data.T), np.cov(out.T)
    assert np.abs(before - np.eye(4)).max() > 0.3
    np.testing.assert_allclose(after, np.eye(4), atol=0.05)


def test_the_fit_is_the_same_whatever_the_chunks():
    signals = [trials(5, seed=5), trials(3, seed=6)]
    first = fitted(*signals, size=1)
    for size in (7, N_TIMES, 10_000):
        np.testing.assert_array_equal(fitted(*signals, size=size), first)


def test_recordings_that_are_not_given_change_nothing_and_those_that_are_given_do():
    training, held_out = [trials(8, seed=7), trials(8, seed=8)], trials(8, seed=9, mixing=MIXING.T * 5)
    alone = fitted(*training)
    np.testing.assert_array_equal(fitted(*training), alone)
    np.testing.assert_allclose(alone, published(training), rtol=1e-9, atol=1e-12)
    assert np.abs(fitted(*training, held_out) - alone).max() > 0.01


def test_the_fit_sees_what_the_stages_before_give():
    signal = trials(30, seed=10)
    stages = [{"kind": "pick", "ch_names": ["Oz", "Fz"]}, {"kind": "whiten", "epoch": N_TIMES / SFREQ}]
    config = PreprocessConfig.model_validate({"stages": stages})
    matrix = np.array(fit_preprocess(SPEC, config, [signal.chunks(33)]).stages[1].matrix)
    picked = Signal(SPEC.model_copy(update={"ch_names": ("Oz", "Fz")}), signal.data[:, [3, 0]], signal.stamps)
    expected = np.mean([shrunk(e.astype(np.float64)) for e in picked.data.reshape(-1, N_TIMES, 2)], axis=0)
    np.testing.assert_allclose(matrix @ expected @ matrix, np.eye(2), atol=1e-9)


def test_a_matrix_that_is_there_is_kept_and_nothing_is_read_for_it():
    config = chain(matrix=np.eye(4).tolist())
    assert fit_preprocess(SPEC, config, iter(())) == config


def counted(signal: Signal, length: int) -> NoiseCovariance:
    noise = NoiseCovariance(4, length)
    for chunk in signal.chunks(16):
        for block in Preprocessor(SPEC, PreprocessConfig()).blocks(chunk):
            noise.add(block)
    noise.close()
    return noise


@pytest.mark.parametrize(("length", "stretches"), [(50, 6), (49, 6), (20, 18), (21, 12), (100, 6), (101, 0)])
def test_a_stretch_ends_at_its_length_or_a_gap_and_a_short_rest_is_left_out(length: int, stretches: int):
    assert counted(trials(6, seed=11), length).n == stretches


def test_invalid_samples_do_not_count():
    whole = trials(1, seed=12)
    broken = whole.data.copy()
    broken[[3, 17]] = np.nan
    kept = np.delete(whole.data, [3, 17], axis=0).astype(np.float64)
    expected = whitening(shrunk(kept))
    np.testing.assert_allclose(fitted(Signal(SPEC, broken, whole.stamps)), expected, rtol=1e-9, atol=1e-12)


def test_a_channel_that_never_changes_is_left_as_it_is():
    signal = trials(20, seed=13)
    signal.data[:, 2] = 7
    matrix = fitted(signal)
    np.testing.assert_array_equal(matrix[2], [0, 0, 1, 0])
    np.testing.assert_array_equal(matrix[:, 2], [0, 0, 1, 0])
    assert np.isfinite(matrix).all()
    np.testing.assert_array_equal(whitening(np.zeros((2, 2))), np.eye(2))


def test_channels_that_depend_on_each_other_are_refused():
    with pytest.raises(ConfigError, match="covariance of 3 channels has only 2 dimensions"):
        whitening(np.array([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]))


@pytest.mark.parametrize("recordings", [[], [[Chunk(np.full((50, 4), np.nan), np.arange(50) / SFREQ)]]])
def test_fitting_on_nothing_is_refused(recordings: list):
    with pytest.raises(ConfigError, match=r"gave no stretch of 0\.25 s without a gap"):
        fit_preprocess(SPEC, chain(), recordings)


def test_an_irregular_stream_cannot_be_fitted():
    with pytest.raises(ConfigError, match="needs a stream of regular rate"):
        fit_preprocess(SPEC.model_copy(update={"sfreq": 0.0}), chain(), [trials(3, seed=14).chunks(9)])


def test_without_a_matrix_or_with_one_of_another_size_it_is_not_built():
    with pytest.raises(ConfigError, match=r"preprocess stage 1 \(whiten\): has no matrix yet; calibrate with it"):
        Preprocessor(SPEC, chain())
    with pytest.raises(ConfigError, match=r"matrix has 3 rows of 3 values, expected 4 rows of 4"):
        Preprocessor(SPEC, chain(matrix=np.eye(3).tolist()))


@pytest.mark.parametrize("n_chans", [1, 2, 63, 271])
def test_any_number_of_channels_gives_the_bits_of_one_pass(n_chans: int):
    spec = SPEC.model_copy(update={"ch_names": tuple(f"ch{k}" for k in range(n_chans))})
    rng = np.random.default_rng(15)
    stamps, data = np.arange(300) / SFREQ, rng.normal(0, 10, (300, n_chans)).astype(np.float32)
    config = chain(matrix=rng.normal(0, 1, (n_chans, n_chans)).tolist())
    whole = Preprocessor(spec, config).process(Chunk(data, stamps)).data
    np.testing.assert_allclose(whole, data @ np.array(config.stages[0].matrix), rtol=1e-4, atol=1e-3)
    for size in (1, 7, 299):
        small = Preprocessor(spec, config)
        parts = [small.process(Chunk(data[at : at + size], stamps[at : at + size])).data for at in range(0, 300, size)]
        np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_the_example_of_the_documentation_is_valid():
    page = (Path(__file__).parents[2] / "docs" / "preprocessing.md").read_text()
    example = tomllib.loads(page.split("## Whitening")[1].split("```toml")[1].split("```")[0])
    assert PreprocessConfig.model_validate(example["preprocess"]).stages[0].epoch == 1.0
