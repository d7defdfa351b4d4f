"""A session of several streams over real LSL: rates, clocks, joiners, losses and duplicates."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pylsl
import pytest

from streamkit.bundle import ModelBundle
from streamkit.errors import ContractMismatch, StreamNotFound
from streamkit.lsl import MarkerOutlet, SignalOutlet, find_one, inlet, spec_of
from streamkit.lsl.selection import await_side
from streamkit.preprocess import Preprocessor, align_whole, windows_of
from streamkit.recording import Recording, Signal, read_recording
from streamkit.session import Session
from streamkit.session.options import SessionOptions
from streamkit.session.sides import Sides
from streamkit.types import Chunk, Event, Prediction
from tests.several import several_bundle, several_recording, side_streams
from tests.small import linear_bundle, noise_recording

pytestmark = pytest.mark.lsl

WAIT_S = 30.0
BLOCK_S = 0.1


@dataclass
class Lab:
    """Outlets for the streams of a recording, and the sessions that read them."""

    uid: str
    recording: Recording
    shift: float = 0.0
    outlets: dict[str, SignalOutlet] = field(default_factory=dict)
    markers: dict[str, MarkerOutlet] = field(default_factory=dict)
    sent: dict[str, int] = field(default_factory=dict)
    sessions: list[Session] = field(default_factory=list)
    predictions: list[Prediction] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    news: threading.Condition = field(default_factory=threading.Condition)

    def open(self, *names: str) -> None:
        for signal in self.recording.signals:
            if signal.spec.name in names:
                spec = signal.spec.model_copy(update={"source_id": f"{self.uid}/{signal.spec.name}"})
                self.outlets[spec.name] = SignalOutlet(spec)
        for name in {"events", "more events"} & set(names):
            self.markers[name] = MarkerOutlet(name, f"{self.uid}/{name}")

    def session(self, bundle: ModelBundle, **options: Any) -> Session:
        options = {"stream": f"source_id={self.uid}/amp", "backend": "onnxruntime", "uid": self.uid} | options
        session = Session(bundle, on_prediction=self.predicted, on_warning=self.warnings.append, **options)
        self.sessions.append(session)
        session.start()
        for outlet in (*self.outlets.values(), *self.markers.values()):
            assert outlet.wait_for_consumers(WAIT_S)
        self.shift = pylsl.local_clock() - self.recording.span[1]
        return session

    def predicted(self, prediction: Prediction) -> None:
        with self.news:
            self.predictions.append(prediction)
            self.news.notify_all()

    def wait_for(self, condition: Any) -> None:
        with self.news:
            assert self.news.wait_for(condition, WAIT_S)

    def wait_until(self, session: Session, condition: Any) -> None:
        """Wait for something that the decoding thread does."""
        deadline = pylsl.local_clock() + WAIT_S
        while not condition():
            assert pylsl.local_clock() < deadline
            assert not session.join(0.02)

    def wait_for_sides(self, sides: Sides, n_sides: int) -> None:
        """Pull until so many side streams are there."""
        deadline = pylsl.local_clock() + WAIT_S
        while len(sides.inlets) < n_sides:
            sides.pull()
            assert pylsl.local_clock() < deadline

    def play(self, begin: float = -1.0, end: float = 7.0, clocks: dict[str, float] | None = None) -> None:
        """Send what lies between two times of the recording, clocks shifted; the amplifier's once the rest is in."""
        self.send("force", begin, end, clocks)
        self.send("gaze", begin, end, clocks)
        self.wait_until(self.sessions[-1], lambda: not self.waiting())
        self.send("amp", begin, end, clocks)

    def send(self, name: str, begin: float, end: float, clocks: dict[str, float] | None = None) -> None:
        if name not in self.outlets:
            return
        signal = self.signal(name)
        time = signal.stamps - noise_recording().span[0]
        for block in np.arange(begin, end, BLOCK_S):
            part = (time >= block) & (time < min(end, block + BLOCK_S))
            if part.any():
                shift = self.shift + (clocks or {}).get(name, 0.0)
                self.outlets[name].push(signal.data[part], signal.stamps[part] + shift)
                self.sent[name] = self.sent.get(name, 0) + int(part.sum())

    def waiting(self) -> bool:
        """Whether a session has not taken in all that was sent of the side streams."""
        taken = self.sessions[-1].counts["side_samples"] if len(self.outlets) > 1 else 0
        return taken < sum(n for name, n in self.sent.items() if name != "amp")

    def signal(self, name: str) -> Signal:
        return next(signal for signal in self.recording.signals if signal.spec.name == name)

    def mark(self, ahead: float = 0.0) -> None:
        for event in self.recording.events():
            self.markers["events"].push(event.label, event.stamp + self.shift + ahead)

    def expected(self, bundle: ModelBundle) -> list[tuple[int, bytes]]:
        """What the same values give offline."""
        contract = bundle.contract
        amp, force, gaze = (self.signal(name) for name in ("amp", "force", "gaze"))
        grip = Signal(contract.also[0].stream, force.data[:, :1], force.stamps)
        processed = Preprocessor(contract.stream, contract.preprocess).process(amp.whole())
        processed = align_whole(processed, contract.also, [grip.whole(), gaze.whole()])
        windows = windows_of(processed, self.recording.events(), contract.stream.sfreq, contract.window)
        runner = bundle.open_runner("onnxruntime")
        return [(w.last, runner.infer(np.ascontiguousarray(w.data.T)[None]).tobytes()) for w in windows]

    def answers(self) -> list[tuple[int, bytes]]:
        return [(p.last, p.values.tobytes()) for p in self.predictions]


