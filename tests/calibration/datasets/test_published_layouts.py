"""Adapters on tiny files in the published layouts, made here field by field."""

from __future__ import annotations

import gzip
import io
import zipfile
from pathlib import Path

import mne
import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from calibration.datasets import DATASETS
from calibration.datasets.blocks import contiguous_blocks
from calibration.datasets.ssvep_gdf import trials_of
from calibration.datasets.twins import clusters, deal
from streamkit.errors import ConfigError, RecordingError
from streamkit.recording import Recording, write_recording
from streamkit.types import StreamSpec

# NeuroTechX/eeg-notebooks_v0.1, data/visual: header of every CSV file there; later files call the last column Marker0.
MUSE_FIELDS = "timestamps,TP9,AF7,AF8,TP10,Right AUX,Marker"


EEGLAB_FIELDS = ("type", "position", "latency", "urevent")


def muse_file(folder: Path, name: str, fields: str = MUSE_FIELDS, start: float = 100.0) -> Path:
    rows = [f"{start + k / 256:.3f},{k},2,3,4,5,{int(k == 3) + 2 * int(k == 7)}" for k in range(10)]
    text = "\n".join([fields, *rows]) + "\n"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / name
    if name.endswith(".gz"):
        file.write_bytes(gzip.compress(text.encode()))
    else:
        file.write_text(text)
    return file


@pytest.fixture
def muse(tmp_path: Path) -> Path:
    session = tmp_path / "P300" / "subject1" / "session1"
    muse_file(session, "data_2017-02-04-15_55_07.csv.gz", start=900)
    muse_file(session, "data_2017-02-04-15_45_13.csv", MUSE_FIELDS + "0")
    muse_file(tmp_path / "N170" / "subject1" / "session1", "data_2017-09-13-15.30.01.csv.gz")
    return tmp_path


def test_muse_runs_come_in_order_of_time(muse: Path) -> None:
    runs = list(DATASETS["muse_p300"].read(muse, {"subject": "1"}))
    assert [run.meta.group for run in runs] == ["run-0", "run-1"]
    assert [run.meta.name for run in runs] == ["muse-p300-2017-02-04-15.45.13", "muse-p300-2017-02-04-15.55.07"]
    assert [run.meta.subject for run in runs] == ["1", "1"]


def test_muse_stamps_and_markers_are_those_of_the_file(muse: Path) -> None:
    run = next(DATASETS["muse_p300"].read(muse))
    signal = run.signal()
    assert signal.spec.ch_names == ("TP9", "AF7", "AF8", "TP10", "Right AUX")
    assert (signal.spec.sfreq, signal.spec.unit, signal.spec.type) == (256, "microvolts", "EEG")
    np.testing.assert_array_equal(signal.stamps, np.round(100 + np.arange(10) / 256, 3))
    np.testing.assert_array_equal(signal.data[:, 0], np.arange(10))
    assert [(e.label, e.stamp) for e in run.events()] == [("1", signal.stamps[3]), ("2", signal.stamps[7])]
    assert run.markers[0].spec.channel_format == "int32"


def test_muse_drops_the_auxiliary_electrode_when_asked(muse: Path) -> None:
    run = next(DATASETS["muse_p300"].read(muse, {"right_aux": False}))
    assert run.signal().spec.ch_names == ("TP9", "AF7", "AF8", "TP10")


def test_muse_reads_the_paradigm_it_was_asked_for(muse: Path) -> None:
    assert [run.meta.name for run in DATASETS["muse_n170"].read(muse)] == ["muse-n170-2017-09-13-15.30.01"]


def test_muse_groups_carry_subject_and_session_where_several_are_read(muse: Path) -> None:
    muse_file(muse / "P300" / "subject3" / "session2", "data_2018-04-20-03.01.00.csv.gz")
    groups = [run.meta.group for run in DATASETS["muse_p300"].read(muse)]
    assert groups == ["subject1-session1-run-0", "subject1-session1-run-1", "subject3-session2-run-0"]


def test_muse_with_a_renamed_field_says_what_was_expected(tmp_path: Path) -> None:
    muse_file(tmp_path, "data_2018-04-20-03.01.00.csv", MUSE_FIELDS.replace("TP9", "left"))
    with pytest.raises(
        RecordingError, match=r"expected columns timestamps, TP9.*found timestamps, left.*eeg-notebooks"
    ):
        list(DATASETS["muse_p300"].read(tmp_path))


