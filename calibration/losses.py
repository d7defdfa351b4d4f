"""What training makes small."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from streamkit.errors import require

if TYPE_CHECKING:
    from torch import Tensor

Loss = Callable[["Tensor", "Tensor"], "Tensor"]


def loss_for(kind: Literal["class", "signal", "image"], y: NDArray[np.generic], correlation: float) -> Loss:
    """Return the loss of a target kind, balanced on the training targets `y`.

    Classes: cross-entropy, every class weighing the same. Signals: mean squared error in variances of each value.
    Images: mean squared error in variances of a pixel, plus `correlation` times one minus the correlation of pixels.
    """
    torch = require("torch", "train", "calibration")
    if kind == "class":
        counts = np.bincount(y.astype(int))
        weight = torch.as_tensor(len(y) / (len(counts) * np.maximum(counts, 1)), dtype=torch.float32)
        cross_entropy = torch.nn.functional.cross_entropy
        return lambda logits, target: cross_entropy(logits, target, weight=weight.to(logits.device))
    if kind == "signal":
        variance = torch.as_tensor(np.maximum(y.var(0), 1e-12), dtype=torch.float32)
        return lambda values, target: ((values - target).square() / variance.to(values.device)).mean()
    pixel_variance = max(float((y - y.mean(0)).var()), 1e-12)
    return lambda image, target: image_loss(image, target, pixel_variance, correlation)


def image_loss(image: Tensor, target: Tensor, variance: float, correlation: float) -> Tensor:
    """Mean squared error in units of `variance` plus ``correlation * (1 - r)``, r per image over its pixels."""
    error = (image - target).square().mean() / variance
    return error + correlation * (1 - pixel_correlation(image, target).mean())


def pixel_correlation(a: Tensor, b: Tensor) -> Tensor:
    """Correlation over the pixels of each pair of images: ``(B, C, H, W)`` twice to ``(B,)``."""
    torch = require("torch", "train", "calibration")
    a, b = a.flatten(1), b.flatten(1)
    return torch.nn.functional.cosine_similarity(a - a.mean(1, keepdim=True), b - b.mean(1, keepdim=True), eps=1e-8)
