"""THINGS-EEG2, THINGS-MEG and TVSD from tiny files in their published layouts."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from apps.commands.convert import command, parse_options
from calibration.datasets import DATASETS, things, things_eeg2, things_meg, tvsd
from calibration.datasets.things import concept_of
from streamkit.errors import ConfigError, RecordingError
from streamkit.preprocess import PreprocessConfig, WindowConfig, fit_preprocess, windows_of
from streamkit.preprocess.noise_covariance import shrunk, whitening
from streamkit.recording import Recording, read_recording
from tests.calibration.datasets.things_files import (
    CONCEPTS,
    EEG_NAMES,
    TESTED,
    eeg2_array,
    eeg2_images,
    eeg2_preprocessed,
    eeg2_raw,
    meg_epochs,
    save_image,
    tvsd_monkey,
)


def read(name: str, path: Path, **options: Any) -> list[Recording]:
    return list(DATASETS[name].read(path, options))


def trials(recording: Recording, n_times: int) -> np.ndarray:
    """The samples of a recording, trial by trial."""
    data = recording.signal().data
    return data.reshape(-1, n_times, data.shape[1])


def concepts(recording: Recording) -> set[str]:
    return set(recording.markers[0].columns["concept"])


def bytes_cut(file: Path, share: float) -> None:
    whole = file.read_bytes()
    file.write_bytes(whole[: int(len(whole) * share)])


def test_a_concept_is_what_comes_before_the_number() -> None:
    named = ["aardvark_01b.jpg", "coat_rack_13s.jpg", "bat1/bat1_02n.jpg", "plain.jpg", "plain"]
    assert [concept_of(name) for name in named] == ["aardvark", "coat_rack", "bat1", "plain", "plain"]


def test_the_eeg_channels_are_those_of_the_data_set_and_34_are_visual() -> None:
    assert len(things_eeg2.CH_NAMES) == len(set(things_eeg2.CH_NAMES)) == 63
    assert (things_eeg2.CH_NAMES[0], things_eeg2.CH_NAMES[62]) == ("Fp1", "O2")
    areas = Counter(name.rstrip("z0123456789") for name in things_eeg2.VISUAL)
    assert areas == {"O": 3, "PO": 5, "P": 9, "TP": 4, "T": 2, "FT": 4, "CP": 7}
    assert len(things_eeg2.VISUAL) == 34


def test_the_meg_sensors_are_271_of_275_and_152_are_visual() -> None:
    assert len(set(things_meg.helmet())) == 275
    assert len(things_meg.CH_NAMES) == 271
    assert set(things_meg.helmet()) - set(things_meg.CH_NAMES) == {"MLF25", "MRF43", "MRO11", "MRO13"}
    assert sum(bool(things_meg.VISUAL.fullmatch(name)) for name in things_meg.helmet()) == 154
    assert sum(bool(things_meg.VISUAL.fullmatch(name)) for name in things_meg.CH_NAMES) == 152


def test_the_electrodes_of_each_monkey_lie_in_three_areas() -> None:
    sizes = {monkey: {a: len(n) for a, n in tvsd.groups_of_channels(monkey).items()} for monkey in tvsd.AREAS}
    assert sizes == {"F": {"V1": 512, "IT": 320, "V4": 192}, "N": {"V1": 512, "V4": 256, "IT": 256}}
    assert (tvsd.ch_names_of("F")[512], tvsd.ch_names_of("N")[512]) == ("IT-0513", "V4-0513")
    assert all(len(set(tvsd.ch_names_of(monkey))) == 1024 for monkey in "FN")


@pytest.fixture
def eeg2(tmp_path: Path) -> Path:
    eeg2_images(tmp_path)
    eeg2_preprocessed(tmp_path)
    return tmp_path


def test_eeg2_trials_are_laid_out_with_gaps_and_labelled_with_images(eeg2: Path) -> None:
    whole, test = read("things_eeg2", eeg2, blocks=1)
    assert [(r.meta.name, r.meta.group, r.meta.subject) for r in (whole, test)] == [
        ("train_sub-01", "train", "01"),
        ("test_sub-01", "test", "01"),
    ]
    spec = whole.signal().spec
    assert (spec.type, spec.ch_names, spec.sfreq, spec.unit) == ("EEG", tuple(EEG_NAMES), 20, "sd")
    expected = eeg2_array(8, 4).reshape(32, 4, 20).transpose(0, 2, 1)
    np.testing.assert_array_equal(trials(whole, 20), expected.astype(np.float32))
    labels = [event.label for event in whole.events()]
    assert labels[:5] == ["aardvark_01b.jpg"] * 4 + ["aardvark_02s.jpg"]
    assert labels[-1] == "dog_02s.jpg"
    assert whole.markers[0].columns["repeat"] == [1, 2, 3, 4] * 8
    assert whole.markers[0].columns["image"] == np.repeat(np.arange(1, 9), 4).tolist()
    assert np.flatnonzero(whole.signal().whole().gap).tolist() == list(range(20, 640, 20))


def test_eeg2_windows_at_the_events_are_the_published_trials(eeg2: Path) -> None:
    (test,) = read("things_eeg2", eeg2, split="test")
    config = WindowConfig(mode="event", n_times=15, tmin=0.0)
    windows = windows_of(test.signal().whole(), test.events(), 20.0, config)
    expected = eeg2_array(2, 3).reshape(6, 4, 20)[:, :, 4:19].transpose(0, 2, 1)
    np.testing.assert_array_equal(np.stack([window.data for window in windows]), expected.astype(np.float32))


def test_eeg2_blocks_never_share_a_concept_and_are_the_same_for_everybody(eeg2: Path) -> None:
    eeg2_preprocessed(eeg2, subject="02")
    recordings = read("things_eeg2", eeg2, blocks=3)
    first, second = recordings[:4], recordings[4:]
    assert [r.meta.group for r in first] == [r.meta.group for r in second] == ["block-0", "block-1", "block-2", "test"]
    assert [r.meta.subject for r in recordings] == ["01"] * 4 + ["02"] * 4
    assert [concepts(r) for r in first] == [{"aardvark", "dog"}, {"bat1"}, {"coat_rack"}, set(TESTED)]
    assert [concepts(r) for r in second] == [concepts(r) for r in first]
    for recording in recordings:
        assert [concept_of(e.label) for e in recording.events()] == recording.markers[0].columns["concept"]
    assert [r.meta.name for r in read("things_eeg2", eeg2, subject=2, split="test")] == ["test_sub-02"]


@pytest.mark.parametrize("at_once", [1, 7, 128])
def test_eeg2_can_be_averaged_over_repeats(at_once: int, eeg2: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(things, "AT_ONCE", at_once)
    train, test = read("things_eeg2", eeg2, average=True, blocks=1)
    assert [e.label for e in test.events()] == ["acorn_01n.jpg", "zebra_01n.jpg"]
    assert (train.markers[0].columns["repeats"], test.markers[0].columns["repeats"]) == ([4] * 8, [3] * 2)
    expected = eeg2_array(8, 4).mean(axis=1).transpose(0, 2, 1)
    np.testing.assert_allclose(trials(train, 20), expected, rtol=1e-6)


def test_training_alone_can_be_averaged(eeg2: Path, monkeys: tuple[Path, dict[str, np.ndarray]]) -> None:
    train, test = read("things_eeg2", eeg2, average="train", blocks=1)
    assert (len(train.events()), len(test.events())) == (8, 6)
    (single,) = read("tvsd", monkeys[0], subject="F", split="test", average="train", channels="IT")
    assert len(single.events()) == 5


def test_eeg2_channels_can_be_chosen(eeg2: Path) -> None:
    (visual,) = read("things_eeg2", eeg2, split="test", channels="visual")
    assert visual.signal().spec.ch_names == ("P7", "Oz")
    (named,) = read("things_eeg2", eeg2, split="test", channels="Oz, Fp1")
    assert named.signal().spec.ch_names == ("Oz", "Fp1")
    np.testing.assert_array_equal(trials(named, 20)[0, 0], [3.0, 0.0])
    with pytest.raises(ConfigError, match=r"'visaul' names no channel.*Did you mean 'visual'\?.*Fp1, Cz, P7, Oz"):
        read("things_eeg2", eeg2, channels="visaul")


def test_eeg2_images_that_are_there_are_the_stimuli(eeg2: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    whole, test = read("things_eeg2", eeg2, blocks=1)
    assert set(whole.stimuli) == {e.label for e in whole.events() if not e.label.startswith("dog")}
    assert set(test.stimuli) == {"acorn_01n.jpg", "zebra_01n.jpg"}
    elsewhere = tmp_path_factory.mktemp("object_images")
    save_image(elsewhere / "dog" / "dog_01b.jpg")
    assert set(read("things_eeg2", eeg2, blocks=1, images=str(elsewhere))[0].stimuli) == {"dog_01b.jpg"}
    with pytest.raises(RecordingError, match="looked for THINGS images"):
        read("things_eeg2", eeg2, images=str(eeg2 / "preprocessed_data"))


def test_eeg2_arrays_in_a_plain_pickle_with_the_times_of_the_baseline_are_read_too(tmp_path: Path) -> None:
    eeg2_images(tmp_path)
    eeg2_preprocessed(tmp_path, bare=True, times=np.arange(24) / 20 - 0.2)
    (test,) = read("things_eeg2", tmp_path, split="test")
    np.testing.assert_allclose(test.signal().stamps[:20], np.arange(20) / 20)
    assert test.events()[0].stamp == 0
    np.testing.assert_array_equal(trials(test, 20)[:, 0, 0], [0, 10, 20, 100, 110, 120])


@pytest.mark.parametrize("field", ["preprocessed_eeg_data", "ch_names", "times"])
def test_eeg2_without_a_field_says_which_are_expected(field: str, tmp_path: Path) -> None:
    eeg2_images(tmp_path)
    eeg2_preprocessed(tmp_path, **{field: None, f"my_{field}": 1})
    with pytest.raises(RecordingError, match=rf"expected the fields .*{field}.*found .*my_{field}.*osf\.io/3jk45"):
        read("things_eeg2", tmp_path)


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ({"preprocessed_eeg_data": np.zeros((8, 4, 20))}, r"n_images, n_repeats, n_chans, n_times"),
        ({"preprocessed_eeg_data": [1, 2]}, r"n_images, n_repeats, n_chans, n_times.*found list"),
        ({"ch_names": ["Oz"]}, r"with 1 names and 20 times"),
        ({"ch_names": 4, "times": "soon"}, r"with 0 names and 0 times"),
        ({"preprocessed_eeg_data": np.full((8, 4, 4, 20), None)}, r"n_images, n_repeats, n_chans, n_times"),
        ({"times": np.arange(9.0)}, r"with 4 names and 9 times"),
        ({"times": np.arange(20.0) ** 2}, r"expected times that are evenly spaced"),
        ({"preprocessed_eeg_data": np.zeros((5, 4, 4, 20))}, r"expected 8 images, as in image_metadata\.npy, found 5"),
    ],
)
def test_eeg2_with_another_shape_says_what_was_expected(changed: dict[str, Any], what: str, tmp_path: Path) -> None:
    eeg2_images(tmp_path)
    eeg2_preprocessed(tmp_path, **changed)
    with pytest.raises(RecordingError, match=what):
        read("things_eeg2", tmp_path)


def test_eeg2_that_is_cut_short_or_incomplete_says_so(eeg2: Path) -> None:
    folder = eeg2 / "preprocessed_data" / "sub-01"
    bytes_cut(folder / "preprocessed_eeg_test.npy", 0.7)
    with pytest.raises(RecordingError, match=r"preprocessed_eeg_test\.npy: not a whole dictionary .*osf\.io/3jk45"):
        read("things_eeg2", eeg2, split="test")
    (folder / "preprocessed_eeg_test.npy").unlink()
    assert len(read("things_eeg2", eeg2, split="train", blocks=1)) == 1
    with pytest.raises(RecordingError, match=r"looked for preprocessed_eeg_test\.npy.*point at the folder that holds"):
        read("things_eeg2", eeg2, split="test")
    with pytest.raises(ConfigError, match="4 training concepts cannot be dealt into 10 blocks"):
        read("things_eeg2", eeg2, split="train")


def test_eeg2_without_its_image_list_says_so(tmp_path: Path) -> None:
    eeg2_preprocessed(tmp_path)
    with pytest.raises(RecordingError, match=r"looked for image_metadata\.npy"):
        read("things_eeg2", tmp_path)
    eeg2_images(tmp_path, drop="test_img_files")
    with pytest.raises(RecordingError, match=r"expected the fields test_img_files, test_img_concepts, found train_img"):
        read("things_eeg2", tmp_path, split="test")


def test_eeg2_of_a_person_who_is_not_there_is_refused(eeg2: Path) -> None:
    with pytest.raises(RecordingError, match=r'recordings that match the options .*"subject":."7"'):
        read("things_eeg2", eeg2, subject=7)


def test_eeg2_raw_sessions_are_continuous_in_microvolts(tmp_path: Path) -> None:
    eeg2_images(tmp_path)
    written = [eeg2_raw(tmp_path, session=session) for session in ("01", "02")]
    recordings = read("things_eeg2", tmp_path, layout="raw")
    names = ["train_sub-01_ses-01", "test_sub-01_ses-01", "train_sub-01_ses-02", "test_sub-01_ses-02"]
    assert [r.meta.name for r in recordings] == names
    assert [r.meta.group for r in recordings] == ["train", "test"] * 2
    signal = recordings[3].signal()
    assert (signal.spec.sfreq, signal.spec.unit, signal.spec.ch_names) == (1000, "microvolts", tuple(EEG_NAMES))
    np.testing.assert_allclose(signal.data, written[1]["test"].T * 1e6, rtol=1e-6)
    assert not signal.whole().gap.any()
    assert [(e.label, e.stamp) for e in recordings[0].events()] == [
        ("dog_02s.jpg", 0.1),
        ("target", 0.3),
        ("aardvark_01b.jpg", 0.5),
        ("aardvark_01b.jpg", 0.7),
    ]
    assert recordings[0].markers[0].columns == {"concept": ["dog", "", "aardvark", "aardvark"], "image": [8, 0, 1, 1]}
    assert set(recordings[0].stimuli) == {"aardvark_01b.jpg"}
    only = read("things_eeg2", tmp_path, layout="raw", session=2, split="train", channels="visual")
    assert [(r.meta.name, r.signal().spec.n_chans) for r in only] == [("train_sub-01_ses-02", 2)]


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ({"raw_eeg_data": None}, r"expected the fields raw_eeg_data, ch_names, ch_types, sfreq, found ch_names"),
        ({"ch_types": ["eeg"] * 5}, r"one channel of it stim, .*found .*types \['eeg'\]"),
        ({"ch_names": ["stim"]}, r"one channel of it stim, .*found .*1 names"),
        ({"sfreq": "fast"}, r"sfreq in Hz, found .*sfreq 'fast'"),
        ({"raw_eeg_data": np.full((5, 100), 77.0)}, r"expected image numbers 1 to 8, or 99999.*found 77"),
    ],
)
def test_eeg2_raw_with_another_layout_says_what_was_expected(
    changed: dict[str, Any], what: str, tmp_path: Path
) -> None:
    eeg2_images(tmp_path)
    eeg2_raw(tmp_path, **changed)
    with pytest.raises(RecordingError, match=what):
        read("things_eeg2", tmp_path, layout="raw")


@pytest.mark.parametrize("options", [{"layout": "raw", "average": True}, {"session": 1}])
def test_eeg2_options_that_mean_nothing_for_a_layout_are_refused(options: dict[str, Any], eeg2: Path) -> None:
    with pytest.raises(ConfigError, match="leave it out, or read layout="):
        read("things_eeg2", eeg2, **options)


def test_whitening_takes_every_published_trial_as_one_stretch(eeg2: Path) -> None:
    rng = np.random.default_rng(5)
    for part, n_images in (("training", 8), ("test", 2)):
        data = rng.normal(size=(n_images, 3, 4, 20)) * np.array([1.0, 2.0, 5.0, 9.0])[:, None]
        fields = {"preprocessed_eeg_data": data, "ch_names": EEG_NAMES, "times": np.arange(20) / 20 - 0.2}
        np.save(eeg2 / "preprocessed_data" / "sub-01" / f"preprocessed_eeg_{part}.npy", fields, allow_pickle=True)
    train, test = read("things_eeg2", eeg2, blocks=1)
    config = PreprocessConfig.model_validate({"stages": [{"kind": "whiten", "epoch": 1.0}]})
    spec = train.signal().spec
    stored = fit_preprocess(spec, config, [train.signal().chunks(100)]).stages[0].matrix
    covariances = [shrunk(trial.astype(np.float64)) for trial in trials(train, 20)]
    np.testing.assert_allclose(stored, whitening(np.mean(covariances, axis=0)), rtol=1e-9, atol=1e-12)
    both = fit_preprocess(spec, config, [r.signal().chunks(100) for r in (train, test)]).stages[0].matrix
    assert np.abs(np.array(both) - np.array(stored)).max() > 1e-4


@pytest.fixture(scope="module")
def meg(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, np.ndarray]:
    root = tmp_path_factory.mktemp("meg")
    return root, meg_epochs(root)


def test_meg_training_leaves_out_the_concepts_that_are_tested(meg: tuple[Path, np.ndarray]) -> None:
    path, _ = meg
    train, test = read("things_meg", path, blocks=1)
    assert concepts(test) == set(TESTED)
    assert concepts(train) == set(CONCEPTS)
    faithful, _ = read("things_meg", path, blocks=1, exclude_test_concepts=False)
    assert concepts(faithful) - concepts(train) == {"acorn"}
    assert (len(train.events()), len(faithful.events())) == (8, 9)
    (only,) = read("things_meg", path, blocks=1, split="train")
    assert concepts(only) == set(CONCEPTS)


def test_meg_trials_are_those_of_the_file_without_catch_trials(meg: tuple[Path, np.ndarray]) -> None:
    path, data = meg
    train, test = read("things_meg", path, blocks=1, exclude_test_concepts=False)
    spec = train.signal().spec
    assert (spec.type, spec.sfreq, spec.unit, spec.ch_names) == ("MEG", 200, "sd", things_meg.CH_NAMES)
    labels = [event.label for event in train.events()]
    names = [f"{concept}_{number}.jpg" for concept in CONCEPTS for number in ("01b", "02s")] + ["acorn_05s.jpg"]
    assert sorted(labels) == sorted(names)
    expected = np.stack([data[names.index(label)].T for label in labels])
    np.testing.assert_allclose(trials(train, 29), expected, rtol=1e-6)
    assert Counter(e.label for e in test.events()) == {"acorn_01n.jpg": 2, "zebra_01n.jpg": 2}
    assert set(train.markers[0].columns["session"]) <= {1, 2, 3}
    first = train.events()[0].stamp
    np.testing.assert_allclose(train.signal().stamps[:29] - first, np.arange(29) / 200 - 0.1, atol=1e-9)


def test_meg_can_be_averaged_over_repeats_in_visual_sensors(meg: tuple[Path, np.ndarray]) -> None:
    path, data = meg
    (test,) = read("things_meg", path, split="test", average=True, channels="visual")
    assert test.signal().spec.n_chans == 152
    assert test.markers[0].columns["repeats"] == [2, 2]
    visual = [k for k, name in enumerate(things_meg.CH_NAMES) if things_meg.VISUAL.fullmatch(name)]
    means = {"acorn_01n.jpg": data[[9, 11]].mean(0), "zebra_01n.jpg": data[[10, 12]].mean(0)}
    expected = np.stack([means[event.label][visual].T for event in test.events()])
    np.testing.assert_allclose(trials(test, 29), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("column", ["trial_type", "image_path", "session_nr"])
def test_meg_without_a_column_says_which_are_expected(column: str, tmp_path: Path) -> None:
    meg_epochs(tmp_path, rename={column: f"my_{column}"})
    with pytest.raises(
        RecordingError, match=rf"columns trial_type, image_path, session_nr, found .*my_{column}.*figshare"
    ):
        read("things_meg", tmp_path)


def test_meg_that_is_cut_short_says_so(tmp_path: Path) -> None:
    meg_epochs(tmp_path)
    bytes_cut(next(tmp_path.rglob("*-epo.fif")), 0.3)
    with pytest.raises(RecordingError, match=r"MNE cannot read it as epochs.*continuations.*figshare"):
        read("things_meg", tmp_path, blocks=1)


@pytest.fixture(scope="module")
def monkeys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, np.ndarray]]:
    root = tmp_path_factory.mktemp("tvsd")
    tvsd_monkey(root, "N")
    return root, tvsd_monkey(root, "F")


def test_tvsd_normalised_responses_are_one_sample_per_image(monkeys: tuple[Path, dict[str, np.ndarray]]) -> None:
    path, fields = monkeys
    recordings = read("tvsd", path, subject="F", blocks=2)
    assert [r.meta.name for r in recordings] == ["block-0_monkeyF", "block-1_monkeyF", "test_monkeyF"]
    assert [concepts(r) for r in recordings] == [{"aardvark", "coat_rack"}, {"bat1", "dog"}, set(TESTED)]
    signal = recordings[1].signal()
    assert (signal.spec.type, signal.spec.sfreq, signal.spec.unit) == ("MUA", 2.5, "sd")
    assert [e.label for e in recordings[1].events()] == ["bat1_01b.jpg", "bat1_02s.jpg", "dog_01b.jpg", "dog_02s.jpg"]
    np.testing.assert_allclose(signal.data, fields["train_MUA"][[2, 3, 6, 7]], rtol=1e-6)
    np.testing.assert_array_equal(signal.stamps, recordings[1].markers[0].stamps)
    assert not signal.whole().gap.any()
    assert recordings[0].meta.details["oracle"][4:7] == [0.5, None, 0.5]
    assert recordings[0].meta.details["SNR_max"][1023] == 9


def test_tvsd_repeats_that_were_not_recorded_are_left_out(monkeys: tuple[Path, dict[str, np.ndarray]]) -> None:
    path, fields = monkeys
    (single,) = read("tvsd", path, subject="monkeyF", split="test")
    assert [e.label for e in single.events()] == ["acorn_01n.jpg"] * 3 + ["zebra_01n.jpg"] * 2
    assert single.markers[0].columns["repeat"] == [1, 2, 3, 1, 2]
    np.testing.assert_allclose(single.signal().data[3:], fields["test_MUA_reps"][:2, 1], rtol=1e-6)
    (mean,) = read("tvsd", path, subject="F", split="test", average=True)
    np.testing.assert_allclose(mean.signal().data, fields["test_MUA"], rtol=1e-6)


@pytest.mark.parametrize(("monkey", "n"), [("F", 320), ("N", 256)])
def test_tvsd_areas_can_be_chosen(monkey: str, n: int, monkeys: tuple[Path, dict[str, np.ndarray]]) -> None:
    (test,) = read("tvsd", monkeys[0], subject=monkey, split="test", channels="IT")
    assert test.signal().spec.n_chans == n == len(test.meta.details["oracle"])
    assert {name.partition("-")[0] for name in test.signal().spec.ch_names} == {"IT"}


def test_tvsd_time_course_is_brought_into_the_order_of_the_arrays(monkeys: tuple[Path, dict[str, np.ndarray]]) -> None:
    path, fields = monkeys
    train, test = read("tvsd", path, subject="F", layout="trials", blocks=1)
    shown = fields["trials"]
    kept = np.flatnonzero((shown > 0) & (shown < 9))
    np.testing.assert_array_equal(trials(train, 12), fields["physical"][:, kept].transpose(1, 0, 2))
    names = [f"{concept}_{number}.jpg" for concept in CONCEPTS for number in ("01b", "02s")]
    assert [e.label for e in train.events()] == [names[k - 1] for k in shown[kept]]
    assert train.markers[0].columns["day"] == (kept // 7 + 1).tolist()
    assert (train.signal().spec.sfreq, train.signal().spec.unit) == (1000, "")
    np.testing.assert_allclose(train.signal().stamps[:12] - train.events()[0].stamp, np.arange(-4, 8) / 1000, atol=1e-9)
    assert sorted(e.label for e in test.events()) == ["acorn_01n.jpg"] * 2 + ["zebra_01n.jpg"] * 2
    (mean,) = read("tvsd", path, subject="F", layout="trials", split="test", average=True, channels="V4")
    expected = fields["physical"][:, shown == -2, 832:].mean(axis=1, dtype=np.float64)
    place = [e.label for e in mean.events()].index("zebra_01n.jpg")
    np.testing.assert_allclose(trials(mean, 12)[place], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("layout", ["normalized", "trials"])
def test_tvsd_with_all_training_images_is_the_released_protocol(
    layout: str, monkeys: tuple[Path, dict[str, np.ndarray]]
) -> None:
    path, _ = monkeys
    options = {"subject": "F", "layout": layout, "split": "train", "blocks": 1}
    (strict,), (faithful,) = read("tvsd", path, **options), read("tvsd", path, **options, exclude_test_concepts=False)
    assert (len(strict.events()), len(faithful.events())) == (8, 9)
    assert concepts(faithful) - concepts(strict) == {"acorn"}


@pytest.mark.parametrize(
    ("layout", "field"),
    [("normalized", f) for f in ("train_MUA", "test_MUA", "test_MUA_reps", "SNR_max", "oracle", "train_imgs")]
    + [("trials", f) for f in ("ALLMUA", "ALLMAT", "tb", "test_imgs")],
)
def test_tvsd_without_a_field_says_which_are_expected(layout: str, field: str, tmp_path: Path) -> None:
    tvsd_monkey(tmp_path, "F", **{field: f"my_{field}"})
    with pytest.raises(RecordingError, match=rf"expected the fields .*{field}.*found .*my_{field}.*gin\.g-node\.org"):
        read("tvsd", tmp_path, layout=layout)


def test_tvsd_that_is_cut_short_or_incomplete_says_so(tmp_path: Path) -> None:
    tvsd_monkey(tmp_path, "F")
    folder = tmp_path / "monkeyF"
    (folder / "_logs" / "1024chns_mapping_20220105.mat").write_bytes(b"MATLAB 5.0 nonsense")
    with pytest.raises(RecordingError, match=r"mapping_20220105\.mat: not a whole MATLAB file"):
        read("tvsd", folder, layout="trials")
    (folder / "_logs" / "1024chns_mapping_20220105.mat").unlink()
    with pytest.raises(RecordingError, match=r"looked for _logs/1024chns_mapping_20220105\.mat"):
        read("tvsd", folder, layout="trials")
    assert len(read("tvsd", folder, blocks=1)) == 2
    bytes_cut(folder / "THINGS_normMUA.mat", 0.5)
    with pytest.raises(RecordingError, match=r"THINGS_normMUA\.mat: not a whole MATLAB 7\.3 file.*gin\.g-node\.org"):
        read("tvsd", folder)
    (folder / "_logs" / "things_imgs.mat").unlink()
    with pytest.raises(RecordingError, match=r"looked for _logs/things_imgs\.mat"):
        read("tvsd", folder)


ROUND_TRIPS: dict[str, tuple[str, list[str]]] = {
    "eeg2": ("things_eeg2", ["blocks=2"]),
    "eeg2 averaged": ("things_eeg2", ["blocks=2", "average=true", "channels=visual"]),
    "eeg2 raw": ("things_eeg2", ["layout=raw"]),
    "meg": ("things_meg", ["blocks=2", "channels=visual"]),
    "tvsd": ("tvsd", ["blocks=2"]),
    "tvsd trials": ("tvsd", ["layout=trials", "blocks=2", 'channels=["V1-0001","IT"]']),
}


@pytest.mark.parametrize("case", sorted(ROUND_TRIPS))
def test_what_convert_writes_reads_back_as_it_was(
    case: str, tmp_path: Path, meg: tuple[Path, np.ndarray], monkeys: tuple[Path, dict[str, np.ndarray]]
) -> None:
    name, options = ROUND_TRIPS[case]
    path = {"things_meg": meg[0], "tvsd": monkeys[0] / "monkeyF"}.get(name, tmp_path / "eeg2")
    if name == "things_eeg2":
        eeg2_images(path)
        eeg2_preprocessed(path)
        eeg2_raw(path)
    arguments = [arg for option in options for arg in ("--option", option)]
    run = CliRunner().invoke(command, [name, str(path), str(tmp_path / "out"), *arguments, "--json"])
    assert run.exit_code == 0, run.output
    written = json.loads(run.stdout.splitlines()[-1])["recordings"]
    originals = read(name, path, **parse_options(tuple(options)))
    assert len(written) == len(originals) >= 2
    for entry, original in zip(written, originals, strict=True):
        back = read_recording(entry["path"])
        assert back.meta == original.meta
        assert back.signal().spec == original.signal().spec
        np.testing.assert_array_equal(back.signal().data, original.signal().data)
        np.testing.assert_array_equal(back.signal().stamps, original.signal().stamps)
        assert back.events() == original.events()
        assert back.markers[0].columns == original.markers[0].columns
        assert set(back.stimuli) == set(original.stimuli)
