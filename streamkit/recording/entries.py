"""Streams of a recording to and from the XDF file of a native folder, exact in every bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from streamkit.errors import RecordingError
from streamkit.recording.model import Markers, Recording, Signal
from streamkit.recording.sidecar import StreamEntry
from streamkit.recording.xdf_read import XdfStream
from streamkit.recording.xdf_write import XdfWriter
from streamkit.types import label_of

WIDENED = {"float16": "float32", "bool": "int8", "uint8": "int16", "uint16": "int32", "uint32": "int64"}
FORMATS = {
    "float32": "float32",
    "float64": "double64",
    "int8": "int8",
    "int16": "int16",
    "int32": "int32",
    "int64": "int64",
}


def write_streams(recording: Recording, path: Path) -> list[StreamEntry]:
    """Write recording.xdf; returns the entries of recording.json."""
    with XdfWriter(path, {"recording": recording.meta.name}) as writer:
        signals = [write_signal(writer, signal) for signal in recording.signals]
        return signals + [write_markers(writer, markers) for markers in recording.markers]


def write_signal(writer: XdfWriter, signal: Signal) -> StreamEntry:
    """Write one signal stream in the format of its data."""
    dtype = signal.data.dtype.newbyteorder("=").name
    stored = WIDENED.get(dtype, dtype)
    if stored not in FORMATS:
        raise RecordingError(
            f"stream {signal.spec.name!r} has data of type {dtype}, which XDF cannot hold; "
            f"expected one of {', '.join([*FORMATS, *WIDENED])}"
        )
    stream = writer.add_stream(signal.spec.model_copy(update={"channel_format": FORMATS[stored]}))
    for first in range(0, len(signal.stamps), 65536):
        part = slice(first, first + 65536)
        writer.samples(stream, signal.data[part].astype(stored, copy=False), signal.stamps[part])
    writer.boundary()
    return StreamEntry(id=stream, n=len(signal.stamps), kind="signal", spec=signal.spec, dtype=dtype)


def write_markers(writer: XdfWriter, markers: Markers) -> StreamEntry:
    """Write one marker stream, as strings or as numbers."""
    check_columns(markers)
    spec = markers.spec
    values: list[Any] = list(markers.labels)
    if spec.channel_format != "string":
        values = marker_numbers(markers)
    stream = writer.add_stream(spec.model_copy(update={"ch_names": spec.ch_names[:1] or ("marker",)}))
    writer.samples(stream, values, markers.stamps)
    labels = None if carried(markers) else markers.labels
    columns = {name: list(column) for name, column in markers.columns.items()}
    return StreamEntry(id=stream, n=len(markers.labels), kind="markers", spec=spec, labels=labels, columns=columns)


def carried(markers: Markers) -> bool:
    """Whether reading the XDF stream gives the very labels back."""
    if markers.spec.channel_format == "string":
        return True
    return all(label_of(value) == label for value, label in zip(marker_numbers(markers), markers.labels, strict=True))


def marker_numbers(markers: Markers) -> list[float] | list[int]:
    """The labels as the numbers that the wire carries."""
    kind = float if markers.spec.channel_format in ("float32", "double64") else int
    try:
        return [kind(float(label)) for label in markers.labels]
    except ValueError as error:
        raise RecordingError(
            f"marker stream {markers.spec.name!r} is declared {markers.spec.channel_format}, but holds a label that is "
            f"no number ({error}). Declare it channel_format='string'."
        ) from error


def check_columns(markers: Markers) -> None:
    """Refuse markers whose stamps or columns do not go with their labels."""
    lengths = {"stamps": len(markers.stamps), **{name: len(column) for name, column in markers.columns.items()}}
    for name, length in lengths.items():
        if length != len(markers.labels):
            raise RecordingError(
                f"marker stream {markers.spec.name!r}: {name} has {length} entries for {len(markers.labels)} labels"
            )


def restored(entry: StreamEntry, stream: XdfStream) -> Signal | Markers:
    """One stream as it was in memory; as far as it was read, when salvaged."""
    found = len(stream.stamps)
    if entry.kind == "signal":
        return Signal(entry.spec, stream.values.astype(entry.dtype, copy=False), stream.stamps)
    labels = entry.labels or labels_of(stream)
    columns = {name: column[:found] for name, column in entry.columns.items()}
    return Markers(entry.spec, labels[:found], stream.stamps, columns)


def labels_of(stream: XdfStream) -> tuple[str, ...]:
    """Labels of a marker stream of any format."""
    if stream.spec.channel_format == "string":
        return tuple(row[0] for row in stream.values)
    return tuple(label_of(value) for value in stream.values[:, 0].tolist())
