"""The convert command: published layouts in, native recordings out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from streamkit.recording import Markers, Recording, RecordingMeta, Signal, read_recording, write_recording
from streamkit.types import StreamSpec
from tests.command_line import run


@pytest.fixture
def muse(tmp_path: Path) -> Path:
    folder = tmp_path / "published" / "P300" / "subject1" / "session1"
    folder.mkdir(parents=True)
    for minute in (10, 20):
        rows = [f"{minute + k / 256:.3f},1,2,3,4,5,{int(k == 2)}" for k in range(5)]
        text = "\n".join(["timestamps,TP9,AF7,AF8,TP10,Right AUX,Marker", *rows])
        (folder / f"data_2017-02-04-15_{minute}_00.csv").write_text(text)
    return tmp_path / "published"


def test_each_recording_becomes_a_folder_named_by_its_group(
    muse: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("convert", "muse_p300", muse, tmp_path / "out", "--option", "right_aux=false", "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert [r["group"] for r in report["recordings"]] == ["run-0", "run-1"]
    signal = {"name": "Muse", "n_chans": 4, "sfreq": 256.0, "unit": "microvolts", "n_times": 5}
    assert report["recordings"][0]["signals"] == [signal]
    recording = read_recording(tmp_path / "out" / "run-1")
    assert recording.meta.group == "run-1"
    assert [e.label for e in recording.events()] == ["1"]


def test_a_single_recording_is_the_folder_itself(muse: Path, tmp_path: Path) -> None:
    assert run("convert", "muse_p300", muse, tmp_path / "out", "--group", "run-1") == 0
    assert read_recording(tmp_path / "out").meta.name == "muse-p300-2017-02-04-15.20.00"


def test_progress_goes_to_stderr(muse: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("convert", "muse_p300", muse, tmp_path / "out", "--json")
    said = capsys.readouterr()
    assert "[2] muse-p300" in said.err
    assert len(said.out.splitlines()) == 1


def test_any_readable_file_can_be_converted(tmp_path: Path) -> None:
    spec = StreamSpec(name="s", type="EEG", ch_names=("a",), sfreq=10, unit="microvolts")
    markers = StreamSpec(name="m", type="Markers", ch_names=("marker",), sfreq=0, channel_format="string")
    made = Recording(
        (Signal(spec, np.zeros((20, 1), np.float32), np.arange(20) / 10),),
        (Markers(markers, ("x",), np.array([1.0])),),
        meta=RecordingMeta(name="r"),
    )
    write_recording(made, tmp_path / "r")
    assert run("convert", "file", tmp_path / "r" / "recording.xdf", tmp_path / "out", "--option", "blocks=2") == 0
    assert read_recording(tmp_path / "out" / "recording-block-1").signal().data.shape == (10, 1)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("nonsense", "x", "y"), "no dataset 'nonsense'. There are muse_p300"),
        (("muse_p300", "nowhere", "y"), "nowhere does not exist. The authors publish the data at https://github.com"),
        (("muse_p300", "nowhere", "y", "--option", "subject"), "--option 'subject': expected KEY=VALUE"),
        (("muse_p300", "nowhere", "y", "--option", "subject=one"), "option 'subject'"),
        (("muse_p300", "nowhere", "y", "--option", "run=1"), "Options of this dataset: subject, session, right_aux"),
    ],
)
def test_wrong_use_is_one_message_and_status_2(
    words: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("convert", *words) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert message in said


def test_an_unknown_group_lists_the_groups(muse: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("convert", "muse_p300", muse, tmp_path / "out", "--group", "run-9") == 2
    assert "has no group 'run-9'; its groups are run-0, run-1" in capsys.readouterr().err


def test_what_exists_is_not_overwritten_unless_asked(
    muse: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("convert", "muse_p300", muse, tmp_path / "out", "--group", "run-0")
    assert run(*words) == 0
    assert run(*words) == 2
    assert "exists" in capsys.readouterr().err
    assert run(*words, "--overwrite") == 0


def test_the_list_shows_every_dataset_with_its_options(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("convert", "--list") == 0
    said = capsys.readouterr().out
    assert "cowley_v4" in said
    assert "options: session, which, blocks, twin, seed" in said
