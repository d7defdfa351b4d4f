"""Places become pixels the right way round, through the fisheye too, and what lies there can be told (simulated)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from calibration.brain2pix.fit import network_of
from calibration.brain2pix.material import Movie
from calibration.brain2pix.orientation import AS_TOLD, EXCHANGED, TURNS, best_turn, followed, turned, with_pixels
from calibration.brain2pix.retina import (
    pixels_of,
    shuffled,
    synthetic,
    through_fisheye,
    warped_centres,
    with_places,
)
from models.brain2pix_readin import NOWHERE, FixedRF
from streamkit.errors import BadInput
from tests.calibration.brain2pix.toy import SETTINGS, SIDE, film


def placed_at(*centre: tuple[float, float]) -> Movie:
    """A film whose first voxels look at these places, x and y."""
    movie = film().only(np.arange(len(centre)))
    return replace(movie, centre=np.array(centre, np.float64))


def test_x_is_the_column_and_y_the_row_of_a_frame() -> None:
    movie = placed_at((-0.5, -0.5), (0.49, -0.5), (-0.5, 0.49), (0.0, 0.0))
    last, middle = SIDE - 1, SIDE // 2
    assert pixels_of(movie).tolist() == [0, last, last * SIDE, middle * SIDE + middle]
    assert pixels_of(movie, "column-row").tolist() == [0, last * SIDE, last, middle * SIDE + middle]


def test_a_voxel_that_looks_beside_the_picture_or_nowhere_has_no_pixel() -> None:
    movie = placed_at((0.5, 0.0), (-0.6, 0.0), (np.nan, np.nan), (0.1, 0.1))
    assert (pixels_of(movie) == NOWHERE).tolist() == [True, True, True, False]
    assert len(with_places(movie, pixels_of(movie)).region) == 1
    with pytest.raises(BadInput, match=r"no voxel's receptive field lies on the frames.*-0\.5 to 0\.5"):
        pixels_of(placed_at((0.9, 0.9)))


def test_synthetic_images_lie_over_their_frames() -> None:
    movie = film(1)
    pixel = pixels_of(movie)
    told = synthetic(movie, pixel)
    images = FixedRF(movie.counts, (SIDE, SIDE), pixel.tolist())(torch.from_numpy(told.windows()))
    brightness = movie.shown().sum(1)
    looked_at = np.zeros(SIDE * SIDE, bool)
    looked_at[pixel[movie.region == "V1"]] = True
    for lag in range(movie.n_lags):
        seen = images[:, lag].numpy().reshape(len(movie), -1)
        np.testing.assert_allclose(seen[:, looked_at], brightness.reshape(len(movie), -1)[:, looked_at], atol=1e-5)
        assert not seen[:, ~looked_at].any()


def test_the_released_order_of_axes_lays_images_on_their_side() -> None:
    movie = film(1)
    upright = synthetic(movie, pixels_of(movie))
    values, size = torch.from_numpy(upright.windows()), (SIDE, SIDE)
    told = FixedRF(movie.counts, size, pixels_of(movie).tolist())(values)
    released = FixedRF(movie.counts, size, pixels_of(movie, "column-row").tolist())(values)
    torch.testing.assert_close(released, told.transpose(2, 3))


def test_the_fisheye_moves_places_with_what_lies_there() -> None:
    movie = film(1)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    for x, y in ((0.2, -0.1), (-0.3, 0.25), (0.0, 0.3)):
        blob = np.exp(-((columns - ((x + 0.5) * SIDE - 0.5)) ** 2 + (rows - ((y + 0.5) * SIDE - 0.5)) ** 2) / 2)
        frames = np.repeat(np.round(255 * blob)[None, None], 3, 1).astype(np.uint8)
        seen = through_fisheye(
            replace(movie[np.array([0])], frames=frames, frame=np.array([0]), centre=np.tile([x, y], (64, 1)))
        )
        weight = seen.frames[0, 0].astype(float)
        found = [(weight * axis).sum() / weight.sum() for axis in (columns, rows)]
        expected = (seen.centre[0] + 0.5) * SIDE - 0.5
        np.testing.assert_allclose(found, expected, atol=0.7)


def test_the_middle_gets_more_room_through_the_fisheye() -> None:
    centre = np.array([[0.1, 0.0], [0.4, 0.0], [np.nan, np.nan]])
    warped = warped_centres(centre, 96)
    assert warped[0, 0] > 0.15
    assert warped[1, 0] == pytest.approx(0.43, abs=0.03)
    assert np.isnan(warped[2]).all()


def test_frames_that_are_not_square_cannot_go_through_the_fisheye() -> None:
    movie = film(1)
    with pytest.raises(BadInput, match="square frames, given 16 x 12"):
        through_fisheye(replace(movie, frames=movie.frames[..., :12]))


def test_shuffled_places_are_those_of_the_same_region() -> None:
    movie = film(1)
    pixel = pixels_of(movie)
    mixed = shuffled(pixel, movie.region, 0)
    for name in movie.regions:
        own = movie.region == name
        assert sorted(mixed[own]) == sorted(pixel[own])
    assert (mixed != pixel).mean() > 0.8
    np.testing.assert_array_equal(mixed, shuffled(pixel, movie.region, 0))


def test_the_data_tell_which_way_round_places_are() -> None:
    movie = film()
    assert best_turn(movie) == AS_TOLD
    assert best_turn(turned(movie, EXCHANGED)) == EXCHANGED
    table = with_pixels(movie)
    r = {turn: float(np.nanmean(followed(table, pixels_of(turned(movie, turn))))) for turn in TURNS}
    assert r[AS_TOLD] > 0.8 > max(value for turn, value in r.items() if turn != AS_TOLD)


def test_regions_that_are_mixed_up_are_refused() -> None:
    movie = film(1)
    order = np.random.default_rng(0).permutation(len(movie.region))
    mixed = movie.only(order)
    with pytest.raises(BadInput, match="sort them by region"):
        network_of(SETTINGS, mixed, pixels_of(mixed))