def test_muse_with_a_broken_row_says_so(tmp_path: Path) -> None:
    file = muse_file(tmp_path, "data_2018-04-20-03.01.00.csv")
    file.write_text(file.read_text() + "1,2,oops\n")
    with pytest.raises(RecordingError, match="not a whole run of numbers"):
        list(DATASETS["muse_p300"].read(tmp_path))


SIMULATED = {"world", "dots_world", "ecog_world", "v1_world", "movie_world"}
"""Whose folder is a TOML file."""
NEEDED = {"bids_fmri": {"labels": "labels.nii.gz", "regions": "V1"}}
"""Options that a dataset cannot do without."""


@pytest.mark.parametrize("name", sorted(set(DATASETS) - SIMULATED))
def test_an_empty_folder_is_answered_with_where_to_get_the_data(name: str, tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="looked for") as caught:
        list(DATASETS[name].read(tmp_path, NEEDED.get(name)))
    assert (DATASETS[name].source in str(caught.value)) == (name != "file")
    assert DATASETS[name].folder in str(caught.value)


@pytest.mark.parametrize("name", sorted(DATASETS))
def test_an_unknown_option_lists_the_valid_ones(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=rf"dataset '{name}', option 'nonsense'.*Options of this dataset: \w+"):
        DATASETS[name].read(tmp_path, {"nonsense": 1})


def test_every_dataset_row_is_complete() -> None:
    for name, row in DATASETS.items():
        assert row.name == name
        assert all((row.summary, row.source, row.licence, row.folder))


# UCI EEG database, <subject>.rd.<NNN>: four # lines, then per channel "# <name> chan <k>" and lines
# "<trial> <name> <sample> <microvolts>", 64 channels of 256 samples (here 3 channels).
def uci_trial(folder: Path, trial: int, condition: str, n_times: int = 256) -> None:
    subject = folder.name
    lines = [f"# {subject}.rd", "# 120 trials, 64 chans, 416 samples 368 post_stim samples", "# 3.906000 msecs uV"]
    lines.append(f"# {condition}, trial {trial}")
    for k, name in enumerate(("FP1", "X", "nd")):
        lines.append(f"# {name} chan {k}")
        lines += [f"{trial} {name} {sample} {trial + k + sample / 1000:.3f}" for sample in range(n_times)]
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{subject}.rd.{trial:03d}.gz"
    file.write_bytes(gzip.compress(("\n".join(lines) + "\n").encode()))


@pytest.fixture
def uci(tmp_path: Path) -> Path:
    folder = tmp_path / "SMNI_CMI_TRAIN" / "co2a0000364"
    uci_trial(folder, 11, "S2 match ")
    uci_trial(folder, 0, "S1 obj ")
    uci_trial(folder, 1, "S2 nomatch")
    uci_trial(folder, 12, "S2 match err ")
    uci_trial(tmp_path / "SMNI_CMI_TRAIN" / "co2c0000337", 2, "S1 obj ")
    return tmp_path


def test_uci_trials_are_laid_out_by_number_with_gaps_between(uci: Path) -> None:
    first, second = DATASETS["uci_pictures"].read(uci)
    assert (first.meta.group, second.meta.group) == ("co2a0000364", "co2c0000337")
    assert [e.label for e in first.events()] == ["S1", "S2 nomatch", "S2 match"]
    assert first.markers[0].columns["trial"] == [0, 1, 11]
    signal = first.signal()
    assert signal.spec.ch_names == ("FP1", "X", "nd")
    assert signal.data.shape == (3 * 256, 3)
    np.testing.assert_allclose(signal.data[[0, 256, 512], 0], [0, 1, 11])
    steps = np.diff(signal.stamps)
    assert sorted(set(np.round(steps, 6))) == [pytest.approx(1 / 256, abs=1e-6), pytest.approx(2 - 255 / 256)]
    assert [signal.stamps[256 * k] for k in range(3)] == [e.stamp for e in first.events()]


def test_uci_conditions_can_be_chosen(uci: Path) -> None:
    recording = next(DATASETS["uci_pictures"].read(uci, {"conditions": "S1, S2 match err"}))
    assert [e.label for e in recording.events()] == ["S1", "S2 match err"]
    only = list(DATASETS["uci_pictures"].read(uci, {"subjects": "co2c0000337"}))
    assert [r.meta.group for r in only] == ["co2c0000337"]
    with pytest.raises(RecordingError, match="recordings that match the options"):
        list(DATASETS["uci_pictures"].read(uci, {"conditions": ["S9"]}))


