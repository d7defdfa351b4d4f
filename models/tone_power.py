"""Power at given frequencies and their harmonics, then a linear readout: for steady-state responses.

The signal-to-noise form divides the power at a frequency by the mean power at neighbouring frequencies
(Norcia et al. 2015, "The steady-state visual evoked potential in vision research: a review").
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from models.linear import FeatureReadout, Readout

EPS = 1e-12


def tones(frequencies: Sequence[float], harmonics: int) -> np.ndarray:
    """Every frequency and its harmonics, ``(n_frequencies * harmonics,)`` Hz, harmonics innermost."""
    return np.outer(frequencies, np.arange(1, harmonics + 1)).ravel()


def sines(hz: np.ndarray, n_times: int, sfreq: float) -> np.ndarray:
    """Hann-windowed cosines and sines ``(n_times, 2 * n_tones)``; a sine of amplitude a has power a squared."""
    window = np.hanning(n_times + 2)[1:-1]
    phase = 2 * np.pi * np.outer(np.arange(n_times) / sfreq, hz)
    waves = np.concatenate([np.cos(phase), np.sin(phase)], axis=1) * window[:, None]
    return (waves * 2 / window.sum()).astype(np.float32)


class TonePower(FeatureReadout):
    """Log power of fixed tones per channel, then a linear readout.

    Parameters
    ----------
    n_chans, n_times, out_shape, sfreq
        Window and output; rate in Hz.
    frequencies
        Fundamentals in Hz.
    harmonics
        Tones per fundamental, itself included.
    features
        ``"log_power"``, or ``"snr"``: log power less the log of the mean power of the neighbours.
    neighbours
        For ``"snr"``: distances of the neighbours on either side, in steps of ``sfreq / n_times``.
    """

    def __init__(
        self,
        n_chans: int,
        n_times: int,
        out_shape: Sequence[int],
        sfreq: float,
        frequencies: Sequence[float],
        harmonics: int = 2,
        features: Literal["log_power", "snr"] = "log_power",
        neighbours: Sequence[float] = (2.0, 3.0),
    ):
        super().__init__()
        hz = tones(frequencies, harmonics)
        if features not in ("log_power", "snr"):
            raise ValueError(f"features={features!r} was given, expected 'log_power' or 'snr'")
        self.n_tones, self.n_features = len(hz), n_chans * len(hz)
        steps = sorted((-d for d in neighbours), reverse=False) + sorted(neighbours) if features == "snr" else []
        around = (hz[None] + np.asarray(steps)[:, None] * sfreq / n_times).ravel() if steps else np.empty(0)
        every = np.concatenate([hz, around])
        if every.size == 0 or every.min() <= 0 or every.max() >= sfreq / 2:
            raise ValueError(
                f"tones from {every.min(initial=np.inf):g} to {every.max(initial=0):g} Hz (harmonics and neighbours "
                f"included) were asked for, expected all between 0 and {sfreq / 2:g} Hz, half the rate"
            )
        self.n_neighbours = len(steps)
        self.register_buffer("sines", torch.from_numpy(sines(every, n_times, sfreq)), persistent=False)
        self.readout = Readout(self.n_features, out_shape)

    def features(self, x: Tensor) -> Tensor:
        """``(B, n_chans, n_times)`` to ``(B, n_chans * n_tones)``."""
        parts = (x - x.mean(-1, keepdim=True)) @ self.sines
        cos, sin = parts.chunk(2, dim=-1)
        power = cos.square() + sin.square()
        tone = torch.log(power[..., : self.n_tones] + EPS)
        if self.n_neighbours:
            around = power[..., self.n_tones :].unflatten(-1, (self.n_neighbours, self.n_tones)).mean(-2)
            tone = tone - torch.log(around + EPS)
        return tone.flatten(1)


def build(
    n_chans: int,
    n_times: int,
    out_shape: Sequence[int],
    sfreq: float,
    frequencies: Sequence[float],
    harmonics: int = 2,
    features: Literal["log_power", "snr"] = "log_power",
    neighbours: Sequence[float] = (2.0, 3.0),
) -> TonePower:
    """Power of given tones, linearly read out; see `TonePower`."""
    return TonePower(n_chans, n_times, out_shape, sfreq, frequencies, harmonics, features, neighbours)
