"""The fisheye has the published coefficients and can be turned around within a pixel."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from models.fisheye import Unwarp, coefficients, resampled, source_radius, to_source, to_warped, warped_radius


@pytest.mark.parametrize(("size", "a", "b"), [(96, 0.01047, 0.5006), (112, 0.00891, 0.4989)])
def test_coefficients_are_the_published_ones(size: int, a: float, b: float) -> None:
    assert coefficients(size) == (pytest.approx(a, abs=6e-6), pytest.approx(b, abs=6e-5))


@pytest.mark.parametrize("size", [28, 32, 96, 112])
def test_the_middle_is_magnified_twice_and_the_edge_stays_the_edge(size: int) -> None:
    radius = np.array([1.0, size // 2 - 1])
    near, far = source_radius(radius, size)
    assert near == pytest.approx(0.5, abs=0.08)
    assert far == pytest.approx(size / 2, abs=0.02 * size)


@pytest.mark.parametrize("size", [32, 96])
def test_places_come_back_exactly(size: int) -> None:
    rows, columns = (each.ravel().astype(float) for each in np.mgrid[:size, :size])
    np.testing.assert_allclose(to_source(*to_warped(rows, columns, size), size), (rows, columns), atol=1e-9)
    np.testing.assert_allclose(warped_radius(source_radius(rows, size), size), rows, atol=1e-9)


@pytest.mark.parametrize("size", [32, 96])
def test_a_blob_comes_back_within_a_pixel_wherever_it_is(size: int) -> None:
    rows, columns = np.mgrid[:size, :size]
    for row in range(3, size - 3, size // 8):
        for column in range(3, size - 3, size // 8):
            if np.hypot(row - (size - 1) / 2, column - (size - 1) / 2) > size / 2 - 3:
                continue  # the corners lie outside of the warped picture
            blob = np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / (2 * 1.2**2)).astype(np.float32)
            again = resampled(resampled(blob), back=True)
            found = [(again * axis).sum() / again.sum() for axis in (rows, columns)]
            assert np.hypot(found[0] - row, found[1] - column) < 1


def test_what_lies_on_the_right_stays_on_the_right() -> None:
    picture = np.zeros((1, 32, 32), np.float32)
    picture[0, 12:20, 24:28] = 1
    warped = resampled(picture)[0]
    rows, columns = np.mgrid[:32, :32]
    assert (warped * columns).sum() / warped.sum() > 22
    assert (warped * rows).sum() / warped.sum() == pytest.approx(15.5, abs=0.5)


def test_the_graph_makes_straight_what_arrays_make_straight() -> None:
    pictures = np.random.default_rng(0).random((2, 3, 24, 24), np.float32)
    straight = Unwarp(24)(torch.from_numpy(pictures)).numpy()
    np.testing.assert_allclose(straight, resampled(pictures, back=True), atol=1e-6)


def test_what_is_not_square_is_refused() -> None:
    with pytest.raises(ValueError, match="square ones"):
        resampled(np.zeros((3, 8, 10), np.float32))
    with pytest.raises(ValueError, match="4 or more"):
        coefficients(2)
