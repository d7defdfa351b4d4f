"""An incremental writer of XDF 1.0 files that are readable whenever the writing process dies.

Format: "Extensible Data Format" 1.0, https://github.com/sccn/xdf/wiki/Specifications. Every chunk leaves in
one unbuffered write, so a killed process leaves whole chunks behind, and at most one cut one at the end.
Every sample carries its own stamp.
"""

from __future__ import annotations

import itertools
import struct
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from streamkit.errors import RecordingError
from streamkit.recording.append import AppendFile
from streamkit.recording.xdf_xml import file_header, stream_footer, stream_header
from streamkit.types import StreamSpec

MAGIC = b"XDF:"
FILE_HEADER, STREAM_HEADER, SAMPLES, CLOCK_OFFSET, BOUNDARY, STREAM_FOOTER = range(1, 7)
BOUNDARY_MARK = bytes.fromhex("43a546dccbf5410fb30ed5467383cbe4")
DTYPES = {"float32": "<f4", "double64": "<f8", "int8": "i1", "int16": "<i2", "int32": "<i4", "int64": "<i8"}
MAX_CHUNK_BYTES = 1 << 18


def varlen(value: int) -> bytes:
    """A length with the number of bytes it takes, 1, 4 or 8, in front."""
    for size, layout in ((1, "<BB"), (4, "<BI"), (8, "<BQ")):
        if value < 1 << (8 * size):
            return struct.pack(layout, size, value)
    raise ValueError(f"a chunk of {value} bytes")


@dataclass
class Progress:
    """What was written of one stream."""

    spec: StreamSpec
    count: int = 0
    first: float = 0.0
    last: float = 0.0
    offsets: list[tuple[float, float]] = field(default_factory=list)


class XdfWriter:
    """Writes one XDF file, chunk by chunk; every method may be called from any thread.

    Parameters
    ----------
    path
        A file that does not exist yet.
    facts
        Texts for the file header, e.g. ``{"datetime": "…"}``; the keys are XML element names.

    Raises
    ------
    RecordingError
        When the file exists or cannot be created.
    """

    def __init__(self, path: Path | str, facts: Mapping[str, str] | None = None) -> None:
        self.path = Path(path)
        self._file = AppendFile(self.path)
        self.streams: dict[int, Progress] = {}
        self._lock = threading.Lock()
        self._file.append(MAGIC + chunk_bytes(FILE_HEADER, file_header(facts or {})))

    def add_stream(self, spec: StreamSpec, header: bytes | str | None = None) -> int:
        """Announce a stream; returns its id in the file.

        Parameters
        ----------
        spec
            Its name, channels, rate and ``channel_format``.
        header
            The whole ``<info>`` document, when there is a fuller one than `spec` can make (as LSL gives it).
        """
        document = stream_header(spec) if header is None else header
        content = document.encode() if isinstance(document, str) else document
        with self._lock:
            stream = len(self.streams) + 1
            self.streams[stream] = Progress(spec)
            self._file.append(chunk_bytes(STREAM_HEADER, content, stream))
        return stream

    def samples(self, stream: int, data: ArrayLike, stamps: ArrayLike) -> None:
        """Append samples.

        Parameters
        ----------
        stream
            What `add_stream` returned.
        data
            ``(n_times, n_chans)``; numbers that the stream's format holds, or str or bytes for a string stream.
            ``(n_times,)`` will do for one channel.
        stamps
            ``(n_times,)`` seconds, written as they are, bit for bit.
        """
        progress = self.streams[stream]
        times = np.asarray(stamps, dtype="<f8")
        if times.size == 0:
            return
        with self._lock:
            for content in packed(progress.spec, data, times):
                self._file.append(b"".join(chunk_parts(SAMPLES, content, stream)))
            if progress.count == 0:
                progress.first = float(times[0])
            progress.last = float(times[-1])
            progress.count += len(times)

    def clock_offset(self, stream: int, time: float, value: float) -> None:
        """Append a clock measurement: `value` seconds to add to stamps of the source around its time `time`."""
        with self._lock:
            self.streams[stream].offsets.append((float(time), float(value)))
            self._file.append(chunk_bytes(CLOCK_OFFSET, struct.pack("<dd", time, value), stream))

    def boundary(self) -> None:
        """Append a mark that a reader of a damaged file can find, and hand everything to the disk."""
        with self._lock:
            self._file.append(chunk_bytes(BOUNDARY, BOUNDARY_MARK))
            self._file.sync()

    @property
    def closed(self) -> bool:
        """Whether the footers were written."""
        return self._file.closed

    def close(self) -> None:
        """Append the footers and close the file; harmless when closed already."""
        with self._lock:
            if self._file.closed:
                return
            for stream, p in self.streams.items():
                footer = stream_footer(p.first, p.last, p.count, p.offsets)
                self._file.append(chunk_bytes(STREAM_FOOTER, footer, stream))
            self._file.close()

    def __enter__(self) -> XdfWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def chunk_bytes(tag: int, content: bytes, stream: int | None = None) -> bytes:
    """One whole chunk: length, tag, stream id, content."""
    return b"".join(chunk_parts(tag, [content], stream))


