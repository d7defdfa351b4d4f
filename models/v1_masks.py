"""Sum over neurons of masked images, a block at a time: what the read-in of mouse V1's GAN spends its training on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

Rows = tuple[slice, slice]
"""Pictures, and neurons."""


def masked_sum(hidden: Tensor, weight: Tensor, images: Tensor, mix: Tensor, chunk: int) -> Tensor:
    """``sum over n of mix[c, n] * images[n, p] * (weight @ hidden[b, n])[p]``, as ``(B, C, P)``.

    Neither masks nor masked images of all neurons are ever in memory, on the way back either, where blocks are made
    again. A processor takes one picture at a time, whose block stays in its cache: at 2,000 neurons, 576 pixels and 32
    pictures both ways take .15 s of a thread, and masks of all at once .55 s.

    Parameters
    ----------
    hidden
        ``(B, N, U)``.
    weight
        ``(P, U)``; what does not depend on a neuron is a unit that is always 1.
    images
        ``(N, P)``; nothing is learnt about them.
    mix
        ``(C, N)``.
    chunk
        Neurons of a block.
    """
    kind = hidden.device.type
    if kind == "meta" or not torch.is_autocast_enabled(kind):
        whole: Tensor = _MaskedSum.apply(hidden, weight, images, mix, chunk)
        return whole
    low = torch.get_autocast_dtype(kind)
    with torch.autocast(kind, enabled=False):
        done: Tensor = _MaskedSum.apply(hidden.to(low), weight.to(low), images.to(low), mix.to(low), chunk)
    return done


class _MaskedSum(torch.autograd.Function):
    """Keeps what it was given alone."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, images: Tensor, mix: Tensor, chunk: int) -> Tensor:
        ctx.save_for_backward(hidden, weight, images, mix)
        ctx.chunk = chunk
        total = hidden.new_zeros(len(hidden), len(mix), len(weight))
        for some, rows in blocks(hidden, chunk):
            total[some] += mix[:, rows] @ masked(hidden[some, rows], weight, images[rows])
        return total

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        hidden, weight, images, mix = ctx.saved_tensors
        of_hidden, of_weight, of_mix = (torch.zeros_like(each) for each in (hidden, weight, mix))
        for some, rows in blocks(hidden, ctx.chunk):
            grad, given = grads[0][some], hidden[some, rows]
            seen = masked(given, weight, images[rows])
            of_mix[:, rows] += (grad @ seen.transpose(1, 2)).sum(0)
            of_masks = (mix[:, rows].T @ grad).mul_(images[rows])
            of_hidden[some, rows] = of_masks @ weight
            of_weight += (given.flatten(0, 1).T @ of_masks.flatten(0, 1)).T
        return of_hidden, of_weight, None, of_mix, None


def blocks(hidden: Tensor, chunk: int) -> Iterator[Rows]:
    """Every part of ``(B, N, …)``: one picture at a time on a processor, all of them elsewhere."""
    pictures = 1 if hidden.device.type == "cpu" else len(hidden)
    for first in range(0, len(hidden), max(pictures, 1)):
        for at in range(0, hidden.shape[1], chunk):
            yield slice(first, first + pictures), slice(at, at + chunk)


def masked(hidden: Tensor, weight: Tensor, images: Tensor) -> Tensor:
    """``(B, n, U)`` and ``(n, P)`` to ``(B, n, P)``."""
    return (hidden @ weight.T).mul_(images)
