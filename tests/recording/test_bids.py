"""Runs that mne-bids wrote come back with their channels, events, stimuli and provenance."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import mne
import numpy as np
import pytest

from streamkit.errors import MissingPackage, RecordingError
from streamkit.recording import Recording, read_recording, write_recording
from streamkit.recording.bids import read_bids
from streamkit.recording.bids_layout import applicable, runs_below
from streamkit.recording.images import as_float, load_pixels
from tests.recording.published import (
    KINDS,
    ONSETS,
    PIXELS,
    VOLTS,
    add_stimuli,
    beside,
    describe,
    edit,
    fill,
    raw_eeg,
    write_nwb,
    write_run,
)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs of EEG with stimuli in one session."""
    root = tmp_path_factory.mktemp("bids")
    describe(root)
    for run in ("01", "02"):
        add_stimuli(root, write_run(root, session="a", run=run))
    return root


@pytest.fixture
def root(published: Path, tmp_path: Path) -> Path:
    """A copy to damage."""
    return Path(shutil.copytree(published, tmp_path / "dataset"))


def first(root: Path) -> Path:
    return runs_below(root)[0]


def notes(recording: Recording) -> str:
    return "\n".join(recording.meta.details.get("notes", []))


def test_channels_are_streams_by_the_kind_that_channels_tsv_says(published: Path) -> None:
    recording = read_recording(first(published))
    assert [(s.spec.name, s.spec.unit, s.spec.ch_names) for s in recording.signals] == [
        ("EEG", "microvolts", ("EEG0", "EEG1", "EEG2")),
        ("EOG", "microvolts", ("EOG3",)),
        ("Misc", "", ("MISC4",)),
    ]
    assert np.allclose(recording.signals[0].data, VOLTS[:3].T * 1e6, rtol=1e-4, atol=1e-3)
    assert np.allclose(recording.signals[1].data, VOLTS[3:4].T * 1e6, rtol=1e-4, atol=1e-3)
    assert np.allclose(recording.signals[2].data, VOLTS[4:].T, rtol=1e-4)
    assert np.array_equal(recording.signal().stamps, np.arange(1000) / 250)


def test_a_bad_channel_stays_and_is_named(published: Path) -> None:
    recording = read_recording(first(published))
    assert recording.signal().spec.description["bads"] == "EEG1"
    assert "bads" not in recording.signals[1].spec.description
    assert "channels.tsv marks as bad: EEG1" in notes(recording)


def test_events_have_the_stamps_of_their_samples_and_all_their_columns(published: Path) -> None:
    (markers,) = read_recording(first(published)).markers
    assert markers.labels == ("face/a.png", "house/b.png", "face/c.png", "house")
    assert markers.stamps.tolist() == [125 / 250, 250 / 250, 376 / 250, 500 / 250]
    assert markers.columns["duration"] == [0.2] * 4
    assert markers.columns["trial_type"] == list(KINDS)
    assert markers.columns["stim_file"] == ["a.png", "b.png", "c.png", None]
    assert set(markers.columns) == {"duration", "trial_type", "value", "sample", "stim_file"}


def test_stim_file_leads_to_the_images_in_stimuli(published: Path) -> None:
    recording = read_recording(first(published))
    found = {label: as_float(load_pixels(path)) for label, path in recording.stimuli.items()}
    expected = {"face/a.png": "a.png", "house/b.png": "b.png", "face/c.png": "c.png"}
    assert found.keys() == expected.keys()
    for label, name in expected.items():
        assert np.array_equal(found[label], PIXELS[name][None] / np.float32(255))


def test_provenance_comes_from_the_name_the_description_and_the_participants(root: Path) -> None:
    (root / "participants.tsv").write_text("participant_id\tage\tgroup\nsub-01\t31\tn/a\n")
    meta = read_recording(first(root)).meta
    assert (meta.name, meta.group) == ("sub-01_ses-a_task-see_run-01",) * 2
    assert (meta.subject, meta.session, meta.licence) == ("01", "a", "CC0")
    assert meta.source == "Seeing doi:10.1/x"
    assert meta.details["participant"] == {"participant_id": "sub-01", "age": "31"}
    assert meta.details["entities"] == {"sub": "01", "ses": "a", "task": "see", "run": "01"}


