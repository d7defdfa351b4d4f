"""A client of the epochs of one session: reads them from LSL, as any other program would."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pylsl
from numpy.typing import NDArray

from streamkit.errors import StreamkitError
from streamkit.lsl.epochs import FACTS
from streamkit.lsl.wire import ENCODING, PREDICTED, RECORDED
from streamkit.types import Event
from streamkit.verify import Answer

Open = Callable[[str], pylsl.StreamInlet]
MOST = 4096


class EpochClient:
    """Collects predicted and recorded epochs and what is said about each.

    Parameters
    ----------
    open_stream
        Opens the session's stream that carries what is named.
    n_times
        Samples of an epoch.
    labels
        Of the known stimuli.
    """

    def __init__(self, open_stream: Open, n_times: int, labels: tuple[str, ...]) -> None:
        self._n_times, self._labels = n_times, labels
        self._inlets = {what: open_stream(what) for what in (PREDICTED, RECORDED, ENCODING)}
        self._rows: dict[str, list[NDArray[np.float64]]] = {what: [] for what in self._inlets}
        self._stamps: dict[str, list[float]] = {what: [] for what in self._inlets}

    @property
    def whole(self) -> bool:
        """Whether every epoch that was begun has come to its end, on all streams."""
        n = len(self._stamps[ENCODING])
        return all(len(self._stamps[what]) == n * self._n_times for what in (PREDICTED, RECORDED))

    def drain(self) -> int:
        """Take what has come; returns how many samples."""
        taken = 0
        for what, inlet in self._inlets.items():
            while True:
                rows, stamps = inlet.pull_chunk(timeout=0.0, max_samples=MOST)
                if not stamps:
                    break
                self._rows[what] += [np.asarray(row, np.float64) for row in rows]
                self._stamps[what] += stamps
                taken += len(stamps)
        return taken

    def answer(self, backend: str, shift: float, speed: float) -> Answer:
        """What was received, stamps on the recording's clock.

        Raises
        ------
        StreamkitError
            When an epoch is not whole, or its predicted and recorded samples are not at the same instants.
        """
        if not self.whole or self._stamps[PREDICTED] != self._stamps[RECORDED]:
            counts = ", ".join(f"{len(stamps)} {what}" for what, stamps in self._stamps.items())
            raise StreamkitError(
                f"a client received samples that make no whole epochs of {self._n_times}, or other stamps on one side: "
                f"{counts}"
            )
        n_chans = self._inlets[PREDICTED].channel_count
        sides = [
            np.array(self._rows[what], np.float32).reshape(-1, self._n_times, n_chans).transpose(0, 2, 1)
            for what in (PREDICTED, RECORDED)
        ]
        facts = [dict(zip(FACTS, row, strict=False)) for row in self._rows[ENCODING]]
        return Answer(
            backend,
            np.stack(sides, axis=1),
            (np.array(self._stamps[ENCODING], np.float64) - shift) * speed,
            np.array([said["last"] for said in facts], np.int64),
            tuple(Event(self._labels[int(f["stimulus"])], (f["event_stamp"] - shift) * speed) for f in facts),
        )
