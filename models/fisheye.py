"""The fisheye of Brain2Pix: the middle of a picture magnified twice, its edge made smaller, as cortex does.

Polar about the middle of the picture: what lies at radius ``r`` of the warped picture is taken from radius
``a r² + b r`` of the picture. ``a`` and ``b`` are a least-squares parabola through rings whose step grows as the
exponential of half their radius, tenfold in area over the picture, scaled so that the last ring is its edge.
For 96 pixels a = .01047 and b = .5006, for 112 a = .00891 and b = .4989, as in the authors' code.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

Array = NDArray[np.float64]
GROWTH = math.log(10.0)
TOLERANCE = 1e-12


@lru_cache(maxsize=8)
def coefficients(size: int) -> tuple[float, float]:
    """``a`` and ``b`` of a square picture of so many pixels."""
    if size < 4:
        raise ValueError(f"a picture of {size} pixels was given, expected 4 or more for a fisheye")
    half = size // 2
    low, high = 0.0, 1.0
    while high - low > TOLERANCE:
        middle = (low + high) / 2
        low, high = (middle, high) if rings(half, middle)[-1] < half else (low, middle)
    k = np.arange(half, dtype=np.float64)
    (a, b), *_ = np.linalg.lstsq(np.stack([k**2, k], 1), rings(half, high), rcond=None)
    return float(a), float(b)


def rings(half: int, first: float) -> Array:
    """``(half,)`` radii of rings, one per pixel of the warped picture from its middle; the second lies at `first`."""
    radii = [0.0]
    for _ in range(half - 1):
        radii.append(min(radii[-1] + first * math.exp(GROWTH / half * radii[-1] / 2), 10.0 * half))
    return np.array(radii)


def source_radius(radius: Array, size: int) -> Array:
    """Radius in the picture, pixels, of what the warped picture shows at `radius`."""
    a, b = coefficients(size)
    return a * radius**2 + b * radius


def warped_radius(radius: Array, size: int) -> Array:
    """Radius in the warped picture, pixels, of what lies at `radius` of the picture: `source_radius` turned around."""
    a, b = coefficients(size)
    return (np.sqrt(b**2 + 4 * a * radius) - b) / (2 * a)


def to_warped(rows: Array, columns: Array, size: int) -> tuple[Array, Array]:
    """Where places of the picture lie in the warped one; pixels, of which the first has its middle at 0."""
    return _along(rows, columns, size, warped_radius)


def to_source(rows: Array, columns: Array, size: int) -> tuple[Array, Array]:
    """Where places of the warped picture lie in the picture; pixels, of which the first has its middle at 0."""
    return _along(rows, columns, size, source_radius)


def _along(rows: Array, columns: Array, size: int, change: object) -> tuple[Array, Array]:
    centre = (size - 1) / 2
    down, right = np.asarray(rows, np.float64) - centre, np.asarray(columns, np.float64) - centre
    radius = np.hypot(down, right)
    factor = np.ones_like(radius)
    np.divide(change(radius, size), radius, out=factor, where=radius > 0)  # type: ignore[operator]
    return centre + down * factor, centre + right * factor


def corners(rows: Array, columns: Array, size: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The four pixels around each place and their weights, ``(4, n)`` each; what lies outside weighs nothing."""
    top, left = np.floor(rows), np.floor(columns)
    down, right = rows - top, columns - left
    at, weight = [], []
    for step_down in (0, 1):
        for step_right in (0, 1):
            row, column = top + step_down, left + step_right
            inside = (row >= 0) & (row < size) & (column >= 0) & (column < size)
            share = (down if step_down else 1 - down) * (right if step_right else 1 - right)
            at.append(np.where(inside, row * size + column, 0))
            weight.append(np.where(inside, share, 0.0))
    return np.stack(at).astype(np.int64), np.stack(weight).astype(np.float32)


@lru_cache(maxsize=16)
def table(size: int, back: bool) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """What `corners` says for every pixel of a warped picture, or with `back` of a picture made of a warped one."""
    rows, columns = (each.ravel().astype(np.float64) for each in np.mgrid[:size, :size])
    return corners(*(to_warped if back else to_source)(rows, columns, size), size)


def resampled(images: NDArray[np.floating], back: bool = False) -> NDArray[np.float32]:
    """Pictures ``(…, S, S)`` warped, or with `back` warped ones made straight; bilinear, what is not there is 0."""
    size = images.shape[-1]
    if images.ndim < 2 or images.shape[-2] != size:
        raise ValueError(f"pictures of shape {images.shape} were given, expected (…, S, S): square ones")
    at, weight = table(size, back)
    flat = np.asarray(images, np.float32).reshape(*images.shape[:-2], size * size)
    made = sum(flat[..., each] * share for each, share in zip(at, weight, strict=True))
    return np.asarray(made, np.float32).reshape(images.shape)


class Unwarp(nn.Module):
    """Warped pictures made straight within a graph: ``(B, C, S, S)`` to the same."""

    def __init__(self, size: int):
        super().__init__()
        at, weight = table(size, True)
        self.size = size
        self.register_buffer("at", torch.tensor(at.ravel().tolist()), persistent=False)
        self.register_buffer("weight", torch.tensor(weight.tolist()), persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        """``(B, C, S, S)`` to the same."""
        around = image.flatten(2).index_select(2, self.at).unflatten(2, (4, self.size**2))
        return (around * self.weight).sum(2).unflatten(2, (self.size, self.size))
