"""Publish a recording on LSL: signals, markers and shown images, each at its own time.

All due times stand on one absolute schedule on the LSL clock, ``file stamp / speed + shift``, so that no error of a
sleep adds up. A chunk of samples goes out when its last sample is due; an image, then a marker, goes out no later
than the first sample with the same or a later stamp.
"""

from __future__ import annotations

import itertools
import math
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pylsl

from streamkit.errors import ConfigError, StreamNotFound
from streamkit.lsl.outlet import ImageOutlet, MarkerOutlet, Outlet, SignalOutlet
from streamkit.recording import Markers, Recording, Signal
from streamkit.recording.clip import clip
from streamkit.recording.entries import FORMATS, WIDENED, marker_numbers
from streamkit.recording.images import LONGEST_SIDE, Image, Pixels, as_float, load_stimuli
from streamkit.recording.schedule import Lane, Schedule, typical_step
from streamkit.recording.xdf_xml import ELEMENT, clean, distinct
from streamkit.types import Stamps

LEAD_S = 0.05
WAIT_S = 0.2


class Replay:
    """Publishes all streams of a recording at their own times.

    Parameters
    ----------
    recording
        What to publish.
    base
        Source ids are ``base/stream name``; ``replay-`` and a random number by default.
    speed
        2 publishes twice as fast; the declared rate stays that of the recording.
    loop
        Begin again at the end, with stamps that go on growing, until `stop`.
    start, stop
        Publish only from and up to these seconds since the beginning of the recording.
    wait_for_consumers
        Wait up to this many seconds until every signal and marker stream is subscribed to; None does not wait.
    chunk
        Longest time, in seconds, that one push of samples spans.
    linger
        Seconds to stay in reach after the last sample, so that everybody gets it.
    go
        Begin only once this is set: for whoever knows better than a count of readers that all are ready.

    Attributes
    ----------
    source_ids
        Stream name → source id.
    shift
        What is added to ``file stamp / speed`` in the first pass; NaN until it begins.
    period
        Seconds on the LSL clock from one pass of a loop to the next.
    opened
        Set once the streams are in reach.

    Raises
    ------
    ConfigError
        For a speed, chunk or cut that cannot be.
    RecordingError
        When there is nothing to publish, or a stimulus cannot be read.
    """

    def __init__(
        self,
        recording: Recording,
        *,
        base: str | None = None,
        speed: float = 1.0,
        loop: bool = False,
        start: float | None = None,
        stop: float | None = None,
        wait_for_consumers: float | None = None,
        chunk: float = 0.01,
        linger: float = 2.0,
        go: threading.Event | None = None,
    ) -> None:
        self.speed = positive("speed", speed)
        self.loop = loop
        self.wait_for_consumers = wait_for_consumers
        self.linger = linger
        self.go = go
        self.shift = math.nan
        self.opened = threading.Event()
        self._stop = threading.Event()
        keys = {"simulated": recording.meta.simulated, "recording": recording.meta.name, "speed": self.speed}
        self._tracks = tracks_of(clip(recording, start, stop), base or f"replay-{uuid.uuid4().hex[:8]}", keys)
        self._schedule = Schedule.of([track.lane for track in self._tracks], positive("chunk", chunk) * self.speed)
        self.source_ids = {track.name: track.source_id for track in self._tracks}
        self.period = self._schedule.length / self.speed

    def run(self) -> None:
        """Publish; returns at the end or after `stop`.

        Raises
        ------
        StreamNotFound
            When not every signal and marker stream was subscribed to in time.
        """
        outlets = [track.open() for track in self._tracks]
        self.opened.set()
        try:
            self._await_consumers(outlets)
            while self.go is not None and not self._stop.is_set() and not self.go.wait(WAIT_S):
                pass
            if self._stop.is_set():
                return
            self.shift = pylsl.local_clock() + LEAD_S - self._schedule.begin / self.speed
            for turn in itertools.count():
                if not self._play(outlets, self.shift + turn * self.period) or not self.loop:
                    break
            self._stop.wait(self.linger)
        finally:
            for outlet in outlets:
                outlet.close()

    def stop(self) -> None:
        """End `run` soon; may be called from any thread."""
        self._stop.set()

    def _play(self, outlets: Sequence[Outlet], shift: float) -> bool:
        """One pass; False when stopped."""
        for due, number, first, last in self._schedule:
            if not self._sleep_until(due / self.speed + shift):
                return False
            track = self._tracks[number]
            track.push(outlets[number], track.items[first:last], track.lane.stamps[first:last] / self.speed + shift)
        return True

    def _sleep_until(self, due: float) -> bool:
        """Sleep until the LSL clock says `due`; False when stopped."""
        while (rest := due - pylsl.local_clock()) > 0:
            if self._stop.wait(rest):
                return False
        return not self._stop.is_set()

    def _await_consumers(self, outlets: Sequence[Outlet]) -> None:
        if self.wait_for_consumers is None:
            return
        deadline = pylsl.local_clock() + self.wait_for_consumers
        for track, outlet in zip(self._tracks, outlets, strict=True):
            while track.awaited and not self._stop.is_set() and not outlet.wait_for_consumers(WAIT_S):
                if pylsl.local_clock() > deadline:
                    raise StreamNotFound(
                        f"nobody subscribed to the replayed stream {track.name!r} (source_id {track.source_id}) "
                        f"within {self.wait_for_consumers:g} s. Start the reader first, or replay without waiting."
                    )


