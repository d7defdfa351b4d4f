"""What a stage is: settings → state → transform, one block of samples at a time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from streamkit.errors import ConfigError
from streamkit.types import Mask, Stamps, StreamSpec

Samples = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Block:
    """What passes from stage to stage; a stage never writes into the one it was given.

    Attributes
    ----------
    data
        ``(n_times, n_chans)`` float64, finite.
    stamps
        ``(n_times,)`` corrected stamps, seconds.
    valid
        ``(n_times,)`` False where a value had to be made up.
    gap
        ``(n_times,)`` True where samples are missing just before this one.
    """

    data: Samples
    stamps: Stamps
    valid: Mask
    gap: Mask

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, part: slice) -> Block:
        return Block(self.data[part], self.stamps[part], self.valid[part], self.gap[part])


class Stage(ABC):
    """One causal operation whose output does not depend on how its input was cut into blocks.

    Attributes
    ----------
    out
        The stream that comes out.
    delay
        Group delay in seconds that the stage adds; informational.
    """

    def __init__(self, out: StreamSpec, delay: float = 0.0) -> None:
        self.out = out
        self.delay = delay

    @abstractmethod
    def process(self, block: Block) -> Block:
        """Transform the next block of at least one sample."""

    def reset(self) -> None:  # noqa: B027 - most stages have no state to forget
        """Forget the past: the next sample is the first."""


class SampleStage(Stage):
    """A stage that gives one sample for each sample: stamps, validity and gaps pass through."""

    def process(self, block: Block) -> Block:
        """Transform the data and leave the rest."""
        return Block(self.transform(block.data), block.stamps, block.valid, block.gap)

    @abstractmethod
    def transform(self, data: Samples) -> Samples:
        """Next ``(n_times, n_chans)`` to ``(n_times, n_out)``, in a new array."""


class StageSettings(BaseModel, ABC):
    """Settings of one stage, as a recipe or a bundle's contract states them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @abstractmethod
    def build(self, spec: StreamSpec) -> Stage:
        """Build the state of the stage for one stream.

        Raises
        ------
        ConfigError
            When the settings do not fit the stream.
        """


def require_rate(spec: StreamSpec) -> float:
    """Rate of a regular stream in Hz.

    Raises
    ------
    ConfigError
        When the stream is irregular.
    """
    if spec.sfreq <= 0:
        raise ConfigError(f"needs a stream of regular rate, but stream {spec.name!r} is irregular (sfreq 0)")
    return spec.sfreq


def require_below_nyquist(edge: float, spec: StreamSpec) -> float:
    """Rate of the stream in Hz, when `edge` lies below its Nyquist frequency.

    Raises
    ------
    ConfigError
        When it does not; names the edge and the Nyquist frequency.
    """
    sfreq = require_rate(spec)
    if edge >= sfreq / 2:
        raise ConfigError(
            f"the edge {edge:g} Hz is not below the Nyquist frequency {sfreq / 2:g} Hz "
            f"of a stream of {sfreq:g} Hz; choose a lower edge or put the stage before a resample"
        )
    return sfreq
