"""threshold and bin: crossings of a threshold in each channel, and how many there are in each bin."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import Field, FiniteFloat, NonNegativeFloat, PositiveFloat, field_validator

from streamkit.errors import ConfigError
from streamkit.preprocess.robust_rms import RobustRms
from streamkit.preprocess.stage import Block, Samples, Stage, StageSettings, require_rate
from streamkit.types import Mask, StreamSpec

CROSSINGS = "crossings"
COUNTS = "counts"


class ThresholdSettings(StageSettings):
    """Mark where a channel crosses `factor` times its robust RMS, median of abs(x), over 0.6745.

    Parameters
    ----------
    factor
        Below 0 for crossings downwards, above 0 for crossings upwards.
    rms
        One value per channel, or a single one for all; None until `fit_preprocess` fills it in.
        A channel of RMS 0 is silent and never crosses.
    learn
        Seconds from the start of the stream (and from every restart after a gap) over which the RMS is measured
        instead; until then there are no crossings and samples are invalid.
    refractory
        Seconds after a crossing in which no other of the same channel counts.
    """

    kind: Literal["threshold"] = "threshold"
    factor: FiniteFloat = -4.5
    rms: tuple[Annotated[FiniteFloat, Field(ge=0)], ...] | None = None
    learn: PositiveFloat | None = None
    refractory: NonNegativeFloat = 0.0

    @field_validator("factor")
    @classmethod
    def _has_a_side(cls, factor: float) -> float:
        if factor == 0:
            raise ValueError("a threshold of 0 times the noise is crossed by noise alone; give for example -4.5")
        return factor

    @property
    def fitted(self) -> bool:
        """Whether the stage can be built: its RMS is there, or will be learnt live."""
        return self.rms is not None or self.learn is not None

    def build(self, spec: StreamSpec) -> Threshold:
        """Set the thresholds of the channels of `spec`."""
        return Threshold(spec, self)


class Threshold(Stage):
    """``(n_times, n_chans)`` → 1 where a channel crosses its threshold, else 0; unit ``"crossings"``, no delay.

    A sample crosses when it is beyond the threshold and the one before it was not; the first sample never does.
    """

    def __init__(self, spec: StreamSpec, settings: ThresholdSettings) -> None:
        sfreq = require_rate(spec)
        if settings.rms is not None and settings.learn is not None:
            raise ConfigError("has both rms and learn; give the one or learn the other")
        if settings.rms is None and settings.learn is None:
            raise ConfigError("has no rms yet; calibrate with it, give rms, or learn it from the first seconds")
        if settings.rms is not None and len(settings.rms) not in (1, spec.n_chans):
            raise ConfigError(
                f"rms has {len(settings.rms)} values, expected 1 or one for each of {spec.n_chans} channels"
            )
        self._factor = settings.factor
        self._fixed = None if settings.rms is None else self._limits(np.array(settings.rms))
        self._n_learn = 0 if settings.learn is None else max(1, round(settings.learn * sfreq))
        self._n_refractory = round(settings.refractory * sfreq)
        super().__init__(spec.model_copy(update={"unit": CROSSINGS}))
        self.reset()

    def reset(self) -> None:
        """Start again from the next sample."""
        self._threshold = self._fixed
        self._learning = None if self._n_learn == 0 else RobustRms(self.out.n_chans)
        self._beyond: Mask = np.ones(self.out.n_chans, bool)
        self._since = np.full(self.out.n_chans, self._n_refractory)  # samples since the last crossing

    def process(self, block: Block) -> Block:
        """Mark the crossings; while learning, mark every sample invalid."""
        n_learn = 0 if self._learning is None else self._learn(block, self._learning)
        crossings = np.zeros(block.data.shape)
        valid = block.valid
        if n_learn:
            valid = valid.copy()
            valid[:n_learn] = False
        if self._threshold is not None and n_learn < len(block):
            crossings[n_learn:] = self._crossings(block.data[n_learn:], self._threshold)
        return Block(crossings, block.stamps, valid, block.gap)

    def _learn(self, block: Block, rms: RobustRms) -> int:
        """Number of samples at the beginning of the block that still went into the RMS."""
        places = np.flatnonzero(block.valid)[: self._n_learn - rms.n]
        rms.add(block.data[places])
        if rms.n < self._n_learn:
            return len(block)
        self._threshold = self._limits(rms.value)
        self._learning = None
        return int(places[-1]) + 1

    def _limits(self, rms: Samples) -> Samples:
        return self._factor * np.where(rms > 0, rms, np.inf)

    def _crossings(self, data: Samples, threshold: Samples) -> Mask:
        beyond = data < threshold if self._factor < 0 else data > threshold
        crossings = beyond.copy()
        crossings[1:] &= ~beyond[:-1]
        crossings[0] &= ~self._beyond
        self._beyond = beyond[-1]
        if self._n_refractory:
            self._rest(crossings)
        return crossings

    def _rest(self, crossings: Mask) -> None:
        """Take out the crossings of channels that rest."""
        done = 0
        for row in np.flatnonzero(crossings.any(axis=1)).tolist():
            self._since += row - done
            done = row
            crossings[row] &= self._since >= self._n_refractory
            self._since[crossings[row]] = 0
        self._since += len(crossings) - done


class BinSettings(StageSettings):
    """Sum the samples in each bin of `width` seconds, a whole number of samples."""

    kind: Literal["bin"] = "bin"
    width: PositiveFloat

    def build(self, spec: StreamSpec) -> Bin:
        """Find how many samples of `spec` make a bin."""
        return Bin(spec, self)


class Bin(Stage):
    """``(n_times, n_chans)`` → ``(n_bins, n_chans)`` at ``1 / width`` Hz; unit ``"counts"`` for crossings.

    A bin appears with its last sample and has its stamp. Bins follow each other from the first sample of the stream
    (or after a restart) without overlap. A bin is invalid when any of its samples is, or when samples are missing
    inside it, and is marked as following a gap when any of its samples is. The delay is half a bin.
    """

    def __init__(self, spec: StreamSpec, settings: BinSettings) -> None:
        self._n_bin = samples_in(settings.width, require_rate(spec))
        unit = COUNTS if spec.unit == CROSSINGS else spec.unit
        out = spec.model_copy(update={"sfreq": spec.sfreq / self._n_bin, "unit": unit})
        super().__init__(out, (self._n_bin - 1) / 2 / spec.sfreq)
        self.reset()

    def reset(self) -> None:
        """Start again from the next sample; what is in the bin is forgotten."""
        self._open()

    def process(self, block: Block) -> Block:
        """Close the bins whose last sample is in the block."""
        last = np.arange(self._n_bin - self._filled - 1, len(block), self._n_bin)
        out = Block(np.empty((len(last), self.out.n_chans)), block.stamps[last], *np.zeros((2, len(last)), bool))
        first = 0
        for row, stop in enumerate((last + 1).tolist()):
            self._fill(block[first:stop])
            out.data[row], out.valid[row], out.gap[row] = self._sum, self._valid, self._gap
            self._open()
            first = stop
        if first < len(block):
            self._fill(block[first:])
        return out

    def _open(self) -> None:
        self._filled = 0
        self._sum = np.zeros(self.out.n_chans)
        self._valid, self._gap = True, False

    def _fill(self, part: Block) -> None:
        # Sample after sample: another order would round differently for other chunks.
        for sample in part.data:
            np.add(self._sum, sample, out=self._sum)
        inside = part.gap if self._filled else part.gap[1:]
        self._valid = self._valid and bool(part.valid.all()) and not inside.any()
        self._gap = self._gap or bool(part.gap.any())
        self._filled += len(part)


def samples_in(width: float, sfreq: float) -> int:
    """Samples in a bin of `width` seconds.

    Raises
    ------
    ConfigError
        When it is no whole number; names the nearest widths that are.
    """
    exact = width * sfreq
    n_bin = round(exact)
    if n_bin < 1 or abs(exact - n_bin) > 1e-6 * exact:
        below, above = max(1, int(exact)), max(1, int(exact)) + 1
        raise ConfigError(
            f"a bin of {width:g} s is {exact:g} samples at {sfreq:g} Hz, expected a whole number: "
            f"give width = {below / sfreq:.9g} or {above / sfreq:.9g}"
        )
    return n_bin
