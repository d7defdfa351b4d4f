"""The composite loss: 0.7 times the squared error, and one less the correlation."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from calibration.image2ecog.objective import LAMBDA, correlation, losses


def batch(shape: tuple[int, ...], seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_it_is_the_published_sum() -> None:
    predicted, recorded = batch((4, 3, 20)), batch((4, 3, 20), 1)
    found = losses(predicted, recorded)
    r = [np.corrcoef(a, b)[0, 1] for a, b in zip(predicted.reshape(12, 20), recorded.reshape(12, 20), strict=True)]
    assert found["mse"] == pytest.approx(float(((predicted - recorded) ** 2).mean()), rel=1e-5)
    assert found["corr"] == pytest.approx(1 - np.mean(r), abs=1e-5)
    assert found["loss"] == pytest.approx(0.7 * float(found["mse"]) + float(found["corr"]), rel=1e-5)
    assert LAMBDA == 0.7


def test_a_perfect_prediction_costs_nothing_and_the_weight_is_of_the_squared_error() -> None:
    recorded = batch((4, 3, 20))
    assert losses(recorded, recorded)["loss"] == pytest.approx(0, abs=1e-4)
    shifted = losses(recorded + 1, recorded, lambda_mse=2.0)
    assert shifted["corr"] == pytest.approx(0, abs=1e-4)
    assert shifted["loss"] == pytest.approx(2.0, rel=1e-4)


def test_values_are_correlated_along_the_batch() -> None:
    predicted, recorded = batch((30, 2)), batch((30, 2), 1)
    r = [np.corrcoef(predicted[:, k], recorded[:, k])[0, 1] for k in (0, 1)]
    np.testing.assert_allclose(correlation(predicted, recorded), r, atol=1e-5)


def test_a_constant_prediction_has_no_correlation_and_a_finite_slope() -> None:
    predicted = torch.zeros((2, 3, 20), requires_grad=True)
    found = losses(predicted, batch((2, 3, 20)))
    found["loss"].backward()
    assert float(found["corr"].detach()) == pytest.approx(1.0, abs=1e-6)
    assert predicted.grad is not None
    assert torch.isfinite(predicted.grad).all()
