"""Tone power measures the amplitude of a tone and nothing beside it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from models.tone_power import build

SFREQ, N_TIMES = 250.0, 500


def tone(hz: float, amplitude: float = 1.0, phase: float = 0.3) -> torch.Tensor:
    time = np.arange(N_TIMES) / SFREQ
    return torch.from_numpy((amplitude * np.sin(2 * np.pi * hz * time + phase))[None, None].astype(np.float32))


def features(x: torch.Tensor, **args: object) -> np.ndarray:
    return build(1, N_TIMES, (2,), SFREQ, [10.0, 13.0], **args).features(x).numpy()[0]


def test_log_power_of_a_tone_is_the_log_of_its_amplitude_squared() -> None:
    assert features(tone(10.0, 3.0), harmonics=1)[0] == pytest.approx(np.log(9.0), abs=1e-3)


@pytest.mark.parametrize("phase", [0.0, 1.0, 2.5])
def test_phase_does_not_matter(phase: float) -> None:
    assert features(tone(13.0, 2.0, phase), harmonics=1)[1] == pytest.approx(np.log(4.0), abs=1e-3)


def test_harmonics_are_measured_beside_their_fundamental() -> None:
    assert features(tone(20.0), harmonics=2).argmax() == 1  # 10, 20, 13, 26


def test_a_constant_offset_does_not_matter() -> None:
    np.testing.assert_allclose(features(tone(10.0) + 100.0, harmonics=1), features(tone(10.0), harmonics=1), atol=0.05)


def test_snr_does_not_depend_on_the_gain() -> None:
    rng = np.random.default_rng(0)
    x = tone(10.0) + torch.from_numpy(rng.standard_normal((1, 1, N_TIMES)).astype(np.float32))
    np.testing.assert_allclose(features(x, features="snr"), features(50 * x, features="snr"), atol=1e-3)
    assert features(x, features="snr")[0] > 2.0


def test_a_harmonic_above_half_the_rate_is_refused() -> None:
    with pytest.raises(ValueError, match=r"tones from 10 to 150 Hz .* expected all between 0 and 125 Hz"):
        build(1, N_TIMES, (2,), SFREQ, [10.0, 50.0], harmonics=3)


def test_an_unknown_kind_of_feature_is_refused() -> None:
    with pytest.raises(ValueError, match="features='power' was given, expected 'log_power' or 'snr'"):
        build(1, N_TIMES, (2,), SFREQ, [10.0], features="power")
