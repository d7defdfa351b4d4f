"""BIDS runs and NWB files through the commands: replayed, converted, verified, evaluated."""

from __future__ import annotations

import json
from pathlib import Path

import mne
import numpy as np
import pytest

from streamkit.recording import Recording, read_recording
from streamkit.replay import Replay
from tests.command_line import run
from tests.recording.lsl_capture import RESOLVE_S, Listener, captured
from tests.recording.published import add_licks, add_stimuli, describe, fill, write_nwb, write_run
from tests.small import SFREQ, linear_bundle, noise_recording


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two people, two runs each, with stimuli."""
    root = tmp_path_factory.mktemp("bids")
    describe(root)
    for subject in ("01", "02"):
        for number in ("1", "2"):
            add_stimuli(root, write_run(root, subject=subject, run=number))
    return root


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of two NWB files."""
    root = tmp_path_factory.mktemp("dandi")
    write_nwb(root / "sub-m1" / "sub-m1_ses-1.nwb", fill, add_licks)
    write_nwb(root / "sub-m1" / "sub-m1_ses-2.nwb", fill)
    return root


def replayed(recording: Recording) -> tuple[Replay, dict[str, Listener]]:
    counts = {s.spec.name: len(s.stamps) for s in (*recording.signals, *recording.markers)}
    replay = Replay(recording, speed=4, wait_for_consumers=RESOLVE_S, linger=0.5)
    return replay, captured(replay, counts)


def check_all_arrived(recording: Recording) -> None:
    replay, heard = replayed(recording)
    for signal in recording.signals:
        got = heard[signal.spec.name]
        assert np.array_equal(np.array(got.values, signal.data.dtype), signal.data), signal.spec.name
        assert np.array_equal(got.stamps, signal.stamps / 4 + replay.shift), signal.spec.name
        assert got.info.get_channel_labels() == list(signal.spec.ch_names)
    for markers in recording.markers:
        got = heard[markers.spec.name]
        assert [row[0] for row in got.values] == list(markers.labels)
        assert np.array_equal(got.stamps, markers.stamps / 4 + replay.shift)


@pytest.mark.lsl
def test_a_bids_run_arrives_over_lsl_value_by_value(dataset: Path) -> None:
    check_all_arrived(read_recording(dataset / "sub-01/eeg/sub-01_task-see_run-1_eeg.vhdr"))


@pytest.mark.lsl
def test_an_nwb_file_arrives_over_lsl_value_by_value(files: Path) -> None:
    check_all_arrived(read_recording(files / "sub-m1" / "sub-m1_ses-1.nwb"))


def converted(capsys: pytest.CaptureFixture[str], *words: object) -> list[dict[str, object]]:
    capsys.readouterr()
    assert run("convert", *words, "--json") == 0
    found: list[dict[str, object]] = json.loads(capsys.readouterr().out)["recordings"]
    return found


def test_every_run_of_a_dataset_becomes_a_recording(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = converted(capsys, "bids", dataset, tmp_path / "all")
    names = [f"sub-{s}_task-see_run-{r}" for s in ("01", "02") for r in (1, 2)]
    assert [r["group"] for r in made] == names
    assert [Path(str(r["path"])).name for r in made] == names
    assert [(r["events"], r["stimuli"]) for r in made] == [(4, 3)] * 4
    there = read_recording(dataset / "sub-02/eeg/sub-02_task-see_run-2_eeg.vhdr")
    back = read_recording(tmp_path / "all" / names[3])
    assert [e.label for e in back.events()] == ["face/a.png", "house/b.png", "face/c.png", "house"]
    assert np.array_equal(back.signal().data, there.signal().data)


def test_a_split_can_go_between_people(dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = converted(capsys, "bids", dataset, tmp_path / "people", "--option", "group=subject", "--option", "run=2")
    assert [r["group"] for r in made] == ["sub-01", "sub-02"]
    assert [Path(str(r["path"])).name for r in made] == ["sub-01_task-see_run-2", "sub-02_task-see_run-2"]
    (made,) = converted(
        capsys, "bids", dataset, tmp_path / "one",
        "--option", "subject=1", "--option", "run=1", "--option", "label=trial_type",
    )  # fmt: skip
    assert [e.label for e in read_recording(tmp_path / "one").events()] == ["face", "house", "face", "house"]


def test_runs_that_are_not_there_are_answered_with_those_that_are(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("convert", "bids", dataset, tmp_path / "out", "--option", "subject=7") == 2
    assert "has no run with sub-7; there are 01, 02" in capsys.readouterr().err
    assert run("convert", "bids", dataset, tmp_path / "out", "--option", "session=1") == 2
    assert "has no run with ses-1; there are none" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_every_file_of_a_folder_becomes_a_recording(
    files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--option", "streams=units,lfp", "--option", "spike_bin=0.05", "--option", "stop=9")
    made = converted(capsys, "nwb", files, tmp_path / "all", *options)
    assert [r["group"] for r in made] == ["sub-m1_ses-1", "sub-m1_ses-2"]
    back = read_recording(tmp_path / "all" / "sub-m1_ses-1")
    assert [(s.spec.name, s.spec.sfreq) for s in back.signals] == [("units", 20.0), ("lfp", 100.0)]
    assert max(e.stamp for e in back.events()) < 9
    blocks = converted(capsys, "nwb", files / "sub-m1" / "sub-m1_ses-2.nwb", tmp_path / "cut", "--option", "blocks=2")
    assert [r["group"] for r in blocks] == ["sub-m1_ses-2-block-0", "sub-m1_ses-2-block-1"]


def test_a_run_without_its_stimuli_says_so_when_converted(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "small"
    describe(root)
    add_stimuli(root, write_run(root))
    (root / "stimuli" / "b.png").unlink()
    assert run("convert", "bids", root, tmp_path / "out") == 0
    assert "note: 1 of the files that stim_file names are not in" in capsys.readouterr().err


def noise_run(root: Path) -> Path:
    """The recording that the small bundle is for, as a BIDS run."""
    made = noise_recording()
    names = list(made.signal().spec.ch_names)
    raw = mne.io.RawArray(
        made.signal().data.T.astype(float) * 1e-6, mne.create_info(names, SFREQ, "eeg"), verbose="ERROR"
    )
    begin = made.signal().stamps[0]
    onsets = [event.stamp - begin for event in made.events()]
    raw.set_annotations(mne.Annotations(onsets, 0.1, [event.label for event in made.events()]))
    describe(root)
    return write_run(root, raw)


def test_verify_and_evaluate_take_a_run_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle, path = linear_bundle(tmp_path / "bundle").path, noise_run(tmp_path / "bids")
    assert run("verify", bundle, path, "--over", "memory", "--backend", "onnxruntime", "--json") == 0
    verdict = json.loads(capsys.readouterr().out)
    assert (verdict["passed"], verdict["expected"], verdict["live"]) == (True, 8, 8)
    assert run("evaluate", bundle, path, "--backend", "onnxruntime", "--json") == 0
    assert json.loads(capsys.readouterr().out)["counts"]["decoded"] == 8


def test_replaying_a_dataset_names_its_runs(dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("replay", dataset) == 2
    said = capsys.readouterr().err
    assert "is a BIDS folder of 4 runs: sub-01/eeg/sub-01_task-see_run-1_eeg.vhdr" in said
    assert f"make recordings of all: streamkit convert bids {dataset} OUT" in said