def side(session: Session, number: int) -> dict[str, Any]:
    """What health says of a side stream."""
    said: dict[str, Any] = session.health.report({})["also"][number]
    return said


@pytest.fixture
def lab(unique_id: str) -> Iterator[Lab]:
    made = Lab(unique_id, several_recording())
    yield made
    for session in made.sessions:
        session.stop(drain=False)
    for outlet in (*made.outlets.values(), *made.markers.values()):
        outlet.close()


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ModelBundle]:
    folder = tmp_path_factory.mktemp("bundles")
    # Blocks of a tenth of a second and a gaze that may come after them: half a second is always enough.
    made = {mode: several_bundle(folder / mode, mode=mode, also=side_streams(0.5)) for mode in ("event", "hop")}
    optional = tuple(side.model_copy(update={"optional": True}) for side in side_streams(0.5))
    return made | {"optional": several_bundle(folder / "optional", also=optional)}


@pytest.mark.parametrize("mode", ["hop", "event"])
def test_two_rates_an_irregular_stream_and_markers_give_the_offline_answer(lab: Lab, bundles: Any, mode: str) -> None:
    lab.open("amp", "force", "gaze", *(["events"] if mode == "event" else []))
    session = lab.session(bundles[mode])
    if mode == "event":
        lab.mark()
    lab.play()
    session.stop(drain=True)
    assert lab.answers() == lab.expected(bundles[mode])
    assert len(lab.predictions) > 5
    assert session.counts["side_late"] == 0
    assert [spec.name for spec in session.inputs][:3] == ["amp", "force", "gaze"]
    assert lab.warnings == []


