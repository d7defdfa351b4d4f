"""The simulate command: a world in, native recordings and the truth out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from streamkit.recording import read_recording
from tests.command_line import run

WORLD = """
name = "tiny"
seed = 3
streams = ["spikes", "eeg"]
[groups.train]
photographs = ["camera"]
n_patches = 12
[groups.test]
photographs = ["chelsea"]
n_patches = 8
[units]
luminance = 6
simple = 4
complex = 2
"""


@pytest.fixture
def world(tmp_path: Path) -> Path:
    file = tmp_path / "tiny.toml"
    file.write_text(WORLD)
    return file


def test_a_folder_per_group_and_the_truth_are_written(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert run("simulate", world, out, "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["world"], report["seed"]) == ("tiny", 3)
    assert [r["path"] for r in report["recordings"]] == [str(out / "train"), str(out / "test")]
    assert all(r["simulated"] for r in report["recordings"])
    assert set(report["oracle"]) == {"train", "test"}
    assert {file.name for file in out.iterdir()} == {"train", "test", "truth.json", "truth.safetensors"}
    recording = read_recording(out / "test")
    assert recording.meta.simulated
    assert [s.spec.name for s in recording.signals] == ["tiny-spikes", "tiny-eeg"]
    assert recording.markers[0].labels[0].startswith("chelsea_")
    assert json.loads((out / "truth.json").read_text())["world"]["seed"] == 3


def test_the_seed_of_the_command_counts(world: Path, tmp_path: Path) -> None:
    run("simulate", world, tmp_path / "a", "--seed", 1)
    run("simulate", world, tmp_path / "b", "--seed", 1)
    run("simulate", world, tmp_path / "c", "--seed", 2)
    a, b, c = (read_recording(tmp_path / name / "train").signal().data for name in "abc")
    np.testing.assert_array_equal(a, b)
    assert not np.array_equal(a, c)


def test_values_of_the_world_can_be_changed(world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("simulate", world, tmp_path / "out", "--set", "noise.signal=0", "--json") == 0
    assert json.loads(capsys.readouterr().out)["oracle"]["test"] == pytest.approx(1 / 8)
    truth = json.loads((tmp_path / "out" / "truth.json").read_text())
    assert truth["world"]["noise"]["signal"] == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("mars",), "no world 'mars': expected a TOML file or one of the shipped worlds concepts, demo, eeg"),
        (("demo", "--set", "noise.sgnal=1"), "Valid keys there: gain_sd, signal"),
        (("demo", "--set", "noise"), "--set 'noise': expected KEY=VALUE, e.g. noise.signal=0"),
        (("demo", "--set", 'groups.test.photographs=["camera"]'), "photograph 'camera' is in the groups"),
    ],
)
def test_wrong_use_is_one_message_and_status_2(
    words: tuple[str, ...], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("simulate", words[0], tmp_path / "out", *words[1:]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert message in said


def test_a_world_that_is_there_is_kept_unless_told_otherwise(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("simulate", world, tmp_path / "out") == 0
    assert run("simulate", world, tmp_path / "out") == 2
    assert "already holds a simulated world" in capsys.readouterr().err
    assert run("simulate", world, tmp_path / "out", "--overwrite") == 0


def test_the_list_shows_the_shipped_worlds(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("simulate", "--list") == 0
    assert "demo" in capsys.readouterr().out
