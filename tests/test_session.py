"""A session decodes over real LSL: what goes in comes out once, with its stamp; what is wrong is said."""

from __future__ import annotations

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
from streamkit.errors import ContractMismatch, RecordingError, StreamError, StreamkitError, StreamNotFound
from streamkit.lsl import MarkerOutlet, SignalOutlet, find_one, spec_of
from streamkit.lsl.discovery import spec_from
from streamkit.session import Session
from streamkit.types import StreamSpec
from tests.elsewhere import ONLY_POSIX, ctrl_c_elsewhere
from tests.opened import wait_until_open
from tests.small import SFREQ, linear_bundle, noise_recording

pytestmark = [pytest.mark.lsl]

WAIT_S = 20.0


@dataclass
class Lab:
    """One amplifier, one marker source and one bundle, all on this machine."""

    uid: str
    bundle: ModelBundle
    signal: SignalOutlet
    markers: MarkerOutlet
    opened: list[Session] = field(default_factory=list)

    def session(self, **options: Any) -> Session:
        options = {"stream": f"source_id={self.uid}/amp", "backend": "onnxruntime", "uid": self.uid} | options
        session = Session(self.bundle, **options)
        self.opened.append(session)
        return session

    def wait_until_open(self) -> None:
        markers = [self.markers] if self.bundle.contract.window.mode == "event" else []
        wait_until_open(self.opened[-1], self.signal, *markers)


def amp(uid: str, **changes: Any) -> SignalOutlet:
    names = tuple(f"E{i}" for i in range(4))
    spec = StreamSpec(name="amp", type="EEG", ch_names=names, sfreq=SFREQ, unit="microvolts", source_id=f"{uid}/amp")
    return SignalOutlet(spec.model_copy(update=changes))


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ModelBundle]:
    folder = tmp_path_factory.mktemp("bundles")
    return {mode: linear_bundle(folder / mode, mode=mode) for mode in ("event", "hop")}


@pytest.fixture
def make_lab(unique_id: str, bundles: dict[str, ModelBundle]) -> Iterator[Any]:
    labs: list[Lab] = []

    def make(mode: str = "hop", numeric: bool = False, **changes: Any) -> Lab:
        markers = MarkerOutlet("events", f"{unique_id}/events", "int32" if numeric else "string")
        labs.append(Lab(unique_id, bundles[mode], amp(unique_id, **changes), markers))
        return labs[-1]

    yield make
    for lab in labs:
        for session in lab.opened:
            session.stop(drain=False)
        lab.signal.close()
        lab.markers.close()


@dataclass
class Client:
    """Reads every stream of a session as any LSL program would."""

    inlets: dict[str, pylsl.StreamInlet]

    @classmethod
    def of(cls, session: Session) -> Client:
        inlets = {}
        for what, source_id in session.source_ids.items():
            inlets[what] = pylsl.StreamInlet(find_one(f"source_id={source_id}", timeout=WAIT_S))
        for inlet in inlets.values():
            inlet.open_stream(WAIT_S)
        return cls(inlets)

    def take(self, what: str, n: int, timeout: float = WAIT_S) -> tuple[list[Any], list[float]]:
        values, stamps = self.inlets[what].pull_chunk(timeout, max_samples=n)
        return values, stamps


def now_stamps(n_times: int) -> np.ndarray:
    """Stamps of samples that end now."""
    return pylsl.local_clock() - np.arange(n_times)[::-1] / SFREQ


def test_hop_predictions_leave_once_each_with_the_stamp_of_their_last_input_sample(make_lab: Any) -> None:
    lab = make_lab("hop")
    got: list[Any] = []
    session = lab.session(wait_for_clients=True, on_prediction=got.append)
    session.start()
    client = Client.of(session)
    lab.wait_until_open()
    recording = noise_recording()
    data, stamps = recording.signals[0].data[:500], now_stamps(500)
    for first in range(0, 500, 33):
        lab.signal.push(data[first : first + 33], stamps[first : first + 33])
    expected = np.arange(49, 500, 25)
    values, received = client.take("prediction", len(expected))
    decisions, _ = client.take("decisions", len(expected))
    rows, _ = client.take("latency", len(expected))
    session.stop()
    np.testing.assert_array_equal(received, stamps[expected])
    np.testing.assert_array_equal(np.float32(values), np.array([p.values for p in got]))
    said = [json.loads(text) for (text,) in decisions]
    assert [d["seq"] for d in said] == list(range(len(expected)))
    assert [d["last"] for d in said] == expected.tolist()
    assert [d["label"] for d in said] == ["ab"[int(np.argmax(p.values))] for p in got]
    assert np.isfinite(rows).all()
    assert session.counts["samples"] == 500
    assert session.counts["predictions"] == session.ledger.summary()["n"] == len(expected)
    assert session.state == "stopped"


