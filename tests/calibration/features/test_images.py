"""What encoders are given: checked, and prepared as published."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torchvision.transforms import v2

from calibration.features.images import Preparation, checked
from streamkit.errors import BadInput

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def images(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).random(shape, np.float32)


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (images(3, 8, 8), r"have shape \(3, 8, 8\), expected \(n, 3 or 1"),
        (images(2, 8, 8, 3), "transpose them"),
        ((images(2, 3, 8, 8) * 255).astype(np.uint8), "uint8, expected floats .* divide 8-bit values by 255"),
        (images(2, 3, 8, 8) * 255, r"to 25\d, expected \[0, 1\]"),
        (np.full((1, 1, 4, 4), np.nan, np.float32), "from nan"),
    ],
    ids=["three axes", "channels last", "bytes", "not scaled", "not a number"],
)
def test_images_of_another_form_are_refused_with_what_to_do(wrong, why):
    with pytest.raises(BadInput, match=why):
        checked(wrong)


def test_float64_images_become_float32_and_none_at_all_are_fine():
    assert checked(images(2, 1, 5, 6).astype(np.float64)).dtype == np.float32
    assert checked(np.empty((0, 3, 8, 8))).shape == (0, 3, 8, 8)


@pytest.mark.parametrize(("height", "width"), [(50, 71), (64, 40), (33, 33)])
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_the_centre_is_cut_and_standardised_as_torchvision_does(height, width, interpolation):
    x = images(3, 3, height, width)
    published = v2.Compose(
        [
            v2.Resize(36, v2.InterpolationMode(interpolation), antialias=True),
            v2.CenterCrop(32),
            v2.Lambda(lambda image: image.clamp(0, 1)),
            v2.Normalize(MEAN, STD),
        ]
    )
    ours = Preparation(32, MEAN, STD, interpolation, shorter=36).apply(x)
    np.testing.assert_allclose(ours, published(torch.from_numpy(x)), atol=2e-5)


def test_without_a_shorter_side_the_whole_image_is_squeezed():
    x = images(2, 3, 40, 60)
    ours = Preparation(32, MEAN, STD).apply(x)
    whole = v2.Compose([v2.Resize((32, 32), antialias=True), v2.Normalize(MEAN, STD)])
    np.testing.assert_allclose(ours, whole(torch.from_numpy(x)), atol=2e-5)


def test_a_grey_image_has_the_same_three_channels():
    made = Preparation(16, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)).apply(images(1, 1, 20, 20))
    assert made.shape == (1, 3, 16, 16)
    np.testing.assert_array_equal(made[:, 0], made[:, 2])
