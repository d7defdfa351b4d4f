"""One graph per window: its own input is filled in place, and what it carries goes where it should."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from streamkit.inference import BACKENDS, Runner, Wish, open_runner
from streamkit.inference.runners import FeedForwardConfig, Rehearsal
from tests import runner_graphs as small

STATE = {"total": "next"}
LEAKY = FeedForwardConfig(graph="leaky", state=STATE)
BEGINNING = np.array([[1, -2, 3, -4]], np.float32)
EXACT = {"rtol": 1e-5, "atol": 1e-5}

Open = Callable[..., Runner]


def leaky_module() -> Any:
    """The same in torch, with the weights outside so that no file needs them."""
    import torch

    class Leaky(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("weight", torch.from_numpy(small.WEIGHT.copy()))

        def forward(self, window: Any, total: Any) -> Any:
            after = float(small.LEAK) * total + window.mean(dim=2)
            return after @ self.weight, after

    return Leaky()


@pytest.fixture(params=sorted(BACKENDS))
def opened(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    """Opens `leaky` in each backend that is here; those of torch are given a builder for it."""
    row = BACKENDS[request.param]
    available, why_not = row.available("cpu" if "cpu" in row.precisions else None)
    if not available:
        pytest.skip(why_not)
    graph = small.graph(tmp_path, "leaky", small.leaky())
    if row.runs == "builder":
        from dataclasses import replace

        from safetensors.numpy import save_file

        points = [SimpleNamespace(name="leaky", load=lambda: lambda **_: leaky_module())]
        monkeypatch.setattr("streamkit.inference.torch_backend.entry_points", lambda group: points)
        save_file({"weight": small.WEIGHT}, tmp_path / "leaky.safetensors")
        graph = replace(graph, builder="leaky", weights=tmp_path / "leaky.safetensors")
    runners: list[Runner] = []

    def make(config: FeedForwardConfig = LEAKY, **tensors: np.ndarray) -> Runner:
        reference = small.reference(small.leaky())
        wish = Wish(row.name, threads=1)
        runners.append(open_runner(config, {"leaky": graph}, {"leaky": reference}, small.SCORES, wish, tensors=tensors))
        return runners[-1]

    yield make
    for runner in runners:
        runner.close()


def said(runner: Runner, windows: np.ndarray) -> np.ndarray:
    return np.array([runner.infer(x[np.newaxis]) for x in windows])


def test_what_a_window_leaves_goes_into_the_next(opened: Open) -> None:
    windows = small.windows(5)
    np.testing.assert_allclose(said(opened(), windows), small.leaky_answers(windows), **EXACT)


def test_it_begins_with_what_the_bundle_says(opened: Open) -> None:
    windows = small.windows(3)
    runner = opened(LEAKY.model_copy(update={"initial": {"total": "start"}}), start=BEGINNING)
    for _ in range(2):
        np.testing.assert_allclose(said(runner, windows), small.leaky_answers(windows, BEGINNING[0]), **EXACT)
        runner.reset()


def test_a_reset_forgets_every_bit(opened: Open) -> None:
    windows = small.windows(4)
    runner = opened()
    first = said(runner, windows)
    assert not np.array_equal(said(runner, windows), first)
    runner.reset()
    np.testing.assert_array_equal(said(runner, windows), first)


def test_a_rehearsal_leaves_no_trace(opened: Open) -> None:
    windows, others = small.windows(4), small.windows(4, seed=9)
    runner = opened()
    first = said(runner, windows)
    runner.reset()
    again, rehearsal = [], Rehearsal(runner)
    for x, other in zip(windows, others, strict=True):
        rehearsal.reset()
        runner.rehearse(other[np.newaxis])
        rehearsal.infer(100 * other[np.newaxis])
        again.append(runner.infer(x[np.newaxis]))
    rehearsal.close()
    np.testing.assert_array_equal(again, first)


def test_a_window_written_into_the_buffer_gives_the_same_bits(opened: Open) -> None:
    windows = small.windows(4)
    runner = opened()
    first = said(runner, windows)
    runner.reset()
    again = []
    for x in windows:
        runner.buffer[0] = x
        again.append(runner.infer(runner.buffer))
    np.testing.assert_array_equal(again, first)


def test_an_answer_belongs_to_the_caller(opened: Open) -> None:
    windows = small.windows(3)
    runner = opened()
    first = said(runner, windows)
    runner.reset()
    again = []
    for x in windows:
        answer = runner.infer(x[np.newaxis])
        again.append(answer.copy())
        answer[:] = np.nan
    np.testing.assert_array_equal(again, first)


def test_an_answer_that_is_the_state_belongs_to_the_caller_too(tmp_path: Path) -> None:
    output = small.SCORES.model_copy(update={"labels": tuple("abcd"), "shape": (4,)})
    config = LEAKY.model_copy(update={"answer": "next"})
    graphs = {"leaky": small.graph(tmp_path, "leaky", small.leaky())}
    runner = open_runner(config, graphs, {"leaky": small.reference(small.leaky())}, output, small.ORT)
    windows = small.windows(3)
    first = said(runner, windows)
    runner.reset()
    for x, expected in zip(windows, first, strict=True):
        answer = runner.infer(x[np.newaxis])
        np.testing.assert_array_equal(answer, expected)
        answer[:] = 1e6


def test_one_window_that_is_not_finite_does_not_spoil_all_later_ones(opened: Open) -> None:
    windows = small.windows(3)
    runner = opened()
    said(runner, windows[:2])
    broken = np.full((1, small.N_CHANS, small.N_TIMES), np.inf, np.float32)
    assert not np.isfinite(runner.infer(broken)).all()
    np.testing.assert_allclose(said(runner, windows), small.leaky_answers(windows), **EXACT)


def test_opening_leaves_nothing_behind(opened: Open) -> None:
    windows = small.windows(2)
    one, other = opened(), opened()
    np.testing.assert_array_equal(said(one, windows), said(other, windows))
    assert one.steps is None
