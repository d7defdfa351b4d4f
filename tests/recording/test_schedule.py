"""The order in which a replay sends things."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streamkit.clock import monotonic
from streamkit.recording.schedule import Lane, Schedule, typical_step


@given(
    steps=st.lists(st.floats(-0.002, 0.05), min_size=1, max_size=60),
    marks=st.lists(st.floats(0, 1), min_size=1, max_size=10),
    span=st.sampled_from([0.001, 0.01, 0.5]),
)
def test_every_item_goes_out_once_in_order_and_none_before_its_time(
    steps: list[float], marks: list[float], span: float
) -> None:
    samples, markers = monotonic(np.cumsum(steps)), np.sort(marks)
    schedule = Schedule.of([Lane(markers), Lane(samples, chunked=True, tail=0.01)], span)
    sent: dict[int, list[int]] = {0: [], 1: []}
    previous = -np.inf
    for due, lane, first, last in schedule.since(schedule.begin):
        stamps = (markers, samples)[lane][first:last]
        assert due >= previous
        assert due >= stamps.max()
        assert lane == 0 or due - samples[: first + 1].max() < span
        if lane == 1:
            assert len(sent[0]) >= np.count_nonzero(markers <= stamps[-1])
        sent[lane] += range(first, last)
        previous = due
    assert sent == {0: list(range(len(markers))), 1: list(range(len(samples)))}


def test_a_pass_lasts_until_the_sample_after_the_last() -> None:
    lanes = [Lane(np.array([0.5, 0.95])), Lane(5 + np.arange(100) / 100 - 5, chunked=True, tail=0.01)]
    schedule = Schedule.of(lanes, 0.01)
    assert schedule.begin == 0.0
    assert np.isclose(schedule.length, 1.0)


def test_the_typical_step_ignores_gaps() -> None:
    assert np.isclose(typical_step(np.array([0, 0.1, 0.2, 5.0, 5.1])), 0.1)
    assert typical_step(np.array([3.0])) == 0.0