@pytest.mark.parametrize("numeric", [False, True], ids=["text", "numbers"])
def test_events_of_text_and_numeric_streams_are_answered(make_lab: Any, numeric: bool) -> None:
    lab = make_lab("event", numeric)
    got: list[Any] = []
    session = lab.session(on_prediction=got.append)
    session.start()
    lab.wait_until_open()
    stamps = now_stamps(400)
    labels = ["1", "2", "1"] if numeric else ["a", "b", "ä"]
    for label, row in zip(labels, (100, 200, 340), strict=True):
        lab.markers.push(label, stamps[row] + 0.0003)
    lab.signal.push(noise_recording().signals[0].data[:400], stamps)
    session.stop(drain=True)
    assert [p.event.label for p in got] == labels
    assert [p.last for p in got] == [row - 25 + 49 for row in (100, 200, 340)]
    assert session.counts["markers"] == 3


def test_drain_decodes_all_that_was_sent_before_the_stop(make_lab: Any) -> None:
    lab = make_lab("hop")
    session = lab.session()
    session.start()
    lab.wait_until_open()
    lab.signal.push(np.ones((2000, 4), np.float32), now_stamps(2000))
    session.stop(drain=True)
    assert session.counts["samples"] == 2000
    assert session.counts["predictions"] == 1 + (2000 - 50) // 25


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"ch_names": ("E0", "E1", "X", "Y")}, "channels: 2 of 4 expected are missing: E2, E3"),
        ({"sfreq": 256.0}, "rate: expected 250 Hz, the stream has 256 Hz"),
        ({"unit": "V"}, "unit: expected microvolts, the stream has V"),
    ],
    ids=["channels", "rate", "unit"],
)
def test_another_stream_is_refused_with_its_difference(make_lab: Any, changes: dict[str, Any], line: str) -> None:
    session = make_lab("hop", **changes).session()
    with pytest.raises(ContractMismatch) as caught:
        session.run(duration=1)
    assert session.state == "refused"
    assert len(caught.value.differences) == 1
    assert caught.value.differences[0].startswith(line)


def test_channels_in_another_order_are_picked_by_name(make_lab: Any) -> None:
    data = noise_recording().signals[0].data[:100]
    answers = []
    for names, columns in ((("E0", "E1", "E2", "E3"), [0, 1, 2, 3]), (("E3", "X", "E1", "E0", "E2"), [3, 0, 1, 0, 2])):
        lab = make_lab("hop", ch_names=names, source_id=f"order-{len(names)}-{id(answers)}/amp")
        got: list[Any] = []
        session = lab.session(stream=f"source_id={lab.signal.spec.source_id}", on_prediction=got.append)
        session.start()
        lab.wait_until_open()
        lab.signal.push(np.ascontiguousarray(data[:, columns]), now_stamps(100))
        session.stop()
        answers.append([p.values for p in got])
    assert len(answers[0]) == 3
    np.testing.assert_array_equal(answers[0], answers[1])


def test_no_stream_lists_what_was_found(make_lab: Any) -> None:
    lab = make_lab("hop")
    session = lab.session(stream="source_id=nobody-has-this", resolve_timeout=0.3)
    with pytest.raises(StreamNotFound, match="nobody-has-this") as caught:
        session.run()
    assert f"source_id={lab.uid}/amp" in str(caught.value)
    assert session.state == "failed"


def test_event_decoder_without_markers_says_so(make_lab: Any) -> None:
    lab = make_lab("event")
    session = lab.session(markers="source_id=no-such-markers", resolve_timeout=1.5)
    with pytest.raises(StreamNotFound, match="no marker stream matched"):
        session.run()


def test_two_streams_that_fit_are_not_guessed_among(make_lab: Any) -> None:
    lab = make_lab("hop", name=f"twin-{id(make_lab)}")
    other = amp(f"{lab.uid}-2", name=lab.signal.spec.name)
    session = lab.session(stream=f"name={other.spec.name}")
    with pytest.raises(StreamError, match="2 streams match"):
        session.run()
    other.close()


def test_an_exception_while_decoding_ends_in_failed_and_is_raised(make_lab: Any) -> None:
    def explode(prediction: Any) -> None:
        raise ZeroDivisionError("the screen is on fire")

    lab = make_lab("hop")
    session = lab.session(on_prediction=explode)
    session.start()
    lab.wait_until_open()
    lab.signal.push(np.ones((100, 4), np.float32), now_stamps(100))
    with pytest.raises(StreamkitError, match="ZeroDivisionError: the screen is on fire"):
        session.join(WAIT_S)
    assert session.state == "failed"
    assert isinstance(session.error, StreamkitError)


