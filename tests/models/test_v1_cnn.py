"""The image decoder has the published size and lands on the image it was asked for."""

from __future__ import annotations

import pytest
import torch

from models.v1_cnn import build

SMALL = {"channels": [8, 4, 4, 4, 4]}


def test_it_has_exactly_the_published_number_of_parameters() -> None:
    with torch.device("meta"):
        model = build(8587, 1, (1, 36, 64), 1.0)
        image = model.eval()(torch.empty(2, 8587, 1))
    assert sum(parameter.numel() for parameter in model.parameters()) == 20_226_625
    assert image.shape == (2, 1, 36, 64)


def test_the_forms_of_the_project_s_own_runs_are_there_too() -> None:
    with torch.device("meta"):
        wide = build(8587, 1, (1, 36, 64), 1.0, unflatten=(64, 18, 32))
        cropped = build(8587, 1, (1, 36, 64), 1.0, final="deconv").eval()
        assert cropped(torch.empty(2, 8587, 1)).shape == (2, 1, 36, 64)
    assert round(sum(parameter.numel() for parameter in wide.parameters()) / 1e6, 1) == 323.5
    assert cropped.crop == (slice(2, 38), slice(2, 66))


def test_the_printed_latent_belongs_to_another_picture_size() -> None:
    with pytest.raises(ValueError, match="a read-in of 9 x 16 grows to images of 18 x 32"):
        build(8587, 1, (1, 36, 64), 1.0, unflatten=(3, 9, 16))


@pytest.mark.parametrize("out_shape", [(1, 28, 28), (3, 12, 20), (1, 6, 6)])
def test_the_default_geometry_fits_every_even_image(out_shape: tuple[int, int, int]) -> None:
    assert build(5, 2, out_shape, 10.0, **SMALL).eval()(torch.zeros(2, 5, 2)).shape == (2, *out_shape)


def test_a_final_transposed_convolution_is_cropped_to_the_centre() -> None:
    model = build(5, 2, (1, 28, 28), 10.0, final="deconv", **SMALL).eval()
    assert model(torch.zeros(2, 5, 2)).shape == (2, 1, 28, 28)
    assert model.crop == (slice(2, 30), slice(2, 30))


def test_values_are_bounded_only_when_asked() -> None:
    x = 100 * torch.randn(4, 5, 2, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    bounded = build(5, 2, (1, 12, 12), 10.0, activation="sigmoid", **SMALL)(x)
    assert bounded.min() >= 0
    assert bounded.max() <= 1
    assert build(5, 2, (1, 12, 12), 10.0, **SMALL)(x).min() < 0


def test_an_image_it_cannot_land_on_is_refused_with_what_it_makes() -> None:
    with pytest.raises(ValueError, match=r"a read-in of 13 x 14 grows to images of 26 x 28, expected 27 x 28"):
        build(5, 2, (1, 27, 28), 10.0, **SMALL)


def test_an_output_that_is_no_image_is_refused() -> None:
    with pytest.raises(ValueError, match=r"out_shape=\(3,\) was given, expected \(channels, height, width\)"):
        build(5, 2, (3,), 10.0)


def test_lists_of_different_length_are_refused() -> None:
    with pytest.raises(ValueError, match="2 channels, 5 kernels, 5 strides and 5 paddings were given"):
        build(5, 2, (1, 28, 28), 10.0, channels=[8, 4])


def test_an_unknown_ending_is_refused() -> None:
    with pytest.raises(ValueError, match="final='pool', activation='none' were given"):
        build(5, 2, (1, 28, 28), 10.0, final="pool")