def test_a_run_survives_the_native_folder_bit_for_bit(published: Path, tmp_path: Path) -> None:
    recording = read_recording(first(published))
    back = read_recording(write_recording(recording, tmp_path / "native"))
    for one, other in zip(recording.signals, back.signals, strict=True):
        assert one.spec == other.spec
        assert one.data.tobytes() == other.data.tobytes()
        assert one.stamps.tobytes() == other.stamps.tobytes()
    assert back.markers[0].labels == recording.markers[0].labels
    assert back.stimuli.keys() == recording.stimuli.keys()
    assert back.meta == recording.meta


def test_an_edf_run_is_read(tmp_path: Path) -> None:
    describe(tmp_path)
    recording = read_recording(write_run(tmp_path, raw_eeg(("eeg", "eeg")), fmt="EDF"))
    assert np.allclose(recording.signal().data[:1000], VOLTS[:2].T * 1e6, atol=0.01)
    assert recording.markers[0].labels == KINDS


def test_intracranial_channels_are_told_apart(tmp_path: Path) -> None:
    describe(tmp_path)
    recording = read_recording(write_run(tmp_path, raw_eeg(("ecog", "ecog", "seeg")), datatype="ieeg"))
    assert [(s.spec.type, s.spec.ch_names, s.spec.unit) for s in recording.signals] == [
        ("ECoG", ("ECOG0", "ECOG1"), "microvolts"),
        ("SEEG", ("SEEG2",), "microvolts"),
    ]
    assert np.allclose(recording.signal().data, VOLTS[:2].T * 1e6, rtol=1e-4, atol=1e-3)


def test_magnetic_fields_stay_in_tesla(tmp_path: Path) -> None:
    describe(tmp_path)
    recording = read_recording(write_run(tmp_path, raw_eeg(("mag", "mag")), datatype="meg", fmt="FIF"))
    assert (recording.signal().spec.type, recording.signal().spec.unit) == ("MEG", "T")
    assert np.allclose(recording.signal().data, VOLTS[:2].T * 1e-7, rtol=1e-5)


def test_the_type_in_channels_tsv_goes_before_that_of_the_file(root: Path) -> None:
    edit(beside(first(root), "channels.tsv"), lambda text: text.replace("EEG2\tEEG\tµV", "EEG2\tMISC\tµV"))
    recording = read_recording(first(root))
    assert recording.signal().spec.ch_names == ("EEG0", "EEG1")
    misc = recording.signals[-1]
    assert (misc.spec.ch_names, misc.spec.unit) == (("EEG2", "MISC4"), "mixed")
    assert misc.spec.description["units"] == "microvolts, "
    assert np.allclose(misc.data[:, 0], VOLTS[2] * 1e6, rtol=1e-4, atol=1e-3)


def test_a_unit_of_its_own_keeps_the_numbers_of_the_file(root: Path) -> None:
    edit(beside(first(root), "channels.tsv"), lambda text: text.replace("EEG2\tEEG\tµV", "EEG2\tMISC\tN"))
    edit(beside(first(root), "channels.tsv"), lambda text: text.replace("MISC4\tMISC\tn/a", "MISC4\tMISC\tN"))
    misc = read_recording(first(root)).signals[-1]
    assert misc.spec.unit == "N"
    assert np.allclose(misc.data, np.column_stack([VOLTS[2] * 1e6, VOLTS[4]]), rtol=1e-4, atol=1e-3)


