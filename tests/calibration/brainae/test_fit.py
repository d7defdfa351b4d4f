"""What training must do on a planted code (simulated), and what it must not find."""

from __future__ import annotations

import pickle

import cloudpickle
import numpy as np
import pytest
import torch

from calibration.brainae.fit import build, fit_brainae, settled
from calibration.brainae.objective import ABLATIONS, DECODER_ALONE, Weights
from calibration.brainae.pairs import Pairs
from calibration.brainae.scores import classification, encoding, retrieval
from calibration.brainae.settings import BACKBONES, PUBLISHED, Backbone, BrainAESettings
from calibration.progress import Progress
from calibration.tables.items import difference
from streamkit.errors import BadInput, ConfigError
from tests.calibration.brainae.toy import DRAWS, SETTINGS, SFREQ, fitted, toy, world


def inside_chance(items) -> bool:
    return bool(items.each.mean() <= np.percentile(items.null, 97.5))


def test_the_full_objective_retrieves_classifies_and_encodes_what_was_planted() -> None:
    model, material = fitted(), toy()
    test = material.test.by_image()
    top_1, top_5 = retrieval(model, test, DRAWS)
    assert top_1.each.mean() > 10 * top_1.chance
    assert top_5.each.mean() >= top_1.each.mean()
    assert classification(model, test, material.gallery, DRAWS)[0].each.mean() > 5 / 30
    r, _ = encoding(model.predict(test.features), test.X, DRAWS)
    assert r.each.mean() > r.chance + 0.15


@pytest.mark.parametrize("backbone", BACKBONES)
def test_a_trained_system_can_be_handed_to_another_process(backbone: Backbone) -> None:
    model = settled(build(PUBLISHED["eeg"].but(backbone=backbone, embedding=64), 63, 250, 64).eval())
    X = torch.randn(2, 63, 250)
    with torch.no_grad():
        assert torch.equal(pickle.loads(cloudpickle.dumps(model)).encode(X), model.encode(X))


def test_bounds_of_weights_hold_when_they_are_settled() -> None:
    model = build(PUBLISHED["eeg"].but(backbone="eegnet", embedding=64), 63, 250, 64).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(100)
    X = torch.randn(2, 63, 250)
    with torch.no_grad():
        bounded = model.encode(X)
        torch.testing.assert_close(settled(model).encode(X), bounded)


def test_a_code_of_1024_numbers_is_found_as_well() -> None:
    material = world(noise=1.0, n_features=1024)
    settings = SETTINGS.but(embedding=1024, epochs=10)
    model = fit_brainae(*material.held_back(40, 0), settings, sfreq=SFREQ)
    top_1, _ = retrieval(model, material.test.by_image(), DRAWS)
    assert top_1.each.mean() > 8 * top_1.chance


def test_reconstruction_alone_retrieves_far_less_than_the_full_objective() -> None:
    test = toy().test.by_image()
    alone, full = (
        [retrieval(fitted(weights=ABLATIONS[row], seed=seed), test, DRAWS)[0] for seed in (0, 1, 2)]
        for row in ("recon only", "full")
    )
    assert np.mean([items.each for items in alone]) < 0.2
    assert difference("full − recon only", alone, full, DRAWS)["ci95"][0] > 0.1


def test_what_binds_brains_and_images_is_never_more_than_the_losses() -> None:
    model = fitted(weights=Weights(con=0, fea=0, recon_image=0), epochs=6)
    assert all(inside_chance(items) for items in retrieval(model, toy().test.by_image(), DRAWS))


def test_without_a_signal_nothing_is_found() -> None:
    material, model = toy(0.0), fitted(0.0, epochs=6)
    test = material.test.by_image()
    assert all(inside_chance(items) for items in retrieval(model, test, DRAWS))
    assert all(inside_chance(items) for items in classification(model, test, material.gallery, DRAWS))
    r, _ = encoding(model.predict(test.features), test.X, DRAWS)
    assert abs(r.each.mean()) < 0.05


def test_the_contrastive_loss_alone_predicts_nothing() -> None:
    test = toy().test.by_image()
    r, _ = encoding(fitted(weights=ABLATIONS["con only"]).predict(test.features), test.X, DRAWS)
    assert abs(r.each.mean()) < 0.1


@pytest.mark.parametrize("decoder", ["conv", "linear"])
def test_the_decoder_alone_predicts_responses_and_its_encoder_stays_as_drawn(decoder: str) -> None:
    test = toy().test.by_image()
    model = fitted(weights=DECODER_ALONE, decoder=decoder)
    r, _ = encoding(model.predict(test.features), test.X, DRAWS)
    assert r.each.mean() > r.chance + 0.1
    drawn = build(model.settings, *toy().train.size).encoder.state_dict()
    for name, value in model.model.encoder.state_dict().items():
        torch.testing.assert_close(value, drawn[name])


