"""The native folder: ``recording.xdf`` + ``stimuli/`` + ``recording.json``, exact in every bit.

``recording.xdf`` holds all streams and can be read by any XDF reader. ``recording.json`` holds what XDF cannot
carry: the order and full description of the streams, marker columns, which marker shows which stimulus, provenance.
A folder whose writer was killed has no ``recording.json`` and is read as far as it was written.
"""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from streamkit.errors import RecordingError
from streamkit.recording.model import Markers, Recording, RecordingMeta, Signal
from streamkit.recording.stimuli import read_stimuli, write_stimuli
from streamkit.recording.xdf_read import XdfStream, read_streams, read_xdf, recording_of
from streamkit.recording.xdf_scan import SALVAGE
from streamkit.recording.xdf_write import XdfWriter
from streamkit.types import StreamSpec

XDF, JSON = "recording.xdf", "recording.json"
WIDENED = {"float16": "float32", "bool": "int8", "uint8": "int16", "uint16": "int32", "uint32": "int64"}
FORMATS = {
    "float32": "float32",
    "float64": "double64",
    "int8": "int8",
    "int16": "int16",
    "int32": "int32",
    "int64": "int64",
}


class StreamEntry(BaseModel):
    """One stream of recording.xdf as it was in memory.

    Parameters
    ----------
    id
        Its id in recording.xdf.
    n
        How many samples it has there.
    kind, spec, columns
        What it becomes; the XDF header alone does not say it fully.
    dtype
        Of the samples.
    labels
        Of the markers, where the samples do not say them exactly.
    """

    model_config = ConfigDict(extra="forbid")

    id: int
    n: int
    kind: Literal["signal", "markers"]
    spec: StreamSpec
    dtype: str | None = None
    labels: tuple[str, ...] | None = None
    columns: dict[str, list[Any]] = Field(default_factory=dict)


class Sidecar(BaseModel):
    """The whole of recording.json.

    Parameters
    ----------
    meta
        Provenance.
    streams
        In the order of the recording, signals before markers; None takes recording.xdf as any XDF file.
    samples
        Id → number of samples, where `streams` is None.
    stimuli
        Marker label → file in the folder.
    arrays
        The same for images that were held in memory: a PNG, or an entry of ``stimuli/arrays.safetensors``.
    """

    model_config = ConfigDict(extra="forbid")

    format: Literal["streamkit-recording"] = "streamkit-recording"
    version: Literal[1] = 1
    meta: RecordingMeta = Field(default_factory=RecordingMeta)
    streams: tuple[StreamEntry, ...] | None = None
    samples: dict[int, int] = Field(default_factory=dict)
    stimuli: dict[str, str] = Field(default_factory=dict)
    arrays: dict[str, str] = Field(default_factory=dict)


def write_native(recording: Recording, path: Path, *, overwrite: bool = False) -> Path:
    """Write a recording as a native folder; it appears whole or not at all.

    Raises
    ------
    RecordingError
        When `path` exists (unless `overwrite`), or the recording holds what the folder cannot.
    """
    if path.exists() and not overwrite:
        raise RecordingError(
            f"{path} exists already. Choose another folder, or pass overwrite=True (--overwrite) to replace it."
        )
    if path.exists() and not replaceable(path):
        raise RecordingError(f"{path} is in the way and is not a recording, so it is not replaced. Choose another.")
    with new_folder(path) as folder:
        streams = write_streams(recording, folder / XDF)
        stimuli, arrays = write_stimuli(recording, folder)
        sidecar = Sidecar(meta=recording.meta, streams=tuple(streams), stimuli=stimuli, arrays=arrays)
        write_sidecar(sidecar, folder)
    return path


