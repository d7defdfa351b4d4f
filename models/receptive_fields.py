"""Frames to voxels, made to be taken apart: where in the picture each voxel looks can be read from its readout.

After Seeliger et al. 2021, "End-to-end neural system identification with neural information flow" (PLoS Comput Biol
17:e1008558): a linear filter over grey frames, a 3D convolution per area with an average pool behind it, and for every
voxel a readout of its area's maps of rank one (space x time x channel) in which no weight is negative. Widths are this
project's.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

CHANNELS, POOLS = (16, 16, 16), (2, 2, 2)
BEGIN = 0.1
"""What weights of the readout are about at first: few steps of a training take one of them to nothing."""
BRIGHT = 0.5
"""Share of the greatest weight of a voxel below which a place does not count for its centre."""


class Readout(nn.Module):
    """Voxels of one area from its maps: ``(B, C, T, H, W)`` to ``(B, n_voxels)``.

    Each voxel weighs channels, volumes and places by one non-negative factor each, and takes means.
    """

    def __init__(self, n_voxels: int, shape: Sequence[int]):
        super().__init__()
        channels, times, height, width = shape
        self.sides = (height, width)
        self.space = nn.Parameter(torch.empty(n_voxels, height * width))
        self.time = nn.Parameter(torch.empty(n_voxels, times))
        self.channel = nn.Parameter(torch.empty(n_voxels, channels))
        self.bias = nn.Parameter(torch.zeros(n_voxels))
        for factor in (self.space, self.time, self.channel):
            nn.init.uniform_(factor, 0.5 * BEGIN, 1.5 * BEGIN)

    def forward(self, maps: Tensor) -> Tensor:
        """``(B, C, T, H, W)`` to ``(B, n_voxels)``."""
        space, time, channel = (each.relu().T / BEGIN for each in (self.space, self.time, self.channel))
        at_place = maps.flatten(3) @ space / len(space)  # (B, C, T, n_voxels)
        weighed = (at_place * channel[:, None]).mean(1)
        return (weighed * time).mean(1) + self.bias

    def centres(self) -> Tensor:
        """``(n_voxels, 2)`` row and column of the centre of mass of each voxel's bright places, as parts of 1."""
        space = self.space.detach().relu()
        bright = torch.where(space >= BRIGHT * space.amax(1, keepdim=True), space, 0.0)
        share = (bright / bright.sum(1, keepdim=True).clamp_min(1e-12)).unflatten(1, self.sides)
        rows, columns = ((torch.arange(side) + 0.5) / side for side in self.sides)
        return torch.stack([(share.sum(2) * rows).sum(1), (share.sum(1) * columns).sum(1)], 1)


class ReceptiveFields(nn.Module):
    """Grey frames up to a volume to that volume: ``(B, 1, n_frames, H, W)`` to ``(B, n_voxels)``.

    Parameters
    ----------
    regions
        How many voxels each area has; the first reads the maps of the first layer, the second those of the second, and
        those beyond the last layer read the last.
    clip
        ``(1, n_frames, H, W)``.
    channels, pools
        Maps of each layer, and how many pixels its pool takes together in both directions.
    per_volume
        Frames that lie under one volume; they are averaged before the readout.
    """

    def __init__(
        self,
        regions: Sequence[int],
        clip: Sequence[int],
        channels: Sequence[int] = CHANNELS,
        pools: Sequence[int] = POOLS,
        per_volume: int = 1,
    ):
        super().__init__()
        check_clip(regions, clip, channels, pools, per_volume)
        _, frames, height, width = clip
        self.filter = nn.Conv3d(1, 1, (1, 3, 3), padding=(0, 1, 1), bias=False)
        layers, readouts, n_in, by = [], [], 1, 1
        for number, n_out in enumerate(channels):
            by *= pools[number]
            pool = nn.AvgPool3d((1, pools[number], pools[number]))
            layers.append(nn.Sequential(nn.Conv3d(n_in, n_out, 3, padding=1), nn.ELU(), pool))
            n_in, last = n_out, number == len(channels) - 1
            shape = (n_out, frames // per_volume, height // by, width // by)
            whose = regions[number:] if last else regions[number : number + 1]
            readouts.append(nn.ModuleList(Readout(count, shape) for count in whose))
        self.layers, self.readouts = nn.ModuleList(layers), nn.ModuleList(readouts)
        self.volumes = nn.AvgPool3d((per_volume, 1, 1))

    def forward(self, clip: Tensor) -> Tensor:
        """``(B, 1, n_frames, H, W)`` to ``(B, n_voxels)``."""
        maps, voxels = self.filter(clip), []
        for layer, readouts in zip(self.layers, self.readouts, strict=True):
            maps = layer(maps)
            voxels += [readout(self.volumes(maps)) for readout in readouts]
        return torch.cat(voxels, 1)

    def centres(self) -> Tensor:
        """``(n_voxels, 2)`` row and column of where each voxel looks, as parts of the picture from 0 to 1."""
        return torch.cat([readout.centres() for readouts in self.readouts for readout in readouts])

    def sparseness(self) -> Tensor:
        """Mean of all weights in space, 1 at first: what a penalty makes small."""
        return torch.cat([each.space.relu().mean(1) / BEGIN for part in self.readouts for each in part]).mean()


def check_clip(
    regions: Sequence[int], clip: Sequence[int], channels: Sequence[int], pools: Sequence[int], per_volume: int
) -> None:
    """Refuse sizes that do not fit together."""
    by = 1
    for pool in pools:
        by *= pool
    if len(channels) != len(pools) or not channels or min(regions, default=0) < 1:
        raise ValueError(
            f"regions={list(regions)}, {len(channels)} channels and {len(pools)} pools were given, expected voxels in "
            "every region, and as many pools as channels"
        )
    if len(clip) != 4 or clip[0] != 1 or clip[1] % per_volume or clip[2] % by or clip[3] % by:
        raise ValueError(
            f"clip={tuple(clip)} was given, expected (1, n_frames, H, W) with frames in lots of {per_volume} and sides "
            f"that are multiples of {by}"
        )


def receptive_fields(
    regions: Sequence[int],
    clip: Sequence[int],
    channels: Sequence[int] = CHANNELS,
    pools: Sequence[int] = POOLS,
    per_volume: int = 1,
) -> ReceptiveFields:
    """Frames to voxels; see `ReceptiveFields`."""
    return ReceptiveFields(regions, clip, channels, pools, per_volume)
