"""Reading XDF files, ours and everybody's: checked for wholeness first, then parsed by pyxdf."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError

import numpy as np

from streamkit.errors import RecordingError
from streamkit.recording.model import Markers, Recording, RecordingMeta, Signal
from streamkit.recording.xdf_scan import Scan, check_whole, load_bytes, scan, whole_bytes
from streamkit.recording.xdf_xml import distinct, spec_of_header
from streamkit.types import Stamps, StreamSpec, label_of

MARKER_WORDS = ("marker", "event", "trigger", "stim", "annotation")
SEGMENT_NOTE = "Segments and clock-segments differ"
NEURAL_TYPES = {"eeg", "ecog", "ieeg", "seeg", "lfp", "meg", "spikes", "nirs"}


@dataclass(frozen=True)
class XdfStream:
    """One stream as the file has it.

    Attributes
    ----------
    id
        Stream id in the file.
    spec
        Its header.
    values
        ``(n_times, n_chans)`` numbers, or rows of str.
    stamps
        ``(n_times,)`` seconds, clock offsets applied.
    """

    id: int
    spec: StreamSpec
    values: Any
    stamps: Stamps


def read_xdf(path: Path, *, salvage: bool = False) -> Recording:
    """Read an XDF file (``.xdf``, or gzipped as ``.xdfz`` and ``.xdf.gz``).

    Measured clock offsets are applied; stamps are otherwise as recorded, jitter included. String streams and
    irregular one-channel streams of a marker type become `Markers`, the others `Signal`. Streams without samples
    are dropped and named in ``meta.details["notes"]``. Streams of neural types come first. Where several streams
    share a name, the type is appended.

    Raises
    ------
    RecordingError
        When the file is not XDF, cut short or damaged (unless `salvage`), or holds no samples.
    """
    return recording_of(path, *read_streams(path, salvage=salvage))


def recording_of(path: Path, streams: Sequence[XdfStream], notes: Sequence[str]) -> Recording:
    """The streams of one file as a recording."""
    notes = list(notes)
    kept = [stream for stream in streams if len(stream.stamps)]
    notes += [
        f"stream {stream.spec.name!r} ({stream.spec.type}) is empty and was dropped"
        for stream in streams
        if not len(stream.stamps)
    ]
    if not kept:
        raise RecordingError(f"{path} holds no samples: {len(streams)} streams, all empty. Record it again.")
    parts = [signal_or_markers(stream) for stream in renamed(kept, notes)]
    signals = sorted((p for p in parts if isinstance(p, Signal)), key=lambda s: s.spec.type.lower() not in NEURAL_TYPES)
    return Recording(
        signals=tuple(signals),
        markers=tuple(p for p in parts if isinstance(p, Markers)),
        meta=RecordingMeta(name=plain_name(path), source=path.name, details={"notes": notes} if notes else {}),
    )


def plain_name(path: Path) -> str:
    """The file's name without its suffixes."""
    return path.name.removesuffix(".gz").removesuffix(".xdf").removesuffix(".xdfz")


def read_streams(path: Path, *, salvage: bool = False) -> tuple[list[XdfStream], list[str]]:
    """All streams of a file in the order of their headers, and what there is to say about them."""
    content = load_bytes(path, salvage=salvage)
    found = scan(content)
    if not salvage:
        check_whole(path, found)
    raw, notes = parsed(path, whole_bytes(content, found))
    notes = damage(found) + notes
    return [xdf_stream(path, entry, found) for entry in raw], notes


def damage(found: Scan) -> list[str]:
    """What salvaging had to leave out, in words."""
    notes = [f"damaged at byte {at}; read on from the next boundary" for at in found.damaged]
    return notes + ([f"cut short: the last chunk lacks {found.missing} bytes"] if found.missing else [])


def parsed(path: Path, content: bytes) -> tuple[list[dict[str, Any]], list[str]]:
    """The streams as pyxdf gives them, and its warnings."""
    import pyxdf

    with warnings_of("pyxdf") as notes, np.errstate(all="ignore"):
        try:
            streams, _ = pyxdf.load_xdf(io.BytesIO(content), dejitter_timestamps=False)
        except Exception as error:
            raise RecordingError(
                f"{path} cannot be parsed as XDF ({type(error).__name__}: {error}). "
                "Check it with the program that wrote it."
            ) from error
    return streams, [note for note in notes if not note.endswith(SEGMENT_NOTE)]


@contextmanager
def warnings_of(name: str) -> Iterator[list[str]]:
    """Collect what a logger warns about, instead of printing it."""
    notes: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: notes.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger(name)
    before = logger.propagate
    logger.addHandler(handler)
    logger.propagate = False
    try:
        yield notes
    finally:
        logger.removeHandler(handler)
        logger.propagate = before


def xdf_stream(path: Path, entry: dict[str, Any], found: Scan) -> XdfStream:
    """One of pyxdf's streams with a `StreamSpec`."""
    number = entry["info"]["stream_id"]
    try:
        spec = spec_of_header(found.headers[number])
    except (ParseError, ValueError) as error:
        raise RecordingError(f"{path}: the header of stream {number} cannot be understood ({error})") from error
    return XdfStream(number, spec, entry["time_series"], np.asarray(entry["time_stamps"], dtype=np.float64))


def renamed(streams: Sequence[XdfStream], notes: list[str]) -> list[XdfStream]:
    """The streams under names that differ from each other."""
    names = [stream.spec.name for stream in streams]
    wanted = [
        f"{s.spec.name}-{s.spec.type}" if names.count(s.spec.name) > 1 and s.spec.type else s.spec.name for s in streams
    ]
    fresh = distinct([name or "stream" for name in wanted])
    notes += [
        f"stream {s.spec.name!r} ({s.spec.type}) is called {name!r} here, as its name was not its own"
        for s, name in zip(streams, fresh, strict=True)
        if s.spec.name != name
    ]
    return [replace(s, spec=s.spec.model_copy(update={"name": name})) for s, name in zip(streams, fresh, strict=True)]


def is_marker_stream(spec: StreamSpec) -> bool:
    """Strings, or irregular single numbers of a type that speaks of markers."""
    if spec.channel_format == "string":
        return True
    return spec.sfreq == 0 and spec.n_chans == 1 and any(word in spec.type.lower() for word in MARKER_WORDS)


def signal_or_markers(stream: XdfStream) -> Signal | Markers:
    """The stream as this package has it."""
    return markers_of(stream) if is_marker_stream(stream.spec) else Signal(stream.spec, stream.values, stream.stamps)


def markers_of(stream: XdfStream) -> Markers:
    """Labels from the first channel; further channels become columns."""
    rows = stream.values if stream.spec.channel_format == "string" else number_labels(stream.values)
    first, *others = stream.spec.ch_names
    return Markers(
        spec=stream.spec.model_copy(update={"sfreq": 0.0, "ch_names": (first,)}),
        labels=tuple(row[0] for row in rows),
        stamps=stream.stamps,
        columns={name: [row[index] for row in rows] for index, name in enumerate(others, start=1)},
    )


def number_labels(values: Any) -> list[list[str]]:
    """Numbers as the labels that markers have."""
    return [[label_of(value) for value in row] for row in values.tolist()]
