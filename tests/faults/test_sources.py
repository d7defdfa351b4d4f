"""A source that is killed, stalls, comes back as something else or sends wrong things: seen, said, and survived.

Every source is a process of its own that sends over LSL; the session decodes in this one.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from statistics import median
from typing import Any

import numpy as np
import pylsl
import pytest

from streamkit.bundle import ModelBundle
from streamkit.errors import ContractMismatch, StreamLost
from streamkit.lsl import MarkerOutlet, find_one
from streamkit.lsl.raw import SupervisedRaw
from streamkit.lsl.search import Watch
from streamkit.lsl.supervised import SupervisedMarkers
from streamkit.pipeline import Pipeline
from streamkit.preprocess import WindowConfig
from streamkit.session import Session
from streamkit.types import Chunk, Prediction
from tests.faults.source import CHUNK, NAMES, SFREQ, WAIT_S, Source, row_numbers
from tests.small import linear_bundle

pytestmark = [pytest.mark.lsl, pytest.mark.timeout(120)]

N_TIMES, HOP = 50, 25
JITTER = 0.75 / SFREQ

LEARNED = 600
"""Samples sent before the fault: by then the stream's own jitter is known."""


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ModelBundle]:
    folder = tmp_path_factory.mktemp("bundles")
    return {mode: linear_bundle(folder / mode, mode=mode, n_times=N_TIMES, on_gap="reset") for mode in ("hop", "event")}


class Lab:
    """A session, the processes it listens to, and what it predicted."""

    def __init__(self, bundle: ModelBundle, uid: str) -> None:
        self.bundle, self.uid = bundle, uid
        self.sources: list[Source] = []
        self.got: list[tuple[float, Prediction]] = []
        self._news = threading.Condition()
        markers = f"source_id={uid}/events" if bundle.contract.window.mode == "event" else None
        self.session = Session(
            bundle,
            stream=f"source_id={uid}/amp",
            markers=markers,
            backend="onnxruntime",
            uid=uid,
            resolve_timeout=WAIT_S,
            on_prediction=self._predicted,
            on_state=self._changed,
            on_warning=lambda line: self._changed("", line),
        )

    def source(self) -> Source:
        """A further process, ready to start its stream."""
        self.sources.append(Source(self.uid))
        return self.sources[-1]

    def live(self, source: Source | None = None, **how: Any) -> Source:
        """A source that sends, and a session that decodes it."""
        source = source or self.source()
        source("start")
        self.session.start()
        self.wait(lambda: self.session.state == "live")
        source("run", **how)
        return source

    def again(self, source: Source, **changes: Any) -> float:
        """Let a source send whose predecessor was killed; returns since when it can be found."""
        resolvable: float = source("start", **changes)["at"]
        source("run")
        return resolvable

    def wait(self, condition: Callable[[], bool]) -> None:
        """Wait until something holds that changes with a prediction, a state or a warning."""
        with self._news:
            assert self._news.wait_for(condition, WAIT_S), (self.session.health.changes, self.session.error)

    def wait_for_predictions(self, n: int) -> list[Prediction]:
        """The next so many predictions."""
        before = len(self.got)
        self.wait(lambda: len(self.got) >= before + n)
        return [prediction for _, prediction in self.got[before : before + n]]

    def wait_for_samples(self, n: int) -> None:
        """Wait until the session has read so many more."""
        wanted = self.session.counts["samples"] + n
        while self.session.counts["samples"] < wanted:
            assert not self.session.join(0.02)

    def entered(self, state: str, after: float) -> tuple[float, str]:
        """When a state was entered, the first time after this, and with which message; waits for it."""

        def entries() -> list[tuple[float, str]]:
            changes = tuple(self.session.health.changes)
            return [(at, message) for name, at, message in changes if name == state and at >= after]

        self.wait(lambda: bool(entries()))
        return entries()[0]

    def stop(self) -> Chunk:
        """End the session; returns all the samples it read."""
        self.session.stop()
        return self.read()

    def read(self) -> Chunk:
        """All the samples that the session read."""
        assert self.session._rig is not None
        ring = self.session._rig.signal.ring
        return ring.view(0, ring.written)

    def close(self) -> None:
        self.session.stop(drain=False)
        for source in self.sources:
            source.close()

    def _predicted(self, prediction: Prediction) -> None:
        with self._news:
            self.got.append((pylsl.local_clock(), prediction))
            self._news.notify_all()

    def _changed(self, *_: str) -> None:
        with self._news:
            self._news.notify_all()


