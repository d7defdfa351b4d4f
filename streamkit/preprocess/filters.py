"""bandpass, highpass, lowpass, notch: causal recursive filters in second-order sections.

Butterworth designs and the second-order notch are SciPy's (`scipy.signal.butter`, `iirnotch`). The state
starts as if the first sample had been there forever (`sosfilt_zi`), so an electrode offset rings nothing.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveFloat
from scipy.signal import butter, group_delay, iirnotch, sosfilt_zi

from streamkit.errors import ConfigError
from streamkit.preprocess.recursive import Cascade, best_kernel
from streamkit.preprocess.stage import Samples, SampleStage, StageSettings, require_below_nyquist
from streamkit.types import StreamSpec

Order = Field(default=4, ge=1, le=20)


class BandpassSettings(StageSettings):
    """Butterworth band-pass from `low` to `high` Hz; `order` at each edge, declared delay at √(low·high)."""

    kind: Literal["bandpass"] = "bandpass"
    low: PositiveFloat
    high: PositiveFloat
    order: int = Order

    def build(self, spec: StreamSpec) -> Filter:
        """Design the filter for the rate of `spec`."""
        sos = bandpass_sections(self.low, self.high, self.order, spec)
        return Filter(spec, sos, centre=math.sqrt(self.low * self.high))


class HighpassSettings(StageSettings):
    """Butterworth high-pass at `freq` Hz (-3 dB); declared delay midway from `freq` to the Nyquist frequency."""

    kind: Literal["highpass"] = "highpass"
    freq: PositiveFloat
    order: int = Order

    def build(self, spec: StreamSpec) -> Filter:
        """Design the filter for the rate of `spec`."""
        sfreq = require_below_nyquist(self.freq, spec)
        sos = butter(self.order, self.freq, "highpass", fs=sfreq, output="sos")
        return Filter(spec, sos, centre=(self.freq + sfreq / 2) / 2)


class LowpassSettings(StageSettings):
    """Butterworth low-pass at `freq` Hz (-3 dB); declared delay at freq/2."""

    kind: Literal["lowpass"] = "lowpass"
    freq: PositiveFloat
    order: int = Order

    def build(self, spec: StreamSpec) -> Filter:
        """Design the filter for the rate of `spec`."""
        sfreq = require_below_nyquist(self.freq, spec)
        return Filter(spec, butter(self.order, self.freq, "lowpass", fs=sfreq, output="sos"), centre=self.freq / 2)


class NotchSettings(StageSettings):
    """Second-order notch at `freq` Hz, freq/q Hz wide; declared delay 0 (it holds away from the notch)."""

    kind: Literal["notch"] = "notch"
    freq: PositiveFloat
    q: PositiveFloat = 30.0

    def build(self, spec: StreamSpec) -> Filter:
        """Design the filter for the rate of `spec`."""
        sfreq = require_below_nyquist(self.freq, spec)
        b, a = iirnotch(self.freq, self.q, fs=sfreq)
        return Filter(spec, np.array([[*b, *a]]), centre=None)


class Filter(SampleStage):
    """``(n_times, n_chans)`` → the same shape and unit, each channel filtered in float64.

    Parameters
    ----------
    sos
        ``(n_sections, 6)``.
    centre
        Frequency in Hz at which the group delay is declared; None declares 0.
    """

    def __init__(self, spec: StreamSpec, sos: NDArray[np.float64], centre: float | None) -> None:
        self._sos = sos
        self._steady = sosfilt_zi(sos)[:, :, np.newaxis]
        self._kernel = best_kernel()
        self._cascade: Cascade | None = None
        super().__init__(spec, 0.0 if centre is None else sections_delay(sos, centre, spec.sfreq))

    def transform(self, data: Samples) -> Samples:
        """Filter."""
        if self._cascade is None:
            self._cascade = Cascade(self._sos, self._steady * data[0], self._kernel)
        return self._cascade(data)

    def reset(self) -> None:
        """Start again from the next sample."""
        self._cascade = None


def bandpass_sections(low: float, high: float, order: int, spec: StreamSpec) -> NDArray[np.float64]:
    """Design a Butterworth band-pass, ``(n_sections, 6)``.

    Raises
    ------
    ConfigError
        When the edges are not in order or not below the Nyquist frequency.
    """
    if low >= high:
        raise ConfigError(f"expected low < high, got {low:g} Hz and {high:g} Hz")
    sos: NDArray[np.float64] = butter(
        order, (low, high), "bandpass", fs=require_below_nyquist(high, spec), output="sos"
    )
    return sos


def sections_delay(sos: NDArray[np.float64], freq: float, sfreq: float) -> float:
    """Group delay in seconds at `freq` Hz of a cascade of second-order sections."""
    delays: list[Any] = [group_delay((section[:3], section[3:]), w=[freq], fs=sfreq)[1][0] for section in sos]
    return float(sum(delays)) / sfreq
