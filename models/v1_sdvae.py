"""Read-ins of the SD-VAE decoder: responses of mouse V1 to the latent of an image autoencoder.

The report "Decoding images from mouse V1" (EPFL, 2024) predicts the posterior mean of Stable Diffusion's autoencoder
(64 x 64 pixels to 4 x 8 x 8 numbers) and lets its decoder paint. The networks here end at the latent; the autoencoder
is somebody else's, `calibration.mouse_v1.latents`. The three-layer form has 45,942,016 parameters for 8,587 neurons.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from torch import Tensor, nn

HIDDEN = (4096, 2048, 1024)
MAPS = 16
ReadIn = Literal["mlp", "ridge", "conv"]


def perceptron(n_in: int, hidden: Sequence[int], n_out: int, dropout: float) -> nn.Sequential:
    """Linear layers, between them batch normalisation, ReLU and dropout."""
    layers: list[nn.Module] = []
    for n_units in hidden:
        layers += [nn.Linear(n_in, n_units), nn.BatchNorm1d(n_units), nn.ReLU(), nn.Dropout(dropout)]
        n_in = n_units
    return nn.Sequential(*layers, nn.Linear(n_in, n_out))


class LatentReadIn(nn.Module):
    """Responses ``(B, n_neurons, n_times)`` to a latent ``(B, C, h, w)``.

    Parameters
    ----------
    latent
        ``(C, h, w)``.
    readin
        ``"mlp"`` (published); ``"ridge"``, one matrix, which can be solved for; ``"conv"``, the same perceptron onto
        `maps` small maps and three convolutions over them.
    hidden, dropout
        Of the perceptron.
    """

    def __init__(
        self,
        n_inputs: int,
        latent: Sequence[int],
        readin: ReadIn = "mlp",
        hidden: Sequence[int] = HIDDEN,
        dropout: float = 0.5,
        maps: int = MAPS,
    ):
        super().__init__()
        if readin not in ("mlp", "ridge", "conv") or len(latent) != 3:
            raise ValueError(
                f"readin={readin!r} and a latent of shape {tuple(latent)} were given, expected 'mlp', 'ridge' or "
                "'conv', and (C, h, w)"
            )
        units = () if readin == "ridge" else tuple(hidden)
        shape = (maps, *latent[1:]) if readin == "conv" else tuple(latent)
        self.layers = nn.Sequential(
            nn.Flatten(), perceptron(n_inputs, units, math.prod(shape), dropout), nn.Unflatten(1, shape)
        )
        self.smooth = _convolutions(maps, latent[0]) if readin == "conv" else nn.Identity()

    def forward(self, responses: Tensor) -> Tensor:
        """``(B, n_neurons, n_times)`` to ``(B, C, h, w)``."""
        return self.smooth(self.layers(responses))


def _convolutions(maps: int, n_out: int) -> nn.Sequential:
    layers: list[nn.Module] = [nn.BatchNorm2d(maps), nn.ReLU()]
    for _ in range(2):
        layers += [nn.Conv2d(maps, maps, 3, padding=1), nn.BatchNorm2d(maps), nn.ReLU()]
    return nn.Sequential(*layers, nn.Conv2d(maps, n_out, 3, padding=1))


class LatentPainter(nn.Module):
    """Decoder half of an image autoencoder: latents ``(B, 4, h, w)`` to colour pictures ``(B, 3, 8 h, 8 w)`` in [0, 1].

    Parameters
    ----------
    vae
        diffusers' `AutoencoderKL`, or what has its ``post_quant_conv`` and ``decoder``.
    scale
        The factor that latents were multiplied by.
    """

    def __init__(self, vae: nn.Module, scale: float):
        super().__init__()
        self.first, self.decoder, self.scale = vae.post_quant_conv, vae.decoder, scale

    def forward(self, latent: Tensor) -> Tensor:
        """``(B, 4, h, w)`` to ``(B, 3, 8 h, 8 w)``."""
        return (self.decoder(self.first(latent / self.scale)) / 2 + 0.5).clamp(0, 1)


def v1_latent(
    n_chans: int,
    n_times: int,
    out_shape: Sequence[int],
    sfreq: float,
    readin: ReadIn = "mlp",
    hidden: Sequence[int] = HIDDEN,
    dropout: float = 0.5,
    maps: int = MAPS,
) -> LatentReadIn:
    """Responses to the latent of an autoencoder; see `LatentReadIn`. `out_shape` is the latent's."""
    return LatentReadIn(n_chans * n_times, out_shape, readin, hidden, dropout, maps)
