"""What plain pylsl receives, and a short recording to send."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import pylsl

from streamkit.recording import Markers, Recording, RecordingMeta, Signal
from streamkit.replay import Replay
from streamkit.types import StreamSpec

RESOLVE_S = 30.0


def short_recording(seconds: float = 2.0) -> Recording:
    """Three formats of signals, text and numeric markers, shown images; stamps jitter."""
    rng = np.random.default_rng(5)
    n_eeg, n_acc, n_slow = int(250 * seconds), int(52 * seconds), 5
    eeg_stamps = 5000 + np.arange(n_eeg) / 250 + rng.normal(0, 5e-4, n_eeg)
    eeg = Signal(
        StreamSpec(name="eeg", type="EEG", ch_names=("C3", "C4", "count"), sfreq=250, unit="microvolts"),
        np.column_stack([rng.normal(0, 20, (n_eeg, 2)), np.arange(n_eeg)]).astype(np.float32), eeg_stamps,
    )  # fmt: skip
    acc = Signal(
        StreamSpec(name="acc", type="ACC", ch_names=("x",), sfreq=52, unit="g", channel_format="int16"),
        rng.integers(-999, 999, (n_acc, 1)).astype(np.int16), 5000.003 + np.arange(n_acc) / 52,
    )  # fmt: skip
    slow = Signal(
        StreamSpec(name="slow", type="Temperature", ch_names=("t",), sfreq=0, channel_format="double64"),
        rng.normal(size=(n_slow, 1)), 5000 + np.sort(rng.random(n_slow)) * seconds,
    )  # fmt: skip
    words = Markers(
        StreamSpec(name="words", type="Markers", ch_names=("m",), sfreq=0, channel_format="string"),
        ("face", "höuse", "face"), 5000 + np.array([0.2, 0.5, 0.8]) * seconds,
    )  # fmt: skip
    codes = Markers(
        StreamSpec(name="codes", type="Markers", ch_names=("m",), sfreq=0, channel_format="int32"),
        ("1", "22"), 5000 + np.array([0.3, 0.6]) * seconds,
    )  # fmt: skip
    image = rng.random((1, 3, 4), dtype=np.float32)
    return Recording((eeg, acc, slow), (words, codes), {}, {"face": image}, RecordingMeta(name="short", simulated=True))


class Listener:
    """One plain pylsl inlet, pulled in a thread until `expected` samples have come or `stop` is called."""

    def __init__(self, source_id: str, expected: int) -> None:
        (info, *_) = pylsl.resolve_byprop("source_id", source_id, 1, RESOLVE_S) or (None,)
        assert info is not None, f"{source_id} did not appear"
        self.inlet = pylsl.StreamInlet(info)
        self.info = self.inlet.info(RESOLVE_S)
        self.values: list[Any] = []
        self.stamps: list[float] = []
        self.arrivals: list[float] = []
        self._expected = expected
        self._stop = threading.Event()
        self.done = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)

    def start(self) -> None:
        self.inlet.open_stream(RESOLVE_S)
        self._thread.start()

    def _listen(self) -> None:
        while not self._stop.is_set():
            values, stamps = self.inlet.pull_chunk(0.1, max_samples=512, min_samples=1)
            now = pylsl.local_clock()
            self.values += values
            self.stamps += stamps
            self.arrivals += [now] * len(stamps)
            if len(self.stamps) >= self._expected:
                self.done.set()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()
        self.inlet.close_stream()

    def keys(self) -> dict[str, str]:
        """The pairs below ``<streamkit>``."""
        child, pairs = self.info.desc().child("streamkit").first_child(), {}
        while not child.empty():
            pairs[child.name()] = child.child_value()
            child = child.next_sibling()
        return pairs


@contextmanager
def running(replay: Replay) -> Iterator[threading.Thread]:
    """The replay in a thread, its streams in reach."""
    thread = threading.Thread(target=replay.run)
    thread.start()
    try:
        assert replay.opened.wait(RESOLVE_S)
        yield thread
    finally:
        replay.stop()
        thread.join()


def captured(replay: Replay, expected: Mapping[str, int]) -> dict[str, Listener]:
    """Replay once and return what came of the streams named in `expected`."""
    with running(replay):
        heard = {name: Listener(replay.source_ids[name], count) for name, count in expected.items()}
        for listener in heard.values():
            listener.start()
        for listener in heard.values():
            listener.done.wait(RESOLVE_S)
        for listener in heard.values():
            listener.stop()
    return heard
