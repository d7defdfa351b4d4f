"""Silence is a stall after 200 ms, or later where a source usually takes its time; a frozen session blames itself."""

from __future__ import annotations

import math

import pytest

from streamkit.lsl import Health
from streamkit.lsl.health import FROZEN
from streamkit.lsl.watchdog import Watchdog


class Clock:
    """Time that moves when told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def live(clock: Clock, sfreq: float = 250.0) -> Health:
    health = Health(clock)
    health.watchdog = Watchdog(sfreq=sfreq, clock=clock)
    health.enter("live")
    return health


def send(health: Health, clock: Clock, every: float, times: int, pieces: int = 1) -> None:
    """Let a chunk come every so often, read in pieces 1 ms apart."""
    for _ in range(times):
        comes = clock.now + every - (pieces - 1) * 0.001
        while (left := comes - clock.now) > 0.1:
            clock.now += max(1e-6, min(left, 0.1, health.patience))
            health.saw_samples(0)
        clock.now = comes
        health.saw_samples(10)
        for _ in range(pieces - 1):
            clock.now += 0.001
            health.saw_samples(10)


def silence_until_stalled(health: Health, clock: Clock) -> float:
    began = clock.now
    while health.state == "live":
        clock.now += min(health.patience + 1e-9, 0.1)
        health.saw_samples(0)
    return clock.now - began


def test_a_stall_is_seen_after_200_ms_and_ends_with_the_next_sample() -> None:
    clock = Clock()
    health = live(clock)
    send(health, clock, 0.02, 50)
    assert silence_until_stalled(health, clock) == pytest.approx(0.2)
    assert (health.state, health.message) == ("stalled", "no sample for more than 0.2 s, although still connected")
    clock.now += 0.5
    health.saw_samples(0)
    assert health.state == "stalled"
    health.saw_samples(1)
    assert (health.state, health.message, health.since) == ("live", "", clock.now)


@pytest.mark.parametrize("pieces", [1, 3])
@pytest.mark.parametrize(("every", "limit"), [(0.02, 0.2), (0.07, 0.2), (0.1, 0.25), (0.5, 1.25)])
def test_the_limit_follows_the_usual_interval(every: float, limit: float, pieces: int) -> None:
    clock = Clock()
    health = live(clock)
    send(health, clock, every, 40, pieces)
    assert [state for state, _, _ in health.changes] == ["searching", "live"]
    assert silence_until_stalled(health, clock) == pytest.approx(limit, rel=0.05)


def test_a_source_slower_than_any_guess_is_learned_from_its_stalls() -> None:
    clock = Clock()
    health = live(clock)
    send(health, clock, 2.0, 10)
    for _ in range(5):
        assert health.patience == pytest.approx(5.0)
        send(health, clock, 2.0, 1)


def test_one_stall_teaches_nothing() -> None:
    clock = Clock()
    health = live(clock)
    for _ in range(4):
        send(health, clock, 0.02, 40)
        assert silence_until_stalled(health, clock) == pytest.approx(0.2)
        clock.now += 30.0


def test_a_stream_of_four_samples_a_second_has_ten_of_its_intervals_divided_by_four() -> None:
    clock = Clock()
    health = live(clock, sfreq=4.0)
    send(health, clock, 0.25, 8)
    assert silence_until_stalled(health, clock) == pytest.approx(0.625)


def test_an_irregular_stream_is_never_stalled() -> None:
    clock = Clock()
    health = live(clock, sfreq=0.0)
    assert health.patience == math.inf
    health.saw_samples(0)
    assert health.state == "live"


def test_a_session_that_stood_still_blames_itself_and_not_the_source() -> None:
    clock = Clock()
    said: list[str] = []
    health = Health(clock, said.append)
    health.watchdog = Watchdog(sfreq=250.0, clock=clock)
    health.enter("live")
    send(health, clock, 0.02, 50)
    for _ in range(2):
        clock.now += 3.0
        health.saw_samples(0)
        assert health.state == "live"
        send(health, clock, 0.02, 10)
    assert health.frozen == 2
    assert said == [FROZEN]


def test_an_input_that_is_away_is_said_until_its_samples_come_again() -> None:
    clock = Clock()
    health = live(clock)
    health.saw_samples(5)
    for n_times, trouble in ((0, ("lost", "amp went away")), (0, ("refused", "not this\none")), (0, None), (5, None)):
        clock.now += 0.1
        health.saw_samples(n_times, trouble)  # type: ignore[arg-type]
    assert [state for state, _, _ in health.changes][2:] == ["lost", "refused", "connecting", "live"]
    assert [message for _, _, message in health.changes][2:4] == ["amp went away", "not this\none"]
