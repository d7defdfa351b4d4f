"""Spikes to video learns, masks, reads single regions, and goes backwards; all data are simulated."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch

from calibration.spikes2video.fit import Fitted, fit_spikes2video, network_of
from calibration.spikes2video.material import Material, Trials
from calibration.spikes2video.nulls import clips_of_noise, counts_of_noise
from calibration.spikes2video.objective import video_losses, weights_of
from calibration.spikes2video.settings import PUBLISHED, SMALL
from calibration.spikes2video.trained import Trained
from streamkit.errors import BadInput, ConfigError
from tests.calibration.spikes2video.clips import trials

POOLS = ((3, 2, 2), (3, 2, 2), (3, 2, 2), (1, 1, 1))
SETTINGS = SMALL.but(
    hidden=24,
    base=4,
    pools=POOLS,
    mlp_hidden=(24, 32),
    channels=(8, 8, 8, 8),
    epochs=24,
    batch_size=8,
    lr=0.03,
    step=10,
)
BETTER = 0.85
"""Than the mean clip, at least: part of its loss."""
QUICK = {"network": "mlp", "epochs": 2}


def toy(per_condition: int, seed: int = 0) -> Trials:
    return trials(per_condition, 2.0, seed)


@cache
def fitted(**changes: object) -> Fitted:
    return fit_spikes2video(toy(6), toy(2, 1), SETTINGS.but(**changes))


def error(seen: np.ndarray, test: Trials) -> float:
    """What training makes small, on other trials."""
    shown = torch.from_numpy(test.video)
    given = torch.from_numpy(np.broadcast_to(seen, shown.shape).copy())
    return float(video_losses(given, shown, weights_of(test.stages, SETTINGS.eta), SETTINGS)["loss"])


@pytest.mark.parametrize("network", [pytest.param("unet", marks=pytest.mark.slow), "mlp"])
def test_it_beats_the_mean_clip_on_new_trials(network: str) -> None:
    test = toy(2, 2)
    seen = fitted(network=network).predict(test.X)
    assert seen.shape == (len(test), *test.out_shape)
    assert error(seen, test) < BETTER * error(toy(6).video.mean(0), test)


def test_without_signal_it_is_no_better_than_the_mean_clip() -> None:
    silent = fit_spikes2video(trials(6, 0.0), trials(2, 0.0, 1), SETTINGS.but(network="mlp", epochs=8))
    test = trials(2, 0.0, 2)
    assert error(silent.predict(test.X), test) > 0.95 * error(toy(6).video.mean(0), test)


@pytest.mark.parametrize("network", [pytest.param("unet", marks=pytest.mark.slow), "mlp"])
def test_eight_trials_are_learnt_by_heart(network: str) -> None:
    eight = trials(1)
    wide = {"hidden": 128, "base": 8, "lr": 0.005} if network == "unet" else {}
    learnt = fit_spikes2video(eight, None, SETTINGS.but(network=network, epochs=250, step=250, **wide))
    seen = learnt.predict(eight.X)
    assert error(seen, eight) < 0.6 * error(eight.video.mean(0), eight)


def test_counts_are_scaled_by_training_trials_alone() -> None:
    train = toy(6)
    found = fitted(**QUICK)
    np.testing.assert_allclose(found.mean, train.X.mean((0, 1)), rtol=1e-5)
    np.testing.assert_allclose(found.std, train.X.std((0, 1)), rtol=1e-5)
    np.testing.assert_allclose(found.standardised(train.X).mean((0, 2)), 0, atol=1e-5)


def test_the_same_seed_gives_the_same_clips() -> None:
    again = fit_spikes2video(toy(6), toy(2, 1), SETTINGS.but(**QUICK))
    np.testing.assert_array_equal(again.predict(toy(1).X), fitted(**QUICK).predict(toy(1).X))


def test_a_masked_region_is_at_its_mean() -> None:
    found, X = fitted(network="mlp"), toy(2, 2).X
    at_mean = X.copy()
    hidden = np.flatnonzero(found.region == "MT")
    at_mean[:, :, hidden] = found.mean[hidden]
    np.testing.assert_allclose(found.predict(X, ("MT",)), found.predict(at_mean), atol=1e-5)
    assert np.abs(found.predict(X, ("MT",)) - found.predict(X)).max() > 0.01


def test_a_region_that_is_not_read_cannot_be_masked() -> None:
    with pytest.raises(BadInput, match="region 'IT' cannot be masked: the network reads PFC, MT, V4"):
        fitted(**QUICK).predict(toy(1).X, ("IT",))


def test_a_single_region_decoder_reads_no_other_site() -> None:
    found, X = fitted(**QUICK, regions=("V4",)), toy(1, 2).X
    others = X.copy()
    others[:, :, trials().region != "V4"] += 5
    np.testing.assert_array_equal(found.predict(others), found.predict(X))
    assert found.region.tolist() == ["V4"] * 4


def test_the_bottleneck_is_a_vector_per_trial() -> None:
    assert fitted(epochs=1).latent(toy(1).X).shape == (8, 16 * 1 * 2 * 2)
    with pytest.raises(BadInput, match="only 'unet' has"):
        fitted(**QUICK).latent(toy(1).X)


@pytest.mark.slow
def test_the_inverse_predicts_what_a_condition_does_to_the_counts() -> None:
    inverse, test = fitted(network="inverse"), toy(2, 2)
    _, expected = test.mean_of_conditions(test.X)
    _, predicted = test.mean_of_conditions(inverse.predict_counts(test.video))
    within = [np.corrcoef(expected[:, :, site].ravel(), predicted[:, :, site].ravel())[0, 1] for site in range(12)]
    assert np.mean(within) > 0.1


def test_the_inverse_gives_counts_and_nothing_else_does() -> None:
    test = toy(1, 2)
    counts = fitted(network="inverse", epochs=1).predict_counts(test.video)
    assert counts.shape == test.X.shape
    with pytest.raises(BadInput, match="only 'inverse' predicts counts"):
        fitted(**QUICK).predict_counts(test.video)


def test_nulls_are_what_noise_looks_like() -> None:
    unet, inverse = fitted(epochs=1), fitted(network="inverse", epochs=1)
    noise = clips_of_noise(unet, 27, n=5)
    assert noise.shape == (5, *toy(1).out_shape)
    np.testing.assert_array_equal(noise, clips_of_noise(unet, 27, n=5))
    assert counts_of_noise(inverse, toy(1).out_shape, n=4).shape == (4, *toy(1).size)


def test_a_model_is_trained_once_however_often_it_is_asked_for() -> None:
    trained = Trained(Material(toy(6), toy(2, 1), toy(2, 2), "toy", True))
    settings = SETTINGS.but(network="mlp", epochs=1)
    first = trained.of(settings, [0, 1])
    assert trained.of(settings, [1])[0] is first[1]
    assert first[0] is not first[1]
    assert len(trained.kept) == 2


def test_bins_that_are_no_frames_are_refused_with_the_way_out() -> None:
    fine = trials(2)
    halves = replace(fine, X=np.repeat(fine.X, 2, axis=1), sfreq=20.0)
    with pytest.raises(ConfigError, match=r"54 bins and clips of 27 frames .* count in bins of 0\.1 s"):
        fit_spikes2video(halves, None, SETTINGS)


def test_published_settings_build_the_published_networks() -> None:
    found = network_of(PUBLISHED, 45, 140, (3, 45, 32, 32), 10.0)
    assert found.name == "spikes2video"
    assert sum(p.numel() for p in found.build(0).parameters()) == 3_554_915
    assert (PUBLISHED.optimiser, PUBLISHED.lr, PUBLISHED.step, PUBLISHED.gamma) == ("adamax", 0.01, 3, 0.85)
    assert (PUBLISHED.batch_size, PUBLISHED.epochs, PUBLISHED.seed, PUBLISHED.ssim_window) == (64, 40, 1233, 4)
