"""The diffusion prior that turns a brain embedding into an image embedding: a U-Net of linear layers.

BrainAE leaves it to ATM (Li et al. 2024, arXiv 2403.07721). Widths 1024, 512, 256, 128, 64; at each level down and up
what is known of time and condition is added, then linear, layer norm, SiLU; what came into a level down is added to
what leaves the level up of the same width. 9,675,648 parameters.

It predicts the noise. Condition rows of zeros stand for no condition, in training (dropped with probability 0.1) as in
`streamkit.inference.runners.diffusion`, of which it is the denoiser.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

WIDTHS = (1024, 512, 256, 128, 64)
LONGEST_PERIOD = 10_000.0


class Sinusoid(nn.Module):
    """Times ``(B,)`` to cosines and sines of them ``(B, size)``, of periods from 2 pi to about 2 pi times 10,000."""

    def __init__(self, size: int):
        super().__init__()
        rates = torch.exp(-math.log(LONGEST_PERIOD) * torch.arange(size // 2) / (size // 2))
        self.register_buffer("rates", rates, persistent=False)

    def forward(self, t: Tensor) -> Tensor:
        """``(B,)`` to ``(B, size)``."""
        angles = t.to(self.rates.dtype)[:, None] * self.rates
        return torch.cat([angles.cos(), angles.sin()], 1)


class Level(nn.Module):
    """``(B, n_in)`` to ``(B, n_out)``: time and condition are added first."""

    def __init__(self, n_in: int, n_out: int, condition: int, time: int):
        super().__init__()
        self.time = nn.Sequential(nn.Linear(time, n_in), nn.SiLU(), nn.Linear(n_in, n_in))
        self.condition = nn.Linear(condition, n_in)
        self.step = dense(n_in, n_out)

    def forward(self, x: Tensor, time: Tensor, condition: Tensor) -> Tensor:
        """``(B, n_in)``, ``(B, n_time)``, ``(B, n_condition)`` to ``(B, n_out)``."""
        return self.step(x + self.time(time) + self.condition(condition))


class Prior(nn.Module):
    """What noise there is in an embedding: ``(B, embedding)``, ``(B,)``, ``(B, condition)`` to ``(B, embedding)``.

    Parameters
    ----------
    widths
        From the first level down to the bottom.
    time
        Numbers of the sinusoid that says how far the noise has come.
    """

    def __init__(self, embedding: int = 1024, condition: int = 1024, widths: Sequence[int] = WIDTHS, time: int = 512):
        super().__init__()
        if len(widths) < 2 or time < 2 or time % 2:
            raise ValueError(
                f"widths={tuple(widths)}, time={time} were given, expected two widths or more and an even number"
            )
        steps = list(itertools.pairwise(widths))
        self.sinusoid = Sinusoid(time)
        self.first = dense(embedding, widths[0])
        self.down = nn.ModuleList(Level(wide, narrow, condition, time) for wide, narrow in steps)
        self.up = nn.ModuleList(Level(narrow, wide, condition, time) for wide, narrow in reversed(steps))
        self.last = nn.Linear(widths[0], embedding)

    def forward(self, x: Tensor, t: Tensor, condition: Tensor) -> Tensor:
        """Noisy embeddings ``(B, embedding)``, times ``(B,)``, conditions ``(B, condition)`` to noise like `x`."""
        time = self.sinusoid(t).to(x.dtype)
        x, kept = self.first(x), []
        for level in self.down:
            kept.append(x)
            x = level(x, time, condition)
        for level in self.up:
            x = level(x, time, condition) + kept.pop()
        return self.last(x)


def dense(n_in: int, n_out: int) -> nn.Sequential:
    """Linear, layer norm, SiLU."""
    return nn.Sequential(nn.Linear(n_in, n_out), nn.LayerNorm(n_out), nn.SiLU())


def brainae_prior(
    embedding: int = 1024, condition: int = 1024, widths: Sequence[int] = WIDTHS, time: int = 512
) -> Prior:
    """Diffusion prior; see `Prior`."""
    return Prior(embedding, condition, widths, time)
