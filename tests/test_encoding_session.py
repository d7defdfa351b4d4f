"""A session that retrieves and predicts, over real LSL: what leaves belongs together, and answers never wait for it."""

from __future__ import annotations

import csv
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pylsl
import pytest

from streamkit.bundle import ModelBundle
from streamkit.encoding import Predictor
from streamkit.errors import BackendError, StreamkitError, StreamLost
from streamkit.lsl import MarkerOutlet, SignalOutlet, find_one
from streamkit.lsl.epochs import FACTS, encoding_channels
from streamkit.recording import Recording
from streamkit.replay import Replay
from streamkit.session import Session
from streamkit.types import Prediction
from tests import pictures
from tests.opened import wait_until_open
from tests.pictures import CH_NAMES, GALLERY, LABELS, N_CHANS, N_TIMES, UNKNOWN, response
from tests.recording.walker import walk
from tests.small import SFREQ

pytestmark = pytest.mark.lsl

WAIT_S = 20.0


@dataclass
class Client:
    """Reads every stream of a session to its end, as any LSL program would."""

    inlets: dict[str, pylsl.StreamInlet]
    values: dict[str, list[Any]] = field(default_factory=dict)
    stamps: dict[str, list[float]] = field(default_factory=dict)

    @classmethod
    def of(cls, session: Session) -> Client:
        inlets = {}
        for what, source_id in session.source_ids.items():
            inlets[what] = pylsl.StreamInlet(find_one(f"source_id={source_id}", timeout=WAIT_S))
        # Last: a session that waits for its clients begins when somebody reads its predictions.
        for what in sorted(inlets, key=lambda what: what == "prediction"):
            inlets[what].open_stream(WAIT_S)
        return cls(inlets, {what: [] for what in inlets}, {what: [] for what in inlets})

    def drain(self) -> None:
        for what, inlet in self.inlets.items():
            with suppress(RuntimeError):  # a stream that has ended and given all
                while stamps := self._pull(what, inlet):
                    self.stamps[what] += stamps

    def _pull(self, what: str, inlet: pylsl.StreamInlet) -> list[float]:
        values, stamps = inlet.pull_chunk(0.0, max_samples=4096)
        self.values[what] += values
        return list(stamps)

    def read_to_the_end_of(self, session: Session) -> None:
        """Stop the session, and read while it lingers."""
        stopping = threading.Thread(target=session.stop, kwargs={"drain": True})
        stopping.start()
        while stopping.is_alive():
            self.drain()
            stopping.join(0.02)
        self.drain()

    def epochs(self, what: str) -> np.ndarray:
        return np.array(self.values[what], np.float32).reshape(-1, N_TIMES, N_CHANS)

    @property
    def facts(self) -> list[dict[str, float]]:
        return [dict(zip(FACTS, row, strict=False)) for row in self.values["encoding"]]

    @property
    def decisions(self) -> list[dict[str, Any]]:
        return [json.loads(text) for (text,) in self.values["decisions"]]


@dataclass
class Lab:
    """An amplifier, markers, and a session that decodes them."""

    uid: str
    bundle: ModelBundle
    signal: SignalOutlet
    markers: MarkerOutlet
    predictions: list[Prediction] = field(default_factory=list)
    sessions: list[Session] = field(default_factory=list)

    def session(self, **options: Any) -> Session:
        options = {"stream": f"source_id={self.uid}/amp", "backend": "onnxruntime", "name": self.uid} | options
        session = Session(self.bundle, on_prediction=self.predictions.append, uid=self.uid, **options)
        self.sessions.append(session)
        return session

    def listening(self, **options: Any) -> tuple[Session, Client]:
        session = self.session(wait_for_clients=True, **options)
        session.start()
        client = Client.of(session)
        wait_until_open(session, self.signal, self.markers)
        return session, client

    def play(self, shown: Recording, rows: Sequence[slice] | None = None) -> float:
        """Send a recording as if it ended now, chunk by chunk; returns LSL clock minus its clock."""
        (signal,), (markers,) = shown.signals, shown.markers
        shift = pylsl.local_clock() - signal.stamps[-1]
        for label, stamp in zip(markers.labels, markers.stamps, strict=True):
            self.markers.push(label, stamp + shift)
        for part in rows or [slice(first, first + 33) for first in range(0, len(signal.stamps), 33)]:
            self.signal.push(signal.data[part], signal.stamps[part] + shift)
        return shift


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> ModelBundle:
    return pictures.bundle(tmp_path_factory.mktemp("pictures") / "bundle")


