"""Brain2Pix learns, is taken up where it stopped, and its controls are what they say; all data are simulated."""

from __future__ import annotations

import pickle
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from calibration.brain2pix.fit import Fitted, adversaries, fit_brain2pix, network_of
from calibration.brain2pix.retina import pixels_of
from calibration.brain2pix.scores import SSIM, ssim_of
from calibration.brain2pix.settings import PUBLISHED
from calibration.brain2pix.trained import Trained, train_one
from streamkit.errors import BadInput, ConfigError
from tests.calibration.brain2pix.toy import REGION, SETTINGS, film, material


@cache
def fitted(**changes: object) -> Fitted:
    toy = material()
    return fit_brain2pix(toy.train, toy.validation, SETTINGS.but(**changes))


def error(seen: np.ndarray) -> float:
    return float(np.square(seen - material().test.shown()).mean())


def mean_error() -> float:
    test = material().test
    return error(np.broadcast_to(material().train.mean_frame(), test.shown().shape))


@pytest.mark.parametrize("network", ["fixed", "learned", "shen", "dense"])
def test_it_beats_the_mean_frame_on_new_runs(network: str) -> None:
    seen = fitted(network=network, epochs=12).predict(material().test)
    assert seen.shape == material().test.shown().shape
    assert 0 <= seen.min() <= seen.max() <= 1
    assert error(seen) < 0.8 * mean_error()


def test_without_signal_it_is_no_better_than_the_mean_frame() -> None:
    silent = material(0.0)
    seen = fit_brain2pix(silent.train, silent.validation, SETTINGS.but(epochs=3)).predict(silent.test)
    assert error(seen) > 0.9 * mean_error()


@pytest.mark.slow
def test_brightness_under_the_pixels_is_enough_for_sharp_pictures() -> None:
    told = fitted(synthetic=True, epochs=20)
    test = material().test
    assert ssim_of(told.predict(test), test.shown()).mean() > 0.5, SSIM


@pytest.mark.slow
def test_eight_frames_are_learnt_by_heart() -> None:
    eight = film(1)[np.arange(0, 32, 4)]
    learnt = fit_brain2pix(eight, None, SETTINGS.but(epochs=150, adversarial=0.0))
    assert np.square(learnt.predict(eight) - eight.shown()).mean() < 0.1 * eight.shown().var()


def test_through_the_fisheye_pictures_come_out_straight() -> None:
    through = fitted(fisheye=True, epochs=12)
    test = material().test
    assert error(through.predict(test)) < 0.85 * mean_error()
    assert np.abs(through.painted(test) - through.predict(test)).max() > 0.05
    np.testing.assert_allclose(through.as_learnt(test).frames.shape, test.frames.shape)


def test_the_same_seed_paints_the_same_and_another_does_not() -> None:
    toy = material()
    again = fit_brain2pix(toy.train, toy.validation, SETTINGS.but(epochs=2))
    first = fitted(epochs=2).predict(toy.test)
    np.testing.assert_array_equal(again.predict(toy.test), first)
    assert np.abs(fitted(epochs=2, seed=1).predict(toy.test) - first).max() > 0.01


def test_a_finished_training_is_taken_from_its_checkpoint(tmp_path: Path) -> None:
    toy, settings = material(), SETTINGS.but(epochs=3)
    first = fit_brain2pix(toy.train, toy.validation, settings, checkpoint=tmp_path / "whole")
    again = fit_brain2pix(toy.train, toy.validation, settings, checkpoint=tmp_path / "whole")
    assert again.history.seconds == first.history.seconds
    np.testing.assert_array_equal(again.predict(toy.test), first.predict(toy.test))


def test_a_checkpoint_of_other_films_or_settings_is_refused(tmp_path: Path) -> None:
    toy, settings = material(), SETTINGS.but(epochs=1)
    fit_brain2pix(toy.train, toy.validation, settings, checkpoint=tmp_path / "one")
    others = replace(toy.train, voxels=toy.train.voxels + 1)
    for train, changed in ((others, settings), (toy.train, settings.but(feature=3.0))):
        with pytest.raises(BadInput, match="another training"):
            fit_brain2pix(train, toy.validation, changed, checkpoint=tmp_path / "one")


def test_what_the_discriminator_remembers_is_part_of_a_checkpoint() -> None:
    movie = film(1)
    pair = adversaries(SETTINGS, network_of(SETTINGS, movie, pixels_of(movie)).build(0), movie)
    assert {"past.images", "past.pictures", "past.held"} <= set(pair.state_dict())


