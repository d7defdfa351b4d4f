"""Record LSL streams to a native folder that is readable whenever the recorder dies."""

from __future__ import annotations

import itertools
import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

import pylsl
from pylsl.util import LostError

from streamkit.errors import RecordingError, StreamLost
from streamkit.lsl.discovery import find, full_info, not_found, spec_from
from streamkit.recording.model import RecordingMeta
from streamkit.recording.native import XDF
from streamkit.recording.sidecar import Sidecar, write_sidecar
from streamkit.recording.xdf_write import XdfWriter
from streamkit.types import StreamSpec

BUFFER_S = 360
PULL_S = 0.2
MAX_VALUES = 1 << 18
CLOCK_TIMEOUT_S = 2.0
BOUNDARY_EVERY = 2


@dataclass
class Source:
    """One stream being recorded.

    Attributes
    ----------
    spec
        What it says about itself.
    id
        Its id in the file.
    inlet
        Where it comes from.
    lost
        Why no more will come; empty while it lives.
    """

    spec: StreamSpec
    id: int
    inlet: pylsl.StreamInlet
    lost: str = ""

    @property
    def batch(self) -> int:
        """Most samples of one pull."""
        return max(1, min(1024, MAX_VALUES // self.spec.n_chans))


class Recorder:
    """Records all streams that match, each sample with the stamp it came with.

    Samples are appended to ``recording.xdf`` as they come, clock offsets every few seconds, footers at the end;
    ``recording.json`` is written last. A folder without it is what a killed recorder leaves, and
    `streamkit.recording.read_recording` reads it all the same. The offset of a stream from this machine is 0.

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
        self, out: Path | str, queries: Sequence[str] = (), *, timeout: float = 5.0, clock_period: float = 5.0
    ) -> None:
        self.out = Path(out)
        if self.out.exists():
            raise RecordingError(f"{self.out} exists already. Choose a new folder for the recording.")
        self.queries = tuple(queries) or ("",)
        self.timeout = timeout
        self.clock_period = clock_period
        self.sources: list[Source] = []
        self._began = datetime.now(UTC).isoformat(timespec="seconds")
        self._halt = threading.Event()
        self._threads: list[threading.Thread] = []
        self._error: BaseException | None = None
        self._writer: XdfWriter | None = None

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
        opened = [self._opened(info) for info in self._matches()]
        try:
            self.out.mkdir(parents=True)
        except OSError as error:
            raise RecordingError(f"cannot make the folder {self.out}: {error.strerror}") from error
        self._writer = writer = XdfWriter(self.out / XDF, {"datetime": self._began})
        for inlet, info in opened:
            spec = spec_from(info)
            self.sources.append(Source(spec, writer.add_stream(spec, info.as_xml()), inlet))
        jobs = [partial(self._keep_time, writer), *(partial(self._pull, writer, source) for source in self.sources)]
        self._threads = [threading.Thread(target=self._guarded, args=(job,)) for job in jobs]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Take what has arrived, then write the end of the file and ``recording.json``.

        Raises
        ------
        RecordingError
            When the disk did not take everything; what was written before is kept.
        """
        self._halt.set()
        for thread in self._threads:
            thread.join()
        for source in self.sources:
            source.inlet.close_stream()
        if self._writer is None or (self._writer.closed and self._error is None):
            return
        try:
            self._writer.close()
        except RecordingError as unfinished:
            self._error = self._error or unfinished
        error, self._error = self._error, None
        if error is not None:
            raise error
        write_sidecar(self._sidecar(self._writer), self.out)

    def run(self, duration: float | None = None) -> None:
        """Record for `duration` seconds, or until `halt` is called or every stream is lost for good."""
        if not self._threads:
            self.start()
        try:
            self._halt.wait(duration)
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

    def _opened(self, info: pylsl.StreamInfo) -> tuple[pylsl.StreamInlet, pylsl.StreamInfo]:
        inlet = pylsl.StreamInlet(info, max_buflen=BUFFER_S)
        full = full_info(inlet, info, self.timeout)
        try:
            inlet.open_stream(self.timeout)
        except RuntimeError as error:
            raise StreamLost(
                f"stream {info.name()!r} on {info.hostname()} could not be opened within {self.timeout:g} s ({error})"
            ) from error
        return inlet, full

    def _guarded(self, job: Callable[[], None]) -> None:
        """Run one thread's job; its error ends the recording and comes out of `stop`."""
        try:
            job()
        except BaseException as error:
            self._error = self._error or error
            self._halt.set()

    def _pull(self, writer: XdfWriter, source: Source) -> None:
        """Write what comes until halted, then what had arrived by then."""
        try:
            while not self._halt.is_set():
                take(writer, source, PULL_S)
            while take(writer, source, 0.0):
                pass
        except LostError:
            source.lost = "the source went away for good"
            if all(other.lost for other in self.sources):
                self._halt.set()

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
        notes = [f"stream {s.spec.name!r} ended early: {s.lost}" for s in self.sources if s.lost]
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


def take(writer: XdfWriter, source: Source, timeout: float) -> int:
    """Wait up to `timeout` seconds for one sample, then write all that are there; returns how many came.

    The first is written before more are asked for, so that it is safe should the source die in between.
    """
    total = 0
    for most, wait in ((1, timeout), (source.batch, 0.0)):
        values, stamps = source.inlet.pull_chunk(wait, max_samples=most, as_numpy=True)
        if len(stamps) == 0:
            break
        writer.samples(source.id, values, stamps)
        total += len(stamps)
    return total


def measure(writer: XdfWriter, source: Source) -> None:
    """Write the clock offset of one stream; left out where it cannot be had in time."""
    offset = 0.0
    if source.spec.hostname != socket.gethostname():
        try:
            offset = source.inlet.time_correction(CLOCK_TIMEOUT_S)
        except RuntimeError:
            return
    writer.clock_offset(source.id, pylsl.local_clock() - offset, offset)
