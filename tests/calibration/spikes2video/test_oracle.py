"""The oracle against Bayes' rule written out, and against what must be so with no signal and with much."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import poisson

from calibration.spikes2video.oracle import clips_of_conditions, expected_clips, lognormal_nodes, posterior
from streamkit.errors import BadInput
from tests.calibration.spikes2video.clips import REGION, STAGES, trials

RNG = np.random.default_rng(0)


def rates(signal: float) -> np.ndarray:
    return 30 * np.exp(signal * RNG.normal(size=(8, STAGES.n_frames, len(REGION))))


def answering(rate: np.ndarray):
    shown = trials(6)
    return replace(shown, X=RNG.poisson(rate[shown.condition] / shown.sfreq).astype(np.float32))


def test_with_one_gain_it_is_bayes_rule() -> None:
    rate = rates(0.05)
    shown = answering(rate)
    logs = np.array([poisson.logpmf(x, rate / shown.sfreq).sum((1, 2)) for x in shown.X])
    by_hand = np.exp(logs - logs.max(1, keepdims=True))
    np.testing.assert_allclose(posterior(shown, rate, 0.0), by_hand / by_hand.sum(1, keepdims=True), rtol=1e-6)


def test_a_shared_gain_is_averaged_over() -> None:
    rate = rates(0.05)
    shown = answering(rate)
    gains, weights = lognormal_nodes(0.3)
    drawn = np.zeros((len(shown), 8))
    for region in np.unique(REGION):
        at = region == REGION
        likely = [
            [
                sum(
                    w * np.exp(poisson.logpmf(x[:, at], g * rate[k][:, at] / shown.sfreq).sum() + 200)
                    for g, w in zip(gains, weights, strict=True)
                )
                for k in range(8)
            ]
            for x in shown.X
        ]
        drawn += np.log(likely)
    by_hand = np.exp(drawn - drawn.max(1, keepdims=True))
    np.testing.assert_allclose(posterior(shown, rate, 0.3), by_hand / by_hand.sum(1, keepdims=True), rtol=1e-5)


def test_gains_have_mean_one_and_the_deviation_asked_for() -> None:
    gains, weights = lognormal_nodes(0.2)
    mean = gains @ weights
    assert mean == pytest.approx(1.0, abs=1e-6)
    assert np.sqrt((gains - mean) ** 2 @ weights) == pytest.approx(0.2, rel=1e-3)
    assert [each.tolist() for each in lognormal_nodes(0.0)] == [[1.0], [1.0]]


def test_without_a_signal_every_condition_is_as_likely_and_the_clip_is_their_mean() -> None:
    shown = answering(rates(0.0))
    likely = posterior(shown, rates(0.0), 0.1)
    np.testing.assert_allclose(likely, 1 / 8, rtol=1e-6)
    mean = clips_of_conditions(shown).mean(0)
    np.testing.assert_allclose(expected_clips(shown, likely)[0], mean, atol=1e-5)


def test_with_much_of_it_the_right_clip_is_shown() -> None:
    rate = rates(1.0)
    shown = answering(rate)
    np.testing.assert_allclose(expected_clips(shown, posterior(shown, rate, 0.1)), shown.video, atol=1e-4)


def test_what_does_not_belong_together_is_refused() -> None:
    shown = trials(2)
    with pytest.raises(BadInput, match="rates are of"):
        posterior(shown, np.ones((8, 3, 4)), 0.1)
    with pytest.raises(BadInput, match="condition 0 has no trial"):
        clips_of_conditions(shown[shown.condition > 0])
