"""From LSL into the states, and out of the way of everything else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import numpy as np
import pylsl
import pytest

from apps.view.connection import Connection
from apps.view.feed import Feed
from apps.view.state.discovery import DiscoveryState
from apps.view.state.view import ViewState
from tests.view.fake_session import FakeSession

pytestmark = pytest.mark.lsl


@pytest.fixture
def session(unique_id: str, request: pytest.FixtureRequest) -> Iterator[FakeSession]:
    options = {"n_chans": 8, "sfreq": 200.0, "every": 0.2, "gap": (5.0, 5.6), "name": unique_id}
    made = FakeSession(**(options | getattr(request, "param", {}))).start()
    yield made
    made.stop()


def announced(session: FakeSession) -> Callable[[], list[pylsl.StreamInfo]]:
    """The streams of one session, looked up once by their own source ids."""
    infos: list[pylsl.StreamInfo] = []

    def results() -> list[pylsl.StreamInfo]:
        if not infos:
            ids = [outlet.get_info().source_id() for outlet in session.outlets.values()]
            infos.extend(info for one in ids for info in pylsl.resolve_byprop("source_id", one, 1, 5.0))
        return infos

    return results


def watch(state: ViewState, feed: Feed, until: Callable[[], bool], timeout: float = 15.0) -> bool:
    """Poll as the window would, until something has happened."""
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        feed.poll()
        if until():
            return True
        time.sleep(0.01)
    return False


def test_every_stream_of_a_session_reaches_its_state(session: FakeSession) -> None:
    state = ViewState()
    feed = Feed(state, announced(session))
    assert watch(state, feed, lambda: len(state.images.judged) >= 3 and state.latency.count > 2 and state.simulated)
    assert state.signals.spec is not None
    assert state.signals.spec.name == "cortex"
    assert state.signals.unit == "µV"
    assert state.output == "image"
    assert state.health.shown_state(time.time()) == "live"
    assert state.health.facts["backend"] == "openvino"
    assert state.images.score > state.images.chance
    assert watch(state, feed, lambda: bool(state.signals.sweep.gap.any()))
    assert state.signals.visible_events()
    feed.close()


@pytest.mark.parametrize("session", [{"output": "probabilities"}], indirect=True)
def test_decisions_are_judged(session: FakeSession) -> None:
    state = ViewState()
    feed = Feed(state, announced(session))
    assert watch(state, feed, lambda: len(state.decisions.judged) >= 5 and state.decisions.values is not None)
    assert state.decisions.labels == ("left hand", "right hand", "feet", "rest")
    assert state.decisions.chance == 0.25
    feed.close()


@pytest.mark.parametrize("session", [{"output": "values", "every": 0.05}], indirect=True)
def test_a_recorded_quantity_of_the_same_name_is_found(session: FakeSession) -> None:
    state = ViewState()
    feed = Feed(state, announced(session))
    assert watch(state, feed, lambda: len(state.values.recorded("force")[0]) > 50 and state.values.count > 5)
    assert state.values.unit == "N"
    feed.close()


def test_the_signal_that_was_asked_for_is_shown(session: FakeSession) -> None:
    state = ViewState(discovery=DiscoveryState(stream_query="name=something else"))
    feed = Feed(state, announced(session))
    assert watch(state, feed, lambda: state.health.state == "live")
    assert state.signals.spec is None
    feed.close()


def test_markers_of_strangers_are_dropped_once_it_is_known_whose_signal_is_shown(
    session: FakeSession, unique_id: str
) -> None:
    stranger = pylsl.StreamOutlet(
        pylsl.StreamInfo("their markers", "Markers", 1, 0.0, "string", f"another-{unique_id}/markers")
    )
    theirs = pylsl.resolve_byprop("source_id", f"another-{unique_id}/markers", 1, 5.0)
    ours, known = announced(session), list(theirs)
    state = ViewState()
    feed = Feed(state, lambda: known)
    assert watch(state, feed, stranger.have_consumers)
    stranger.push_sample(["not of this session"])
    assert watch(state, feed, lambda: any(event.stream == "their markers" for event in state.signals.events))
    known += ours()
    assert watch(state, feed, lambda: any(event.stream != "their markers" for event in state.signals.events))
    assert watch(state, feed, lambda: not stranger.have_consumers())
    assert all(event.stream != "their markers" for event in state.signals.events)
    feed.close()


def test_a_marker_that_is_not_utf8_loses_no_stream(unique_id: str) -> None:
    outlet = pylsl.StreamOutlet(pylsl.StreamInfo("words", "Markers", 1, 0.0, "string", unique_id))
    connection = Connection(pylsl.resolve_byprop("source_id", unique_id, 1, 30.0)[0])
    assert connection.wait(30.0)
    assert outlet.wait_for_consumers(30.0)
    for stamp, label in enumerate((b"a", b"gr\xfcn", b"b"), 5):
        outlet.push_sample([label], float(stamp))
    heard: list[tuple[str, float]] = []
    until = pylsl.local_clock() + 30.0
    while len(heard) < 3 and not connection.lost and pylsl.local_clock() < until:
        heard += connection.pull_strings()
    assert heard == [("a", 5.0), ("gr\ufffdn", 6.0), ("b", 7.0)]
    connection.close()


def test_a_stream_still_there_but_of_no_part_any_more_is_let_go(session: FakeSession, unique_id: str) -> None:
    """A newer session may have fewer streams: what it lacks must not go on coming from the older one."""
    ours = announced(session)
    known = list(ours())
    state = ViewState()
    feed = Feed(state, lambda: known)
    assert watch(state, feed, lambda: state.health.state == "live" and "prediction" in state.connected)
    newer = pylsl.StreamOutlet(
        pylsl.StreamInfo("newer-prediction", "Prediction", 2, 0.0, "float32", f"newer-{unique_id}/prediction")
    )
    known += pylsl.resolve_byprop("source_id", f"newer-{unique_id}/prediction", 1, 5.0)
    assert watch(state, feed, newer.have_consumers)
    assert watch(state, feed, lambda: not session.outlets["health"].have_consumers())
    assert "health" not in state.connected
    feed.close()


def test_a_poll_does_not_wait(session: FakeSession) -> None:
    state = ViewState()
    feed = Feed(state, announced(session))
    assert watch(state, feed, lambda: len(state.connected) >= 6)
    took = []
    for _ in range(50):
        began = time.thread_time()
        feed.poll()
        took.append(time.thread_time() - began)
        time.sleep(0.005)
    assert np.median(took) < 0.005
    feed.close()


def test_killing_the_window_changes_nothing_for_its_sources(session: FakeSession) -> None:
    pytest.importorskip("PyQt6")
    env = os.environ | {"QT_QPA_PLATFORM": "offscreen"}
    outlet = session.outlets["signal"]
    source = f"source_id={outlet.get_info().source_id()}"
    command = [sys.executable, "-m", "apps.cli", "view", "--name", session.name, "--stream", source]
    window = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 30
    while not outlet.have_consumers() and time.monotonic() < end:
        time.sleep(0.05)
    assert outlet.have_consumers()
    infos = pylsl.resolve_byprop("source_id", outlet.get_info().source_id(), 1, 5.0)
    other = pylsl.StreamInlet(infos[0], recover=False)
    other.open_stream(5.0)
    _, first = other.pull_sample(5.0)
    window.send_signal(signal.SIGKILL)
    window.wait(10)
    seen = first
    while seen < first + 1.0:
        _, stamp = other.pull_sample(5.0)
        assert stamp is not None
        seen = stamp
    before = session.seq
    while session.seq < before + 2 and time.monotonic() < end + 20:
        time.sleep(0.02)
    assert session.seq >= before + 2
