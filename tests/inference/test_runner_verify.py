"""verify takes the steps that live took, resets where live did, and sees where either is not so."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from apps.commands.verify import command
from apps.rehearsal import rehearse
from streamkit.bundle import ModelBundle
from streamkit.inference.runners import (
    DiffusionConfig,
    FeedForward,
    FeedForwardConfig,
    IterativeConfig,
    RetrievalConfig,
)
from streamkit.inference.runners.noise import signal_left
from streamkit.lsl.ledger_file import COLUMNS, LedgerFile
from streamkit.lsl.outlet import decision
from streamkit.recording import write_recording
from streamkit.types import OutputSpec, Prediction
from streamkit.verify import Answer, compare, offline_answer, over_memory
from tests import runner_graphs as small
from tests.small import SFREQ, noise_recording

TIMED: dict[str, Any] = {"state": {"image": "next"}, "max_steps": 400, "budget_ms": 3.0}
LABELS = tuple("abcdefg")


def iterative(folder: Path, window: dict[str, Any] | None = None, **settings: Any) -> ModelBundle:
    config = IterativeConfig.model_validate(TIMED | settings)
    return small.bundle(folder / "bundle", {"step": small.descent()}, config, small.IMAGE, **(window or {}))


def leaky(folder: Path, **about: Any) -> ModelBundle:
    config = FeedForwardConfig(graph="leaky", state={"total": "next"})
    return small.bundle(folder / "bundle", {"leaky": small.leaky()}, config, small.SCORES, **about)


def retrieval(folder: Path) -> ModelBundle:
    templates = np.random.default_rng(0).standard_normal((7, 5)).astype(np.float32)
    output = OutputSpec(kind="probabilities", labels=LABELS, shape=(7,), activation="softmax")
    tensors = {"templates": templates}
    return small.bundle(folder / "bundle", {"encoder": small.encoder()}, RetrievalConfig(), output, tensors)


def diffusion(folder: Path) -> ModelBundle:
    graphs = {
        "denoiser": small.denoiser(6, signal_left("linear", 1000, 1e-4, 0.02)),
        "condition": small.condition(6),
        "painter": small.painter(6),
    }
    config = DiffusionConfig(condition="condition", decoder="painter", steps=4, eta=0.5, guidance=2.0)
    return small.bundle(folder / "bundle", graphs, config, small.IMAGE)


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    return write_recording(small.gappy_recording(), tmp_path / "recording")


def verified(bundle: ModelBundle, recording: Path, over: str = "memory") -> dict[str, Any]:
    arguments = [str(bundle.path), str(recording), "--json", "--over", over]
    arguments += ["--backend", "onnxruntime", "--threads", "1"]
    result = CliRunner().invoke(command, arguments, standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    report: dict[str, Any] = json.loads(result.stdout) | {"status": result.return_value}
    return report


@pytest.mark.parametrize("make", [iterative, leaky, retrieval, diffusion])
def test_every_runner_passes_over_memory_bit_by_bit(make: Any, tmp_path: Path, recording: Path) -> None:
    report = verified(make(tmp_path), recording)
    assert report["status"] == 0
    assert report["passed"]
    assert report["bit_equal_on_repeat"]
    assert report["max_abs"] == 0
    assert report["expected"] == report["live"] > 60


@pytest.mark.parametrize("gaps", ["skip", "flag", "hold"])
@pytest.mark.parametrize("on_gap", ["reset", "continue"])
def test_state_over_gaps_passes(gaps: str, on_gap: str, tmp_path: Path, recording: Path) -> None:
    bundle = leaky(tmp_path, gaps=gaps, on_gap=on_gap).path
    live = [over_memory(bundle, recording, small.ORT, seed=seed) for seed in (0, 1)]
    offline = offline_answer(bundle, recording, small.ORT)
    assert live[0].hash == live[1].hash == offline.hash
    assert compare(offline, live[0], SFREQ).passed


def test_a_live_runner_that_is_not_reset_fails(
    tmp_path: Path, recording: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = leaky(tmp_path)
    monkeypatch.setattr(FeedForward, "reset", lambda self: None)  # the offline answer comes from another process
    report = verified(bundle, recording)
    assert report["status"] == 1
    assert report["max_abs"] > 1e-5
    assert not report["passed"]


def test_events_carry_state_in_the_order_of_their_samples(tmp_path: Path, recording: Path) -> None:
    report = verified(leaky(tmp_path, mode="event", tmin=0.1), recording)
    assert (report["status"], report["max_abs"]) == (0, 0)
    assert report["live"] > 3


class Busy:
    """A clock on a machine that is now quick, now slow: between 2 and 30 steps fit into 3 ms."""

    def __init__(self) -> None:
        self.now, self._rng = 0.0, np.random.default_rng(0)

    def __call__(self) -> float:
        self.now += float(self._rng.uniform(1e-4, 1e-3))
        return self.now


@pytest.mark.parametrize("start", ["initial", "noise", "previous"])
@pytest.mark.parametrize("window", [{}, {"mode": "event", "tmin": 0.1}], ids=["hop", "event"])
def test_the_steps_that_live_took_give_the_same_bits(
    window: dict[str, Any], start: str, tmp_path: Path, recording: Path
) -> None:
    bundle = iterative(tmp_path, window, start={"image": start})
    live = over_memory(bundle.path, recording, small.ORT, timer=Busy())
    assert len(set(live.steps)) > 2
    assert max(live.taken.values()) < 400
    offline = offline_answer(bundle.path, recording, small.ORT, live.taken)
    assert offline.steps == live.steps
    assert offline.hash == live.hash
    assert compare(offline, live, SFREQ).max_abs == 0


def test_other_steps_give_other_answers(tmp_path: Path, recording: Path) -> None:
    bundle = iterative(tmp_path)
    live = over_memory(bundle.path, recording, small.ORT, timer=Busy())
    place = list(live.taken)[20]
    wrong = live.taken | {place: live.taken[place] + 1}
    verdict = compare(offline_answer(bundle.path, recording, small.ORT, wrong), live, SFREQ)
    assert not verdict.passed
    assert verdict.max_abs > 1e-5


def test_a_fixed_number_of_steps_needs_nothing_of_the_live_answer(tmp_path: Path, recording: Path) -> None:
    bundle = iterative(tmp_path, budget_ms=None, max_steps=7)
    live = over_memory(bundle.path, recording, small.ORT)
    assert set(live.steps) == {7}
    assert offline_answer(bundle.path, recording, small.ORT).hash == live.hash


def test_an_answer_without_steps_asks_for_none(tmp_path: Path, recording: Path) -> None:
    live = over_memory(leaky(tmp_path).path, recording, small.ORT)
    assert set(live.steps) == {None}
    assert live.taken == {}
    assert Answer("b", live.values, live.stamps, live.last, live.events).taken == {}


@pytest.mark.lsl
@pytest.mark.slow
def test_a_budgeted_runner_passes_over_lsl(tmp_path: Path) -> None:
    recording = write_recording(noise_recording(seconds=4.0), tmp_path / "recording")
    bundle = iterative(tmp_path)
    result = rehearse(bundle.path, recording, backend=small.ORT)
    taken = set(result.answer.steps)
    assert all(isinstance(steps, int) and 1 <= steps <= 400 for steps in taken)
    assert len(taken) > 1, "no budget was ever felt"
    offline = offline_answer(bundle.path, recording, result.wishes, result.answer.taken)
    verdict = compare(offline, result.answer, SFREQ)
    assert verdict.passed, verdict
    assert verdict.max_abs == 0
    assert not compare(offline_answer(bundle.path, recording, result.wishes), result.answer, SFREQ).passed
    assert result.latency["stages_ms"]["inference"]["p50"] < 6.0


@pytest.mark.lsl
@pytest.mark.slow
def test_the_command_passes_a_budgeted_runner_over_lsl(tmp_path: Path) -> None:
    recording = write_recording(noise_recording(seconds=3.0), tmp_path / "recording")
    report = verified(iterative(tmp_path, start={"image": "previous"}), recording, "lsl")
    assert (report["status"], report["max_abs"]) == (0, 0)


def a_prediction(steps: int | None) -> Prediction:
    return Prediction(np.zeros(2, np.float32), 1.0, 7, 0, steps=steps)


@pytest.mark.parametrize("steps", [None, 12])
def test_a_decision_says_how_many_steps_it_took(steps: int | None) -> None:
    assert json.loads(json.dumps(decision(a_prediction(steps), small.SCORES)))["steps"] == steps


def test_the_ledger_says_how_many_steps_each_took(tmp_path: Path) -> None:
    ledger = LedgerFile(tmp_path / "ledger.csv")
    for steps in (None, 12):
        ledger.prediction(a_prediction(steps), 0)
    for _ in ledger.close():
        pass
    with (tmp_path / "ledger.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert [row["steps"] for row in rows] == ["", "12"]