@dataclass(frozen=True)
class Track:
    """One stream on its way out.

    Attributes
    ----------
    name, source_id
        As LSL will have them.
    items, lane
        What goes out, and when.
    awaited
        Whether a reader may be waited for.
    open
        Puts the stream in reach.
    push
        Sends items with their stamps.
    """

    name: str
    source_id: str
    items: Any
    lane: Lane
    open: Callable[[], Outlet]
    push: Callable[[Any, Any, Stamps], None]
    awaited: bool = True


def tracks_of(recording: Recording, base: str, keys: Mapping[str, Any]) -> list[Track]:
    """All streams in the order in which they go out at the same stamp: images, markers, signals."""
    everything: tuple[Markers | Signal, ...] = (*recording.markers, *recording.signals)
    streams = [stream for stream in everything if len(stream.stamps)]
    images = images_of(recording)
    shown = [f"{recording.meta.name}-shown"] if images else []
    names = distinct([*shown, *(stream.spec.name or "stream" for stream in streams)])
    tracks = [
        marker_track(stream, name, base, keys)
        if isinstance(stream, Markers)
        else signal_track(stream, name, base, keys)
        for stream, name in zip(streams, names[len(shown) :], strict=True)
    ]
    return [image_track(recording, images, names[0], base, keys), *tracks] if images else tracks


def signal_track(signal: Signal, name: str, base: str, keys: Mapping[str, Any]) -> Track:
    """A signal stream in the format of its data, as a native folder keeps it; float32 where there is none."""
    dtype = signal.data.dtype.newbyteorder("=").name
    spec = signal.spec.model_copy(
        update={
            "name": name,
            "source_id": f"{base}/{name}",
            "channel_format": FORMATS.get(WIDENED.get(dtype, dtype), "float32"),
            "ch_names": tuple(clean(label) for label in signal.spec.ch_names),
            "description": plain(signal.spec.description),
        }
    )
    return Track(
        name=name,
        source_id=spec.source_id,
        items=signal.data,
        lane=Lane(signal.stamps, chunked=True, tail=1 / spec.sfreq if spec.sfreq else typical_step(signal.stamps)),
        open=partial(SignalOutlet, spec, keys, channels=spec.type != "Image"),
        push=SignalOutlet.push,
    )


def marker_track(markers: Markers, name: str, base: str, keys: Mapping[str, Any]) -> Track:
    """A marker stream, strings or numbers as its description says; labels that do not fit are refused here."""
    spec = markers.spec
    if spec.channel_format != "string":
        marker_numbers(markers)
    facts = plain(spec.description) | dict(keys)
    outlet = partial(MarkerOutlet, name, f"{base}/{name}", spec.channel_format, facts, type=spec.type or "Markers")
    return Track(name, f"{base}/{name}", markers.labels, Lane(markers.stamps), outlet, push_each)


def image_track(
    recording: Recording, images: Mapping[str, Image | Pixels], name: str, base: str, keys: Mapping[str, Any]
) -> Track:
    """The shown images: one at each marker whose label has a stimulus."""
    events = [event for event in recording.events() if event.label in images]
    stamps = np.array([event.stamp for event in events])
    shape = next(iter(images.values())).shape
    outlet = partial(ImageOutlet, name, shape, "shown", f"{base}/{name}", keys)
    shown = [images[event.label] for event in events]
    return Track(name, f"{base}/{name}", shown, Lane(stamps), outlet, push_images, awaited=False)


def images_of(recording: Recording) -> dict[str, Image | Pixels]:
    """The stimuli that markers name, at one shape."""
    if not recording.stimuli and not recording.stimulus_arrays:
        return {}
    labels = {label for stream in recording.markers for label in stream.labels}
    return load_stimuli(recording.stimuli, recording.stimulus_arrays, labels, LONGEST_SIDE)


def push_each(outlet: MarkerOutlet, labels: Sequence[str], stamps: Stamps) -> None:
    """Send markers."""
    for label, stamp in zip(labels, stamps.tolist(), strict=True):
        outlet.push(label, stamp)


def push_images(outlet: ImageOutlet, images: Sequence[Image | Pixels], stamps: Stamps) -> None:
    """Send images; bytes become float32 only now, as they take a quarter of the memory until then."""
    for image, stamp in zip(images, stamps.tolist(), strict=True):
        outlet.push(as_float(image) if image.dtype == np.uint8 else image, stamp)  # type: ignore[arg-type]


def plain(description: Mapping[str, str]) -> dict[str, Any]:
    """The pairs that an LSL description can carry."""
    return {key: clean(value) for key, value in description.items() if ELEMENT.fullmatch(key)}


def positive(name: str, value: float) -> float:
    """`value`, refused unless it is a positive number."""
    if not (math.isfinite(value) and value > 0):
        raise ConfigError(f"{name} is {value}, expected a positive number")
    return float(value)
