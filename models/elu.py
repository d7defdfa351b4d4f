"""Exponential linear unit that trains faster on a processor."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


class Elu(nn.Module):
    """``x`` above 0, ``exp(x) - 1`` below.

    PyTorch's own takes ``expm1``, which is not vectorised on a processor and then is most of a training step of the
    networks here. While training there, this takes ``exp`` and subtracts, which differs by less than 1e-7; everywhere
    else it is PyTorch's.
    """

    def forward(self, x: Tensor) -> Tensor:
        """The same shape as `x`."""
        if self.training and x.device.type == "cpu" and x.dtype == torch.float32:
            done: Tensor = _Elu.apply(x)
            return done
        return functional.elu(x)


class _Elu(torch.autograd.Function):
    """Keeps its answer alone, of which the derivative is a function."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        answer = torch.clamp(x, max=0.0).exp_().sub_(1.0).add_(torch.relu(x))
        ctx.save_for_backward(answer)
        return answer

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        (answer,) = ctx.saved_tensors
        return grads[0] * torch.clamp(answer + 1.0, max=1.0)