def chunk_parts(tag: int, content: Sequence[bytes | memoryview], stream: int | None = None) -> list[bytes | memoryview]:
    """The pieces of one whole chunk, the content uncopied."""
    head = struct.pack("<H", tag) + (b"" if stream is None else struct.pack("<I", stream))
    return [varlen(len(head) + sum(len(part) for part in content)), head, *content]


def packed(spec: StreamSpec, data: ArrayLike, stamps: NDArray[np.float64]) -> Iterator[list[bytes | memoryview]]:
    """The contents of as many sample chunks as it takes to keep each near `MAX_CHUNK_BYTES`; checked before the first.

    Each is built only when it is asked for, so that a writer holds Python's lock for one of them at a time.
    """
    if spec.channel_format == "string":
        records = strings(spec, data, stamps)
        sizes = np.cumsum([len(record) for record in records]) // MAX_CHUNK_BYTES
        edges = [0, *(np.flatnonzero(np.diff(sizes)) + 1).tolist(), len(records)]
        return ([varlen(stop - start), *records[start:stop]] for start, stop in itertools.pairwise(edges))
    return numbers(spec, checked(spec, data, len(stamps)), stamps)


def checked(spec: StreamSpec, data: ArrayLike, n_times: int) -> NDArray[Any]:
    """The values as ``(n_times, n_chans)``, refused where the stream cannot hold them."""
    values = np.asarray(data)
    check_shape(spec, values.shape, n_times)
    check_range(spec, values, np.dtype(DTYPES[spec.channel_format]))
    return values.reshape(n_times, spec.n_chans)


def numbers(spec: StreamSpec, values: NDArray[Any], stamps: NDArray[np.float64]) -> Iterator[list[bytes | memoryview]]:
    """Records, as many at a time as fit a chunk: the byte 8, the stamp, the values."""
    kind = np.dtype([("bytes", "u1"), ("stamp", "<f8"), ("values", DTYPES[spec.channel_format], (spec.n_chans,))])
    step = max(1, MAX_CHUNK_BYTES // kind.itemsize)
    for first in range(0, len(stamps), step):
        part = slice(first, first + step)
        table = np.empty(len(stamps[part]), kind)
        table["bytes"] = 8
        table["stamp"] = stamps[part]
        table["values"] = values[part]
        yield [varlen(len(table)), table.view(np.uint8).data]


def strings(spec: StreamSpec, data: ArrayLike, stamps: NDArray[np.float64]) -> list[bytes]:
    """One record per sample: the byte 8, the stamp, then each value with its length in front."""
    rows = [[row] if isinstance(row, str | bytes) else list(row) for row in rows_of(data)]
    widths = {len(row) for row in rows}
    check_shape(spec, (len(rows), widths.pop() if len(widths) == 1 else -1), len(stamps))
    return [
        struct.pack("<Bd", 8, stamp) + b"".join(text(value) for value in row)
        for row, stamp in zip(rows, stamps.tolist(), strict=True)
    ]


def rows_of(data: Any) -> list[Any]:
    """The rows of any table of strings."""
    return list(data)


def text(value: str | bytes) -> bytes:
    """One string value with its length in front."""
    try:
        content = value.encode() if isinstance(value, str) else bytes(value)
    except UnicodeEncodeError as error:
        raise RecordingError(f"the text {value!r} cannot be written as UTF-8 ({error.reason})") from error
    return varlen(len(content)) + content


def check_range(spec: StreamSpec, values: NDArray[Any], kind: np.dtype[Any]) -> None:
    """Refuse numbers that the stream's integer format would change."""
    if kind.kind != "i" or np.can_cast(values.dtype, kind) or values.size == 0:
        return
    limits = np.iinfo(kind)
    if values.min() < limits.min or values.max() > limits.max or (values.dtype.kind == "f" and (values % 1).any()):
        raise RecordingError(
            f"stream {spec.name!r} is declared {spec.channel_format}, which cannot hold values from "
            f"{values.min()} to {values.max()}. Declare a wider format."
        )


def check_shape(spec: StreamSpec, shape: Sequence[int], n_stamps: int) -> None:
    """Refuse samples that are not one row of `n_chans` values per stamp."""
    if tuple(shape) != (n_stamps, spec.n_chans) and not (tuple(shape) == (n_stamps,) and spec.n_chans == 1):
        raise RecordingError(
            f"stream {spec.name!r}: samples of shape {tuple(shape)} were given with {n_stamps} stamps, "
            f"expected ({n_stamps}, {spec.n_chans})"
        )
