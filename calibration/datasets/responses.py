"""From drive to rates to spike counts, presentation by presentation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calibration.datasets.world_config import Presentation, Units, WorldConfig

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Presentations:
    """What was shown when, and how strongly each unit answers: the truth behind one Recording.

    Attributes
    ----------
    onsets
        ``(n,)`` seconds.
    response
        ``(n, n_units)`` stimulus-dependent response, mean 1 over the training stimuli.
    gain
        ``(n,)`` gain that all units share in a presentation.
    duration
        Length of the recording, seconds.
    """

    onsets: FloatArray
    response: FloatArray
    gain: FloatArray
    duration: float


def present(config: WorldConfig, drive: FloatArray, mean_drive: FloatArray, rng: np.random.Generator) -> Presentations:
    """Lay the stimuli out in time; `drive` is ``(n, n_units)``, scaled by its mean over the training stimuli.

    The stimulus-dependent part is scaled by ``noise.signal``; a response never falls below 0.
    """
    show, noise = config.presentation, config.noise
    response = np.maximum(1 + noise.signal * (drive / np.maximum(mean_drive, 1e-9) - 1), 0)
    gain = rng.lognormal(-(noise.gain_sd**2) / 2, noise.gain_sd, len(drive))
    onsets = show.lead + (show.on + show.off) * np.arange(len(drive))
    return Presentations(onsets, response, gain, show.lead + (show.on + show.off) * len(drive) + show.lead)


def envelope(units: Units, show: Presentation) -> FloatArray:
    """Time course of a response in bins from onset: latency, transient, then half of it sustained; mean 1 while on."""
    centres = (np.arange(round((units.latency + show.on) / units.bin) + 1) + 0.5) * units.bin - units.latency
    during = (centres > 0) & (centres < show.on)
    course = during * (0.5 + 0.5 * np.exp(-centres.clip(0) / units.transient))
    return np.asarray(course / course[during].mean())


def rates(config: WorldConfig, shown: Presentations) -> FloatArray:
    """``(n_bins, n_units)`` Hz."""
    units = config.units
    course = envelope(units, config.presentation)
    rate = np.full((round(shown.duration / units.bin), units.n), units.base)
    strength = units.evoked * shown.response * shown.gain[:, None]
    for onset, evoked in zip(shown.onsets, strength, strict=True):
        first = round(onset / units.bin)
        part = rate[first : first + len(course)]
        part += course[: len(part), None] * evoked
    return rate


def count_spikes(rate: FloatArray, bin_s: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Poisson counts per bin, ``(n_bins, n_units)``."""
    return rng.poisson(rate * bin_s).astype(np.float32)
