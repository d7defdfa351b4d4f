"""Spikes to video, and video to spikes: a spike decoder per bin and a 3D U-Net over the whole clip.

Zhang et al., "A unified deep framework for cortical visual decoding and encoding", as its authors' code has it: the
U-Net has no skip connections, and the batch normalisation of the spike decoder has a mean and a scale for every *bin*
(not for every unit), which ties the network to trials of exactly that many bins. 3,554,915 parameters for 140 sites
and 45 frames of 3 x 32 x 32; 3,551,983 for the inverse.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from torch import Tensor, nn

Sizes = Sequence[Sequence[int]]
Norm = Literal["bin", "unit"]

HIDDEN, BASE = 512, 32
KERNELS = (7, 5, 3, 3)
POOLS = ((3, 2, 2), (3, 2, 2), (5, 2, 2), (1, 2, 2))
WIDTHS = (1, 2, 4, 4)
"""Feature maps after each pool, in multiples of `BASE`."""


class OverUnits(nn.Module):
    """Batch normalisation of each unit, the same in every bin: ``(B, n_bins, n_units)`` to the same."""

    def __init__(self, n_units: int):
        super().__init__()
        self.norm = nn.BatchNorm1d(n_units)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, n_bins, n_units)`` to the same."""
        return self.norm(x.transpose(1, 2)).transpose(1, 2)


def norm_of(norm: Norm, n_bins: int, n_units: int) -> nn.Module:
    """Batch normalisation of ``(B, n_bins, n_units)``: one mean and scale per bin (published), or per unit."""
    if norm not in ("bin", "unit"):
        raise ValueError(f"norm={norm!r} was given, expected 'bin' (as published) or 'unit'")
    return nn.BatchNorm1d(n_bins) if norm == "bin" else OverUnits(n_units)


class SpikeDecoder(nn.Module):
    """A picture for every bin, from that bin alone: ``(B, n_bins, n_sites)`` to ``(B, C, n_bins, H, W)`` in [0, 1].

    Parameters
    ----------
    frame
        ``(C, H, W)``.
    hidden
        Units between counts and pixels.
    """

    def __init__(self, n_sites: int, n_bins: int, frame: Sequence[int], hidden: int = HIDDEN, norm: Norm = "bin"):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(n_sites, hidden),
            norm_of(norm, n_bins, hidden),
            nn.ReLU(),
            nn.Linear(hidden, math.prod(frame)),
            nn.Sigmoid(),
            nn.Unflatten(2, tuple(frame)),
        )

    def forward(self, x: Tensor) -> Tensor:
        """``(B, n_bins, n_sites)`` to ``(B, C, n_bins, H, W)``."""
        return self.layers(x).transpose(1, 2)


