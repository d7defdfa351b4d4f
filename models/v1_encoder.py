"""Encoders of mouse primary visual cortex: from a grey picture to the response of every neuron.

The report "Decoding images from mouse V1" (EPFL, 2024) inverts this encoder and makes most exciting images with it. Its
convolutions are the stacked core of Lurz et al. 2021 (ICLR, "Generalization in data-driven models of primary visual
cortex"), its readout looks at one place per neuron: 649,933 parameters for 8,587 neurons and 36 x 64 pixels. The
earlier form has three layers and a linear readout.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

CHANNELS, KERNEL, HIDDEN_KERNEL, LAYERS = 64, 9, 7, 4
MOMENTUM = 0.9
"""Of the batch normalisation: a batch counts for nine tenths of the running statistics, as published."""
POOL = 4


class Separable(nn.Sequential):
    """A hidden layer's convolution: each pixel, then each map with its neighbours, then each pixel again."""

    def __init__(self, channels: int, kernel: int):
        super().__init__(
            nn.Conv2d(channels, channels, 1),
            nn.Conv2d(channels, channels, kernel, padding=kernel // 2, groups=channels),
            nn.Conv2d(channels, channels, 1),
        )


class Core(nn.Module):
    """The convolutions: ``(B, C, H, W)`` to ``(B, channels, H - kernel + 1, W - kernel + 1)``, the last layer alone.

    Parameters
    ----------
    image
        ``(C, H, W)``.
    layers
        The first has a plain kernel without padding, those behind it are `Separable`.
    """

    def __init__(self, image: Sequence[int], channels: int, kernel: int, hidden_kernel: int, layers: int):
        super().__init__()
        colours, height, width = image
        self.shape = (channels, height - kernel + 1, width - kernel + 1)
        if min(self.shape[1:]) < 2 or hidden_kernel % 2 == 0 or layers < 1:
            raise ValueError(
                f"image={tuple(image)}, kernel={kernel}, hidden_kernel={hidden_kernel} and layers={layers} were given, "
                "expected a kernel that leaves two rows and columns at least, an odd hidden_kernel, a layer or more"
            )
        convs = [nn.Conv2d(colours, channels, kernel, bias=False)]
        convs += [Separable(channels, hidden_kernel) for _ in range(layers - 1)]
        self.layers = nn.ModuleList(
            nn.Sequential(conv, nn.BatchNorm2d(channels, momentum=MOMENTUM), nn.ELU()) for conv in convs
        )

    @property
    def filters(self) -> Tensor:
        """``(channels, C, kernel, kernel)`` of the first layer, which training keeps smooth."""
        return self.layers[0][0].weight  # type: ignore[index, return-value]

    def forward(self, image: Tensor) -> Tensor:
        """``(B, C, H, W)`` to ``(B, channels, height, width)``."""
        for layer in self.layers:
            image = layer(image)
        return image


class GaussianReadout(nn.Module):
    """Each neuron reads all maps at one place: ``(B, channels, height, width)`` to ``(B, n_neurons)``.

    While it is trained the place is drawn for every picture from the neuron's Gaussian, afterwards it is its mean.
    Places are in [-1, 1] from edge to edge (x, then y), and what lies between pixels is interpolated.
    """

    def __init__(self, shape: Sequence[int], n_neurons: int):
        super().__init__()
        channels, self.height, self.width = shape
        self.mu = nn.Parameter(torch.empty(n_neurons, 2).uniform_(-0.3, 0.3))
        self.sigma = nn.Parameter(torch.empty(n_neurons, 2, 2).uniform_(-0.1, 0.1))
        self.features = nn.Parameter(torch.full((n_neurons, channels), 1 / channels))
        self.bias = nn.Parameter(torch.zeros(n_neurons))

    @property
    def weights(self) -> Tensor:
        """``(n_neurons, channels)``, which training keeps sparse."""
        return self.features

    def places(self) -> tuple[Tensor, Tensor]:
        """Column and row of each neuron in pixels of the maps, ``(n_neurons,)`` each."""
        x, y = self.mu.clamp(-1, 1).unbind(1)
        return (x + 1) / 2 * (self.width - 1), (y + 1) / 2 * (self.height - 1)

    def drawn(self, maps: Tensor) -> Tensor:
        """``(B, channels, n_neurons)`` at places drawn for every picture."""
        noise = torch.randn(len(maps), *self.mu.shape, device=maps.device)
        return self._at(self.mu + torch.einsum("nij,bnj->bni", self.sigma, noise), maps)

    def means(self, maps: Tensor) -> Tensor:
        """``(B, channels, n_neurons)`` at the means; nearly twice as fast as `fixed` with its way back on a CPU."""
        return self._at(self.mu.expand(len(maps), -1, -1), maps)

    @staticmethod
    def _at(places: Tensor, maps: Tensor) -> Tensor:
        return nn.functional.grid_sample(maps, places.clamp(-1, 1)[:, :, None], align_corners=True)[..., 0]

    def fixed(self, maps: Tensor, places: tuple[Tensor, Tensor] | None = None) -> Tensor:
        """`means` as four gathered pixels each, which every runtime can do.

        Parameters
        ----------
        places
            As `places` gives them, where they are known already.
        """
        column, row = places or self.places()
        left = column.floor().clamp(0, self.width - 2)
        top = row.floor().clamp(0, self.height - 2)
        right, down = column - left, row - top
        first = (top * self.width + left).long()
        flat, seen = maps.flatten(2), 0.0
        corners = ((0, (1 - right) * (1 - down)), (1, right * (1 - down)))
        corners += ((self.width, (1 - right) * down), (self.width + 1, right * down))
        for step, share in corners:
            seen = seen + flat[:, :, first + step] * share
        return seen  # type: ignore[return-value]

    def sampling(self, places: tuple[Tensor, Tensor] | None = None) -> Tensor:
        """``(n_neurons, height * width)`` what every pixel counts for at the means."""
        column, row = places or self.places()
        across = (1 - (column[:, None] - torch.arange(self.width, device=column.device)).abs()).clamp(min=0)
        down = (1 - (row[:, None] - torch.arange(self.height, device=row.device)).abs()).clamp(min=0)
        return (down[:, :, None] * across[:, None]).flatten(1)

    def forward(self, maps: Tensor) -> Tensor:
        """``(B, channels, height, width)`` to ``(B, n_neurons)``."""
        if self.training:
            seen = self.drawn(maps)
        else:
            seen = self.fixed(maps) if torch.compiler.is_compiling() else self.means(maps)
        return (seen * self.features.T).sum(1) + self.bias


class LinearReadout(nn.Module):
    """Each neuron reads every pixel of maps that are averaged down: the earlier form."""

    def __init__(self, shape: Sequence[int], n_neurons: int, pool: int):
        super().__init__()
        channels, height, width = shape
        if not 1 <= pool <= min(height, width):
            raise ValueError(f"pool={pool} was given for maps of {height} x {width}, expected 1 to the shorter side")
        self.pool = nn.AvgPool2d(pool)
        self.linear = nn.Linear(channels * (height // pool) * (width // pool), n_neurons)

    @property
    def weights(self) -> Tensor:
        """``(n_neurons, n_features)``, which training keeps sparse."""
        return self.linear.weight

    def forward(self, maps: Tensor) -> Tensor:
        """``(B, channels, height, width)`` to ``(B, n_neurons)``."""
        return self.linear(self.pool(maps).flatten(1))


class V1Encoder(nn.Module):
    """Core and readout: standardised pictures ``(B, C, H, W)`` to responses ``(B, n_neurons)`` above 0."""

    def __init__(self, core: Core, readout: nn.Module):
        super().__init__()
        self.core = core
        self.readout = readout

    def forward(self, image: Tensor) -> Tensor:
        """``(B, C, H, W)`` to ``(B, n_neurons)``."""
        return nn.functional.elu(self.readout(self.core(image))) + 1


def v1_encoder(
    n_chans: int,
    image: Sequence[int] = (1, 36, 64),
    channels: int = CHANNELS,
    kernel: int = KERNEL,
    hidden_kernel: int = HIDDEN_KERNEL,
    layers: int = LAYERS,
) -> V1Encoder:
    """Encoder with a Gaussian readout of `n_chans` neurons; see `Core` and `GaussianReadout`."""
    core = Core(image, channels, kernel, hidden_kernel, layers)
    return V1Encoder(core, GaussianReadout(core.shape, n_chans))


def v1_encoder_linear(
    n_chans: int,
    image: Sequence[int] = (1, 36, 64),
    channels: int = CHANNELS,
    kernel: int = KERNEL,
    hidden_kernel: int = HIDDEN_KERNEL,
    layers: int = LAYERS - 1,
    pool: int = POOL,
) -> V1Encoder:
    """The earlier encoder, with three layers and a linear readout.

    Parameters
    ----------
    pool
        Pixels of a side that are averaged before the matrix. The report does not say; without (1) the matrix alone
        would have 862 million weights.
    """
    core = Core(image, channels, kernel, hidden_kernel, layers)
    return V1Encoder(core, LinearReadout(core.shape, n_chans, pool))
