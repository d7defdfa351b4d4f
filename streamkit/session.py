"""Session: a bundle decoding a live stream, in one thread, from the first sample to the last outlet."""

from __future__ import annotations

import gc
import threading
import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pylsl

from streamkit.bundle import ModelBundle
from streamkit.errors import ContractMismatch, StreamkitError, StreamLost
from streamkit.inference import Runner
from streamkit.ledger import Ledger
from streamkit.lsl import wire
from streamkit.lsl.broadcast import Broadcast
from streamkit.lsl.contract import channel_picks, check
from streamkit.lsl.health import STALL_S, Health, HealthPublisher
from streamkit.lsl.inlet import SignalInlet
from streamkit.lsl.markers import MarkerInlet
from streamkit.lsl.selection import await_markers, await_signal
from streamkit.lsl.stimuli import StimulusOutlet, open_stimuli
from streamkit.pipeline import Pipeline
from streamkit.types import Prediction, StreamSpec

PULL_S = 0.1
"""Longest wait for a sample before health and the wish to stop are looked at."""

MARKER_S = 0.005
"""The same where there are markers: one that comes just after the sample it belongs to waits no longer than this."""

DRAIN_S = 0.25
LINGER_S = 1.0


class _Stopped(Exception):
    """The session was told to stop before it was live."""


@dataclass
class _Rig:
    """What the decode loop touches."""

    signal: SignalInlet
    markers: list[MarkerInlet]
    pipeline: Pipeline
    broadcast: Broadcast
    shown: StimulusOutlet | None

    def open(self) -> None:
        for inlet in self.markers:
            inlet.open()
        self.signal.open()

    def close(self) -> None:
        self.broadcast.close()
        if self.shown is not None:
            self.shown.outlet.close()
        self.signal.close()
        for inlet in self.markers:
            inlet.close()


