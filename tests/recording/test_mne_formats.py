"""What MNE reads arrives in microvolts, with names, markers and a column of durations."""

from __future__ import annotations

import shutil
from pathlib import Path

import mne
import numpy as np
import pytest

from streamkit.errors import MissingPackage, RecordingError
from streamkit.recording import read_recording

VOLTS = np.random.default_rng(0).normal(0, 2e-5, (5, 1000))


@pytest.fixture
def raw() -> mne.io.RawArray:
    """Two EEG, one EOG, one misc, one stimulus channel."""
    info = mne.create_info(["C3", "C4", "HEOG", "force", "STI"], 250.0, ["eeg", "eeg", "eog", "misc", "stim"])
    data = VOLTS.copy()
    data[4] = 0
    data[4, [100, 300]] = [1, 7]
    return mne.io.RawArray(data, info, verbose="ERROR")


def annotate(raw: mne.io.RawArray) -> mne.io.RawArray:
    return raw.set_annotations(mne.Annotations([0.5, 2.0], [0.0, 0.25], ["left", "right"]))


def test_kinds_of_channels_become_streams_in_microvolts(raw: mne.io.RawArray, tmp_path: Path) -> None:
    raw.save(tmp_path / "run_raw.fif", verbose="ERROR")
    recording = read_recording(tmp_path / "run_raw.fif")
    assert [(s.spec.type, s.spec.unit, s.spec.ch_names) for s in recording.signals] == [
        ("EEG", "microvolts", ("C3", "C4")),
        ("EOG", "microvolts", ("HEOG",)),
        ("Misc", "", ("force",)),
    ]
    assert np.allclose(recording.signal().data, VOLTS[:2].T * 1e6, rtol=1e-5)
    assert np.allclose(recording.signals[2].data, VOLTS[3:4].T, rtol=1e-5)
    assert recording.signal().data.dtype == np.float32
    assert np.allclose(recording.signal().stamps, np.arange(1000) / 250)
    assert recording.meta.name == "run_raw"


def test_pulses_on_a_stimulus_channel_are_markers_where_nothing_is_annotated(
    raw: mne.io.RawArray, tmp_path: Path
) -> None:
    raw.save(tmp_path / "run_raw.fif", verbose="ERROR")
    (pulses,) = read_recording(tmp_path / "run_raw.fif").markers
    assert (pulses.spec.name, pulses.labels) == ("STI", ("1", "7"))
    assert pulses.stamps.tolist() == [0.4, 1.2]


def test_annotations_are_markers_with_durations(raw: mne.io.RawArray, tmp_path: Path) -> None:
    annotate(raw).save(tmp_path / "run_raw.fif", verbose="ERROR")
    (markers,) = read_recording(tmp_path / "run_raw.fif").markers
    assert markers.labels == ("left", "right")
    assert np.allclose(markers.stamps, [0.5, 2.0])
    assert np.allclose(markers.columns["duration"], [0.0, 0.25])


def test_annotations_of_a_cropped_file_keep_their_samples(raw: mne.io.RawArray, tmp_path: Path) -> None:
    raw.set_meas_date(0)
    annotate(raw).crop(1.0, 3.0).save(tmp_path / "run_raw.fif", verbose="ERROR")
    recording = read_recording(tmp_path / "run_raw.fif")
    assert recording.markers[0].labels == ("right",)
    assert np.allclose(recording.markers[0].stamps, [1.0])
    assert recording.signal().stamps[0] == 0.0


@pytest.mark.parametrize(("suffix", "fmt"), [(".edf", "edf"), (".vhdr", "brainvision")])
def test_exported_files_come_back(suffix: str, fmt: str, raw: mne.io.RawArray, tmp_path: Path) -> None:
    annotate(raw).pick(["C3", "C4"]).export(tmp_path / f"run{suffix}", fmt=fmt, verbose="ERROR")
    recording = read_recording(tmp_path / f"run{suffix}")
    assert recording.signal().spec.ch_names == ("C3", "C4")
    assert np.allclose(recording.signal().data[:1000], VOLTS[:2].T * 1e6, atol=0.05)
    (markers,) = recording.markers
    assert [label.split("/")[-1].strip() for label in markers.labels] == ["left", "right"]
    assert np.allclose(markers.stamps, [0.5, 2.0], atol=1e-3)


def test_a_missing_companion_file_is_named(raw: mne.io.RawArray, tmp_path: Path) -> None:
    raw.pick(["C3"]).export(tmp_path / "run.vhdr", fmt="brainvision", verbose="ERROR")
    (tmp_path / "run.eeg").unlink()
    with pytest.raises(RecordingError, match=r"run\.vhdr is incomplete: a file it refers to is missing \(.*run\.eeg"):
        read_recording(tmp_path / "run.vhdr")


@pytest.mark.parametrize("suffix", [".fif", ".edf", ".bdf", ".gdf", ".vhdr", ".set"])
def test_a_broken_file_is_refused_in_one_sentence(suffix: str, tmp_path: Path) -> None:
    (tmp_path / f"run{suffix}").write_bytes(b"this is not what it says it is" * 20)
    with pytest.raises(RecordingError, match=rf"run\{suffix} cannot be read as \{suffix} .*Give a whole, continuous"):
        read_recording(tmp_path / f"run{suffix}")


def test_without_mne_the_extra_to_install_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "run.edf").write_bytes(b"")
    monkeypatch.setitem(__import__("sys").modules, "mne", None)
    with pytest.raises(MissingPackage, match=r"reading \.edf files needs .*pip install 'streamkit\[io\]'"):
        read_recording(tmp_path / "run.edf")


@pytest.mark.data
def test_an_eeglab_file_is_read(real_data: Path) -> None:
    recording = read_recording(real_data / "eeglab_sample" / "eeglab_data.set")
    assert recording.signal().data.shape == (30504, 32)
    assert recording.signal().spec.sfreq == 128
    assert 5 < recording.signal().data.std() < 100
    labels = recording.markers[0].labels
    assert (labels.count("square"), labels.count("rt")) == (80, 74)


@pytest.mark.data
def test_gdf_files_are_read(real_data: Path) -> None:
    path = next((real_data / "ssvep_exo_gdf" / "subject01").glob("*.gdf"))
    recording = read_recording(path)
    assert recording.signal().spec.ch_names == ("Oz", "O1", "O2", "PO3", "POz", "PO7", "PO8", "PO4")
    assert recording.signal().data.shape == (57024, 8)
    assert set(recording.markers[0].labels) >= {"33024", "33025", "33026", "33027"}
    assert len(recording.events()) == 97


@pytest.mark.data
def test_a_brainvision_file_is_read(real_data: Path) -> None:
    path = next((real_data / "pynm_ecog").rglob("*.vhdr"))
    recording = read_recording(path)
    assert recording.signal().data.shape == (19001, 10)
    assert recording.signal().spec.ch_names[-1] == "MOV_RIGHT"


@pytest.mark.data
def test_an_eeglab_file_without_its_data_is_incomplete(real_data: Path, tmp_path: Path) -> None:
    shutil.copy(real_data / "eeglab_sample" / "eeglab_data.set", tmp_path)
    with pytest.raises(RecordingError, match=r"eeglab_data\.set is incomplete: .*eeglab_data\.fdt"):
        read_recording(tmp_path / "eeglab_data.set")
