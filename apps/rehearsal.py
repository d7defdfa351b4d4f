"""A rehearsal: a recording replayed over LSL, decoded live, and collected by a client, each in its own process.

`verify --over lsl`, the demo and the soak benchmark are all rehearsals.
"""

from __future__ import annotations

import json
import signal
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import numpy as np
import pylsl

from apps.epoch_client import EpochClient
from streamkit.bundle import EncodingSpec, ModelBundle, contract_signals, load_bundle
from streamkit.errors import StreamkitError, StreamLost
from streamkit.inference import Wish, Wishes
from streamkit.lsl.discovery import find, find_one
from streamkit.lsl.wire import DECISIONS, PREDICTION, source_id
from streamkit.recording import Recording, read_recording
from streamkit.replay import Replay
from streamkit.session import Session
from streamkit.types import Event as StreamEvent
from streamkit.verify import Answer

START_S = 60.0
"""How long processes may take to start and find each other."""


@dataclass(frozen=True)
class Cast:
    """Who plays: names under which the streams of one rehearsal are found.

    Attributes
    ----------
    replay
        Base of the replayed streams' source ids.
    session, uid
        Name and unique id of the live session.
    """

    replay: str = field(default_factory=lambda: f"replay-{uuid.uuid4().hex[:8]}")
    session: str = "streamkit"
    uid: str = field(default_factory=lambda: uuid.uuid4().hex[:8])


@dataclass(frozen=True)
class Rehearsal:
    """What a client received, and what the session says of itself.

    Attributes
    ----------
    answer
        The predictions as a client received them, stamps on the recording's clock.
    latency
        ``Ledger.summary()`` of the session.
    received_latency
        ``(n_predictions,)`` seconds from the last input sample's stamp to the client's hands.
    counts
        The session's counters.
    shift
        LSL clock minus recording clock, seconds.
    wishes
        To run each graph as the session did.
    """

    answer: Answer
    latency: dict[str, Any]
    received_latency: np.ndarray
    counts: dict[str, Any]
    shift: float
    wishes: dict[str, Wish]


@dataclass(frozen=True)
class Parts:
    """Queries for the streams that the session reads: primary, side streams in the contract's order, markers."""

    stream: str
    also: tuple[str, ...]
    markers: str | None

    @classmethod
    def of(cls, bundle: ModelBundle, recording: Recording, cast: Cast) -> Parts:
        """Name what a replay of `recording` publishes."""
        signal, sides = contract_signals(bundle.contract, recording)
        names = [side.spec.name if side else "not recorded" for side in sides]
        return cls(
            f"source_id={cast.replay}/{signal.spec.name}",
            tuple(f"source_id={cast.replay}/{name}" for name in names),
            f"source_id={cast.replay}/*" if recording.markers else None,
        )


@dataclass(frozen=True)
class Cues:
    """What the processes of a rehearsal tell each other.

    The session listens; begin to play; the play is over; the session has ended, so the streams may go.
    """

    listening: Event
    begin: Event
    over: Event
    ended: Event


def _play(recording: Path, cast: Cast, speed: float, cues: Cues, pipe: Connection) -> None:
    """Child process: replay on cue."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends its children
    try:
        replay = Replay(read_recording(recording), base=cast.replay, speed=speed, linger=START_S, go=cues.begin)
        threading.Thread(target=_stay, args=(replay, cues, pipe), daemon=True).start()
        replay.run()
    except Exception as error:  # the parent re-raises it
        pipe.send({"error": f"{error}", "kind": type(error).__name__})


def _stay(replay: Replay, cues: Cues, pipe: Connection) -> None:
    """Say when all is sent, and stay in reach until the session has ended: it would call its stream lost."""
    replay.sent.wait()
    pipe.send({"shift": replay.shift})
    cues.ended.wait()
    replay.stop()


def _decode(bundle: Path, cast: Cast, parts: Parts, backend: Wishes, cues: Cues, pipe: Connection) -> None:
    """Child process: a live session until the play is over."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        session = Session(
            load_bundle(bundle),
            stream=parts.stream,
            also=parts.also,
            markers=parts.markers,
            backend=backend,
            name=cast.session,
            uid=cast.uid,
            wait_for_clients=True,
            resolve_timeout=START_S,
        )
        session.start()
        while session.state != "live" and not session.join(0.02):
            pass
        cues.listening.set()
        while not cues.over.is_set() and not session.join(0.2):
            pass
        session.stop(drain=True)
        with suppress(StreamLost):  # the play is over, its streams may be gone
            session.join()
        wishes = {name: choice.wish for name, choice in session.choices.items()}
        pipe.send({"ledger": session.ledger.summary(), "counts": dict(session.counts), "wishes": wishes})
    except Exception as error:  # the parent re-raises it
        pipe.send({"error": f"{error}", "kind": type(error).__name__})


