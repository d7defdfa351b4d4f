"""The streams of one session: predictions, decisions and latency, published together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pylsl

from streamkit.ledger import Ledger
from streamkit.lsl import wire
from streamkit.lsl.outlet import DecisionOutlet, LatencyOutlet, PredictionOutlet
from streamkit.types import OutputSpec, Prediction


class Broadcast:
    """Prediction, decision and latency outlets of one session.

    Parameters
    ----------
    name, uid
        Name and unique id of the session.
    output
        What the model's output means.
    keys
        Facts about the session, written into every description.
    ledger
        Accounts for every published prediction.
    clock
        Seconds on the LSL clock.
    """

    def __init__(
        self,
        name: str,
        uid: str,
        output: OutputSpec,
        keys: Mapping[str, Any],
        ledger: Ledger,
        clock: Callable[[], float] = pylsl.local_clock,
    ) -> None:
        self._ledger = ledger
        self._clock = clock

        def called(what: str) -> tuple[str, str]:
            return wire.stream_name(name, what), wire.source_id(name, uid, what)

        title, source_id = called(wire.PREDICTION)
        self.prediction = PredictionOutlet(title, output, source_id, keys)
        title, source_id = called(wire.DECISIONS)
        self.decisions = DecisionOutlet(title, output, source_id, keys)
        title, source_id = called(wire.LATENCY)
        self.latency = LatencyOutlet(title, source_id, keys)

    def publish(self, prediction: Prediction) -> None:
        """Send one prediction, note when it left, then send what is said about it."""
        self.prediction.push(prediction)
        prediction.timing["publish"] = self._clock()
        self.latency.push(self._ledger.add(prediction.timing), prediction.stamp)
        self.decisions.push_prediction(prediction)

    @property
    def has_consumers(self) -> bool:
        """Whether anybody listens to any of the streams."""
        return any(outlet.has_consumers for outlet in (self.prediction, self.decisions, self.latency))

    def close(self) -> None:
        """End the streams."""
        for outlet in (self.prediction, self.decisions, self.latency):
            outlet.close()
