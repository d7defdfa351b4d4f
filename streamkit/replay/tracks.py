"""Tracks: how each stream of a recording goes out on LSL."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from streamkit.clock import monotonic
from streamkit.lsl.outlet import ImageOutlet, MarkerOutlet, Outlet, SignalOutlet
from streamkit.recording import Markers, Recording, Signal
from streamkit.recording.entries import FORMATS, WIDENED, marker_numbers
from streamkit.recording.images import LONGEST_SIDE, Image, Pixels, as_float, load_stimuli
from streamkit.recording.schedule import Lane, typical_step
from streamkit.recording.xdf_xml import ELEMENT, clean, distinct
from streamkit.types import Stamps


@dataclass(frozen=True)
class Track:
    """One stream on its way out.

    Attributes
    ----------
    name, source_id
        As LSL will have them.
    items, stamps, lane
        What goes out, with which stamps of the file, and when.
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
    stamps: Stamps
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
    due = signal.whole().stamps  # a clock that was set back does not hurry what comes after
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
        stamps=signal.stamps,
        lane=Lane(due, chunked=True, tail=1 / spec.sfreq if spec.sfreq else typical_step(due)),
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
    lane = Lane(monotonic(markers.stamps))
    return Track(name, f"{base}/{name}", markers.labels, markers.stamps, lane, outlet, push_each)


def image_track(
    recording: Recording, images: Mapping[str, Image | Pixels], name: str, base: str, keys: Mapping[str, Any]
) -> Track:
    """The shown images: one at each marker whose label has a stimulus."""
    events = [event for event in recording.events() if event.label in images]
    stamps = np.array([event.stamp for event in events])
    shape = next(iter(images.values())).shape
    outlet = partial(ImageOutlet, name, shape, "shown", f"{base}/{name}", keys)
    shown = [images[event.label] for event in events]
    return Track(name, f"{base}/{name}", shown, stamps, Lane(stamps), outlet, push_images, awaited=False)


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
