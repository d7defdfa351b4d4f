"""A session that is suspended for three seconds says so, and goes on as its policy says; nothing that came is lost."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pylsl
import pytest

from streamkit.lsl.discovery import find_one
from tests.faults.processes import Command, command
from tests.faults.source import SFREQ, WAIT_S, Source
from tests.small import linear_bundle

pytestmark = [pytest.mark.lsl, pytest.mark.timeout(120)]

FROZEN_S = 3.0
HOP = 25


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return linear_bundle(tmp_path_factory.mktemp("bundle") / "b", mode="hop").path


@pytest.fixture
def source(unique_id: str) -> Iterator[Source]:
    source = Source(unique_id)
    source("start")
    source("run")
    yield source
    source.close()


class Listener:
    """A client that reads the predictions of one session, and when it had them."""

    def __init__(self, source_id: str) -> None:
        self._inlet = pylsl.StreamInlet(find_one(f"source_id={source_id}", timeout=WAIT_S))
        self._inlet.open_stream(WAIT_S)
        self.stamps: list[float] = []
        self.had: list[float] = []

    def read_until(self, stamp: float) -> None:
        """Read predictions until one answers a sample stamped later than this."""
        while not self.stamps or self.stamps[-1] <= stamp:
            _, stamps = self._inlet.pull_chunk(WAIT_S, max_samples=64, min_samples=1)
            assert stamps, "no further prediction"
            self.stamps += stamps
            self.had += [pylsl.local_clock()] * len(stamps)


def live(stack: ExitStack, bundle: Path, source: Source, policy: str) -> Command:
    stream = ("--stream", f"source_id={source.source_id}/amp", "--timeout", WAIT_S)
    named = ("--name", source.source_id, "--uid", policy, "--backend", "onnxruntime")
    return stack.enter_context(command("live", bundle, *stream, *named, "--when-behind", policy, "--json"))


def listen(session: Command, source: Source, policy: str) -> Listener:
    session.wait_until_said("live on ")
    return Listener(f"{source.source_id}-{policy}/prediction")


def test_a_frozen_session_says_so_and_catches_up_or_skips_as_it_was_told(bundle: Path, source: Source) -> None:
    with ExitStack() as stack:
        started = {policy: live(stack, bundle, source, policy) for policy in ("all", "latest")}
        sessions = {policy: (session, listen(session, source, policy)) for policy, session in started.items()}
        for _, listener in sessions.values():
            listener.read_until(0.0)
        for session, _ in sessions.values():
            session.process.send_signal(signal.SIGSTOP)
        threading.Event().wait(FROZEN_S)
        woken = pylsl.local_clock()
        for session, _ in sessions.values():
            session.process.send_signal(signal.SIGCONT)
        for session, listener in sessions.values():
            session.wait_until_said("warning: the session stood still for more than a second")
            listener.read_until(pylsl.local_clock() + 0.2)
        reports = {}
        for policy, (session, _) in sessions.items():
            session.interrupt()
            reports[policy] = session.result()
    for policy, (session, listener) in sessions.items():
        check(policy, *reports[policy], session, listener, woken)


def check(policy: str, status: int, report: dict[str, Any], session: Command, listener: Listener, woken: float) -> None:
    counts, steps = report["counts"], np.diff(listener.stamps)
    assert (status, report["state"]) == (0, "stopped")
    assert (counts["frozen"], counts["lost"], counts["gap"]) == (1, 0, 0)
    assert not [line for line in session.said if line.startswith(("stalled", "lost"))]
    # Nothing that was sent is missing: the samples are those of every window, decoded or skipped.
    assert counts["predictions"] + counts["skipped"] == 1 + (counts["samples"] - 50) // HOP
    first = next(k for k, had in enumerate(listener.had) if had > woken)
    if policy == "all":
        assert counts["skipped"] == 0
        np.testing.assert_allclose(steps, HOP / SFREQ, atol=1e-4)
        return
    assert counts["skipped"] >= FROZEN_S * SFREQ / HOP - 3
    # What came while it slept is read in one or two pulls: then it answers the newest window.
    fresh = next(k for k in range(first, len(steps)) if woken - listener.stamps[k] < 0.2)
    assert fresh - first <= 2
    assert listener.had[fresh] - woken < 1.0
    np.testing.assert_allclose(steps[fresh:], HOP / SFREQ, atol=1e-4)
