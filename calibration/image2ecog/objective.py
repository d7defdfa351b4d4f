"""The composite loss: squared error and one less the correlation.

::

    L = 0.7 mean (Ê - E)² + mean (1 - cov(Ê, E) / (sd(Ê) sd(E) + 1e-8))

The correlation of waves is along time, for each trial and channel; that of single values, which have no time, along the
trials of the batch, for each channel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

LAMBDA = 0.7
EPSILON = 1e-8


def losses(predicted: Tensor, recorded: Tensor, lambda_mse: float = LAMBDA) -> dict[str, Tensor]:
    """Losses of a batch.

    Parameters
    ----------
    predicted, recorded
        ``(B, n_chans, n_times)`` or ``(B, n_chans)``, standardised.
    lambda_mse
        Weight of the squared error.

    Returns
    -------
    dict
        ``"mse"``, ``"corr"`` and what is made small, ``"loss"``.
    """
    mse = (predicted - recorded).square().mean()
    corr = (1 - correlation(predicted, recorded)).mean()
    return {"loss": lambda_mse * mse + corr, "mse": mse, "corr": corr}


def correlation(predicted: Tensor, recorded: Tensor) -> Tensor:
    """Correlation ``(B, n_chans)`` of waves along time, or ``(n_chans,)`` of values along the batch."""
    axis = 2 if predicted.ndim == 3 else 0
    a, b = (each - each.mean(axis, keepdim=True) for each in (predicted, recorded))
    n = predicted.shape[axis]
    spread = (a.square().sum(axis) * b.square().sum(axis) / n**2 + EPSILON**2).sqrt()  # no infinite slope at 0
    return (a * b).sum(axis) / n / (spread + EPSILON)
