"""Nearest up-sampling and the convolution behind it as one convolution of what is not up-sampled yet.

Up-sampled by `p`, a value stands `p` times in a row and meets as many weights, whose sum is one weight. So output
``p q + r`` is a convolution at `q` with kernels of its own for each phase `r`: for 7 x 7 x 7 weights behind an
up-sampling by 3 x 2 x 2, 48 products for a value instead of 343, and 12 times the feature maps, which fill a
processor's vectors where three colours do not. The same numbers but for rounding (1e-6 of them), forward and backward.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

LANES = 16
"""Feature maps that a processor works on at a time: fewer take as long."""

FEWER = 4
"""Times as little work as it must be for the sums of weights to be worth their making."""


class Phases:
    """One axis: which weights of the up-sampled convolution are summed for which phase.

    Attributes
    ----------
    sums
        ``(pool, n_taps, kernel)`` of zeros and ones.
    before, after
        Zeros to be put before and after what comes in.
    n_first
        Phases whose outputs begin with the first position; those of the others begin with the second.
    """

    def __init__(self, kernel: int, pool: int):
        half = kernel // 2
        low = [(phase - half) // pool for phase in range(pool)]
        high = [(phase + half) // pool for phase in range(pool)]
        n_taps = max(last - first for first, last in zip(low, high, strict=True)) + 1
        late = [int(last - low[0] >= n_taps) for last in high]
        self.sums = torch.zeros(pool, n_taps, kernel)
        for phase in range(pool):
            for weight in range(kernel):
                self.sums[phase, (phase + weight - half) // pool - low[0] - late[phase], weight] = 1
        self.before, self.after = -low[0], n_taps - 1 + low[0] + max(late)
        self.n_first = late.count(0)

    @property
    def n_taps(self) -> int:
        """Products for an output along this axis."""
        return self.sums.shape[1]


class UpConv3d(nn.Module):
    """`nn.Upsample` by `pool`, then `conv`: ``(B, n_in, D, H, W)`` to ``(B, n_out, p D, q H, r W)``.

    Parameters
    ----------
    conv
        Its weights are shared. An odd kernel, the same along all axes, and zeros around that keep the size.
    pool
        Times that frames, rows and columns are repeated.
    """

    def __init__(self, conv: nn.Conv3d, pool: Sequence[int]):
        super().__init__()
        self.pool, self.out_channels = tuple(pool), conv.out_channels
        self.weight, self.bias = conv.weight, conv.bias
        self.axes = [Phases(conv.kernel_size[0], each) for each in pool]
        for axis, phases in enumerate(self.axes):
            self.register_buffer(f"sums_{axis}", phases.sums.to(conv.weight), persistent=False)

    @property
    def n_phases(self) -> int:
        """Outputs for every position of what comes in."""
        return math.prod(self.pool)

    @property
    def n_taps(self) -> int:
        """Products for an output and each of the maps read."""
        return math.prod(phases.n_taps for phases in self.axes)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, n_in, D, H, W)`` to ``(B, n_out, p D, q H, r W)``."""
        weight = self.weight.unsqueeze(1)  # (n_out, phases, n_in, taps..., weights...), an axis of weights at a time
        for axis in range(3):
            sums = getattr(self, f"sums_{axis}")  # (pool, n_taps, kernel)
            weight = torch.einsum("orixyz,ptx->orpiyzt", weight, sums).flatten(1, 2)
        bias = None if self.bias is None else self.bias[:, None].expand(-1, self.n_phases).flatten()
        around = [zeros for phases in reversed(self.axes) for zeros in (phases.before, phases.after)]
        maps = functional.conv3d(functional.pad(x, around), weight.flatten(0, 1), bias)
        maps = maps.reshape(-1, self.out_channels, *self.pool, *maps.shape[2:])  # (B, n_out, p, q, r, D', H', W')
        for axis, phases in enumerate(self.axes):
            maps = from_their_first(maps, 2 + axis, 5 + axis, phases.n_first, x.shape[2 + axis])
        return maps.permute(0, 1, 5, 2, 6, 3, 7, 4).flatten(6, 7).flatten(4, 5).flatten(2, 3)


def from_their_first(maps: Tensor, phase: int, place: int, n_first: int, size: int) -> Tensor:
    """Of each phase, `size` places: from the first on, or from the second on for phases after the first `n_first`."""
    n_phases = maps.shape[phase]
    early = maps.narrow(phase, 0, n_first).narrow(place, 0, size)
    if n_first == n_phases:
        return early
    return torch.cat((early, maps.narrow(phase, n_first, n_phases - n_first).narrow(place, 1, size)), phase)


def has_upsampling(network: nn.Module) -> bool:
    """Whether there is any up-sampling to look at."""
    return any(isinstance(each, nn.Upsample) for each in network.modules())


def merge_upsampling(network: nn.Module) -> nn.Module:
    """Let each up-sampling in a `nn.Sequential` be done by the convolution behind it, where that is far less work.

    Done in place. Names and shapes of the weights stay as they are, and so does what the network answers.
    """
    for module in list(network.modules()):
        if isinstance(module, nn.Sequential):
            for at in range(len(module) - 1):
                merged = merger(module[at], module[at + 1])
                if merged is not None:
                    module[at], module[at + 1] = nn.Identity(), merged
    return network


def merger(up: nn.Module, conv: nn.Module) -> UpConv3d | None:
    """Both as one, with the weights of `conv`; None where they cannot be merged or it is not worth it."""
    if not isinstance(up, nn.Upsample) or up.mode != "nearest" or type(conv) is not nn.Conv3d:
        return None
    factor = up.scale_factor or 0.0
    scale = [float(each) for each in (factor if isinstance(factor, tuple) else (factor,) * 3)]
    kernel = conv.kernel_size[0]
    as_one = (
        all(each.is_integer() and each >= 1 for each in scale)
        and set(conv.kernel_size) == {kernel}
        and kernel % 2 == 1
        and tuple(conv.padding) == (kernel // 2,) * 3
        and (set(conv.stride), set(conv.dilation), conv.groups, conv.padding_mode) == ({1}, {1}, 1, "zeros")
    )
    if not as_one:
        return None
    merged = UpConv3d(conv, [int(each) for each in scale])
    return merged if FEWER * work(merged) <= work(conv) else None


def work(conv: nn.Conv3d | UpConv3d) -> float:
    """Products for each output and each of the maps read, with those that a vector of maps does in vain."""
    phases = conv.n_phases if isinstance(conv, UpConv3d) else 1
    taps = conv.n_taps if isinstance(conv, UpConv3d) else math.prod(conv.kernel_size)
    return taps * math.ceil(conv.out_channels * phases / LANES) * LANES / phases
