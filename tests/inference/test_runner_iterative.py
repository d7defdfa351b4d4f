"""Steps on one window: a fixed number, or as many as there is time for; either can be taken again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamkit.inference import BACKENDS, Runner, Wish, open_runner
from streamkit.inference.backend import Backend
from streamkit.inference.runners import IterativeConfig
from tests import runner_graphs as small

EXACT = {"rtol": 1e-4, "atol": 1e-5}
HERE = [name for name, row in BACKENDS.items() if row.runs == "onnx" and "cpu" in row.precisions and row.present()[0]]


class Ticking:
    """A clock that goes on by one at every look."""

    def __init__(self, tick: float = 0.001) -> None:
        self.tick, self.looks = tick, 0

    def __call__(self) -> float:
        self.looks += 1
        return self.tick * self.looks


def a_runner(
    folder: Path, backend: str = "onnxruntime", clock: Any = None, tensors: Any = None, **settings: Any
) -> Runner:
    config = IterativeConfig.model_validate({"state": {"image": "next"}, "max_steps": 12, **settings})
    graphs = {"step": small.graph(folder, "step", small.descent())}
    references = {"step": small.reference(small.descent())}
    options = {} if clock is None else {"clock": clock}
    return open_runner(config, graphs, references, small.IMAGE, Wish(backend, threads=1), tensors=tensors, **options)


@pytest.mark.parametrize("backend", HERE)
def test_it_steps_as_often_as_it_is_told(backend: str, tmp_path: Path) -> None:
    runner = a_runner(tmp_path, backend)
    for x in small.windows(3):
        np.testing.assert_allclose(runner.infer(x[np.newaxis]), small.descended(x, 12), **EXACT)
        assert runner.steps == 12


def test_many_steps_find_the_least_squares(tmp_path: Path) -> None:
    x = small.windows(1)[0]
    found = a_runner(tmp_path, max_steps=2000).infer(x[np.newaxis])
    np.testing.assert_allclose(found.ravel(), np.linalg.lstsq(small.MAP.T, x.ravel())[0], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"budget_ms": 5.5}, 5),  # a sixth step would end 6.5 ms after the beginning
        ({"budget_ms": 0.5}, 1),
        ({"budget_ms": 0.5, "min_steps": 4}, 4),
        ({"budget_ms": 100.0}, 12),
    ],
)
def test_no_step_is_begun_that_would_end_too_late(settings: dict[str, Any], expected: int, tmp_path: Path) -> None:
    runner = a_runner(tmp_path, clock=Ticking(), **settings)
    for x in small.windows(2):
        np.testing.assert_allclose(runner.infer(x[np.newaxis]), small.descended(x, expected), **EXACT)
        assert runner.steps == expected


def test_a_slow_step_is_not_followed_by_another_that_has_no_time(tmp_path: Path) -> None:
    times = iter([0.0, 0.001, 0.002, 0.006, 9.0])  # the third step took 4 ms: 6 + 4 is more than 9
    runner = a_runner(tmp_path, clock=lambda: next(times), budget_ms=9.0)
    runner.infer(small.windows(1))
    assert runner.steps == 3


@pytest.mark.parametrize("backend", HERE)
def test_steps_that_were_taken_can_be_taken_again(backend: str, tmp_path: Path) -> None:
    clock = Ticking()
    timed = a_runner(tmp_path, backend, clock, budget_ms=8.5, start={"image": "noise"})
    again = a_runner(tmp_path, backend, Ticking(1.0), budget_ms=8.5, start={"image": "noise"})
    answers = {}
    for at, x in enumerate(small.windows(6)):
        clock.tick = 0.001 * (1 + at % 3)
        answer = timed.infer(x[np.newaxis], at)
        np.testing.assert_array_equal(again.infer(x[np.newaxis], at, timed.steps), answer)
        answers[at] = again.steps
    assert list(answers.values()) == [8, 4, 2] * 2


def test_without_a_budget_no_clock_is_looked_at(tmp_path: Path) -> None:
    clock = Ticking()
    runner = a_runner(tmp_path, clock=clock)
    looks = clock.looks
    runner.infer(small.windows(1), 0, 3)
    assert clock.looks - looks <= 1


def test_noise_is_the_same_for_the_same_place_and_seed_alone(tmp_path: Path) -> None:
    x = small.windows(1)
    one, other = (a_runner(tmp_path, max_steps=1, start={"image": "noise"}, seed=seed) for seed in (3, 4))
    first = one.infer(x, 17)
    noise = np.random.default_rng([3, 17]).standard_normal((1, 1, 2, 3)).astype(np.float32)
    np.testing.assert_allclose(first, small.descended(x[0], 1, noise), **EXACT)
    assert not np.array_equal(one.infer(x, 18), first)
    assert not np.array_equal(other.infer(x, 17), first)
    np.testing.assert_array_equal(one.infer(x, 17), first)


def test_it_begins_with_a_tensor_of_the_bundle(tmp_path: Path) -> None:
    begin = np.arange(6, dtype=np.float32).reshape(1, 1, 2, 3)
    runner = a_runner(tmp_path, tensors={"mean": begin}, initial={"image": "mean"})
    for x in small.windows(2):
        np.testing.assert_allclose(runner.infer(x[np.newaxis]), small.descended(x, 12, begin), **EXACT)


def test_it_goes_on_from_the_previous_answer_until_it_is_reset(tmp_path: Path) -> None:
    windows = small.windows(3)
    runner = a_runner(tmp_path, start={"image": "previous"})
    for _ in range(2):
        image: Any = 0.0
        for x in windows:
            image = small.descended(x, 12, image)
            answer = runner.infer(x[np.newaxis])
            np.testing.assert_allclose(answer, image, **EXACT)
            answer[:] = np.nan  # the caller's own
        runner.reset()


@pytest.mark.parametrize("start", ["initial", "noise", "previous"])
def test_rehearsals_leave_no_trace(start: str, tmp_path: Path) -> None:
    windows = small.windows(4)
    runner = a_runner(tmp_path, start={"image": start})
    first = [runner.infer(x[np.newaxis], at) for at, x in enumerate(windows)]
    runner.reset()
    again = []
    for at, x in enumerate(windows):
        runner.rehearse(7 * windows[-1:])
        assert runner.steps == 12
        again.append(runner.infer(x[np.newaxis], at))
        runner.rehearse(runner.buffer)
    np.testing.assert_array_equal(again, first)


def test_a_rehearsal_takes_one_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runner = a_runner(tmp_path, max_steps=50)
    calls = []
    run = Backend.run
    monkeypatch.setattr(Backend, "run", lambda self, *arrays: (calls.append(1), run(self, *arrays))[1])
    runner.rehearse(runner.buffer)
    assert len(calls) == 1
    runner.infer(runner.buffer)
    assert len(calls) == 51


def test_what_is_not_finite_is_not_carried_on(tmp_path: Path) -> None:
    x = small.windows(1)
    runner = a_runner(tmp_path, start={"image": "previous"})
    assert not np.isfinite(runner.infer(np.full_like(x, np.inf))).all()
    np.testing.assert_allclose(runner.infer(x), small.descended(x[0], 12), **EXACT)


def test_a_window_of_another_shape_is_refused(tmp_path: Path) -> None:
    from streamkit.errors import BackendError

    runner = a_runner(tmp_path)
    for wrong in (np.zeros((1, 4, 21), np.float32), np.zeros((1, 4, 20))):
        with pytest.raises(BackendError, match="expected float32 of shape"):
            runner.infer(wrong)
    x = small.windows(1)
    np.testing.assert_allclose(runner.infer(x), small.descended(x[0], 12), **EXACT)
