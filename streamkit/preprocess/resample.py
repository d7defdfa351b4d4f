"""resample: another rate in a rational ratio, by a causal polyphase filter.

Source: Crochiere & Rabiner 1983, Multirate Digital Signal Processing, section 3.3. The prototype is the
Kaiser-windowed low-pass that `scipy.signal.resample_poly` uses (beta 5).
"""

from __future__ import annotations

from fractions import Fraction
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveFloat
from scipy.signal import firwin

from streamkit.clock import monotonic
from streamkit.errors import ConfigError
from streamkit.preprocess.stage import Block, Samples, Stage, StageSettings, require_rate
from streamkit.types import Mask, Stamps, StreamSpec

LARGEST_TERM = 1000
"""Largest numerator and denominator of the ratio of rates."""

_PRODUCTS_AT_ONCE = 1 << 20


class ResampleSettings(StageSettings):
    """Change the rate to `sfreq` Hz.

    Parameters
    ----------
    sfreq
        The new rate; its ratio to the old one must be a fraction with terms up to `LARGEST_TERM`.
    zeros
        Zero crossings of the anti-alias filter on each side of its centre: more is steeper and later.
    """

    kind: Literal["resample"] = "resample"
    sfreq: PositiveFloat
    zeros: int = Field(default=10, ge=1, le=100)

    def build(self, spec: StreamSpec) -> Resample:
        """Design the filter for the rate of `spec`."""
        return Resample(spec, self)


class Resample(Stage):
    """``(n_times, n_chans)`` → about ``(n_times * up / down, n_chans)``, same unit.

    The first output sample belongs to the first input sample, and history before it is that sample repeated.
    An output sample that falls between two input samples appears with the second, and its stamp is interpolated
    between theirs; across a gap it takes the second's. It is invalid, or marked as following a gap, when any
    input sample since the previous output sample is. The delay is relative to that stamp.
    """

    def __init__(self, spec: StreamSpec, settings: ResampleSettings) -> None:
        ratio = rate_ratio(require_rate(spec), settings.sfreq)
        self._up, self._down = ratio.numerator, ratio.denominator
        self._taps, lag = polyphase_taps(self._up, self._down, settings.zeros)
        self._n_taps = self._taps.shape[1]
        super().__init__(spec.model_copy(update={"sfreq": settings.sfreq}), lag / (self._up * spec.sfreq))
        self.reset()

    def reset(self) -> None:
        """Start again from the next sample."""
        self._past: Samples | None = None
        self._next = 0  # place of the next output sample, in 1/up input samples after the next input sample
        self._stamp = np.nan  # of the previous input sample
        self._out_stamp = -np.inf
        self._invalid = self._gap = False  # since the previous output sample

    def process(self, block: Block) -> Block:
        """Resample."""
        if self._past is None:
            self._past = np.repeat(block.data[:1], self._n_taps - 1, axis=0)
        samples = np.concatenate((self._past, block.data))
        places = np.arange(self._next, (len(block) - 1) * self._up + 1, self._down)
        newest = -(-places // self._up)
        before = newest * self._up - places
        out = Block(
            self._filter(samples, newest, before),
            self._interpolate(block, newest, before / self._up),
            ~self._any_since(self._invalid, ~block.valid, newest, newest),
            self._any_since(self._gap, block.gap, newest, newest + 1),
        )
        self._advance(block, samples, newest)
        self._out_stamp = out.stamps[-1] if len(out) else self._out_stamp
        return out

    def _filter(self, samples: Samples, newest: NDArray[np.intp], phase: NDArray[np.intp]) -> Samples:
        out = np.empty((len(newest), samples.shape[1]))
        at_once = max(1, _PRODUCTS_AT_ONCE // (self._n_taps * samples.shape[1]))
        window = np.arange(self._n_taps)
        for first in range(0, len(newest), at_once):
            part = slice(first, first + at_once)
            products = samples[newest[part, np.newaxis] + window]
            products *= self._taps[phase[part], :, np.newaxis]
            # Summed by NumPy tap after tap: a matrix product would round differently for different lengths.
            np.add.reduce(products, axis=1, out=out[part])
        return out

    def _interpolate(self, block: Block, newest: NDArray[np.intp], fraction: NDArray[np.float64]) -> Stamps:
        step = np.diff(block.stamps, prepend=self._stamp)
        step[block.gap | np.isnan(step)] = 0
        return monotonic(block.stamps[newest] - fraction * step[newest], self._out_stamp)

    @staticmethod
    def _any_since(pending: bool, flags: Mask, newest: NDArray[np.intp], latest: NDArray[np.intp]) -> Mask:
        """Whether a flag is set after the previous output's newest input (or at `latest`) up to this one's."""
        total = np.concatenate(([0, pending], flags)).cumsum()
        since = np.concatenate(([-1], newest + 1))[: len(newest)]
        flagged: Mask = total[newest + 2] > total[np.minimum(since, latest) + 1]
        return flagged

    def _advance(self, block: Block, samples: Samples, newest: NDArray[np.intp]) -> None:
        n_times = len(block)
        self._past = samples[len(samples) - (self._n_taps - 1) :].copy()
        self._next += self._down * len(newest) - n_times * self._up
        self._stamp = block.stamps[-1]
        unused = slice(newest[-1] + 1 if len(newest) else 0, None)
        self._invalid = bool((~block.valid[unused]).any()) or (self._invalid and not len(newest))
        self._gap = bool(block.gap[unused].any()) or (self._gap and not len(newest))


def rate_ratio(old: float, new: float) -> Fraction:
    """``new / old`` as a fraction.

    Raises
    ------
    ConfigError
        When no fraction with terms up to `LARGEST_TERM` gives the new rate to one part in a million.
    """
    ratio = Fraction(new / old).limit_denominator(LARGEST_TERM)
    if not 0 < ratio.numerator <= LARGEST_TERM or abs(old * ratio - new) > 1e-6 * new:
        raise ConfigError(
            f"cannot resample {old:g} Hz to {new:g} Hz: expected a ratio of whole numbers up to {LARGEST_TERM}; "
            f"choose for example {old / 2:g} Hz"
        )
    return ratio


def polyphase_taps(up: int, down: int, zeros: int) -> tuple[Samples, float]:
    """Anti-alias filter by phase, and its delay.

    Parameters
    ----------
    up, down
        Terms of the ratio of rates.
    zeros
        Zero crossings on each side.

    Returns
    -------
    taps
        ``(up, n_taps)``, oldest input first; row *k* is for an output sample k/up input samples before the
        newest input. Each row sums to 1, so that an offset passes without a ripple.
    lag
        In 1/up input samples.
    """
    if up == down:
        return np.ones((1, 1)), 0.0
    slower = max(up, down)
    prototype = firwin(2 * zeros * slower + 1, 1 / slower, window=("kaiser", 5.0))
    n_taps = -(-len(prototype) // up)
    padded = np.zeros(n_taps * up)
    padded[: len(prototype)] = prototype
    by_phase = padded.reshape(n_taps, up).T[::-1, ::-1]
    taps = np.ascontiguousarray(by_phase / by_phase.sum(axis=1, keepdims=True))
    return taps, float(zeros * slower - (up - 1))
