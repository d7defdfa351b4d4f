"""Chunks and events in, predictions out: the same bits whatever the chunks, with every time in the ledger."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamkit.errors import ConfigError
from streamkit.pipeline import Pipeline
from streamkit.preprocess import PreprocessConfig, Preprocessor, SideStream, WindowConfig, windows_of
from streamkit.types import Chunk, Event, Prediction, StreamSpec
from tests.preprocess.signals import PROPERTY, SPEC, a_signal, streams
from tests.preprocess.test_windower import window_configs

PREPROCESS = PreprocessConfig.model_validate(
    {
        "stages": [
            {"kind": "bandpass", "low": 1, "high": 40},
            {"kind": "rereference"},
            {"kind": "resample", "sfreq": 100},
        ],
        "on_gap": "reset",
    }
)
HOPS = WindowConfig(mode="hop", n_times=20, hop=5)
EVENTS = WindowConfig(mode="event", n_times=20, tmin=0.1, baseline=(-0.1, 0.0))


class FakeRunner:
    """Weighs a window by fixed numbers, and keeps the inputs it saw."""

    def __init__(self) -> None:
        self.seen: list[np.ndarray] = []

    def infer(self, x: np.ndarray) -> np.ndarray:
        assert x.dtype == np.float32
        assert x.flags.c_contiguous
        self.seen.append(x.copy())
        weights = np.arange(1, x.size + 1, dtype=np.float32).reshape(x.shape)
        return np.array([(x * weights).sum(), x.max()], np.float32)


def a_pipeline(window: WindowConfig, **options: object) -> tuple[Pipeline, FakeRunner]:
    runner = FakeRunner()
    return Pipeline(SPEC, PREPROCESS, window, runner, clock=itertools.count(100.0).__next__, **options), runner


def chunks(data: np.ndarray, size: int, **more: object) -> list[Chunk]:
    stamps = np.arange(len(data)) / SPEC.sfreq
    return [Chunk(data[at : at + size], stamps[at : at + size], at, **more) for at in range(0, len(data), size)]


def outcome(predictions: list[Prediction]) -> list[tuple]:
    return [(p.values.tobytes(), p.stamp, p.last, p.seq, p.event, p.valid) for p in predictions]


@PROPERTY
@given(stream=streams(), config=window_configs(), stamps=st.lists(st.floats(0, 1.5), max_size=5))
def test_predictions_are_the_same_bits_whatever_the_chunks(stream, config, stamps):
    events = [Event("face", float(stream.stamps[0] + stamp)) for stamp in stamps]
    outcomes = []
    for parts in (stream.chunks(), [stream.whole()]):
        pipeline, _ = a_pipeline(config)
        predictions = [p for event in events for p in pipeline.push_event(event)]
        predictions += [p for part in parts for p in pipeline.push(part)]
        outcomes.append((outcome(predictions + pipeline.finish()), pipeline.counts))
    assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize("size", [1, 7, 64, 1000])
def test_a_live_pipeline_sees_the_windows_of_the_offline_cutter(size):
    data = a_signal(1000, 4, seed=0)
    events = [Event("face", stamp) for stamp in (0.5, 1.2345, 3.0)]
    pipeline, runner = a_pipeline(EVENTS)
    for event in events:
        pipeline.push_event(event)
    predictions = [p for part in chunks(data, size) for p in pipeline.push(part)]

    preprocessor = Preprocessor(SPEC, PREPROCESS)
    expected = windows_of(preprocessor.process(chunks(data, 1000)[0]), events, preprocessor.out.sfreq, EVENTS)
    assert [p.event for p in predictions] == events
    for window, seen, prediction in zip(expected, runner.seen, predictions, strict=True):
        np.testing.assert_array_equal(seen, window.data.T[np.newaxis])
        assert (prediction.stamp, prediction.last) == (window.stamp, window.last)


def test_predictions_are_counted_from_zero():
    pipeline, _ = a_pipeline(HOPS)
    predictions = [p for part in chunks(a_signal(400, 4, seed=1), 10) for p in pipeline.push(part)]
    assert [p.seq for p in predictions] == list(range(len(predictions)))
    assert pipeline.counts["decoded"] == len(predictions) == (200 - 20) // 5 + 1


def test_picks_put_the_streams_channels_in_the_contracts_order():
    data = a_signal(200, 4, seed=2)
    wider = np.concatenate((np.full((200, 2), 1e6, np.float32), data[:, ::-1]), axis=1)
    plain, _ = a_pipeline(HOPS)
    picking, _ = a_pipeline(HOPS, picks=np.array([5, 4, 3, 2]))
    expected = [p for part in chunks(data, 10) for p in plain.push(part)]
    found = [p for part in chunks(wider, 10) for p in picking.push(part)]
    assert outcome(found) == outcome(expected)


def test_picks_must_give_every_channel():
    with pytest.raises(ConfigError, match="3 columns, expected 4"):
        a_pipeline(HOPS, picks=np.arange(3))


def test_the_ledger_has_every_time_in_order():
    pipeline, _ = a_pipeline(HOPS)
    predictions = [p for part in chunks(a_signal(80, 4, seed=3), 40, arrival=90.0) for p in pipeline.push(part)]
    for prediction in predictions:
        assert list(prediction.timing) == ["sample", "arrival", "processed", "window", "infer_start", "infer_end"]
        times = list(prediction.timing.values())
        assert times == sorted(times)
        assert prediction.timing["sample"] == prediction.stamp
        assert prediction.timing["arrival"] == 90.0


def test_a_late_marker_does_not_make_the_filter_look_slow():
    pipeline, _ = a_pipeline(EVENTS)
    for number, part in enumerate(chunks(a_signal(400, 4, seed=4), 10)):
        assert pipeline.push(Chunk(part.data, part.stamps, part.first, arrival=100.0 + number)) == []
    (prediction,) = pipeline.push_event(Event("face", 0.5))
    # The clock ticks once per chunk here, so both times number the chunk that brought the newest sample.
    assert prediction.timing["processed"] == prediction.timing["arrival"] < prediction.timing["infer_start"]


def test_finish_predicts_what_can_still_be_told():
    pipeline, _ = a_pipeline(WindowConfig(mode="event", n_times=3, tmin=-0.1))
    pipeline.push_event(Event("last", 1.0))
    pipeline.push_event(Event("beyond", 9.0))
    assert [p for part in chunks(a_signal(200, 4, seed=5), 200) for p in pipeline.push(part)] == []
    assert [p.event.label for p in pipeline.finish()] == ["last"]
    assert pipeline.counts["no_sample"] == 1


def test_a_gap_reaches_the_prediction():
    data = a_signal(400, 4, seed=6)
    stamps = np.arange(400) / SPEC.sfreq
    stamps[200:] += 5
    pipeline, _ = a_pipeline(WindowConfig(mode="hop", n_times=20, hop=5, gaps="flag"))
    predictions = pipeline.push(Chunk(data, stamps))
    assert [p.last for p in predictions if not p.valid] == [104, 109, 114]


def test_the_delay_is_the_preprocessors():
    pipeline, _ = a_pipeline(HOPS)
    assert pipeline.delay == Preprocessor(SPEC, PREPROCESS).delay > 0


def test_what_the_runner_raises_is_not_swallowed():
    class Broken:
        def infer(self, x: np.ndarray) -> np.ndarray:
            raise RuntimeError("the device went away")

    pipeline = Pipeline(SPEC, PREPROCESS, HOPS, Broken())
    with pytest.raises(RuntimeError, match="device went away"):
        pipeline.push(chunks(a_signal(100, 4, seed=7), 100)[0])


GAZE = StreamSpec(name="gaze", ch_names=("x", "y"), sfreq=0.0)


def test_a_side_stream_stands_beside_every_sample_the_model_sees():
    side = SideStream(stream=GAZE, delay=0.0)
    pipeline, runner = a_pipeline(HOPS, also=[side])
    assert pipeline.push(Chunk(np.array([[2, 1], [4, 3]], np.float64), np.array([0.0, 0.1])), stream=1) == []
    pipeline.push(chunks(a_signal(60, 4, seed=3), 60)[0])
    assert runner.seen[0].shape == (1, 6, 20)
    np.testing.assert_array_equal(runner.seen[0][0, 4], [2] * 10 + [4] * 10)
    np.testing.assert_array_equal(runner.seen[0][0, 5], [1] * 10 + [3] * 10)


def test_a_late_side_sample_makes_the_windows_not_cut_yet_invalid():
    pipeline, _ = a_pipeline(HOPS, also=[SideStream(stream=GAZE, delay=0.0)])
    pipeline.push(Chunk(np.zeros((1, 2)), np.zeros(1)), stream=1)
    first, second = chunks(a_signal(140, 4, seed=4), 70)
    predictions = pipeline.push(first)
    pipeline.push(Chunk(np.ones((1, 2)), first.stamps[60:61]), stream=1)
    predictions += pipeline.push(second)
    # Processed samples 30 to 34 were aligned before the value that belongs to them came.
    valid = {prediction.last: prediction.valid for prediction in predictions}
    assert valid == {last: not (last >= 35 and last - 19 <= 34) for last in range(19, 70, 5)}
    assert pipeline.counts["side_late"] == 1


def test_a_side_stream_must_have_the_channels_that_the_contract_names():
    pipeline, _ = a_pipeline(HOPS, also=[SideStream(stream=GAZE)])
    with pytest.raises(ConfigError, match=r"\(n_times, 2\) for the channels x, y"):
        pipeline.push(Chunk(np.zeros((1, 3)), np.zeros(1)), stream=1)


@pytest.mark.parametrize("speed", [0.25, 4.0])
def test_at_another_speed_what_is_a_gap_is_that_of_the_recording(speed):
    spec = StreamSpec(ch_names=("a", "b"), sfreq=100)
    side = SideStream(stream=StreamSpec(ch_names=("c",), sfreq=100), preprocess=PreprocessConfig(max_gap=0.03))
    kept = np.delete(np.arange(600), np.s_[305:311])
    data = a_signal(len(kept), 3, seed=4)
    counts, valid = [], []
    for rate in (1.0, speed):
        preprocess, stamps = PreprocessConfig(max_gap=0.03), 7 + kept / 100 / rate
        pipeline = Pipeline(spec, preprocess, HOPS, FakeRunner(), also=(side,), speed=rate, clock=lambda: 0.0)
        pipeline.push(Chunk(data[:, 2:], stamps, gap=np.zeros(len(kept), bool)), 1)
        valid.append([p.valid for p in pipeline.push(Chunk(data[:, :2], stamps, gap=np.zeros(len(kept), bool)))])
        counts.append(pipeline.counts)
    assert counts[0] == counts[1]
    assert valid[0] == valid[1]
    assert counts[0]["gap"] > 0
    assert counts[0]["decoded"] > 50
