"""Recording: signal streams, events and stimuli, whatever file they came from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from streamkit.errors import RecordingError
from streamkit.timeline import Timeline
from streamkit.types import Chunk, Event, FloatArray, Stamps, StreamSpec

SAID = ("Decision", "Health")
"""Types of the text streams a live session publishes; recorded with its inputs, they are not events to decode."""


@dataclass(frozen=True)
class Signal:
    """One numeric stream, whole.

    Attributes
    ----------
    spec
        Channels, rate, unit.
    data
        ``(n_times, n_chans)`` in ``spec.unit``.
    stamps
        ``(n_times,)`` seconds on the recording's clock, as recorded (they may jitter or step back).
    """

    spec: StreamSpec
    data: FloatArray
    stamps: Stamps

    def __post_init__(self) -> None:
        if self.data.shape != (len(self.stamps), self.spec.n_chans):
            raise RecordingError(
                f"stream {self.spec.name!r}: {len(self.stamps)} stamps and {self.spec.n_chans} channel names "
                f"were given for data of shape {self.data.shape}, expected (n_times, n_chans)"
            )

    def blank(self) -> tuple[str, ...]:
        """Names of the channels that hold no finite value at all; none where there is no sample."""
        if not len(self.stamps):
            return ()
        alive = np.isfinite(self.data)
        return tuple(name for k, name in enumerate(self.spec.ch_names) if not alive[:, k].any())

    def whole(self) -> Chunk:
        """All samples as one chunk, with corrected stamps, gaps and duplicates, as an inlet would give them."""
        corrected = Timeline(self.spec.sfreq).correct(self.stamps, self.data)
        return Chunk(
            self.data, corrected.stamps, gap=corrected.gap, raw_stamps=self.stamps, duplicate=corrected.duplicate
        )

    def chunks(self, size: int) -> Iterator[Chunk]:
        """The same in order as chunks of up to `size`."""
        timeline = Timeline(self.spec.sfreq)
        for first in range(0, len(self.stamps), size):
            data, raw = self.data[first : first + size], self.stamps[first : first + size]
            stamps, gap, duplicate, _ = timeline.correct(raw, data)
            yield Chunk(data, stamps, first, gap=gap, raw_stamps=raw, duplicate=duplicate)


@dataclass(frozen=True)
class Markers:
    """One marker stream, whole.

    Attributes
    ----------
    spec
        ``sfreq`` 0, one channel; ``channel_format`` says whether the wire carries strings or numbers.
    labels
        What each marker said.
    stamps
        ``(n_markers,)`` seconds on the recording's clock.
    columns
        Further facts per marker (``"trial"``, ``"photograph"`` …), each as long as `labels`; JSON values.
    """

    spec: StreamSpec
    labels: tuple[str, ...]
    stamps: Stamps
    columns: Mapping[str, list[Any]] = field(default_factory=dict)

    def events(self) -> list[Event]:
        """All markers as events; one of the same label and stamp as another is the same, sent twice."""
        events = (
            Event(label, float(stamp), self.spec.name) for label, stamp in zip(self.labels, self.stamps, strict=True)
        )
        return list(dict.fromkeys(events))


class RecordingMeta(BaseModel):
    """What is known about a recording beyond its samples.

    Parameters
    ----------
    name
        Short name, used for streams and folders.
    simulated
        True when a forward model made it; always shown to the user.
    group
        The unit a split may not cut: a run, a subject, a block of images.
    subject, session, source, licence
        Provenance in words.
    details
        Anything else, as JSON.
    """

    model_config = ConfigDict(extra="forbid")

    name: str = "recording"
    simulated: bool = False
    group: str = ""
    subject: str = ""
    session: str = ""
    source: str = ""
    licence: str = ""
    details: dict[str, Any] = Field(default_factory=dict)


@dataclass(frozen=True)
class Recording:
    """Signal streams + events + stimuli.

    Attributes
    ----------
    signals
        Numeric streams; the first is the one a decoder reads unless a name says otherwise.
    markers
        Marker streams.
    stimuli
        Marker label → image file that was on screen from that marker on.
    stimulus_arrays
        The same for images held in memory, ``(channels, height, width)`` float32 in [0, 1].
    meta
        Provenance, split group, whether simulated.
    """

    signals: tuple[Signal, ...]
    markers: tuple[Markers, ...] = ()
    stimuli: Mapping[str, Path] = field(default_factory=dict)
    stimulus_arrays: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    meta: RecordingMeta = field(default_factory=RecordingMeta)

    def signal(self, name: str | None = None) -> Signal:
        """Return the signal stream called `name`, or the first.

        Raises
        ------
        RecordingError
            When there is none of that name; lists what there is.
        """
        for signal in self.signals:
            if name is None or signal.spec.name == name:
                return signal
        found = ", ".join(repr(signal.spec.name) for signal in self.signals) or "none"
        wanted = "a signal stream" if name is None else f"a signal stream named {name!r}"
        raise RecordingError(f"{self.meta.name}: expected {wanted}, found {found}")

    def events(self) -> list[Event]:
        """Return the events of all marker streams in order of time; what a session said (`SAID`) is none."""
        streams = (stream for stream in self.markers if stream.spec.type not in SAID)
        return sorted((e for stream in streams for e in stream.events()), key=lambda e: e.stamp)

    @property
    def span(self) -> tuple[float, float]:
        """First and last stamp over all streams, seconds on the recording's clock."""
        streams: tuple[Signal | Markers, ...] = (*self.signals, *self.markers)
        stamps = [stream.stamps for stream in streams if len(stream.stamps)]
        if not stamps:
            raise RecordingError(f"{self.meta.name}: every stream is empty")
        return float(min(s.min() for s in stamps)), float(max(s.max() for s in stamps))