def test_uci_never_says_the_clinical_group_in_labels_or_columns(uci: Path) -> None:
    recording = next(DATASETS["uci_pictures"].read(uci))
    said = [*recording.markers[0].labels, *recording.markers[0].columns, *map(str, recording.meta.details.values())]
    assert not [word for word in said if "alcohol" in word or "control" in word or word in ("a", "c")]


def test_uci_with_a_short_trial_says_what_was_expected(tmp_path: Path) -> None:
    uci_trial(tmp_path / "co2a0000364", 0, "S1 obj ", n_times=100)
    with pytest.raises(RecordingError, match="expected 3 channels of 256 lines"):
        list(DATASETS["uci_pictures"].read(tmp_path))


def test_uci_without_a_condition_line_says_what_was_expected(tmp_path: Path) -> None:
    uci_trial(tmp_path / "co2a0000364", 0, "S7")
    with pytest.raises(RecordingError, match="expected a line '# S1 obj, trial <n>'"):
        list(DATASETS["uci_pictures"].read(tmp_path))


# sylvchev/dataset-ssvep-exoskeleton: OpenViBE codes, label 33024 + k, flicker from 32779 to 32780.
def test_ssvep_codes_become_classes_at_the_start_of_the_flicker() -> None:
    codes = ["32769", "33024", "32779", "32780", "33026", "32779", "32780", "33027", "32779", "32780", "33025", "32779"]
    trials = trials_of(list(zip(np.arange(12.0), codes, strict=True)))
    assert trials == [
        ("rest", 2.0, 1.0, 3.0),
        ("21Hz", 5.0, 4.0, 6.0),
        ("17Hz", 8.0, 7.0, 9.0),
        ("13Hz", 11.0, 10.0, None),
    ]


def test_ssvep_trials_cut_off_before_their_flicker_are_left_out() -> None:
    assert trials_of([(0.0, "33025"), (1.0, "33026"), (2.0, "32779")]) == [("21Hz", 2.0, 1.0, None)]


def test_a_file_that_is_no_gdf_says_where_to_get_one(tmp_path: Path) -> None:
    (tmp_path / "subject01").mkdir()
    (tmp_path / "subject01" / "record-[2012.07.06-19.02.16].gdf").write_bytes(b"GDF nonsense")
    with pytest.raises(RecordingError, match="MNE cannot read it as GDF"):
        list(DATASETS["ssvep_gdf"].read(tmp_path))


# cowleygroup/V4_compact_models, data_V4_responses: images/images_<session>.zip of 112 x 112 JPEG,
# responses_repeat_averaged (units, images), responses_raw (units, images, repeats) padded with NaN.
N_UNITS, N_IMAGES = 4, 20


