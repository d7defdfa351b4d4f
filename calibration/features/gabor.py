"""A weight-free embedding of images: energies of oriented filters, colours and contrasts on grids.

It stands in for a trained image encoder where there are no weights, and is no substitute for one: it knows edges,
textures, colours and where they are, and nothing of what is shown. Nothing in it was learned or fitted to images.

The filters are log-Gabors (Field 1987, J Opt Soc Am A 4:2379): one-sided in frequency, so that the squared magnitude of
the response is the energy of a pair in quadrature (Adelson & Bergen 1985, J Opt Soc Am A 2:284); of the same width in
octaves at every scale, so that images with the usual 1/f spectrum have about the same energy at each.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.signal.windows import tukey

from calibration.features.images import centre, coloured
from calibration.features.resample import Images, resize
from streamkit.errors import ConfigError

LUMINANCE = (0.299, 0.587, 0.114)
"""ITU-R 601."""

BANDWIDTH = 0.65
"""Spread of a filter's frequencies relative to its centre, on a logarithmic axis (about 1.4 octaves)."""

OVERLAP = 1.5
"""Distance of neighbouring orientations in standard deviations of a filter's angle."""

TAPER = 1 / 8
"""Share of a side over which the image fades to its mean, for a Fourier transform sees opposite edges side by side."""

FLOOR = 0.005
GAINS = (4.0, 8.0, 8.0)
"""Of luminance, red-green and blue-yellow, so that all values are about as large as one."""

BATCH = 32


@dataclass(frozen=True)
class GaborLayout:
    """What the values of an embedding are.

    Attributes
    ----------
    frequencies
        Centres of the scales in cycles per image.
    orientations
        Evenly spaced over half a turn, the first for vertical edges.
    energy_grid, colour_grid
        Cells per side over which energies, and colours and contrasts, are averaged.
    side
        Pixels of a side at which the image is looked at; its centre square is taken.
    """

    frequencies: tuple[float, ...] = (3.0, 6.0, 12.0, 24.0, 48.0)
    orientations: int = 8
    energy_grid: int = 4
    colour_grid: int = 8
    side: int = 128

    def __post_init__(self) -> None:
        if self.side % self.energy_grid or self.side % self.colour_grid or max(self.frequencies) > self.side / 2:
            raise ConfigError(
                f"side is {self.side}, expected a multiple of energy_grid ({self.energy_grid}) and of colour_grid "
                f"({self.colour_grid}) that is at least twice the highest frequency ({max(self.frequencies):g})"
            )

    @property
    def blocks(self) -> dict[str, tuple[int, ...]]:
        """Shape of each block, in the order in which they follow each other."""
        cells = (3, self.colour_grid, self.colour_grid)
        energy = (len(self.frequencies), self.orientations, self.energy_grid, self.energy_grid)
        return {"energy": energy, "colour": cells, "contrast": cells}

    @property
    def dim(self) -> int:
        """Number of values."""
        return sum(int(np.prod(shape)) for shape in self.blocks.values())

    def resolution(self, frequency: float) -> int:
        """Pixels per side that are enough for the energy of a scale: fewer for the coarse ones."""
        wanted = self.energy_grid
        while wanted < min(8 * frequency, self.side):
            wanted *= 2
        return min(wanted, self.side)


def gabor_pyramid(images: Images, layout: GaborLayout | None = None) -> NDArray[np.float32]:
    """Embed images without any weights.

    Parameters
    ----------
    images
        ``(n, 3 or 1, H, W)`` float32 in [0, 1].

    Returns
    -------
    ndarray
        ``(n, layout.dim)`` float32, 1,024 values by default: `energy` (scale, orientation, row, column), the logarithm
        of the amplitude, less its mean over the image; `colour` (channel, row, column), means of luminance, red-green
        and blue-yellow about mid-grey; `contrast` (channel, row, column), the logarithm of their standard deviations,
        less the channel's mean. An image without any structure has zeros in the first and the last.
    """
    layout = layout or GaborLayout()
    parts = [_embed(images[at : at + BATCH], layout) for at in range(0, len(images), BATCH)]
    return np.concatenate(parts) if parts else np.empty((0, layout.dim), np.float32)


