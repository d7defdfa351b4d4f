"""Adapters on the real files: what is in them, counted."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from calibration.datasets import DATASETS
from streamkit.recording import Recording

pytestmark = pytest.mark.data


def read(real_data: Path, dataset: str, folder: str, **options: object) -> list[Recording]:
    return list(DATASETS[dataset].read(real_data / folder, options))


def labels(recording: Recording) -> dict[str, int]:
    return dict(Counter(e.label for e in recording.events()))


def test_muse_p300_subject_1_has_six_runs_of_two_minutes(real_data: Path) -> None:
    runs = read(real_data, "muse_p300", "ntx_muse", subject=1)
    assert [run.meta.group for run in runs] == [f"run-{k}" for k in range(6)]
    assert runs[0].meta.name == "muse-p300-2017-02-04-15.45.13"
    assert [labels(run) for run in runs] == [
        {"1": 165, "2": 32},
        {"1": 163, "2": 28},
        {"1": 155, "2": 38},
        {"1": 161, "2": 33},
        {"1": 161, "2": 30},
        {"1": 171, "2": 24},
    ]
    for run in runs:
        signal = run.signal()
        assert signal.spec.ch_names == ("TP9", "AF7", "AF8", "TP10", "Right AUX")
        assert len(signal.stamps) / np.ptp(signal.stamps) == pytest.approx(256, rel=0.01)
        assert 5 < np.median(np.abs(signal.data)) < 100


@pytest.mark.parametrize(("dataset", "n_runs", "counts"), [("muse_n170", 4, 781), ("muse_ssvep", 3, 98)])
def test_the_other_muse_paradigms(real_data: Path, dataset: str, n_runs: int, counts: int) -> None:
    runs = read(real_data, dataset, "ntx_muse")
    assert len(runs) == n_runs
    assert sum(len(run.events()) for run in runs) == counts
    assert set().union(*map(labels, runs)) == {"1", "2"}


def test_uci_has_ten_subjects_of_thirty_trials(real_data: Path) -> None:
    recordings = read(real_data, "uci_pictures", "uci_eeg")
    assert len({r.meta.group for r in recordings}) == len(recordings) == 10
    for recording in recordings:
        assert labels(recording) == {"S1": 10, "S2 match": 10, "S2 nomatch": 10}
        assert recording.signal().data.shape == (30 * 256, 64)
        assert recording.markers[0].columns["trial"] == sorted(recording.markers[0].columns["trial"])
    assert {"FP1", "OZ", "X", "Y", "nd"} <= set(recordings[0].signal().spec.ch_names)


def test_uci_values_are_those_of_the_text(real_data: Path) -> None:
    (recording,) = read(real_data, "uci_pictures", "uci_eeg", subjects="co2a0000364", conditions="S1")
    np.testing.assert_allclose(recording.signal().data[:3, 0], [-8.921, -8.433, -2.574], rtol=1e-6)


def test_ssvep_gdf_has_eight_trials_of_each_class(real_data: Path) -> None:
    recordings = read(real_data, "ssvep_gdf", "ssvep_exo_gdf")
    assert [r.meta.group for r in recordings] == [
        "subject01-run-0",
        "subject03-run-0",
        "subject03-run-1",
        "subject04-run-0",
        "subject04-run-1",
        "subject05-run-0",
    ]
    for recording in recordings:
        assert labels(recording) == {"rest": 8, "13Hz": 8, "17Hz": 8, "21Hz": 8}
        durations = np.subtract(recording.markers[0].columns["until"], recording.markers[0].stamps)
        np.testing.assert_allclose(durations, 5, atol=0.02)


def test_ssvep_gdf_labels_agree_with_the_frequency_in_the_signal(real_data: Path) -> None:
    right = total = 0
    for recording in read(real_data, "ssvep_gdf", "ssvep_exo_gdf", rest=False):
        signal = recording.signal()
        for event in recording.events():
            first = np.searchsorted(signal.stamps, event.stamp)
            segment = signal.data[first + 128 : first + 1280].astype(float)
            guess = max((13, 17, 21), key=lambda hz: canonical_correlation(segment, hz))
            right += event.label == f"{guess}Hz"
            total += 1
    assert (right, total) == (139, 144)


def canonical_correlation(segment: np.ndarray, hz: int) -> float:
    """Largest canonical correlation of ``(n_times, n_chans)`` at 256 Hz with sine and cosine of `hz` and twice it."""
    times = np.arange(len(segment)) / 256
    sines = np.stack([wave(2 * np.pi * hz * k * times) for k in (1, 2) for wave in (np.sin, np.cos)], axis=1)
    spectrum = np.fft.rfft(segment, axis=0)
    spectrum[np.fft.rfftfreq(len(segment), 1 / 256) < 5] = 0
    bases = [np.linalg.qr(x - x.mean(0))[0] for x in (np.fft.irfft(spectrum, len(segment), axis=0), sines)]
    return float(np.linalg.svd(bases[0].T @ bases[1])[1][0])


def test_v4_201025_has_1200_images_in_five_blocks(real_data: Path) -> None:
    blocks = read(real_data, "cowley_v4", "v4_cowley", session="201025")
    assert [block.signal().data.shape for block in blocks] == [(240, 89)] * 5
    shown = [set(block.stimulus_arrays) for block in blocks]
    assert len(set().union(*shown)) == 1200
    clusters = [set(block.markers[0].columns["cluster"]) for block in blocks]
    assert len(set().union(*clusters)) == sum(map(len, clusters))


def test_v4_210325_raw_has_every_repeat(real_data: Path) -> None:
    blocks = read(real_data, "cowley_v4", "v4_cowley", session="210325", which="raw")
    assert sum(len(block.events()) for block in blocks) == 4840
    data = np.concatenate([block.signal().data for block in blocks])
    assert data.shape == (4840, 50)
    np.testing.assert_array_equal(data, np.round(data))


def test_grip_force_is_nineteen_seconds_in_five_blocks(real_data: Path) -> None:
    blocks = read(real_data, "pynm_grip", "pynm_ecog")
    assert sum(len(block.signal().stamps) for block in blocks) == 19001
    assert blocks[0].signal().spec.n_chans == 9
    assert 5 < blocks[0].signal("ECoG").data.std() < 200
    assert blocks[0].signal("force").spec.ch_names == ("MOV_RIGHT",)


def test_any_xdf_file_is_a_recording(real_data: Path) -> None:
    (recording,) = read(real_data, "file", "bci_essentials_xdf")
    assert recording.signal().spec.sfreq == 256
    assert recording.signal().spec.n_chans == 16
    assert recording.meta.group == "switch_example"


def test_eeglab_squares_carry_their_place(real_data: Path) -> None:
    whole, *more = read(real_data, "eeglab_sample", "eeglab_sample", blocks=1)
    assert not more
    assert labels(whole) == {"square/1": 40, "square/2": 40, "rt": 74}
    assert whole.signal().data.shape == (30504, 32)
    assert whole.events()[0].stamp == pytest.approx(128.00875 / 128)
    assert whole.markers[0].columns["position"][:3] == [2, 2, 0]
    from_file = read(real_data, "file", "eeglab_sample/eeglab_data.set")[0]
    np.testing.assert_allclose([e.stamp for e in whole.events()], [e.stamp for e in from_file.events()], atol=1e-6)
    blocks = read(real_data, "eeglab_sample", "eeglab_sample")
    assert [block.meta.group for block in blocks] == [f"block-{k}" for k in range(5)]
    assert sum(len(block.events()) for block in blocks) == 154