@pytest.fixture
def lab(unique_id: str, bundle: ModelBundle) -> Iterator[Lab]:
    signal = SignalOutlet(pictures.SPEC.model_copy(update={"source_id": f"{unique_id}/amp"}))
    made = Lab(unique_id, bundle, signal, MarkerOutlet("events", f"{unique_id}/events"))
    yield made
    for session in made.sessions:
        session.stop(drain=False)
    made.signal.close()
    made.markers.close()


def test_predicted_and_recorded_epochs_leave_side_by_side_for_known_stimuli(lab: Lab) -> None:
    shown = pictures.recording([*LABELS, UNKNOWN, "bear"])
    session, client = lab.listening()
    shift = lab.play(shown)
    client.read_to_the_end_of(session)
    session.join()
    known = [label for label in shown.markers[0].labels if label != UNKNOWN]
    facts = client.facts
    assert [LABELS[int(said["stimulus"])] for said in facts] == known
    assert [said["n"] for said in facts] == list(range(1, len(known) + 1))
    assert {said["valid"] for said in facts} == {1.0}
    assert client.stamps["predicted"] == client.stamps["recorded"]
    onsets = [round((stamp - 100) * SFREQ) for label, stamp in zip(*labels_of(shown), strict=True) if label != UNKNOWN]
    data, stamps = shown.signals[0].data, shown.signals[0].stamps + shift
    for k, (label, onset) in enumerate(zip(known, onsets, strict=True)):
        part = slice(onset, onset + N_TIMES)
        np.testing.assert_allclose(client.epochs("predicted")[k], response(label), rtol=1e-5, atol=1e-5)
        np.testing.assert_array_equal(client.epochs("recorded")[k], data[part])
        np.testing.assert_array_equal(client.stamps["predicted"][k * N_TIMES : (k + 1) * N_TIMES], stamps[part])
        assert facts[k]["event_stamp"] == stamps[onset]
        assert facts[k]["last"] == onset + N_TIMES - 1
        assert client.stamps["encoding"][k] == stamps[part][-1]
    assert session.counts["epochs"] == len(known)
    assert session.counts["epoch_unknown"] == 1
    assert session.epoch_ledger.summary()["n"] == len(known)


def labels_of(shown: Recording) -> tuple[Sequence[str], Sequence[float]]:
    return shown.markers[0].labels, shown.markers[0].stamps.tolist()


def test_the_running_correlation_is_that_of_what_was_sent(lab: Lab) -> None:
    session, client = lab.listening()
    lab.play(pictures.recording(noise=2.0))
    client.read_to_the_end_of(session)
    x, y = client.epochs("predicted"), client.epochs("recorded")
    rows = np.array(client.values["encoding"])
    names = encoding_channels(CH_NAMES)
    assert rows.shape == (len(LABELS), len(names))
    for n, row in enumerate(rows, 1):
        said = dict(zip(names, row.tolist(), strict=True))
        for k, name in enumerate(CH_NAMES):
            expected = np.corrcoef(x[:n, :, k].ravel(), y[:n, :, k].ravel())[0, 1]
            assert said[f"r {name}"] == pytest.approx(expected, abs=1e-6)
            assert np.isnan(said[f"low {name}"]) == (n < 3)
            others = np.corrcoef(x[: n - 1, :, k].ravel(), y[1:n, :, k].ravel())[0, 1] if n > 1 else np.nan
            assert said[f"chance {name}"] == pytest.approx(others, abs=1e-6, nan_ok=True)
            assert n < 3 or said[f"low {name}"] <= said[f"r {name}"] <= said[f"high {name}"]
    assert session.correlation is not None
    np.testing.assert_array_equal(session.correlation.r, rows[-1][len(FACTS) : len(FACTS) + N_CHANS])


