"""Session: finds the streams, goes live, says how it is doing, and ends in good order."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from streamkit.bundle import ModelBundle
from streamkit.encoding import Correlation, Predictor
from streamkit.errors import ContractMismatch, StreamkitError, StreamLost
from streamkit.inference import Choice
from streamkit.inference.wish import backend_of
from streamkit.ledger import Ledger
from streamkit.lsl import wire
from streamkit.lsl.health import Health, HealthPublisher
from streamkit.lsl.times import TimeReport
from streamkit.lsl.watchdog import Watchdog
from streamkit.patience import wait_for
from streamkit.priority import Priority
from streamkit.session.books import Books
from streamkit.session.loop import DecodeLoop
from streamkit.session.options import SessionOptions
from streamkit.session.rig import Rig, build_rig, find_markers, find_sides, find_signal, read_images, session_keys
from streamkit.types import Prediction, StreamSpec

PULL_S = 0.1
"""Longest wait for a sample before health and the wish to stop are looked at."""

MARKER_S = 0.005
"""The same where there are markers: one that comes just after the sample it belongs to waits no longer than this."""

LINGER_S = 1.0


class _Stopped(Exception):
    """The session was told to stop before it was live."""


class Session:
    """Decode one live stream with one bundle; everything that leaves is an LSL stream (`streamkit.lsl.wire`).

    Parameters
    ----------
    bundle
        What to decode with; its contract decides which streams are accepted.
    on_prediction
        Called with every published prediction, on the decoding thread: it must be quick.
    on_warning
        Called with a line for everything that is not as it should be although decoding goes on, on any thread.
    on_state
        Called with every new state and its message, on the decoding thread.
    **options
        As `SessionOptions` has them.

    Attributes
    ----------
    health
        State, since when, and why.
    error
        What ended the session; None when nothing did.
    backend, choices
        Name of the backend in use, and what runs each graph and why, once the model is loaded.
    ledger, epoch_ledger
        Latency so far, of predictions; of predicted epochs, from the newest sample of the recorded one.
    priority
        How the decoding thread is scheduled.

    Notes
    -----
    Everything up to an answer is done by one thread. A second busy Python thread would cost up to 5 ms per prediction
    (CPython's switch interval), so a caller only waits while a session runs, and what follows an answer
    (`streamkit.session.errands`) is cut into bursts far shorter than that.
    """

    def __init__(
        self,
        bundle: ModelBundle,
        *,
        on_prediction: Callable[[Prediction], None] | None = None,
        on_warning: Callable[[str], None] | None = None,
        on_state: Callable[[str, str], None] | None = None,
        **options: Any,
    ) -> None:
        self.bundle = bundle
        self.options = SessionOptions(**options)
        self.health = Health(on_warning=on_warning, on_state=on_state)
        self.error: StreamkitError | None = None
        self.priority = Priority(self.options.real_time)
        self.backend = backend_of(self.options.backend)
        self.choices: Mapping[str, Choice] = {}
        self.ledger = Ledger(bundle.cadence if self.options.budget is None else self.options.budget)
        self.epoch_ledger = Ledger(None)
        self._on_prediction = on_prediction
        self._rig: Rig | None = None
        self._loop: DecodeLoop | None = None
        self._books: Books | None = None
        self._publisher: HealthPublisher | None = None
        self._stop, self._drain = threading.Event(), True
        self._thread: threading.Thread | None = None
        # Not the thread's own join: interrupted by Ctrl-C, it takes a running thread for a dead one (before 3.13).
        self._ended = threading.Event()

    @property
    def name(self) -> str:
        """What the session's streams are called."""
        return self.options.name

    @property
    def uid(self) -> str:
        """What tells it from other sessions of its name."""
        return self.options.uid

    @property
    def state(self) -> str:
        """One of `streamkit.lsl.health.State`."""
        return self.health.state

    @property
    def counts(self) -> dict[str, int]:
        """Samples, markers and predictions so far, and what became of the windows."""
        if self._loop is None or self._rig is None:
            return {"samples": 0, "markers": 0, "predictions": 0}
        own = {"frozen": self.health.frozen}
        return self._loop.counts | self._rig.pipeline.counts | self._rig.counts | own

    @property
    def unwritten(self) -> tuple[str, ...]:
        """What of the recording and the ledger could not be written, in words; final once the session has ended."""
        return tuple(self._books.problems) if self._books else ()

    @property
    def source_ids(self) -> dict[str, str]:
        """Source ids of the session's streams by what they carry."""
        kinds = [wire.PREDICTION, wire.DECISIONS, wire.LATENCY, wire.HEALTH]
        kinds += [wire.SHOWN] if self.options.stimuli else []
        kinds += [wire.PREDICTED, wire.RECORDED, wire.ENCODING] if self.bundle.contract.encoding else []
        kinds += [wire.CANDIDATES] if self.bundle.contract.gallery else []
        return {kind: wire.source_id(self.name, self.uid, kind) for kind in kinds}

    @property
    def correlation(self) -> Correlation | None:
        """How well predicted and recorded epochs agree so far; None where the bundle predicts none."""
        encoding = self._rig.encoding if self._rig else None
        return encoding.latest if encoding else None

    @property
    def correlation_with_others(self) -> Correlation | None:
        """The same with predictions for other stimuli: what chance gets."""
        encoding = self._rig.encoding if self._rig else None
        return encoding.others if encoding else None

    @property
    def inputs(self) -> tuple[StreamSpec, ...]:
        """Every stream that is read, the primary one first, once they are found; empty before."""
        return self._rig.inputs if self._rig else ()

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
            First decode all that has come or is stamped before this moment, and what can be said about pending events.
            It ends although the source goes on.
        """
        self._drain = drain
        self._stop.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            wait_for(self._ended)

    def join(self, timeout: float | None = None) -> bool:
        """Wait until the session has ended; False when `timeout` seconds ran out first.

        Raises
        ------
        StreamkitError
            What ended it, unless it was stopped.
        """
        if self._thread is not None and not wait_for(self._ended, timeout):
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
            self._publisher = HealthPublisher(
                self.health,
                wire.stream_name(self.name, wire.HEALTH),
                wire.source_id(self.name, self.uid, wire.HEALTH),
            )
            self._work(self._publisher)
            self._stopped()
        except _Stopped:
            self.health.enter("stopped", "before it was live")
        except ContractMismatch as error:
            self._fail("refused", error)
        except StreamLost as error:
            self._fail("lost", error)
        except StreamkitError as error:
            self._fail("failed", error)
        except BaseException as error:  # a callback may try to end this thread: no session ends in silence
            wrapped = StreamkitError(f"decoding failed: {type(error).__name__}: {error}")
            wrapped.__cause__ = error
            self._fail("failed", wrapped)
        finally:
            try:
                self._leave()
            except BaseException as error:
                self.error = self.error or StreamkitError(f"closing failed: {type(error).__name__}: {error}")
            finally:
                self._ended.set()

    def _work(self, publisher: HealthPublisher) -> None:
        images = read_images(self.bundle, self.options)  # before the wait for streams: what is wrong is said at once
        self._enter("searching", f"looking for {self.options.stream or 'a signal stream'!r}")
        signal = find_signal(self.bundle, self.options, self._tick)
        sides = find_sides(self.bundle, self.options, signal.spec, self._tick)
        markers = find_markers(self.bundle, self.options, signal.spec, sides, self._tick)
        self._enter("connecting", "loading the model")
        runner = self.bundle.open_runner(self.options.backend, strict=self.options.strict_backend)
        predictor: Predictor | None = None
        try:
            self.backend = runner.backend
            predictor = self.bundle.open_predictor(self.options.backend, strict=self.options.strict_backend)
            self._tell_choices({**runner.choices, **({predictor.spec.graph: predictor.choice} if predictor else {})})
            self.priority.claim()  # before the outlets and inlets: LSL's threads inherit it
            ledgers = self.ledger, self.epoch_ledger
            self._rig = rig = build_rig(
                self.bundle, self.options, signal, sides, markers, images, runner, predictor, ledgers
            )
            self._loop = DecodeLoop(rig, self.health, self.options.when_behind, self._on_prediction)
            if self.options.record is not None or self.options.ledger_file is not None:
                facts = session_keys(self.bundle, signal.spec, self.backend) | {"session": self.name, "uid": self.uid}
                self._books = self._loop.books = Books(self.options, rig, self.health, publisher, facts)
            self._await_clients(rig)
            rig.open()
            self.health.watchdog = Watchdog(self.options.watchdog, signal.spec.sfreq)
            # What was loaded until here lives as long as the session: keep the collector from walking it.
            gc.collect()
            gc.freeze()
            self.health.enter("live")
            self.priority.watch()  # what came before was loading
            self._decode(self._loop, MARKER_S if markers.wanted else PULL_S, publisher, TimeReport(signal))
        finally:
            self.priority.release()
            gc.unfreeze()
            if self._rig is not None and self._rig.errands is not None:
                self._rig.errands.close(drain=False)
            if predictor is not None:
                predictor.close()
            runner.close()

    def _tell_choices(self, choices: Mapping[str, Choice]) -> None:
        self.choices = choices
        self.health.tell(backends={name: choice.facts() for name, choice in choices.items()})
        for choice in choices.values():
            if choice.warning:
                self.health.warn(choice.warning)

    def _await_clients(self, rig: Rig) -> None:
        if not self.options.wait_for_clients:
            return
        self._enter("connecting", "waiting for a client")
        while not rig.broadcast.prediction.wait_for_consumers(PULL_S):
            self._tick()
        rig.broadcast.decisions.wait_for_consumers(2.0)  # a client opens its inlets one after the other

    def _decode(self, loop: DecodeLoop, wait: float, publisher: HealthPublisher, times: TimeReport) -> None:
        while not self._stop.is_set():
            loop.step(wait)
            times.tick(self.health)
            if publisher.due:
                self.priority.watch()
                publisher.tick(self.counts)
        if self._drain:
            self.health.watchdog = Watchdog()  # a source that has sent all is not stalled
            loop.finish()
        else:
            loop.end_errands(drain=False)
        self.health.tell(time=times.facts())

    def _enter(self, state: Any, message: str = "") -> None:
        self.health.enter(state, message)
        self._tick()

    def _tick(self) -> None:
        if self._publisher is not None:
            self._publisher.tick(self.counts)
        if self._stop.is_set():
            raise _Stopped

    def _stopped(self) -> None:
        """Told to stop: with an error when there was nothing to decode any more."""
        signal = self._rig.signal if self._rig else None
        if signal is None or signal.error is None:
            self.health.enter("stopped")
        else:
            self._fail(signal.state, signal.error)

    def _fail(self, state: Any, error: StreamkitError) -> None:
        self.error = error
        self.health.enter(state, str(error))

    def _leave(self) -> None:
        """Say how it ended and let clients receive it: an outlet that goes away takes unsent samples with it."""
        heard = self._rig is not None and self._rig.has_consumers
        if self._publisher is not None:
            self._publisher.tick(self.counts)
            if self._books is not None:
                self._books.close()
                self._publisher.tick(self.counts)
            if heard or self._publisher.outlet.has_consumers:
                time.sleep(LINGER_S)
            self._publisher.outlet.close()
        if self._rig is not None:
            self._rig.close()
