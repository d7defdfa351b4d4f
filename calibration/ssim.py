"""Structural similarity of pictures: Gaussian window of 11 x 11, sigma 1.5, K1 .01, K2 .03, range 1, no padding."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from calibration.spikes2video.objective import K1, K2, gaussian
from streamkit.errors import require

if TYPE_CHECKING:
    from torch import Tensor

WINDOW = 11


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

    def mean(x: Tensor) -> Tensor:
        return down @ x @ right.T

    a, b = a.float(), b.float()
    mean_a, mean_b = mean(a), mean(b)
    variances = mean(a * a) - mean_a**2 + mean(b * b) - mean_b**2
    covariance = mean(a * b) - mean_a * mean_b
    c1, c2 = K1**2, K2**2
    likeness = (2 * mean_a * mean_b + c1) * (2 * covariance + c2)
    return (likeness / ((mean_a**2 + mean_b**2 + c1) * (variances + c2))).mean((1, 2, 3))