@pytest.fixture
def v4(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for folder in ("images", "responses_repeat_averaged", "responses_raw"):
        (tmp_path / folder).mkdir()
    pictures = rng.integers(0, 256, (N_IMAGES, 8, 8, 3), dtype=np.uint8)
    pictures[7] = pictures[3]
    with zipfile.ZipFile(tmp_path / "images" / "images_201025.zip", "w") as archive:
        for k, picture in enumerate(pictures):
            packed = io.BytesIO()
            Image.fromarray(picture).resize((112, 112)).save(packed, "JPEG")
            archive.writestr(f"image{k + 1:04d}.jpg", packed.getvalue())
    raw = rng.poisson(3, (N_UNITS, N_IMAGES, 3)).astype(float)
    raw[:, 5, 2] = np.nan
    np.save(tmp_path / "responses_raw" / "responses_201025.npy", raw)
    np.save(tmp_path / "responses_repeat_averaged" / "responses_201025.npy", np.nanmean(raw, axis=2))
    return tmp_path


def test_v4_has_one_sample_and_one_event_per_image(v4: Path) -> None:
    blocks = list(DATASETS["cowley_v4"].read(v4, {"session": 201025}))
    assert [block.meta.group for block in blocks] == [f"block-{k}" for k in range(5)]
    averaged = np.load(v4 / "responses_repeat_averaged" / "responses_201025.npy")
    labels = []
    for block in blocks:
        signal = block.signal()
        assert (signal.spec.sfreq, signal.spec.type, signal.spec.unit) == (4, "Spikes", "counts")
        np.testing.assert_array_equal(signal.stamps, block.markers[0].stamps)
        for label, counts in zip(block.markers[0].labels, signal.data, strict=True):
            np.testing.assert_allclose(counts, averaged[:, int(label[5:9]) - 1], rtol=1e-6)
            assert block.stimulus_arrays[label].shape == (3, 112, 112)
            labels.append(label)
    assert sorted(labels) == [f"image{k + 1:04d}.jpg" for k in range(N_IMAGES)]


def test_v4_keeps_twins_in_one_block(v4: Path) -> None:
    blocks = list(DATASETS["cowley_v4"].read(v4))
    holding = [k for k, block in enumerate(blocks) if {"image0004.jpg", "image0008.jpg"} & set(block.markers[0].labels)]
    assert len(holding) == 1
    assert max(len(block.events()) for block in blocks) == N_IMAGES / 5


def test_v4_raw_has_every_recorded_repeat(v4: Path) -> None:
    blocks = list(DATASETS["cowley_v4"].read(v4, {"which": "raw"}))
    labels = [label for block in blocks for label in block.markers[0].labels]
    assert len(labels) == 3 * N_IMAGES - 1
    assert labels.count("image0006.jpg") == 2
    assert all(np.isfinite(block.signal().data).all() for block in blocks)
    assert blocks[0].markers[0].columns["repeat"] == sorted(blocks[0].markers[0].columns["repeat"])


def test_v4_with_two_sessions_asks_which(v4: Path) -> None:
    (v4 / "images" / "images_190927.zip").write_bytes(b"")
    with pytest.raises(ConfigError, match=r"holds the sessions 190927, 201025.*session=190927"):
        list(DATASETS["cowley_v4"].read(v4))
    with pytest.raises(RecordingError, match="not a whole zip"):
        list(DATASETS["cowley_v4"].read(v4, {"session": "190927"}))


def test_v4_with_another_number_of_images_says_so(v4: Path) -> None:
    np.save(v4 / "responses_repeat_averaged" / "responses_201025.npy", np.zeros((N_UNITS, 3)))
    with pytest.raises(RecordingError, match="expected 20 images, as in the zip, found 3"):
        list(DATASETS["cowley_v4"].read(v4))
    np.save(v4 / "responses_repeat_averaged" / "responses_201025.npy", np.zeros(3))
    with pytest.raises(RecordingError, match="expected an array of 2 dimensions"):
        list(DATASETS["cowley_v4"].read(v4))


def test_clusters_link_through_others_and_are_dealt_whole() -> None:
    rng = np.random.default_rng(1)
    images = rng.uniform(0, 1, (30, 3, 28, 28)).astype(np.float32)
    images[4], images[9] = images[2] * 0.5 + 0.2, images[2]
    cluster = clusters(images, 0.9)
    assert cluster[2] == cluster[4] == cluster[9]
    assert len(np.unique(cluster)) == 28
    block = deal(cluster, 5, seed=0)
    assert block[2] == block[4] == block[9]
    assert np.bincount(block).tolist() == [6] * 5
    np.testing.assert_array_equal(block, deal(cluster, 5, seed=0))


# neuromodulation/py_neuromodulation: BrainVision, channels LFP_RIGHT_*, ECOG_RIGHT_*, MOV_RIGHT.
@pytest.fixture
def grip(tmp_path: Path) -> Path:
    names = ["LFP_RIGHT_0", "ECOG_RIGHT_0", "ECOG_RIGHT_1", "MOV_RIGHT"]
    write_brainvision(tmp_path / "ieeg" / "sub-x_task-gripforce_run-0_ieeg.vhdr", names)
    return tmp_path


def write_brainvision(file: Path, names: list[str]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    data = np.arange(100 * len(names), dtype=float).reshape(len(names), 100)
    raw = mne.io.RawArray(data, mne.create_info(names, 1000.0, "eeg"), verbose="error")
    mne.export.export_raw(file, raw, fmt="brainvision", verbose="error")


def test_grip_force_is_a_signal_of_its_own_with_the_same_stamps(grip: Path) -> None:
    blocks = list(DATASETS["pynm_grip"].read(grip, {"blocks": 4}))
    assert [block.meta.group for block in blocks] == [f"block-{k}" for k in range(4)]
    brain, force = blocks[1].signals
    assert brain.spec.ch_names == ("LFP_RIGHT_0", "ECOG_RIGHT_0", "ECOG_RIGHT_1")
    assert (force.spec.name, force.spec.ch_names, force.spec.unit) == ("force", ("MOV_RIGHT",), "arbitrary")
    np.testing.assert_array_equal(brain.stamps, force.stamps)
    whole = np.concatenate([block.signal("force").data for block in blocks])
    np.testing.assert_allclose(whole[:, 0], np.arange(300, 400), rtol=1e-5)


def test_grip_without_the_force_channel_says_what_was_expected(tmp_path: Path) -> None:
    write_brainvision(tmp_path / "sub-x_task-gripforce_run-0_ieeg.vhdr", ["ECOG_RIGHT_0"])
    with pytest.raises(RecordingError, match=r"expected channels LFP_\*, ECOG_\* and MOV_RIGHT, found ECOG_RIGHT_0"):
        list(DATASETS["pynm_grip"].read(tmp_path))


def recording(name: str, group: str = "") -> Recording:
    from streamkit.recording import Markers, RecordingMeta, Signal

    spec = StreamSpec(name="s", type="EEG", ch_names=("a",), sfreq=10, unit="microvolts")
    markers = StreamSpec(name="m", type="Markers", ch_names=("marker",), sfreq=0, channel_format="string")
    data = np.arange(20, dtype=np.float32)[:, None]
    return Recording(
        (Signal(spec, data, np.arange(20) / 10),),
        (Markers(markers, ("x", "y", "z"), np.array([0.1, 0.95, 1.9]), {"n": [1, 2, 3]}),),
        stimulus_arrays={"x": np.zeros((1, 2, 2), np.float32), "z": np.ones((1, 2, 2), np.float32)},
        meta=RecordingMeta(name=name, group=group),
    )


def test_blocks_cut_signals_markers_and_stimuli_alike() -> None:
    first, second = contiguous_blocks(recording("r", "g"), 2)
    assert (first.meta.group, second.meta.group) == ("g-block-0", "g-block-1")
    assert (len(first.signal().data), len(second.signal().data)) == (10, 10)
    assert (first.markers[0].labels, second.markers[0].labels) == (("x",), ("y", "z"))
    assert second.markers[0].columns == {"n": [2, 3]}
    assert (set(first.stimulus_arrays), set(second.stimulus_arrays)) == ({"x"}, {"z"})
    with pytest.raises(ConfigError, match="cannot cut 20 samples into 21 blocks"):
        list(contiguous_blocks(recording("r"), 21))


def test_files_of_a_folder_are_recordings_with_groups_by_rule(tmp_path: Path) -> None:
    write_recording(recording("one", "g1"), tmp_path / "a" / "one")
    write_recording(recording("two"), tmp_path / "b" / "two")
    read = DATASETS["file"].read
    assert [r.meta.group for r in read(tmp_path)] == ["g1", "two"]
    assert [r.meta.group for r in read(tmp_path, {"group": "folder"})] == ["a", "b"]
    assert [r.meta.group for r in read(tmp_path, {"group": "all"})] == ["all", "all"]
    assert [r.meta.group for r in read(tmp_path / "a" / "one", {"blocks": 2})] == ["g1-block-0", "g1-block-1"]
    np.testing.assert_array_equal(next(read(tmp_path / "b" / "two")).signal().data[:, 0], np.arange(20))


# sccn/eeglab, sample_data: a MATLAB 5 struct array EEG.event with the fields type, position, latency, urevent.
@pytest.mark.parametrize("field", ["type", "position", "latency"])
def test_eeglab_events_without_a_field_say_which_are_expected(field: str, tmp_path: Path) -> None:
    events = np.array([("square", 2, 129.0, 1), ("rt", 0, 218.0, 2)], dtype=[(n, "O") for n in EEGLAB_FIELDS])
    events.dtype.names = tuple(f"my_{name}" if name == field else name for name in EEGLAB_FIELDS)
    savemat(tmp_path / "eeglab_data.set", {"EEG": {"event": events, "srate": 128}})
    with pytest.raises(RecordingError, match=rf"events with type, position, latency, found .*my_{field}.*sccn/eeglab"):
        list(DATASETS["eeglab_sample"].read(tmp_path))


def test_an_eeglab_file_that_is_cut_short_says_so(tmp_path: Path) -> None:
    (tmp_path / "eeglab_data.set").write_bytes(b"MATLAB 5.0 MAT-file")
    with pytest.raises(RecordingError, match=r"eeglab_data\.set: not a whole MATLAB file .*sccn/eeglab"):
        list(DATASETS["eeglab_sample"].read(tmp_path))
