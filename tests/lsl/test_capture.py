"""A capture reads rings and mailboxes; what a slow disk loses is counted, said, and in the notes of the recording."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from streamkit.errors import DiskError
from streamkit.ledger import Ledger
from streamkit.lsl.broadcast import Broadcast
from streamkit.lsl.capture import Capture
from streamkit.recording import read_recording
from streamkit.recording.xdf_xml import stream_header
from streamkit.ring import RingBuffer
from streamkit.types import Chunk, Event, OutputSpec, Prediction, StreamSpec
from tests.recording.walker import walk

AMP = StreamSpec(name="amp", type="EEG", ch_names=("a", "b"), sfreq=100, channel_format="int32")
WORDS = StreamSpec(name="words", type="Markers", ch_names=("m",), sfreq=0, channel_format="string")
OUTPUT = OutputSpec(kind="probabilities", labels=("x", "y"), shape=(2,))


@dataclass
class Source:
    """What a capture sees of an inlet."""

    spec: StreamSpec
    ring: RingBuffer
    clock_offset: float = 0.0

    @property
    def header(self) -> str:
        return stream_header(self.spec).decode()


@dataclass
class Rig:
    """One signal on a remote clock, one marker stream, and their capture."""

    amp: Source
    capture: Capture
    out: Path
    sent: int = 0

    def send(self, n_times: int) -> None:
        """Samples that count, stamped on the source's clock; corrected stamps are 2.5 s later."""
        numbers = np.arange(self.sent, self.sent + n_times)
        stamps = 1000 + numbers / 100
        self.amp.ring.write(Chunk(np.stack([numbers, -numbers], 1), stamps + 2.5, raw_stamps=stamps))
        self.sent += n_times


@pytest.fixture
def rig(tmp_path: Path, unique_id: str) -> Iterator[Rig]:
    amp = Source(AMP, RingBuffer(200, 2, np.int32), clock_offset=2.5)
    broadcast = Broadcast(unique_id, "u", OUTPUT, {}, Ledger())
    words = Source(WORDS, RingBuffer(1, 1))
    yield Rig(amp, Capture(tmp_path / "x", [amp], [words], broadcast, {}, {"simulated": True}), tmp_path / "x")
    broadcast.close()


def finish(rig: Rig) -> None:
    for _ in rig.capture.close():
        pass


def test_raw_stamps_and_raw_values_are_kept_beside_the_clock_offset(rig: Rig) -> None:
    for _ in range(7):
        rig.send(60)
        for _ in rig.capture.write():
            pass
    rig.capture.marker(0, Event("face", 1007.5, "words", b"face", 1005.0))
    rig.capture.marker(0, Event("gr\ufffdn", 1008.5, "words", b"gr\xfcn", 1006.0))
    finish(rig)
    file = walk(rig.out / "recording.xdf")
    assert file.named("amp").values.tolist() == [[number, -number] for number in range(420)]
    assert np.array_equal(file.named("amp").times, 1000 + np.arange(420) / 100)
    assert {value for _, value in file.named("amp").offsets} == {2.5}
    words = file.named("words")
    assert (words.values, words.times.tolist()) == ([["face"], ["gr\udcfcn"]], [1005.0, 1006.0])
    recording = read_recording(rig.out)
    assert recording.meta.simulated
    assert np.allclose(recording.signal().stamps, 1002.5 + np.arange(420) / 100)


def test_what_a_slow_disk_loses_is_counted_and_said(rig: Rig) -> None:
    rig.send(150)
    for _ in rig.capture.write():
        pass
    rig.send(180)
    with pytest.raises(DiskError, match=r"is not whole, because the disk did not keep up: stream 'amp' lacks 130 samp"):
        finish(rig)
    amp = walk(rig.out / "recording.xdf").named("amp")
    kept = [*range(50, 150), *range(230, 330)]
    assert amp.values[:, 0].tolist() == kept
    assert np.array_equal(amp.times, 1000 + np.array(kept) / 100)
    assert "stream 'amp' lacks 130 samples" in read_recording(rig.out).meta.details["notes"]


def test_predictions_are_written_in_all_their_streams(rig: Rig) -> None:
    values = np.array([0.25, 0.75], np.float32)
    for number in range(40):
        rig.capture.prediction(Prediction(values, 5.0 + number, number, number, timing={"sample": 5.0, "publish": 5.5}))
    finish(rig)
    streams = {s.header.findtext("type"): s for s in walk(rig.out / "recording.xdf").streams.values()}
    assert streams["Prediction"].values.tolist() == [[0.25, 0.75]] * 40
    assert all('"label": "y"' in text for (text,) in streams["Decision"].values)
    assert streams["Latency"].values[:, -1].tolist() == [500.0] * 40
    for kind in ("Prediction", "Decision", "Latency"):
        assert streams[kind].times.tolist() == [5.0 + number for number in range(40)]
