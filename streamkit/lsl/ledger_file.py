"""``ledger.csv``: one row per prediction, where its time went."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator
from pathlib import Path

from streamkit.errors import DiskError
from streamkit.ledger import STAGES, STAMPS, stages_ms
from streamkit.lsl.mailbox import Mailbox
from streamkit.recording.append import AppendFile
from streamkit.types import Prediction

_TIMES = (*(f"t_{name}" for name in STAMPS), *(f"{name}_ms" for name in STAGES))
COLUMNS = ("seq", "event", "valid", *_TIMES, "backlog", "steps")
"""Stamps are seconds on the LSL clock, stages milliseconds, `backlog` the samples that waited when it left, `steps` how
many it took, empty where the model repeats nothing."""

BURST = 16


class LedgerFile:
    """Writes the ledger of every prediction to a CSV file; a `streamkit.lsl.scribe.Book`.

    Parameters
    ----------
    path
        A file that does not exist yet.

    Raises
    ------
    RecordingError
        When the file exists or cannot be created.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._box: Mailbox[tuple[Prediction, int]] = Mailbox()
        self._file = AppendFile(path)
        self._append([COLUMNS])

    def prediction(self, prediction: Prediction, backlog: int) -> None:
        """Take in one published prediction; never waits."""
        self._box.put((prediction, backlog))

    def write(self) -> Iterator[None]:
        """Write the rows that have come."""
        while rows := [row(*item) for item in self._box.take(BURST)]:
            self._append(rows)
            yield

    def close(self) -> Iterator[None]:
        """Write the last rows and close the file."""
        yield from self.write()
        self._file.close()
        if self._box.lost:
            raise DiskError(f"{self.path} lacks {self._box.lost} rows, because the disk did not keep up")

    def _append(self, rows: list[tuple[object, ...]]) -> None:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(rows)
        self._file.append(text.getvalue().encode())


def row(prediction: Prediction, backlog: int) -> tuple[object, ...]:
    """One row of `COLUMNS`."""
    event = "" if prediction.event is None else prediction.event.label
    stamps = (repr(float(prediction.timing.get(name, math.nan))) for name in STAMPS)
    stages = (f"{duration:.4f}" for duration in stages_ms(prediction.timing))
    steps = "" if prediction.steps is None else prediction.steps
    return (prediction.seq, event, int(prediction.valid), *stamps, *stages, backlog, steps)
