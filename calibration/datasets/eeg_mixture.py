"""An EEG-like mixture of the population: what 63 scalp channels would see of it, plus background and alpha.

Units are pooled by place in the visual field into a few sources. Each source answers a presentation with its own
temporal kernel (a negative and a later positive wave, 80 to 250 ms) and reaches the channels through its own smooth
map over the back of the head. Background is 1/f noise, smooth over neighbouring channels; alpha is 10 Hz noise,
strongest at the back. Channel order as in NICE (Song et al. 2024, ICLR), the order of THINGS-EEG2.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calibration.datasets.fields import Population
from calibration.datasets.responses import Presentations
from calibration.datasets.world_config import Eeg

FloatArray = NDArray[np.float64]
Spectrum = Callable[[NDArray[np.float64]], NDArray[np.float64]]
_ORDER = """
    Fp1 Fp2 AF7 AF3 AFz AF4 AF8 F7 F5 F3 F1 F2 F4 F6 F8 FT9 FT7 FC5 FC3 FC1 FCz FC2 FC4 FC6 FT8 FT10
    T7 C5 C3 C1 Cz C2 C4 C6 T8 TP9 TP7 CP5 CP3 CP1 CPz CP2 CP4 CP6 TP8 TP10
    P7 P5 P3 P1 Pz P2 P4 P6 P8 PO7 PO3 POz PO4 PO8 O1 Oz O2
