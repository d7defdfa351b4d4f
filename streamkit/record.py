"""Record LSL streams to a native folder that is readable whenever the recorder dies."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pylsl

from streamkit.errors import RecordingError
from streamkit.lsl.discovery import find, not_found
from streamkit.lsl.raw import Samples, SupervisedRaw
from streamkit.marks import XDF
from streamkit.patience import wait_for
from streamkit.recording.model import RecordingMeta
from streamkit.recording.sidecar import Sidecar, write_sidecar
from streamkit.recording.xdf_write import XdfWriter
from streamkit.types import StreamSpec

PULL_S = 0.2
FLUSH_S = 0.2
"""A sample is in the file after this, one pull and the time the disk takes: well below half a second."""

FLUSH_BYTES = 1 << 18
BOUNDARY_EVERY = 2


@dataclass(frozen=True)
class Source:
    """One stream being recorded.

    Attributes
    ----------
    id
        Its id in the file.
    inlet
        Where it comes from.
    """

    id: int
    inlet: SupervisedRaw

    @property
    def spec(self) -> StreamSpec:
        """What it says about itself."""
        return self.inlet.spec

    @property
    def lost(self) -> str:
        """Why nothing comes at the moment; empty while it lives."""
        return self.inlet.message


class Recorder:
    """Records all streams that match, each sample with the stamp it came with.

    Samples are appended to ``recording.xdf`` as they come, clock offsets every few seconds, footers at the end;
    ``recording.json`` is written last. A folder without it is what a killed recorder leaves, and
    `streamkit.recording.read_recording` reads it all the same. The offset of a stream from this machine is 0.
    A source that goes away is waited for; when it comes back as it was, its stream in the file goes on.

    Parameters
    ----------
    out
        The folder to make.
    queries
        As `streamkit.lsl.find` has them; every stream that matches one of them is recorded. None records all.
    timeout
        Seconds to look for streams, and to wait for each to answer.
    clock_period
        Seconds between measurements of the clock offset.
    on_change
        Called with a sentence whenever a source goes away, comes back or comes back as something else; on any thread.
        An error that it raises is noted and ends nothing.

    Attributes
    ----------
    sources
        The streams, once started.

    Raises
    ------
    RecordingError
        When `out` exists.
    """

    def __init__(
        self,
        out: Path | str,
        queries: Sequence[str] = (),
        *,
        timeout: float = 5.0,
        clock_period: float = 5.0,
        on_change: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.out = Path(out)
        if self.out.exists():
            raise RecordingError(f"{self.out} exists already. Choose a new folder for the recording.")
        self.queries = tuple(queries) or ("",)
        self.timeout = timeout
        self.clock_period = clock_period
        self.sources: list[Source] = []
        self._on_change = on_change
        self._notes: list[str] = []
        self._began, self._start = datetime.now(UTC).isoformat(timespec="seconds"), pylsl.local_clock()
        self._halt = threading.Event()
        self._threads: list[threading.Thread] = []
        self._error: BaseException | None = None
        self._writer: XdfWriter | None = None
        self._ended = False

    def start(self) -> None:
        """Find the streams, open them and begin to record; returns once no sample of them is missed any more.

        Raises
        ------
        StreamNotFound
            When a query matches nothing.
        StreamLost
            When a stream does not answer.
        RecordingError
            When the folder cannot be made.
        """
        inlets = [SupervisedRaw(info, self.timeout, self._changed) for info in self._matches()]
        for inlet in inlets:
            inlet.open(self.timeout)
        try:
            self.out.mkdir(parents=True)
        except OSError as error:
            raise RecordingError(f"cannot make the folder {self.out}: {error.strerror}") from error
        self._writer = writer = XdfWriter(self.out / XDF, {"datetime": self._began})
        self._start = pylsl.local_clock()
        self.sources = [Source(writer.add_stream(inlet.spec, inlet.header), inlet) for inlet in inlets]
        jobs = [partial(self._keep_time, writer), *(partial(self._pull, writer, source) for source in self.sources)]
        self._threads = [threading.Thread(target=self._guarded, args=(job,)) for job in jobs]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Take what has arrived, then write the end of the file and ``recording.json``.

        One that was interrupted, by Ctrl-C for example, is finished by the next; after that it does nothing.

        Raises
        ------
        RecordingError
            When the disk did not take everything; what was written before is kept.
        """
        self._halt.set()
        for thread in self._threads:
            thread.join()
        for source in self.sources:
            source.inlet.close()
        if self._writer is None or self._ended:
            return
        try:
            self._writer.close()
        except RecordingError as unfinished:
            self._error = self._error or unfinished
        if self._error is None:
            write_sidecar(self._sidecar(self._writer), self.out)
        self._ended = True
        if self._error is not None:
            raise self._error

    def run(self, duration: float | None = None) -> None:
        """Record for `duration` seconds, or until `halt` is called; the disk failing ends it as well."""
        if not self._threads:
            self.start()
        try:
            wait_for(self._halt, duration)
        finally:
            self.stop()

    def halt(self) -> None:
        """Ask `run` to end; may be called from any thread."""
        self._halt.set()

    def __enter__(self) -> Recorder:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def count(self, source: Source) -> int:
        """Samples of one stream written so far."""
        return 0 if self._writer is None else self._writer.streams[source.id].count

    def _matches(self) -> list[pylsl.StreamInfo]:
        infos: dict[str, pylsl.StreamInfo] = {}
        for query in self.queries:
            found = find(query, timeout=self.timeout)
            if not found:
                raise not_found(query, self.timeout)
            infos |= {info.uid(): info for info in found}
        return list(infos.values())

    def _guarded(self, job: Callable[[], None]) -> None:
        """Run one thread's job; its error ends the recording and comes out of `stop`."""
        try:
            job()
        except BaseException as error:
            self._error = self._error or error
            self._halt.set()

    def _pull(self, writer: XdfWriter, source: Source) -> None:
        """Write what comes until halted, then what had arrived by then."""
        batch = Batch(writer, source.id)
        while not self._halt.is_set():
            batch.add(source.inlet.pull(PULL_S))
        while batch.add(source.inlet.pull(0.0)):
            pass

    def _changed(self, sentence: str) -> None:
        self._note(sentence)
        try:
            self._on_change(sentence)
        except Exception as error:  # a terminal that is gone ends no recording
            self._note(f"this could not be passed on ({type(error).__name__}: {error}): {sentence}")

    def _note(self, sentence: str) -> None:
        self._notes.append(f"{pylsl.local_clock() - self._start:.1f} s: {sentence}")

    def _keep_time(self, writer: XdfWriter) -> None:
        """Write clock offsets at the start, now and then, and at the end."""
        for turn in itertools.count():
            for source in self.sources:
                measure(writer, source)
            if turn % BOUNDARY_EVERY == BOUNDARY_EVERY - 1:
                writer.boundary()
            if self._halt.is_set():
                return
            self._halt.wait(self.clock_period)

    def _sidecar(self, writer: XdfWriter) -> Sidecar:
        ended = [f"stream {s.spec.name!r} had not come back at the end" for s in self.sources if s.lost]
        notes = [*self._notes, *ended]
        details: dict[str, Any] = {"recorded": self._began, "queries": [query for query in self.queries if query]}
        return Sidecar(
            meta=RecordingMeta(
                name=self.out.name,
                simulated=any(s.spec.description.get("simulated", "").lower() == "true" for s in self.sources),
                source="recorded from LSL",
                details=details | ({"notes": notes} if notes else {}),
            ),
            samples={number: progress.count for number, progress in writer.streams.items()},
        )