def test_volts_in_the_table_do_not_rescale_the_file(root: Path) -> None:
    edit(beside(first(root), "channels.tsv"), lambda text: text.replace("µV", "V"))
    assert np.allclose(read_recording(first(root)).signal().data, VOLTS[:3].T * 1e6, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize(
    ("onsets", "samples", "stamps"),
    [
        (("0.5", "1.504"), (125, 376), (125 / 250, 376 / 250)),
        (("0.51", "0.52", "1.6"), (127, 131, 400), (127 / 250, 131 / 250, 400 / 250)),  # rounded to 10 ms
        (("0.5", "0.9", "2.0"), (126, 226, 501), (0.5, 0.9, 2.0)),  # counted from 1
        (("0.5037", "0.6"), (126, 150), (0.5037, 0.6)),  # measured more finely than samples
        (("0.5", "0.6"), ("n/a", 99999), (0.5, 0.6)),
    ],
)
def test_an_onset_is_the_sample_that_it_is_the_rounding_of(
    onsets: tuple[str, ...], samples: tuple[object, ...], stamps: tuple[float, ...], root: Path
) -> None:
    rows = [f"{onset}\t0\t{sample}" for onset, sample in zip(onsets, samples, strict=True)]
    beside(first(root), "events.tsv").write_text("\n".join(["onset\tduration\tsample", *rows]))
    assert read_recording(first(root)).markers[0].stamps.tolist() == list(stamps)


def test_events_come_in_order_of_time_and_those_without_an_onset_are_left_out(root: Path) -> None:
    beside(first(root), "events.tsv").write_text("onset\tduration\tvalue\n2\t0\t7\nn/a\t0\t9\n-0.5\tn/a\t8\n")
    recording = read_recording(first(root))
    assert [(e.label, e.stamp) for e in recording.events()] == [("8", -0.5), ("7", 2.0)]
    assert recording.markers[0].columns["duration"] == [None, 0]
    assert "1 events without an onset were left out" in notes(recording)


def test_other_columns_make_the_labels_when_asked(published: Path) -> None:
    (markers,) = read_bids(first(published), label=("value", "trial_type")).markers
    assert markers.labels == ("1/face", "2/house", "1/face", "2/house")
    with pytest.raises(RecordingError, match=r"events\.tsv has no column 'colour' for labels; its columns are onset"):
        read_bids(first(published), label=("colour",))


def test_a_sidecar_higher_up_applies_to_every_run_it_names(root: Path) -> None:
    run = first(root)
    beside(run, "events.tsv").unlink()
    (root / "task-see_events.tsv").write_text("onset\tduration\ttrial_type\n1\t0\tall\n")
    (root / "task-hear_events.tsv").write_text("onset\tduration\ttrial_type\n1\t0\tnone\n")
    assert [path.name for path in applicable(root, run, "events", ".tsv")] == ["task-see_events.tsv"]
    assert read_recording(run).markers[0].labels == ("all",)


def test_missing_stimuli_are_named_in_one_note(root: Path) -> None:
    (root / "stimuli" / "a.png").unlink()
    (root / "stimuli" / "c.png").unlink()
    recording = read_recording(first(root))
    assert list(recording.stimuli) == ["house/b.png"]
    assert "2 of the files that stim_file names are not in" in notes(recording)
    assert "a.png, c.png" in notes(recording)


def test_a_stimulus_outside_the_dataset_is_not_read(root: Path) -> None:
    shutil.copy(root / "stimuli" / "a.png", root / "a.png")
    edit(beside(first(root), "events.tsv"), lambda text: text.replace("\ta.png", "\t../a.png"))
    assert "face/../a.png" not in read_recording(first(root)).stimuli


def test_sounds_are_not_shown(root: Path) -> None:
    edit(beside(first(root), "events.tsv"), lambda text: text.replace("\ta.png", "\ta.wav"))
    assert "only images are shown; stim_file also names files of type .wav" in notes(read_recording(first(root)))


def test_without_events_tsv_the_markers_of_the_file_are_taken_and_that_is_said(root: Path) -> None:
    beside(first(root), "events.tsv").unlink()
    recording = read_recording(first(root))
    assert [label.split("/")[-1] for label in recording.markers[0].labels] == ["S  1", "S  2", "S  1", "S  2"]
    assert np.allclose(recording.markers[0].stamps, ONSETS, atol=0.5 / 250)
    assert "no events.tsv applies to sub-01_ses-a_task-see_run-01_eeg.vhdr" in notes(recording)
    assert "there are the file's own 4 markers" in notes(recording)


def test_a_rest_without_events_needs_no_note(tmp_path: Path) -> None:
    describe(tmp_path)
    recording = read_recording(write_run(tmp_path, raw_eeg(("eeg", "eeg")).set_annotations(None), task="rest"))
    assert recording.markers == ()
    assert "events.tsv" not in notes(recording)


def test_without_channels_tsv_the_file_is_believed(root: Path) -> None:
    beside(first(root), "channels.tsv").unlink()
    recording = read_recording(first(root))
    assert "no channels.tsv applies to" in notes(recording)
    assert recording.signal().spec.n_chans == 4


def broken_unit(run: Path) -> None:
    edit(beside(run, "channels.tsv"), lambda text: text.replace("EEG0\tEEG\tµV", "EEG0\tEEG\tdegrees"))


def broken_rate(run: Path) -> None:
    edit(beside(run, "eeg.json"), lambda text: text.replace('"SamplingFrequency": 250.0', '"SamplingFrequency": 500'))


def broken_rate_higher_up(run: Path) -> None:
    edit(beside(run, "eeg.json"), lambda text: json.dumps({"TaskName": "see"}))
    (run.parents[3] / "task-see_eeg.json").write_text('{"SamplingFrequency": 256}')


def broken_json(run: Path) -> None:
    beside(run, "eeg.json").write_text('{"SamplingFrequency": ')


def broken_name(run: Path) -> None:
    edit(beside(run, "channels.tsv"), lambda text: text.replace("EEG0\t", "Fz\t"))


def broken_columns(run: Path) -> None:
    beside(run, "channels.tsv").write_text("label\ttype\nEEG0\tEEG\n")


def broken_row(run: Path) -> None:
    edit(beside(run, "events.tsv"), lambda text: text.replace("\tc.png", ""))


def broken_onset(run: Path) -> None:
    edit(beside(run, "events.tsv"), lambda text: text.replace("0.5\t", "half\t", 1))


def broken_clock(run: Path) -> None:
    beside(run, "events.tsv").write_text("onset\tduration\n125\t0\n250\t0\n2\t0\n")


def no_onset(run: Path) -> None:
    beside(run, "events.tsv").write_text("time\tduration\n1\t0\n")


def no_samples(run: Path) -> None:
    run.with_suffix(".eeg").unlink()


def broken_header(run: Path) -> None:
    run.write_bytes(run.read_bytes()[:150])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (broken_unit, r"channels\.tsv: channel 'EEG0' is EEG, which is measured in volts, but its unit is 'degrees'"),
        (broken_rate, r"run-01_eeg\.json states a SamplingFrequency of 500 Hz, but sub-.*\.vhdr has 250 Hz"),
        (broken_rate_higher_up, r"_eeg\.json states a SamplingFrequency of 256 Hz"),
        (broken_json, r"run-01_eeg\.json cannot be read as JSON"),
        (broken_name, r"run-01_eeg\.vhdr cannot be read with mne-bids \(.*Check the dataset with the BIDS validator"),
        (broken_columns, r"channels\.tsv: expected columns name and type, found label, type"),
        (broken_row, r"events\.tsv, line 4: expected 6 fields separated by tabs, as in the first line, found 5"),
        (broken_onset, r"events\.tsv: the onset of event 1 is 'half', expected seconds or n/a"),
        (broken_clock, r"events\.tsv: 2 of 3 onsets lie after the end of the recording \(4 s\), up to 250"),
        (no_onset, r"events\.tsv: expected a column onset, found time, duration"),
        (no_samples, r"run-01_eeg\.vhdr is incomplete: a file it refers to is missing \(.*run-01_eeg\.eeg"),
        (broken_header, r"run-01_eeg\.vhdr cannot be read with mne-bids"),
    ],
)
def test_what_is_wrong_is_one_error(damage: object, message: str, root: Path) -> None:
    damage(first(root))  # type: ignore[operator]
    with pytest.raises(RecordingError, match=message):
        read_recording(first(root))


