"""BrainAE whole: one embedding, reached from brains and images, from which one decoder speaks."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from models.brainae_system import BrainAE, brainae_decoder, brainae_encoder, brainae_linear_decoder, build_system
from models.eeg_backbones import BACKBONES
from models.table import n_parameters

SMALL: dict[str, Any] = {"embedding": 16, "n_features": 16, "filters": 4}


def test_it_goes_from_responses_and_features_to_responses() -> None:
    model = build_system(4, 64, **SMALL).eval()
    x, f = torch.randn(3, 4, 64), torch.randn(3, 16)
    assert model.encode(x).shape == (3, 16)
    assert model.decode(model.project(f)).shape == (3, 4, 64)
    torch.testing.assert_close(model(x), model.decode(model.encode(x)))


@pytest.mark.parametrize(
    ("img_proj", "n_features", "trained"), [("auto", 16, 0), ("none", 16, 0), ("linear", 16, 272), ("auto", 9, 160)]
)
def test_features_are_projected_where_they_have_to_be(img_proj: Any, n_features: int, trained: int) -> None:
    model = build_system(4, 64, **SMALL | {"n_features": n_features}, img_proj=img_proj)
    assert n_parameters(model.img_proj) == trained
    assert model.project(torch.zeros(2, n_features)).shape == (2, 16)


def test_features_that_are_no_embedding_need_a_projection() -> None:
    with pytest.raises(ValueError, match=r"img_proj='none' was given with 9 features and an embedding of 16.*'linear'"):
        build_system(4, 64, **SMALL | {"n_features": 9}, img_proj="none")


@pytest.mark.parametrize("wrong", [{"decoder": "mlp"}, {"img_proj": "conv"}, {"backbone": "resnet"}])
def test_an_unknown_part_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(wrong.values()))!r} was given, expected "):
        build_system(4, 64, **SMALL, **wrong)


@pytest.mark.parametrize("backbone", BACKBONES)
def test_every_backbone_can_be_its_encoder(backbone: str) -> None:
    pytest.importorskip("braindecode")
    model = build_system(4, 128, **SMALL, backbone=backbone).eval()
    assert model(torch.zeros(2, 4, 128)).shape == (2, 4, 128)


def test_its_decoder_can_be_the_linear_one() -> None:
    assert n_parameters(build_system(4, 64, **SMALL, decoder="linear").decoder) == 17 * 4 * 64


@pytest.mark.parametrize(("n_chans", "n_times"), [(63, 250), (271, 200), (1024, 200)])
def test_the_published_system_is_its_encoder_and_its_decoder(n_chans: int, n_times: int) -> None:
    with torch.device("meta"):
        whole = build_system(n_chans, n_times)
        parts = brainae_encoder(n_chans, n_times), brainae_decoder(n_chans, n_times)
    assert n_parameters(whole) == sum(map(n_parameters, parts))
    assert isinstance(whole.img_proj, torch.nn.Identity)


def test_one_decoder_learns_from_brains_and_images() -> None:
    model = build_system(4, 64, **SMALL)
    (model(torch.randn(4, 4, 64)).mean() + model.decode(model.project(torch.randn(4, 16))).mean()).backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_a_recipe_may_say_the_embedding_as_its_output() -> None:
    assert brainae_encoder(4, 64, out_shape=(12,), sfreq=100.0).eval()(torch.zeros(2, 4, 64)).shape == (2, 12)
    with pytest.raises(ValueError, match=r"out_shape=\(12,\) was given with embedding=16, expected \(embedding,\)"):
        brainae_encoder(4, 64, embedding=16, out_shape=(12,))


def test_parts_of_ones_own_fit_in() -> None:
    model = BrainAE(torch.nn.Flatten(), brainae_linear_decoder(2, 3, embedding=6))
    assert model(torch.zeros(5, 2, 3)).shape == (5, 2, 3)