@pytest.fixture
def lab(bundles: dict[str, ModelBundle], unique_id: str) -> Iterator[Lab]:
    lab = Lab(bundles["hop"], unique_id)
    yield lab
    lab.close()


@pytest.fixture
def event_lab(bundles: dict[str, ModelBundle], unique_id: str) -> Iterator[Lab]:
    lab = Lab(bundles["event"], unique_id)
    yield lab
    lab.close()


def runs(chunk: Chunk) -> list[Chunk]:
    """The samples without duplicates, divided at the gaps."""
    fresh = ~chunk.duplicate
    data, stamps = chunk.data[fresh].copy(), chunk.stamps[fresh].copy()
    starts = [0, *np.flatnonzero(chunk.gap[fresh])]
    return [
        Chunk(data[start:stop], stamps[start:stop])
        for start, stop in zip(starts, [*starts[1:], len(data)], strict=True)
        if stop > start
    ]


def right_answers(bundle: ModelBundle, chunk: Chunk) -> dict[float, np.ndarray]:
    """What each run of samples, decoded by itself from its first sample, says at each of its stamps."""
    contract = bundle.contract
    every = WindowConfig(mode="hop", n_times=N_TIMES, hop=1)
    with closing(bundle.open_runner("onnxruntime")) as runner:
        return {
            prediction.stamp: prediction.values
            for run in runs(chunk)
            for prediction in Pipeline(contract.stream, contract.preprocess, every, runner).push(run)
        }


def check_answers(lab: Lab, chunk: Chunk, predictions: list[Prediction]) -> None:
    """Each prediction has the value that its samples give, at the stamp of the last, and none comes twice."""
    answers = right_answers(lab.bundle, chunk)
    for prediction in predictions:
        np.testing.assert_allclose(prediction.values, answers[prediction.stamp], atol=1e-5)
    assert (np.diff([prediction.stamp for prediction in predictions]) > 0).all()


def test_a_source_killed_and_restarted_is_decoded_again_at_once(lab: Lab) -> None:
    source = lab.live()
    noticed, resumed, answered = [], [], []
    for _ in range(3):
        lab.wait_for_predictions(2)
        successor = lab.source()
        killed = source.kill()
        lost, message = lab.entered("lost", killed)
        assert message.startswith("stream 'amp' on ")
        assert message.endswith(f"waiting for a stream with source id '{lab.uid}/amp'")
        before = len(lab.got)
        resolvable = lab.again(successor)
        live, _ = lab.entered("live", resolvable)
        lab.wait(lambda before=before: len(lab.got) > before)
        noticed.append(lost - killed)
        resumed.append(live - resolvable)
        answered.append(lab.got[before][0] - live)
        source = successor
    lab.wait_for_predictions(2)
    chunk = lab.stop()
    assert median(noticed) < 0.05
    assert median(resumed) < 0.3
    assert median(answered) < (N_TIMES + HOP) / SFREQ + 0.1
    assert lab.session.state == "stopped"
    assert lab.session.counts["lost"] == lab.session.counts["returned"] == 3
    numbers = row_numbers(chunk.data)
    assert np.flatnonzero(chunk.gap).tolist() == (1 + np.flatnonzero(np.diff(numbers) != 1)).tolist()
    assert chunk.gap.sum() == 3
    check_answers(lab, chunk, [prediction for _, prediction in lab.got])


def test_a_source_whose_stamps_jitter_is_learned_anew_when_it_comes_back(lab: Lab) -> None:
    source, successor = lab.source(), lab.source()
    source("wrong", jitter=JITTER)
    successor("wrong", jitter=JITTER)
    lab.live(source, past=LEARNED)
    lab.wait_for_samples(LEARNED)
    lab.entered("lost", source.kill())
    lab.again(successor)
    lab.wait_for_samples(LEARNED)
    chunk = lab.stop()
    assert lab.session.state == "stopped"
    assert chunk.gap.sum() == 1
    check_answers(lab, chunk, [prediction for _, prediction in lab.got])


