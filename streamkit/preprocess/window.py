"""What a window is: how many samples, where relative to its event, and which sample an event belongs to."""

from __future__ import annotations

import math
from fnmatch import fnmatchcase
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, model_validator

from streamkit import clock
from streamkit.errors import ConfigError
from streamkit.types import Stamps, StreamSpec

MAX_OFFSET_S = 3600.0
OffsetS = Annotated[float, Field(ge=-MAX_OFFSET_S, le=MAX_OFFSET_S, allow_inf_nan=False)]
"""Seconds after an event, negative before it."""


class WindowConfig(BaseModel):
    """How windows are cut from processed samples.

    Parameters
    ----------
    mode
        ``"event"``: one window for each event whose label matches; ``"hop"``: one every `hop` samples.
    n_times
        Samples in a window.
    tmin
        Event mode: the first sample is ``round(tmin * sfreq)`` samples after the event's. At most an hour away.
    hop
        Hop mode: processed samples from one window to the next. Window *k* starts at sample ``k * hop``
        of the stream.
    baseline
        Event mode: from and to, seconds after the event; the mean over samples ``round(from * sfreq)`` up to,
        not including, ``round(to * sfreq)`` after the event's is subtracted, channel by channel. It may lie
        outside the window, which then waits for it too.
    events
        Patterns (`fnmatch.fnmatchcase`) of the marker labels that cut a window.
    gaps
        A window with a gap anywhere between the first and the last of its samples, its baseline's and its
        event's is left out (``"skip"``) or given with ``valid=False`` (``"flag"``). ``"hold"`` and ``"zero"`` put
        as many samples as the stamps say are missing into the processed stream, the last one repeated or zeros, all
        invalid, so that index and time stay together; over a gap of more than `n_times` samples, and over one
        without length, where a clock was set back or a source came back at once, they leave out as ``"skip"`` does.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    mode: Literal["event", "hop"]
    n_times: PositiveInt
    tmin: OffsetS = 0.0
    hop: PositiveInt | None = None
    baseline: tuple[OffsetS, OffsetS] | None = None
    events: tuple[str, ...] = Field(default=("*",), min_length=1)
    gaps: Literal["skip", "hold", "zero", "flag"] = "skip"

    @model_validator(mode="after")
    def _fits_mode(self) -> WindowConfig:
        if (self.hop is None) == (self.mode == "hop"):
            raise ValueError("hop (in samples) belongs to mode 'hop' and must be given there")
        if self.mode == "hop" and (self.baseline is not None or self.tmin):
            raise ValueError("tmin and baseline are relative to an event; mode 'hop' has none")
        if self.baseline is not None and self.baseline[0] >= self.baseline[1]:
            raise ValueError(f"baseline runs from its first time to its second, got {list(self.baseline)}")
        return self

    def matches(self, label: str) -> bool:
        """Whether an event of this label cuts a window."""
        return self.mode == "event" and any(fnmatchcase(label, pattern) for pattern in self.events)


def check_window(spec: StreamSpec, config: WindowConfig) -> None:
    """Refuse windows that the processed stream cannot have.

    Raises
    ------
    ConfigError
        When the stream is irregular or the baseline is shorter than one sample.
    """
    check_rate(spec.sfreq, config)


def check_rate(sfreq: float, config: WindowConfig) -> None:
    """Refuse windows that a stream of `sfreq` Hz cannot have; see `check_window`."""
    if sfreq <= 0:
        raise ConfigError("windows are cut from a stream of regular rate, but this one is irregular (sfreq 0)")
    if config.baseline is not None and round(config.baseline[0] * sfreq) >= round(config.baseline[1] * sfreq):
        raise ConfigError(f"the baseline {list(config.baseline)} s holds no sample at {sfreq:g} Hz; make it longer")


def event_sample(stamps: Stamps, stamp: float, sfreq: float, speed: float = 1.0, *, final: bool) -> int | None:
    """Position in `stamps` of the sample an event at `stamp` belongs to, or None, or `clock.NO_SAMPLE`.

    `clock.nearest_sample` within `clock.default_max_gap` of `sfreq`, at the speed of a replay.
    """
    if not math.isfinite(stamp):
        return clock.NO_SAMPLE
    return clock.nearest_sample(stamps, stamp, within=clock.default_max_gap(sfreq) / speed, final=final)
