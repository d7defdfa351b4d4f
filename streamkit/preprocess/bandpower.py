"""bandpower: how strong each band is at each instant."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from pydantic import Field, NonNegativeFloat, PositiveFloat

from streamkit.errors import ConfigError
from streamkit.preprocess.filters import Filter, Order, bandpass_sections
from streamkit.preprocess.moving_average import MovingAverage
from streamkit.preprocess.stage import Samples, SampleStage, StageSettings, require_rate
from streamkit.types import StreamSpec


class BandpowerSettings(StageSettings):
    """Causal band-pass → square → mean over the last `smooth` seconds → natural logarithm.

    Parameters
    ----------
    bands
        ``[low, high]`` in Hz each.
    order
        Of the Butterworth band-pass at each edge.
    smooth
        Length of the mean in seconds, at least one sample.
    log
        Whether to take ``log(power + eps)``.
    eps
        In squared units of the stream; keeps the logarithm of silence finite.
    """

    kind: Literal["bandpower"] = "bandpower"
    bands: tuple[tuple[PositiveFloat, PositiveFloat], ...] = Field(min_length=1)
    order: int = Order
    smooth: PositiveFloat
    log: bool = True
    eps: NonNegativeFloat = 1e-12

    def build(self, spec: StreamSpec) -> Bandpower:
        """Design the filters for the rate of `spec`."""
        return Bandpower(spec, self)


class Bandpower(SampleStage):
    """``(n_times, n_chans)`` → ``(n_times, n_bands * n_chans)``, band by band, channels ``"C3@8-12"``.

    The unit is the stream's, squared. Delay: that of the slowest band-pass at its centre plus half the mean.
    """

    def __init__(self, spec: StreamSpec, settings: BandpowerSettings) -> None:
        n_mean = round(settings.smooth * require_rate(spec))
        if n_mean < 1:
            raise ConfigError(f"smooth = {settings.smooth:g} s is shorter than one sample at {spec.sfreq:g} Hz")
        self._filters = [
            Filter(spec, bandpass_sections(low, high, settings.order, spec), math.sqrt(low * high))
            for low, high in settings.bands
        ]
        names = tuple(f"{ch}@{low:g}-{high:g}" for low, high in settings.bands for ch in spec.ch_names)
        self._mean = MovingAverage(n_mean, len(names))
        self._eps = settings.eps if settings.log else None
        delay = max(band.delay for band in self._filters) + (n_mean - 1) / 2 / spec.sfreq
        super().__init__(
            spec.model_copy(update={"ch_names": names, "unit": power_unit(spec.unit, settings.log)}), delay
        )

    def transform(self, data: Samples) -> Samples:
        """Filter, square, average, take the logarithm."""
        bands = np.concatenate([band.transform(data) for band in self._filters], axis=1)
        power = self._mean.transform(bands * bands)
        return power if self._eps is None else np.log(power + self._eps)

    def reset(self) -> None:
        """Start again from the next sample."""
        self._mean.reset()
        for band in self._filters:
            band.reset()


def power_unit(unit: str, log: bool) -> str:
    """Unit of a power: ``"microvolts^2"``, ``"log(microvolts^2)"``; empty when nobody said."""
    squared = f"{unit}^2" if unit else ""
    return f"log({squared})" if squared and log else squared
