"""A part that repeats without a jump."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamkit.errors import ConfigError
from streamkit.recording import Markers, Recording, Signal, read_recording
from streamkit.recording.loop import Loop, loop_of
from streamkit.timeline import Timeline
from streamkit.types import StreamSpec

TURNS = 3


def steady(rate: float, first: float, seconds: float, name: str = "") -> Signal:
    n_times = round(seconds * rate)
    spec = StreamSpec(name=name or f"{rate:g}", type="EEG", ch_names=("n",), sfreq=rate)
    return Signal(spec, np.arange(n_times, dtype=np.float64)[:, None], first + np.arange(n_times) / rate)


def marks(*stamps: float) -> Markers:
    spec = StreamSpec(name="marks", type="Markers", ch_names=("m",), sfreq=0, channel_format="string")
    return Markers(spec, tuple(f"m{i}" for i in range(len(stamps))), np.array(stamps))


def found(*signals: Signal, markers: tuple[Markers, ...] = ()) -> Loop:
    loop = loop_of(Recording(signals, markers))
    assert loop is not None
    return loop


def turned(loop: Loop, name: str) -> np.ndarray:
    """The stamps of several turns."""
    stamps = loop.recording.signal(name).stamps
    return np.concatenate([stamps + turn * loop.period for turn in range(TURNS)])


@given(
    rates=st.lists(st.sampled_from([1.0, 30.0, 50.0, 100.0, 250.0, 500.0, 1000.0, 2000.0]), min_size=1, max_size=4),
    firsts=st.lists(st.floats(0, 0.4), min_size=4, max_size=4),
    seconds=st.floats(12, 30),
    zero=st.sampled_from([0.0, 7e5, 1.6e9]),
)
def test_rates_with_a_common_period_turn_with_steps_of_exactly_one_period(
    rates: list[float], firsts: list[float], seconds: float, zero: float
) -> None:
    signals = [
        steady(rate, zero + first, seconds, f"s{i}") for i, (rate, first) in enumerate(zip(rates, firsts, strict=False))
    ]
    loop = found(*signals)
    rounding = 4 * np.spacing(zero + 100)
    for signal in signals:
        period = 1 / signal.spec.sfreq
        assert np.abs(np.diff(turned(loop, signal.spec.name)) - period).max() <= rounding + 1e-3 * period + 1e-6
    assert loop.period >= 0.9 * (seconds - 0.4) - 1
    assert loop.pauses == ()


@given(rates=st.lists(st.sampled_from([51.2, 52.0, 59.94, 256.0, 333.3, 1000.0]), min_size=2, max_size=3, unique=True))
def test_rates_without_a_common_period_still_turn_without_a_gap(rates: list[float]) -> None:
    signals = [steady(rate, 3.0 + rate % 0.07, 20.0) for rate in rates]
    loop = found(*signals)
    for signal in signals:
        steps = np.diff(turned(loop, signal.spec.name)) * signal.spec.sfreq
        assert 0.5 < steps.min() <= steps.max() < 1.5
        timeline = Timeline(signal.spec.sfreq)
        timeline.correct(turned(loop, signal.spec.name))
        assert timeline.counts == {"gaps": 0, "missing": 0, "duplicates": 0, "backward": 0}


def test_a_recording_of_one_rate_repeats_whole() -> None:
    loop = found(steady(100.0, 3.0, 2.5))
    assert len(loop.recording.signals[0].stamps) == 250
    assert np.isclose(loop.period, 2.5)


def test_streams_that_begin_and_end_apart_repeat_what_they_share() -> None:
    loop = found(steady(250.0, 10.0, 60.0), steady(50.0, 10.5, 58.0), markers=(marks(9.0, 10.6, 30.0, 69.0),))
    assert np.isclose(loop.period, 58.0)
    assert loop.recording.signals[0].stamps[0] == pytest.approx(10.5)
    assert loop.recording.markers[0].labels == ("m1", "m2")


def test_streams_without_a_rate_never_step_back_at_the_turn() -> None:
    irregular = StreamSpec(name="odd", type="Gaze", ch_names=("x",), sfreq=0)
    stamps = np.sort(np.random.default_rng(3).uniform(0, 10, 57))
    loop = found(steady(100.0, 0.5, 9.0), Signal(irregular, np.zeros((57, 1)), stamps))
    assert len(loop.recording.signal("odd").stamps) == np.count_nonzero((stamps >= 0.5) & (stamps < 9.5))
    assert np.diff(turned(loop, "odd")).min() >= 0


def test_a_stream_much_shorter_than_the_others_does_not_shorten_the_loop() -> None:
    loop = found(steady(250.0, 0.0, 60.0), steady(50.0, 2.0, 20.0))
    assert np.isclose(loop.period, 60.0)
    assert loop.pauses == ("50",)
    assert len(loop.recording.signal("50").stamps) == 1000


def test_lost_samples_inside_stay_lost_and_the_turn_adds_none() -> None:
    whole = steady(100.0, 0.0, 20.0)
    keep = np.ones(2000, bool)
    keep[700:900] = False
    loop = found(Signal(whole.spec, whole.data[keep], whole.stamps[keep]), steady(10.0, 0.03, 20.0))
    timeline = Timeline(100.0)
    timeline.correct(turned(loop, "100"))
    assert timeline.counts["gaps"] == TURNS
    assert timeline.counts["missing"] == TURNS * 200


def test_only_markers_repeat_as_they_are() -> None:
    assert loop_of(Recording((), (marks(1.0, 2.0),))) is None


def test_signals_one_after_the_other_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"lie one after the other.*without --loop"):
        found(steady(100.0, 0.0, 10.0, "a"), steady(100.0, 20.0, 10.0, "b"))


@pytest.mark.data
@pytest.mark.parametrize(
    "folder", ["bci_essentials_xdf", "bci_essentials_xdf_history", "eeglab_sample", "museLSL2_xdf"]
)
def test_real_headbands_and_amplifiers_turn_without_a_gap_of_their_own(folder: str, real_data: Path) -> None:
    for path in sorted((real_data / folder).rglob("*.xdf")):
        loop = loop_of(read_recording(path))
        assert loop is not None
        for signal in loop.recording.signals:
            once, often = Timeline(signal.spec.sfreq), Timeline(signal.spec.sfreq)
            once.correct(signal.stamps)
            often.correct(turned(loop, signal.spec.name))
            assert often.counts["missing"] <= TURNS * once.counts["missing"], (path.name, signal.spec.name)
            assert often.counts["backward"] == 0
