"""What a session writes to disk while it decodes: the recording, and the ledger of its predictions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from streamkit.lsl import wire
from streamkit.lsl.capture import Capture
from streamkit.lsl.health import Health, HealthPublisher
from streamkit.lsl.ledger_file import LedgerFile
from streamkit.lsl.outlet import Outlet
from streamkit.lsl.scribe import Scribe
from streamkit.lsl.supervised import SupervisedSignal
from streamkit.session.encoding import Encoding
from streamkit.session.options import SessionOptions
from streamkit.session.rig import Rig
from streamkit.types import Event, Prediction

LEDGER, EPOCHS = "ledger.csv", "epochs.csv"


class Books:
    """The recording and the ledger of one session; each where it was asked for.

    A disk that fails ends the writing, never the decoding: it is said in health, and kept in `problems`.

    Parameters
    ----------
    options
        Where to write.
    rig
        What is written, not yet open.
    health, publisher
        Where problems are said, and what is said there is kept.
    facts
        What is known about the session.

    Attributes
    ----------
    problems
        What could not be written, in words.

    Raises
    ------
    RecordingError
        When a place exists or cannot be made.
    """

    def __init__(
        self, options: SessionOptions, rig: Rig, health: Health, publisher: HealthPublisher, facts: Mapping[str, Any]
    ) -> None:
        self.problems: list[str] = []
        self._known = (0, 0)
        self._signals: list[SupervisedSignal] = []
        self._health, self._publisher, self._out = health, publisher, options.record
        self._ledgers = [] if options.ledger_file is None else [LedgerFile(options.ledger_file)]
        self._capture = None if self._out is None else self._captured(self._out, rig, facts)
        self._ledgers += [] if self._out is None else [LedgerFile(self._out / LEDGER)]
        captures = [] if self._capture is None else [self._capture]
        epochs = [] if self._out is None or rig.encoding is None else [self._epochs(self._out, rig.encoding)]
        self._scribe = Scribe([*captures, *self._ledgers, *epochs], self._failed)
        self._tell("writing")
        self._scribe.start()

    def follow(self, rig: Rig) -> None:
        """Take in the streams that have joined since the last call."""
        if self._capture is None or self._known == (now := (len(rig.sides.inlets), len(rig.markers.inlets))):
            return
        for inlet in rig.sides.inlets:
            if inlet not in self._signals:
                self._signals.append(inlet)
                self._capture.signal_joins(inlet)
        for markers in rig.markers.inlets[self._known[1] :]:
            self._capture.markers_join(markers)
        self._known = now

    def marker(self, number: int, event: Event) -> None:
        """Take in what the marker inlet of this number gave."""
        if self._capture is not None:
            self._capture.marker(number, event)

    def prediction(self, prediction: Prediction, backlog: int) -> None:
        """Take in a published prediction, and the samples that waited when it left."""
        if self._capture is not None:
            self._capture.prediction(prediction)
        for ledger in self._ledgers:
            ledger.prediction(prediction, backlog)

    def close(self) -> None:
        """Write the rest; returns when the files are whole, or could not be made so."""
        self._publisher.on_publish = None
        self._scribe.close()
        if not self.problems:
            self._tell("written")

    def _captured(self, out: Path, rig: Rig, facts: Mapping[str, Any]) -> Capture:
        others: dict[str, Outlet] = {wire.HEALTH: self._publisher.outlet}
        others |= {wire.SHOWN: rig.shown.outlet} if rig.shown else {}
        others |= rig.encoding.broadcast.outlets if rig.encoding else {}
        self._signals = list(rig.sides.inlets)
        self._known = (len(rig.sides.inlets), len(rig.markers.inlets))
        capture = Capture(out, [rig.signal, *rig.sides.inlets], rig.markers.inlets, rig.broadcast, others, facts)
        self._publisher.on_publish = capture.report(wire.HEALTH)
        if rig.shown is not None:
            rig.shown.on_push = capture.report(wire.SHOWN)
        if rig.encoding is not None:
            broadcast = rig.encoding.broadcast
            broadcast.on_push = {what: capture.report(what) for what in broadcast.outlets}
        return capture

    def _epochs(self, out: Path, encoding: Encoding) -> LedgerFile:
        """The ledger of the predicted epochs, in the same columns."""
        ledger = LedgerFile(out / EPOCHS)
        encoding.on_epoch.append(lambda epoch: ledger.prediction(epoch.prediction, 0))
        return ledger

    def _failed(self, problem: str) -> None:
        self.problems.append(problem)
        self._tell("failed", problem)
        self._health.warn(f"{problem} Decoding goes on.")

    def _tell(self, state: str, message: str = "") -> None:
        self._health.tell(recording={"state": state, "out": self._out and str(self._out), "message": message})