def _conv(n_in: int, n_out: int, kernel: int) -> nn.Conv3d:
    return nn.Conv3d(n_in, n_out, kernel, padding=kernel // 2)


def contracting(colours: int, base: int, kernels: Sequence[int], pools: Sizes) -> nn.Sequential:
    """Clips to their latent: convolution, batch normalisation, ReLU and pool, four times."""
    widths = [colours, *(base * width for width in WIDTHS)]
    blocks = (
        nn.Sequential(_conv(n_in, n_out, kernel), nn.BatchNorm3d(n_out), nn.ReLU(), nn.MaxPool3d(tuple(pool)))
        for n_in, n_out, kernel, pool in zip(widths[:-1], widths[1:], kernels, pools, strict=True)
    )
    return nn.Sequential(*blocks)


def expanding(colours: int, base: int, kernels: Sequence[int], pools: Sizes) -> nn.Sequential:
    """The latent to clips: nearest up-sampling, convolution, batch normalisation and ReLU, without the last ReLU."""
    widths = [base * width for width in WIDTHS]
    into = [*widths[::-1][1:], colours]
    blocks = []
    for n_in, n_out, kernel, pool in zip(widths[::-1], into, kernels[::-1], pools[::-1], strict=True):
        scale = tuple(float(each) for each in pool)
        block = [nn.Upsample(scale_factor=scale), _conv(n_in, n_out, kernel), nn.BatchNorm3d(n_out)]
        blocks.append(nn.Sequential(*block, *([nn.ReLU()] if len(blocks) < len(into) - 1 else [])))
    return nn.Sequential(*blocks)


def squash(v: Tensor) -> Tensor:
    """Any value into (0, 1), as published: ``(tanh(v) + 1) / 2``."""
    return (v.tanh() + 1) / 2


class Spikes2Video(nn.Module):
    """Spike decoder and 3D U-Net: ``(B, n_sites, n_bins)`` to ``(B, C, n_frames, H, W)`` in [0, 1], a frame per bin.

    Parameters
    ----------
    clip
        ``(C, n_frames, H, W)``; as many frames as bins.
    hidden, norm
        Of the spike decoder, see `SpikeDecoder` and `norm_of`.
    base, kernels, pools
        Of the U-Net: feature maps of the first block, size of the convolutions, and frames, rows and columns that each
        pool takes together.
    """

    def __init__(
        self,
        n_sites: int,
        n_bins: int,
        clip: Sequence[int],
        hidden: int = HIDDEN,
        base: int = BASE,
        kernels: Sequence[int] = KERNELS,
        pools: Sizes = POOLS,
        norm: Norm = "bin",
    ):
        super().__init__()
        check_clip(n_bins, clip)
        check_pools(clip, kernels, pools)
        colours, _, *sides = clip
        self.spikes = SpikeDecoder(n_sites, n_bins, (colours, *sides), hidden, norm)
        self.contract = contracting(colours, base, kernels, pools)
        self.expand = expanding(colours, base, kernels, pools)

    def latent(self, x: Tensor) -> Tensor:
        """The narrowest place: ``(B, n_sites, n_bins)`` to ``(B, n_latent)``, 512 numbers as published."""
        return self.contract(self.spikes(x.transpose(1, 2))).flatten(1)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, n_sites, n_bins)`` to ``(B, C, n_frames, H, W)``."""
        return squash(self.expand(self.contract(self.spikes(x.transpose(1, 2)))))


class Video2Spikes(nn.Module):
    """The inverse: ``(B, C, n_frames, H, W)`` to standardised counts ``(B, n_sites, n_bins)``.

    The same U-Net without its squash, then two linear layers for every bin.
    """

    def __init__(
        self,
        n_sites: int,
        n_bins: int,
        clip: Sequence[int],
        hidden: int = HIDDEN,
        base: int = BASE,
        kernels: Sequence[int] = KERNELS,
        pools: Sizes = POOLS,
        norm: Norm = "bin",
    ):
        super().__init__()
        check_clip(n_bins, clip)
        check_pools(clip, kernels, pools)
        colours, _, *sides = clip
        self.contract = contracting(colours, base, kernels, pools)
        self.expand = expanding(colours, base, kernels, pools)
        self.readout = nn.Sequential(
            nn.Linear(colours * math.prod(sides), hidden),
            norm_of(norm, n_bins, hidden),
            nn.ReLU(),
            nn.Linear(hidden, n_sites),
        )

    def forward(self, video: Tensor) -> Tensor:
        """``(B, C, n_frames, H, W)`` to ``(B, n_sites, n_bins)``."""
        frames = self.expand(self.contract(video)).transpose(1, 2).flatten(2)
        return self.readout(frames).transpose(1, 2)


class Sheet(nn.Module):
    """All frames of a clip side by side, row by row: ``(B, C, n_frames, H, W)`` to ``(B, C, rows H, columns W)``."""

    def __init__(self, rows: int, columns: int):
        super().__init__()
        self.rows, self.columns = rows, columns

    def forward(self, clip: Tensor) -> Tensor:
        """``(B, C, n_frames, H, W)`` to ``(B, C, rows H, columns W)``."""
        cells = clip.unflatten(2, (self.rows, self.columns))
        return cells.transpose(3, 4).flatten(4, 5).flatten(2, 3)


def clip_of(out_shape: Sequence[int], n_bins: int, sheet: Sequence[int] | None) -> tuple[int, ...]:
    """``(C, n_frames, H, W)`` of an output that is a clip, or the sheet of one with these rows and columns."""
    if sheet is None:
        if len(out_shape) != 4:
            raise ValueError(
                f"out_shape={tuple(out_shape)} was given, expected (C, n_frames, H, W) of a clip; for one image of all "
                "its frames give sheet=(rows, columns) as well"
            )
        return tuple(out_shape)
    rows, columns = sheet
    colours, height, width = out_shape
    if rows * columns != n_bins or height % rows or width % columns:
        raise ValueError(
            f"sheet=({rows}, {columns}) and out_shape={tuple(out_shape)} were given, expected rows x columns = "
            f"{n_bins} frames that divide the image evenly"
        )
    return colours, n_bins, height // rows, width // columns


def on_sheet(network: nn.Module, sheet: Sequence[int] | None) -> nn.Module:
    """The network, or the network with its clip laid out on a sheet."""
    return network if sheet is None else nn.Sequential(network, Sheet(*sheet))


def check_clip(n_bins: int, clip: Sequence[int]) -> None:
    """Refuse a clip that has not one frame for every bin."""
    if len(clip) != 4 or clip[1] != n_bins:
        raise ValueError(
            f"a clip of shape {tuple(clip)} was given, expected (C, {n_bins}, H, W): a frame for every bin"
        )


def check_pools(clip: Sequence[int], kernels: Sequence[int], pools: Sizes) -> None:
    """Refuse pools that do not divide the clip, and kernels that have no middle."""
    if len(kernels) != len(WIDTHS) or len(pools) != len(WIDTHS) or any(kernel % 2 == 0 for kernel in kernels):
        raise ValueError(
            f"kernels={tuple(kernels)} and {len(pools)} pools were given, expected {len(WIDTHS)} of each, kernels odd"
        )
    shrink = [math.prod(pool[axis] for pool in pools) for axis in range(3)]
    if any(size % by for size, by in zip(clip[1:], shrink, strict=True)):
        raise ValueError(
            f"pools that take {shrink[0]} frames, {shrink[1]} rows and {shrink[2]} columns together were given, "
            f"expected ones that divide a clip of {clip[1]} frames of {clip[2]} x {clip[3]}: change pools, or the clip"
        )


def spikes2video(
    n_chans: int,
    n_times: int,
    out_shape: Sequence[int],
    sfreq: float,
    hidden: int = HIDDEN,
    base: int = BASE,
    kernels: Sequence[int] = KERNELS,
    pools: Sizes = POOLS,
    norm: Norm = "bin",
    sheet: Sequence[int] | None = None,
) -> nn.Module:
    """Spike decoder and 3D U-Net; see `Spikes2Video`.

    Parameters
    ----------
    out_shape
        ``(C, n_frames, H, W)``; with `sheet` ``(C, rows H, columns W)``.
    sheet
        Rows and columns in which all frames are laid out as one image, as an image stream carries them.
    """
    clip = clip_of(out_shape, n_times, sheet)
    return on_sheet(Spikes2Video(n_chans, n_times, clip, hidden, base, kernels, pools, norm), sheet)


def spikes2video_inverse(
    n_chans: int,
    n_times: int,
    clip: Sequence[int],
    hidden: int = HIDDEN,
    base: int = BASE,
    kernels: Sequence[int] = KERNELS,
    pools: Sizes = POOLS,
    norm: Norm = "bin",
) -> Video2Spikes:
    """Video to spikes; see `Video2Spikes`. `n_chans` and `n_times` are the sites and bins of what it predicts."""
    return Video2Spikes(n_chans, n_times, clip, hidden, base, kernels, pools, norm)