def test_the_streams_say_what_they_are(lab: Lab) -> None:
    session, client = lab.listening()
    described = {what: inlet.info(WAIT_S) for what, inlet in client.inlets.items()}
    keys = {what: info.desc().child("streamkit") for what, info in described.items()}
    assert {what: described[what].type() for what in ("predicted", "recorded", "encoding", "candidates")} == {
        "predicted": "Epochs",
        "recorded": "Epochs",
        "encoding": "Encoding",
        "candidates": "Candidates",
    }
    for what in ("predicted", "recorded", "encoding"):
        assert float(keys[what].child_value("sfreq")) == SFREQ
        assert int(keys[what].child_value("n_times")) == N_TIMES
        assert described[what].nominal_srate() == 0
    assert json.loads(keys["encoding"].child_value("labels")) == list(LABELS)
    assert keys["candidates"].child_value("shape") == "5,3,6,8"
    assert session.health.facts["backends"]["decoder"]["backend"] == "onnxruntime"


def test_decisions_name_the_likeliest_and_their_pictures_follow(lab: Lab) -> None:
    session, client = lab.listening()
    lab.play(pictures.recording(noise=0.1))
    client.read_to_the_end_of(session)
    assert [said["label"] for said in client.decisions] == list(LABELS)
    assert client.stamps["candidates"] == client.stamps["prediction"]
    for said, values, sent in zip(
        client.decisions, client.values["prediction"], client.values["candidates"], strict=True
    ):
        order = np.argsort(-np.array(values), kind="stable")[:5]
        assert [label for label, _ in said["top"]] == [LABELS[k] for k in order]
        assert [value for _, value in said["top"]] == pytest.approx([values[k] for k in order])
        assert said["top"][0] == [said["label"], said["value"]]
        np.testing.assert_array_equal(np.array(sent, np.float32).reshape(5, 3, 6, 8), GALLERY[order] / np.float32(255))


@pytest.mark.slow
def test_replay_of_a_simulated_recording_in_real_time_is_retrieved_and_predicted(
    bundle: ModelBundle, unique_id: str
) -> None:
    shown = pictures.recording()
    replay = Replay(shown, base=unique_id, wait_for_consumers=WAIT_S, linger=WAIT_S)
    session = Session(
        bundle,
        stream=f"source_id={unique_id}/amp",
        markers=f"source_id={unique_id}/events",
        backend="onnxruntime",
        name=unique_id,
        wait_for_clients=True,
    )
    player = threading.Thread(target=replay.run)
    player.start()
    session.start()
    client = Client.of(session)
    assert replay.sent.wait(WAIT_S)
    client.read_to_the_end_of(session)
    replay.stop()
    player.join()
    with suppress(StreamLost):
        session.join()
    assert [said["label"] for said in client.decisions] == list(LABELS)
    assert [LABELS[int(said["stimulus"])] for said in client.facts] == list(LABELS)
    assert session.correlation is not None
    assert session.correlation.low.min() > 0.5


@pytest.mark.slow
def test_a_stimulus_shown_again_within_its_own_epoch_is_compared_twice(lab: Lab) -> None:
    shown = pictures.recording(["bear", "bear", "bear"], every=0.06)
    session, client = lab.listening()
    lab.play(shown)
    client.read_to_the_end_of(session)
    assert session.counts["epochs"] == 3
    assert np.diff(client.stamps["predicted"]).min() < 0
    assert client.stamps["predicted"] == client.stamps["recorded"]
    onsets = [round((stamp - 100) * SFREQ) for stamp in shown.markers[0].stamps]
    for k, onset in enumerate(onsets):
        np.testing.assert_array_equal(client.epochs("recorded")[k], shown.signals[0].data[onset : onset + N_TIMES])


@pytest.mark.slow
def test_a_marker_that_is_sent_twice_is_compared_once(lab: Lab) -> None:
    shown = pictures.recording(["bear", "fern"])
    session, client = lab.listening()
    shift = pylsl.local_clock() - shown.signals[0].stamps[-1]
    for _ in range(2):
        lab.markers.push("bear", shown.markers[0].stamps[0] + shift)
    lab.signal.push(shown.signals[0].data, shown.signals[0].stamps + shift)
    client.read_to_the_end_of(session)
    assert session.counts["duplicate_marker"] == 1
    assert session.counts["epochs"] == len(client.facts) == 1


