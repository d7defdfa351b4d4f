"""Side streams beside the primary: the newest value that is due, whatever the order of arrival."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamkit.errors import ConfigError
from streamkit.preprocess import Aligner, PreprocessConfig, Preprocessor, SideStream, align_whole
from streamkit.types import Chunk, StreamSpec
from tests.preprocess.signals import PROPERTY, a_signal

EEG = StreamSpec(name="eeg", ch_names=("Fz", "Cz"), sfreq=200.0, unit="microvolts")
GAZE = StreamSpec(name="gaze", ch_names=("x", "y"), sfreq=0.0)
FORCE = StreamSpec(name="force", ch_names=("grip",), sfreq=50.0, unit="N")
LOWPASS = PreprocessConfig.model_validate({"stages": [{"kind": "lowpass", "freq": 10.0}]})
SIDES = (SideStream(stream=FORCE, preprocess=LOWPASS, delay=0.03), SideStream(stream=GAZE, delay=0.05, hold=0.4))


def ramp(spec: StreamSpec, stamps: Sequence[float], **more: object) -> Chunk:
    """Samples whose values are their number, counted from 1."""
    values = np.arange(1, len(stamps) + 1, dtype=np.float32)
    return Chunk(np.tile(values[:, None], spec.n_chans), np.asarray(stamps, float), **more)


def processed(chunk: Chunk) -> Chunk:
    return Preprocessor(EEG, PreprocessConfig()).process(chunk)


def one_side(delay: float = 0.0, spec: StreamSpec = FORCE, **more: object) -> Aligner:
    return Aligner(EEG, [SideStream(stream=spec, delay=delay, **more)])


@dataclass(frozen=True)
class Scene:
    """Three whole streams and where each is cut."""

    primary: Chunk
    sides: tuple[Chunk, Chunk]
    cuts: tuple[tuple[int, ...], ...]

    def whole(self) -> Chunk:
        return align_whole(processed(self.primary), SIDES, self.sides)

    def arrivals(self) -> Iterator[tuple[int, Chunk]]:
        """Chunks of all streams in order of their last stamp; a side chunk is shorter than its delay."""
        parts = []
        for number, (chunk, cuts) in enumerate(zip((self.primary, *self.sides), self.cuts, strict=True)):
            delay = SIDES[number - 1].delay if number else np.inf
            for first, stop in pairwise(sorted({0, *cuts, len(chunk)})):
                while first < stop:
                    last = int(np.searchsorted(chunk.stamps[:stop], chunk.stamps[first] + delay - 1e-4, side="right"))
                    part = slice(first, last)
                    parts.append((chunk.stamps[last - 1], -number, Chunk(chunk.data[part], chunk.stamps[part], first)))
                    first = last
        for _, number, chunk in sorted(parts, key=lambda part: part[:2]):
            yield -number, chunk


@st.composite
def scenes(draw: st.DrawFn) -> Scene:
    """An EEG with jitter, a force of a quarter of its rate with a hole and a missing value, a gaze at any times."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    start = draw(st.sampled_from([0.0, 1e3, 1.7e9]))
    n = draw(st.integers(1, 400))
    stamps = start + 0.5 + np.sort(np.arange(n) / 200 + rng.normal(0, 0.001, n))
    grid = start + np.arange(0, n / 200 + 1, 1 / 50)
    hole = draw(st.floats(0, 2))
    grid = grid[(grid < start + hole) | (grid > start + hole + 0.3)]
    force = a_signal(len(grid), 1, 3)
    force[draw(st.integers(0, len(grid) - 1))] = np.nan
    gaze = start + np.sort(rng.uniform(0.2, n / 200 + 1, draw(st.integers(1, 60))))
    streams = (
        Chunk(a_signal(n, 2, 1), stamps),
        Chunk(force, grid),
        Chunk(a_signal(len(gaze), 2, 2, np.float64), gaze),
    )
    cuts = tuple(tuple(draw(st.lists(st.integers(0, len(s)), max_size=40))) for s in streams)
    return Scene(streams[0], (streams[1], streams[2]), cuts)


