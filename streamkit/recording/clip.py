"""A part of a recording by time."""

from __future__ import annotations

from dataclasses import replace

from streamkit.clock import monotonic
from streamkit.errors import ConfigError
from streamkit.recording.model import Markers, Recording, Signal
from streamkit.types import Stamps


def clip(recording: Recording, start: float | None = None, stop: float | None = None) -> Recording:
    """The part of a recording from `start` up to, not including, `stop`; stamps stay as they are.

    Parameters
    ----------
    start, stop
        Seconds since the first stamp of the recording; None is its beginning and end.

    Raises
    ------
    ConfigError
        When nothing lies between them.
    RecordingError
        When the whole recording is empty.
    """
    first, last = recording.span
    begin = first + (start or 0.0)
    end = float("inf") if stop is None else first + stop
    signals = tuple(clip_signal(signal, begin, end) for signal in recording.signals)
    markers = tuple(clip_markers(stream, begin, end) for stream in recording.markers)
    if not any(len(s.stamps) for s in signals) and not any(len(m.stamps) for m in markers):
        until = "the end" if stop is None else f"{stop:g} s"
        raise ConfigError(
            f"{recording.meta.name}: nothing lies between {start or 0:g} s and {until}; "
            f"the recording lasts {last - first:.1f} s. Choose another part."
        )
    return replace(recording, signals=signals, markers=markers)


def between(stamps: Stamps, begin: float, end: float) -> slice:
    """The items with corrected `stamps` in [begin, end)."""
    first, last = stamps.searchsorted([begin, end])
    return slice(int(first), int(last))


def clip_signal(signal: Signal, begin: float, end: float) -> Signal:
    """The samples in [begin, end)."""
    part = between(signal.whole().stamps, begin, end)
    return replace(signal, data=signal.data[part], stamps=signal.stamps[part])


def clip_markers(markers: Markers, begin: float, end: float) -> Markers:
    """The markers in [begin, end)."""
    part = between(monotonic(markers.stamps), begin, end)
    return replace(
        markers,
        labels=markers.labels[part],
        stamps=markers.stamps[part],
        columns={name: column[part] for name, column in markers.columns.items()},
    )
