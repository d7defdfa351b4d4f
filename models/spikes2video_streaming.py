"""Spikes to video while the trial runs: the frame under the newest bin, from the bins so far.

The published network waits for the whole trial. This one has the same U-Net, batch normalisation of each unit instead
of each bin (3,555,849 parameters at the published size), and is trained on windows that end at any bin; of its clip
only the last frame is worked out, which takes half the arithmetic and gives the same numbers.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from models.spikes2video import BASE, HIDDEN, KERNELS, POOLS, Sizes, Spikes2Video, squash


class LastFrame(nn.Module):
    """The last frame of a clip: ``(B, n_sites, n_bins)`` to ``(B, C, H, W)`` in [0, 1]; see `Spikes2Video`."""

    def __init__(
        self,
        n_sites: int,
        n_bins: int,
        frame: Sequence[int],
        hidden: int = HIDDEN,
        base: int = BASE,
        kernels: Sequence[int] = KERNELS,
        pools: Sizes = POOLS,
    ):
        super().__init__()
        colours, *sides = frame
        self.network = Spikes2Video(n_sites, n_bins, (colours, n_bins, *sides), hidden, base, kernels, pools, "unit")
        self.needs = needed([pool[0] for pool in pools], kernels)

    def clip(self, x: Tensor) -> Tensor:
        """Every frame, of which `forward` gives the last: ``(B, n_sites, n_bins)`` to ``(B, C, n_bins, H, W)``."""
        return self.network(x)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, n_sites, n_bins)`` to ``(B, C, H, W)``."""
        maps = self.network.contract(self.network.spikes(x.transpose(1, 2)))
        for block, frames in zip(self.network.expand, self.needs, strict=True):
            maps = block(maps[:, :, -min(frames, maps.shape[2]) :])
        return squash(maps[:, :, -1])


def needed(scales: Sequence[int], kernels: Sequence[int]) -> list[int]:
    """Frames, counted from the end, that go into each expanding block so that the last frame comes out as of them all.

    What a convolution sees beyond the frames kept would be taken for zero: half a kernel more is kept than is wanted.
    """
    wanted, found = 1, []
    for scale, kernel in zip(scales, kernels, strict=True):  # the first pool is undone by the last block
        wanted = -(-(wanted + kernel // 2) // scale)
        found.append(wanted)
    return found[::-1]


def spikes2video_streaming(
    n_chans: int,
    n_times: int,
    out_shape: Sequence[int],
    sfreq: float,
    hidden: int = HIDDEN,
    base: int = BASE,
    kernels: Sequence[int] = KERNELS,
    pools: Sizes = POOLS,
) -> LastFrame:
    """A frame ``(C, H, W)`` for every bin, from the last `n_times` bins; see `LastFrame`."""
    if len(out_shape) != 3:
        raise ValueError(f"out_shape={tuple(out_shape)} was given, expected (C, H, W) of one frame")
    return LastFrame(n_chans, n_times, out_shape, hidden, base, kernels, pools)
