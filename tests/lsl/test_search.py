"""A lost stream is looked for until one that fits is open; what cannot be opened for long is said."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pylsl
import pytest

from streamkit.errors import StreamLost
from streamkit.lsl import search as searching
from streamkit.lsl.search import Search

pytestmark = pytest.mark.lsl

WAIT_S = 20.0


@pytest.fixture
def outlet(unique_id: str) -> pylsl.StreamOutlet:
    return pylsl.StreamOutlet(pylsl.StreamInfo("there", "EEG", 1, 100, "float32", unique_id))


class Door:
    """Opens after so many attempts."""

    def __init__(self, attempts: float) -> None:
        self.left, self.tried = attempts, 0

    def __call__(self, info: pylsl.StreamInfo) -> pylsl.StreamInlet:
        self.tried += 1
        if self.tried < self.left:
            raise StreamLost(f"{info.name()} is shut")
        return Opened()


class Opened:
    def close(self) -> None:
        """Nothing to let go of."""


@pytest.fixture
def begin(unique_id: str) -> Iterator[object]:
    begun: list[Search[Opened]] = []

    def begin(door: Door) -> Search[Opened]:
        begun.append(Search(f"source_id='{unique_id}'", door))
        return begun[-1]

    yield begin
    for search in begun:
        search.stop(wait=True)


def test_a_stream_that_cannot_be_opened_at_once_is_no_problem_yet(outlet: pylsl.StreamOutlet, begin: object) -> None:
    door = Door(4)
    search = begin(door)
    assert isinstance(search.wait(WAIT_S), Opened)
    assert door.tried == 4
    assert search.problem == ""


def test_one_that_cannot_be_opened_for_longer_is_said(
    outlet: pylsl.StreamOutlet, begin: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "DYING_S", 0.3)
    door = Door(float("inf"))
    search, until = begin(door), time.monotonic() + WAIT_S
    while not search.problem and time.monotonic() < until:
        search.wait(0.05)
    assert search.problem == "there is shut"
    assert door.tried > 1
