"""The weight-free embedding: its layout, and that it sees what it says it sees."""

from __future__ import annotations

import numpy as np
import pytest

from calibration.datasets.photographs import load_grey
from calibration.features import FEATURES, GaborLayout, gabor_pyramid
from calibration.features.gabor import filters
from streamkit.errors import ConfigError

LAYOUT = GaborLayout()


def block(features: np.ndarray, name: str, layout: GaborLayout = LAYOUT) -> np.ndarray:
    """One block of embeddings, in its shape."""
    start = 0
    for each, shape in layout.blocks.items():
        size = int(np.prod(shape))
        if each == name:
            return features[:, start : start + size].reshape(len(features), *shape)
        start += size
    raise KeyError(name)


def grating(cycles: float, degrees: float, side: int = 128) -> np.ndarray:
    """A grating whose brightness changes along `degrees`, ``(1, 1, side, side)``."""
    y, x = np.mgrid[:side, :side] / side
    along = x * np.cos(np.deg2rad(degrees)) + y * np.sin(np.deg2rad(degrees))
    return (0.5 + 0.4 * np.sin(2 * np.pi * cycles * along)).astype(np.float32)[None, None]


def patches(name: str, n: int = 6, side: int = 128) -> np.ndarray:
    """Squares of a photograph, as far apart as they lie."""
    photograph = load_grey(name)
    tops = np.linspace(0, photograph.shape[0] - side, n).astype(int)
    lefts = np.linspace(0, photograph.shape[1] - side, n).astype(int)
    return np.stack([photograph[t : t + side, k : k + side] for t, k in zip(tops, lefts, strict=True)])[:, None]


def test_it_has_1024_values_and_says_that_it_has_no_weights():
    row = FEATURES["gabor_pyramid"]
    assert LAYOUT.dim == row.dim == 1024 == gabor_pyramid(grating(5, 0)).shape[1]
    assert not row.needs_weights
    assert "weight-free stand-in" in row.summary
    assert {name: np.prod(shape) for name, shape in LAYOUT.blocks.items()} == {
        "energy": 640,
        "colour": 192,
        "contrast": 192,
    }


@pytest.mark.parametrize("scale", range(5))
@pytest.mark.parametrize("orientation", range(8))
def test_a_grating_is_seen_by_the_filter_of_its_scale_and_orientation(scale, orientation):
    picture = grating(LAYOUT.frequencies[scale], 180 / 8 * orientation)
    energy = block(gabor_pyramid(picture), "energy")[0].mean((2, 3))
    assert np.unravel_index(energy.argmax(), energy.shape) == (scale, orientation)


def test_a_texture_is_seen_where_it_is():
    picture = np.full((1, 1, 128, 128), 0.5, np.float32)
    picture[..., 64:96, 32:64] = grating(12, 45)[..., 64:96, 32:64]
    features = gabor_pyramid(picture)
    energy = block(features, "energy")[0, 2, 2]
    contrast = block(features, "contrast")[0, 0]
    assert np.unravel_index(energy.argmax(), energy.shape) == (2, 1)
    assert {tuple(cell) for cell in np.argwhere(contrast > contrast.mean())} == {(4, 2), (4, 3), (5, 2), (5, 3)}


def test_colours_are_seen_where_they_are():
    picture = np.full((1, 3, 64, 64), 0.5, np.float32)
    picture[0, :, :8, :8] = np.array([1, 0, 0], np.float32)[:, None, None]
    picture[0, :, -8:, -8:] = np.array([0, 0, 1], np.float32)[:, None, None]
    colour = block(gabor_pyramid(picture), "colour")[0]
    assert np.unravel_index(colour[1].argmax(), (8, 8)) == (0, 0)  # red less green
    assert np.unravel_index(colour[2].argmax(), (8, 8)) == (7, 7)  # blue less yellow
    assert colour[0, 4, 4] == pytest.approx(0, abs=1e-5)


def test_a_grey_image_is_its_own_colours():
    grey = patches("camera", 2)
    np.testing.assert_allclose(gabor_pyramid(grey), gabor_pyramid(np.repeat(grey, 3, 1)), atol=1e-5)


def test_a_blank_image_has_no_structure():
    features = gabor_pyramid(np.full((1, 1, 50, 50), 0.5, np.float32))
    assert np.abs(features).max() < 1e-3


def test_it_is_nearly_blind_to_contrast_except_in_the_colours():
    strong = patches("astronaut", 3)
    weak = 0.5 + (strong - 0.5) * 0.6
    a, b = gabor_pyramid(strong), gabor_pyramid(weak.astype(np.float32))
    for name in ("energy", "contrast"):
        assert np.corrcoef(block(a, name).ravel(), block(b, name).ravel())[0, 1] > 0.97


def test_batches_are_of_no_consequence_and_the_input_is_left_alone():
    pictures = np.concatenate([patches("coffee", 20), patches("rocket", 20)])
    before = pictures.copy()
    whole = gabor_pyramid(pictures)
    np.testing.assert_array_equal(pictures, before)
    np.testing.assert_allclose(np.concatenate([gabor_pyramid(each[None]) for each in pictures]), whole, atol=1e-4)
    np.testing.assert_array_equal(gabor_pyramid(pictures), whole)


def test_what_looks_alike_lies_close_and_the_rest_is_spread():
    pictures = np.concatenate([patches(name, 6) for name in ("astronaut", "coffee", "rocket", "coins", "chelsea")])
    noise = np.random.default_rng(0).normal(0, 0.02, pictures.shape)
    seen_again = np.clip(np.roll(pictures, 3, axis=-1) + noise, 0, 1).astype(np.float32)
    a, b = (f / np.linalg.norm(f, axis=1, keepdims=True) for f in map(gabor_pyramid, (pictures, seen_again)))
    likeness = a @ b.T
    assert (likeness.argmax(1) == np.arange(len(likeness))).mean() >= 0.95
    assert abs(np.median(likeness[~np.eye(len(likeness), dtype=bool)])) < 0.35


def test_filters_see_no_mean_and_have_the_same_gain_at_every_scale():
    for frequency in LAYOUT.frequencies:
        gains = filters(frequency, LAYOUT)
        assert (gains[:, 0, 0] == 0).all()
        assert 1.6 < gains.max() <= 2.0


def test_another_layout_has_as_many_values_as_it_says():
    layout = GaborLayout(frequencies=(4.0, 8.0), orientations=4, energy_grid=2, colour_grid=4, side=64)
    assert gabor_pyramid(grating(6, 0), layout).shape == (1, layout.dim) == (1, 2 * 4 * 4 + 6 * 16)
    assert gabor_pyramid(np.empty((0, 1, 8, 8), np.float32), layout).shape == (0, layout.dim)


def test_a_layout_that_does_not_fit_is_refused():
    with pytest.raises(ConfigError, match=r"side is 64, .* twice the highest frequency \(48\)"):
        GaborLayout(side=64)
