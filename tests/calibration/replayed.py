"""What a session says while a held-out recording of its bundle is replayed to it."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np
import pylsl
from numpy.typing import NDArray

from calibration.calibrate import CalibrationResult
from streamkit.lsl import find_one
from streamkit.replay import Replay
from streamkit.session import Session


@dataclass(frozen=True)
class Said:
    """What came on the stream of predictions.

    Attributes
    ----------
    type, n_channels
        Of the stream.
    values, stamps
        ``(n, *shape)`` in the shape of the bundle's output, and ``(n,)`` seconds.
    """

    type: str
    n_channels: int
    values: NDArray[np.float64]
    stamps: NDArray[np.float64]


def said_live(result: CalibrationResult, replay: Replay, stream: str, markers: str | None, uid: str) -> Said:
    """Decode a replay live; `stream` and `markers` are names of the replay's streams."""
    session = Session(
        result.bundle,
        stream=f"source_id={replay.source_ids[stream]}",
        markers=f"source_id={replay.source_ids[markers]}" if markers else None,
        backend="onnxruntime",
        uid=uid,
        wait_for_clients=True,
    )
    running = threading.Thread(target=replay.run)
    running.start()
    session.start()
    inlet = pylsl.StreamInlet(find_one(f"source_id={session.source_ids['prediction']}", timeout=20.0))
    inlet.open_stream(20.0)
    values, stamps = [], []
    while running.is_alive() or not values:
        chunk, times = inlet.pull_chunk(0.5)
        values += chunk
        stamps += times
    running.join()
    session.stop()
    info = inlet.info()
    shaped = np.array(values).reshape(-1, *result.bundle.contract.output.shape)
    return Said(info.type(), info.channel_count(), shaped, np.array(stamps))