class Client:
    """Reads predictions and decisions of one session from LSL, as any other program would."""

    def __init__(
        self, cast: Cast, still_coming: Callable[[], None] = lambda: None, encoding: EncodingSpec | None = None
    ) -> None:
        self.epochs: EpochClient | None = None
        if encoding is not None:
            self.epochs = EpochClient(
                lambda what: self._open(source_id(cast.session, cast.uid, what), still_coming),
                encoding.n_times,
                encoding.labels,
            )
        self._decisions = self._open(source_id(cast.session, cast.uid, DECISIONS), still_coming)
        # Last: a session that waits for its clients begins as soon as somebody reads its predictions.
        self._values = self._open(source_id(cast.session, cast.uid, PREDICTION), still_coming)
        self.backend = self._values.info().desc().child("streamkit").child_value("backend")
        self.values: list[np.ndarray] = []
        self.decisions: list[dict[str, Any]] = []
        self.received: list[float] = []
        self.stamps: list[float] = []

    @property
    def whole(self) -> bool:
        """Whether what belongs together has all come."""
        return len(self.decisions) >= len(self.values) and (self.epochs is None or self.epochs.whole)

    @staticmethod
    def _open(source: str, still_coming: Callable[[], None]) -> pylsl.StreamInlet:
        deadline = time.monotonic() + START_S
        while not (found := find(f"source_id={source}", timeout=0.5)) and time.monotonic() < deadline:
            still_coming()
        inlet = pylsl.StreamInlet(found[0] if found else find_one(f"source_id={source}", timeout=0.5))
        inlet.open_stream(timeout=START_S)
        return inlet

    def drain(self, timeout: float = 0.0) -> int:
        """Take what has come, waiting up to `timeout` seconds for the first; returns how many predictions."""
        sample, stamp = self._values.pull_sample(timeout=timeout)
        taken = 0
        while sample is not None:
            self.received.append(pylsl.local_clock())
            self.values.append(np.asarray(sample, np.float32))
            self.stamps.append(stamp)
            taken += 1
            sample, stamp = self._values.pull_sample(timeout=0.0)
        texts, _ = self._decisions.pull_chunk(timeout=0.0)
        self.decisions += [json.loads(text[0]) for text in texts or []]
        return taken + (self.epochs.drain() if self.epochs else 0)


