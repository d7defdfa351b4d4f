"""A linear readout: bins of the window, standardised, times one matrix."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn


class Readout(nn.Module):
    """``(B, n_features)`` to ``(B, *out_shape)``: standardise, multiply, add.

    The weights are trained by gradient, or come in closed form through `set_weights`.
    """

    def __init__(self, n_features: int, out_shape: Sequence[int]):
        super().__init__()
        self.out_shape = tuple(out_shape)
        self.register_buffer("mean", torch.zeros(n_features))
        self.register_buffer("scale", torch.ones(n_features))
        self.linear = nn.Linear(n_features, math.prod(self.out_shape))
        self.shape = nn.Unflatten(1, self.out_shape)

    def set_standardisation(self, mean: np.ndarray, std: np.ndarray) -> None:
        """Mean and standard deviation of each feature, ``(n_features,)``; a constant feature is only centred."""
        std = np.where(np.asarray(std) > 0, std, 1.0)
        self.mean.copy_(torch.as_tensor(np.asarray(mean), dtype=torch.float32))
        self.scale.copy_(torch.as_tensor(1.0 / std, dtype=torch.float32))

    @torch.no_grad()
    def set_weights(self, weight: np.ndarray, bias: np.ndarray) -> None:
        """Weights ``(n_outputs, n_features)`` of the standardised features and bias ``(n_outputs,)``."""
        expected = tuple(self.linear.weight.shape)
        if np.shape(weight) != expected or np.shape(bias) != expected[:1]:
            raise ValueError(
                f"weights of shape {np.shape(weight)} and bias of shape {np.shape(bias)} were given, "
                f"expected {expected} (n_outputs, n_features) and {expected[:1]}"
            )
        self.linear.weight.copy_(torch.as_tensor(np.asarray(weight), dtype=torch.float32))
        self.linear.bias.copy_(torch.as_tensor(np.asarray(bias), dtype=torch.float32))

    def forward(self, features: Tensor) -> Tensor:
        """``(B, n_features)`` to ``(B, *out_shape)``."""
        return self.shape(self.linear((features - self.mean) * self.scale))


def bin_edges(n_times: int, n_bins: int) -> np.ndarray:
    """First sample of each of `n_bins` nearly even bins of `n_times` samples, and the end."""
    if not 1 <= n_bins <= n_times:
        raise ValueError(f"n_bins={n_bins} was given, expected 1 to {n_times} (n_times)")
    return np.round(np.linspace(0, n_times, n_bins + 1)).astype(int)


def averaging(n_times: int, n_bins: int) -> np.ndarray:
    """Matrix ``(n_times, n_bins)`` that averages samples within each bin."""
    edges = bin_edges(n_times, n_bins)
    sample = np.arange(n_times)[:, None]
    inside = (sample >= edges[:-1]) & (sample < edges[1:])
    return (inside / inside.sum(0)).astype(np.float32)


class FeatureReadout(nn.Module):
    """Fixed features of a window, read out linearly; a subclass gives `features` and sets `readout`."""

    readout: Readout

    def features(self, x: Tensor) -> Tensor:
        """``(B, n_chans, n_times)`` to ``(B, n_features)``, not yet standardised."""
        raise NotImplementedError

    def set_standardisation(self, mean: np.ndarray, std: np.ndarray) -> None:
        """See `Readout.set_standardisation`."""
        self.readout.set_standardisation(mean, std)

    def set_weights(self, weight: np.ndarray, bias: np.ndarray) -> None:
        """See `Readout.set_weights`."""
        self.readout.set_weights(weight, bias)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, n_chans, n_times)`` to ``(B, *out_shape)``."""
        return self.readout(self.features(x))


class LinearReadout(FeatureReadout):
    """Average in time, flatten channel by channel, standardise, multiply.

    Parameters
    ----------
    n_chans, n_times, out_shape
        Window and output; ``n_features = n_chans * n_bins``.
    n_bins
        Bins that share the window; every sample is its own bin when neither this nor `pool` is given.
    pool
        The same, said as samples per bin, about: ``n_bins = n_times // pool``.
    """

    def __init__(
        self, n_chans: int, n_times: int, out_shape: Sequence[int], n_bins: int | None = None, pool: int | None = None
    ):
        super().__init__()
        if n_bins is not None and pool is not None:
            raise ValueError(f"n_bins={n_bins} and pool={pool} were given, expected one of them")
        if pool is not None:
            n_bins = n_times // pool
        self.n_bins = n_times if n_bins is None else n_bins
        self.n_features = n_chans * self.n_bins
        bins = torch.from_numpy(averaging(n_times, self.n_bins)) if self.n_bins != n_times else None
        self.register_buffer("bins", bins, persistent=False)
        self.readout = Readout(self.n_features, out_shape)

    def features(self, x: Tensor) -> Tensor:
        """``(B, n_chans, n_times)`` to ``(B, n_features)``, not yet standardised."""
        return (x if self.bins is None else x @ self.bins).flatten(1)


def build(
    n_chans: int,
    n_times: int,
    out_shape: Sequence[int],
    sfreq: float,
    n_bins: int | None = None,
    pool: int | None = None,
) -> LinearReadout:
    """Linear readout of a window; see `LinearReadout`."""
    return LinearReadout(n_chans, n_times, out_shape, n_bins, pool)
