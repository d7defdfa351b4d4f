"""The rules of time: stamps never go back, gaps are found, an event has one sample."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streamkit.clock import NO_SAMPLE, TIE_S, default_max_gap, gaps, monotonic, n_missing, nearest_sample

PROPERTY = settings(deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
STAMPS = np.array([10.0, 10.1, 10.2, 10.3])


def test_a_stamp_that_steps_back_takes_its_predecessors():
    np.testing.assert_array_equal(monotonic(np.array([1.0, 3.0, 2.0, 2.5, 4.0])), [1, 3, 3, 3, 4])


def test_stamps_never_go_below_the_last_one_given_out():
    np.testing.assert_array_equal(monotonic(np.array([1.0, 3.0, 2.0]), previous=2.5), [2.5, 3, 3])


def test_no_stamps_stay_none():
    assert len(monotonic(np.zeros(0), previous=3.0)) == 0


@PROPERTY
@given(st.lists(st.floats(0, 1e9), max_size=30), st.integers(0, 30))
def test_correcting_in_two_parts_is_correcting_at_once(stamps, cut):
    stamps = np.array(stamps, float)
    head = monotonic(stamps[:cut])
    tail = monotonic(stamps[cut:], head[-1] if len(head) else -np.inf)
    np.testing.assert_array_equal(np.concatenate((head, tail)), monotonic(stamps))


def test_a_gap_is_a_step_longer_than_stated():
    np.testing.assert_array_equal(gaps(np.array([1.0, 1.1, 1.5, 1.6]), 0.9, 0.2), [False, False, True, False])


def test_a_gap_can_lie_before_the_first_stamp_of_a_chunk():
    np.testing.assert_array_equal(gaps(np.array([5.0, 5.1]), 1.0, 0.2), [True, False])


def test_a_stream_does_not_start_with_a_gap():
    np.testing.assert_array_equal(gaps(np.array([5.0, 5.1]), np.nan, 0.2), [False, False])


@pytest.mark.parametrize(("sfreq", "longest"), [(1000, 0.1), (25, 0.1), (4, 0.625), (0, np.inf)])
def test_jitter_is_allowed_up_to_a_tenth_of_a_second_or_two_and_a_half_samples(sfreq, longest):
    assert default_max_gap(sfreq) == longest


@pytest.mark.parametrize(
    ("stamp", "at"),
    [(10.0, 0), (10.04, 0), (10.06, 1), (10.1, 1), (10.149, 1), (10.151, 2), (9.0, 0)],
)
def test_an_event_belongs_to_the_nearest_sample(stamp, at):
    assert nearest_sample(STAMPS, stamp) == at


def test_a_tie_goes_to_the_later_sample_within_rounding():
    assert nearest_sample(STAMPS, 10.05) == 1
    assert nearest_sample(STAMPS, 10.05 - 0.4 * TIE_S) == 1
    assert nearest_sample(STAMPS, 10.05 - 2 * TIE_S) == 0
    late = 1.7e9 + np.arange(4) / 256
    assert nearest_sample(late, float((late[1] + late[2]) / 2)) == 2


def test_while_the_next_sample_might_be_nearer_nobody_can_tell():
    assert nearest_sample(STAMPS, 10.31) is None
    assert nearest_sample(np.zeros(0), 10.31) is None


def test_an_event_on_the_newest_sample_needs_no_further_one():
    assert nearest_sample(STAMPS, 10.3) == 3
    assert nearest_sample(STAMPS, 10.3 + 0.9 * TIE_S) == 3


def test_when_nothing_more_comes_the_last_sample_may_be_the_nearest():
    assert nearest_sample(STAMPS, 10.31, final=True) == 3
    assert nearest_sample(STAMPS, 99.0, final=True) == 3


@pytest.mark.parametrize("stamp", [9.0, 15.0, 99.0])
def test_an_event_far_from_every_sample_has_none(stamp):
    stamps = np.concatenate((STAMPS, STAMPS + 10))
    assert nearest_sample(stamps, stamp, within=0.5, final=True) == NO_SAMPLE


def test_an_event_in_an_empty_stream_has_no_sample():
    assert nearest_sample(np.zeros(0), 1.0, within=0.5, final=True) == NO_SAMPLE


@PROPERTY
@given(st.lists(st.floats(0.001, 2), min_size=1, max_size=20), st.floats(-1, 45), st.integers(1, 20))
def test_an_answer_never_changes_when_more_samples_come(steps, stamp, seen):
    stamps = np.cumsum(steps)
    early = nearest_sample(stamps[:seen], stamp, within=0.5)
    if early is not None:
        assert early == nearest_sample(stamps, stamp, within=0.5, final=True)


@PROPERTY
@given(st.lists(st.floats(0.001, 2), min_size=1, max_size=20), st.floats(-1, 45))
def test_no_sample_is_nearer_than_the_answer(steps, stamp):
    stamps = np.cumsum(steps)
    at = nearest_sample(stamps, stamp, final=True)
    assert abs(stamps[at] - stamp) <= np.abs(stamps - stamp).min() + TIE_S


@pytest.mark.parametrize(
    ("step", "expected"),
    [(0.01, 0), (0.02, 1), (0.0249, 1), (0.0251, 2), (1.0, 99), (0.0, 0), (-5.0, 0), (float("nan"), 0)],
)
def test_the_number_of_missing_samples_is_the_nearest_to_the_step(step: float, expected: int) -> None:
    assert n_missing(step, 100.0) == expected


def test_half_a_missing_sample_counts_whatever_the_rounding() -> None:
    assert [n_missing(0.025 + error, 100.0) for error in (-5e-7, 0.0, 5e-7)] == [2, 2, 2]
