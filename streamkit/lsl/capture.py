"""Capture: one live session, inputs and outputs, in one native folder, without a second look at the network."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pylsl
from numpy.typing import NDArray

from streamkit.errors import DiskError, RecordingError
from streamkit.ledger import stages_ms
from streamkit.lsl.broadcast import Broadcast
from streamkit.lsl.mailbox import Mailbox
from streamkit.lsl.outlet import Outlet, decision
from streamkit.marks import XDF
from streamkit.recording.images import as_float
from streamkit.recording.model import RecordingMeta
from streamkit.recording.sidecar import Sidecar, write_sidecar
from streamkit.recording.xdf_write import DTYPES, XdfWriter
from streamkit.ring import Cursor, RingBuffer
from streamkit.types import Event, Prediction, StreamSpec

CLOCK_PERIOD_S = 5.0
BOUNDARY_EVERY = 2
BURST = 16
BURST_BYTES = 1 << 17


class Input(Protocol):
    """What capture needs to know of an inlet."""

    @property
    def spec(self) -> StreamSpec:
        """What the stream says about itself."""

    @property
    def header(self) -> str:
        """The same as the XML document that it sent."""

    @property
    def clock_offset(self) -> float:
        """Seconds added to stamps as sent."""


class SignalInput(Input, Protocol):
    """The same of an inlet with a ring."""

    @property
    def ring(self) -> RingBuffer:
        """The raw samples."""


class Capture:
    """Writes what a session pulls and publishes; a `streamkit.lsl.scribe.Book`.

    Samples are read from the inlets' rings, values and stamps as they came; markers, predictions and reports arrive
    in mailboxes. Nothing that the decoding thread calls here waits.

    Parameters
    ----------
    out
        The folder to make.
    signals, markers
        The session's inlets, not yet open.
    broadcast
        The session's predictions, decisions and latencies.
    others
        Further outlets by name: health, and the images shown.
    facts
        What is known about the session, for ``recording.json``.

    Raises
    ------
    RecordingError
        When the folder exists or cannot be made.
    """

    def __init__(
        self,
        out: Path,
        signals: Sequence[SignalInput],
        markers: Sequence[Input],
        broadcast: Broadcast,
        others: Mapping[str, Outlet],
        facts: Mapping[str, Any],
    ) -> None:
        self.out = out
        self._facts = {"recorded": datetime.now(UTC).isoformat(timespec="seconds"), **facts}
        self._writer = writer = _opened(out, self._facts["recorded"])
        self._clocks = {writer.add_stream(inlet.spec, inlet.header): inlet for inlet in (*signals, *markers)}
        numbers = iter(self._clocks)
        self._readers = [_RingReader(next(numbers), inlet) for inlet in signals]
        self._boxes = [Mailbox[Event]() for _ in markers]
        self._markers = [(next(numbers), box) for box in self._boxes]
        self._joining: deque[tuple[SignalInput, None] | tuple[Input, Mailbox[Event]]] = deque()
        self._output = broadcast.prediction.output
        outlets = (broadcast.prediction, broadcast.decisions, broadcast.latency)
        self._outputs = [writer.add_stream(outlet.spec, outlet.header) for outlet in outlets]
        self._predictions = Mailbox[Prediction](4 * int(np.prod(self._output.shape)))
        self._others = {
            what: (writer.add_stream(outlet.spec, outlet.header), Mailbox[tuple[Any, Any]](outlet.values_per_push))
            for what, outlet in others.items()
        }
        self._due, self._turns = -np.inf, 0

    def signal_joins(self, inlet: SignalInput) -> None:
        """Write a further signal, from the first sample in its ring on."""
        self._joining.append((inlet, None))

    def markers_join(self, inlet: Input) -> None:
        """Write the markers of a further inlet, whose number is the next."""
        self._boxes.append(Mailbox[Event]())
        self._joining.append((inlet, self._boxes[-1]))

    def marker(self, number: int, event: Event) -> None:
        """Take in what the marker inlet of this number gave."""
        self._boxes[number].put(event)

    def prediction(self, prediction: Prediction) -> None:
        """Take in a published prediction."""
        self._predictions.put(prediction)

    def report(self, what: str) -> Callable[[Any, Any], None]:
        """Return what takes in values of the outlet of this name: JSON object, image or rows; and their stamps."""
        box = self._others[what][1]
        return lambda value, stamp: box.put((value, stamp))

    def write(self) -> Iterator[None]:
        """Write what has come, and the clock offsets when they are due."""
        while self._joining:
            self._join(*self._joining.popleft())
        for reader in self._readers:
            yield from reader.write(self._writer)
        yield from self._write_boxes()
        if pylsl.local_clock() >= self._due:
            self._keep_time()
            yield

    def close(self) -> Iterator[None]:
        """Write the rest, the end of the file and ``recording.json``."""
        yield from self.write()
        self._keep_time()
        self._writer.close()
        lost = self._lost()
        write_sidecar(self._sidecar(lost), self.out)
        if lost:
            raise DiskError(f"{self.out} is not whole, because the disk did not keep up: {'; '.join(lost)}")

    def _join(self, inlet: Any, box: Mailbox[Event] | None) -> None:
        stream = self._writer.add_stream(inlet.spec, inlet.header)
        self._clocks[stream] = inlet
        if box is None:
            self._readers.append(_RingReader(stream, inlet, inlet.ring.oldest))
        else:
            self._markers.append((stream, box))

    def _write_boxes(self) -> Iterator[None]:
        for stream, box in self._markers:
            while events := box.take(BURST):
                values: Any = [[event.raw] for event in events]
                self._writer.samples(stream, values, [event.raw_stamp for event in events])
                yield
        while predictions := self._predictions.take(BURST):
            self._write_predictions(predictions)
            yield
        for stream, others in self._others.values():
            while reports := others.take(BURST):
                for rows, stamps in _blocks(reports):
                    self._writer.samples(stream, rows, stamps)
                    yield

    def _write_predictions(self, predictions: Sequence[Prediction]) -> None:
        stamps = [prediction.stamp for prediction in predictions]
        rows: tuple[Any, ...] = (
            np.stack([prediction.values.ravel() for prediction in predictions]),
            [[json.dumps(decision(prediction, self._output))] for prediction in predictions],
            [stages_ms(prediction.timing) for prediction in predictions],
        )
        for stream, values in zip(self._outputs, rows, strict=True):
            self._writer.samples(stream, values, stamps)

    def _keep_time(self) -> None:
        """Write the clock offset of every stream, now and then with a boundary."""
        now = pylsl.local_clock()
        for stream in self._writer.streams:
            offset = self._clocks[stream].clock_offset if stream in self._clocks else 0.0
            self._writer.clock_offset(stream, now - offset, offset)
        if self._turns % BOUNDARY_EVERY == BOUNDARY_EVERY - 1:
            self._writer.boundary()
        self._due, self._turns = now + CLOCK_PERIOD_S, self._turns + 1

    def _lost(self) -> list[str]:
        """What could not be kept, in words."""
        found = {reader.stream: reader.lost for reader in self._readers}
        found |= {stream: box.lost for stream, box in self._markers}
        found |= {stream: reports.lost for stream, reports in self._others.values()}
        found |= dict.fromkeys(self._outputs, self._predictions.lost)
        specs = {stream: progress.spec for stream, progress in self._writer.streams.items()}
        return [f"stream {specs[stream].name!r} lacks {lost} samples" for stream, lost in found.items() if lost]

    def _sidecar(self, notes: list[str]) -> Sidecar:
        meta = RecordingMeta(
            name=self.out.name,
            simulated=bool(self._facts.get("simulated")),
            source="a live session, recorded by itself",
            details=self._facts | ({"notes": notes} if notes else {}),
        )
        return Sidecar(meta=meta, samples={number: p.count for number, p in self._writer.streams.items()})


class _RingReader:
    """One signal on its way from its ring to the file."""

    def __init__(self, stream: int, inlet: SignalInput, first: int | None = None) -> None:
        self.stream = stream
        self._cursor: Cursor = inlet.ring.cursor("skip")
        self._cursor.position = self._cursor.position if first is None else first
        # An inlet pulls into memory ahead of what is written: the older half of the ring may be about to change.
        self._safe = max(1, inlet.ring.capacity // 2)
        self._dtype = np.dtype(DTYPES[inlet.spec.channel_format])
        self._burst = max(1, BURST_BYTES // (inlet.spec.n_chans * self._dtype.itemsize))
        self._skipped = 0

    @property
    def lost(self) -> int:
        """Samples that were overwritten before they could be written."""
        return self._skipped + self._cursor.lost

    def write(self, writer: XdfWriter) -> Iterator[None]:
        """Write what the ring holds."""
        while self._cursor.available:
            behind = max(0, self._cursor.available - self._safe)
            self._skipped += behind
            self._cursor.position += behind
            chunk = self._cursor.read(self._burst)
            writer.samples(self.stream, chunk.data.astype(self._dtype, copy=False), _raw(chunk.raw_stamps))
            yield


def _opened(out: Path, recorded: str) -> XdfWriter:
    try:
        out.mkdir(parents=True)
    except FileExistsError as error:
        raise RecordingError(f"{out} exists already. Choose a new folder for the recording.") from error
    except OSError as error:
        raise RecordingError(f"cannot make the folder {out}: {error.strerror}") from error
    return XdfWriter(out / XDF, {"datetime": recorded})


def _raw(stamps: NDArray[np.float64] | None) -> NDArray[np.float64]:
    if stamps is None:
        raise RecordingError("the ring of a recorded stream keeps no raw stamps")
    return stamps


def _blocks(reports: Sequence[tuple[Any, Any]]) -> Iterator[tuple[Any, Any]]:
    """What is written in one go: rows that came together, each with a stamp of its own; single samples all at once."""
    yield from ((rows, stamps) for rows, stamps in reports if np.ndim(stamps))
    single = [(_row(value), stamp) for value, stamp in reports if not np.ndim(stamp)]
    if single:
        yield [row for row, _ in single], [stamp for _, stamp in single]


def _row(value: Any) -> Any:
    """A JSON object as text, bytes of an image as numbers."""
    if isinstance(value, Mapping):
        return [json.dumps(value)]
    return as_float(value).ravel()
