"""The ring against a plain list: whatever is written and however it is read, the samples are the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamkit.errors import OverrunError
from streamkit.ring import RingBuffer
from streamkit.types import Chunk

CAPACITY = 16


def chunk(first: int, n_times: int, n_chans: int = 2) -> Chunk:
    """Samples that carry their index, so that loss and order show."""
    index = np.arange(first, first + n_times)
    data = (index[:, None] * 10.0 + np.arange(n_chans)).astype(np.float32)
    flags = {"valid": index % 37 != 0, "gap": index % 41 == 0, "duplicate": index % 43 == 0}
    return Chunk(data, index / 100.0, first, raw_stamps=index / 100.0 + 5, **flags)


def assert_is(found: Chunk, first: int, n_times: int) -> None:
    expected = chunk(first, n_times)
    assert found.first == first
    for part in ("data", "stamps", "valid", "gap", "duplicate", "raw_stamps"):
        np.testing.assert_array_equal(getattr(found, part), getattr(expected, part))


writes = st.tuples(st.just("write"), st.integers(0, 40))
commits = st.tuples(st.just("commit"), st.integers(0, CAPACITY))
reads = st.tuples(st.sampled_from(["read 0", "read 1"]), st.none() | st.integers(0, 20))
views = st.tuples(st.just("view"), st.integers(0, CAPACITY))


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(writes, commits, reads, views), max_size=40))
def test_ring_is_a_list_that_forgets(actions: list[tuple[str, Any]]) -> None:
    ring = RingBuffer(CAPACITY, 2)
    cursors = [ring.cursor("skip"), ring.cursor("skip")]
    written, at, lost = 0, [0, 0], [0, 0]
    for action, n in actions:
        if action == "write":
            ring.write(chunk(written, n))
            written += n
        elif action == "commit":
            new = chunk(written, n)
            ring.reserve(CAPACITY)[:n] = new.data
            assert ring.commit(new.stamps, new.valid, new.gap, new.duplicate, new.raw_stamps) == written
            written += n
        elif action == "view":
            n = min(n, written)
            assert_is(ring.view(written - n, n), written - n, n)
        else:
            who = int(action[-1])
            oldest = max(0, written - CAPACITY)
            lost[who] += max(0, oldest - at[who])
            first = max(at[who], oldest)
            n_read = written - first if n is None else min(n, written - first)
            assert_is(cursors[who].read(n), first, n_read)
            at[who] = first + n_read
        assert (ring.written, ring.oldest) == (written, max(0, written - CAPACITY))
        assert [c.position for c in cursors] == at
        assert [c.lost for c in cursors] == lost


def test_view_across_the_seam_is_one_piece_of_the_rings_own_memory() -> None:
    ring = RingBuffer(10, 2)
    for first in range(0, 35, 7):
        ring.write(chunk(first, 7))
    whole = ring.view(25, 10)
    assert_is(whole, 25, 10)
    assert whole.data.flags.c_contiguous
    assert np.shares_memory(whole.data, ring.view(26, 3).data)


def test_reserved_memory_is_filled_in_place() -> None:
    ring = RingBuffer(8, 2)
    memory = ring.reserve(4)
    memory[:] = chunk(0, 4).data
    assert ring.written == 0
    ring.commit(np.arange(4) / 100)
    assert np.shares_memory(ring.view(0, 4).data, memory)
    np.testing.assert_array_equal(ring.view(0, 4).data, chunk(0, 4).data)
    assert ring.view(0, 4).valid.all()
    assert not ring.view(0, 4).gap.any()


def test_a_view_stays_right_until_the_ring_comes_round() -> None:
    ring = RingBuffer(10, 2)
    ring.write(chunk(0, 10))
    view = ring.view(6, 4)
    ring.write(chunk(10, 6))
    assert_is(view, 6, 4)


def test_slow_reader_is_told_what_it_lost() -> None:
    ring = RingBuffer(4, 2)
    strict, lenient = ring.cursor(), ring.cursor("skip")
    ring.write(chunk(0, 9))
    with pytest.raises(OverrunError, match="5 samples were overwritten"):
        strict.read()
    assert_is(lenient.read(), 5, 4)
    assert lenient.lost == 5


def test_a_cursor_starts_at_the_next_sample() -> None:
    ring = RingBuffer(4, 2)
    ring.write(chunk(0, 3))
    cursor = ring.cursor()
    assert cursor.available == 0
    ring.write(chunk(3, 2))
    assert_is(cursor.read(), 3, 2)


@pytest.mark.parametrize(("first", "n_times"), [(4, 2), (9, 3)], ids=["overwritten", "not yet written"])
def test_view_of_what_is_not_there_says_what_is(first: int, n_times: int) -> None:
    ring = RingBuffer(6, 2)
    ring.write(chunk(0, 11))
    with pytest.raises(OverrunError, match="the ring holds 5 to 11"):
        ring.view(first, n_times)


@pytest.mark.parametrize(("capacity", "n_chans"), [(0, 1), (1, 0)])
def test_an_empty_ring_is_refused(capacity: int, n_chans: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        RingBuffer(capacity, n_chans)


def test_more_than_the_capacity_cannot_be_reserved_or_committed() -> None:
    ring = RingBuffer(4, 1)
    with pytest.raises(ValueError, match="reserve 5 samples in a ring of 4"):
        ring.reserve(5)
    with pytest.raises(ValueError, match="commit 5 samples to a ring of 4"):
        ring.commit(np.zeros(5))


def test_what_turns_out_invalid_later_is_so_in_every_view_until_it_is_overwritten() -> None:
    ring = RingBuffer(8, 1)
    ring.write(Chunk(np.zeros((6, 1), np.float32), np.arange(6.0)))
    ring.write(Chunk(np.zeros((4, 1), np.float32), np.arange(6.0, 10.0)))
    ring.invalidate(7)
    assert ring.view(2, 8).valid.tolist() == [True] * 5 + [False] * 3
    assert ring.view(8, 2).valid.tolist() == [False, False]
    ring.invalidate(0)
    assert not ring.view(2, 8).valid.any()
    ring.write(Chunk(np.zeros((8, 1), np.float32), np.arange(10.0, 18.0)))
    assert ring.view(10, 8).valid.all()
