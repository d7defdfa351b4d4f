"""The sweep keeps the extremes of every column, joins neighbours, and shows gaps."""

from __future__ import annotations

import numpy as np
import pytest

from apps.view.state.sweep import Sweep


def stamps_of(n: int, sfreq: float, start: float = 100.0) -> np.ndarray:
    return start + np.arange(n) / sfreq


def test_every_column_holds_the_extremes_of_its_samples() -> None:
    data = np.random.default_rng(0).normal(size=(1024, 3)).astype(np.float32)
    sweep = Sweep(3, columns=128, seconds=1.0)
    sweep.push(data, stamps_of(1024, 1024))
    for column in range(1, 128):
        block = data[column * 8 : column * 8 + 8]
        assert (sweep.lo[column] <= block.min(axis=0)).all()
        assert (sweep.hi[column] >= block.max(axis=0)).all()
        assert (sweep.hi[column] <= np.maximum(block.max(axis=0), data[column * 8 - 1])).all()


@pytest.mark.parametrize("size", [1, 7, 64])
def test_the_sweep_is_the_same_whatever_the_chunk_size(size: int) -> None:
    data = np.random.default_rng(1).normal(size=(900, 2)).astype(np.float32)
    stamps = stamps_of(900, 500)
    whole, parts = Sweep(2, 97, 2.5, 0.1), Sweep(2, 97, 2.5, 0.1)
    whole.push(data, stamps)
    for first in range(0, 900, size):
        parts.push(data[first : first + size], stamps[first : first + size])
    np.testing.assert_array_equal(whole.lo, parts.lo)
    np.testing.assert_array_equal(whole.hi, parts.hi)
    assert whole.head == parts.head


def test_missing_samples_are_a_gap_and_not_a_line() -> None:
    sweep = Sweep(1, columns=100, seconds=1.0, max_gap=0.1)
    stamps = np.concatenate([stamps_of(300, 1000), stamps_of(300, 1000, 100.6)])
    sweep.push(np.ones((600, 1), np.float32), stamps)
    assert sweep.gap[35:55].all()
    assert np.isnan(sweep.lo[35:55]).all()
    assert not sweep.gap[:29].any()
    assert not sweep.gap[61:].any()


def test_a_gap_disappears_when_the_sweep_comes_round_again() -> None:
    sweep = Sweep(1, columns=100, seconds=1.0, max_gap=0.1)
    sweep.push(np.ones((10, 1), np.float32), stamps_of(10, 1000))
    sweep.push(np.ones((2000, 1), np.float32), stamps_of(2000, 1000, 100.5))
    assert not sweep.gap.any()


def test_a_slow_stream_is_joined_by_straight_lines() -> None:
    sweep = Sweep(1, columns=100, seconds=10.0, max_gap=1.0)
    sweep.push(np.array([[0.0], [10.0]], np.float32), np.array([0.0, 1.0]))
    np.testing.assert_allclose(sweep.hi[1:10, 0], np.arange(1, 10), atol=1e-4)
    assert not sweep.gap.any()


def test_nan_samples_leave_a_hole_in_their_own_channel_only() -> None:
    data = np.ones((100, 2), np.float32)
    data[40:60, 0] = np.nan
    sweep = Sweep(2, columns=10, seconds=0.1)
    sweep.push(data, stamps_of(100, 1000, 0.0))
    assert np.isnan(sweep.lo[5, 0])
    assert sweep.lo[5, 1] == 1


def test_only_new_columns_are_dirty() -> None:
    sweep = Sweep(1, columns=100, seconds=1.0)
    sweep.push(np.ones((500, 1), np.float32), stamps_of(500, 1000))
    assert len(sweep.take_dirty()) >= 50
    sweep.push(np.ones((20, 1), np.float32), stamps_of(20, 1000, 100.5))
    dirty = sweep.take_dirty(ahead=5)
    assert dirty[0] == 49
    assert len(dirty) <= 9


def test_a_push_longer_than_the_screen_keeps_the_newest_part() -> None:
    sweep = Sweep(1, columns=50, seconds=1.0)
    sweep.push(np.arange(5000, dtype=np.float32)[:, None], stamps_of(5000, 1000))
    assert np.nanmin(sweep.lo) >= 3900
    assert np.nanmax(sweep.hi) == 4999


def test_an_empty_push_changes_nothing() -> None:
    sweep = Sweep(2, columns=50, seconds=1.0)
    sweep.push(np.empty((0, 2), np.float32), np.empty(0))
    assert sweep.head == -1
