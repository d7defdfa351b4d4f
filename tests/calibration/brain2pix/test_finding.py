"""Frames found again, and receptive fields asked of a film; all data are simulated."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from calibration.brain2pix.fields import Fields, columns_of, estimate, pixels_apart, with_fields
from calibration.brain2pix.fit import fit_brain2pix
from calibration.brain2pix.nishimoto import Nishimoto, NishimotoSettings, fit_nishimoto, responses
from calibration.brain2pix.settings import FieldsSettings
from streamkit.errors import BadInput, ConfigError
from tests.calibration.brain2pix.toy import LENGTH, SETTINGS, SIDE, film, material, run

FIELDS = FieldsSettings(channels=(4, 4), pools=(1, 2), frames=5, epochs=12, penalty=0.01)


@cache
def found(**changes: object) -> Nishimoto:
    toy = material()
    return fit_nishimoto(toy.train, toy.validation, NishimotoSettings(**changes))


@cache
def fields() -> Fields:
    return estimate(film(4, 1), film(1, 2), FIELDS)


def squared(seen: np.ndarray) -> float:
    return float(np.square(seen - material().test.shown()).mean())


@pytest.mark.parametrize("score", ["corr", "loglik"])
def test_frames_found_again_are_better_than_frames_drawn_by_lot(score: str) -> None:
    seen = found(score=score, k=5).predict(material().test)
    assert seen.shape == material().test.shown().shape
    assert squared(seen) < squared(seen[np.random.default_rng(0).permutation(len(seen))])
    assert found(score=score, k=5).validation_r > 0.1


def test_the_best_one_is_a_frame_of_the_library_and_k_are_averaged() -> None:
    one, test = found(k=1), material().test
    library = one.library.reshape(len(one.library), -1) / 255
    for picture in one.predict(test)[:5]:
        assert np.abs(library - picture.ravel()).max(1).min() < 1e-6
    three = found(k=3)
    rows = np.argsort(-three.likeness(test)[0])[:3]
    np.testing.assert_allclose(three.predict(test)[0], three.library[rows].mean(0) / 255, atol=1e-6)


def test_likelihood_ranks_as_a_gaussian_does() -> None:
    fitted, test = found(score="loglik"), material().test
    y = responses(test) - fitted.mean
    y = y / fitted.std
    apart = y[0] - fitted.predicted
    expected = -0.5 * np.einsum("nv,vw,nw->n", apart, fitted.precision, apart)
    found_ = fitted.likeness(test)[0]
    np.testing.assert_allclose(found_ - found_.max(), expected - expected.max(), atol=1e-6)


def test_the_penalty_is_chosen_without_the_test_runs() -> None:
    toy = material()
    other = fit_nishimoto(toy.train, toy.validation, NishimotoSettings())
    assert other.penalty == found().penalty
    assert len(other.library) == len(toy.train)


def test_columns_hold_the_frames_up_to_each_volume() -> None:
    movie = run(3)
    columns = columns_of(movie, 4)
    assert (columns["rows"] == columns["volume"][:, None] + np.arange(-3, 1)).all()
    moved = replace(movie, first=movie.first + 2, shift=2)
    np.testing.assert_array_equal(columns_of(moved, 4)["volume"], columns["volume"])
    with pytest.raises(BadInput, match="no run has 90 frames in a row"):
        columns_of(movie, 90)


def test_no_clip_crosses_from_one_run_into_the_next() -> None:
    movie = film(2)
    columns = columns_of(movie, 4)
    runs = movie.of_volume[columns["volume"][:, None] + np.arange(-3, 1)]
    assert (runs == runs[:, :1]).all()
    assert columns["volume"].max() > LENGTH


@pytest.mark.slow
def test_planted_centres_are_found_within_three_pixels() -> None:
    apart = pixels_apart(fields().centre, film().centre, SIDE)
    mixed = pixels_apart(fields().centre, film().centre[np.random.default_rng(0).permutation(64)], SIDE)
    assert np.nanmedian(apart) < 3
    assert np.nanmedian(mixed) > 2 * np.nanmedian(apart)
    assert fields().r.mean() > 0.3


@pytest.mark.slow
def test_brain2pix_reads_estimated_places() -> None:
    toy = with_fields(material(), fields())
    np.testing.assert_array_equal(toy.test.centre, fields().centre)
    painted = fit_brain2pix(toy.train, toy.validation, SETTINGS.but(epochs=8)).predict(toy.test)
    mean = np.broadcast_to(toy.train.mean_frame(), painted.shape)
    assert squared(painted) < squared(mean)


def test_places_are_estimated_before_training_where_settings_say_so() -> None:
    toy = material()
    blind = [replace(part, centre=np.full_like(part.centre, np.nan)) for part in (toy.train, toy.validation)]
    settings = SETTINGS.but(fields="estimated", estimation=FIELDS.but(epochs=2, least=-1.0), epochs=1)
    fitted = fit_brain2pix(*blind, settings)
    assert len(fitted.voxels) == len(toy.train.region)
    with pytest.raises(BadInput, match="no voxel's receptive field"):
        fit_brain2pix(*blind, SETTINGS)
    with pytest.raises(ConfigError, match="needs validation runs"):
        fit_brain2pix(blind[0], None, settings)


def test_voxels_that_are_not_predicted_have_no_centre() -> None:
    toy = film(2, 1)
    mute = replace(toy, voxels=np.where(np.arange(64) < 32, 0, toy.voxels).astype(np.float32))
    fitted = estimate(mute, film(1, 2), FIELDS.but(epochs=3))
    assert np.isnan(fitted.centre[fitted.r <= 0]).all()
    assert np.isfinite(fitted.centre).any()
