"""Corrected stamps, gaps and duplicates: what is found, what is left alone, the same whatever the chunks."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamkit.clock import monotonic
from streamkit.timeline import Corrected, Timeline

SFREQ = 100.0
PERIOD = 1 / SFREQ
BURST = 12


def values(n_times: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n_times, 3)).astype(np.float32)


def steady(n_times: int, sfreq: float = SFREQ, start: float = 1000.0) -> np.ndarray:
    return start + np.arange(n_times) / sfreq


def jittery(n_times: int, jitter: float, seed: int = 2) -> np.ndarray:
    return steady(n_times) + np.random.default_rng(seed).uniform(-jitter, jitter, n_times) * PERIOD


def bursts(n_times: int, longest: float) -> np.ndarray:
    steps = np.full(n_times, 0.001)
    late = np.random.default_rng(3).uniform(0.02, longest, n_times // BURST + 1)
    steps[::BURST] = late[: len(steps[::BURST])]
    return 5.0 + np.cumsum(steps)


def in_parts(timeline: Timeline, raw: np.ndarray, data: np.ndarray | None, cuts: list[int]) -> Corrected:
    bounds = [0, *cuts, len(raw)]
    parts = [timeline.correct(raw[a:b], None if data is None else data[a:b]) for a, b in pairwise(bounds)]
    stamps, gap, duplicate = (np.concatenate([part[k] for part in parts]) for k in range(3))
    return Corrected(stamps, gap, duplicate, all(part.plain for part in parts))


def gaps_of(raw: np.ndarray, sfreq: float = SFREQ, **more: float) -> tuple[list[int], Timeline]:
    timeline = Timeline(sfreq, **more)
    return np.flatnonzero(timeline.correct(raw).gap).tolist(), timeline


def assert_same(one: Corrected, other: Corrected) -> None:
    for some, others in zip(one[:3], other[:3], strict=True):
        np.testing.assert_array_equal(some, others)
    assert one.plain == other.plain


def test_a_steady_stream_passes_as_it_is():
    raw = steady(1000)
    corrected = Timeline(SFREQ).correct(raw, values(1000))
    np.testing.assert_array_equal(corrected.stamps, raw)
    assert corrected.plain
    assert not corrected.gap.any()
    assert not corrected.duplicate.any()


@pytest.mark.parametrize("sfreq", [50.0, 256.0, 1000.0, 30000.0])
def test_each_single_sample_lost_by_a_steady_stream_is_found_and_no_other(sfreq):
    n_times = 20000
    kept = np.ones(n_times, bool)
    learned = 9000
    lost = np.arange(learned, n_times - 1, 100) + np.random.default_rng(1).integers(0, 50, (n_times - learned) // 100)
    kept[lost] = False
    corrected = Timeline(sfreq).correct(steady(n_times, sfreq)[kept])
    expected = (np.cumsum(kept) - 1)[lost + 1]
    np.testing.assert_array_equal(np.flatnonzero(corrected.gap), expected)


def test_missing_samples_are_counted_by_the_stamps():
    kept = np.ones(2000, bool)
    kept[[500, 900, 901, 902, 1500]] = False
    _, timeline = gaps_of(steady(2000)[kept])
    assert timeline.counts == {"gaps": 3, "missing": 5, "duplicates": 0, "backward": 0}


@pytest.mark.parametrize("rate_off", [0.98, 1.02])
def test_one_lost_sample_is_found_though_the_rate_is_two_per_cent_off(rate_off):
    raw = np.delete(steady(2000, SFREQ * rate_off), [700, 1300])
    assert gaps_of(raw)[0] == [700, 1299]


def test_stamps_rounded_to_milliseconds_are_no_gaps():
    raw = np.round(steady(20000, 256.0), 3)
    assert gaps_of(raw, 256.0)[0] == []
    assert gaps_of(np.delete(raw, 10000), 256.0)[0] == [10000]


@pytest.mark.parametrize("jitter", [0.05, 0.2])
def test_jitter_is_no_gap_and_does_not_hide_a_lost_sample(jitter):
    raw = jittery(5000, jitter)
    assert gaps_of(raw)[0] == []
    assert gaps_of(np.delete(raw, 3000))[0] == [3000]


def test_a_headband_that_stamps_in_bursts_has_no_gaps():
    assert gaps_of(bursts(20 * 256, 0.036), 256.0)[0] == []


def test_a_declared_rate_twice_the_true_one_is_not_all_gaps():
    assert gaps_of(steady(3000, SFREQ / 2))[0] == []


def test_a_long_gap_is_found_at_once():
    raw = steady(50)
    raw[30:] += 2.0
    gaps, timeline = gaps_of(raw)
    assert gaps == [30]
    assert timeline.counts["missing"] == 200


def test_at_twice_the_speed_periods_are_half_as_long():
    raw = np.delete(steady(2000, 2 * SFREQ), 800)
    assert gaps_of(raw, speed=2.0)[0] == [800]
    assert gaps_of(raw)[0] == []


def test_a_sample_sent_twice_is_a_duplicate_and_no_gap_follows():
    raw, data = steady(1000), values(1000)
    order = np.sort(np.append(np.arange(1000), [100, 400, 401]))
    timeline = Timeline(SFREQ)
    corrected = timeline.correct(raw[order], data[order])
    assert np.flatnonzero(corrected.duplicate).tolist() == [101, 402, 404]
    assert not corrected.gap.any()
    np.testing.assert_array_equal(corrected.stamps, raw[order])
    assert timeline.counts == {"gaps": 0, "missing": 0, "duplicates": 3, "backward": 0}


def test_a_chunk_sent_again_is_duplicates_stamped_with_the_newest_sample():
    raw, data = steady(1000), values(1000)
    order = np.concatenate((np.arange(520), np.arange(500, 1000)))
    corrected = Timeline(SFREQ).correct(raw[order], data[order])
    assert np.flatnonzero(corrected.duplicate).tolist() == list(range(520, 540))
    assert not corrected.gap.any()
    np.testing.assert_array_equal(corrected.stamps[520:540], raw[519])
    np.testing.assert_array_equal(corrected.stamps[540:], raw[520:])


def test_equal_stamps_with_other_values_are_no_duplicates():
    raw, data = np.repeat(steady(100, 25.0), 4), values(400)
    assert not Timeline(SFREQ).correct(raw, data).duplicate.any()


def test_equal_values_with_other_stamps_are_no_duplicates():
    assert Timeline(SFREQ).correct(steady(400), np.zeros((400, 2))).plain


def test_values_that_are_not_numbers_are_equal_too():
    raw, data = np.repeat(steady(50), 2), np.repeat(values(50), 2, axis=0)
    data[:, 1] = np.nan
    assert Timeline(SFREQ).correct(raw, data).duplicate.tolist() == [False, True] * 50


def test_a_clock_set_back_by_five_seconds_is_one_gap_and_stamps_go_on():
    raw, data = steady(2000), values(2000)
    raw[1000:] -= 5.0
    timeline = Timeline(SFREQ)
    corrected = timeline.correct(raw, data)
    assert np.flatnonzero(corrected.gap).tolist() == [1000]
    np.testing.assert_allclose(np.diff(corrected.stamps), PERIOD, atol=1e-9)
    assert timeline.counts == {"gaps": 1, "missing": 0, "duplicates": 0, "backward": 1}


def test_a_small_step_back_is_jitter():
    raw = steady(300)
    raw[[100, 200]] -= 0.05
    corrected = Timeline(SFREQ).correct(raw)
    np.testing.assert_array_equal(corrected.stamps, monotonic(raw))
    assert not corrected.gap.any()


def test_the_offset_of_the_sources_clock_is_added_and_its_changes_are_no_gaps():
    raw = steady(2000)
    timeline = Timeline(SFREQ)
    offsets = np.repeat([5.0, 5.004, 5.020, 5.001], 500)
    parts = [timeline.correct(raw[at : at + 10], offset=offsets[at]) for at in range(0, 2000, 10)]
    stamps = np.concatenate([part.stamps for part in parts])
    np.testing.assert_array_equal(stamps, monotonic(raw + offsets))
    assert not np.concatenate([part.gap for part in parts]).any()


def test_when_the_offset_follows_a_clock_that_was_set_back_stamps_stay_in_step():
    raw = steady(2000)
    raw[1000:] -= 5.0
    timeline = Timeline(SFREQ)
    offsets = np.where(np.arange(2000) < 1300, 0.0, 5.0)
    parts = [timeline.correct(raw[at : at + 10], offset=offsets[at]) for at in range(0, 2000, 10)]
    gap = np.concatenate([part.gap for part in parts])
    assert np.flatnonzero(gap).tolist() == [1000]
    np.testing.assert_allclose(np.concatenate([part.stamps for part in parts]), steady(2000), atol=1e-9)


def test_after_an_interruption_the_next_sample_follows_a_gap():
    timeline = Timeline(SFREQ)
    timeline.interrupt()
    assert timeline.correct(steady(10)).plain
    timeline.interrupt()
    assert timeline.correct(steady(10, start=1000.1)).gap.tolist() == [True] + [False] * 9


@pytest.mark.parametrize(("sfreq", "raw"), [(SFREQ, jittery(1536, 0.5)), (256.0, bursts(3072, 0.06))])
@pytest.mark.parametrize("n_blocks", [1.0, 2.4, 3.0])
def test_after_an_interruption_the_stream_is_learned_anew_however_it_jitters(sfreq, raw, n_blocks):
    away = BURST * math.ceil(n_blocks * len(raw) / 6 / BURST)
    raw = np.concatenate((raw[:away], raw[away:] + 5.0))
    timeline = Timeline(sfreq)
    before = timeline.correct(raw[:away])
    timeline.interrupt()
    after = in_parts(timeline, raw[away:], None, list(range(16, len(raw) - away, 16)))
    assert not before.gap.any()
    assert np.flatnonzero(after.gap).tolist() == [0]
    np.testing.assert_array_equal(after.stamps, monotonic(raw[away:]))


def test_a_stamp_that_is_no_number_is_taken_as_one_period_later():
    raw = steady(500)
    expected = raw.copy()
    raw[[0, 200]] = np.nan
    raw[300] = np.inf
    corrected = Timeline(SFREQ).correct(raw)
    np.testing.assert_allclose(corrected.stamps[1:], expected[1:], atol=1e-9)
    assert np.isfinite(corrected.stamps).all()


def test_an_irregular_stream_is_only_put_in_order():
    raw = np.array([1.0, 5.0, 4.0, 4.0, 900.0, 7.0])
    corrected = Timeline(0.0).correct(raw, np.zeros((6, 1)))
    np.testing.assert_array_equal(corrected.stamps, monotonic(raw))
    assert corrected.plain


def test_nothing_in_nothing_out():
    corrected = Timeline(SFREQ).correct(np.zeros(0), np.zeros((0, 3)))
    assert len(corrected.stamps) == len(corrected.gap) == len(corrected.duplicate) == 0


@st.composite
def troubled(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Jitter, losses, samples and chunks sent again, clocks set back and forth, stamps that are no numbers."""
    n_times = draw(st.integers(1, 900))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    raw = draw(st.sampled_from([0.0, 1e3, 1.7e9])) + np.arange(n_times) * PERIOD
    raw += rng.uniform(-1, 1, n_times) * draw(st.sampled_from([0.0, 0.1, 0.7, 3.0])) * PERIOD
    data = rng.integers(0, 3, (n_times, 2)).astype(np.float32)
    for at in draw(st.lists(st.integers(0, n_times - 1), max_size=4)):
        raw[at:] += draw(st.sampled_from([PERIOD, 0.3, 4.0, -0.05, -0.3, -5.0]))
    order = np.flatnonzero(rng.uniform(size=n_times) < draw(st.sampled_from([1.0, 0.98])))
    for at in draw(st.lists(st.integers(0, len(order)), max_size=4)):
        length = draw(st.integers(1, 80))
        order = np.concatenate((order[:at], order[max(0, at - length) : at], order[at:]))
    raw, data = raw[order], data[order]
    for at in draw(st.lists(st.integers(0, max(0, len(raw) - 1)), max_size=2)):
        raw[at : at + 1] = np.nan
    return raw, data


@settings(max_examples=200, deadline=None)
@given(stream=troubled(), size=st.sampled_from([1, 7, 64, None]), data=st.data())
def test_the_chunks_make_no_difference(stream, size, data):
    raw, rows = stream
    whole = Timeline(SFREQ)
    expected = whole.correct(raw, rows)
    if size is None:
        cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=12), label="cuts"))
    else:
        cuts = list(range(size, len(raw), size))
    timeline = Timeline(SFREQ)
    before = raw.copy()
    assert_same(in_parts(timeline, raw, rows, cuts), expected)
    np.testing.assert_array_equal(raw, before)
    assert timeline.counts == whole.counts
    assert (np.diff(expected.stamps) >= 0).all()
    assert not (expected.gap & expected.duplicate).any()