def test_streams_of_other_hosts_are_brought_onto_one_clock(
    lab: Lab, bundles: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ahead = {"force": 512.0, "gaze": -2048.0, "events": 4096.0}

    class FarClock(inlet.ClockOffset):
        def __init__(self, lsl: pylsl.StreamInlet, hostname: str) -> None:
            super().__init__(lsl, hostname)
            self._offset = -ahead.get(lsl.info().name(), 0.0)

    for module in ("inlet", "markers"):
        monkeypatch.setattr(f"streamkit.lsl.{module}.ClockOffset", FarClock)
    lab.open("amp", "force", "gaze", "events")
    session = lab.session(bundles["event"])
    lab.mark(ahead["events"])
    lab.play(clocks=ahead)
    session.stop(drain=True)
    assert [last for last, _ in lab.answers()] == [last for last, _ in lab.expected(bundles["event"])]
    offline = np.array([np.frombuffer(values, np.float32) for _, values in lab.expected(bundles["event"])])
    np.testing.assert_allclose([p.values for p in lab.predictions], offline, atol=1e-5)


def test_a_side_stream_that_is_not_there_is_said(lab: Lab, bundles: Any) -> None:
    lab.open("amp", "force")
    session = Session(bundles["hop"], stream=f"source_id={lab.uid}/amp", uid=lab.uid, resolve_timeout=2.0)
    with pytest.raises(StreamNotFound, match="gaze"):
        session.run()


def test_a_side_stream_that_does_not_fit_is_refused(lab: Lab, bundles: Any) -> None:
    lab.open("amp", "force", "gaze")
    wrong = (f"source_id={lab.uid}/gaze", f"source_id={lab.uid}/force")
    session = Session(bundles["hop"], stream=f"source_id={lab.uid}/amp", also=wrong, uid=lab.uid)
    with pytest.raises(ContractMismatch, match="missing: grip"):
        session.run()
    assert session.state == "refused"


def test_an_optional_side_stream_joins_a_live_session(lab: Lab, bundles: Any, tmp_path: Path) -> None:
    lab.open("amp", "force")
    # The name alone would be answered by the gaze of any other session on this machine.
    also = (f"source_id={lab.uid}/force", f"source_id={lab.uid}/gaze")
    session = lab.session(bundles["optional"], also=also, record=tmp_path / "recorded")
    lab.play(end=2.0)
    lab.wait_for(lambda: len(lab.predictions) == len(range(49, 500, 25)))
    assert side(session, 1)["state"] == "searching"
    assert not any(p.valid for p in lab.predictions)
    lab.open("gaze")
    lab.wait_until(session, lambda: side(session, 1)["state"] == "live")
    lab.play(begin=2.0)
    session.stop(drain=True)
    valid = {p.last: p.valid for p in lab.predictions}
    assert len(valid) == len(range(49, 1500, 25))
    gaze = lab.signal("gaze")
    later = gaze.stamps - noise_recording().span[0] >= 2.0
    begins = np.searchsorted(noise_recording().signal().stamps, gaze.stamps[later][0] + 0.5)
    assert [last for last in valid if valid[last]] == [last for last in valid if last - 49 >= begins]
    recorded = {signal.spec.name: signal for signal in read_recording(tmp_path / "recorded").signals}
    np.testing.assert_array_equal(recorded["gaze"].data, gaze.data[later])


def test_an_optional_side_stream_that_does_not_fit_is_said_and_looked_past(lab: Lab, bundles: Any) -> None:
    lab.open("amp", "force")
    also = (f"source_id={lab.uid}/force", f"source_id={lab.uid}/gaze*")
    session = lab.session(bundles["optional"], also=also)
    whole = lab.recording
    gaze = lab.signal("gaze")
    other = Signal(gaze.spec.model_copy(update={"name": "gaze 3d", "ch_names": ("x", "z")}), gaze.data, gaze.stamps)
    lab.recording = replace(whole, signals=(*whole.signals, other))
    lab.open("gaze 3d")
    lab.wait_until(session, lambda: "missing: y" in side(session, 1)["message"])
    lab.open("gaze")
    lab.wait_until(session, lambda: side(session, 1)["state"] == "live")
    assert [spec.name for spec in session.inputs] == ["amp", "force", "gaze"]


def test_an_optional_side_stream_may_be_gone_again_when_it_is_asked(
    lab: Lab, bundles: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    lab.open("amp", "force", "gaze")
    info = find_one(f"source_id={lab.uid}/gaze", timeout=WAIT_S)
    lab.outlets.pop("gaze").close()
    monkeypatch.setattr("streamkit.session.sides.await_side", answered(await_side, "gaze", info))
    also = (f"source_id={lab.uid}/force", f"source_id={lab.uid}/gaze")
    session = lab.session(bundles["optional"], also=also)
    assert [spec.name for spec in session.inputs] == ["amp", "force"]
    assert "was seen but did not answer" in caplog.text
    lab.open("gaze")
    lab.wait_until(session, lambda: side(session, 1)["state"] == "live")


def answered(ask: Any, name: str, info: pylsl.StreamInfo) -> Any:
    """`ask`, except for the stream of this name: there `info` is found."""
    return lambda query, expected, *args, **more: info if expected.name == name else ask(query, expected, *args, **more)


def test_an_optional_side_stream_may_go_before_it_is_subscribed_to(lab: Lab, bundles: Any) -> None:
    lab.open("amp", "force", "gaze")
    also = (f"source_id={lab.uid}/force", f"source_id={lab.uid}/gaze")
    sides = Sides(bundles["optional"].contract, SessionOptions(also=also))
    signal = spec_of(find_one(f"source_id={lab.uid}/amp", timeout=WAIT_S))
    sides.find(signal, WAIT_S, lambda: None)
    assert [inlet.spec.name for inlet in sides.inlets] == ["force", "gaze"]
    lab.outlets.pop("gaze").close()
    sides.open(signal)
    assert [inlet.spec.name for inlet in sides.inlets] == ["force"]
    lab.open("gaze")
    lab.wait_for_sides(sides, 2)
    sides.close()


def test_a_marker_stream_joins_a_live_session(lab: Lab, tmp_path: Path) -> None:
    bundle = linear_bundle(tmp_path / "bundle")
    lab.recording = noise_recording()
    lab.open("amp", "events")
    session = lab.session(bundle, record=tmp_path / "recorded")
    lab.open("more events")
    lab.wait_until(session, lambda: len(session.inputs) == 3)
    # Out of order, from two streams, one marker of the same label and stamp on both.
    stamps = noise_recording().span[0] + lab.shift + np.array([4.0, 1.0, 2.0, 3.0])
    for name, stamp in zip(("events", "more events", "events", "more events"), stamps, strict=True):
        lab.markers[name].push("a", stamp)
    lab.markers["events"].push("a", stamps[1])
    lab.play()
    session.stop(drain=True)
    assert sorted((p.event.stamp, p.event.stream) for p in lab.predictions if p.event) == sorted(
        zip([*stamps.tolist(), stamps[1]], ["events", "more events", "events", "more events", "events"], strict=True)
    )
    assert session.counts["markers"] == 5
    assert session.counts["duplicate_marker"] == 0
    assert len(read_recording(tmp_path / "recorded").markers) >= 2


def test_a_marker_that_comes_twice_is_decoded_once(lab: Lab, tmp_path: Path) -> None:
    lab.recording = noise_recording()
    lab.open("amp", "events")
    session = lab.session(linear_bundle(tmp_path / "bundle"), record=tmp_path / "recorded")
    lab.mark()
    lab.mark()
    lab.play()
    session.stop(drain=True)
    assert session.counts["markers"] == session.counts["duplicate_marker"] == 8
    events = lab.recording.events()
    assert [p.event and p.event.label for p in lab.predictions] == [event.label for event in events]
    recorded = read_recording(tmp_path / "recorded")
    assert len(next(m for m in recorded.markers if m.spec.name == "events").labels) == 16
    assert len(recorded.events()) == 8


def test_a_lost_side_stream_makes_samples_invalid_and_does_not_stop_decoding(lab: Lab, bundles: Any) -> None:
    lab.open("amp", "force", "gaze")
    session = lab.session(bundles["hop"])
    lab.play(end=3.0)
    lab.wait_for(lambda: len(lab.predictions) == len(range(49, 750, 25)))
    lab.outlets.pop("force").close()
    lab.play(begin=3.0, end=5.0)
    lab.wait_for(lambda: len(lab.predictions) == len(range(49, 1250, 25)))
    assert side(session, 0)["state"] == "lost"
    lab.open("force")
    lab.wait_until(session, lambda: side(session, 0)["state"] == "live")
    lab.play(begin=5.0)
    session.stop(drain=True)
    assert session.error is None
    valid = {p.last: p.valid for p in lab.predictions}
    assert len(valid) == len(range(49, 1500, 25))
    # Half a second of delay and a tenth that a value stands: from 3.6 s on there is none, from 5.5 s on again.
    beside = [last for last, ok in valid.items() if not ok and last > 200]
    assert min(beside) == pytest.approx(3.6 * 250, abs=30)
    assert max(beside) - 50 <= 5.5 * 250 + 5
    assert session.counts["side_missing"] > 400
    assert any("side stream force" in line for line in lab.warnings)


def test_events_of_a_recording_are_each_once() -> None:
    markers = noise_recording().markers[0]
    twice = Recording((), (type(markers)(markers.spec, markers.labels * 2, np.tile(markers.stamps, 2)),))
    assert twice.events() == [Event(e.label, e.stamp, e.stream) for e in noise_recording().events()]


def test_eight_streams_of_64_channels_lose_nothing(unique_id: str) -> None:
    n_chans, n_times, sfreq = 64, 2000, 1000.0
    names = tuple(f"c{k}" for k in range(n_chans))
    model = several_recording().signals[1].spec.model_copy(update={"ch_names": names, "sfreq": sfreq})
    specs = [model.model_copy(update={"name": f"s{k}", "source_id": f"{unique_id}/{k}"}) for k in range(8)]
    outlets = [SignalOutlet(spec) for spec in specs]
    inlets = [inlet.SignalInlet(pylsl.resolve_byprop("source_id", spec.source_id, 1, WAIT_S)[0]) for spec in specs]
    for one in inlets:
        one.open()
    data = np.random.default_rng(0).standard_normal((8, n_times, n_chans)).astype(np.float32)
    stamps = pylsl.local_clock() + np.arange(n_times) / sfreq
    got: list[list[Chunk]] = [[] for _ in inlets]
    for first in range(0, n_times, 10):
        for k, outlet in enumerate(outlets):
            outlet.push(data[k, first : first + 10], stamps[first : first + 10])
        for k, one in enumerate(inlets):
            got[k].append(one.pull(0.0))
    for k, one in enumerate(inlets):
        while sum(map(len, got[k])) < n_times:
            got[k].append(one.pull(WAIT_S))
    for k, chunks in enumerate(got):
        received = inlets[k].ring.view(0, n_times)
        np.testing.assert_array_equal(received.data, data[k])
        np.testing.assert_array_equal(received.stamps, stamps)
        assert not any(chunk.gap is not None and chunk.gap.any() for chunk in chunks)
    for stream in (*inlets, *outlets):
        stream.close()