class Session:
    """Decode one live stream with one bundle; everything that leaves is an LSL stream (`streamkit.lsl.wire`).

    Parameters
    ----------
    bundle
        What to decode with; its contract decides which streams are accepted.
    stream
        Query for the signal stream (see `streamkit.lsl.discovery.predicate`); empty takes the only one there
        is, or the only one that fits the contract.
    markers
        Query for the marker streams; None takes those of the signal's host (see `pick_markers`), or none for a
        continuous decoder without `stimuli`.
    backend, threads
        Inference backend (``"auto"`` takes the fastest that proves itself) and its threads.
    name, uid
        Name and unique id of the session, from which its streams are named.
    stimuli
        Folder of images to publish as shown when a marker names one.
    wait_for_clients
        Open the inlets only when somebody has subscribed to the predictions.
    resolve_timeout
        Seconds to wait for the streams.
    on_prediction
        Called with every published prediction, on the decoding thread: it must be quick.
    budget
        Seconds from sample to prediction beyond which the ledger counts a miss; by default the hop of a
        continuous decoder, none for an event-locked one.

    Attributes
    ----------
    health
        State, since when, and why.
    error
        What ended the session; None when nothing did.
    ledger
        Latency so far.

    Notes
    -----
    All work is done by one thread. A second busy Python thread would cost up to 5 ms per prediction (CPython's
    switch interval), so a caller only waits while a session runs.
    """

    def __init__(
        self,
        bundle: ModelBundle,
        *,
        stream: str = "",
        markers: str | None = None,
        backend: str = "auto",
        name: str = "streamkit",
        threads: int = 1,
        stimuli: Path | None = None,
        wait_for_clients: bool = False,
        resolve_timeout: float = 10.0,
        on_prediction: Callable[[Prediction], None] | None = None,
        uid: str | None = None,
        budget: float | None = None,
    ) -> None:
        self.bundle = bundle
        self.name, self.uid = name, uid or uuid.uuid4().hex[:8]
        self.health = Health()
        self.error: StreamkitError | None = None
        self.backend = backend
        self.ledger = Ledger(_hop(bundle) if budget is None else budget)
        self._stream, self._markers, self._threads = stream, markers, threads
        self._stimuli, self._wait_for_clients = stimuli, wait_for_clients
        self._resolve_timeout, self._on_prediction = resolve_timeout, on_prediction
        self._n = {"samples": 0, "markers": 0, "predictions": 0}
        self._rig: _Rig | None = None
        self._publisher: HealthPublisher | None = None
        self._stop, self._drain = threading.Event(), True
        self._thread: threading.Thread | None = None
        # Not the thread's own join: interrupted by Ctrl-C, it takes a running thread for a dead one (before 3.13).
        self._ended = threading.Event()

    @property
    def state(self) -> str:
        """One of `streamkit.lsl.health.State`."""
        return self.health.state

    @property
    def counts(self) -> dict[str, int]:
        """Samples, markers and predictions so far, and what became of the windows."""
        return self._n | (dict(self._rig.pipeline.counts) if self._rig else {})

    @property
    def source_ids(self) -> dict[str, str]:
        """Source ids of the session's streams by what they carry."""
        kinds = [wire.PREDICTION, wire.DECISIONS, wire.LATENCY, wire.HEALTH]
        return {k: wire.source_id(self.name, self.uid, k) for k in (*kinds, *([wire.SHOWN] if self._stimuli else []))}

    @property
    def inputs(self) -> tuple[StreamSpec, ...]:
        """The signal stream and the marker streams, once they are found and the model is loaded; empty before."""
        return (self._rig.signal.spec, *(inlet.spec for inlet in self._rig.markers)) if self._rig else ()

    def start(self) -> None:
        """Begin, in a thread; returns at once. The streams appear one after the other, health first."""
        if self._thread is not None:
            raise StreamkitError("this session was started before; make a new one")
        self._thread = threading.Thread(target=self._main, name=f"{self.name} session", daemon=True)
        self._thread.start()

    def stop(self, drain: bool = True) -> None:
        """End the session and wait for it.

        Parameters
        ----------
        drain
            First decode everything stamped before this moment, and what can be said about pending events.
        """
        self._drain = drain
        self._stop.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._ended.wait()

    def join(self, timeout: float | None = None) -> bool:
        """Wait until the session has ended; False when `timeout` seconds ran out first.

        Raises
        ------
        StreamkitError
            What ended it, unless it was stopped.
        """
        if self._thread is not None and not self._ended.wait(timeout):
            return False
        if self.error is not None:
            raise self.error
        return True

    def run(self, duration: float | None = None) -> None:
        """Start, decode for `duration` seconds of live time (for ever by default), stop; raises as `join` does."""
        self.start()
        try:
            while self.state in ("searching", "connecting") and not self.join(PULL_S):
                pass
            self.join(duration)
        finally:
            self.stop()
        self.join()

    def _main(self) -> None:
        try:
            self._publisher = HealthPublisher(self.health, *self._called(wire.HEALTH))
            self._work(self._publisher)
            self.health.enter("stopped")
        except _Stopped:
            self.health.enter("stopped", "before it was live")
        except ContractMismatch as error:
            self._fail("refused", error)
        except StreamLost as error:
            self._fail("lost", error)
        except StreamkitError as error:
            self._fail("failed", error)
        except Exception as error:
            wrapped = StreamkitError(f"decoding failed: {type(error).__name__}: {error}")
            wrapped.__cause__ = error
            self._fail("failed", wrapped)
        finally:
            try:
                self._leave()
            except Exception as error:
                self.error = self.error or StreamkitError(f"closing failed: {type(error).__name__}: {error}")
            finally:
                self._ended.set()

    def _work(self, publisher: HealthPublisher) -> None:
        signal = self._find_signal()
        markers = self._find_markers(signal)
        self._enter("connecting", "loading the model")
        runner = self.bundle.open_runner(self.backend, self._threads)
        try:
            self.backend = runner.backend
            self._rig = rig = self._build(signal, markers, runner)
            self._await_clients(rig)
            rig.open()
            self.health.stall_after = max(STALL_S, 2.5 / signal.spec.sfreq if signal.spec.sfreq else 0.0)
            # What was loaded until here lives as long as the session: keep the collector from walking it.
            gc.collect()
            gc.freeze()
            self.health.enter("live")
            self._decode(rig, publisher)
        finally:
            gc.unfreeze()
            runner.close()

    def _find_signal(self) -> SignalInlet:
        self._enter("searching", f"looking for {self._stream or 'a signal stream'!r}")
        expected = self.bundle.contract.stream
        inlet = SignalInlet(await_signal(self._stream, expected, self._resolve_timeout, self._tick))
        check(expected, inlet.spec)
        return inlet

    def _find_markers(self, signal: SignalInlet) -> list[MarkerInlet]:
        required = self.bundle.contract.window.mode == "event"
        if not required and self._markers is None and self._stimuli is None:
            return []  # a continuous decoder has no use for them
        found = await_markers(self._markers, signal.spec, self._resolve_timeout, self._tick, required=required)
        return [MarkerInlet(info) for info in found]

    def _build(self, signal: SignalInlet, markers: list[MarkerInlet], runner: Runner) -> _Rig:
        contract = self.bundle.contract
        picks = channel_picks(contract.stream, signal.spec)
        pipeline = Pipeline(contract.stream, contract.preprocess, contract.window, runner, picks=picks)
        keys = self._keys(signal, runner.backend)
        broadcast = Broadcast(self.name, self.uid, contract.output, keys, self.ledger)
        shown = self._stimuli and open_stimuli(self._stimuli, contract.output, *self._called(wire.SHOWN), keys)
        return _Rig(signal, markers, pipeline, broadcast, shown or None)

    def _keys(self, signal: SignalInlet, backend: str) -> dict[str, Any]:
        simulated = signal.spec.description.get("simulated") == "true" or self.bundle.provenance.simulated
        return {
            "simulated": simulated,
            "bundle": Path(self.bundle.path).name,
            "hash": self.bundle.hash,
            "backend": backend,
            "target": signal.spec.source_id or signal.spec.name,
        }

    def _await_clients(self, rig: _Rig) -> None:
        if not self._wait_for_clients:
            return
        self._enter("connecting", "waiting for a client")
        while not rig.broadcast.prediction.wait_for_consumers(PULL_S):
            self._tick()
        rig.broadcast.decisions.wait_for_consumers(2.0)  # a client opens its inlets one after the other

    def _decode(self, rig: _Rig, publisher: HealthPublisher) -> None:
        wait = MARKER_S if rig.markers else PULL_S
        while not self._stop.is_set():
            self._step(rig, wait)
            publisher.tick(self.counts)
        if self._drain:
            self._empty(rig, pylsl.local_clock())
            self._publish(rig, rig.pipeline.finish())

    def _empty(self, rig: _Rig, until: float) -> None:
        """Decode on until nothing comes any more, or nothing stamped before `until` can be waiting."""
        timeout = DRAIN_S
        while (newest := self._step(rig, timeout)) is not None:
            timeout = 0.0 if newest > until else DRAIN_S

    def _step(self, rig: _Rig, timeout: float) -> float | None:
        """Decode what has come; returns the stamp of the newest sample, None when none came."""
        chunk = rig.signal.pull(timeout)
        for inlet in rig.markers:
            for event in inlet.pull():
                self._n["markers"] += 1
                if rig.shown is not None:
                    rig.shown.push(event)
                self._publish(rig, rig.pipeline.push_event(event))
        self.health.saw_samples(len(chunk))
        if not len(chunk):
            return None
        self._n["samples"] += len(chunk)
        self._publish(rig, rig.pipeline.push(chunk))
        return float(chunk.stamps[-1])

    def _publish(self, rig: _Rig, predictions: Iterable[Prediction]) -> None:
        for prediction in predictions:
            rig.broadcast.publish(prediction)
            self._n["predictions"] += 1
            if self._on_prediction is not None:
                self._on_prediction(prediction)

    def _enter(self, state: Any, message: str = "") -> None:
        self.health.enter(state, message)
        self._tick()

    def _tick(self) -> None:
        if self._publisher is not None:
            self._publisher.tick(self.counts)
        if self._stop.is_set():
            raise _Stopped

    def _fail(self, state: Any, error: StreamkitError) -> None:
        self.error = error
        self.health.enter(state, str(error))

    def _leave(self) -> None:
        """Say how it ended and let clients receive it: an outlet that goes away takes unsent samples with it."""
        heard = self._rig is not None and self._rig.broadcast.has_consumers
        if self._publisher is not None:
            self._publisher.tick(self.counts)
            if heard or self._publisher.outlet.has_consumers:
                time.sleep(LINGER_S)
            self._publisher.outlet.close()
        if self._rig is not None:
            self._rig.close()

    def _called(self, what: str) -> tuple[str, str]:
        return wire.stream_name(self.name, what), wire.source_id(self.name, self.uid, what)


def _hop(bundle: ModelBundle) -> float | None:
    """Seconds between predictions of a continuous decoder."""
    hop = bundle.contract.window.hop
    return hop / bundle.contract.processed.sfreq if hop else None
