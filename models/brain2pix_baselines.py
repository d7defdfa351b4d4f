"""What Brain2Pix is held against: networks that are not told where voxels look.

After Shen et al. 2019 the generator and its losses stay, and a linear map of few dimensions makes its images of all
voxels and lags; only a variant of six frames of it is published, so its rank, 256, is this project's choice. In the
fully connected baseline no layer is a convolution; of its widths the authors' older code tells 1475 and 100.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from torch import Tensor, nn

from models.brain2pix import MOMENTUM, SLOPE, WIDTHS, Brain2Pix, Generator, check_sides
from models.brain2pix_readin import LowRank
from models.fisheye import Unwarp

RANK, N_IMAGES = 256, 15
HIDDEN = (1475, 100, 1475)


class Dense(nn.Module):
    """Linear layers alone: ``(B, n_voxels, n_times)`` to ``(B, C, H, W)`` in (0, 1)."""

    def __init__(
        self, n_chans: int, n_times: int, out_shape: Sequence[int], hidden: Sequence[int] = HIDDEN, unwarp: bool = False
    ):
        super().__init__()
        sizes = (n_chans * n_times, *hidden)
        layers: list[nn.Module] = [nn.Flatten()]
        for n_in, n_out in itertools.pairwise(sizes):
            layers += [nn.Linear(n_in, n_out), nn.LeakyReLU(SLOPE)]
        layers += [nn.Linear(sizes[-1], math.prod(out_shape)), nn.Sigmoid(), nn.Unflatten(1, tuple(out_shape))]
        self.layers = nn.Sequential(*layers)
        self.out = Unwarp(out_shape[1]) if unwarp else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """``(B, n_voxels, n_times)`` to ``(B, C, H, W)``."""
        picture: Tensor = self.out(self.layers(x))
        return picture


def brain2pix_shen(
    n_chans: int,
    n_times: int,
    out_shape: Sequence[int],
    sfreq: float,
    rank: int = RANK,
    n_images: int = N_IMAGES,
    widths: Sequence[int] = WIDTHS,
    momentum: float = MOMENTUM,
    unwarp: bool = False,
) -> Brain2Pix:
    """The generator of Brain2Pix on images that a linear map of all voxels makes.

    Parameters
    ----------
    rank, n_images
        Numbers that the map goes through, and images that it makes.
    """
    check_sides(out_shape, widths)
    readin = LowRank(n_chans, n_times, n_images, out_shape[1:], rank)
    return Brain2Pix(readin, Generator(n_images, out_shape, widths, momentum), unwarp)


def brain2pix_dense(
    n_chans: int,
    n_times: int,
    out_shape: Sequence[int],
    sfreq: float,
    hidden: Sequence[int] = HIDDEN,
    unwarp: bool = False,
) -> Dense:
    """Fully connected baseline; see `Dense`."""
    if len(out_shape) != 3:
        raise ValueError(f"out_shape={tuple(out_shape)} was given, expected (C, H, W) of a picture")
    return Dense(n_chans, n_times, out_shape, hidden, unwarp)
