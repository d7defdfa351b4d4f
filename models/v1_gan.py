"""GAN decoder of mouse V1: responses wake the neurons' most exciting images, a convolutional core paints from those.

From the report "Decoding images from mouse V1" (EPFL, 2024), as its project's code had it: a context network that all
neurons share turns each response into a mask, the mask multiplies the neuron's most exciting image (MEI), and a
convolution over neurons mixes what comes of it. For 8,587 neurons and 36 x 64 pixels the read-in has 4,421,376
parameters, the core 16,372,769 and the discriminator 2,092,481. The masks of all neurons are 79 MB per picture, so they
are made and used a few hundred neurons at a time.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from models.v1_masks import masked_sum

READIN = 480
CONTEXT = (8, 128)
CHANNELS = (480, 256, 256, 128, 64)
KERNELS = (7, 5, 5, 3, 3)
DISCRIMINATOR = (256, 256, 128, 64, 64)
DISCRIMINATOR_KERNELS = (7, 5, 3, 3, 3)
MEI_DEVIATION = 0.15
CHUNK = 512
FLOOR = 1e-3
"""Smallest response whose logarithm is taken."""
Transform = Literal["none", "log"]


class MEIReadIn(nn.Module):
    """Responses ``(B, n_neurons, n_times)`` to maps ``(B, channels, H, W)``.

    Parameters
    ----------
    size
        ``(H, W)`` of the MEIs. Until `set_meis` is called they are noise, which is what their making begins with.
    context
        Units of the two hidden layers of the context network.
    coordinates
        The context network also gets two coordinates of each neuron; 0 until `set_coordinates` is called.
    transform
        ``"log"`` takes the decimal logarithm of responses, none taken as lower than a thousandth.
    chunk
        Neurons at a time. The result is the same.
    """

    def __init__(
        self,
        n_neurons: int,
        size: Sequence[int],
        channels: int = READIN,
        context: Sequence[int] = CONTEXT,
        coordinates: bool = False,
        transform: Transform = "none",
        dropout: float = 0.15,
        chunk: int = CHUNK,
    ):
        super().__init__()
        if transform not in ("none", "log") or len(context) != 2 or chunk < 1:
            raise ValueError(
                f"transform={transform!r}, {len(context)} layers of context and chunk={chunk} were given, expected "
                "'none' or 'log', two layers, and a chunk of one neuron at least"
            )
        self.size, self.chunk, self.transform = tuple(size), chunk, transform
        first, second = context
        self.context = nn.Sequential(
            nn.Linear(3 if coordinates else 1, first),
            nn.BatchNorm1d(first),
            nn.LeakyReLU(),
            nn.Dropout(dropout),
            nn.Linear(first, second),
            nn.BatchNorm1d(second),
            nn.LeakyReLU(),
            nn.Dropout(dropout),
        )
        self.mask = nn.Linear(second, math.prod(size))
        self.mix = nn.Conv2d(n_neurons, channels, 1, bias=False)
        self.norm = nn.Sequential(nn.BatchNorm2d(channels), nn.LeakyReLU())
        self.drop = nn.Dropout(dropout)
        self.register_buffer("meis", torch.randn(n_neurons, *size) * MEI_DEVIATION)
        self.register_buffer("coordinates", torch.zeros(n_neurons, 2) if coordinates else None)

    def set_meis(self, meis: Tensor) -> None:
        """``(n_neurons, H, W)``."""
        self._set("meis", meis)

    def set_coordinates(self, coordinates: Tensor) -> None:
        """``(n_neurons, 2)``, such as where each neuron of an encoder looks."""
        if self.coordinates is None:
            raise ValueError("coordinates were given to a read-in without: build it with coordinates=True")
        self._set("coordinates", coordinates)

    def _set(self, name: str, values: Tensor) -> None:
        held = getattr(self, name)
        if values.shape != held.shape:
            raise ValueError(f"{name} of shape {tuple(values.shape)} were given, expected {tuple(held.shape)}")
        held.copy_(values)

    def hidden(self, responses: Tensor) -> Tensor:
        """What the context network makes of every neuron: ``(B, n_neurons)`` to ``(B, n_neurons, units)``.

        All neurons at once, for its batch normalisation is over pictures and neurons alike.
        """
        if self.transform == "log":
            responses = responses.clamp(min=FLOOR).log() / math.log(10)
        given = responses[..., None]
        if self.coordinates is not None:
            given = torch.cat([given, given * 0 + self.coordinates], dim=2)
        return self.context(given.flatten(0, 1)).unflatten(0, (-1, responses.shape[1]))

    def mixed(self, hidden: Tensor) -> Tensor:
        """``(B, n_neurons, units)`` to what neurons add up to: ``(B, channels, H, W)``."""
        kept = self.drop(torch.ones_like(hidden[..., :1]))  # whole masks are dropped; 1 otherwise, for the mask's bias
        weight = torch.cat([self.mask.weight, self.mask.bias[:, None]], 1)
        given = torch.cat([hidden * kept, kept], 2)
        return masked_sum(given, weight, self.meis.flatten(1), self.mix.weight.flatten(1), self.chunk).unflatten(
            2, self.size
        )

    def traced(self, hidden: Tensor) -> Tensor:
        """The same in operators of ONNX, chunk by chunk."""
        total = None
        for at in range(0, len(self.meis), self.chunk):
            rows = slice(at, at + self.chunk)
            seen = self.mask(hidden[:, rows]).unflatten(2, self.size) * self.meis[rows]
            made = nn.functional.conv2d(seen, self.mix.weight[:, rows])
            total = made if total is None else total + made
        return total

    def forward(self, responses: Tensor) -> Tensor:
        """``(B, n_neurons, n_times)`` to ``(B, channels, H, W)``."""
        hidden = self.hidden(responses.flatten(1))
        traced = torch.compiler.is_compiling() and not self.training  # no mask is dropped there
        return self.norm(self.traced(hidden) if traced else self.mixed(hidden))


def _block(n_in: int, n_out: int, kernel: int, dropout: float, stride: int = 1, padding: int | None = None) -> list:
    pad = kernel // 2 if padding is None else padding
    return [nn.Conv2d(n_in, n_out, kernel, stride, pad), nn.BatchNorm2d(n_out), nn.ReLU(), nn.Dropout(dropout)]


class Painter(nn.Sequential):
    """The core of the generator, which all mice share: maps ``(B, readin, H, W)`` to pictures ``(B, C, H, W)``."""

    def __init__(self, readin: int, colours: int, channels: Sequence[int], kernels: Sequence[int], dropout: float):
        if len(channels) != len(kernels) or any(kernel % 2 == 0 for kernel in kernels):
            raise ValueError(
                f"{len(channels)} channels and kernels={tuple(kernels)} were given, expected as many kernels, all odd"
            )
        widths = (readin, *channels)
        layers = []
        for n_in, n_out, kernel in zip(widths[:-1], channels, kernels, strict=True):
            layers += _block(n_in, n_out, kernel, dropout)
        super().__init__(*layers, nn.Conv2d(channels[-1], colours, 3, padding=1))


class Generator(nn.Module):
    """Read-in of one mouse and the core: responses ``(B, n_neurons, n_times)`` to pictures ``(B, C, H, W)``."""

    def __init__(self, readin: MEIReadIn, core: nn.Module):
        super().__init__()
        self.readin, self.core = readin, core

    def forward(self, responses: Tensor) -> Tensor:
        """``(B, n_neurons, n_times)`` to ``(B, C, H, W)``."""
        return self.core(self.readin(responses))


class Discriminator(nn.Module):
    """How real pictures look: ``(B, C, H, W)`` to ``(B, heads)``, one head for each mouse; not yet through a sigmoid.

    It does not see the responses.
    """

    def __init__(
        self,
        image: Sequence[int],
        heads: int = 1,
        channels: Sequence[int] = DISCRIMINATOR,
        kernels: Sequence[int] = DISCRIMINATOR_KERNELS,
        dropout: float = 0.3,
    ):
        super().__init__()
        colours, height, width = image
        if len(channels) != len(kernels) or heads < 1:
            raise ValueError(
                f"{len(channels)} channels, {len(kernels)} kernels and {heads} heads were given, expected as many "
                "kernels as channels, and a head at least"
            )
        layers, n_in = [], colours
        for number, (n_out, kernel) in enumerate(zip(channels, kernels, strict=True)):
            stride = 1 if number else 2
            padding = kernel // 2 if number else 2
            layers += _block(n_in, n_out, kernel, dropout, stride, padding)
            height, width = ((size + 2 * padding - kernel) // stride + 1 for size in (height, width))
            n_in = n_out
        self.layers = nn.Sequential(*layers, nn.Flatten())
        self.heads = nn.Linear(n_in * height * width, heads)

    def forward(self, image: Tensor) -> Tensor:
        """``(B, C, H, W)`` to ``(B, heads)``."""
        return self.heads(self.layers(image))


class PerMouse(nn.Module):
    """Several mice and one core: what each reads in is its own.

    Parameters
    ----------
    readins
        By name of the mouse.
    """

    def __init__(self, readins: Mapping[str, nn.Module], core: nn.Module):
        super().__init__()
        self.readins, self.core = nn.ModuleDict(readins), core

    def forward(self, responses: Tensor, mouse: str) -> Tensor:
        """The answer for responses of one mouse."""
        return self.core(self.readins[mouse](responses))


def v1_gan(
    n_chans: int,
    n_times: int,
    out_shape: Sequence[int],
    sfreq: float,
    readin: int = READIN,
    context: Sequence[int] = CONTEXT,
    coordinates: bool = False,
    transform: Transform = "none",
    channels: Sequence[int] = CHANNELS,
    kernels: Sequence[int] = KERNELS,
    readin_dropout: float = 0.15,
    dropout: float = 0.35,
    chunk: int = CHUNK,
) -> Generator:
    """Generator of the GAN decoder; see `MEIReadIn` and `Painter`. `readin` are the maps between the two."""
    if len(out_shape) != 3 or n_times != 1:
        raise ValueError(
            f"out_shape={tuple(out_shape)} and n_times={n_times} were given, expected (channels, height, width) of a "
            "picture, and one number per neuron"
        )
    colours, *size = out_shape
    head = MEIReadIn(n_chans, size, readin, context, coordinates, transform, readin_dropout, chunk)
    return Generator(head, Painter(readin, colours, channels, kernels, dropout))


def v1_discriminator(
    image: Sequence[int] = (1, 36, 64),
    heads: int = 1,
    channels: Sequence[int] = DISCRIMINATOR,
    kernels: Sequence[int] = DISCRIMINATOR_KERNELS,
    dropout: float = 0.3,
) -> Discriminator:
    """Discriminator of the GAN decoder; see `Discriminator`."""
    return Discriminator(image, heads, channels, kernels, dropout)
