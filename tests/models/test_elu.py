"""The exponential linear unit that trains faster is the same function, and exports as the usual one."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from models.elu import Elu  # noqa: E402


def test_values_and_gradients_are_those_of_torch() -> None:
    x = torch.linspace(-30, 5, 2001, requires_grad=True)
    fast = Elu().train()(x)
    (slope,) = torch.autograd.grad(fast.sum(), x)
    plain = torch.nn.functional.elu(x)
    (wanted,) = torch.autograd.grad(plain.sum(), x)
    torch.testing.assert_close(fast, plain, atol=1e-6, rtol=0)
    torch.testing.assert_close(slope, wanted, atol=1e-6, rtol=0)


def test_the_input_is_left_as_it_is() -> None:
    x = torch.randn(50)
    before = x.clone()
    Elu().train()(x)
    assert torch.equal(x, before)


def test_in_evaluation_mode_it_is_torchs_own() -> None:
    x = torch.randn(50)
    assert torch.equal(Elu().eval()(x), torch.nn.functional.elu(x))