def test_markers_and_signal_that_are_killed_come_back_both(event_lab: Lab) -> None:
    lab = event_lab
    source = lab.live()
    lab.wait_for_samples(100)
    source("mark", label="a")
    assert lab.wait_for_predictions(1)[0].event.label == "a"
    lost, _ = lab.entered("lost", source.kill())
    source = lab.source()
    lab.again(source)
    lab.entered("live", lost)
    lab.wait(lambda: lab.session.counts["returned"] == 2)
    lab.wait_for_samples(100)
    source("mark", label="b")
    assert lab.wait_for_predictions(1)[0].event.label == "b"
    lab.stop()
    assert lab.session.counts["lost"] == 2


def test_a_silent_stall_is_seen_within_the_watchdog_time(lab: Lab) -> None:
    source = lab.live()
    seen = []
    for _ in range(3):
        lab.wait_for_predictions(4)
        stalled, message = lab.entered("stalled", source("stall")["at"])
        assert message == "no sample for more than 0.2 s, although still connected"
        # The first chunk that is missing was due one chunk after the last that came.
        seen.append(stalled - lab.read().stamps[-1] - CHUNK / SFREQ)
        resumed = source("run")["at"]
        lab.entered("live", resumed)
    lab.wait_for_predictions(2)
    chunk = lab.stop()
    assert median(seen) < 0.2
    assert chunk.gap.sum() == 3
    assert (np.diff(row_numbers(chunk.data)) == 1).all()
    check_answers(lab, chunk, [prediction for _, prediction in lab.got])


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"ch_names": [*NAMES[:3], "X"]}, "channels: 1 of 4 expected are missing: E3; the stream has 4: E0, E1, E2, X"),
        ({"sfreq": 256.0}, "rate: expected 250 Hz, the stream has 256 Hz"),
        ({"unit": "volts"}, "unit: expected microvolts, the stream has volts"),
    ],
    ids=["channels", "rate", "unit"],
)
def test_what_comes_back_as_something_else_is_refused_until_it_is_right(
    lab: Lab, changes: dict[str, Any], line: str
) -> None:
    source, wrong, right = lab.live(), lab.source(), lab.source()
    lab.wait_for_predictions(1)
    killed = source.kill()
    lab.again(wrong, **changes)
    _, message = lab.entered("refused", killed)
    assert message.splitlines()[0].startswith("stream 'amp' came back as something else; start it again as it was")
    assert [text.strip() for text in message.splitlines()[1:]] == [line]
    n_samples = lab.session.counts["samples"]
    wrong.kill()
    returned = lab.again(right)
    live, _ = lab.entered("live", killed)
    assert live - returned < 1.0
    lab.wait_for_predictions(2)
    chunk = lab.stop()
    assert lab.session.state == "stopped"
    assert lab.session.counts["refused"] == 1
    assert np.flatnonzero(chunk.gap).tolist() == [n_samples]
    check_answers(lab, chunk, [prediction for _, prediction in lab.got])


def test_channels_that_come_back_in_another_order_are_put_where_they_were(lab: Lab) -> None:
    source, other = lab.live(), lab.source()
    lab.wait_for_predictions(1)
    killed = source.kill()
    n_samples = lab.session.counts["samples"]
    lab.again(other, ch_names=list(reversed(NAMES)))
    lab.entered("live", killed)
    lab.wait_for_predictions(1)
    chunk = lab.stop()
    numbers = row_numbers(chunk.data[n_samples:, ::-1])
    assert numbers[0] >= 0
    assert (np.diff(numbers) == 1).all()


def test_a_session_that_ends_without_its_source_says_so(lab: Lab) -> None:
    source = lab.live()
    lab.wait_for_predictions(1)
    lab.entered("lost", source.kill())
    lab.session.stop()
    with pytest.raises(StreamLost, match="went away; waiting for a stream with source id"):
        lab.session.join()
    assert (lab.session.state, lab.session.error.exit_status) == ("lost", 1)


def test_a_session_that_ends_with_a_refused_source_says_the_difference(lab: Lab) -> None:
    source, wrong = lab.live(), lab.source()
    lab.wait_for_predictions(1)
    killed = source.kill()
    lab.again(wrong, unit="volts")
    lab.entered("refused", killed)
    lab.session.stop()
    with pytest.raises(ContractMismatch) as caught:
        lab.session.join()
    assert caught.value.differences == ("unit: expected microvolts, the stream has volts",)
    assert (lab.session.state, caught.value.exit_status) == ("refused", 2)


def learned(lab: Lab) -> Source:
    """A live source whose past is known, so that a single lost sample shows."""
    source = lab.live(past=LEARNED)
    lab.wait_for_samples(LEARNED + 50)
    return source