def test_the_epoch_is_picked_by_features_on_validation_runs_alone() -> None:
    found = fitted(epochs=12)
    watched = found.history.validation
    assert found.history.best == int(np.argmin(watched))
    assert len(watched) == 12
    without = fit_brain2pix(material().train, None, SETTINGS.but(epochs=2))
    assert without.history.validation == []
    assert without.history.best == 1


def test_both_networks_are_logged() -> None:
    history = fitted(epochs=2).history
    assert {"discriminator loss", "adversarial", "feature", "pixel"} <= set(history.logged)
    assert not any("discriminator" in name for name in fitted(epochs=2, adversarial=0.0).history.logged)


def test_voxels_without_a_place_are_left_out() -> None:
    toy = material()
    centre = toy.train.centre.copy()
    centre[::2] = np.nan
    parts = [replace(part, centre=centre) for part in (toy.train, toy.validation, toy.test)]
    found = fit_brain2pix(parts[0], parts[1], SETTINGS.but(epochs=1))
    assert found.voxels.tolist() == list(range(1, len(REGION), 2))
    others = parts[2].voxels.copy()
    others[:, ::2] += 5
    np.testing.assert_array_equal(found.predict(replace(parts[2], voxels=others)), found.predict(parts[2]))
    shen = fit_brain2pix(parts[0], parts[1], SETTINGS.but(epochs=1, network="shen"))
    assert len(shen.voxels) == len(REGION)


def test_one_region_is_read_alone_as_five_images() -> None:
    found = fitted(regions=("V2",), epochs=1)
    assert found.network.args["regions"] == [24]
    assert found.model.generator.down[0][0].in_channels == 5
    test = material().test
    others = test.voxels.copy()
    others[:, REGION != "V2"] += 5
    np.testing.assert_array_equal(found.predict(replace(test, voxels=others)), found.predict(test))


def test_the_share_is_of_whole_runs() -> None:
    toy = material()
    part = fit_brain2pix(toy.train, toy.validation, SETTINGS.but(epochs=1, share=0.5))
    half = fit_brain2pix(toy.train.first_runs(0.5), toy.validation, SETTINGS.but(epochs=1))
    np.testing.assert_array_equal(part.predict(toy.test), half.predict(toy.test))


def test_what_lies_under_pixels_keeps_its_brightness() -> None:
    told = fitted(synthetic=True, epochs=1)
    assert len(set(told.mean.tolist())) == len(set(told.std.tolist())) == 1
    values = told.as_learnt(material().train).voxels
    assert abs(values.mean()) < 1e-3
    assert values.std() == pytest.approx(1, abs=1e-3)
    assert values.mean(0).std() > 0.05


def test_scaling_by_run_is_there_as_published() -> None:
    found = fitted(scaling="run", epochs=1)
    assert not found.mean.any()
    np.testing.assert_allclose(found.std, 1)


def test_test_runs_have_no_part_in_a_training() -> None:
    toy, settings = material(), SETTINGS.but(epochs=1)
    other = replace(toy, test=film(1, 7))
    first, second = (train_one(material=each, settings=settings, loop={}) for each in (toy, other))
    np.testing.assert_array_equal(first.predict(toy.validation), second.predict(toy.validation))


def test_a_model_is_trained_once_however_often_it_is_asked_for() -> None:
    trained = Trained(material())
    settings = SETTINGS.but(epochs=1)
    first = trained.of(settings, [0, 1])
    assert trained.of(settings, [1])[0] is first[1]
    assert len(trained.kept) == 2


def test_published_settings_build_the_published_networks() -> None:
    movie = film(1)
    found = network_of(PUBLISHED, movie, pixels_of(movie))
    assert found.name == "brain2pix"
    assert (found.args["widths"], found.args["momentum"]) == ([64, 128, 256, 512, 512], 0.9)


def test_a_discriminator_that_halves_too_often_is_refused_in_words() -> None:
    toy = material()
    with pytest.raises(ConfigError, match="d_widths of 5 layers and frames of 16 x 16"):
        fit_brain2pix(toy.train, toy.validation, SETTINGS.but(d_widths=(4, 4, 4, 4, 4)))


def test_what_was_trained_travels_to_another_process_and_back() -> None:
    found = fitted(epochs=2)
    again = pickle.loads(pickle.dumps(found))
    np.testing.assert_array_equal(again.predict(material().test), found.predict(material().test))


def test_several_devices_are_refused_in_words() -> None:
    toy = material()
    with pytest.raises(ConfigError, match="trains on one device"):
        fit_brain2pix(toy.train, toy.validation, SETTINGS, loop={"devices": 2})
