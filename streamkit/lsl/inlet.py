"""A numeric stream in: block for one sample, drain what is there straight into the ring, correct the stamps."""

from __future__ import annotations

import ctypes
import math
import socket
from collections.abc import Callable
from typing import Any

import numpy as np
import pylsl
from numpy.typing import DTypeLike, NDArray
from pylsl.util import handle_error

from streamkit.errors import StreamError, StreamLost
from streamkit.lsl.contract import channel_picks, check_return
from streamkit.lsl.discovery import full_info, spec_from
from streamkit.ring import RingBuffer
from streamkit.timeline import Timeline
from streamkit.types import Chunk, StreamSpec

RING_S = 30.0
RING_BYTES = 1 << 28
"""How much a raw ring holds by itself: `RING_S` seconds, but no more than this of samples (it takes twice as much).

1024 channels at 30 kHz are 123 MB/s: 30 seconds of them would take 7.4 GB, this is 2 seconds. Whoever decodes reads
a sample once, at once; a recorder must not fall back further.
"""

_LSL_BUFFER_S = 60
_MOST_SAMPLES = 4096
_IRREGULAR_CAPACITY = 4096
_OFFSET_PERIOD_S = 5.0

OFFSET_STEP_S = 0.01
"""A remote clock whose offset changes by more than this from one reading to the next has stepped."""


class ClockOffset:
    """What to add to a stream's stamps to have them on this machine's clock: exactly 0 for a local stream.

    Parameters
    ----------
    inlet
        Source of the estimate, which liblsl keeps up to date in the background.
    hostname
        Where the stream says it comes from.

    Attributes
    ----------
    steps
        How often the remote clock has stepped against this machine's.
    """

    def __init__(self, inlet: pylsl.StreamInlet, hostname: str) -> None:
        self._inlet = inlet
        self.steps = 0
        self.local = hostname == socket.gethostname()
        self._offset = 0.0
        self._until = math.inf if self.local else -math.inf

    def __call__(self, now: float, timeout: float = 0.0) -> float:
        """Seconds to add; a remote offset is read again every five seconds and kept when that fails."""
        if now >= self._until:
            try:
                self._take(self._inlet.time_correction(timeout))
            except RuntimeError:
                if self._until == -math.inf and timeout > 0:
                    raise
            self._until = now + _OFFSET_PERIOD_S
        return self._offset

    def _take(self, offset: float) -> None:
        if self._until > -math.inf and abs(offset - self._offset) > OFFSET_STEP_S:
            self.steps += 1
        self._offset = offset

    @property
    def value(self) -> float:
        """The offset as last read."""
        return self._offset


def subscribe(inlet: pylsl.StreamInlet, spec: StreamSpec, offset: ClockOffset, timeout: float) -> None:
    """Open a stream and learn its clock offset; close it and raise StreamLost when `timeout` seconds are not enough."""
    try:
        inlet.open_stream(timeout)
        offset(pylsl.local_clock(), timeout)
    except RuntimeError as error:
        inlet.close_stream()
        raise StreamLost(
            f"stream {spec.name!r} on {spec.hostname} could not be opened within {timeout:g} s ({error})"
        ) from error


