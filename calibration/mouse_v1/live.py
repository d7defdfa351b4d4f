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
    """A decoder that goes through somebody's network, and the way to a grey picture, as one.

    ``(B, n_neurons, 1)`` to ``(B, 1, height, width)`` in [0, 1].

    Parameters
    ----------
    decoder
        From scaled responses ``(B, n_neurons, 1)`` to pictures ``(B, colours, side, side)`` in [0, 1].
    scale
        Of the responses.
    side
        Pixels of a side of what is painted; it is brought to `shape`, ``(1, height, width)``, with antialiasing.
    """

    def __init__(self, decoder: nn.Module, scale: ResponseScale, side: int, shape: tuple[int, int, int]):
        super().__init__()
        self.decoder, self.positive = decoder, scale.positive
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
        painted = self.decoder(scaled.clamp(min=0) if self.positive else scaled)
        grey = (painted * self.luma).sum(1, keepdim=True) if painted.shape[1] == len(self.luma) else painted
        return between_0_and_1((self.down @ grey @ self.right.T).clamp(0, 1))


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
