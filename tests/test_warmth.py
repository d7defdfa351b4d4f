"""Rehearsals come just before a foreseeable chunk, leave no trace, and stop where they would be in the way."""

from __future__ import annotations

import numpy as np
import pytest

from streamkit.pipeline import Pipeline
from streamkit.preprocess import PreprocessConfig, WindowConfig
from streamkit.session.warmth import EARLIER, LEARN, RETRY, Pace, Warmth
from streamkit.types import Chunk, StreamSpec

SPEC = StreamSpec(ch_names=("a", "b"), sfreq=1000.0)
BANDPASS = PreprocessConfig.model_validate({"stages": [{"kind": "bandpass", "low": 0.5, "high": 40.0}]})


class Clock:
    """Time that moves when told, and by `step` at every look."""

    def __init__(self, step: float = 0.0) -> None:
        self.now, self.step = 100.0, step

    def __call__(self) -> float:
        self.now += self.step
        return self.now


class Sum:
    """A runner that counts its calls."""

    calls = 0

    def infer(self, x: np.ndarray) -> np.ndarray:
        self.calls += 1
        return x.sum(axis=2)[0]


def paced(pace: Pace, period: float = 0.01, size: int = 10, n: int = LEARN + 1, start: float = 50.0) -> float:
    for k in range(n):
        pace.saw(start + k * period, size)
    return start + (n - 1) * period


def a_warmth(missing: int | None, clock: Clock, runner: Sum) -> Warmth:
    twin = Pipeline(SPEC, BANDPASS, WindowConfig(mode="hop", n_times=50, hop=3), runner, history=1.0)
    return Warmth(twin, SPEC, lambda: missing, clock)


def test_a_steady_source_is_foreseeable() -> None:
    pace = Pace()
    last = paced(pace)
    assert pace.expected == pytest.approx(last + 0.01)
    assert pace.size == 10


def test_an_unsteady_source_is_not() -> None:
    pace = Pace()
    rng = np.random.default_rng(0)
    for arrival in np.cumsum(rng.uniform(0, 0.1, 4 * LEARN)):
        pace.saw(float(arrival), 10)
    assert np.isnan(pace.expected)


def test_a_rehearsal_is_due_some_of_its_own_lengths_before_the_chunk() -> None:
    clock = Clock()
    warmth = a_warmth(10, clock, Sum())
    warmth._lengths.extend([0.001] * 8)
    clock.now = paced(warmth.pace)
    assert warmth.pause() == pytest.approx(0.01 - EARLIER * 0.001)


def test_there_is_one_rehearsal_for_one_chunk() -> None:
    clock, runner = Clock(), Sum()
    warmth = a_warmth(10, clock, runner)
    clock.now = paced(warmth.pace)
    calls = runner.calls
    assert warmth.pause() is not None
    warmth.rehearse()
    assert runner.calls == calls + 1
    assert warmth.pause() is None
    warmth.pace.saw(clock.now + 0.01, 10)
    assert warmth.pause() is not None


@pytest.mark.parametrize("missing", [11, None])
def test_a_chunk_that_completes_no_window_needs_none(missing: int | None) -> None:
    warmth = a_warmth(missing, clock := Clock(), Sum())
    clock.now = paced(warmth.pace)
    assert warmth.pause() is None


def test_rehearsals_too_long_for_the_pace_are_left_out_and_tried_again_later() -> None:
    warmth = a_warmth(10, clock := Clock(), Sum())
    warmth._lengths.extend([0.005] * 8)
    last = paced(warmth.pace)
    answers = []
    for k in range(RETRY + 1):
        clock.now = last + 0.01 * k
        warmth.pace.saw(clock.now, 10)
        answers.append(warmth.pause())
    assert answers[:RETRY] == [None] * RETRY
    assert answers[RETRY] == 0.0


def test_a_chunk_about_to_come_is_not_kept_waiting() -> None:
    warmth = a_warmth(10, clock := Clock(), Sum())
    warmth._lengths.extend([0.002] * 8)
    clock.now = paced(warmth.pace) + 0.01 - 0.001
    assert warmth.pause() is None


def test_rehearsals_change_no_prediction() -> None:
    runner = Sum()
    window = WindowConfig(mode="hop", n_times=50, hop=20)
    pipelines = [Pipeline(SPEC, BANDPASS, window, runner) for _ in range(2)]
    warmth = a_warmth(10, Clock(), runner)
    data = np.random.default_rng(1).standard_normal((400, 2)).astype(np.float32)
    answers: list[list[np.ndarray]] = [[], []]
    for first in range(0, 400, 10):
        part = Chunk(data[first : first + 10], np.arange(first, first + 10) / 1000, first)
        answers[0] += [p.values for p in pipelines[0].push(part)]
        warmth.rehearse()
        answers[1] += [p.values for p in pipelines[1].push(part)]
    np.testing.assert_array_equal(answers[0], answers[1])
    assert len(answers[0]) == 18
