"""The decode loop publishes as it goes, and follows the policy when it has fallen behind."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from streamkit.lsl.health import Health
from streamkit.pipeline import Pipeline
from streamkit.preprocess import PreprocessConfig, WindowConfig
from streamkit.session.loop import UNDER_WAY_S, DecodeLoop
from streamkit.session.markers import MarkerStreams
from streamkit.session.options import SessionOptions
from streamkit.session.sides import Sides
from streamkit.types import Chunk, Event, Prediction, StreamSpec

SPEC = StreamSpec(ch_names=("a",), sfreq=100.0)
HOPS = WindowConfig(mode="hop", n_times=10, hop=10)
EVENTS = WindowConfig(mode="event", n_times=10)
BEGAN = 1000.0


@dataclass
class Source:
    """An inlet that has received everything already and gives it in pieces."""

    pieces: list[int]
    written: int = 0
    timeouts: list[float] = field(default_factory=list)

    def pull(self, timeout: float) -> Chunk:
        self.timeouts.append(timeout)
        n_times = self.pieces.pop(0) if self.pieces else 0
        first, self.written = self.written, self.written + n_times
        index = np.arange(first, self.written)
        return Chunk(index[:, np.newaxis].astype(np.float32), index / SPEC.sfreq, first, arrival=first / SPEC.sfreq)

    @property
    def backlog(self) -> int:
        return sum(self.pieces)


@dataclass
class Endless(Source):
    """One that goes on when it has given everything: a tenth of a second more with each pull, and an LSL clock.

    Parameters
    ----------
    ahead
        Seconds by which its own clock, which it stamps with, is ahead of the LSL clock.
    """

    ahead: float = 0.0

    def pull(self, timeout: float) -> Chunk:
        assert len(self.timeouts) < 100, "asked on and on"
        self.pieces = self.pieces or [10]
        chunk = super().pull(timeout)
        return replace(chunk, stamps=chunk.stamps + BEGAN + self.ahead)

    def clock(self) -> float:
        """LSL time: that of the newest sample sent."""
        return BEGAN + (self.written + self.backlog) / SPEC.sfreq


class Newest:
    """A runner that says what the newest value of its window is, and a broadcast that keeps it: one diary."""

    def __init__(self) -> None:
        self.diary: list[tuple[str, float]] = []

    def infer(self, x: np.ndarray) -> np.ndarray:
        self.diary.append(("inferred", float(x[0, 0, -1])))
        return x[0, :, -1]

    def publish(self, prediction: Prediction) -> None:
        self.diary.append(("published", float(prediction.values[0])))


@dataclass
class Marks:
    """A marker inlet that gives its events at the first look, or after so many others."""

    events: list[Event]
    looks: int = 0

    def pull(self) -> list[Event]:
        self.looks -= 1
        if self.looks >= 0:
            return []
        given, self.events = self.events, []
        return given


def a_loop(pieces: list[int], when_behind: Any, window: WindowConfig = HOPS, marks: tuple[Marks, ...] = ()) -> Any:
    both = Newest()
    pipeline = Pipeline(SPEC, PreprocessConfig(), window, both)
    rig: Any = SimpleNamespace(
        signal=Source(pieces),
        sides=Sides(SimpleNamespace(also=()), SessionOptions()),
        markers=MarkerStreams(SessionOptions(), wanted=True, required=True),
        pipeline=pipeline,
        broadcast=both,
        shown=None,
        warmth=None,
        encoding=None,
        candidates=None,
        errands=None,
        trouble=None,
    )
    rig.markers.inlets = list(marks)
    return DecodeLoop(rig, Health(lambda: 0.0), when_behind), both.diary


def test_every_prediction_leaves_before_the_next_window_is_inferred() -> None:
    loop, diary = a_loop([30], "all")
    loop.step(0.0)
    assert diary == [(what, newest) for newest in (9.0, 19.0, 29.0) for what in ("inferred", "published")]
    assert (loop.counts["predictions"], loop.counts["skipped"]) == (3, 0)


def test_all_catches_up_in_order_after_a_pause() -> None:
    loop, diary = a_loop([10, 300, 300, 5], "all")
    while loop.step(0.0) is not None:
        pass
    assert [newest for what, newest in diary if what == "published"] == [10.0 * k + 9 for k in range(61)]
    assert loop.counts["skipped"] == 0


def test_latest_decodes_the_newest_of_all_that_waits_and_counts_the_others() -> None:
    loop, diary = a_loop([10, 300, 300, 5], "latest")
    loop.step(0.0)
    assert diary == [("inferred", 609.0), ("published", 609.0)]
    assert (loop.counts["predictions"], loop.counts["skipped"], loop.counts["samples"]) == (1, 60, 615)


def test_latest_skips_nothing_while_it_keeps_up() -> None:
    loop, diary = a_loop([10], "latest")
    for _ in range(5):
        loop.step(0.0)
        loop._rig.signal.pieces = [10]
    assert [newest for what, newest in diary if what == "published"] == [9.0, 19.0, 29.0, 39.0, 49.0]
    assert loop.counts["skipped"] == 0


@pytest.mark.parametrize(("when_behind", "published"), [("all", [19.0, 29.0]), ("latest", [29.0])])
def test_events_follow_the_same_rule(when_behind: str, published: list[float]) -> None:
    marks = Marks([Event("go", 0.1), Event("go", 0.2)])
    loop, diary = a_loop([40], when_behind, EVENTS, (marks,))
    loop.step(0.0)
    loop.finish()
    assert [newest for what, newest in diary if what == "published"] == published
    assert loop.counts["skipped"] == 2 - len(published)


def test_latest_decodes_a_window_that_more_samples_followed_than_are_held() -> None:
    loop, diary = a_loop([100, *[1000] * 6], "latest", EVENTS, (Marks([Event("go", 0.2)]),))
    loop.step(0.0)
    assert diary == [("inferred", 29.0), ("published", 29.0)]
    assert loop.counts["samples"] == 6100


def test_a_marker_as_late_as_samples_are_held_is_decoded_on_its_samples() -> None:
    loop, diary = a_loop([1000] * 6, "all", EVENTS)
    while loop.step(0.0) is not None:
        pass
    held = loop._rig.pipeline._windower.capacity
    loop._rig.markers.inlets = [Marks([Event("go", (6000 - held + 1) / SPEC.sfreq)])]
    loop._rig.signal.pieces = [500]
    loop.step(0.0)
    assert diary == [("inferred", 6000.0 - held + 10), ("published", 6000.0 - held + 10)]


def test_the_backlog_is_what_had_come_when_the_last_prediction_left() -> None:
    loop, _ = a_loop([10, 7], "all")
    loop.step(0.0)
    assert loop.counts["backlog"] == 7


@pytest.mark.parametrize("when_behind", ["all", "latest"])
@pytest.mark.parametrize("ahead", [0.0, 0.5, 20_000.0, -0.5, -20_000.0])
def test_what_had_come_is_decoded_and_the_end_comes_though_the_source_goes_on(
    ahead: float, when_behind: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop, diary = a_loop([], when_behind)
    loop._rig.signal = source = Endless([300] * 5, ahead=ahead)
    monkeypatch.setattr("pylsl.local_clock", source.clock)
    loop.finish()
    after = (source.written - 1500) / SPEC.sfreq
    assert max(0.0, min(UNDER_WAY_S, -ahead)) <= after <= UNDER_WAY_S + 0.3
    assert loop.counts["predictions"] + loop.counts["skipped"] == source.written // 10
    assert diary[-1] == ("published", source.written - 1.0)


def test_a_marker_that_comes_after_the_last_sample_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    loop, diary = a_loop([], "all", EVENTS)
    loop._rig.signal = source = Endless([50])
    loop._rig.markers.inlets = [Marks([Event("go", BEGAN + 0.2)], looks=2)]
    monkeypatch.setattr("pylsl.local_clock", source.clock)
    loop.finish()
    assert diary == [("inferred", 29.0), ("published", 29.0)]