def _embed(images: Images, layout: GaborLayout) -> NDArray[np.float32]:
    square = centre(images, min(images.shape[2:]))
    channels = opponent(coloured(resize(square, (layout.side, layout.side))))
    energy = _centred(np.log(np.sqrt(energies(channels[:, 0], layout)) + FLOOR), (1, 2, 3, 4))
    mean, spread = _moments(channels, layout.colour_grid)
    colour = mean * np.array(GAINS, np.float32)[:, None, None]
    contrast = _centred(np.log(spread + 2 * FLOOR), (2, 3))
    n = len(images)
    return np.concatenate([part.reshape(n, -1) for part in (energy, colour, contrast)], axis=1).astype(np.float32)


def opponent(images: Images) -> Images:
    """Luminance less one half, red minus green, and blue minus yellow, ``(n, 3, H, W)``."""
    red, green, blue = images[:, 0], images[:, 1], images[:, 2]
    luminance = LUMINANCE[0] * red + LUMINANCE[1] * green + LUMINANCE[2] * blue - 0.5
    return np.stack([luminance, red - green, blue - (red + green) / 2], axis=1)


def energies(luminance: Images, layout: GaborLayout) -> Images:
    """Mean energy of each filter in each cell, ``(n, scales, orientations, energy_grid, energy_grid)``."""
    window = tukey(layout.side, 2 * TAPER).astype(np.float32)
    faded = (luminance - luminance.mean((1, 2), keepdims=True)) * window[:, None] * window
    spectrum = fft.fft2(faded)
    scales = []
    for frequency in layout.frequencies:
        low = _low(layout.side, layout.resolution(frequency))
        kept = spectrum[:, low][:, :, low] * np.float32((len(low) / layout.side) ** 2)
        response = fft.ifft2(kept[:, None] * filters(frequency, layout))
        scales.append(_cells(response.real**2 + response.imag**2, layout.energy_grid).mean((-3, -1)))
    return np.stack(scales, axis=1)


@lru_cache(maxsize=32)
def filters(frequency: float, layout: GaborLayout) -> Images:
    """One scale's filters on the frequencies that its resolution has, ``(orientations, m, m)``."""
    axis = fft.fftfreq(layout.side, 1 / layout.side)[_low(layout.side, layout.resolution(frequency))]
    radius = np.hypot(axis[:, None], axis)
    radius[0, 0] = 1.0
    radial = np.exp(-(np.log(radius / frequency) ** 2) / (2 * np.log(BANDWIDTH) ** 2))
    radial[0, 0] = 0.0
    step = np.pi / layout.orientations
    turned = np.arctan2(axis[:, None], axis) - step * np.arange(layout.orientations)[:, None, None]
    off = np.angle(np.exp(1j * turned))
    return (2 * radial * np.exp(-(off**2) / (2 * (step / OVERLAP) ** 2))).astype(np.float32)


def _low(side: int, kept: int) -> NDArray[np.intp]:
    """Where a spectrum of `side` frequencies has the lowest `kept`."""
    return np.r_[: kept // 2, side - kept // 2 : side]


def _cells(maps: Images, grid: int) -> Images:
    """``(..., H, W)`` as ``(..., grid, H / grid, grid, W / grid)``."""
    side = maps.shape[-1]
    return maps.reshape(*maps.shape[:-2], grid, side // grid, grid, side // grid)


def _moments(channels: Images, grid: int) -> tuple[Images, Images]:
    cells = _cells(channels, grid)
    return cells.mean((-3, -1)), cells.std((-3, -1))


def _centred(values: Images, axes: tuple[int, ...]) -> Images:
    return values - values.mean(axes, keepdims=True)
