"""CNN image decoder of mouse primary visual cortex: a linear read-in, five transposed convolutions, one filter.

Table II of the report "Decoding images from mouse V1" (EPFL, 2024) gives channels, kernels, strides and paddings; its
latent size belongs to another image size, so the read-in here is ``[3, H / 2, W / 2]`` as in the project's own
runs: 20,226,625 parameters for 8,587 neurons and 36 x 64 images.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from torch import Tensor, nn

CHANNELS = (480, 256, 256, 128, 64)
KERNELS = (7, 5, 5, 4, 3)
STRIDES = (2, 1, 1, 1, 1)
PADDINGS = (2, 2, 2, 1, 1)
FINAL_KERNEL = 3


def grown(size: int, kernels: Sequence[int], strides: Sequence[int], paddings: Sequence[int]) -> int:
    """Length of an axis after the transposed convolutions."""
    for kernel, stride, padding in zip(kernels, strides, paddings, strict=True):
        size = (size - 1) * stride - 2 * padding + kernel
    return size


class V1CNN(nn.Module):
    """Image decoder: ``(B, n_chans, n_times)`` flattened, to ``(B, C, H, W)``.

    Parameters
    ----------
    out_shape
        ``(C, H, W)``.
    unflatten
        ``(channels, height, width)`` of the read-in; ``(3, H // 2, W // 2)`` by default.
    channels, kernels, strides, paddings
        One entry per transposed convolution.
    final
        ``"conv"`` must land on `out_shape` exactly; ``"deconv"`` overshoots and is cropped to the centre.
    dropout, readin_dropout
        After each block, and after the read-in.
    activation
        ``"sigmoid"`` bounds the image to [0, 1] inside the graph; by default its values are unbounded.
    """

    def __init__(
        self,
        n_chans: int,
        n_times: int,
        out_shape: Sequence[int],
        unflatten: Sequence[int] | None = None,
        channels: Sequence[int] = CHANNELS,
        kernels: Sequence[int] = KERNELS,
        strides: Sequence[int] = STRIDES,
        paddings: Sequence[int] = PADDINGS,
        final: Literal["conv", "deconv"] = "conv",
        dropout: float = 0.35,
        readin_dropout: float = 0.15,
        activation: Literal["none", "sigmoid"] = "none",
    ):
        super().__init__()
        _check(out_shape, channels, kernels, strides, paddings, final, activation)
        colours, height, width = out_shape
        latent = tuple(unflatten) if unflatten is not None else (3, height // 2, width // 2)
        self.crop = _crop((height, width), latent[1:], (kernels, strides, paddings), final)
        self.readin = nn.Sequential(
            nn.Flatten(),
            nn.Linear(n_chans * n_times, math.prod(latent)),
            nn.BatchNorm1d(math.prod(latent)),
            nn.LeakyReLU(),
            nn.Dropout(readin_dropout),
            nn.Unflatten(1, latent),
        )
        blocks = [
            _block(n_in, n_out, kernel, stride, padding, dropout)
            for n_in, n_out, kernel, stride, padding in zip(
                (latent[0], *channels), channels, kernels, strides, paddings, strict=False
            )
        ]
        self.blocks = nn.Sequential(*blocks)
        layer = nn.Conv2d if final == "conv" else nn.ConvTranspose2d
        self.final = layer(channels[-1], colours, FINAL_KERNEL)
        self.out = nn.Sigmoid() if activation == "sigmoid" else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """``(B, n_chans, n_times)`` to ``(B, C, H, W)``."""
        image = self.final(self.blocks(self.readin(x)))
        rows, cols = self.crop
        return self.out(image[..., rows, cols])


def _block(n_in: int, n_out: int, kernel: int, stride: int, padding: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(
        nn.ConvTranspose2d(n_in, n_out, kernel, stride, padding), nn.BatchNorm2d(n_out), nn.ReLU(), nn.Dropout(dropout)
    )


def _check(
    out_shape: Sequence[int],
    channels: Sequence[int],
    kernels: Sequence[int],
    strides: Sequence[int],
    paddings: Sequence[int],
    final: str,
    activation: str,
) -> None:
    if len(out_shape) != 3:
        raise ValueError(f"out_shape={tuple(out_shape)} was given, expected (channels, height, width) of an image")
    if len({len(channels), len(kernels), len(strides), len(paddings)}) != 1:
        raise ValueError(
            f"{len(channels)} channels, {len(kernels)} kernels, {len(strides)} strides and {len(paddings)} paddings "
            "were given, expected as many of each"
        )
    if final not in ("conv", "deconv") or activation not in ("none", "sigmoid"):
        raise ValueError(
            f"final={final!r}, activation={activation!r} were given, expected 'conv' or 'deconv', 'none' or 'sigmoid'"
        )


def _crop(
    wanted: Sequence[int], latent: Sequence[int], geometry: tuple[Sequence[int], ...], final: str
) -> tuple[slice, slice]:
    change = (FINAL_KERNEL - 1) * (-1 if final == "conv" else 1)
    made = [grown(size, *geometry) + change for size in latent]
    spare = [have - want for have, want in zip(made, wanted, strict=True)]
    if min(spare) < 0 or (final == "conv" and max(spare) > 0):
        raise ValueError(
            f"a read-in of {latent[0]} x {latent[1]} grows to images of {made[0]} x {made[1]}, expected {wanted[0]} x "
            f"{wanted[1]}: change unflatten, kernels, strides or paddings (the defaults double the read-in), or use "
            "final='deconv'"
        )
    rows, cols = (slice(over // 2, over // 2 + want) for over, want in zip(spare, wanted, strict=True))
    return rows, cols


def build(
    n_chans: int,
    n_times: int,
    out_shape: Sequence[int],
    sfreq: float,
    unflatten: Sequence[int] | None = None,
    channels: Sequence[int] = CHANNELS,
    kernels: Sequence[int] = KERNELS,
    strides: Sequence[int] = STRIDES,
    paddings: Sequence[int] = PADDINGS,
    final: Literal["conv", "deconv"] = "conv",
    dropout: float = 0.35,
    readin_dropout: float = 0.15,
    activation: Literal["none", "sigmoid"] = "none",
) -> V1CNN:
    """CNN image decoder; see `V1CNN`."""
    return V1CNN(
        n_chans,
        n_times,
        out_shape,
        unflatten,
        channels,
        kernels,
        strides,
        paddings,
        final,
        dropout,
        readin_dropout,
        activation,
    )
