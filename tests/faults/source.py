"""An amplifier as a process of its own, driven over a pipe, that does every wrong thing on demand.

It sends rows of `TABLE` at 250 Hz in chunks of five, numbered from the start, each chunk when its newest sample is due.
The process imports everything before it is asked to open its stream, so that a restart costs no import.
"""

from __future__ import annotations

import json
import select
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pylsl

from streamkit.lsl import MarkerOutlet, SignalOutlet
from streamkit.types import StreamSpec

WAIT_S = 30.0
SFREQ = 250.0
CHUNK = 5
TABLE = (10 * np.random.default_rng(0).standard_normal((15_000, 4))).astype(np.float32)
"""What is sent: sample number k is row k."""

NAMES = ("E0", "E1", "E2", "E3")


def row_numbers(data: np.ndarray) -> np.ndarray:
    """Which rows of `TABLE` these samples are; -1 for none."""
    numbers = {row.tobytes(): number for number, row in enumerate(TABLE)}
    return np.array([numbers.get(row.tobytes(), -1) for row in np.ascontiguousarray(data, np.float32)])


class Source:
    """The parent's end.

    Parameters
    ----------
    source_id
        Base of the source ids: ``source_id/amp`` and ``source_id/events``.
    """

    def __init__(self, source_id: str) -> None:
        self.source_id = source_id
        line = [sys.executable, "-m", "tests.faults.source", source_id]
        root = Path(__file__).parents[2]
        self.process = subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root)

    def __call__(self, do: str, **how: Any) -> dict[str, Any]:
        """Have something done; returns what the process says of it, ``at`` which LSL time above all."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"do": do} | how) + "\n")
        self.process.stdin.flush()
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer

    def kill(self) -> float:
        """SIGKILL; returns when, on the LSL clock."""
        now = pylsl.local_clock()
        self.process.kill()
        self.process.wait(WAIT_S)
        return now

    def close(self) -> None:
        """End the process and the pipes."""
        self.kill()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                stream.close()


class Amplifier:
    """The child's end: what is asked for, and what is sent."""

    def __init__(self, base: str) -> None:
        self.base = base
        self.outlet: SignalOutlet | None = None
        self.markers: MarkerOutlet | None = None
        self.number = 0
        self.due = 0.0
        self.sending = False
        self.n_wrong = 0
        self.period = 1 / SFREQ
        self.rng = np.random.default_rng(1)
        self.normal()

    def start(self, **spec: Any) -> None:
        """Open the streams; nothing is sent yet."""
        given = {"name": "amp", "type": "EEG", "ch_names": NAMES, "sfreq": SFREQ, "unit": "microvolts"} | spec
        self.outlet = SignalOutlet(StreamSpec(**given, source_id=f"{self.base}/amp"))
        self.markers = MarkerOutlet("events", f"{self.base}/events")

    def close(self) -> None:
        """End the streams, not the process."""
        for outlet in (self.outlet, self.markers):
            if outlet is not None:
                outlet.close()
        self.sending = False

    def run(self, past: int = 0, period: float = 1 / SFREQ) -> None:
        """Send from now on; first so many samples at once, stamped as if they had been sent in time."""
        assert self.outlet is not None
        now = pylsl.local_clock()
        self.sending, self.period, self.due = True, period, now + CHUNK * period
        self.outlet.push(TABLE[self.number : self.number + past], self.stamps(past, now))
        self.number += past

    def stamps(self, n_times: int, last: float) -> np.ndarray:
        """Stamps of samples the newest of which is due at `last`."""
        return last - np.arange(n_times)[::-1] * self.period + self.jitter * self.rng.uniform(size=n_times)

    def stall(self) -> None:
        """Send no more, and stay connected."""
        self.sending = False

    def normal(self) -> None:
        """Do nothing wrong any more."""
        self.back, self.jitter, self.drop, self.twice, self.bad = 0.0, 0.0, 0, 0, ""

    def wrong(self, **how: Any) -> None:
        """From now on: ``drop`` or ``twice`` every so many samples or chunks; ``back``, ``jitter`` s; ``bad`` value."""
        self.__dict__.update(how)
        self.n_wrong = 0

    def mark(self, label: str) -> None:
        """Send a marker stamped now."""
        assert self.markers is not None
        self.markers.push(label, pylsl.local_clock())

    def send(self) -> None:
        """One chunk, with what is wrong now."""
        assert self.outlet is not None
        numbers = self.number + np.arange(CHUNK)
        stamps = self.stamps(CHUNK, self.due - self.back)
        data = TABLE[numbers].copy()
        self.number += CHUNK
        kept = np.ones(CHUNK, bool) if not self.drop else numbers % self.drop != 0
        if self.bad:
            data[2, 1] = float(self.bad)
        repeated = self.twice and self.number // CHUNK % self.twice == 0
        for _ in range(2 if repeated else 1):
            self.outlet.push(data[kept], stamps[kept])
        self.n_wrong += int((~kept).sum()) + CHUNK * bool(repeated) + bool(self.bad)
        self.due += CHUNK * self.period


def main() -> None:
    """Obey and send."""
    amplifier = Amplifier(sys.argv[1])
    while True:
        late = amplifier.due - pylsl.local_clock() if amplifier.sending else WAIT_S
        if select.select([sys.stdin], [], [], max(0.0, late))[0]:
            line = sys.stdin.readline()
            if not line:
                return
            how = json.loads(line)
            getattr(amplifier, how.pop("do"))(**how)
            said = {"at": pylsl.local_clock(), "number": amplifier.number, "n_wrong": amplifier.n_wrong}
            sys.stdout.write(json.dumps(said) + "\n")
            sys.stdout.flush()
        elif amplifier.sending:
            amplifier.send()


if __name__ == "__main__":
    main()
