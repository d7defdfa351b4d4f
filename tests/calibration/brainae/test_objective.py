"""The four losses, each against a closed form."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from scipy.special import logsumexp
from torch import nn

from calibration.brainae.objective import ABLATIONS, DECODER_ALONE, Weights, contrastive, losses

B, C, T, D = 5, 3, 4, 6


class Linear(nn.Module):
    """A system of matrices, so that every loss can be written down."""

    def __init__(self) -> None:
        super().__init__()
        draw = torch.Generator().manual_seed(0)
        self.up = nn.Parameter(torch.randn(C * T, D, generator=draw))
        self.down = nn.Parameter(torch.randn(D, C * T, generator=draw))
        self.side = nn.Parameter(torch.randn(D, D, generator=draw))

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        return x.flatten(1) @ self.up

    def decode(self, z: torch.Tensor) -> torch.Tensor:
        return (z @ self.down).unflatten(1, (C, T))

    def project(self, f: torch.Tensor) -> torch.Tensor:
        return f @ self.side


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(1)
    return torch.randn(B, C, T, generator=draw), torch.randn(B, D, generator=draw)


def arrays(model: Linear, X: torch.Tensor, f: torch.Tensor) -> tuple[np.ndarray, ...]:
    with torch.no_grad():
        f = model.project(f)
        z = model.encode(X)
        return tuple(each.double().numpy() for each in (X, z, f, model.decode(z), model.decode(f)))


def info_nce(z: np.ndarray, f: np.ndarray, tau: float) -> float:
    logits = (z / np.linalg.norm(z, axis=1, keepdims=True)) @ (f / np.linalg.norm(f, axis=1, keepdims=True)).T / tau
    return float(np.mean(logsumexp(logits, axis=1) - np.diag(logits)))


def test_every_loss_is_what_numpy_makes_of_it() -> None:
    model, (X, f) = Linear(), batch()
    x, z, g, from_brain, from_image = arrays(model, X, f)
    found = {name: value.item() for name, value in losses(model, X, f, Weights(), tau=0.5).items()}
    expected = {
        "con": (info_nce(z, g, 0.5) + info_nce(g, z, 0.5)) / 2,
        "fea": np.mean((z - g) ** 2),
        "recon_brain": np.mean((x - from_brain) ** 2),
        "recon_image": np.mean((x - from_image) ** 2),
    }
    assert found == pytest.approx({"loss": sum(expected.values()), **expected}, rel=1e-5)


def test_the_paper_s_contrastive_loss_goes_from_brain_to_image_alone() -> None:
    model, (X, f) = Linear(), batch()
    _, z, g, *_ = arrays(model, X, f)
    found = losses(model, X, f, Weights(), tau=0.5, symmetric=False)["con"].item()
    assert found == pytest.approx(info_nce(z, g, 0.5), rel=1e-5)
    assert abs(info_nce(z, g, 0.5) - info_nce(g, z, 0.5)) > 1e-3


@pytest.mark.parametrize("tau", [0.003, 0.07, 0.7])
def test_embeddings_that_are_right_and_orthogonal_have_the_loss_in_closed_form(tau: float) -> None:
    z = torch.eye(B, D)
    expected = np.log1p((B - 1) * np.exp(-1 / tau))
    assert contrastive(z, 3 * z, tau).item() == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_embeddings_that_are_all_alike_have_the_loss_of_a_guess() -> None:
    assert contrastive(torch.ones(B, D), torch.ones(B, D), 0.07).item() == pytest.approx(np.log(B))


def test_repeats_of_an_image_are_no_wrong_answers() -> None:
    z = torch.eye(4, D)[[0, 1, 2, 0]]
    image = torch.tensor([7, 8, 9, 7])
    wrong = np.exp(-1 / 0.5)  # beside a cosine of 1, one of 0
    expected = (np.log1p(2 * wrong) + np.log1p(3 * wrong)) / 2
    assert contrastive(z, z, 0.5, image=image).item() == pytest.approx(expected)
    assert contrastive(z, z, 0.5).item() > expected + 0.1


def test_weights_multiply_and_a_weight_of_zero_leaves_its_loss_out() -> None:
    model, (X, f) = Linear(), batch()
    plain = losses(model, X, f, Weights())
    found = losses(model, X, f, Weights(con=2, fea=0, recon_brain=0.5, recon_image=0))
    assert set(found) == {"loss", "con", "recon_brain"}
    assert found["loss"].item() == pytest.approx(2 * plain["con"].item() + 0.5 * plain["recon_brain"].item(), rel=1e-5)


@pytest.mark.parametrize(
    ("row", "left"),
    [
        ("full", {"con", "fea", "recon_brain", "recon_image"}),
        ("w/o con", {"fea", "recon_brain", "recon_image"}),
        ("w/o fea", {"con", "recon_brain", "recon_image"}),
        ("w/o reconB", {"con", "fea", "recon_image"}),
        ("w/o reconI", {"con", "fea", "recon_brain"}),
        ("con only", {"con"}),
        ("recon only", {"recon_brain", "recon_image"}),
    ],
)
def test_a_row_of_the_ablation_computes_what_its_name_says(row: str, left: set[str]) -> None:
    assert set(losses(Linear(), *batch(), ABLATIONS[row])) == {"loss", *left}


def test_the_table_has_the_rows_of_the_paper() -> None:
    assert list(ABLATIONS) == ["full", "w/o con", "w/o fea", "w/o reconB", "w/o reconI", "con only", "recon only"]


def test_the_contrastive_loss_alone_leaves_the_decoder_untouched() -> None:
    model, (X, f) = Linear(), batch()
    losses(model, X, f, ABLATIONS["con only"])["loss"].backward()
    assert model.down.grad is None
    assert model.up.grad is not None


def test_the_decoder_alone_leaves_the_encoder_untouched() -> None:
    model, (X, f) = Linear(), batch()
    losses(model, X, f, DECODER_ALONE)["loss"].backward()
    assert model.up.grad is None
    assert model.down.grad is not None


def test_an_objective_without_any_loss_is_refused() -> None:
    with pytest.raises(ValidationError, match="all four weights are 0"):
        Weights(con=0, fea=0, recon_brain=0, recon_image=0)