class Batch:
    """Samples of one stream on their way to the file, gathered so that each write is worth its while.

    Parameters
    ----------
    writer, stream
        Where they go.
    """

    def __init__(self, writer: XdfWriter, stream: int) -> None:
        self._writer, self._stream = writer, stream
        self._parts: list[Samples] = []
        self._bytes, self._since = 0, 0.0

    def add(self, part: Samples) -> int:
        """Take in samples, and write when it is time; returns how many came."""
        values, stamps = part
        now = pylsl.local_clock()
        if len(stamps):
            self._since = self._since if self._parts else now
            self._parts.append(part)
            self._bytes += values.nbytes + stamps.nbytes
        if self._parts and (not len(stamps) or now - self._since >= FLUSH_S or self._bytes >= FLUSH_BYTES):
            self._flush()
        return len(stamps)

    def _flush(self) -> None:
        values, stamps = zip(*self._parts, strict=True)
        self._parts, self._bytes = [], 0
        self._writer.samples(self._stream, np.concatenate(values), np.concatenate(stamps))


def measure(writer: XdfWriter, source: Source) -> None:
    """Write the clock offset of one stream; left out where it cannot be had in time."""
    offset = source.inlet.measure()
    if offset is not None:
        writer.clock_offset(source.id, pylsl.local_clock() - offset, offset)
