"""What follows an event whose stimulus is known: the predicted epoch beside the recorded one, and their correlation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pylsl
from numpy.typing import NDArray

from streamkit.bundle import ModelBundle
from streamkit.encoding import Correlation, Predictor, RunningCorrelation
from streamkit.ledger import Ledger
from streamkit.lsl.epochs import EpochBroadcast
from streamkit.types import Prediction, Window


@dataclass(frozen=True)
class Epoch:
    """A predicted epoch beside the recorded one.

    Attributes
    ----------
    prediction
        Its `values` are predicted, ``(n_chans, n_times)``; stamps, event and timing are those of the epoch.
    recorded
        ``(n_times, n_chans)``.
    correlation
        Over this and the epochs before it, but for invalid ones.
    """

    prediction: Prediction
    recorded: NDArray[np.float32]
    correlation: Correlation


class Encoding:
    """Predicts, compares, publishes; the errands of a session.

    Parameters
    ----------
    predictor
        Says what the brain should do; closed by `close`.
    broadcast
        Where it is published; closed by `close`.
    ledger
        Accounts for every published epoch.
    clock
        Seconds on the LSL clock.

    Attributes
    ----------
    latest, others
        The correlation so far; and that of recorded epochs with what was predicted for the stimulus before, where that
        was another one: chance, for whoever predicts does not know which stimulus it is, only that there was one.
    on_epoch
        Called with every published epoch, on the thread that does the errand.
    published
        How many.
    """

    def __init__(
        self,
        predictor: Predictor,
        broadcast: EpochBroadcast,
        ledger: Ledger,
        clock: Callable[[], float] = pylsl.local_clock,
    ) -> None:
        self.broadcast, self.published = broadcast, 0
        self.on_epoch: list[Callable[[Epoch], None]] = []
        self._predictor, self._ledger, self._clock = predictor, ledger, clock
        self._running = RunningCorrelation(broadcast.predicted.spec.n_chans)
        self._beside = RunningCorrelation(broadcast.predicted.spec.n_chans)
        self._before: tuple[str, NDArray[np.float32]] | None = None
        self.latest, self.others = self._running.now(), self._beside.now()

    def errand(self, window: Window) -> Iterator[None]:
        """Predict the epoch that `window` holds as recorded, compare and publish, in short bursts."""
        if window.event is None or window.stamps is None:
            raise ValueError("an epoch belongs to an event and has stamps")
        started = self._clock()
        predicted = self._predictor.predict(window.event.label)
        timing = window.timing | {"window": started, "infer_start": started, "infer_end": self._clock()}
        yield
        recorded = np.asarray(window.data, np.float32)
        self.broadcast.publish(predicted, recorded, window.stamps)
        timing["publish"] = self._clock()
        self._ledger.add(timing)
        yield
        if window.valid:
            self._running.add(predicted, recorded)
            self.latest = self._running.now()
            yield
            self._compare_others(window.event.label, predicted, recorded)
        yield
        self._report(window)
        values = predicted.T
        prediction = Prediction(values, window.stamp, window.last, self.published, window.event, window.valid, timing)
        self.published += 1
        for listener in self.on_epoch:
            listener(Epoch(prediction, recorded, self.latest))

    def _compare_others(self, label: str, predicted: NDArray[np.float32], recorded: NDArray[np.float32]) -> None:
        """Hold the recorded epoch against what was predicted for another stimulus."""
        before = self._before
        if before is not None and before[0] != label:
            self._beside.add(before[1], recorded)
            self.others = self._beside.now()
        self._before = label, predicted

    def _report(self, window: Window) -> None:
        event, found = window.event, self.latest
        stimulus = -1 if event is None else self._predictor.row(event.label)
        stamp = float("nan") if event is None else event.stamp
        facts = (stimulus, stamp, window.last, window.valid, found.n)
        self.broadcast.report(facts, (found.r, found.low, found.high, self.others.r), window.stamp)

    def close(self) -> None:
        """End the streams."""
        self.broadcast.close()


def build_encoding(
    bundle: ModelBundle, name: str, uid: str, predictor: Predictor | None, keys: dict[str, Any], ledger: Ledger
) -> Encoding | None:
    """Put new outlets behind what predicts; None where nothing does."""
    spec = bundle.contract.encoding
    if predictor is None or spec is None:
        return None
    processed = bundle.contract.processed
    broadcast = EpochBroadcast(name, uid, processed, spec.n_times, spec.tmin, spec.labels, keys)
    return Encoding(predictor, broadcast, ledger)