def test_eight_responses_are_learnt_by_heart() -> None:
    few = toy(4.0).train[np.arange(0, 32, 4)]
    settings = SETTINGS.but(dropout=0.0, epochs=200, batch_size=8, validation=0, lr=3e-3, scaling="standard")
    model = fit_brainae(few, None, settings, sfreq=SFREQ)
    assert model.history.logged["con"][-1] < 0.01
    assert model.history.logged["fea"][-1] < 0.3
    assert model.history.logged["recon_brain"][-1] < 0.35 * few.X.var()
    top_1, _ = retrieval(model, few, DRAWS)
    assert top_1.each.mean() == 1.0


def test_the_same_seed_gives_the_same_model_and_another_seed_another() -> None:
    few, settings = toy().train[np.arange(80)], SETTINGS.but(epochs=2)
    first, again, other = (fit_brainae(few, None, settings.but(seed=seed)).embed(few.X) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)


def test_the_epoch_with_the_lowest_validation_total_is_kept() -> None:
    history = fitted().history
    assert history.best == int(np.argmin(history.validation))
    parts = [history.logged[f"validation {name}"] for name in ("con", "fea", "recon_brain", "recon_image")]
    np.testing.assert_allclose(np.sum(parts, axis=0), history.validation, rtol=1e-5)


def test_without_validation_the_last_epoch_is_kept() -> None:
    history = fit_brainae(toy().train[np.arange(80)], None, SETTINGS.but(epochs=3)).history
    assert (history.best, history.validation) == (2, [])


def test_standard_features_are_scaled_by_the_training_images_alone() -> None:
    few = toy().train[np.arange(80)]
    shifted = Pairs(few.X, 100 * few.features + 7, few.image, few.concept)
    model = fit_brainae(shifted, None, SETTINGS.but(epochs=1, scaling="standard"))
    projected = model.project(shifted.features)
    np.testing.assert_allclose(projected.mean(0), 0, atol=1e-3)
    np.testing.assert_allclose(projected.std(0), 1, atol=1e-3)


def test_features_of_another_width_get_a_trained_projection() -> None:
    model = fit_brainae(toy().train[np.arange(80)], None, SETTINGS.but(epochs=1, embedding=16))
    assert model.project(toy().train.features[:3]).shape == (3, 16)
    with pytest.raises(ConfigError, match="256 features"):
        build(SETTINGS.but(embedding=16, img_proj="none"), *toy().train.size)


def test_a_window_that_is_too_short_is_named() -> None:
    with pytest.raises(ConfigError, match=r"8 channels, 10 samples.*too short"):
        build(BrainAESettings(), 8, 10, 1024)


def test_the_published_settings_are_those_of_the_paper() -> None:
    eeg, meg, mua = (PUBLISHED[name] for name in ("eeg", "meg", "mua"))
    assert (eeg.epochs, eeg.lr, eeg.betas, eeg.tau, eeg.weights) == (50, 1e-3, (0.5, 0.999), 0.07, Weights())
    assert [each.batch_size for each in (eeg, meg, mua)] == [800, 600, 100]
    assert [each.validation for each in (eeg, meg, mua)] == [740, 748, 748]
    assert [each.out_act for each in (eeg, meg, mua)] == ["tanh", "identity", "identity"]


def test_the_published_system_has_the_published_size() -> None:
    with torch.device("meta"):
        model = build(PUBLISHED["eeg"], 63, 250, 1024)
    assert sum(each.numel() for each in model.parameters()) == 2_999_592 + 1_987_683


def test_progress_is_told_the_epochs() -> None:
    class Told(Progress):
        total = 0

        def begin(self, what: str, total: int | None = None, done: float = 0) -> None:
            self.total = total or 0

    told = Told()
    fit_brainae(toy().train[np.arange(80)], None, SETTINGS.but(epochs=2), progress=told)
    assert told.total == 2


def test_a_training_is_taken_up_only_with_the_objective_it_was_begun_with(tmp_path) -> None:
    train, validation = toy().held_back(40, 0)
    first = fit_brainae(train, validation, SETTINGS.but(epochs=1), sfreq=SFREQ, checkpoint=tmp_path)
    again = fit_brainae(train, validation, SETTINGS.but(epochs=1), sfreq=SFREQ, checkpoint=tmp_path)
    assert np.array_equal(first.embed(train.X[:4]), again.embed(train.X[:4]))
    for change in ({"tau": 0.5}, {"weights": Weights(fea=0)}, {"symmetric": False}):
        with pytest.raises(BadInput, match="another training"):
            fit_brainae(train, validation, SETTINGS.but(epochs=1, **change), sfreq=SFREQ, checkpoint=tmp_path)
