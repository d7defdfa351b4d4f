"""Encoders and decoders of small mice learn, alone and together; all data are simulated."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from calibration.metrics import Draws, column_correlations
from calibration.mouse_v1 import fit_decoder as decoding
from calibration.mouse_v1.fid import Fid
from calibration.mouse_v1.fit_decoder import clamp_gradients, fit_decoder
from calibration.mouse_v1.fit_encoder import fit_encoder, network_of
from calibration.mouse_v1.meis import most_exciting, own_response
from calibration.mouse_v1.scores import PIXELS, SSIML, score, ssim_losses
from calibration.mouse_v1.settings import CNN, ENCODER, GAN, INVERSION, MEIS
from streamkit.errors import BadInput, ConfigError
from tests.calibration.mouse_v1.mice import ENCODER as TOY
from tests.calibration.mouse_v1.mice import HEIGHT, N_UNITS, TOY_CNN, TOY_GAN, WIDTH, animal, material, trained
from tests.calibration.mouse_v1.mice import INVERSION as TOY_INVERSION
from tests.calibration.mouse_v1.mice import MEIS as TOY_MEIS

DRAWS = Draws(20, 20)


def pixel_r(made: np.ndarray, shown: np.ndarray) -> float:
    return float(score(made, shown, DRAWS)[PIXELS].each.mean())


def test_published_settings_are_the_report_s() -> None:
    assert (ENCODER.lr, ENCODER.gamma, ENCODER.plateau, ENCODER.decays, ENCODER.batch_size) == (0.009, 0.3, 5, 4, 128)
    assert (ENCODER.smooth, ENCODER.sparse) == (6.3831, 0.0076)
    assert (GAN.adversarial, GAN.stimulus, GAN.clip, GAN.label_noise) == (0.1, 0.9, 1.0, 0.05)
    assert (GAN.lr, GAN.weight_decay, GAN.epochs, GAN.batch_size) == (3e-4, 0.03, 200, 16)
    assert (CNN.loss, CNN.adversarial) == ("mse", 0.0)
    assert (MEIS.steps, MEIS.lr, MEIS.sigma, MEIS.deviation) == (1000, 1.0, 1.0, 0.15)
    assert (INVERSION.steps, INVERSION.lr, INVERSION.sigma, INVERSION.start) == (1000, 2000.0, 1.0, "noise")


@pytest.mark.parametrize(("settings", "count"), [(ENCODER, 649_933)])
def test_published_settings_build_the_published_encoder(settings, count: int) -> None:
    assert sum(p.numel() for p in network_of(settings, 8587, (1, 36, 64)).build(0).parameters()) == count


def test_the_encoder_predicts_new_pictures() -> None:
    fitted, test = trained().encoder_of(), animal().test.by_image()
    said = fitted.predict(test.y, "m1")
    assert said.shape == test.X.shape
    assert (said > 0).all()
    assert np.nanmean(column_correlations(said, test.X)) > 0.5
    assert fitted.history.validation[fitted.history.best] == min(fitted.history.validation)


def test_the_earlier_encoder_learns_too() -> None:
    fitted = fit_encoder([animal()], TOY.but(readout="linear", sparse=1e-4))
    test = animal().test.by_image()
    assert np.nanmean(column_correlations(fitted.predict(test.y, "m1"), test.X)) > 0.3


def test_without_signal_the_encoder_predicts_nothing() -> None:
    silent = animal("m1", 0.0)
    fitted = fit_encoder([silent], TOY.but(epochs=5))
    test = silent.test.by_image()
    assert abs(np.nanmean(column_correlations(fitted.predict(test.y, "m1"), test.X))) < 0.15


def test_animals_share_convolutions_and_nothing_else() -> None:
    fitted = trained().encoder_of()
    first, second = fitted.of("m1"), fitted.of("m2")
    assert first.core is second.core
    assert len(first.readout.bias) == N_UNITS
    assert len(second.readout.bias) == 40


def test_most_exciting_images_excite_more_than_pictures() -> None:
    encoder = trained().encoder_of().of("m1")
    meis = trained().guides["m1"].meis
    assert meis.shape == (N_UNITS, HEIGHT, WIDTH)
    assert np.abs(meis).max() <= 1
    np.testing.assert_allclose(meis.mean((1, 2)), 0, atol=0.02)
    rng = np.random.default_rng(0)
    noise = 0.15 * rng.standard_normal((N_UNITS, 1, HEIGHT, WIDTH)).astype(np.float32)
    rows = torch.arange(N_UNITS)
    with torch.no_grad():
        excited, plain = (own_response(encoder, torch.from_numpy(x), rows) for x in (meis[:, None], noise))
        everything = encoder(torch.from_numpy(meis[:, None]))
    torch.testing.assert_close(excited, everything.diagonal())
    assert (excited > plain).float().mean() > 0.9
    with pytest.raises(BadInput, match="expected grey ones"):
        most_exciting(encoder, (3, HEIGHT, WIDTH), TOY_MEIS)


def test_the_inverted_encoder_recovers_pictures_from_its_own_noiseless_responses() -> None:
    fitted, test = trained().encoder_of(), animal().test
    chosen, tried = trained().chosen(fitted)
    assert len(tried) == 8
    assert chosen == min(tried, key=lambda each: each.score).settings
    assert trained().choice is trained().choice
    assert trained().choice == (chosen, tried)
    own = trained().inverted(fitted, chosen, fitted.predict(test.images, "m1"))
    assert pixel_r(own, test.images) > 0.7


def test_the_standard_deviation_of_one_matters_and_is_a_switch() -> None:
    fitted, test = trained().encoder_of(), animal().test
    X = fitted.predict(test.images, "m1")
    with_it = trained().inverted(fitted, TOY_INVERSION, X)
    without = trained().inverted(fitted, TOY_INVERSION.but(rescale=False), X)
    np.testing.assert_allclose(with_it.std((1, 2, 3)), 1, rtol=1e-3)
    assert np.ptp(without.std((1, 2, 3))) > 0.01


@pytest.mark.parametrize("settings", [TOY_CNN, TOY_GAN], ids=["cnn", "gan"])
def test_a_decoder_beats_the_mean_image_on_new_pictures(settings) -> None:
    fitted = trained().all([settings], [0])[0][0]
    test = animal().test.by_image()
    made = fitted.predict(test.X, "m1")
    mean = np.broadcast_to(animal().train.y.mean(0), test.y.shape)
    assert made.shape == test.y.shape
    assert pixel_r(made, test.y) > 0.4 > pixel_r(mean, test.y)
    if settings.loss == "ssim":
        assert ssim_losses(made, test.y).mean() < ssim_losses(mean, test.y).mean()


def test_without_signal_a_decoder_is_at_chance() -> None:
    silent = animal("m1", 0.0)
    found = score(
        fit_decoder([silent], TOY_CNN.but(epochs=4)).predict(silent.test.by_image().X, "m1"),
        silent.test.by_image().y,
        Draws(20, 100),
    )
    low, high = np.percentile(found[PIXELS].null, (0.5, 99.5))
    assert low <= found[PIXELS].each.mean() <= high


def test_several_animals_train_one_core() -> None:
    fitted = trained().all([TOY_GAN.but(animals=("m1", "m2"), epochs=2)], [0])[0][0]
    for name, n in (("m1", N_UNITS), ("m2", 40)):
        assert fitted.predict(np.ones((3, n), np.float32), name).shape == (3, 1, HEIGHT, WIDTH)
    assert fitted.of("m1").core is fitted.of("m2").core


def test_an_animal_that_is_alone_in_a_batch_is_passed_over() -> None:
    module = decoding.build(TOY_CNN, [animal()], {"m1": decoding.network_of(TOY_CNN, N_UNITS, (1, HEIGHT, WIDTH))}, {})
    held = [("m1", torch.rand(5, N_UNITS, 1), torch.rand(5, 1, HEIGHT, WIDTH))]
    one = {name: torch.zeros(1, dtype=torch.long) for name in ("animal", "row", "shown")}
    loss = decoding.generator_loss(module.train(), one, held, TOY_CNN)["loss"]
    loss.backward()
    assert loss == 0


def test_gradients_of_the_core_and_the_discriminator_are_clamped_entry_by_entry() -> None:
    networks = {"m1": decoding.network_of(TOY_GAN, N_UNITS, (1, HEIGHT, WIDTH))}
    module = decoding.build(TOY_GAN, [animal()], networks, trained().guides)
    handles = clamp_gradients(module, 1e-4)
    held = [("m1", torch.rand(5, N_UNITS, 1), torch.rand(5, 1, HEIGHT, WIDTH))]
    batch = {name: torch.arange(4) for name in ("row", "shown")} | {"animal": torch.zeros(4, dtype=torch.long)}
    (1e4 * decoding.generator_loss(module, batch, held, TOY_GAN)["loss"]).backward()
    (1e4 * decoding.discriminator_loss(module, batch, held, TOY_GAN)["loss"]).backward()
    for part in (module.generator.core, module.discriminator):
        assert max(float(p.grad.abs().max()) for p in part.parameters()) <= 1e-4 * 3
    assert max(float(p.grad.abs().max()) for p in module.generator.readins.parameters()) > 1e-4 * 3
    for handle in handles:
        handle.remove()


def test_the_gan_needs_images_to_read_through() -> None:
    with pytest.raises(ConfigError, match="those of animal 'm1' are missing: make them with an encoder"):
        fit_decoder([animal()], TOY_GAN)


class AlwaysThree(Fid):
    """A distance that needs no weights."""

    def __call__(self, made: np.ndarray, shown: np.ndarray) -> float:
        return 3.0


def test_what_picked_the_epoch_is_said() -> None:
    fitted = fit_decoder([animal()], TOY_CNN.but(select="fid", epochs=1))
    assert fitted.selected_by == "SSIM loss, for FID-64 needs weights that were not given"
    counted = fit_decoder([animal()], TOY_CNN.but(select="fid", epochs=1), fid=AlwaysThree())
    assert counted.selected_by == "FID-64"
    assert counted.history.validation == [3.0]
    assert "validation ssim loss" in counted.history.logged


def test_a_strange_animal_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"no animal 'm3'"):
        material().called(["m3"])


def test_the_same_seed_gives_the_same_pictures() -> None:
    X = animal().test.X[:3]
    one, other = (fit_decoder([animal()], TOY_CNN.but(epochs=1)).predict(X, "m1") for _ in range(2))
    np.testing.assert_array_equal(one, other)


def test_scores_of_the_same_picture_are_perfect() -> None:
    shown = animal().test.images
    found = score(3 * shown - 1, shown, DRAWS, 10)
    assert found[SSIML].each.max() < 1e-3
    assert found[PIXELS].each.min() > 0.999
    assert found["10-way identification"].each.min() == 1
    assert found["10-way identification"].chance == 0.1