def test_a_run_stored_as_nwb_takes_its_events_from_the_dataset(tmp_path: Path) -> None:
    describe(tmp_path)
    run = write_nwb(tmp_path / "sub-01" / "ieeg" / "sub-01_task-see_ieeg.nwb", fill)
    beside(run, "events.tsv").write_text("onset\tduration\ttrial_type\n0.5\t0\tface\n")
    recording = read_recording(run)
    assert [(e.label, e.stamp) for e in recording.events()] == [("face", 5.5)]
    assert recording.signal().spec.ch_names == ("A2", "A0", "A3")
    assert (recording.meta.subject, recording.meta.licence) == ("01", "CC0")


def test_a_scale_that_cannot_be_is_noted_and_kept(root: Path) -> None:
    edit(first(root), lambda text: text.replace("µV", "V"))
    recording = read_recording(first(root))
    assert "EEG: half of the values are above" in notes(recording)
    assert np.median(np.abs(recording.signal().data)) > 1e6


def test_a_table_of_the_dataset_is_no_run(published: Path) -> None:
    with pytest.raises(RecordingError, match=r"events\.tsv is a table of a BIDS dataset\. Give the data file of a run"):
        read_recording(beside(first(published), "events.tsv"))


def test_a_folder_of_several_runs_names_them(published: Path) -> None:
    with pytest.raises(RecordingError, match=r"is a BIDS folder of 2 runs: sub-01/ses-a/eeg/sub-01_ses-a_task-see_run"):
        read_recording(published)
    with pytest.raises(RecordingError, match=r"Give the file of one, e\.g\. .*run-01_eeg\.vhdr, or make recordings of"):
        read_recording(published / "sub-01" / "ses-a")


