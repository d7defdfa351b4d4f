"""What a runner carries lives from gap to gap, whatever the chunks, and survives rehearsals bit by bit."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamkit.bundle import ModelBundle
from streamkit.inference import BACKENDS, Runner, Wish
from streamkit.inference.runners import FeedForwardConfig, IterativeConfig, Rehearsal
from streamkit.inference.runners.base import Values
from streamkit.pipeline import Pipeline
from streamkit.preprocess import PreprocessConfig, Preprocessor, WindowConfig, Windower, windows_of
from streamkit.session.rig import warmth_of
from streamkit.types import Chunk, Event, OutputSpec, Prediction
from streamkit.verify import predictions_over_memory
from tests import runner_graphs as small
from tests.preprocess.signals import PROPERTY, SPEC, Stream, streams
from tests.preprocess.test_windower import window_configs
from tests.small import SFREQ

LEAKY = FeedForwardConfig(graph="leaky", state={"total": "next"})
GOING_ON = IterativeConfig(state={"image": "next"}, max_steps=3, start={"image": "previous"})
HERE = [name for name, row in BACKENDS.items() if row.runs == "onnx" and "cpu" in row.precisions and row.present()[0]]
N_TIMES = 6


class Remembering(Runner):
    """Says the number of windows since it was reset, and the sum of all their values."""

    def __init__(self, n_chans: int = SPEC.n_chans, n_times: int = N_TIMES) -> None:
        self.backend, self.output_shape, self.steps, self.choices = "none", (2,), None, {}
        self.buffer = np.zeros((1, n_chans, n_times), np.float32)
        self.resets = 0
        self.reset()

    def infer(self, x: np.ndarray, at: int = 0, steps: int | None = None) -> Values:
        assert x is self.buffer
        self.n += 1
        self.sum += x.sum(dtype=np.float64)
        return np.array([self.n, self.sum], np.float32)

    def rehearse(self, x: np.ndarray) -> Values:
        return np.zeros(2, np.float32)

    def reset(self) -> None:
        self.n, self.sum, self.resets = 0, 0.0, self.resets + 1

    def close(self) -> None: ...


def outcome(predictions: list[Prediction]) -> list[tuple[Any, ...]]:
    return [(p.values.tobytes(), p.stamp, p.last, p.seq, p.event, p.valid) for p in predictions]


@PROPERTY
@given(
    stream=streams(),
    on_gap=st.sampled_from(["reset", "continue"]),
    gaps=st.sampled_from(["skip", "flag", "hold", "zero"]),
    hop=st.sampled_from([1, 4]),
)
def test_state_is_the_same_whatever_the_chunks(stream: Stream, on_gap: str, gaps: str, hop: int) -> None:
    preprocess = PreprocessConfig.model_validate({"stages": [{"kind": "rereference"}], "on_gap": on_gap})
    window = WindowConfig.model_validate({"mode": "hop", "n_times": N_TIMES, "hop": hop, "gaps": gaps})
    outcomes = []
    for parts in (stream.chunks(), [stream.whole()]):
        pipeline = Pipeline(SPEC, preprocess, window, Remembering())
        outcomes.append(outcome([p for part in parts for p in pipeline.push(part)]))
    assert outcomes[0] == outcomes[1]


@PROPERTY
@given(stream=streams(), config=window_configs(), stamps=st.lists(st.floats(0, 1.5), max_size=5))
def test_gaps_are_counted_alike_by_the_windower_and_by_slicing(
    stream: Stream, config: WindowConfig, stamps: list[float]
) -> None:
    events = [Event("face", float(stream.stamps[0] + stamp)) for stamp in sorted(stamps)]
    whole = Preprocessor(SPEC, PreprocessConfig()).process(stream.whole())
    windower, preprocessor = Windower(SPEC, config), Preprocessor(SPEC, PreprocessConfig())
    live = [window for event in events for window in windower.push_event(event)]
    live += [window for chunk in stream.chunks() for window in windower.push(preprocessor.process(chunk))]
    live += windower.finish()
    offline = windows_of(whole, events, SPEC.sfreq, config)
    assert [(w.last, w.gaps) for w in live] == [(w.last, w.gaps) for w in offline]


def test_gaps_stay_counted_when_the_ring_has_forgotten_them() -> None:
    windower = Windower(SPEC, WindowConfig(mode="hop", n_times=4, hop=4), history=0.1)
    n_times, every = 40 * windower.capacity, windower.capacity // 3
    gap = np.zeros(n_times, bool)
    gap[every::every] = True
    stamps = np.arange(n_times) / SPEC.sfreq
    data = np.zeros((n_times, SPEC.n_chans), np.float32)
    found = [
        window
        for first in range(0, n_times, 50)
        for window in windower.push(
            Chunk(data[first : first + 50], stamps[first : first + 50], first, gap=gap[first : first + 50])
        )
    ]
    assert len(windower._gaps) < 6
    assert [w.gaps for w in found] == [int(gap[: w.last + 1].sum()) for w in found]


def gappy(n_times: int = 60, at: int = 30) -> Chunk:
    stamps = np.arange(n_times) / SPEC.sfreq
    stamps[at:] += 5.0
    return Chunk(np.ones((n_times, SPEC.n_chans), np.float32), stamps)


@pytest.mark.parametrize(
    ("gaps", "on_gap", "expected"),
    [
        # Windows end at samples 5, 11, 17, 23, 29 | 35 … 59; those that end at 35 and later lie behind the gap.
        ("skip", "reset", [1, 2, 3, 4, 5, 1, 2, 3, 4, 5]),
        ("skip", "continue", [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
    ],
)
def test_the_first_window_behind_a_gap_is_answered_afresh(gaps: str, on_gap: str, expected: list[int]) -> None:
    window = WindowConfig.model_validate({"mode": "hop", "n_times": N_TIMES, "hop": N_TIMES, "gaps": gaps})
    pipeline = Pipeline(SPEC, PreprocessConfig(on_gap=on_gap), window, Remembering())  # type: ignore[arg-type]
    assert [int(p.values[0]) for p in pipeline.push(gappy())] == expected


def test_a_window_across_a_gap_belongs_to_what_comes_after() -> None:
    window = WindowConfig(mode="hop", n_times=N_TIMES, hop=4, gaps="flag")
    pipeline = Pipeline(SPEC, PreprocessConfig(on_gap="reset"), window, Remembering())
    predictions = pipeline.push(gappy())
    first_behind = next(p for p in predictions if p.last >= 30)
    assert not first_behind.valid
    assert first_behind.values[0] == 1
    assert next(p.values[0] for p in predictions if p.last > first_behind.last) == 2


def test_a_gap_that_was_filled_is_none() -> None:
    stamps = np.arange(60) / SPEC.sfreq
    stamps[30:] += 3 / SPEC.sfreq
    gap = np.zeros(60, bool)
    gap[30] = True
    window = WindowConfig(mode="hop", n_times=N_TIMES, hop=3, gaps="hold")
    pipeline = Pipeline(SPEC, PreprocessConfig(on_gap="reset"), window, runner := Remembering())
    predictions = pipeline.push(Chunk(np.ones((60, SPEC.n_chans), np.float32), stamps, gap=gap))
    assert [p.values[0] for p in predictions] == list(range(1, len(predictions) + 1))
    assert runner.resets == 2  # its own, and the pipeline's before the first window


def test_every_pipeline_begins_afresh() -> None:
    runner = Remembering()
    for _ in range(2):
        pipeline = Pipeline(SPEC, PreprocessConfig(), WindowConfig(mode="hop", n_times=N_TIMES, hop=6), runner)
        assert [p.values[0] for p in pipeline.push(gappy())] == list(range(1, 11))


def test_a_rehearsal_never_resets() -> None:
    runner = Remembering()
    window = WindowConfig(mode="hop", n_times=N_TIMES, hop=6)
    live = Pipeline(SPEC, PreprocessConfig(on_gap="reset"), window, runner)
    twin = Pipeline(SPEC, PreprocessConfig(on_gap="reset"), window, Rehearsal(runner))
    chunk = gappy()
    seen = []
    for first in range(0, 60, 6):
        part = Chunk(chunk.data[first : first + 6], chunk.stamps[first : first + 6], first)
        twin.push(gappy())
        seen += [p.values[0] for p in live.push(part)]
    assert seen == [1, 2, 3, 4, 5, 1, 2, 3, 4, 5]
    assert runner.resets == 3


def stateful(folder: Path, config: Any, **about: Any) -> ModelBundle:
    step = config.kind == "iterative"
    graphs = {"step": small.descent()} if step else {"leaky": small.leaky()}
    output: OutputSpec = small.IMAGE if step else small.SCORES
    return small.bundle(folder / config.kind, graphs, config, output, **about)


def pushed(bundle: ModelBundle, runner: Runner, size: int, between: Any = None) -> list[Prediction]:
    contract, signal = bundle.contract, small.gappy_recording().signal()
    pipeline = Pipeline(
        contract.stream, contract.preprocess, contract.window, runner, clock=itertools.count(100.0).__next__
    )
    if between is not None:
        between = between(pipeline)
    predictions = []
    for first in range(0, len(signal.stamps), size):
        if between is not None:
            between()
        rows = slice(first, first + size)
        predictions += pipeline.push(Chunk(signal.data[rows], signal.stamps[rows], first))
    return predictions


@pytest.mark.parametrize("backend", HERE)
@pytest.mark.parametrize("config", [LEAKY, GOING_ON], ids=["feedforward", "iterative"])
@pytest.mark.parametrize("gaps", ["skip", "flag", "hold"])
def test_real_graphs_carry_the_same_bits_whatever_the_chunks(
    config: Any, gaps: str, backend: str, tmp_path: Path
) -> None:
    bundle = stateful(tmp_path, config, gaps=gaps)
    runner = bundle.open_runner(Wish(backend, threads=1))
    answers = [outcome(pushed(bundle, runner, size)) for size in (1, 7, 64, 10_000)]
    assert len(answers[0]) > 60
    assert answers[0] == answers[1] == answers[2] == answers[3]


def test_state_reaches_from_window_to_window_and_not_over_gaps(tmp_path: Path) -> None:
    bundle = stateful(tmp_path, LEAKY)
    predictions = pushed(bundle, bundle.open_runner(small.ORT), 16)
    signal = small.gappy_recording().signal()
    processed = Preprocessor(bundle.contract.stream, bundle.contract.preprocess).process(
        Chunk(signal.data, signal.stamps)
    )
    cut = windows_of(processed, [], SFREQ, bundle.contract.window)
    assert sorted({w.gaps for w in cut}) == [0, 1, 2, 3]
    expected = [
        small.leaky_answers(np.array([w.data.T for w in run]))
        for _, run in itertools.groupby(cut, key=lambda window: window.gaps)
    ]
    np.testing.assert_allclose([p.values for p in predictions], np.concatenate(expected), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("backend", HERE)
@pytest.mark.parametrize("config", [LEAKY, GOING_ON], ids=["feedforward", "iterative"])
def test_a_warm_session_says_the_same_bits(config: Any, backend: str, tmp_path: Path) -> None:
    bundle = stateful(tmp_path, config)
    runner = bundle.open_runner(Wish(backend, threads=1))
    cold = outcome(pushed(bundle, runner, 8))
    rehearsals = 0

    def keep_warm(pipeline: Pipeline) -> Any:
        warmth = warmth_of(bundle, pipeline, runner)
        warmth.pace.size = 20

        def rehearse() -> None:
            nonlocal rehearsals
            warmth.rehearse()
            rehearsals += 1

        return rehearse

    assert outcome(pushed(bundle, runner, 8, keep_warm)) == cold
    assert rehearsals > 60


def test_a_repeat_over_memory_begins_afresh(tmp_path: Path) -> None:
    bundle = stateful(tmp_path, LEAKY)
    runner = bundle.open_runner(small.ORT)
    first, again = (
        outcome(predictions_over_memory(bundle.contract, small.gappy_recording(), runner, seed=seed)) for seed in (0, 1)
    )
    assert first == again
