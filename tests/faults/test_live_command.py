"""`streamkit live` says at once that its source went away or came back, and how it ended."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from streamkit.bundle import ModelBundle
from tests.faults.processes import Command, command
from tests.faults.source import WAIT_S, Source
from tests.small import linear_bundle

KNOWN_S = 0.5
"""After so long the watchdog knows how often the source sends."""

pytestmark = [pytest.mark.lsl, pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> ModelBundle:
    return linear_bundle(tmp_path_factory.mktemp("bundle") / "b", mode="hop")


@pytest.fixture
def sources(unique_id: str) -> Iterator[list[Source]]:
    sources = [Source(unique_id) for _ in range(3)]
    sources[0]("start")
    sources[0]("run")
    yield sources
    for source in sources:
        source.close()


@pytest.fixture
def live(bundle: ModelBundle, sources: list[Source], unique_id: str) -> Iterator[Command]:
    stream = ("--stream", f"source_id={unique_id}/amp", "--timeout", WAIT_S)
    named = ("--name", unique_id, "--uid", "x", "--backend", "onnxruntime")
    with command("live", bundle.path, *stream, *named, "--watchdog", "300", "--json") as session:
        session.wait_until_said("live on ")
        time.sleep(KNOWN_S)
        yield session


def test_live_tells_each_change_and_ends_with_status_1_without_its_source(live: Command, sources: list[Source]) -> None:
    sources[0]("stall")
    live.wait_until_said("stalled: no sample for more than 0.3 s, although still connected")
    sources[0]("run")
    live.wait_until_said("live again")
    sources[0].kill()
    live.wait_until_said("lost: stream 'amp' on ")
    sources[1]("start", unit="volts")
    live.wait_until_said("refused: stream 'amp' came back as something else")
    sources[1].kill()
    sources[2]("start")
    sources[2]("run")
    live.wait_until_said("live again", times=2)
    sources[2].kill()
    live.wait_until_said("lost: stream 'amp' on ", times=2)
    live.interrupt()
    status, report = live.result()
    assert (status, report["state"]) == (1, "lost")
    assert {key: report["counts"][key] for key in ("lost", "returned", "refused")} == {
        "lost": 2,
        "returned": 1,
        "refused": 1,
    }
    assert live.said[-1].startswith("error: stream 'amp' on ")
    assert "Traceback" not in "".join(live.said)


def test_live_ends_with_status_2_and_the_difference_when_what_came_back_does_not_fit(
    live: Command, sources: list[Source]
) -> None:
    sources[0].kill()
    sources[1]("start", sfreq=256.0)
    live.wait_until_said("rate: expected 250 Hz, the stream has 256 Hz")
    live.interrupt()
    status, report = live.result()
    assert (status, report["state"]) == (2, "refused")
    assert any(line.startswith("error: stream 'amp' came back as something else") for line in live.said)
