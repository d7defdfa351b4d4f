"""Receptive fields and what they answer to an image.

Three kinds of unit, all blind to colour; `image` below is a patch with its mid-grey taken off:

luminance
    A Gaussian blob, half of the units for light (ON), half for dark (OFF); answers ``max(0, ± blob · image)``.
simple
    A Gabor patch; answers ``max(0, gabor · image)``.
complex
    Gabor energy (Adelson and Bergen 1985, J. Opt. Soc. Am. A 2:284): the root of the summed squares of an even and
    an odd Gabor, so it tells orientation and place but not the sign of contrast.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibration.datasets.world_config import Units

SIGMA = {"luminance": (1.2, 2.8), "simple": (1.5, 3.2), "complex": (1.8, 4.0)}
"""Range of the fields' standard deviations, in pixels of a 32-pixel patch, drawn log-uniformly."""


@dataclass(frozen=True)
class Population:
    """Fields of all units.

    Attributes
    ----------
    even, odd
        ``(n_units, size, size)`` unit-norm fields; `odd` is 0 for units that are not complex.
    kind
        ``(n_units,)`` of ``luminance``, ``simple``, ``complex``.
    centre
        ``(n_units, 2)`` row and column, pixels.
    """

    even: NDArray[np.float32]
    odd: NDArray[np.float32]
    kind: tuple[str, ...]
    centre: NDArray[np.float64]

    def drive(self, images: NDArray[np.float32]) -> NDArray[np.float64]:
        """What each unit answers to ``(n, size, size)`` images in [0, 1]: ``(n, n_units)``, not negative."""
        flat = images.reshape(len(images), -1) - 0.5
        even, odd = (flat @ field.reshape(len(field), -1).T for field in (self.even, self.odd))
        energetic = np.array([kind == "complex" for kind in self.kind])
        return np.where(energetic, np.hypot(even, odd), np.maximum(even, 0)).astype(np.float64)


def draw(units: Units, size: int, rng: np.random.Generator) -> Population:
    """Draw a population: places on a jittered grid per kind, sizes, orientations and phases at random."""
    even, odd, kinds, centres = [], [], [], []
    for kind in ("luminance", "simple", "complex"):
        n_units = getattr(units, kind)
        places = jittered_grid(n_units, size, rng)
        low, high = np.log(np.array(SIGMA[kind]) * size / 32)
        sigmas = np.exp(rng.uniform(low, high, n_units))
        for k, (place, sigma) in enumerate(zip(places, sigmas, strict=True)):
            one, other = blob(place, sigma, size, k), np.zeros((size, size))
            if kind != "luminance":
                one, other = gabor_pair(place, sigma, size, rng)
            even.append(one)
            odd.append(other if kind == "complex" else np.zeros((size, size)))
        kinds += [kind] * n_units
        centres.append(places)
    return Population(np.float32(even), np.float32(odd), tuple(kinds), np.concatenate(centres))


def jittered_grid(n: int, size: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """`n` places that cover a square of `size` pixels evenly: ``(n, 2)`` row and column."""
    side = int(np.ceil(np.sqrt(max(n, 1))))
    cells = rng.permutation(side * side)[:n]
    corner = np.stack(np.divmod(cells, side), axis=1)
    return (corner + rng.uniform(0.1, 0.9, (n, 2))) * size / side - 0.5


def blob(place: NDArray[np.float64], sigma: float, size: int, k: int) -> NDArray[np.float64]:
    """A Gaussian of unit norm, negative (OFF) for odd `k`."""
    rows, columns = np.mgrid[:size, :size] - place[:, None, None]
    field: NDArray[Any] = np.exp(-(rows**2 + columns**2) / (2 * sigma**2))
    return field / np.linalg.norm(field) * (-1) ** k


def gabor_pair(
    place: NDArray[np.float64], sigma: float, size: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Two Gabors in quadrature, of unit norm, at a random orientation and phase; about one cycle per 4 sigma."""
    rows, columns = np.mgrid[:size, :size] - place[:, None, None]
    angle, phase = rng.uniform(0, np.pi), rng.uniform(0, 2 * np.pi)
    across = columns * np.cos(angle) + rows * np.sin(angle)
    envelope = np.exp(-(rows**2 + columns**2) / (2 * sigma**2))
    carrier = 2 * np.pi * across / (sigma * rng.uniform(3.0, 5.0)) + phase
    pair = [envelope * wave for wave in (np.cos(carrier), np.sin(carrier))]
    return tuple(field / np.linalg.norm(field) for field in pair)  # type: ignore[return-value]