def test_a_stream_of_nan_keeps_the_session_alive_and_its_predictions_invalid(make_lab: Any) -> None:
    lab = make_lab("hop")
    got: list[Any] = []
    session = lab.session(on_prediction=got.append)
    session.start()
    lab.wait_until_open()
    data = np.ones((300, 4), np.float32)
    data[:100] = np.nan
    lab.signal.push(data, now_stamps(300))
    session.stop(drain=True)
    assert session.state == "stopped"
    assert [p.valid for p in got] == [last >= 149 for last in range(49, 300, 25)]
    assert np.isfinite([p.values for p in got]).all()


def test_stimuli_are_shown_when_a_marker_names_them(make_lab: Any, tmp_path: Path) -> None:
    Image.new("RGB", (6, 4), (255, 0, 51)).save(tmp_path / "face_07.png")
    lab = make_lab("hop")
    session = lab.session(stimuli=tmp_path, wait_for_clients=True)
    session.start()
    client = Client.of(session)
    lab.wait_until_open()
    stamp = pylsl.local_clock()
    lab.markers.push("rest", stamp)
    lab.markers.push("face_07", stamp + 0.5)
    lab.signal.push(np.ones((10, 4), np.float32), now_stamps(10))
    (pixels,), received = client.take("shown", 1)
    spec = spec_from(client.inlets["shown"].info())
    session.stop()
    assert received == [stamp + 0.5]
    assert (spec.type, spec.description["shape"], spec.description["role"]) == ("Image", "3,4,6", "shown")
    np.testing.assert_allclose(np.reshape(pixels, (3, 4, 6))[:, 0, 0], [1.0, 0.0, 0.2], atol=1e-6)


def test_images_that_cannot_be_read_are_said_before_any_stream_is_waited_for(
    unique_id: str, bundles: dict[str, ModelBundle], tmp_path: Path
) -> None:
    (tmp_path / "broken.png").write_bytes(b"not a picture")
    session = Session(bundles["hop"], stream=f"source_id={unique_id}", uid=unique_id, stimuli=tmp_path)
    session.start()
    with pytest.raises(RecordingError, match=r"broken\.png cannot be read as an image"):
        session.join(WAIT_S)
    assert session.state == "failed"


def test_health_says_stalled_and_live_again(make_lab: Any) -> None:
    lab = make_lab("hop")
    session = lab.session(wait_for_clients=True)
    session.start()
    client = Client.of(session)
    lab.wait_until_open()
    lab.signal.push(np.ones((10, 4), np.float32), now_stamps(10))
    states = []
    while not states or states[-1] != "stalled":
        states.append(json.loads(client.take("health", 1)[0][0][0])["state"])
    lab.signal.push(np.ones((10, 4), np.float32), now_stamps(10))
    while states[-1] != "live":
        states.append(json.loads(client.take("health", 1)[0][0][0])["state"])
    session.stop()
    while states[-1] != "stopped":
        states.append(json.loads(client.take("health", 1)[0][0][0])["state"])
    assert list(dict.fromkeys(states))[-3:] == ["live", "stalled", "stopped"]


def test_prediction_stream_describes_itself(make_lab: Any) -> None:
    lab = make_lab("hop")
    session = lab.session(wait_for_clients=True)
    session.start()
    spec = spec_of(find_one(f"source_id={session.source_ids['prediction']}", timeout=WAIT_S))
    session.stop()
    said = spec.description
    assert (spec.name, spec.type, spec.ch_names, spec.sfreq) == ("streamkit-prediction", "Prediction", ("a", "b"), 0)
    assert (said["kind"], json.loads(said["labels"]), said["chance"]) == ("probabilities", ["a", "b"], "0.5")
    assert (said["bundle"], said["hash"], said["backend"]) == ("hop", lab.bundle.hash, "onnxruntime")
    assert (said["target"], said["simulated"]) == (f"{lab.uid}/amp", "false")
    assert session.state == "stopped"


@ONLY_POSIX
def test_ctrl_c_is_heard_whichever_thread_receives_it(make_lab: Any) -> None:
    lab = make_lab("hop")
    session = lab.session()
    session.start()
    lab.wait_until_open()
    with ctrl_c_elsewhere(lambda: session.stop(drain=False)), pytest.raises(KeyboardInterrupt):
        session.join()
    assert session.state == "live"


def test_a_session_is_started_once(make_lab: Any) -> None:
    session = make_lab("hop").session()
    session.start()
    with pytest.raises(StreamkitError, match="started before"):
        session.start()


def test_stop_before_live_ends_quietly(unique_id: str, bundles: dict[str, ModelBundle]) -> None:
    session = Session(bundles["hop"], stream=f"source_id={unique_id}", uid=unique_id)
    session.start()
    session.stop()
    assert session.join()
    assert session.state == "stopped"