@PROPERTY
@given(scenes())
def test_chunks_in_order_of_arrival_equal_one_pass(scene: Scene):
    preprocessor = Preprocessor(EEG, PreprocessConfig())
    aligner = Aligner(EEG, SIDES)
    parts = []
    for stream, chunk in scene.arrivals():
        if stream:
            assert aligner.push(stream - 1, chunk) is None
        else:
            parts.append(aligner.align(preprocessor.process(chunk)))
    whole = scene.whole()
    np.testing.assert_array_equal(np.concatenate([part.data for part in parts]), whole.data)
    np.testing.assert_array_equal(np.concatenate([part.valid for part in parts]), whole.valid)
    assert whole.data.dtype == np.float32
    assert aligner.counts["side_late"] == 0


@PROPERTY
@given(scenes())
def test_side_streams_that_come_early_change_nothing(scene: Scene):
    aligner = Aligner(EEG, SIDES)
    for side, chunk in enumerate(scene.sides):
        aligner.push(side, chunk)
    aligned = aligner.align(processed(scene.primary))
    np.testing.assert_array_equal(aligned.data, scene.whole().data)
    np.testing.assert_array_equal(aligned.valid, scene.whole().valid)


def test_the_primary_keeps_its_samples_stamps_and_gaps():
    aligner = one_side()
    raw = ramp(EEG, [1.0, 1.005, 1.5], arrival=7.0)
    aligner.push(0, ramp(FORCE, [0.9, 1.4]))
    aligned = aligner.align(processed(raw))
    np.testing.assert_array_equal(aligned.data[:, :2], raw.data)
    np.testing.assert_array_equal(aligned.stamps, raw.stamps)
    assert aligned.gap is not None
    assert aligned.gap.tolist() == [False, False, True]
    assert aligned.arrival == 7.0


@pytest.mark.parametrize(("delay", "expected"), [(0.0, [1, 1, 2, 3]), (0.01, [0, 1, 1, 3]), (0.02, [0, 0, 1, 2])])
def test_a_sample_stands_beside_the_newest_value_that_is_as_old_as_the_delay(delay: float, expected: list[int]):
    aligner = one_side(delay)
    aligner.push(0, ramp(FORCE, [1.0, 1.02, 1.03]))
    aligned = aligner.align(processed(ramp(EEG, [1.0, 1.01, 1.02, 1.04])))
    assert aligned.data[:, 2].tolist() == expected


