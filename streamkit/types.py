"""The one page on axes, units and clock.

Streaming arrays are ``(n_times, n_chans)``; model input is ``(batch, n_chans, n_times)``; images are
``(batch, channels, height, width)`` float32 in [0, 1]. Time is in seconds, rates in Hz, potentials in
microvolts. Stamps are float64 seconds on the LSL clock (``pylsl.local_clock()``) or, in a recording,
on the clock of the file. A *sample index* counts from the first sample a stream delivered and never
goes back.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

FloatArray = NDArray[np.floating[Any]]
Stamps = NDArray[np.float64]
Mask = NDArray[np.bool_]

ChannelFormat = Literal["float32", "double64", "int8", "int16", "int32", "int64", "string"]


class StreamSpec(BaseModel):
    """What a stream is: its channels, rate and unit.

    Parameters
    ----------
    name, type
        As LSL has them; ``type`` is the modality (``"EEG"``, ``"ECoG"``, ``"Spikes"``, ``"Markers"``, ``"Image"``).
    ch_names
        Channel labels in stream order.
    sfreq
        Nominal rate in Hz; 0 for an irregular stream.
    unit
        Unit of every channel (``"microvolts"``, ``"counts"``, ``"N"`` …); empty when nobody said.
    channel_format
        Sample format on the wire.
    source_id, hostname
        Where it comes from; empty in a file or a contract.
    description
        Further key-value pairs from the stream's description.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = ""
    type: str = ""
    ch_names: tuple[str, ...]
    sfreq: float = Field(ge=0)
    unit: str = ""
    channel_format: ChannelFormat = "float32"
    source_id: str = ""
    hostname: str = ""
    description: dict[str, str] = Field(default_factory=dict)

    @property
    def n_chans(self) -> int:
        """Number of channels."""
        return len(self.ch_names)


@dataclass(frozen=True, slots=True)
class Chunk:
    """A run of consecutive samples of one stream.

    Attributes
    ----------
    data
        ``(n_times, n_chans)``; possibly a view that its ring will overwrite later.
    stamps
        ``(n_times,)`` corrected stamps, seconds, never decreasing.
    first
        Sample index of ``data[0]``.
    valid
        ``(n_times,)`` False where a value was missing or not finite; None means all valid.
    gap
        ``(n_times,)`` True where samples are missing just before this one; None when not yet examined.
    raw_stamps
        ``(n_times,)`` stamps as the source sent them; None when they are not kept at this point.
    arrival
        LSL-clock time at which the newest sample was in this process; NaN offline.
    duplicate
        ``(n_times,)`` True where a sample is one that came before, sent again; None when not yet examined.
    """

    data: FloatArray
    stamps: Stamps
    first: int = 0
    valid: Mask | None = None
    gap: Mask | None = None
    raw_stamps: Stamps | None = None
    arrival: float = float("nan")
    duplicate: Mask | None = None

    def __len__(self) -> int:
        return len(self.data)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened at one instant.

    Attributes
    ----------
    label
        What the marker said, as `label_of` has it.
    stamp
        Corrected stamp, seconds, same clock as the samples.
    stream
        Name of the marker stream it came from.
    raw
        What the wire carried, the bytes of a text or a number; None where it came over none.
    raw_stamp
        Stamp as the source sent it; NaN where it came over no wire.
    """

    label: str
    stamp: float
    stream: str = ""
    raw: bytes | float | None = field(default=None, compare=False)
    raw_stamp: float = field(default=float("nan"), compare=False)


def label_of(value: str | float) -> str:
    """Label of one marker: text as it is, whole numbers with all their digits, others with ``%g``."""
    if isinstance(value, str):
        return value
    # Beyond 2**53 a float stands for several whole numbers.
    whole = isinstance(value, int) or (abs(value) < 2**53 and value == int(value))
    return str(int(value)) if whole else f"{value:g}"


@dataclass(frozen=True, slots=True)
class Window:
    """What one inference sees.

    Attributes
    ----------
    data
        ``(n_times, n_chans)`` processed samples, baseline already removed; a view or a copy.
    stamp
        Corrected stamp of the last sample in the window (the newest the window depends on).
    last
        Index of that sample in the processed stream.
    valid
        False when the window holds an invalid sample or spans a gap.
    event
        The event that cut it; None in hop mode.
    arrival
        LSL-clock time at which its newest sample was in this process; NaN offline.
    timing
        Ledger stamps so far by stage name, see `streamkit.ledger.STAMPS`; empty where nobody keeps time.
    gaps
        How many gaps the processed stream has had up to its newest sample: where that differs, what was carried over
        from another window belongs to another stretch of the stream.
    stamps
        ``(n_times,)`` corrected stamps of its samples, a view or a copy as `data` is; None where nobody kept them.
    """

    data: FloatArray
    stamp: float
    last: int
    valid: bool = True
    event: Event | None = None
    arrival: float = float("nan")
    mask: Mask | None = None
    timing: dict[str, float] = field(default_factory=dict)
    gaps: int = 0
    stamps: Stamps | None = None

    def owned(self) -> Window:
        """The same in memory of its own, which no later sample overwrites."""
        mask = None if self.mask is None else self.mask.copy()
        stamps = None if self.stamps is None else self.stamps.copy()
        return replace(self, data=self.data.copy(), mask=mask, stamps=stamps)


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a model said about one window.

    Attributes
    ----------
    values
        The model's output without the batch axis, float32: class probabilities ``(n_outputs,)``,
        regressed values ``(n_outputs,)`` or an image ``(channels, height, width)``.
    stamp
        Corrected stamp of the newest input sample.
    last
        Index of that sample in the processed stream.
    seq
        Counts predictions of one session from 0.
    event
        The event it answers; None in hop mode.
    valid
        As in `Window`.
    timing
        Ledger stamps of this prediction by stage name, seconds on the LSL clock.
    steps
        How many steps it took; None where the model repeats nothing.
    """

    values: NDArray[np.float32]
    stamp: float
    last: int
    seq: int
    event: Event | None = None
    valid: bool = True
    timing: dict[str, float] = field(default_factory=dict)
    steps: int | None = None


class OutputSpec(BaseModel):
    """What a model's output means.

    Parameters
    ----------
    kind
        ``"probabilities"`` over `labels`; ``"values"`` (continuous, one per entry of `labels`, in `unit`);
        ``"image"`` of `shape`, values in [0, 1].
    labels
        Names of the outputs (class names, or names of the regressed quantities).
    shape
        Shape of one output without the batch axis.
    activation
        Applied to the graph's output by the runner: models give logits.
    classes
        Marker label (fnmatch pattern) → entry of `labels`: what the true class of an event is.
    unit
        Unit of ``"values"``.
    chance
        Score a guess would get, for the running score on screen.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["probabilities", "values", "image"]
    labels: tuple[str, ...] = ()
    shape: tuple[int, ...]
    activation: Literal["none", "softmax", "sigmoid"] = "none"
    classes: dict[str, str] = Field(default_factory=dict)
    unit: str = ""
    chance: float | None = None
