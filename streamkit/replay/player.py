"""Publish a recording on LSL: signals, markers and shown images, each at its own time.

All due times stand on one absolute schedule on the LSL clock, ``file stamp / speed + shift``, so that no error of a
sleep adds up. A chunk of samples goes out when its last sample is due; an image, then a marker, goes out no later
than the first sample with the same or a later stamp.
"""

from __future__ import annotations

import gc
import math
import threading
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pylsl

from streamkit.errors import ConfigError, StreamNotFound
from streamkit.ledger import Ledger
from streamkit.lsl.outlet import Outlet
from streamkit.patience import wait_for
from streamkit.recording import Recording
from streamkit.recording.clip import clip
from streamkit.recording.loop import loop_of
from streamkit.recording.schedule import Schedule
from streamkit.replay.notes import notes_of
from streamkit.replay.pace import exact_sleep, sleep_until
from streamkit.replay.tracks import tracks_of

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
        Begin again at the end, until `stop`; stamps go on, as far as can be, by one sample's period (`loop_of`).
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
    notes
        What a user should know about what is published, in sentences.
    opened, sent
        Set once the streams are in reach, and once the last sample was sent.

    Raises
    ------
    ConfigError
        For a speed, chunk or cut that cannot be, and a loop of what lies at one instant.
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
        self.opened, self.sent = threading.Event(), threading.Event()
        self._stop, self._interrupt = threading.Event(), threading.Event()
        self._lock, self._target = threading.Lock(), math.nan
        self._chunk = positive("chunk", chunk)
        keys = {"simulated": recording.meta.simulated, "recording": recording.meta.name, "speed": self.speed}
        part, length, self.notes = what_to_play(clip(recording, start, stop), loop)
        self._tracks = tracks_of(part, base or f"replay-{uuid.uuid4().hex[:8]}", keys)
        self._schedule = Schedule.of([track.lane for track in self._tracks], self._chunk * self.speed)
        self._late = [Ledger() for _ in self._tracks]
        self.source_ids = {track.name: track.source_id for track in self._tracks}
        self._length = length or self._schedule.length
        self.period = self._length / self.speed
        if loop and not self.period > 0:
            raise ConfigError(
                f"{recording.meta.name or 'this recording'} cannot loop: all of it lies at one instant. "
                "Play it once, without loop, or record a signal beside it."
            )

    @property
    def lateness(self) -> dict[str, dict[str, Any]]:
        """How late pushes were sent, per stream: ``n`` and milliseconds (p50, p95, p99, p999, max)."""
        sums = (late.summary() for late in self._late)
        return {
            track.name: {"n": total["n"], **total["latency_ms"]}
            for track, total in zip(self._tracks, sums, strict=True)
        }

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
            with exact_sleep(), undisturbed():
                self._play(outlets)
            self.sent.set()
            wait_for(self._stop, self.linger)
        finally:
            for outlet in outlets:
                outlet.close()

    def stop(self) -> None:
        """End `run` soon; may be called from any thread."""
        self._stop.set()
        self._interrupt.set()

    def seek(self, to: float) -> None:
        """Go on from `to` seconds after the beginning of what is published; may be called from any thread.

        Stamps go on growing: what follows looks like what comes after a short gap. Beyond the end, a loop begins
        again and a single pass ends.
        """
        with self._lock:
            self._target = self._schedule.begin + max(to, 0.0)
            self._interrupt.set()

    def _play(self, outlets: Sequence[Outlet]) -> None:
        begin = self._schedule.begin
        self.shift = shift = self._shift_for(begin)
        while not self._stop.is_set():
            if self._play_once(outlets, begin, shift):
                if not self.loop:
                    return
                begin, shift = self._schedule.begin, shift + self.period
            elif not math.isnan(target := self._sought()):
                beyond = self.loop and target >= self._schedule.begin + self._length
                begin = self._schedule.begin if beyond else target
                shift = self._shift_for(begin)

    def _play_once(self, outlets: Sequence[Outlet], begin: float, shift: float) -> bool:
        """Publish from `begin` to the end; False when interrupted."""
        for due, number, first, last in self._schedule.since(begin):
            now = sleep_until(due / self.speed + shift, self._interrupt)
            if now is None:
                return False
            track = self._tracks[number]
            track.push(outlets[number], track.items[first:last], track.stamps[first:last] / self.speed + shift)
            self._late[number].add({"sample": due / self.speed + shift, "publish": now})
        return True

    def _shift_for(self, stamp: float) -> float:
        """The shift with which `stamp` is due so soon that the first chunk can still be sent at its time."""
        return float(pylsl.local_clock()) + LEAD_S + self._chunk - stamp / self.speed

    def _sought(self) -> float:
        """Where to go on; NaN when nobody asked."""
        with self._lock:
            self._interrupt.clear()
            target, self._target = self._target, math.nan
        return target

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


def positive(name: str, value: float) -> float:
    """`value`, refused unless it is a positive number."""
    if not (math.isfinite(value) and value > 0):
        raise ConfigError(f"{name} is {value}, expected a positive number")
    return float(value)


def what_to_play(recording: Recording, loop: bool) -> tuple[Recording, float | None, list[str]]:
    """What each pass publishes, its length on the recording's clock (None is all there is), and notes about it."""
    notes = notes_of(recording)
    turn = loop_of(recording) if loop else None
    if turn is None:
        return recording, None, notes
    notes += [f"{name} is shorter than the others and pauses at every turn of the loop" for name in turn.pauses]
    return turn.recording, turn.period, notes


@contextmanager
def undisturbed() -> Iterator[None]:
    """Keep the collector from walking what was loaded until here."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
