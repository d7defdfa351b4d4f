"""What is fitted to training presentations: the scale of every neuron, and one scale of all pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from calibration.mouse_v1.material import Responses

Array = NDArray[np.floating]
Mode = Literal["deviation", "standard", "standard, positive"]


@dataclass(frozen=True)
class ResponseScale:
    """``(x - mean) / std`` of every neuron, and nothing below 0 where `positive`.

    Attributes
    ----------
    mean, std
        ``(n_neurons,)``.
    """

    mean: NDArray[np.float32]
    std: NDArray[np.float32]
    positive: bool = False

    def __call__(self, X: Array) -> NDArray[np.float32]:
        """Responses ``(n, n_neurons)`` as measured to those that networks take."""
        scaled = ((X - self.mean) / self.std).astype(np.float32)
        return np.maximum(scaled, 0) if self.positive else scaled


@dataclass(frozen=True)
class ImageScale:
    """One mean and deviation of all pixels of all training pictures."""

    mean: float
    std: float

    def __call__(self, images: Array) -> NDArray[np.float32]:
        """Pictures in [0, 1] to those that networks take and give."""
        return ((images - self.mean) / self.std).astype(np.float32)

    def back(self, images: Array) -> NDArray[np.float32]:
        """From the network's scale to that of the pictures."""
        return (images * self.std + self.mean).astype(np.float32)


def response_scale(train: Responses, mode: Mode = "deviation") -> ResponseScale:
    """Fit the scale of responses.

    Parameters
    ----------
    mode
        ``"deviation"`` divides by each neuron's deviation and takes no mean off (encoder, CNN, GAN); ``"standard"``
        does both (SD-VAE), ``"standard, positive"`` also raises what is negative to 0 (ResNet50).
    """
    std = train.X.std(0, dtype=np.float64)
    std = np.where(std > 1e-8, std, 1.0).astype(np.float32)
    mean = np.zeros_like(std) if mode == "deviation" else train.X.mean(0, dtype=np.float64).astype(np.float32)
    return ResponseScale(mean, std, mode == "standard, positive")


def image_scale(*trains: Responses) -> ImageScale:
    """Fit the scale of pictures, over the presentations of all animals."""
    pixels = np.concatenate([train.y.ravel() for train in trains])
    return ImageScale(float(pixels.mean(dtype=np.float64)), float(pixels.std(dtype=np.float64)) or 1.0)
