"""Brain2Pix: receptive-field images to natural pictures by a U-Net with skips, trained against a discriminator.

Le et al. 2021, "Brain2Pix: fully convolutional naturalistic video reconstruction from brain activity", as its authors'
code has it: kernels of 4 and strides of 2 throughout, no bias within, the ReLU of the expanding side over what comes
across as well, no dropout. 16,672,451 parameters from 15 images of 96 x 96 (16,662,211 from 5); discriminator
2,777,409. The authors' framework counts the momentum of batch normalisation the other way round: their .1 is .9 here.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from models.brain2pix_readin import FixedRF, LearnedRF
from models.fisheye import Unwarp

WIDTHS = (64, 128, 256, 512, 512)
"""Feature maps after each halving."""
D_WIDTHS = (64, 128, 256, 512)
STD, SLOPE, MOMENTUM = 0.02, 0.2, 0.9


class Generator(nn.Module):
    """Images in, a picture out: ``(B, n_in, H, W)`` to ``(B, C, H, W)`` in (0, 1).

    Parameters
    ----------
    widths
        Feature maps after each halving of the picture; as many halvings as there are.
    momentum
        Of the batch normalisations, as torch counts it.
    """

    def __init__(self, n_in: int, out_shape: Sequence[int], widths: Sequence[int] = WIDTHS, momentum: float = MOMENTUM):
        super().__init__()
        colours, *sides = check_sides(out_shape, widths)
        self.sides = tuple(sides)
        down, up = [first(n_in, widths[0])], []
        for n, wider in itertools.pairwise(widths):
            down.append(halving(n, wider, momentum))
        for depth, narrower in enumerate(widths[-2::-1]):
            up.append(doubling(widths[-1] if depth == 0 else 2 * widths[-1 - depth], narrower, momentum))
        self.down, self.up = nn.ModuleList(down), nn.ModuleList(up)
        across = 2 * widths[0] if up else widths[0]
        self.last = nn.ConvTranspose2d(across, colours, 4, 2, 1)
        self.apply(drawn)

    def forward(self, images: Tensor) -> Tensor:
        """``(B, n_in, H, W)`` to ``(B, C, H, W)``."""
        kept = []
        for layer in self.down:
            images = layer(images)
            kept.append(images)
        images = kept.pop()
        for layer in self.up:
            images = torch.cat([layer(images), kept.pop()], 1).relu()
        return self.last(images).sigmoid()


class Discriminator(nn.Module):
    """Whether a picture belongs to receptive-field images, place by place: two inputs to logits ``(B, 1, h, w)``.

    Parameters
    ----------
    n_in
        Receptive-field images; with 0 the picture is judged by itself.
    widths
        Feature maps; all layers but the last of them halve the picture.
    """

    def __init__(self, n_in: int, colours: int = 3, widths: Sequence[int] = D_WIDTHS, momentum: float = MOMENTUM):
        super().__init__()
        layers = [first(n_in + colours, widths[0])]
        for number, (n, wider) in enumerate(itertools.pairwise(widths), 2):
            layers.append(halving(n, wider, momentum, 1 if number == len(widths) else 2))
        self.layers = nn.Sequential(*layers, nn.Conv2d(widths[-1], 1, 3, 2, 1))
        self.apply(drawn)

    def forward(self, images: Tensor, picture: Tensor) -> Tensor:
        """``(B, n_in, H, W)`` and ``(B, C, H, W)`` to ``(B, 1, h, w)``, 6 x 6 from 96 x 96."""
        logits: Tensor = self.layers(torch.cat([images, picture], 1))
        return logits


class Brain2Pix(nn.Module):
    """Voxels to a picture: ``(B, n_voxels, n_times)`` to ``(B, C, H, W)`` in [0, 1].

    Parameters
    ----------
    readin
        From voxels to the images that the generator takes.
    unwarp
        The generator paints through the fisheye, and what it paints is made straight.
    """

    def __init__(self, readin: nn.Module, generator: Generator, unwarp: bool = False):
        super().__init__()
        self.readin, self.generator = readin, generator
        self.out = Unwarp(generator.sides[0]) if unwarp else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """``(B, n_voxels, n_times)`` to ``(B, C, H, W)``."""
        picture: Tensor = self.out(self.generator(self.readin(x)))
        return picture


def first(n_in: int, n_out: int) -> nn.Sequential:
    """Halve a picture, with a bias and without normalisation."""
    return nn.Sequential(nn.Conv2d(n_in, n_out, 4, 2, 1), nn.LeakyReLU(SLOPE))


def halving(n_in: int, n_out: int, momentum: float, stride: int = 2) -> nn.Sequential:
    """Convolution, normalisation, leaky ReLU."""
    conv = nn.Conv2d(n_in, n_out, 4, stride, 1, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(n_out, momentum=momentum), nn.LeakyReLU(SLOPE))


def doubling(n_in: int, n_out: int, momentum: float) -> nn.Sequential:
    """Transposed convolution and normalisation; the ReLU comes after what is put beside it."""
    conv = nn.ConvTranspose2d(n_in, n_out, 4, 2, 1, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(n_out, momentum=momentum))


def drawn(layer: nn.Module) -> None:
    """Weights as published at the beginning: N(0, .02), those of normalisations N(1, .02), biases 0."""
    if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.normal_(layer.weight, 0.0, STD)
    elif isinstance(layer, nn.BatchNorm2d):
        nn.init.normal_(layer.weight, 1.0, STD)
    if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d, nn.BatchNorm2d)) and layer.bias is not None:
        nn.init.zeros_(layer.bias)


def check_sides(out_shape: Sequence[int], widths: Sequence[int]) -> tuple[int, int, int]:
    """Refuse a picture that cannot be halved so often."""
    by = 2 ** len(widths)
    if len(out_shape) != 3 or not widths or any(side % by or not side for side in out_shape[1:]):
        raise ValueError(
            f"out_shape={tuple(out_shape)} and {len(widths)} widths were given, expected (C, H, W) with height and "
            f"width multiples of {by}: give other sides, or fewer widths"
        )
    colours, height, width = out_shape
    return colours, height, width


def check_regions(n_chans: int, regions: Sequence[int], out_shape: Sequence[int], unwarp: bool) -> None:
    """Refuse regions that are not those of the voxels, and a fisheye of a picture that is not square."""
    if sum(regions) != n_chans or min(regions, default=0) < 1:
        raise ValueError(f"regions={list(regions)} was given, expected counts of voxels that add up to {n_chans}")
    if unwarp and out_shape[1] != out_shape[2]:
        raise ValueError(f"unwarp and out_shape={tuple(out_shape)} were given, expected a square picture")


def brain2pix(
    n_chans: int,
    n_times: int,
    out_shape: Sequence[int],
    sfreq: float,
    regions: Sequence[int],
    pixel: Sequence[int] | None = None,
    learned: bool = False,
    widths: Sequence[int] = WIDTHS,
    momentum: float = MOMENTUM,
    unwarp: bool = False,
) -> Brain2Pix:
    """Receptive-field images and generator; see `Brain2Pix`.

    Parameters
    ----------
    n_chans, n_times
        Voxels, and the samples after a frame that it is painted from.
    regions, pixel
        See `models.brain2pix_readin.FixedRF`.
    learned
        LearnedRF instead of FixedRF.
    """
    check_regions(n_chans, regions, out_shape, unwarp)
    check_sides(out_shape, widths)
    readin = (LearnedRF if learned else FixedRF)(regions, out_shape[1:], pixel)
    generator = Generator(len(regions) * n_times, out_shape, widths, momentum)
    return Brain2Pix(readin, generator, unwarp)


def brain2pix_discriminator(
    n_in: int, colours: int = 3, widths: Sequence[int] = D_WIDTHS, momentum: float = MOMENTUM
) -> Discriminator:
    """Patch discriminator; see `Discriminator`."""
    return Discriminator(n_in, colours, widths, momentum)
