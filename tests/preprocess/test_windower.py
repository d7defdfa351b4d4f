"""The streaming windower and the plain-slicing cutter give the same windows."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from streamkit.errors import ConfigError
from streamkit.preprocess import PreprocessConfig, Preprocessor, WindowConfig, Windower, windows_of
from streamkit.preprocess.windower import HISTORY_BYTES
from streamkit.types import Chunk, Event, StreamSpec, Window
from tests.preprocess.signals import PROPERTY, SPEC, a_signal, even_cuts, streams

LABELS = ("face", "house", "rest")


def counting(n_times: int, *, gap_after: int | None = None, invalid: int | None = None, sfreq: float = 100.0) -> Chunk:
    """Channel 0 carries the sample number, so every window says which samples it holds."""
    stamps = np.arange(n_times) / sfreq
    if gap_after is not None:
        stamps[gap_after + 1 :] += 2.0
    valid = np.ones(n_times, bool)
    if invalid is not None:
        valid[invalid] = False
    data = np.stack([np.arange(n_times), np.full(n_times, 7)], axis=1).astype(np.float32)
    return Chunk(data, stamps, 0, valid, np.diff(stamps, prepend=stamps[:1]) > 0.1)


def in_parts(chunk: Chunk, cuts: tuple[int, ...]) -> list[Chunk]:
    bounds = (0, *cuts, len(chunk))
    return [Chunk(chunk.data[a:b], chunk.stamps[a:b], a, chunk.valid[a:b], chunk.gap[a:b]) for a, b in pairwise(bounds)]


def kept(windows: list[Window]) -> list[Window]:
    """Copies, as a caller makes who keeps windows."""
    return [
        Window(w.data.copy(), w.stamp, w.last, w.valid, w.event, mask=None if w.mask is None else w.mask.copy())
        for w in windows
    ]


def assert_same_windows(some: list[Window], others: list[Window]) -> None:
    assert [(w.last, w.stamp, w.valid, w.event) for w in some] == [(w.last, w.stamp, w.valid, w.event) for w in others]
    for one, other in zip(some, others, strict=True):
        assert one.data.dtype == other.data.dtype == np.float32
        np.testing.assert_array_equal(one.data, other.data)
        assert (one.mask is None) == (other.mask is None)
        if one.mask is not None:
            np.testing.assert_array_equal(one.mask, other.mask)


TWO = StreamSpec(ch_names=("number", "seven"), sfreq=100.0)


def first_numbers(windows: list[Window]) -> list[int]:
    return [int(w.data[0, 0]) for w in windows]


@st.composite
def window_configs(draw: st.DrawFn) -> WindowConfig:
    n_times = draw(st.integers(1, 40))
    gaps = draw(st.sampled_from(["skip", "hold", "zero", "flag"]))
    if draw(st.booleans()):
        return WindowConfig(mode="hop", n_times=n_times, hop=draw(st.integers(1, 50)), gaps=gaps)
    baselines = st.sampled_from([None, (-0.1, 0.0), (0.0, 0.2), (-0.5, -0.4), (0.3, 0.5)])
    return WindowConfig(
        mode="event",
        n_times=n_times,
        tmin=draw(st.sampled_from([0.0, -0.2, -0.013, 0.1, 0.25])),
        baseline=draw(baselines),
        events=draw(st.sampled_from([("*",), ("face", "h*"), ("nothing",)])),
        gaps=gaps,
    )


@st.composite
def events_near(draw: st.DrawFn, stamps: np.ndarray) -> list[Event]:
    """On samples, between them, at equal distance, in gaps, before the start, after the end, twice."""
    times = st.one_of(
        st.sampled_from(list(stamps)),
        st.sampled_from(list(stamps)).flatmap(lambda s: st.sampled_from([s + 0.002, s - 0.0024, s + 0.0025, s + 0.2])),
        st.sampled_from([stamps[0] - 0.05, stamps[0] - 3, stamps[-1] + 0.05, stamps[-1] + 3]),
    )
    found = draw(st.lists(st.builds(Event, st.sampled_from(LABELS), times.map(float)), max_size=8))
    return found + found[:1]


@PROPERTY
@given(stream=streams(), config=window_configs(), data=st.data())
def test_whatever_the_chunks_and_the_timing_the_windows_are_those_of_plain_slicing(stream, config, data):
    max_gap = data.draw(st.sampled_from([None, 0.02]), label="max_gap")
    processed = Preprocessor(SPEC, PreprocessConfig(max_gap=max_gap)).process(stream.whole())
    events = data.draw(events_near(stream.stamps), label="events")
    expected = windows_of(processed, events, SPEC.sfreq, config)

    windower = Windower(SPEC, config)
    parts = in_parts(processed, stream.cuts)
    arrives = [data.draw(st.integers(0, len(parts)), label="arrives before chunk") for _ in events]
    windows: list[Window] = []
    for number, part in enumerate([*parts, None]):
        for event, when in zip(events, arrives, strict=True):
            windows += kept(windower.push_event(event)) if when == number else []
        windows += kept(windower.push(part)) if part is not None else []
    windows += kept(windower.finish())

    if all(when == 0 for when in arrives) or config.mode == "hop":
        assert_same_windows(windows, expected)
    else:
        order = lambda w: (w.last, w.event.stamp, w.event.label)  # noqa: E731
        assert_same_windows(sorted(windows, key=order), sorted(expected, key=order))
    assert windower.counts["decoded"] == len(expected)
    if config.mode == "event":
        assert sum(windower.counts.values()) == sum(config.matches(event.label) for event in events)


@PROPERTY
@given(stream=streams(), config=window_configs(), data=st.data())
def test_events_known_in_time_give_windows_in_the_same_order_whatever_the_chunks(stream, config, data):
    max_gap = data.draw(st.sampled_from([None, 0.02]), label="max_gap")
    processed = Preprocessor(SPEC, PreprocessConfig(max_gap=max_gap)).process(stream.whole())
    events = data.draw(events_near(stream.stamps), label="events")
    windower = Windower(SPEC, config)
    windows = [w for event in events for w in windower.push_event(event)]
    for part in in_parts(processed, stream.cuts):
        windows += kept(windower.push(part))
    windows += kept(windower.finish())
    left_out: Counter[str] = Counter()
    assert_same_windows(windows, windows_of(processed, events, SPEC.sfreq, config, left_out))
    assert left_out == Counter(windower.counts) - Counter(decoded=len(windows))


@st.composite
def gappy(draw: st.DrawFn) -> Chunk:
    """Samples with many gaps, most shorter than a window, some marked and without length, some unmarked."""
    lost = draw(st.lists(st.sampled_from([0, 0, 0, 0, 0, 0, 1, 2, 9, 30, 45]), min_size=1, max_size=150), label="lost")
    n_times = len(lost)
    rng = np.random.default_rng(n_times)
    stamps = 1e3 + (np.arange(n_times) + np.cumsum(lost)) / SPEC.sfreq
    gap = (np.array(lost) > 0) & (rng.uniform(size=n_times) < 0.9) | (rng.uniform(size=n_times) < 0.02)
    data = rng.normal(size=(n_times, SPEC.n_chans)).astype(np.float32)
    return Chunk(data, stamps, 0, rng.uniform(size=n_times) < 0.98, gap)


@PROPERTY
@given(processed=gappy(), config=window_configs(), size=st.sampled_from([1, 7, 64, 2000]), data=st.data())
def test_whatever_is_missing_the_windows_are_those_of_plain_slicing(processed, config, size, data):
    events = data.draw(events_near(processed.stamps), label="events")
    before = (processed.data.copy(), processed.gap.copy(), processed.valid.copy())
    windower = Windower(SPEC, config)
    windows = [w for event in events for w in windower.push_event(event)]
    for part in in_parts(processed, even_cuts(len(processed), size)):
        windows += kept(windower.push(part))
    windows += kept(windower.finish())
    assert_same_windows(windows, windows_of(processed, events, SPEC.sfreq, config))
    for array, was in zip((processed.data, processed.gap, processed.valid), before, strict=True):
        np.testing.assert_array_equal(array, was)


def test_hop_windows_end_at_the_stated_indices():
    config = WindowConfig(mode="hop", n_times=10, hop=4)
    windows = Windower(TWO, config).push(counting(30))
    assert [w.last for w in windows] == [9, 13, 17, 21, 25, 29]
    assert [w.stamp for w in windows] == [pytest.approx(w.last / 100) for w in windows]
    assert first_numbers(windows) == [0, 4, 8, 12, 16, 20]


def test_hops_of_a_part_of_a_recording_keep_the_absolute_count():
    config = WindowConfig(mode="hop", n_times=10, hop=4)
    whole = counting(60)
    part = Chunk(whole.data[17:], whole.stamps[17:], 17, whole.valid[17:], whole.gap[17:])
    assert [w.last for w in windows_of(part, [], 100.0, config)] == list(range(29, 60, 4))


def test_a_hop_longer_than_the_window_leaves_samples_out():
    windows = Windower(TWO, WindowConfig(mode="hop", n_times=3, hop=10)).push(counting(30))
    assert first_numbers(windows) == [0, 10, 20]


def test_hop_mode_takes_no_notice_of_events():
    windower = Windower(TWO, WindowConfig(mode="hop", n_times=3, hop=10))
    assert windower.push_event(Event("face", 0.0)) == []
    assert windower.finish() == []
    assert sum(windower.counts.values()) == 0


@pytest.mark.parametrize(("tmin", "first"), [(0.0, 50), (-0.2, 30), (0.1, 60)])
def test_an_event_window_starts_tmin_after_the_events_sample(tmin, first):
    windower = Windower(TWO, WindowConfig(mode="event", n_times=10, tmin=tmin))
    windower.push_event(Event("face", 0.5))
    (window,) = windower.push(counting(100))
    assert first_numbers([window]) == [first]
    assert window.last == first + 9
    assert window.event == Event("face", 0.5)


def test_an_event_waits_for_its_last_sample_and_no_longer():
    chunks = in_parts(counting(100), even_cuts(100, 1))
    windower = Windower(TWO, WindowConfig(mode="event", n_times=10))
    windower.push_event(Event("face", 0.5))
    came = [number for number, chunk in enumerate(chunks) if windower.push(chunk)]
    assert came == [59]


def test_a_window_of_one_sample_comes_with_the_sample_its_event_is_stamped_with():
    windower = Windower(TWO, WindowConfig(mode="event", n_times=1))
    chunk = counting(3)
    windower.push_event(Event("photograph", float(chunk.stamps[2])))
    assert first_numbers(windower.push(chunk)) == [2]


def test_a_late_event_is_served_from_history_at_once():
    windower = Windower(TWO, WindowConfig(mode="event", n_times=10))
    windower.push(counting(100))
    assert first_numbers(windower.push_event(Event("face", 0.3))) == [30]


def test_an_event_later_than_the_history_is_counted_late():
    windower = Windower(TWO, WindowConfig(mode="event", n_times=10), history=1.0)
    for part in in_parts(counting(5000), even_cuts(5000, 500)):
        windower.push(part)
    assert windower.push_event(Event("face", 0.3)) == []
    assert windower.counts["late"] == 1
    assert first_numbers(windower.push_event(Event("face", 49.0))) == [4900]


def test_history_lasts_as_long_as_stated():
    windower = Windower(TWO, WindowConfig(mode="event", n_times=10, tmin=-0.1), history=20.0)
    for part in in_parts(counting(9000), even_cuts(9000, 700)):
        windower.push(part)
    assert first_numbers(windower.push_event(Event("face", 70.2))) == [7010]


def test_an_event_before_the_stream_is_late_and_one_in_a_gap_or_after_the_end_has_no_sample():
    windower = Windower(TWO, WindowConfig(mode="event", n_times=5))
    for stamp in (-3.0, 1.5, 99.0):
        windower.push_event(Event("face", stamp))
    windower.push(counting(100, gap_after=49))
    windower.finish()
    assert windower.counts == {"decoded": 0, "gap": 0, "late": 1, "no_sample": 2, "incomplete": 0}


def test_an_event_without_a_stamp_has_no_sample():
    config = WindowConfig(mode="event", n_times=1)
    windower = Windower(TWO, config)
    windower.push(counting(10))
    assert windower.push_event(Event("face", float("nan"))) == []
    assert windower.counts["no_sample"] == 1
    assert windows_of(counting(10), [Event("face", float("nan"))], 100.0, config) == []


def test_a_window_that_reaches_before_the_first_sample_is_late_and_past_the_last_incomplete():
    windower = Windower(TWO, WindowConfig(mode="event", n_times=20, tmin=-0.1))
    windower.push_event(Event("early", 0.05))
    windower.push_event(Event("cut off", 0.95))
    windower.push(counting(100))
    assert windower.finish() == []
    assert (windower.counts["late"], windower.counts["incomplete"]) == (1, 1)


@pytest.mark.parametrize("gaps", ["skip", "flag"])
def test_a_window_over_a_gap_is_skipped_or_flagged(gaps):
    windower = Windower(TWO, WindowConfig(mode="event", n_times=20, gaps=gaps))
    for stamp in (0.30, 0.31, 2.50):
        windower.push_event(Event("face", stamp))
    windows = windower.push(counting(100, gap_after=49))
    if gaps == "skip":
        assert first_numbers(windows) == [30, 50]
        assert [w.valid for w in windows] == [True, True]
        assert windower.counts["gap"] == 1
    else:
        assert first_numbers(windows) == [30, 31, 50]
        assert [w.valid for w in windows] == [True, False, True]


def missing(n_missing: int, **config: object) -> tuple[list[Window], Windower]:
    """Windows of 10 every 10 over 60 samples of which `n_missing` are lost after the 23rd; gaps are marked."""
    stamps = np.delete(np.arange(60 + n_missing) / 100.0, np.s_[23 : 23 + n_missing])
    data = np.stack([np.arange(60), np.full(60, 7)], axis=1).astype(np.float32)
    windower = Windower(TWO, WindowConfig(mode="hop", n_times=10, hop=10, **config))
    return windower.push(Chunk(data, stamps, 0, None, np.arange(60) == 23)), windower


@pytest.mark.parametrize(("gaps", "made_up"), [("hold", (22.0, 7.0)), ("zero", (0.0, 0.0))])
def test_missing_samples_are_made_up_so_that_index_and_time_stay_together(gaps, made_up):
    windows, windower = missing(3, gaps=gaps)
    assert [w.stamp for w in windows] == [pytest.approx(w.last / 100) for w in windows]
    assert [w.valid for w in windows] == [True, True, False, True, True, True]
    np.testing.assert_array_equal(windows[2].data[3:6], [made_up] * 3)
    np.testing.assert_array_equal(windows[2].data[[2, 6], 0], [22, 23])
    assert windows[2].mask.tolist() == [True] * 3 + [False] * 3 + [True] * 4
    assert windows[1].mask is None
    assert windower.written == 63


@pytest.mark.parametrize("gaps", ["hold", "zero"])
def test_a_gap_of_more_than_a_window_is_not_filled_but_left_out(gaps):
    assert [w.last for w in missing(10, gaps=gaps)[0]] == [9, 19, 29, 39, 49, 59, 69]
    windows, windower = missing(11, gaps=gaps)
    assert [w.last for w in windows] == [9, 19, 39, 49, 59]
    assert windower.counts["gap"] == 1


@pytest.mark.parametrize("gaps", ["hold", "zero"])
def test_a_gap_without_length_is_left_out(gaps):
    assert [w.last for w in missing(0, gaps=gaps)[0]] == [9, 19, 39, 49, 59]


def test_at_twice_the_speed_a_gap_holds_twice_the_samples():
    data = np.arange(20, dtype=np.float32)[:, None] * np.ones(2, np.float32)
    stamps = np.delete(np.arange(24) / 200.0, np.s_[5:9])
    windower = Windower(TWO, WindowConfig(mode="hop", n_times=24, hop=24, gaps="hold"), speed=2.0)
    (window,) = windower.push(Chunk(data, stamps, 0, None, np.arange(20) == 5))
    assert window.mask.tolist() == [True] * 5 + [False] * 4 + [True] * 15


@pytest.mark.parametrize("speed", [0.25, 1.0, 4.0])
def test_how_far_from_its_sample_an_event_may_lie_is_that_of_the_recording_at_any_speed(speed):
    stamps = np.delete(np.arange(100) / 100.0, np.s_[20:50]) / speed
    windower = Windower(TWO, WindowConfig(mode="event", n_times=5), speed=speed)
    for at in (0.25, 0.33):
        windower.push_event(Event("face", at / speed))
    windows = windower.push(Chunk(np.ones((70, 2), np.float32), stamps, 0, gap=np.arange(70) == 20))
    assert len(windows) == 1 - windower.counts["gap"]
    assert windower.counts["no_sample"] == 1


def test_an_event_in_a_gap_that_is_filled_has_a_sample():
    stamps = np.delete(np.arange(60) / 100.0, np.s_[20:40])
    windower = Windower(TWO, WindowConfig(mode="event", n_times=25, gaps="hold"))
    windower.push_event(Event("face", 0.3))
    (window,) = windower.push(Chunk(np.ones((40, 2), np.float32), stamps, 0, None, np.arange(40) == 20))
    assert (window.last, window.valid) == (54, False)


def test_a_gap_between_the_event_and_its_window_counts_too():
    windower = Windower(TWO, WindowConfig(mode="event", n_times=5, tmin=0.2))
    windower.push_event(Event("face", 0.45))
    assert windower.push(counting(100, gap_after=49)) == []
    assert windower.counts["gap"] == 1


def test_a_window_with_an_invalid_sample_is_decoded_and_says_so():
    windower = Windower(TWO, WindowConfig(mode="hop", n_times=10, hop=10))
    assert [w.valid for w in windower.push(counting(30, invalid=15))] == [True, False, True]


def test_an_invalid_baseline_makes_the_window_invalid():
    windower = Windower(TWO, WindowConfig(mode="event", n_times=10, baseline=(-0.1, 0.0)))
    windower.push_event(Event("face", 0.5))
    windower.push_event(Event("face", 0.7))
    assert [w.valid for w in windower.push(counting(100, invalid=45))] == [False, True]


def test_the_baseline_is_the_mean_up_to_and_without_its_end():
    windower = Windower(TWO, WindowConfig(mode="event", n_times=3, baseline=(-0.1, 0.0)))
    windower.push_event(Event("face", 0.5))
    (window,) = windower.push(counting(100))
    np.testing.assert_allclose(window.data, [[50 - 44.5, 0], [51 - 44.5, 0], [52 - 44.5, 0]])


def test_a_baseline_after_the_window_is_waited_for_and_dates_it():
    windower = Windower(TWO, WindowConfig(mode="event", n_times=3, baseline=(0.2, 0.3)))
    windower.push_event(Event("face", 0.5))
    parts = in_parts(counting(100), even_cuts(100, 1))
    came = [(number, window) for number, part in enumerate(parts) for window in windower.push(part)]
    ((number, window),) = came
    assert number == window.last == 79
    assert window.stamp == pytest.approx(0.79)
    np.testing.assert_allclose(window.data[:, 0], np.array([50, 51, 52]) - 74.5)


def test_labels_choose_events_by_pattern():
    windower = Windower(TWO, WindowConfig(mode="event", n_times=2, events=("face_*", "7")))
    for label in ("face_07", "Face_07", "7", "77"):
        windower.push_event(Event(label, 0.5))
    assert [w.event.label for w in windower.push(counting(100))] == ["face_07", "7"]


def test_of_equal_stamps_the_first_sample_is_the_events():
    stamps = np.array([0.0, 0.01, 0.02, 0.02, 0.03, 0.04])
    chunk = Chunk(np.arange(12, dtype=np.float32).reshape(6, 2), stamps, 0, np.ones(6, bool), np.zeros(6, bool))
    config = WindowConfig(mode="event", n_times=1)
    for cuts in (even_cuts(6, 1), (3,), ()):
        windower = Windower(TWO, config)
        windower.push_event(Event("face", 0.02))
        assert [w.last for part in in_parts(chunk, cuts) for w in windower.push(part)] == [2]
    assert [w.last for w in windows_of(chunk, [Event("face", 0.02)], 100.0, config)] == [2]


def test_a_chunk_longer_than_the_history_gives_all_windows_intact():
    windows = Windower(TWO, WindowConfig(mode="hop", n_times=10, hop=10), history=0.1).push(counting(20_000))
    assert first_numbers(windows) == list(range(0, 20_000, 10))


def test_a_window_carries_the_arrival_of_its_newest_sample():
    windower = Windower(TWO, WindowConfig(mode="event", n_times=10))
    for number, part in enumerate(in_parts(counting(100), even_cuts(100, 7))):
        windower.push(Chunk(part.data, part.stamps, part.first, part.valid, part.gap, arrival=1000.0 + number))
    (window,) = windower.push_event(Event("face", 0.5))
    assert window.arrival == 1000.0 + 59 // 7


def test_windows_cut_from_unexamined_samples_see_the_gaps_in_their_stamps():
    whole = counting(100, gap_after=49)
    bare = Chunk(whole.data, whole.stamps)
    config = WindowConfig(mode="hop", n_times=10, hop=7)
    windower = Windower(TWO, config)
    assert_same_windows(windower.push(bare), windows_of(whole, [], 100.0, config))
    assert_same_windows(windows_of(bare, [], 100.0, config), windows_of(whole, [], 100.0, config))
    assert windower.counts["gap"] == 2


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"mode": "hop"}, "hop .* must be given"),
        ({"mode": "event", "hop": 3}, "belongs to mode 'hop'"),
        ({"mode": "hop", "hop": 3, "tmin": 0.1}, "relative to an event"),
        ({"mode": "event", "baseline": (0.0, -0.1)}, "from its first time to its second"),
        ({"mode": "event", "tmin": float("nan")}, "tmin\n  Input should be a finite number"),
        ({"mode": "event", "tmin": float("inf")}, "tmin\n  Input should be a finite number"),
        ({"mode": "event", "tmin": 1e300}, "tmin\n  Input should be less than or equal to 3600"),
        ({"mode": "event", "tmin": -1e300}, "tmin\n  Input should be greater than or equal to -3600"),
        ({"mode": "event", "baseline": (float("-inf"), 0.0)}, r"baseline\.0\n  Input should be a finite number"),
        ({"mode": "event", "n_time": 3}, "n_time"),
    ],
)
def test_window_settings_that_contradict_are_refused(options, says):
    with pytest.raises(ValidationError, match=says):
        WindowConfig(n_times=10, **options)


def test_windows_need_a_regular_stream_and_a_baseline_of_a_sample():
    irregular = StreamSpec(ch_names=("a",), sfreq=0)
    with pytest.raises(ConfigError, match="irregular"):
        Windower(irregular, WindowConfig(mode="hop", n_times=2, hop=1))
    with pytest.raises(ConfigError, match="holds no sample at 100 Hz"):
        Windower(TWO, WindowConfig(mode="event", n_times=2, baseline=(-0.001, 0.001)))


def test_counts_name_every_fate():
    windower = Windower(TWO, WindowConfig(mode="event", n_times=2))
    assert Counter(windower.counts).keys() == {"decoded", "gap", "late", "no_sample", "incomplete"}


def test_overlapping_windows_of_a_real_sized_stream_agree():
    data = a_signal(4000, 4, seed=5)
    chunk = Preprocessor(SPEC, PreprocessConfig()).process(Chunk(data, np.arange(4000) / 200))
    config = WindowConfig(mode="hop", n_times=200, hop=10)
    windower = Windower(SPEC, config)
    windows = [w for part in in_parts(chunk, even_cuts(4000, 13)) for w in kept(windower.push(part))]
    assert_same_windows(windows, windows_of(chunk, [], 200.0, config))
    assert len(windows) == (4000 - 200) // 10 + 1


def test_the_history_for_late_markers_is_bounded_in_bytes():
    config = WindowConfig(mode="event", n_times=10)
    few = StreamSpec(ch_names=("a",), sfreq=1000.0)
    many = StreamSpec(ch_names=tuple(f"c{k}" for k in range(1024)), sfreq=30000.0)
    assert Windower(few, config, history=30.0).capacity >= 30_000
    assert Windower(many, config, history=30.0).capacity * 1024 * 4 < 1.1 * HISTORY_BYTES
    assert Windower(few, config.model_copy(update={"n_times": 5000}), history=1.0).capacity >= 5000