@pytest.mark.slow
def test_a_late_marker_is_served_from_history(lab: Lab) -> None:
    shown = pictures.recording(["bear", "fern"])
    session, client = lab.listening()
    shift = pylsl.local_clock() - shown.signals[0].stamps[-1]
    lab.signal.push(shown.signals[0].data, shown.signals[0].stamps + shift)
    wait_for(lambda: session.counts["samples"] == len(shown.signals[0].stamps))
    lab.markers.push("fern", shown.markers[0].stamps[1] + shift)
    wait_for(lambda: bool(lab.predictions))
    client.read_to_the_end_of(session)
    np.testing.assert_array_equal(client.epochs("recorded")[0], shown.signals[0].data[100 : 100 + N_TIMES])


def test_over_a_gap_nothing_is_compared_and_it_is_counted(lab: Lab) -> None:
    shown = pictures.recording(["bear", "fern", "goat"])
    session, client = lab.listening()
    lab.play(shown, [slice(0, 60), slice(95, None)])  # 140 ms of the first epoch and up to the second are missing
    client.read_to_the_end_of(session)
    assert session.counts["epoch_gap"] == 1
    assert [LABELS[int(said["stimulus"])] for said in client.facts] == ["fern", "goat"]


@pytest.mark.slow
def test_an_unknown_stimulus_is_decoded_but_not_compared(lab: Lab) -> None:
    session, client = lab.listening()
    lab.play(pictures.recording([UNKNOWN, UNKNOWN]))
    client.read_to_the_end_of(session)
    assert len(lab.predictions) == 2
    assert (session.counts["epoch_unknown"], session.counts["epochs"], client.facts) == (2, 0, [])
    assert session.correlation is not None
    assert session.correlation.n == 0


def test_everything_is_recorded_as_it_was_sent(lab: Lab, tmp_path: Path) -> None:
    session, client = lab.listening(record=tmp_path / "x")
    lab.play(pictures.recording())
    client.read_to_the_end_of(session)
    session.join()
    file = walk(tmp_path / "x" / "recording.xdf")
    for what in ("predicted", "recorded", "encoding"):
        found = file.named(f"{lab.uid}-{what}")
        np.testing.assert_array_equal(found.values, np.array(client.values[what], found.values.dtype))
        assert found.times.tolist() == client.stamps[what]
    with (tmp_path / "x" / "epochs.csv").open(newline="") as rows:
        ledger = list(csv.DictReader(rows))
    assert [row["event"] for row in ledger] == list(LABELS)
    assert all(float(row["total_ms"]) > 0 for row in ledger)
    assert session.unwritten == ()


def test_an_answer_never_waits_for_a_prediction(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()
    predict = Predictor.predict

    def slow(self: Predictor, label: str) -> Any:
        assert release.wait(WAIT_S)
        return predict(self, label)

    monkeypatch.setattr(Predictor, "predict", slow)
    session, client = lab.listening()
    lab.play(pictures.recording())
    wait_for(lambda: len(lab.predictions) == len(LABELS))
    assert session.epoch_ledger.summary()["n"] == 0
    release.set()
    client.read_to_the_end_of(session)
    assert session.epoch_ledger.summary()["n"] == len(client.facts) == len(LABELS)


def test_a_prediction_that_fails_ends_the_session_loudly(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Predictor, label: str) -> Any:
        raise BackendError(f"the graph could not run for {label!r}")

    monkeypatch.setattr(Predictor, "predict", broken)
    session, _ = lab.listening()
    lab.play(pictures.recording())
    wait_for(lambda: session.state == "failed")
    with pytest.raises(BackendError, match="could not run for 'apple'"):
        session.join()


@pytest.mark.slow
def test_an_unforeseen_failure_is_an_error_in_words(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Predictor, "predict", lambda self, label: 1 / 0)
    session, _ = lab.listening()
    lab.play(pictures.recording())
    session.stop(drain=True)
    with pytest.raises(StreamkitError, match="what follows a prediction failed: ZeroDivisionError"):
        session.join()
    assert session.state == "failed"


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = pylsl.local_clock() + WAIT_S
    pause = threading.Event()
    while not condition():
        assert pylsl.local_clock() < deadline
        pause.wait(0.01)
