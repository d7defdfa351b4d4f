"""Real-time scheduling is taken where it is granted, left to others when it is too much, and never an error."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from streamkit import priority
from streamkit.lsl import SignalOutlet
from streamkit.priority import BUSY, CALM, LEVEL, Priority, hurry, unhurry
from streamkit.session import Session
from tests.small import linear_bundle, noise_recording

WAIT_S = 20.0
ONLY_LINUX = pytest.mark.skipif(not hasattr(os, "SCHED_RR"), reason="this system has no SCHED_RR")
pytestmark = [ONLY_LINUX]


@pytest.fixture(autouse=True)
def nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(priority, "_claimed", set())


@pytest.fixture
def granted() -> Iterator[None]:
    """Skip where this user may not have it; put this thread back afterwards."""
    if not hurry():
        pytest.skip("this user is not granted real-time scheduling: add an rtprio limit, or run as root")
    unhurry()
    yield
    unhurry()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was asked of the system, which grants all of it."""
    said: list[str] = []
    monkeypatch.setattr(priority, "hurry", lambda: said.append("hurry") is None)
    monkeypatch.setattr(priority, "unhurry", lambda: said.append("unhurry"))
    return said


class Time:
    """Processor time and clock of a thread that is busy for a given part of each second."""

    used = now = 0.0

    def second(self, busy: float) -> None:
        self.used, self.now = self.used + busy, self.now + 1.0


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def watched(asked: list[str], time: Time) -> Iterator[Priority]:
    one = Priority(used=lambda: time.used, clock=lambda: time.now)
    one.claim()
    one.watch()
    asked.clear()
    yield one
    one.release()


def test_a_thread_that_is_granted_it_has_it_and_can_give_it_back(granted: None) -> None:
    found: list[tuple[int, int]] = []

    def run() -> None:
        for change in (hurry, unhurry):
            change()
            found.append((os.sched_getscheduler(0), os.sched_getparam(0).sched_priority))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert found == [(os.SCHED_RR, LEVEL), (os.SCHED_OTHER, 0)]
    assert os.sched_getscheduler(0) == os.SCHED_OTHER


def test_who_is_not_granted_it_goes_on_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*words: Any) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "sched_setscheduler", refuse)
    one = Priority()
    one.claim()
    one.watch()
    one.release()
    assert one.state == "normal"


def test_who_does_not_want_it_does_not_ask(asked: list[str]) -> None:
    one = Priority(wanted=False)
    one.claim()
    one.watch()
    assert (one.state, asked) == ("normal", [])


def test_a_thread_that_computes_all_the_time_gives_it_back_until_it_is_calm(
    watched: Priority, time: Time, asked: list[str]
) -> None:
    told = []
    for busy in (BUSY - 0.01, BUSY + 0.01, CALM + 0.01, CALM - 0.01, BUSY - 0.01):
        time.second(busy)
        watched.watch()
        told.append(watched.state)
    assert told == ["real-time", "given back", "given back", "real-time", "real-time"]
    assert asked == ["unhurry", "hurry"]


def test_what_was_given_back_is_not_given_back_twice(watched: Priority, time: Time, asked: list[str]) -> None:
    time.second(1.0)
    watched.watch()
    watched.release()
    assert (watched.state, asked) == ("given back", ["unhurry"])


def test_two_threads_of_a_process_leave_it_both_until_one_is_gone(
    watched: Priority, time: Time, asked: list[str]
) -> None:
    other = Priority(used=lambda: time.used, clock=lambda: time.now)
    other.claim()
    other.watch()
    told = [(watched.state, other.state)]
    for _ in range(2):
        time.second(0.1)
        watched.watch()
        other.watch()
        told.append((watched.state, other.state))
    watched.release()
    time.second(0.1)
    other.watch()
    other.release()
    assert told == [("real-time", "given back"), ("given back", "given back"), ("given back", "given back")]
    assert (other.state, asked) == ("real-time", ["unhurry", "hurry", "unhurry"])


def policies() -> dict[str, list[int]]:
    """Scheduling policies of this process's threads, by name."""
    found: dict[str, list[int]] = {}
    for task in Path("/proc/self/task").iterdir():
        name = (task / "comm").read_text().strip()
        found.setdefault(name, []).append(os.sched_getscheduler(int(task.name)))
    return found


@pytest.mark.lsl
def test_a_session_hurries_its_own_thread_and_lsls_and_no_other(granted: None, unique_id: str, tmp_path: Path) -> None:
    spec = noise_recording().signals[0].spec
    outlet = SignalOutlet(spec.model_copy(update={"source_id": f"{unique_id}/amp"}))
    bundle = linear_bundle(tmp_path / "b", mode="hop")
    session = Session(
        bundle, stream=f"source_id={unique_id}/amp", backend="onnxruntime", uid=unique_id, record=tmp_path / "out"
    )
    before = set(threading.enumerate())
    session.start()
    assert outlet.wait_for_consumers(WAIT_S)
    while session.state != "live":
        threading.Event().wait(0.01)
    hurried = sum(policy == os.SCHED_RR for listed in policies().values() for policy in listed)
    begun = set(threading.enumerate()) - before
    python = {thread.name: os.sched_getscheduler(thread.native_id or 0) for thread in begun}
    session.stop(drain=False)
    outlet.close()
    assert session.priority.state == "real-time"
    assert [name for name, policy in python.items() if policy == os.SCHED_RR] == ["streamkit session"]
    assert len(python) > 1, "the recording has a thread of its own"
    assert hurried > 1, "LSL's threads inherit it"


@pytest.mark.lsl
def test_a_session_can_be_told_to_leave_the_scheduling_alone(unique_id: str, tmp_path: Path) -> None:
    session = Session(linear_bundle(tmp_path / "b", mode="hop"), real_time=False, resolve_timeout=0.1)
    session.start()
    session.stop(drain=False)
    assert session.priority.state == "normal"