def replaceable(path: Path) -> bool:
    """Whether nothing but a recording, or an empty folder, would be lost by writing at `path`."""
    return path.is_dir() and ((path / XDF).is_file() or (path / JSON).is_file() or not any(path.iterdir()))


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A folder beside `path` that takes its place when all went well, and vanishes otherwise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    folder = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.partial")
    folder.mkdir()
    try:
        yield folder
        take_place(folder, path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def take_place(folder: Path, path: Path) -> None:
    """Rename `folder` to `path`, moving what is there out of the way first."""
    if path.exists():
        old = folder.with_suffix(".replaced")
        path.rename(old)
        folder.rename(path)
        if old.is_dir() and not old.is_symlink():
            shutil.rmtree(old)
        else:
            old.unlink()
    else:
        folder.rename(path)


def write_sidecar(sidecar: Sidecar, folder: Path) -> None:
    """Write recording.json in one step."""
    partial = folder / f".{JSON}.partial"
    try:
        content = json.dumps(sidecar.model_dump(), indent=1, ensure_ascii=False, default=plain).encode()
    except (TypeError, ValueError) as error:
        raise RecordingError(
            f"{sidecar.meta.name}: meta.details and marker columns must be plain JSON values ({error})"
        ) from error
    partial.write_bytes(content)
    os.replace(partial, folder / JSON)


def plain(value: Any) -> Any:
    """A numpy number or array as JSON has it."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"{value!r} is none")


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
    return all(f"{value:g}" == label for value, label in zip(marker_numbers(markers), markers.labels, strict=True))


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


def read_native(folder: Path, *, salvage: bool = False) -> Recording:
    """Read a native folder.

    Raises
    ------
    RecordingError
        When a part of it is missing, cut short or not what recording.json says.
    """
    if not (folder / XDF).is_file():
        raise not_native(folder)
    if not (folder / JSON).is_file():
        return read_unfinished(folder)
    sidecar = read_sidecar(folder)
    streams, notes = read_streams(folder / XDF, salvage=salvage)
    if not salvage:
        check_counts(folder, streams, sidecar)
    files, arrays = read_stimuli(folder, sidecar.stimuli, sidecar.arrays)
    if sidecar.streams is None:
        plain = recording_of(folder / XDF, streams, notes)
        meta = with_notes(sidecar.meta, plain.meta.details.get("notes", []))
        return replace(plain, stimuli=files, stimulus_arrays=arrays, meta=meta)
    by_id = {stream.id: stream for stream in streams}
    parts = [restored(entry, by_id[entry.id]) for entry in sidecar.streams if entry.id in by_id]
    signals = tuple(part for part in parts if isinstance(part, Signal))
    markers = tuple(part for part in parts if isinstance(part, Markers))
    return Recording(signals, markers, files, arrays, with_notes(sidecar.meta, notes))


def not_native(folder: Path) -> RecordingError:
    """The error for a folder without streams; a folder of recordings names them."""
    inside = sorted(p.name for p in folder.iterdir())
    recordings = [name for name in inside if (folder / name / XDF).is_file()]
    if recordings:
        return RecordingError(
            f"{folder} is not a recording but holds {len(recordings)} of them: {', '.join(recordings[:8])}. "
            f"Give one, e.g. {folder / recordings[0]}."
        )
    return RecordingError(
        f"{folder} is not a recording: it has no {XDF} (found: {', '.join(inside[:8]) or 'nothing'}). "
        "Give a folder that record, simulate or convert wrote, or a single file."
    )


def check_counts(folder: Path, streams: list[XdfStream], sidecar: Sidecar) -> None:
    """Refuse a recording.xdf that does not hold what recording.json says."""
    found = {stream.id: len(stream.stamps) for stream in streams}
    expected = dict(sidecar.samples) | {entry.id: entry.n for entry in sidecar.streams or ()}
    for number, count in expected.items():
        if found.get(number) != count:
            raise RecordingError(
                f"{folder / XDF} holds {found.get(number, 'no')} samples of stream {number}, but {JSON} says {count}. "
                f"Copy the folder again, or {SALVAGE}."
            )


def read_unfinished(folder: Path) -> Recording:
    """What a killed recorder left behind."""
    recording = read_xdf(folder / XDF, salvage=True)
    note = f"the recorder did not finish: {JSON} is missing, and this is what was written until then"
    meta = with_notes(recording.meta.model_copy(update={"name": folder.name}), [note])
    return Recording(recording.signals, recording.markers, meta=meta)


def with_notes(meta: RecordingMeta, notes: list[str]) -> RecordingMeta:
    """`meta` with more notes."""
    if not notes:
        return meta
    details = {**meta.details, "notes": [*meta.details.get("notes", []), *notes]}
    return meta.model_copy(update={"details": details})


def read_sidecar(folder: Path) -> Sidecar:
    """Parse recording.json."""
    try:
        return Sidecar.model_validate_json((folder / JSON).read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise RecordingError(f"{folder / JSON} is not valid at {where}: {first['msg']}") from error


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
    return tuple(f"{value:g}" for value in stream.values[:, 0].tolist())