@pytest.mark.parametrize("start", [0.0, 1.7e9])
def test_a_value_due_exactly_now_counts_whatever_the_rounding_of_the_clock(start: float):
    aligner = one_side(0.04)
    steps = np.arange(100)
    aligner.push(0, ramp(FORCE, start + steps / 50))
    aligned = aligner.align(processed(ramp(EEG, start + steps / 200)))
    np.testing.assert_array_equal(aligned.data[:, 2], np.maximum(0, (steps - 8) // 4 + 1))


def test_before_the_first_value_there_are_zeros_and_no_valid_sample():
    aligner = one_side()
    aligner.push(0, ramp(FORCE, [1.01]))
    aligned = aligner.align(processed(ramp(EEG, [1.0, 1.005, 1.01])))
    assert aligned.data[:, 2].tolist() == [0, 0, 1]
    assert aligned.valid is not None
    assert aligned.valid.tolist() == [False, False, True]
    assert aligner.counts == {"side_samples": 1, "side_late": 0, "side_missing": 2}


def test_a_value_stands_no_longer_than_its_hold():
    aligner = one_side(hold=0.1)
    aligner.push(0, ramp(FORCE, [1.0]))
    aligned = aligner.align(processed(ramp(EEG, [1.05, 1.1, 1.11, 1.2])))
    assert aligned.valid is not None
    assert aligned.valid.tolist() == [True, True, False, False]
    assert aligned.data[:, 2].tolist() == [1, 1, 1, 1]


def test_an_irregular_value_stands_for_ever():
    aligner = one_side(spec=GAZE)
    aligner.push(0, ramp(GAZE, [1.0]))
    aligned = aligner.align(processed(ramp(EEG, [1.0, 500.0])))
    assert aligned.valid is not None
    assert aligned.valid.all()


def test_a_missing_value_of_a_side_stream_makes_the_samples_beside_it_invalid():
    aligner = one_side()
    aligner.push(0, Chunk(np.array([[1], [np.nan], [3]], np.float32), np.array([1.0, 1.02, 1.04])))
    aligned = aligner.align(processed(ramp(EEG, [1.0, 1.02, 1.03, 1.04])))
    assert aligned.data[:, 2].tolist() == [1, 1, 1, 3]
    assert aligned.valid is not None
    assert aligned.valid.tolist() == [True, False, False, True]


def test_a_late_value_is_counted_and_says_from_when_samples_lack_it():
    aligner = one_side(0.01)
    aligner.push(0, ramp(FORCE, [1.0]))
    aligner.align(processed(ramp(EEG, [1.01, 1.02, 1.03, 1.04])))
    since = aligner.push(0, ramp(FORCE, [1.02, 1.03, 1.05]))
    assert since == pytest.approx(1.03, abs=2e-6)
    assert aligner.counts["side_late"] == 2
    assert aligner.align(processed(ramp(EEG, [1.05]))).data[:, 2].tolist() == [2]


def test_a_side_stream_does_not_grow_for_ever_while_the_primary_is_silent():
    aligner = one_side()
    for second in range(300):
        aligner.push(0, Chunk(np.zeros((50, 1), np.float32), second + np.arange(50) / 50, second * 50))
    aligned = aligner.align(processed(ramp(EEG, [100.0, 200.0, 299.99])))
    assert aligned.valid is not None
    assert aligned.valid.tolist() == [False, True, True]


def test_at_another_speed_delays_and_holds_are_those_of_the_recording():
    side = SideStream(stream=FORCE, delay=0.05, hold=0.2)
    steps = np.arange(200)
    force, eeg = ramp(FORCE, steps[:20] / 50), ramp(EEG, steps / 200)
    aligner = Aligner(EEG, [side], speed=4.0)
    aligner.push(0, replace(force, stamps=3 + force.stamps / 4))
    fast = aligner.align(processed(replace(eeg, stamps=3 + eeg.stamps / 4)))
    slow = align_whole(processed(eeg), [side], [force])
    np.testing.assert_array_equal(fast.data, slow.data)
    np.testing.assert_array_equal(fast.valid, slow.valid)
    assert slow.valid is not None
    assert 0 < slow.valid.sum() < len(steps)


def test_a_side_stream_that_was_not_recorded_gives_zeros():
    side = SideStream(stream=GAZE, optional=True)
    aligned = align_whole(processed(ramp(EEG, [1.0, 2.0])), [side], [None])
    assert aligned.data[:, 2:].tolist() == [[0, 0], [0, 0]]
    assert aligned.valid is not None
    assert not aligned.valid.any()


def test_the_aligned_stream_has_all_channels_at_the_rate_of_the_primary():
    out = Aligner(EEG, SIDES).out
    assert out.ch_names == ("Fz", "Cz", "grip", "x", "y")
    assert out.sfreq == EEG.sfreq
    assert out.unit == ""


def test_a_channel_name_that_is_taken_is_told_apart():
    twin = SideStream(stream=EEG.model_copy(update={"name": "left"}))
    nameless = SideStream(stream=EEG.model_copy(update={"name": ""}))
    out = Aligner(EEG, [twin, nameless]).out
    assert out.ch_names == ("Fz", "Cz", "left/Fz", "left/Cz", "also2/Fz", "also2/Cz")
    assert out.unit == "microvolts"


def test_a_stage_that_needs_a_rate_does_not_fit_an_irregular_stream():
    with pytest.raises(ConfigError, match="irregular"):
        Aligner(EEG, [SideStream(stream=GAZE, preprocess=LOWPASS)])


@pytest.mark.parametrize("sizes", [1, 7, 64])
def test_nothing_that_comes_in_is_changed(sizes: int):
    aligner = one_side(0.01)
    force, eeg = ramp(FORCE, np.arange(50) / 50), ramp(EEG, np.arange(200) / 200)
    before = force.data.copy(), eeg.data.copy()
    for first in range(0, 200, sizes):
        part = slice(first, first + sizes)
        aligner.push(0, Chunk(force.data[part], force.stamps[part], first))
        aligner.align(Chunk(eeg.data[part], eeg.stamps[part], first))
    np.testing.assert_array_equal(force.data, before[0])
    np.testing.assert_array_equal(eeg.data, before[1])
