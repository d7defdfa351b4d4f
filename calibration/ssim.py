"""Structural similarity of pictures: Gaussian window of 11 x 11, sigma 1.5, K1 .01, K2 .03, range 1, no padding."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from streamkit.errors import require

if TYPE_CHECKING:
    from torch import Tensor

WINDOW = 11
SIGMA = 1.5
K1, K2 = 0.01, 0.03


def gaussian(window: int) -> NDArray[np.float64]:
    """``(window,)`` weights of a Gaussian of deviation 1.5, which add up to 1; those of both directions multiply."""
    at = np.arange(window) - window // 2  # as the authors' package has it: an even window has its peak off the middle
    weights = np.exp(-(at**2) / (2 * SIGMA**2))
    return weights / weights.sum()


@lru_cache(maxsize=32)
def inside(size: int, window: int) -> NDArray[np.float32]:
    """``(size - window + 1, size)`` that averages a line of pixels over every window that lies within."""
    matrix = np.zeros((size - window + 1, size), np.float32)
    for row in range(len(matrix)):
        matrix[row, row : row + window] = gaussian(window)
    return matrix


def ssim(a: Tensor, b: Tensor, window: int = WINDOW) -> Tensor:
    """Similarity of pictures ``(B, C, H, W)`` in [0, 1] in pairs: ``(B,)``.

    Pictures smaller than the window get the largest odd window that fits.
    """
    torch = require("torch", "train", "structural similarity")
    least = min(a.shape[2:])
    window = min(window, least - 1 + least % 2)
    down, right = (torch.tensor(inside(size, window), device=a.device) for size in a.shape[2:])
    return likeness(a, b, down, right).mean((1, 2, 3))


def likeness(a: Tensor, b: Tensor, down: Tensor, right: Tensor) -> Tensor:
    """The map that is averaged: of pictures ``(..., height, width)`` in [0, 1], in pairs.

    Parameters
    ----------
    down, right
        ``(out, height)`` and ``(out, width)`` matrices that average over a window around each pixel.
    """

    def mean(x: Tensor) -> Tensor:
        return down @ x @ right.T

    a, b = a.float(), b.float()
    mean_a, mean_b = mean(a), mean(b)
    variances = mean(a * a) - mean_a**2 + mean(b * b) - mean_b**2
    covariance = mean(a * b) - mean_a * mean_b
    c1, c2 = K1**2, K2**2
    found = (2 * mean_a * mean_b + c1) * (2 * covariance + c2)
    return found / ((mean_a**2 + mean_b**2 + c1) * (variances + c2))
