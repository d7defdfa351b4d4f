"""Resizing of images as the encoders' authors do it: antialiased, as two matrix products.

The weights are those of Pillow and of torchvision's antialiased resize: a triangle (``"bilinear"``) or Keys' cubic with
a = -1/2 (``"bicubic"``), stretched by the factor of the reduction. Pillow rounds to 8 bits in between, this does not.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Images = NDArray[np.float32]
Interpolation = Literal["bilinear", "bicubic"]


def resize(images: Images, size: tuple[int, int], interpolation: Interpolation = "bilinear") -> Images:
    """Images ``(n, C, H, W)`` in [0, 1] at another size ``(height, width)``; what overshoots is clipped."""
    if images.shape[2:] == size:
        return images
    rows = weights(images.shape[2], size[0], interpolation)
    columns = weights(images.shape[3], size[1], interpolation)
    resized = np.matmul(np.matmul(rows, images), columns.T)
    return np.clip(resized, 0, 1, out=resized)


@lru_cache(maxsize=64)
def weights(given: int, wanted: int, interpolation: Interpolation) -> Images:
    """How much each of `given` pixels counts for each of `wanted`, ``(wanted, given)``; rows sum to one."""
    scale = given / wanted
    centres = (np.arange(wanted) + 0.5) * scale
    distance = np.abs(np.arange(given) + 0.5 - centres[:, None]) / max(scale, 1.0)
    kernel = _triangle(distance) if interpolation == "bilinear" else _cubic(distance)
    matrix = (kernel / kernel.sum(1, keepdims=True)).astype(np.float32)
    matrix.setflags(write=False)
    return matrix


def _triangle(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.maximum(0.0, 1.0 - x)


def _cubic(x: NDArray[np.float64]) -> NDArray[np.float64]:
    near = (1.5 * x - 2.5) * x**2 + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x < 1, near, np.where(x < 2, far, 0.0))