def test_a_folder_of_one_run_is_that_run(root: Path) -> None:
    for path in first(root).parent.glob("*run-02*"):
        path.unlink()
    assert read_recording(root / "sub-01").meta.name == "sub-01_ses-a_task-see_run-01"


def test_a_folder_without_a_description_says_what_is_missing(root: Path) -> None:
    (root / "dataset_description.json").unlink()
    with pytest.raises(RecordingError, match=r"is laid out like a BIDS dataset, but .* has dataset_description\.json"):
        read_recording(root)


def test_a_file_outside_a_dataset_is_read_without_tables(root: Path) -> None:
    (root / "dataset_description.json").unlink()
    assert read_recording(first(root)).meta.details["format"] == "brainvision"


def test_a_dataset_without_recordings_says_so(tmp_path: Path) -> None:
    describe(tmp_path)
    (tmp_path / "sub-01").mkdir()
    with pytest.raises(RecordingError, match="holds no recording of eeg, ieeg, meg, emg"):
        read_recording(tmp_path)


def test_a_file_that_datalad_did_not_fetch_says_how_to(root: Path) -> None:
    run = first(root)
    run.unlink()
    run.symlink_to(root / ".git" / "annex" / "absent")
    with pytest.raises(RecordingError, match=r"is a link to a file that is not here\..*datalad get"):
        read_recording(run)


def test_without_mne_bids_the_extra_to_install_is_named(published: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "mne_bids", None)
    with pytest.raises(MissingPackage, match=r"reading a BIDS dataset needs .*pip install 'streamkit\[bids\]'"):
        read_recording(first(published))


def test_a_split_fif_is_one_run(tmp_path: Path) -> None:
    names = ["sub-01_task-x_split-01_meg.fif", "sub-01_task-x_split-02_meg.fif", "sub-01_task-x_events.tsv"]
    folder = tmp_path / "sub-01" / "meg"
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).touch()
    assert [path.name for path in runs_below(tmp_path)] == names[:1]


def test_mne_finds_the_events_where_we_do(published: Path) -> None:
    """The independent reading of mne-bids agrees on onsets and signals."""
    import mne_bids

    path = mne_bids.get_bids_path_from_fname(first(published), verbose="ERROR").update(root=published)
    raw: mne.io.BaseRaw = mne_bids.read_raw_bids(path, verbose="ERROR")
    recording = read_recording(first(published))
    assert np.allclose(raw.annotations.onset, recording.markers[0].stamps)
    assert np.allclose(raw.get_data(["EEG0", "EEG2"]).T * 1e6, recording.signal().data[:, [0, 2]], rtol=1e-6, atol=1e-6)