def time_counts(lab: Lab) -> dict[str, Any]:
    """What health says about time, once the session has ended."""
    return dict(lab.session.health.facts["time"])


def test_one_sample_in_a_hundred_dropped_is_counted_and_never_decoded_over(lab: Lab) -> None:
    source = learned(lab)
    source("wrong", drop=100)
    lab.wait_for_samples(400)
    dropped = source("normal")["n_wrong"]
    lab.wait_for_predictions(3)
    chunk = lab.stop()
    assert dropped >= 3
    assert time_counts(lab)["missing"] == dropped
    numbers = row_numbers(chunk.data)
    assert np.flatnonzero(chunk.gap).tolist() == (1 + np.flatnonzero(np.diff(numbers) != 1)).tolist()
    assert lab.session.counts["gap"] >= dropped
    check_answers(lab, chunk, [prediction for _, prediction in lab.got])


def test_chunks_sent_twice_are_decoded_once(lab: Lab) -> None:
    source = learned(lab)
    source("wrong", twice=7)
    lab.wait_for_samples(200)
    repeated = source("normal")["n_wrong"]
    lab.wait_for_predictions(2)
    chunk = lab.stop()
    assert repeated >= 4 * CHUNK
    assert time_counts(lab)["duplicates"] == chunk.duplicate.sum() == repeated
    assert not chunk.gap.any()
    assert (np.diff(row_numbers(chunk.data[~chunk.duplicate])) == 1).all()
    predictions = [prediction for _, prediction in lab.got]
    assert np.diff([prediction.last for prediction in predictions]).tolist() == [HOP] * (len(predictions) - 1)
    check_answers(lab, chunk, predictions)


def test_a_clock_set_back_by_five_seconds_is_one_gap_and_stamps_go_on(lab: Lab) -> None:
    source = learned(lab)
    source("wrong", back=5.0)
    lab.wait(lambda: any("clock that stamps the stream was set back" in line for line in lab.session.health.warnings))
    lab.wait_for_predictions(4)
    chunk = lab.stop()
    assert time_counts(lab)["backward"] == 1
    assert chunk.gap.sum() == 1
    (at,) = np.flatnonzero(chunk.gap)
    assert chunk.raw_stamps[at] - chunk.raw_stamps[at - 1] == pytest.approx(1 / SFREQ - 5.0, abs=1e-3)
    np.testing.assert_allclose(np.diff(chunk.stamps[LEARNED:]), 1 / SFREQ, atol=2e-3)
    assert (np.diff(row_numbers(chunk.data)) == 1).all()
    check_answers(lab, chunk, [prediction for _, prediction in lab.got])


def test_a_rate_two_percent_off_is_measured_and_said_and_decoding_goes_on(lab: Lab) -> None:
    lab.live(past=1500, period=1 / (0.98 * SFREQ))
    lab.wait(lambda: any("declares 250 Hz but runs at 245" in line for line in lab.session.health.warnings))
    lab.wait_for_predictions(3)
    chunk = lab.stop()
    assert time_counts(lab)["effective_sfreq"] == pytest.approx(0.98 * SFREQ, rel=2e-3)
    assert lab.session.state == "stopped"
    assert not chunk.gap[N_TIMES:].any()
    check_answers(lab, chunk, [prediction for _, prediction in lab.got])


@pytest.mark.parametrize("bad", ["nan", "inf", "-inf"])
def test_values_that_are_no_numbers_make_predictions_invalid_and_then_valid_again(lab: Lab, bad: str) -> None:
    source = lab.live()
    lab.wait_for_predictions(2)
    source("wrong", bad=bad)
    lab.wait(lambda: any(not prediction.valid for _, prediction in lab.got))
    source("normal")
    before = len(lab.got)
    lab.wait(lambda: any(prediction.valid for _, prediction in lab.got[before:]))
    chunk = lab.stop()
    assert lab.session.state == "stopped"
    finite = np.isfinite(chunk.data).all(axis=1)
    assert not finite.all()
    for _, prediction in lab.got:
        assert np.isfinite(prediction.values).all()
        assert prediction.valid == finite[prediction.last - N_TIMES + 1 : prediction.last + 1].all()
    check_answers(lab, chunk, [prediction for _, prediction in lab.got])


