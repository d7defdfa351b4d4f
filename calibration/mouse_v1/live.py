"""Decoders of mouse V1 as a bundle runs them: responses as they are measured in, a picture from black to white out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from calibration.features.resample import weights
from calibration.mouse_v1.fit_encoder import FittedEncoder
from calibration.mouse_v1.scaling import ResponseScale
from calibration.mouse_v1.settings import InversionSettings
from calibration.targets import GREY
from models.v1_encoder import V1Encoder
from models.v1_inversion import InversionStep, Update, between_0_and_1

Array = NDArray[np.float32]


class LiveDecoder(nn.Module):
    """A decoder with the scale of its neurons: ``(B, n_neurons, 1)`` to ``(B, 1, height, width)`` in [0, 1].

    Parameters
    ----------
    std
        ``(n_neurons,)`` that responses are divided by.
    """

    def __init__(self, decoder: nn.Module, std: Array):
        super().__init__()
        self.decoder = decoder
        self.register_buffer("std", torch.from_numpy(np.array(std, np.float32))[:, None])

    def forward(self, window: Tensor) -> Tensor:
        """``(B, n_neurons, 1)`` to ``(B, 1, height, width)``."""
        return between_0_and_1(self.decoder(window / self.std))


class LivePainter(nn.Module):
    """A read-in, somebody's network that paints from what it predicts, and the way to a grey picture, as one.

    ``(B, n_neurons, 1)`` to ``(B, 1, height, width)`` in [0, 1].

    Parameters
    ----------
    paint
        From what `readin` predicts to pictures ``(B, colours, side, side)`` in [0, 1].
    scale
        Of the responses.
    side
        Pixels of a side of what is painted; it is brought to `shape`, ``(1, height, width)``, with antialiasing.
    """

    def __init__(
        self, readin: nn.Module, paint: nn.Module, scale: ResponseScale, side: int, shape: tuple[int, int, int]
    ):
        super().__init__()
        self.readin, self.paint, self.positive = readin, paint, scale.positive
        fixed = {"mean": scale.mean[:, None], "std": scale.std[:, None]}
        fixed |= {
            "luma": GREY[:, None, None],
            "down": weights(side, shape[1], "bilinear"),
            "right": weights(side, shape[2], "bilinear"),
        }
        for name, values in fixed.items():
            self.register_buffer(name, torch.from_numpy(np.array(values, np.float32)))

    def forward(self, window: Tensor) -> Tensor:
        """``(B, n_neurons, 1)`` to ``(B, 1, height, width)``."""
        scaled = (window - self.mean) / self.std
        painted = self.paint(self.readin(scaled.clamp(min=0) if self.positive else scaled))
        grey = (painted * self.luma).sum(1, keepdim=True) if painted.shape[1] == len(self.luma) else painted
        return between_0_and_1((self.down @ grey @ self.right.T).clamp(0, 1))


class PaintLatent(nn.Module):
    """The decoder of an image autoencoder: latents to colour pictures in [0, 1]."""

    def __init__(self, vae: nn.Module, scale: float):
        super().__init__()
        self.first, self.decoder, self.scale = vae.post_quant_conv, vae.decoder, scale

    def forward(self, latent: Tensor) -> Tensor:
        """``(B, 4, h, w)`` to ``(B, 3, 8 h, 8 w)``."""
        return (self.decoder(self.first(latent / self.scale)) / 2 + 0.5).clamp(0, 1)


class PaintFeatures(nn.Module):
    """The painter of features: to grey pictures in [0, 1]."""

    def __init__(self, inverter: nn.Module):
        super().__init__()
        self.inverter = inverter

    def forward(self, features: Tensor) -> Tensor:
        """``(B, C, h, w)`` to ``(B, 1, 16 h, 16 w)``."""
        return self.inverter(features).sigmoid()


class LiveStep(nn.Module):
    """One step of the inverted encoder with the scale of its neurons."""

    def __init__(self, step: InversionStep, std: Array):
        super().__init__()
        self.step = step
        self.register_buffer("std", torch.from_numpy(np.array(std, np.float32))[:, None])

    def forward(self, image: Tensor, window: Tensor) -> tuple[Tensor, Tensor]:
        """Picture and window to the next picture, and that from black to white."""
        after = self.step(image, window / self.std)
        return after, between_0_and_1(after)


def live_step(fitted: FittedEncoder, animal: str, shape: Sequence[int], settings: InversionSettings) -> LiveStep:
    """The step of a trained encoder."""
    encoder: V1Encoder = fitted.of(animal)  # type: ignore[assignment]
    update = Update(shape[1:], settings.lr, settings.sigma, settings.rescale)
    return LiveStep(InversionStep(encoder, update), fitted.responses[animal].std)


def run_step(step: LiveStep, inputs: tuple[Array, Array]) -> tuple[Array, Array]:
    """Both answers, one row at a time as live does."""
    step.eval()
    with torch.inference_mode():
        rows = [step(*(torch.from_numpy(each[k : k + 1]) for each in inputs)) for k in range(len(inputs[0]))]
    return tuple(np.concatenate([row[side].numpy() for row in rows]) for side in range(2))  # type: ignore[return-value]