"""
CH_NAMES = tuple(_ORDER.split())
ROWS = {"Fp": 0.95, "AF": 0.75, "F": 0.5, "FT": 0.25, "FC": 0.25, "T": 0.0, "C": 0.0}
ROWS |= {"TP": -0.25, "CP": -0.25, "P": -0.5, "PO": -0.75, "O": -0.95}
KERNEL_S = 0.45
ALPHA_HZ = 10.0


@dataclass(frozen=True)
class Mixing:
    """Ground truth of the mixture.

    Attributes
    ----------
    pooling
        ``(n_sources, n_units)``.
    kernels
        ``(n_sources, n_kernel_times)``.
    maps
        ``(n_chans, n_sources)``, microvolts per unit of pooled response.
    """

    pooling: FloatArray
    kernels: FloatArray
    maps: FloatArray

    def evoked(self, response: FloatArray) -> FloatArray:
        """Noise-free answer to one presentation each: ``(n, n_kernel_times, n_chans)`` microvolts."""
        waves = (response @ self.pooling.T)[:, None, :] * self.kernels.T
        return waves @ self.maps.T


def positions() -> FloatArray:
    """``(63, 2)`` rough places of the channels on a flat head: right and front are positive, the radius about 1."""
    places = []
    for name in CH_NAMES:
        row = name.rstrip("z0123456789")
        digits = name[len(row) :]
        step = 0 if digits == "z" else (int(digits) + 1) // 2 * (-1 if int(digits) % 2 else 1)
        y = ROWS[row]
        places.append((0.22 * step * np.sqrt(max(1 - y**2, 0.15)), y))
    return np.array(places)


def draw_mixing(eeg: Eeg, population: Population, size: int, rng: np.random.Generator) -> Mixing:
    """Draw pooling, kernels and maps; scaled so that a mean presentation has `eeg.evoked` microvolts RMS."""
    centres = rng.uniform(0, size, (eeg.sources, 2))
    near = np.exp(-((centres[:, None] - population.centre) ** 2).sum(-1) / (2 * (size / 6) ** 2))
    pooling = near * rng.choice((0.0, 1.0), near.shape, p=(0.8, 0.2))
    pooling /= np.maximum(pooling.sum(axis=1, keepdims=True), 1e-9)
    mixing = Mixing(pooling, draw_kernels(eeg, rng), draw_maps(eeg.sources, rng))
    mean = mixing.evoked(np.ones((1, pooling.shape[1])))
    scale = eeg.evoked / max(float(np.sqrt((mean**2).mean())), 1e-9)
    return Mixing(pooling, mixing.kernels, mixing.maps * scale)


def draw_kernels(eeg: Eeg, rng: np.random.Generator) -> FloatArray:
    """``(n_sources, n_times)`` two waves of opposite sign, from onset on."""
    times = np.arange(round(KERNEL_S * eeg.sfreq)) / eeg.sfreq
    first = rng.uniform(0.08, 0.16, (eeg.sources, 1))
    second = first + rng.uniform(0.05, 0.12, (eeg.sources, 1))
    widths = rng.uniform(0.015, 0.04, (2, eeg.sources, 1))
    waves = [np.exp(-((times - at) ** 2) / (2 * width**2)) for at, width in zip((first, second), widths, strict=True)]
    return rng.choice((-1.0, 1.0), (eeg.sources, 1)) * (waves[0] - rng.uniform(0.5, 1, (eeg.sources, 1)) * waves[1])


def draw_maps(n_sources: int, rng: np.random.Generator) -> FloatArray:
    """``(63, n_sources)`` smooth maps: a positive and a negative lobe over the back of the head."""
    lobes = []
    for _ in range(2):
        centre = np.stack([rng.uniform(-0.7, 0.7, n_sources), rng.uniform(-1.0, -0.3, n_sources)], axis=1)
        lobes.append(blobs(centre, 0.3))
    return lobes[0] - 0.7 * lobes[1]


def blobs(centres: FloatArray, width: float) -> FloatArray:
    """``(63, n)`` Gaussian bumps around places on the head."""
    return np.asarray(np.exp(-((positions()[:, None] - centres) ** 2).sum(-1) / (2 * width**2)))


def mix(eeg: Eeg, mixing: Mixing, shown: Presentations, rng: np.random.Generator) -> NDArray[np.float32]:
    """``(n_times, 63)`` microvolts: evoked answers of all presentations, background and alpha."""
    n_times = round(shown.duration * eeg.sfreq)
    signal = background(eeg, n_times, rng)
    waves = mixing.evoked(shown.response * shown.gain[:, None])
    for onset, wave in zip(shown.onsets, waves, strict=True):
        first = round(onset * eeg.sfreq)
        part = signal[first : first + len(wave)]
        part += wave[: len(part)]
    return signal.astype(np.float32)


def background(eeg: Eeg, n_times: int, rng: np.random.Generator) -> FloatArray:
    """``(n_times, 63)`` 1/f noise and alpha, each of its stated root mean square over channels."""
    smooth = spatial_mixing()
    pink = coloured(rng, n_times, smooth.shape[1], eeg.sfreq, lambda f: 1 / np.sqrt(np.maximum(f, 0.5))) @ smooth.T
    at_the_back = blobs(np.array([[-0.4, -0.7], [0.0, -0.8], [0.4, -0.7]]), 0.45)
    rhythm = coloured(rng, n_times, 3, eeg.sfreq, lambda f: np.exp(-((f - ALPHA_HZ) ** 2) / 2)) @ at_the_back.T
    return scaled(pink, eeg.background) + scaled(rhythm, eeg.alpha)


def spatial_mixing() -> FloatArray:
    """``(63, 63)`` mixing that makes neighbouring channels alike, with some noise of each channel's own."""
    return blobs(positions(), 0.3) + 0.3 * np.eye(len(CH_NAMES))


def coloured(rng: np.random.Generator, n_times: int, n: int, sfreq: float, amplitude: Spectrum) -> FloatArray:
    """``(n_times, n)`` Gaussian noise with a given amplitude spectrum, unit variance."""
    spectrum = np.fft.rfft(rng.standard_normal((n_times, n)), axis=0)
    spectrum *= amplitude(np.fft.rfftfreq(n_times, 1 / sfreq))[:, None]
    noise = np.fft.irfft(spectrum, n_times, axis=0)
    return np.asarray(noise / noise.std())


def scaled(noise: FloatArray, rms: float) -> FloatArray:
    """Noise of a given root mean square over times and channels."""
    return noise * (rms / max(float(np.sqrt((noise**2).mean())), 1e-12))
