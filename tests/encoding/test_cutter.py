"""Recorded epochs: cut as the offline cutter cuts them, whatever the chunks, and only when asked for."""

from __future__ import annotations

import numpy as np
import pytest

from streamkit.encoding import EncodingSpec, EpochCutter
from streamkit.preprocess import PreprocessConfig, Preprocessor, windows_of
from streamkit.types import Chunk, Event, Window
from tests.pictures import LABELS, N_TIMES, SPEC, UNKNOWN, recording

ENCODING = EncodingSpec(labels=LABELS, n_times=N_TIMES, tmin=-0.02, baseline=(-0.02, 0.0))
NOW = 5.0


def processed(gap_at: int | None = None) -> tuple[Chunk, list[Event]]:
    shown = recording([*LABELS, UNKNOWN, "bear"])
    whole = shown.signals[0].whole()
    if gap_at is not None:
        stamps = whole.stamps.copy()
        stamps[gap_at:] += 1.0
        whole = Chunk(whole.data, stamps)
    return Preprocessor(SPEC, PreprocessConfig()).process(whole), shown.events()


def pieces(whole: Chunk, sizes: list[int]) -> list[Chunk]:
    edges = np.cumsum([0, *sizes, len(whole)])
    return [
        Chunk(whole.data[a:b], whole.stamps[a:b], int(a), whole.valid[a:b], whole.gap[a:b])
        for a, b in zip(edges[:-1], np.minimum(edges[1:], len(whole)), strict=True)
        if a < b and whole.valid is not None and whole.gap is not None
    ]


def cut(whole: Chunk, events: list[Event], sizes: list[int], late: int = 0) -> tuple[list[Window], EpochCutter]:
    """Events are told `late` chunks after the one that covers them."""
    cutter, found, waiting = EpochCutter(SPEC, ENCODING), list[Window](), list(events)
    chunks = pieces(whole, sizes)
    for k, chunk in enumerate(chunks):
        cutter.samples(chunk, NOW)
        known = chunks[max(0, k - late)].stamps[-1]
        while waiting and waiting[0].stamp <= known:
            cutter.event(waiting.pop(0))
        found += cutter.take()
    for event in waiting:
        cutter.event(event)
    return found + cutter.finish(), cutter


@pytest.mark.parametrize("sizes", [[], [7] * 90, [64] * 9, [1, 2, 300]], ids=["whole", "7", "64", "odd"])
@pytest.mark.parametrize("late", [0, 3])
def test_epochs_are_those_of_the_offline_cutter(sizes: list[int], late: int) -> None:
    whole, events = processed()
    found, cutter = cut(whole, events, sizes, late)
    known = [event for event in events if event.label != UNKNOWN]
    expected = windows_of(whole, known, SPEC.sfreq, ENCODING.window)
    assert [w.event for w in found] == [w.event for w in expected] == known
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(ours.data, theirs.data)
        assert ours.stamps is not None
        np.testing.assert_array_equal(ours.stamps, theirs.stamps)
        assert (ours.stamp, ours.last) == (theirs.stamp, theirs.last)
        assert ours.timing["processed"] == NOW
    assert cutter.counts["epochs"] == len(known)
    assert cutter.counts["epoch_unknown"] == 1


def test_nothing_is_cut_before_it_is_asked_for() -> None:
    whole, events = processed()
    cutter = EpochCutter(SPEC, ENCODING)
    cutter.event(events[0])
    cutter.samples(whole, NOW)
    assert cutter.counts["epochs"] == 0
    assert len(cutter.take()) == 1


def test_an_epoch_belongs_to_who_took_it() -> None:
    whole, events = processed()
    cutter = EpochCutter(SPEC, ENCODING, history=0.1)
    cutter.event(events[0])
    cutter.samples(whole, NOW)
    (window,) = cutter.take()
    before = window.data.copy()
    for start in range(40):
        cutter.samples(Chunk(np.full((200, 4), 9.0, np.float32), 200 + start + np.arange(200) / SPEC.sfreq), NOW)
    cutter.take()
    np.testing.assert_array_equal(window.data, before)


def test_over_a_gap_there_is_no_epoch_and_it_is_counted() -> None:
    whole, events = processed(gap_at=60)  # in the middle of the first epoch
    found, cutter = cut(whole, events[:1], [33] * 30)
    assert found == []
    assert cutter.counts["epoch_gap"] == 1


def test_a_stimulus_shown_twice_within_an_epoch_gives_two_that_overlap() -> None:
    whole, (first, *_) = processed()
    again = Event(first.label, first.stamp + 0.04, first.stream)
    found, _ = cut(whole, [first, again], [16] * 40)
    assert len(found) == 2
    assert found[0].stamps is not None
    assert found[1].stamps is not None
    np.testing.assert_array_equal(found[0].stamps[10:], found[1].stamps[:-10])


def test_an_event_from_before_the_stream_is_late() -> None:
    whole, _ = processed()
    _, cutter = cut(whole, [Event("bear", whole.stamps[0] - 5.0)], [])
    assert cutter.counts["epoch_late"] == 1


def test_the_end_of_the_stream_leaves_the_last_epoch_incomplete() -> None:
    whole, _ = processed()
    _, cutter = cut(whole, [Event("bear", float(whole.stamps[-5]))], [50] * 20)
    assert cutter.counts["epoch_incomplete"] == 1


def test_samples_that_turn_out_invalid_make_an_invalid_epoch() -> None:
    whole, events = processed()
    cutter = EpochCutter(SPEC, ENCODING)
    cutter.event(events[0])
    half = pieces(whole, [60])
    cutter.samples(half[0], NOW)
    cutter.invalidate(float(whole.stamps[50]))
    cutter.samples(half[1], NOW)
    (window,) = cutter.take()
    assert not window.valid
