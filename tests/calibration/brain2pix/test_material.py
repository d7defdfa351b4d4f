"""Films: windows, runs, scaling; and what recordings become (simulated)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from calibration.brain2pix.fit import fit_brain2pix
from calibration.brain2pix.material import N_LAGS, joined, of_pairs
from calibration.brain2pix.orientation import AS_TOLD, best_turn
from calibration.brain2pix.scaling import scale_of, scaled, scaled_by_run
from streamkit.errors import BadInput
from tests.calibration.brain2pix.toy import REGION, SETTINGS, film, run


def test_a_window_holds_the_volumes_from_its_first_on() -> None:
    movie = film()
    rows = np.array([0, 5, len(movie) - 1])
    windows = movie.windows(rows)
    assert windows.shape == (3, len(REGION), N_LAGS)
    for window, row in zip(windows, rows, strict=True):
        at = movie.first[row]
        np.testing.assert_array_equal(window, movie.voxels[at : at + N_LAGS].T)


def test_runs_are_joined_without_a_window_across_them() -> None:
    parts = [run(1), run(2)]
    both = joined(parts)
    assert len(both) == sum(map(len, parts))
    np.testing.assert_array_equal(both.windows(), np.concatenate([part.windows() for part in parts]))
    np.testing.assert_array_equal(both.shown(), np.concatenate([part.shown() for part in parts]))
    last = both.first + N_LAGS - 1
    assert (both.of_volume[both.first] == both.of_volume[last]).all()
    assert len(np.unique(both.shot)) == sum(len(np.unique(part.shot)) for part in parts)
    assert np.unique(both.run).tolist() == [0, 1]


def test_the_first_runs_are_whole_runs() -> None:
    movie = film(4)
    assert np.unique(movie.first_runs(0.5).run).tolist() == [0, 1]
    assert np.unique(movie.first_runs(0.01).run).tolist() == [0]
    assert len(movie.first_runs(1.0)) == len(movie)


def test_scaling_by_training_is_what_a_live_decoder_can_do() -> None:
    train, test = film(3, 1), film(2, 2)
    mean, std = scale_of(train)
    np.testing.assert_allclose(scaled(train, mean, std).voxels.mean(0), 0, atol=1e-5)
    later = scaled(test, mean, std).voxels
    np.testing.assert_allclose(later, (test.voxels - mean) / std, atol=1e-5)
    one = scaled(test[np.array([3])], mean, std).windows()
    np.testing.assert_allclose(one, (test.windows(np.array([3])) - mean[:, None]) / std[:, None], atol=1e-5)


def test_scaling_by_run_knows_the_whole_run() -> None:
    movie = film(2)
    by_run = scaled_by_run(movie)
    for number in (0, 1):
        own = by_run.voxels[by_run.of_volume == number]
        np.testing.assert_allclose(own.mean(0), 0, atol=1e-5)
        np.testing.assert_allclose(own.std(0), 1, atol=1e-4)
    changed = movie.voxels.copy()
    changed[-1] += 10
    apart = scaled_by_run(replace(movie, voxels=changed)).voxels - by_run.voxels
    assert np.abs(apart[movie.of_volume == 1][0]).max() > 0
    assert not apart[movie.of_volume == 0].any()


def test_a_region_that_is_not_there_is_named() -> None:
    with pytest.raises(BadInput, match="no voxel lies in 'V4'; there are voxels in V1, V2"):
        film().columns(["V4"])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"first": np.array([-1] * 36)}, "do not lie within"),
        ({"centre": np.zeros((3, 2))}, r"centres \(3, 2\)"),
        ({"frame": np.arange(3)}, "as many windows, frames and shots"),
        ({"frames": np.zeros((2, 3, 4, 4), np.float32)}, "expected .* uint8"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(changes: dict, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        replace(run(1), **changes)


def test_single_pictures_and_responses_are_films_of_windows_of_one_sample() -> None:
    rng = np.random.default_rng(0)
    images = np.repeat(np.repeat(rng.integers(0, 256, (60, 1, 7, 7), np.uint8), 4, 2), 4, 3)
    centre = rng.uniform(-0.45, 0.45, (50, 2))
    columns, rows = np.floor((centre + 0.5) * 28).astype(int).T
    responses = images[:, 0, rows, columns] / 255 + 0.05 * rng.standard_normal((60, 50))
    pairs = of_pairs(responses, images, centre, np.repeat("V4", 50), np.arange(60))
    train, test = pairs[np.arange(48)], pairs[np.arange(48, 60)]
    settings = SETTINGS.but(widths=(16, 32), epochs=30, fisheye=False)
    fitted = fit_brain2pix(train, None, settings)
    seen = fitted.predict(test)
    assert seen.shape == (12, 1, 28, 28)
    assert np.square(seen - test.shown()).mean() < 0.8 * np.square(train.mean_frame() - test.shown()).mean()
    assert best_turn(train) == AS_TOLD
    assert pairs.grey().shape == (60, 28, 28)


def test_brightness_is_luma_of_colours() -> None:
    movie = run(1)
    np.testing.assert_allclose(
        movie.grey()[movie.frame], np.tensordot(movie.shown(), [0.299, 0.587, 0.114], (1, 0)), atol=1e-6
    )