class SignalInlet:
    """One numeric stream, received into a ring of its own.

    Parameters
    ----------
    info
        A resolved stream.
    buffer
        Seconds the raw ring holds; None for `RING_S`, or for what `RING_BYTES` allow where that is less.
    timeout
        Seconds to wait for the full description.
    recover
        Whether liblsl looks for the stream by itself when it is lost (quietly, after seconds, whatever comes back);
        `streamkit.lsl.supervised` does not let it.
    after
        The inlet of the same source that broke off: its ring and its time go on here. Whoever lets this one take
        over calls ``timeline.interrupt()``.

    Attributes
    ----------
    spec
        What the stream says about itself.
    header
        The same as the XML document that it sent.
    ring
        The raw samples as they came, in the format of the wire, values not finite and duplicates included. Other
        readers take a `RingBuffer.cursor`.
    timeline
        What corrects the stamps, and counts what was wrong with them.

    Raises
    ------
    StreamLost
        When the source does not answer.
    StreamError
        When the stream is not numeric.
    ContractMismatch
        When it is not what `after` was; line by line.

    Notes
    -----
    liblsl writes into the ring's memory; pylsl's own `pull_chunk` is not used for that because it builds a
    ctypes array type, a stamp array and a memoryview per call, 8 microseconds against 2.
    """

    def __init__(
        self,
        info: pylsl.StreamInfo,
        buffer: float | None = None,
        timeout: float = 5.0,
        *,
        recover: bool = True,
        after: SignalInlet | None = None,
    ) -> None:
        if info.channel_format() == pylsl.cf_string:
            raise StreamError(f"stream {info.name()!r} carries text; a signal stream must be numeric")
        self._lsl = pylsl.StreamInlet(info, max_buflen=_LSL_BUFFER_S, recover=recover)
        full = full_info(self._lsl, info, timeout)
        self.spec, self.header = spec_from(full), full.as_xml()
        if after is not None:
            check_return(after.spec, self.spec)
        if after is None:
            self.timeline = Timeline(self.spec.sfreq, speed=replay_speed(self.spec))
            self.ring = ring_for(self.spec, self._lsl.np_dtype, buffer, self.timeline)
        else:
            self.timeline, self.ring = after.timeline, after.ring
        self._most = min(self.ring.capacity // 2, _MOST_SAMPLES)
        self._picks = None if after is None else channel_picks(after.spec, self.spec)
        same = self._lsl.np_dtype == self.ring.dtype and self._picks is None
        self._staging = None if same else np.zeros((self._most, self.spec.n_chans), self._lsl.np_dtype)
        self._puller = _Puller(self._lsl, self._most)
        self._offset = ClockOffset(self._lsl, self.spec.hostname)

    def open(self, timeout: float = 5.0) -> None:
        """Subscribe; from here on no sample is missed.

        Raises
        ------
        StreamLost
            When the source does not accept within `timeout` seconds.
        """
        subscribe(self._lsl, self.spec, self._offset, timeout)

    def pull(self, timeout: float) -> Chunk:
        """Wait up to `timeout` seconds for one sample, then take all that are there.

        Returns
        -------
        Chunk
            ``data`` is a view of the ring, ``stamps`` are corrected, ``raw_stamps`` as sent, ``gap`` and
            ``duplicate`` as `Timeline` finds them, ``arrival`` the time at which the call had them. Empty when the
            time ran out.

        Raises
        ------
        StreamLost
            When the source is gone for good.
        """
        memory = self.ring.reserve(self._most)
        target = memory if self._staging is None else self._staging
        try:
            raw = self._puller(target, timeout)
        except pylsl.util.LostError as error:
            raise StreamLost(f"stream {self.spec.name!r} on {self.spec.hostname} went away for good") from error
        arrival = pylsl.local_clock()
        if self._staging is not None:
            came = self._staging[: len(raw)]
            memory[: len(raw)] = came if self._picks is None else came[:, self._picks]
        return self._commit(memory, raw, arrival)

    @property
    def clock_offset(self) -> float:
        """Seconds added to stamps as sent, as last measured."""
        return self._offset.value

    @property
    def clock_steps(self) -> int:
        """How often the source's clock has stepped against this machine's."""
        return self._offset.steps

    @property
    def backlog(self) -> int:
        """Samples that have come and not been pulled yet."""
        return int(self._lsl.samples_available())

    def close(self) -> None:
        """Unsubscribe; samples not yet pulled are dropped."""
        self._lsl.close_stream()

    def _commit(self, memory: NDArray[Any], raw: NDArray[np.float64], arrival: float) -> Chunk:
        if len(raw) == 0:
            return Chunk(memory[:0], raw, self.ring.written, raw_stamps=raw, arrival=arrival)
        data = memory[: len(raw)]
        stamps, gap, duplicate, plain = self.timeline.correct(raw, data, self._offset(arrival))
        first = self.ring.commit(stamps, None, None if plain else gap, None if plain else duplicate, raw)
        return Chunk(data, stamps, first, None, gap, raw, arrival, duplicate)


def ring_for(spec: StreamSpec, dtype: DTypeLike, buffer: float | None, timeline: Timeline) -> RingBuffer:
    """A ring of `buffer` seconds, or as much more as the timeline looks back for duplicates while samples come in."""
    wanted = math.ceil((RING_S if buffer is None else buffer) * spec.sfreq * timeline.speed) or _IRREGULAR_CAPACITY
    if buffer is None:
        wanted = min(wanted, RING_BYTES // (spec.n_chans * np.dtype(dtype).itemsize))
    return RingBuffer(max(wanted, 2 * timeline.reach), spec.n_chans, dtype)


def replay_speed(spec: StreamSpec) -> float:
    """How many times faster than declared a replay sends a stream, by its description; 1 for any other source."""
    try:
        speed = float(spec.description.get("speed", 1.0))
    except ValueError:
        return 1.0
    return speed if 0 < speed < math.inf else 1.0


class _Puller:
    """liblsl's chunk pull into given memory: first sample blocking, the rest as far as it is there."""

    def __init__(self, inlet: pylsl.StreamInlet, most: int) -> None:
        self._pull: Callable[..., int] = inlet.do_pull_chunk
        self._inlet = inlet
        self._most = most
        self._n_chans: int = inlet.channel_count
        self._stamps = np.zeros(most)
        self._stamps_at: int = self._stamps.ctypes.data
        self._now = ctypes.c_double(0.0)
        self._error = ctypes.c_int()
        self._error_at = ctypes.byref(self._error)

    def __call__(self, memory: NDArray[Any], timeout: float) -> NDArray[np.float64]:
        """Fill rows of `memory`, which holds at least `most`; returns a copy of their raw stamps."""
        at = memory.ctypes.data
        if not self._take(at, 0, 1, ctypes.c_double(timeout)):
            return self._stamps[:0].copy()
        n_times = 1 + self._take(at + memory.strides[0], 1, self._most - 1, self._now)
        return self._stamps[:n_times].copy()

    def _take(self, at: int, row: int, most: int, timeout: ctypes.c_double) -> int:
        n_values = self._pull(
            self._inlet.obj,
            ctypes.c_void_p(at),
            ctypes.c_void_p(self._stamps_at + 8 * row),
            ctypes.c_size_t(most * self._n_chans),
            ctypes.c_size_t(most),
            timeout,
            self._error_at,
        )
        if self._error.value:
            handle_error(self._error)
        return n_values // self._n_chans
