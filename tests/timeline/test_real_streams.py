"""Gaps in published recordings: those that are there, and none that jitter, bursts or rounding make up."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from calibration.datasets import DATASETS
from streamkit.clock import default_max_gap, monotonic
from streamkit.recording import Signal, read_recording
from streamkit.timeline import Timeline

pytestmark = pytest.mark.data

MUSE = {"muse_p300": 10, "muse_n170": 4, "muse_ssvep": 3}


def signals(path: Path) -> dict[str, Signal]:
    return {signal.spec.name: signal for signal in read_recording(path).signals if len(signal.stamps)}


def n_gaps(signal: Signal) -> int:
    return int(signal.whole().gap.sum())


@pytest.mark.parametrize("name", MUSE)
def test_a_headband_has_no_false_gaps_in_two_minutes_of_bursts(name: str, real_data: Path) -> None:
    found = [n_gaps(recording.signal()) for recording in DATASETS[name].read(real_data / "ntx_muse")]
    assert found == [0] * MUSE[name]


def test_each_stream_of_a_headband_is_without_gaps(real_data: Path) -> None:
    folder = real_data / "museLSL2_xdf"
    found = {f"{path.name} {name}": n_gaps(s) for path in folder.rglob("*.xdf") for name, s in signals(path).items()}
    assert len(found) >= 10
    assert not any(found.values())


def test_an_amplifier_that_sends_everything_late_at_times_loses_little_by_it(real_data: Path) -> None:
    (signal,) = signals(real_data / "bci_essentials_xdf_history" / "ssvep_example.xdf").values()
    by_steps = np.diff(monotonic(signal.stamps)) > default_max_gap(signal.spec.sfreq)
    assert by_steps.sum() == 6
    assert n_gaps(signal) == 2


def test_pauses_between_trials_are_gaps_each(real_data: Path) -> None:
    for recording in DATASETS["uci_pictures"].read(real_data / "uci_eeg"):
        assert n_gaps(recording.signal()) == 29


@pytest.mark.parametrize(
    "path", ["xdf_example_files/data_with_clock_resets.xdf", "bci_essentials_xdf_history/ssvep_example.xdf"]
)
def test_what_is_found_does_not_depend_on_the_clock_or_the_chunks(path: str, real_data: Path) -> None:
    signal = next(iter(signals(real_data / path).values()))
    whole = signal.whole()
    timeline, rng, at = Timeline(signal.spec.sfreq), np.random.default_rng(0), 0
    moved = signal.stamps - signal.stamps[0] + 54321.9876
    gap = []
    while at < len(moved):
        part = slice(at, at + int(rng.integers(1, 65)))
        gap.append(timeline.correct(moved[part], signal.data[part]).gap)
        at = part.stop
    np.testing.assert_array_equal(np.concatenate(gap), whole.gap)


def test_one_sample_in_a_hundred_lost_by_a_real_amplifier_is_found_each_time(real_data: Path) -> None:
    (signal,) = signals(real_data / "bci_essentials_xdf" / "data" / "switch_example.xdf").values()
    assert n_gaps(signal) == 0
    kept = np.random.default_rng(0).uniform(size=len(signal.stamps)) > 0.01
    gap = Timeline(signal.spec.sfreq).correct(signal.stamps[kept]).gap
    behind = np.flatnonzero(~kept[:-1] & kept[1:]) + 1
    expected = (np.cumsum(kept) - 1)[behind]
    learned = 512
    np.testing.assert_array_equal(np.flatnonzero(gap[learned:]), expected[expected >= learned] - learned)
