"""BrainAE's temporal-spatial convolutional encoder (TSConv), and a classifier on its embedding.

The layers are those of the authors' released encoder (BrainAE v0.2), which has a residual projection and a layer norm
that Table 6 of the paper leaves out: 2,999,592 parameters at 63 x 250 (EEG), 2,922,792 at 271 x 200 (MEG),
4,127,592 at 1024 x 200 (multi-unit activity).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor, nn

from models.elu import Elu

EMBEDDING, KERNEL, POOL = 1024, 26, 5


def adapted(n_times: int, kernel: int, pool: int) -> tuple[int, int]:
    """Kernel and pool that leave at least two positions of a short window, no larger than those asked for."""
    pool = max(1, min(pool, n_times // 4))
    return max(1, min(kernel, n_times - 2 * pool + 1)), pool


class Projection(nn.Module):
    """Linear, then a residual GELU-linear step, then layer norm."""

    def __init__(self, n_features: int, embedding: int, dropout: float):
        super().__init__()
        self.first = nn.Linear(n_features, embedding)
        self.step = nn.Sequential(nn.GELU(), nn.Linear(embedding, embedding), nn.Dropout(dropout))
        self.norm = nn.LayerNorm(embedding)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, n_features)`` to ``(B, embedding)``."""
        x = self.first(x)
        return self.norm(x + self.step(x))


class TSConv(nn.Module):
    """Brain encoder: ``(B, n_chans, n_times)`` to ``(B, embedding)``.

    Parameters
    ----------
    filters
        Temporal filters, and spatial filters.
    kernel, pool
        Samples of the temporal filter and of the average pool that follows it.
    adapt
        Shrink both to fit a window shorter than ``kernel + pool - 1`` rather than refuse it.
    """

    def __init__(
        self,
        n_chans: int,
        n_times: int,
        embedding: int = 1024,
        filters: int = 40,
        kernel: int = KERNEL,
        pool: int = POOL,
        dropout: float = 0.5,
        adapt: bool = False,
    ):
        super().__init__()
        if adapt:
            kernel, pool = adapted(n_times, kernel, pool)
        positions = (n_times - kernel + 1) // pool
        if positions < 1:
            raise ValueError(
                f"a window of n_times={n_times} is too short for kernel={kernel} and pool={pool}, which need "
                f"{kernel + pool - 1}: use a longer window, or adapt=true"
            )
        self.temporal = nn.Sequential(
            nn.Conv2d(1, filters, (1, kernel)), nn.AvgPool2d((1, pool)), nn.BatchNorm2d(filters), Elu()
        )
        self.spatial = nn.Sequential(
            nn.Conv2d(filters, filters, (n_chans, 1)),
            nn.BatchNorm2d(filters),
            Elu(),
            nn.Dropout(dropout),
        )
        self.mix = nn.Conv2d(filters, filters, 1)
        self.project = Projection(filters * positions, embedding, dropout)
        self.apply(initialise)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, n_chans, n_times)`` to ``(B, embedding)``."""
        maps = self.mix(self.spatial(self.temporal(x.unsqueeze(1))))
        return self.project(maps.squeeze(2).transpose(1, 2).flatten(1))


def initialise(layer: nn.Module) -> None:
    """Weights of one layer as the authors draw them: N(0, 0.02), of batch normalisations N(1, 0.02)."""
    if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
        nn.init.normal_(layer.weight, 0.0, 0.02)
    elif isinstance(layer, nn.BatchNorm2d):
        nn.init.normal_(layer.weight, 1.0, 0.02)


def numbers_of(embedding: int | None, out_shape: Sequence[int] | None) -> int:
    """Numbers of an embedding, given as such or as the output of a recipe; `EMBEDDING` where neither is."""
    if out_shape is None:
        return EMBEDDING if embedding is None else embedding
    if len(out_shape) != 1 or embedding not in (None, out_shape[0]):
        raise ValueError(
            f"out_shape={tuple(out_shape)} was given with embedding={embedding}, expected (embedding,): one vector"
        )
    return out_shape[0]


def build_classifier(
    n_chans: int,
    n_times: int,
    out_shape: Sequence[int],
    sfreq: float,
    embedding: int = 1024,
    filters: int = 40,
    kernel: int = KERNEL,
    pool: int = POOL,
    dropout: float = 0.5,
    adapt: bool = False,
) -> nn.Sequential:
    """`TSConv` with a linear head on its embedding: ``(B, n_chans, n_times)`` to ``(B, *out_shape)`` logits."""
    encoder = TSConv(n_chans, n_times, embedding, filters, kernel, pool, dropout, adapt)
    head = nn.Linear(embedding, math.prod(out_shape))
    return nn.Sequential(encoder, head, nn.Unflatten(1, tuple(out_shape)))
