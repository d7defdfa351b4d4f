"""What a live session writes while it decodes: every input, every output, and the ledger."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pylsl
import pytest
from PIL import Image

from streamkit.bundle import ModelBundle
from streamkit.errors import RecordingError
from streamkit.ledger import STAGES, STAMPS
from streamkit.lsl import MarkerOutlet, SignalOutlet
from streamkit.lsl.ledger_file import COLUMNS
from streamkit.recording import Recording, read_recording
from streamkit.replay import Replay
from streamkit.session import Session
from streamkit.types import Prediction
from streamkit.verify import Answer, compare, offline_answer
from tests.opened import wait_until_open
from tests.recording.walker import Walk, walk
from tests.small import SFREQ, linear_bundle, noise_recording

pytestmark = pytest.mark.lsl

WAIT_S = 30.0


@dataclass
class Lab:
    """An amplifier and a marker source, and what a session that decodes them published."""

    uid: str
    signal: SignalOutlet
    markers: MarkerOutlet
    predictions: list[Prediction] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    sessions: list[Session] = field(default_factory=list)

    def session(self, bundle: ModelBundle, **options: Any) -> Session:
        options = {"stream": f"source_id={self.uid}/amp", "backend": "onnxruntime", "name": self.uid} | options
        told = {"on_prediction": self.predictions.append, "on_warning": self.warnings.append}
        self.sessions.append(Session(bundle, uid=self.uid, **told, **options))
        return self.sessions[-1]

    def wait_until_open(self) -> None:
        wait_until_open(self.sessions[-1], self.signal, self.markers)

    def play(self, recording: Recording, first: int = 0) -> np.ndarray:
        """Send the samples and markers of a recording in chunks, as if they ended now; returns the stamps."""
        (signal,), (markers,) = recording.signals, recording.markers
        shift = pylsl.local_clock() - signal.stamps[-1]
        for label, stamp in zip(markers.labels, markers.stamps, strict=True):
            self.markers.push(label, stamp + shift)
        for start in range(first, len(signal.stamps), 33):
            part = slice(start, start + 33)
            self.signal.push(signal.data[part].astype(self.dtype), signal.stamps[part] + shift)
        return signal.stamps + shift

    @property
    def dtype(self) -> Any:
        return {"float32": "f4", "double64": "f8"}.get(self.signal.spec.channel_format, self.signal.spec.channel_format)


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ModelBundle]:
    folder = tmp_path_factory.mktemp("bundles")
    return {mode: linear_bundle(folder / mode, mode=mode) for mode in ("event", "hop")}


@pytest.fixture
def make_lab(unique_id: str) -> Iterator[Any]:
    labs: list[Lab] = []

    def make(channel_format: str = "float32", numeric: bool = False) -> Lab:
        spec = noise_recording().signals[0].spec
        changes = {"source_id": f"{unique_id}/amp", "channel_format": channel_format}
        markers = MarkerOutlet("events", f"{unique_id}/events", "int32" if numeric else "string")
        labs.append(Lab(unique_id, SignalOutlet(spec.model_copy(update=changes)), markers))
        return labs[-1]

    yield make
    for lab in labs:
        lab.signal.close()
        lab.markers.close()


def recorded(lab: Lab, bundle: ModelBundle, recording: Recording, **options: Any) -> tuple[Session, np.ndarray]:
    """Decode a recording and write what was asked for; returns the session and the stamps that were sent."""
    session = lab.session(bundle, **options)
    session.start()
    lab.wait_until_open()
    stamps = lab.play(recording)
    session.stop(drain=True)
    session.join()
    return session, stamps


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def stream(file: Walk, lab: Lab, what: str) -> Any:
    return file.named(f"{lab.uid}-{what}")


@pytest.mark.parametrize("channel_format", ["float32", "double64", "int8", "int16", "int32", "int64"])
def test_inputs_are_recorded_as_they_came(
    channel_format: str, make_lab: Any, bundles: dict[str, ModelBundle], tmp_path: Path
) -> None:
    lab = make_lab(channel_format)
    recording = noise_recording(seconds=3.0)
    _, stamps = recorded(lab, bundles["event"], recording, record=tmp_path / "x")
    file = walk(tmp_path / "x" / "recording.xdf")
    amp = file.named("amp")
    assert amp.format == channel_format
    assert np.array_equal(amp.values, recording.signals[0].data.astype(lab.dtype))
    assert np.array_equal(amp.times, stamps)
    events = file.named("events")
    assert [label for (label,) in events.values] == list(recording.markers[0].labels)
    assert np.array_equal(events.times, recording.markers[0].stamps + (stamps[0] - recording.signals[0].stamps[0]))
    assert {value for _, value in amp.offsets} == {0.0}
    assert len(amp.offsets) >= 2


def test_outputs_are_recorded_as_they_were_published(
    make_lab: Any, bundles: dict[str, ModelBundle], tmp_path: Path
) -> None:
    lab = make_lab()
    session, _ = recorded(lab, bundles["event"], noise_recording(seconds=4.0), record=tmp_path / "x")
    file = walk(tmp_path / "x" / "recording.xdf")
    assert len(lab.predictions) == session.counts["predictions"] == 8
    assert np.array_equal(stream(file, lab, "prediction").values, [p.values for p in lab.predictions])
    assert stream(file, lab, "prediction").times.tolist() == [p.stamp for p in lab.predictions]
    decisions = [json.loads(text) for (text,) in stream(file, lab, "decisions").values]
    assert [d["seq"] for d in decisions] == list(range(8))
    assert [d["event"] for d in decisions] == ["a", "b"] * 4
    assert np.isfinite(stream(file, lab, "latency").values).all()
    states = [json.loads(text)["state"] for (text,) in stream(file, lab, "health").values]
    assert states[-1] == "stopped"
    assert session.unwritten == ()
    assert session.health.facts["recording"] == {"state": "written", "out": str(tmp_path / "x"), "message": ""}


def test_numeric_markers_keep_every_digit(make_lab: Any, bundles: dict[str, ModelBundle], tmp_path: Path) -> None:
    lab = make_lab(numeric=True)
    session = lab.session(bundles["event"], record=tmp_path / "x")
    session.start()
    lab.wait_until_open()
    stamp = pylsl.local_clock()
    lab.markers.push("1234567", stamp)
    lab.signal.push(np.zeros((300, 4), np.float32), stamp + np.arange(300) / SFREQ)
    session.stop()
    events = walk(tmp_path / "x" / "recording.xdf").named("events")
    assert (events.values.tolist(), events.times.tolist()) == ([[1234567]], [stamp])


def test_a_marker_that_is_not_utf8_is_recorded_as_sent_and_the_session_goes_on(
    make_lab: Any, bundles: dict[str, ModelBundle], tmp_path: Path
) -> None:
    lab = make_lab()
    session = lab.session(bundles["event"], record=tmp_path / "x")
    session.start()
    lab.wait_until_open()
    stamps = pylsl.local_clock() + np.arange(300) / SFREQ
    for label, stamp in zip((b"a", b"gr\xfcn", b"b"), stamps[[50, 100, 150]], strict=True):
        lab.markers.lsl.push_sample([label], stamp)
    lab.signal.push(np.zeros((300, 4), np.float32), stamps)
    session.stop(drain=True)
    session.join()
    assert session.state == "stopped"
    events = walk(tmp_path / "x" / "recording.xdf").named("events")
    assert [label.encode("utf-8", "surrogateescape") for (label,) in events.values] == [b"a", b"gr\xfcn", b"b"]
    assert read_recording(tmp_path / "x").markers[0].labels == ("a", "gr\ufffdn", "b")
    assert [prediction.event.label for prediction in lab.predictions] == ["a", "gr\ufffdn", "b"]


def test_shown_images_are_recorded(make_lab: Any, bundles: dict[str, ModelBundle], tmp_path: Path) -> None:
    (tmp_path / "stimuli").mkdir()
    Image.new("RGB", (2, 1), (255, 0, 51)).save(tmp_path / "stimuli" / "b.png")
    lab = make_lab()
    recorded(lab, bundles["event"], noise_recording(), record=tmp_path / "x", stimuli=tmp_path / "stimuli")
    shown = stream(walk(tmp_path / "x" / "recording.xdf"), lab, "shown")
    assert len(shown.times) == 4
    assert np.allclose(shown.values[0], [1, 1, 0, 0, 0.2, 0.2])


@pytest.mark.parametrize("mode", ["event", "hop"])
def test_decoding_the_recording_again_gives_what_was_decoded_live(
    mode: str, make_lab: Any, bundles: dict[str, ModelBundle], tmp_path: Path
) -> None:
    lab, out = make_lab(), tmp_path / "x"
    _, stamps = recorded(lab, bundles[mode], noise_recording(), record=out, markers=f"source_id={lab.uid}/events")
    recording = read_recording(out)
    assert recording.signal().spec.name == "amp"
    assert np.array_equal(recording.signal().stamps, stamps)
    assert (recording.meta.details["hash"], recording.meta.details["uid"]) == (bundles[mode].hash, lab.uid)
    assert "notes" not in recording.meta.details
    live = Answer.of("onnxruntime", lab.predictions, (2,))
    assert len(lab.predictions) == {"event": 8, "hop": 1 + (1500 - 50) // 25}[mode]
    assert compare(offline_answer(bundles[mode].path, out, "onnxruntime"), live, SFREQ).passed
    assert set(Replay(recording, base=lab.uid).source_ids) >= {"amp", "events", f"{lab.uid}-prediction"}


def test_the_ledger_has_a_row_per_prediction_whose_stages_sum_to_its_total(
    make_lab: Any, bundles: dict[str, ModelBundle], tmp_path: Path
) -> None:
    lab = make_lab()
    recorded(lab, bundles["event"], noise_recording(), record=tmp_path / "x", ledger_file=tmp_path / "deep" / "l.csv")
    rows = rows_of(tmp_path / "x" / "ledger.csv")
    assert rows == rows_of(tmp_path / "deep" / "l.csv")
    assert tuple(rows[0]) == COLUMNS
    assert [int(row["seq"]) for row in rows] == [p.seq for p in lab.predictions] == list(range(8))
    assert [row["event"] for row in rows] == ["a", "b"] * 4
    assert {row["valid"] for row in rows} == {"1"}
    assert all(int(row["backlog"]) >= 0 for row in rows)
    for row, prediction in zip(rows, lab.predictions, strict=True):
        assert {name: float(row[f"t_{name}"]) for name in STAMPS} == prediction.timing
        parts = [float(row[f"{name}_ms"]) for name in STAGES[:-1]]
        assert abs(sum(parts) - float(row["total_ms"])) < 0.05
        between = 1e3 * (float(row["t_publish"]) - float(row["t_sample"]))
        assert abs(between - float(row["total_ms"])) < 0.001


def test_a_session_may_keep_a_ledger_alone(make_lab: Any, bundles: dict[str, ModelBundle], tmp_path: Path) -> None:
    lab = make_lab()
    recorded(lab, bundles["event"], noise_recording(), ledger_file=tmp_path / "ledger.csv")
    assert len(rows_of(tmp_path / "ledger.csv")) == 8
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ledger.csv"]


def test_a_place_that_is_taken_ends_the_session_before_it_decodes(
    make_lab: Any, bundles: dict[str, ModelBundle], tmp_path: Path
) -> None:
    session = make_lab().session(bundles["hop"], record=tmp_path, markers=None)
    with pytest.raises(RecordingError, match=r"exists already\. Choose a new folder for the recording"):
        session.run(5.0)
    assert session.state == "failed"
    assert session.counts["predictions"] == 0
