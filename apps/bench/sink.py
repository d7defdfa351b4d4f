"""The client of the latency job, a process of its own: receives predictions and notes when.

Says ``{"sink": "listening"}`` once it is subscribed. When nothing has come for a while after the first
prediction it writes ``received``, ``stamps`` and ``values`` to an ``.npz`` file and leaves.
"""

from __future__ import annotations

import sys

import numpy as np
import pylsl

from apps.bench.talk import say
from streamkit.priority import hurry

SILENCE_S = 2.0


def subscribe(source_id: str) -> pylsl.StreamInlet:
    """Open the stream called `source_id`, however long it takes to appear."""
    while not (found := pylsl.resolve_byprop("source_id", source_id, 1, 1.0)):
        pass
    inlet = pylsl.StreamInlet(found[0])
    inlet.open_stream()
    return inlet


def collect(inlet: pylsl.StreamInlet) -> tuple[list[float], list[float], list[list[float]]]:
    """Take predictions until they end; returns when each came, its stamp, and its values."""
    received: list[float] = []
    stamps: list[float] = []
    values: list[list[float]] = []
    while True:
        sample, stamp = inlet.pull_sample(timeout=SILENCE_S)
        now = pylsl.local_clock()
        if sample is not None:
            received.append(now)
            stamps.append(stamp)
            values.append(sample)
        elif received:
            return received, stamps, values


def main(source_id: str, out: str, steady: str = "") -> None:
    """Collect from one stream into one file; `steady` asks for real-time scheduling."""
    if steady:
        hurry()
    inlet = subscribe(source_id)
    say({"sink": "listening"})
    received, stamps, values = collect(inlet)
    np.savez(out, received=received, stamps=stamps, values=np.array(values, np.float32))


if __name__ == "__main__":
    main(*sys.argv[1:])
