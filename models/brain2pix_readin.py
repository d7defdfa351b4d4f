"""Voxels to receptive-field images: every voxel's value at the pixel where it looks, one image per region and lag.

Brain2Pix (Le et al. 2021), as its authors' code has it. A pixel that several voxels of a region look at has their
mean, one that none looks at is 0. The channels are all lags of the first region, then all of the second. The learned
form adds to each image a linear map of its voxels, which all lags of a region share.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

STD = 0.02
"""Of the weights of the learned form at the beginning, as published."""
NOWHERE = -1
"""Pixel of a voxel whose receptive field is not known, or lies outside of the picture."""


class MeanAtPixel(nn.Module):
    """Values of the voxels of one region to the pixels of a picture: ``(B, n_times, n_voxels)`` to ``(…, n_pixels)``.

    It only gathers: a table of the voxels of each pixel in use, then one of the pixels in use. A graph of it has no
    scatter, and no matrix of voxels times pixels.

    Parameters
    ----------
    pixel
        ``(n_voxels,)`` number of each voxel's pixel, row by row; `NOWHERE` for none.
    """

    def __init__(self, pixel: Sequence[int], n_pixels: int):
        super().__init__()
        used = sorted({each for each in pixel if each != NOWHERE})
        if not used or used[0] < 0 or used[-1] >= n_pixels:
            raise ValueError(
                f"pixels from {min(pixel, default=NOWHERE)} to {max(pixel, default=NOWHERE)} were given for "
                f"{len(pixel)} voxels, expected one at least from 0 to {n_pixels - 1}, and {NOWHERE} for none"
            )
        order = {place: number for number, place in enumerate(used)}
        members: list[list[int]] = [[] for _ in used]
        for voxel, place in enumerate(pixel):
            if place != NOWHERE:
                members[order[place]].append(voxel)
        self.n_used, self.most = len(used), max(map(len, members))
        padded = [each + [len(pixel)] * (self.most - len(each)) for each in members]
        place = [order.get(each, len(used)) for each in range(n_pixels)]
        tables = {
            "members": torch.tensor([voxel for each in padded for voxel in each]),
            "share": torch.tensor([1 / len(each) for each in members]),
            "place": torch.tensor(place),
        }
        for name, values in tables.items():
            self.register_buffer(name, values, persistent=False)

    def forward(self, values: Tensor) -> Tensor:
        """``(B, n_times, n_voxels)`` to ``(B, n_times, n_pixels)``."""
        with_none = F.pad(values, (0, 1))  # the zero that fills up pixels of fewer voxels
        each = with_none.index_select(2, self.members).unflatten(2, (self.n_used, self.most))
        return F.pad(each.sum(3) * self.share, (0, 1)).index_select(2, self.place)


class FixedRF(nn.Module):
    """Receptive-field images: ``(B, n_voxels, n_times)`` to ``(B, n_regions * n_times, H, W)``.

    Parameters
    ----------
    regions
        How many voxels each region has, in the order of the voxels.
    size
        ``(H, W)``.
    pixel
        ``(n_voxels,)`` as for `MeanAtPixel`; by default the voxels of every region spread evenly.
    """

    def __init__(self, regions: Sequence[int], size: Sequence[int], pixel: Sequence[int] | None = None):
        super().__init__()
        n_pixels, n_voxels = math.prod(size), sum(regions)
        if pixel is not None and len(pixel) != n_voxels:
            raise ValueError(
                f"{len(pixel)} pixels were given for regions of {list(regions)} voxels, expected one for each of "
                f"{n_voxels}"
            )
        of_regions = [spread(count, n_pixels) for count in regions]
        if pixel is not None:
            ends = [sum(regions[: k + 1]) for k in range(len(regions))]
            of_regions = [list(pixel[end - count : end]) for end, count in zip(ends, regions, strict=True)]
        self.regions, self.size = tuple(regions), tuple(size)
        self.at = nn.ModuleList(MeanAtPixel(each, n_pixels) for each in of_regions)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, n_voxels, n_times)`` to ``(B, n_regions * n_times, H, W)``."""
        parts = x.transpose(1, 2).split(self.regions, 2)
        images = [self.image(number, part) for number, part in enumerate(parts)]
        return torch.cat(images, 1).unflatten(2, self.size)

    def image(self, number: int, values: Tensor) -> Tensor:
        """Pixels of one region: ``(B, n_times, n_voxels of it)`` to ``(B, n_times, n_pixels)``."""
        pixels: Tensor = self.at[number](values)
        return pixels


class LearnedRF(FixedRF):
    """The fixed image plus what every voxel adds to every pixel: one matrix and bias per region, shared by its lags."""

    def __init__(self, regions: Sequence[int], size: Sequence[int], pixel: Sequence[int] | None = None):
        super().__init__(regions, size, pixel)
        self.spread = nn.ModuleList(nn.Linear(count, math.prod(size)) for count in regions)
        for layer in self.spread:
            nn.init.normal_(layer.weight, 0.0, STD)
            nn.init.zeros_(layer.bias)

    def image(self, number: int, values: Tensor) -> Tensor:
        """Pixels of one region: ``(B, n_times, n_voxels of it)`` to ``(B, n_times, n_pixels)``."""
        return super().image(number, values) + self.spread[number](values)


class LowRank(nn.Module):
    """Voxels to images without their places, through few numbers: ``(B, n_voxels, n_times)`` to ``(B, C, H, W)``."""

    def __init__(self, n_voxels: int, n_times: int, n_images: int, size: Sequence[int], rank: int):
        super().__init__()
        shape = (n_images, *size)
        self.layers = nn.Sequential(
            nn.Flatten(),
            nn.Linear(n_voxels * n_times, rank),
            nn.Linear(rank, math.prod(shape)),
            nn.Unflatten(1, shape),
        )

    def forward(self, x: Tensor) -> Tensor:
        """``(B, n_voxels, n_times)`` to ``(B, C, H, W)``."""
        images: Tensor = self.layers(x)
        return images


def spread(n_voxels: int, n_pixels: int) -> list[int]:
    """Pixels that lie evenly in the picture, for voxels of which nobody says where they look."""
    return [voxel * n_pixels // n_voxels for voxel in range(n_voxels)]
