"""Every example runs as it stands, and says what its docstring promises."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
SCRIPTS = sorted(EXAMPLES.glob("[0-9]*.py"))
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "default"}


def command(name: str, *args: object) -> list[str]:
    script = next(path for path in SCRIPTS if path.name.startswith(name))
    return [sys.executable, str(script), *map(str, args)]


def run(name: str, *args: object) -> str:
    done = subprocess.run(
        command(name, *args), env=ENVIRONMENT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def calibrated(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Folder and output of the calibration example."""
    folder = tmp_path_factory.mktemp("calibrated")
    return folder, run("03", folder)


@pytest.mark.lsl
def test_a_recording_is_read_and_replayed(tmp_path: Path) -> None:
    said = run("01", tmp_path)
    assert "2500 samples, 9 events" in said
    assert "received exactly what was recorded: True" in said


def test_preprocessing_does_not_depend_on_chunks() -> None:
    said = run("02")
    assert said.count("same bits True") == 3
    assert "face 2: (100, 3)" in said
    assert "house" not in said


def test_a_decoder_is_calibrated_on_own_recordings(calibrated: tuple[Path, str]) -> None:
    folder, said = calibrated
    assert "auc: 0.9" in said
    assert (folder / "bundle" / "report" / "index.html").is_file()
    assert (folder / "held-out" / "run-3" / "recording.json").is_file()


@pytest.mark.lsl
def test_a_session_is_read_with_pylsl_alone(calibrated: tuple[Path, str], unique_id: str) -> None:
    folder, _ = calibrated
    session = command(
        "04", folder / "bundle", folder / "held-out" / "run-3", "--wait", "--speed", 10, "--name", unique_id
    )
    with subprocess.Popen(session, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as live:
        try:
            heard = run("05", "--name", unique_id, "--n", 40).splitlines()
            said, complaints = live.communicate(timeout=60)
        finally:
            live.kill()
    assert live.returncode == 0, complaints
    assert "40 predictions" in said
    assert len(heard) == 1 + 40
    assert heard[0].startswith('probabilities over ["low tone", "high tone"] from bundle bundle on ')
    spoken = [line.split("event ")[1].split(":")[0] for line in heard[1:]]
    assert spoken == [line.split(" -> ")[0] for line in said.splitlines()[:40]]


def test_somebodys_onnx_is_packed(tmp_path: Path) -> None:
    said = run("06", tmp_path)
    assert "{'left': 0.5, 'right': 0.5}" in said
    assert (tmp_path / "bundle" / "bundle.json").is_file()


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_an_example_is_short_and_says_how_it_is_run(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) < 60
    assert f"python examples/{path.name}" in (ast.get_docstring(ast.parse(text)) or "")


def test_every_example_is_in_the_list() -> None:
    listed = (EXAMPLES / "README.md").read_text()
    assert [path.name for path in SCRIPTS if f"[{path.name}]" not in listed] == []