def rehearse(
    bundle_path: Path,
    recording_path: Path,
    *,
    backend: Wishes = "auto",
    speed: float = 1.0,
    cast: Cast | None = None,
    played: Path | None = None,
    on_tick: Callable[[int], None] = lambda n: None,
) -> Rehearsal:
    """Play `recording_path` through a live session of `bundle_path` over LSL and collect what comes out.

    Parameters
    ----------
    bundle_path, recording_path
        What to run and on what.
    backend
        What the session is to run with; a word is a backend.
    speed
        Replay speed; 1 is real time.
    cast
        Names to use; unique ones by default.
    played
        What is really played, when it is not the recording itself (to test the tester).
    on_tick
        Called about ten times a second with the number of predictions so far.

    Raises
    ------
    StreamkitError
        When one of the processes fails; with its message.
    """
    cast = cast or Cast()
    bundle, recording = load_bundle(bundle_path), read_recording(played or recording_path)
    parts = Parts.of(bundle, recording, cast)
    context = get_context("spawn")
    cues = Cues(context.Event(), context.Event(), context.Event(), context.Event())
    stage, stage_end = context.Pipe(duplex=False)
    booth, booth_end = context.Pipe(duplex=False)
    player = context.Process(target=_play, args=(played or recording_path, cast, speed, cues, stage_end), daemon=True)
    decoder = context.Process(target=_decode, args=(bundle_path, cast, parts, backend, cues, booth_end), daemon=True)
    for process, child_end in ((player, stage_end), (decoder, booth_end)):
        process.start()
        child_end.close()
    try:
        client = Client(cast, lambda: _fail_early(stage, booth), bundle.contract.encoding)
        while not cues.listening.wait(0.1):
            _fail_early(stage, booth)
        cues.begin.set()
        _watch(client, stage, booth, on_tick)
        shift = _result(stage, "replay")["shift"]
        cues.over.set()
        report = _finish(client, booth)
        cues.ended.set()
    except BaseException:
        for process in (player, decoder):
            process.terminate()
        raise
    for process in (player, decoder):
        process.join(10)
        if process.is_alive():
            process.terminate()
    return _collect(client, report, shift, speed, bundle)


def _fail_early(stage: Connection, booth: Connection) -> None:
    """Raise what ended the replay or the session before either should have ended."""
    for pipe, who in ((booth, "live session"), (stage, "replay")):
        if pipe.poll():
            _result(pipe, who)
            raise StreamkitError(f"the {who} ended before anything was decoded")


def _watch(client: Client, stage: Connection, booth: Connection, on_tick: Callable[[int], None]) -> None:
    """Collect until the replay has ended; fail at once when the session does."""
    while not stage.poll():
        client.drain(timeout=0.1)
        on_tick(len(client.values))
        if booth.poll():
            _result(booth, "live session")
            raise StreamkitError("the live session ended before the replay did")


def _finish(client: Client, booth: Connection) -> dict[str, Any]:
    deadline = time.monotonic() + START_S
    while not booth.poll():
        client.drain(timeout=0.1)
        if time.monotonic() > deadline:
            raise StreamkitError(f"the live session did not stop within {START_S:g} s")
    report = _result(booth, "live session")
    while client.drain(timeout=0.3) or (not client.whole and time.monotonic() < deadline):
        pass
    return report


def _epochs(client: Client, report: dict[str, Any], shift: float, speed: float, bundle: ModelBundle) -> Answer | None:
    encoding = bundle.contract.encoding
    if client.epochs is None or encoding is None:
        return None
    return client.epochs.answer(report["wishes"][encoding.graph].backend, shift, speed)


def _result(pipe: Connection, who: str) -> dict[str, Any]:
    try:
        message: dict[str, Any] = pipe.recv()
    except EOFError:
        raise StreamkitError(f"the {who} process ended without a word; run it by itself to see why") from None
    if "error" in message:
        raise StreamkitError(f"the {who} failed: {message['kind']}: {message['error']}")
    return message


def _collect(client: Client, report: dict[str, Any], shift: float, speed: float, bundle: ModelBundle) -> Rehearsal:
    if len(client.decisions) != len(client.values):
        raise StreamkitError(
            f"a client received {len(client.values)} predictions and {len(client.decisions)} decisions, not as many"
        )
    events = tuple(
        None if d["event"] is None else StreamEvent(d["event"], (d["event_stamp"] - shift) * speed)
        for d in client.decisions
    )
    stamps = np.array(client.stamps, np.float64)
    answer = Answer(
        backend=client.backend,
        values=np.array(client.values, np.float32).reshape(-1, *bundle.contract.output.shape),
        stamps=(stamps - shift) * speed,
        last=np.array([d["last"] for d in client.decisions], np.int64),
        events=events,
        steps=tuple(d["steps"] for d in client.decisions),
        epochs=_epochs(client, report, shift, speed, bundle),
    )
    received = np.array(client.received) - stamps
    return Rehearsal(answer, report["ledger"], received, report["counts"], shift, report["wishes"])
