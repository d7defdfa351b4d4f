"""Images at another size: as Pillow and torchvision make them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms.v2.functional import InterpolationMode
from torchvision.transforms.v2.functional import resize as theirs

from calibration.features.resample import resize, weights

SIZES = [((37, 53), (24, 24)), ((20, 30), (31, 64)), ((64, 64), (17, 90))]


def images(height: int, width: int, n: int = 2) -> np.ndarray:
    return np.random.default_rng(0).random((n, 3, height, width), np.float32)


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize(("given", "wanted"), SIZES)
def test_the_pixels_are_those_of_torchvision(given, wanted, interpolation):
    x = images(*given)
    expected = theirs(torch.from_numpy(x), wanted, InterpolationMode(interpolation), antialias=True)
    np.testing.assert_allclose(resize(x, wanted, interpolation), expected.clamp(0, 1), atol=1e-5)


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_the_pixels_are_those_of_pillow_but_for_its_rounding(interpolation):
    bits = np.random.default_rng(1).integers(0, 256, (40, 50, 3)).astype(np.uint8)
    method = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}[interpolation]
    expected = np.asarray(Image.fromarray(bits).resize((21, 33), method))
    x = bits.transpose(2, 0, 1)[None].astype(np.float32) / 255
    assert np.abs(resize(x, (33, 21), interpolation)[0].transpose(1, 2, 0) * 255 - expected).max() < 1.01


def test_a_uniform_image_stays_what_it_is():
    assert np.ptp(resize(np.full((1, 1, 33, 47), 0.3, np.float32), (24, 91), "bicubic")) < 1e-6


def test_what_has_the_size_already_is_left_alone():
    x = images(8, 9)
    assert resize(x, (8, 9)) is x


def test_bicubic_does_not_leave_the_range():
    edge = np.repeat(np.repeat([[0.0, 1.0]], 20, axis=0), 20, axis=1)[None, None].astype(np.float32)
    made = resize(edge, (31, 61), "bicubic")
    assert (made.min(), made.max()) == (0.0, 1.0)
    assert (weights(40, 61, "bicubic") < 0).any()  # it would have, had nothing been clipped