def test_a_computer_that_lost_its_power_is_replaced_although_its_connection_stays_open(lab: Lab) -> None:
    source, successor = lab.live(), lab.source()
    lab.wait_for_predictions(1)
    frozen = pylsl.local_clock()
    source.process.send_signal(signal.SIGSTOP)
    lab.entered("stalled", frozen)
    n_samples = lab.session.counts["samples"]
    lab.again(successor)
    lab.entered("live", frozen)
    lab.wait_for_predictions(2)
    chunk = lab.stop()
    assert (lab.session.counts["lost"], lab.session.counts["returned"]) == (0, 1)
    assert np.flatnonzero(chunk.gap).tolist() == [n_samples]
    check_answers(lab, chunk, [prediction for _, prediction in lab.got])


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """A source without a rate is given up after shorter times; liblsl still asks only every second or two."""
    monkeypatch.setattr("streamkit.lsl.supervised.SILENT_S", 0.2)
    monkeypatch.setattr("streamkit.lsl.search.WATCH_S", 0.1)
    monkeypatch.setattr("streamkit.lsl.search.STANDS_S", 0.3)


def labels_of(inlet: SupervisedMarkers | SupervisedRaw) -> list[str]:
    """Labels that have come, waiting a moment for one."""
    if isinstance(inlet, SupervisedMarkers):
        return [event.label for event in inlet.pull(0.05)]
    return [label.decode() for (label,) in inlet.pull(0.05)[0]]


@pytest.fixture(params=[SupervisedMarkers, SupervisedRaw])
def listener(request: pytest.FixtureRequest) -> Iterator[Callable[[str], SupervisedMarkers | SupervisedRaw]]:
    opened: list[SupervisedMarkers | SupervisedRaw] = []

    def listen(source_id: str) -> SupervisedMarkers | SupervisedRaw:
        opened.append(request.param(find_one(f"source_id={source_id}", timeout=WAIT_S)))
        opened[-1].open(WAIT_S)
        return opened[-1]

    yield listen
    for inlet in opened:
        inlet.close()


@pytest.mark.usefixtures("hasty")
def test_markers_of_a_computer_that_lost_its_power_are_heard_again(
    listener: Callable[[str], SupervisedMarkers | SupervisedRaw], unique_id: str
) -> None:
    source, successor = Source(unique_id), Source(unique_id)
    with closing(source), closing(successor):
        source("start")
        inlet = listener(f"{unique_id}/events")
        source("mark", label="before")
        while labels_of(inlet) != ["before"]:
            pass
        source.process.send_signal(signal.SIGSTOP)
        successor("start")
        deadline = pylsl.local_clock() + WAIT_S
        while not inlet.counts["returned"]:
            assert labels_of(inlet) == []
            assert pylsl.local_clock() < deadline
        successor("mark", label="after")
        while not (heard := labels_of(inlet)):
            assert pylsl.local_clock() < deadline
    assert heard == ["after"]
    assert inlet.counts == {"lost": 0, "returned": 1, "refused": 0}


@pytest.mark.usefixtures("hasty")
def test_silent_markers_are_not_replaced_while_their_source_answers(
    listener: Callable[[str], SupervisedMarkers | SupervisedRaw], unique_id: str
) -> None:
    """Programs made after one example share a source id, and a person may start one twice."""
    first = MarkerOutlet("events", unique_id)
    inlet = listener(unique_id)
    second = MarkerOutlet("events", unique_id)
    until = pylsl.local_clock() + 3.0
    while pylsl.local_clock() < until:
        assert labels_of(inlet) == []
    first.push("mine", 5.0)
    second.push("of another", 6.0)
    assert labels_of(inlet) == ["mine"]
    assert inlet.counts["returned"] == 0
    assert isinstance(inlet._search, Watch)
    first.close()
    second.close()


@pytest.mark.usefixtures("hasty")
def test_a_session_decodes_the_markers_of_a_computer_that_lost_its_power_and_started_again(event_lab: Lab) -> None:
    lab = event_lab
    source, successor = lab.live(), lab.source()
    lab.wait_for_samples(100)
    source("mark", label="a")
    assert lab.wait_for_predictions(1)[0].event.label == "a"
    source.process.send_signal(signal.SIGSTOP)
    lab.again(successor)
    while lab.session.counts["returned"] < 2:
        assert not lab.session.join(0.02)
    lab.wait_for_samples(100)
    successor("mark", label="b")
    assert lab.wait_for_predictions(1)[0].event.label == "b"
    assert lab.session.counts["lost"] == 0
