"""The decoders around somebody's pretrained network have the published sizes; their own weights are at random."""

from __future__ import annotations

import pytest
import torch

from models.table import n_parameters
from models.v1_resnet import FeatureReadIn, v1_feature_inverter, v1_feature_readin, v1_resnet
from models.v1_sdvae import v1_latent
from tests.models.walk import walk


def test_the_latent_read_in_has_the_published_number_of_parameters() -> None:
    with torch.device("meta"):
        assert n_parameters(v1_latent(8587, 1, (4, 8, 8), 1.0)) == 45_942_016
        assert n_parameters(v1_latent(8587, 1, (4, 8, 8), 1.0, readin="ridge")) == 256 * 8588


@pytest.mark.parametrize("readin", ["mlp", "ridge", "conv"])
def test_every_read_in_lands_on_the_latent(readin: str) -> None:
    model = v1_latent(7, 1, (4, 3, 5), 1.0, readin=readin, hidden=(8, 8), maps=2).eval()
    assert model(torch.rand(2, 7, 1)).shape == (2, 4, 3, 5)


def test_the_resnet_decoder_has_the_published_numbers_of_parameters() -> None:
    with torch.device("meta"):
        assert n_parameters(v1_feature_inverter()) == 24_511_329
        assert n_parameters(v1_feature_readin(8587, 1, (1024, 14, 14), 1.0)) == 220_345_344
        assert n_parameters(v1_resnet(8587, 1, (1, 224, 224), 1.0)) == 24_511_329 + 220_345_344


def test_the_inverter_keeps_224_pixels_in_its_layers_of_stride_1() -> None:
    with torch.device("meta"):
        steps = walk(v1_feature_inverter().eval(), torch.empty(2, 1024, 14, 14))
    shapes = [shape for _, kind, shape in steps if kind == "ConvTranspose2d"]
    doubled = [(768, 28, 28), (512, 56, 56), (384, 112, 112), (256, 224, 224)]
    assert shapes == [*doubled, *((c, 224, 224) for c in (128, 64, 32, 16, 1))]


def test_the_read_in_begins_near_nothing() -> None:
    model = FeatureReadIn(5, (4, 3, 3), readin=2, widths=(3, 3))
    weights = [p for name, p in model.named_parameters() if p.ndim > 1]
    assert max(float(weight.detach().abs().max()) for weight in weights) <= 1e-6


def test_the_chain_ends_between_black_and_white() -> None:
    toy = {"features": (4, 3, 3), "readin": 2, "readin_widths": (3, 3), "widths": (4, 4), "refined": ((3, 3),)}
    image = v1_resnet(5, 1, (1, 12, 12), 1.0, **toy)(torch.rand(4, 5, 1))
    assert image.shape == (4, 1, 12, 12)
    assert image.min() >= 0
    assert image.max() <= 1
    with pytest.raises(ValueError, match="expected 12 x 12: each of 2 layers doubles the side"):
        v1_resnet(5, 1, (1, 20, 12), 1.0, **toy)


def test_an_unknown_read_in_is_refused() -> None:
    with pytest.raises(ValueError, match="readin='cnn'"):
        v1_latent(5, 1, (4, 8, 8), 1.0, readin="cnn")
