"""BrainAE's brain decoders: the response to an image, or the denoised response, from an embedding.

The layers are those of the authors' release v0.2; Table 7 of the paper repeats the encoder's sizes and cannot run.
1,987,683 parameters at 63 x 250 (EEG), 1,910,483 at 271 x 200 (MEG), 3,115,283 at 1024 x 200 (multi-unit activity);
the linear decoder, its baseline, has 16,143,750, 55,555,000 and 209,920,000.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from models.brainae import KERNEL, POOL, initialise
from models.elu import Elu

Activation = Literal["tanh", "identity"]
ACTIVATIONS: dict[str, type[nn.Module]] = {"tanh": nn.Tanh, "identity": nn.Identity}


class Spread(nn.ConvTranspose2d):
    """Transposed convolution of one row to `n_chans` rows: ``(B, n, 1, L)`` to ``(B, n, n_chans, L)``.

    It is a matrix per position. Computed so, no runtime takes it for a convolution over rows that are not there.
    """

    def __init__(self, filters: int, n_chans: int):
        super().__init__(filters, filters, (n_chans, 1))

    def forward(self, x: Tensor) -> Tensor:
        """``(B, n, 1, L)`` to ``(B, n, n_chans, L)``."""
        n_chans = self.kernel_size[0]
        kernel = self.weight.permute(1, 2, 0, 3).flatten(0, 1).unsqueeze(2)  # (n * n_chans, n, 1, 1)
        bias = _repeated(self.bias, n_chans)
        return nn.functional.conv2d(x, kernel, bias).squeeze(2).unflatten(1, (self.out_channels, n_chans))


class Widen(nn.ConvTranspose2d):
    """Nearest up-sampling along time by `pool`, then a transposed convolution, cropped to `n_times`.

    Every `pool`-th output is a convolution of what comes in, with sums of neighbouring weights. Computed so it takes a
    quarter of the multiply-adds at the published size, and nothing is up-sampled.

    Parameters
    ----------
    kernel
        Samples of the filters.
    n_times
        What is left of the ``pool * L + kernel - 1`` samples, from the first on.
    """

    def __init__(self, filters: int, kernel: int, pool: int, n_times: int):
        super().__init__(filters, filters, (1, kernel))
        self.pool, self.n_times = pool, n_times
        self.taps = -(-(kernel + pool - 1) // pool)
        weight, sample = torch.arange(kernel)[:, None], torch.arange(self.taps * pool)
        met = (sample >= weight) & (sample < weight + pool)  # `pool` equal samples in a row meet each weight
        self.register_buffer("met", met.float(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, n, C, L)`` to ``(B, n, C, n_times)``."""
        sums = (self.weight.squeeze(2) @ self.met).unflatten(2, (self.taps, self.pool))  # (n_in, n_out, taps, pool)
        kernel = sums.flip(2).permute(1, 3, 0, 2).flatten(0, 1).unsqueeze(2)  # (n_out * pool, n_in, 1, taps)
        phases = nn.functional.conv2d(x, kernel, _repeated(self.bias, self.pool), padding=(0, self.taps - 1))
        in_turn = phases.unflatten(1, (self.out_channels, self.pool)).permute(0, 1, 3, 4, 2).flatten(3)
        return in_turn[..., : self.n_times]


class BrainDecoder(nn.Module):
    """Brain decoder: ``(B, embedding)`` to ``(B, n_chans, n_times)``.

    Where ``n_times - kernel + 1`` is no multiple of `pool`, one position more is made than fits and the last samples
    are cropped; 250 and 200 samples need none.

    Parameters
    ----------
    filters, kernel, pool
        As in `models.brainae.TSConv`.
    out_act
        The published ``"tanh"`` keeps values in (-1, 1). ``"identity"`` is for responses that leave it, such as
        z-scored MEG and multi-unit activity.
    """

    def __init__(
        self,
        n_chans: int,
        n_times: int,
        embedding: int = 1024,
        filters: int = 40,
        kernel: int = KERNEL,
        pool: int = POOL,
        out_act: Activation = "tanh",
    ):
        super().__init__()
        if out_act not in ACTIVATIONS:
            raise ValueError(f"out_act={out_act!r} was given, expected 'tanh' or 'identity'")
        positions = positions_for(n_times, kernel, pool)
        self.project = nn.Sequential(
            nn.Linear(embedding, filters * positions), nn.GELU(), nn.Unflatten(1, (filters, 1, positions))
        )
        self.spatial = nn.Sequential(Spread(filters, n_chans), nn.BatchNorm2d(filters), Elu())
        self.temporal = nn.Sequential(Widen(filters, kernel, pool, n_times), nn.BatchNorm2d(filters), Elu())
        self.merge = nn.Sequential(nn.ConvTranspose2d(filters, 1, 1), nn.BatchNorm2d(1), ACTIVATIONS[out_act]())
        self.apply(initialise)

    def forward(self, z: Tensor) -> Tensor:
        """``(B, embedding)`` to ``(B, n_chans, n_times)``."""
        return self.merge(self.temporal(self.spatial(self.project(z)))).squeeze(1)


class LinearDecoder(nn.Sequential):
    """One matrix: ``(B, embedding)`` to ``(B, n_chans, n_times)``."""

    def __init__(self, n_chans: int, n_times: int, embedding: int = 1024):
        super().__init__(nn.Linear(embedding, n_chans * n_times), nn.Unflatten(1, (n_chans, n_times)))


def positions_for(n_times: int, kernel: int, pool: int) -> int:
    """Positions that widen to `n_times` samples or just above."""
    return max(1, -(-(n_times - kernel + 1) // pool))


def _repeated(bias: Tensor | None, times: int) -> Tensor | None:
    """Each number `times` times in a row."""
    return None if bias is None else bias[:, None].expand(-1, times).flatten()
