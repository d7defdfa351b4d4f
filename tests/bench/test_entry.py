"""Benchmarks on recordings say in one line what was wrong with the folder that they were given."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from streamkit.errors import RecordingError

pytest.importorskip("psutil")

LOOKED_FOR = {
    "real_v4_decoding": "images/images_190927.zip",
    "real_v4_encoding": "images/images_190927.zip",
    "real_it": "*_raster_data.rda",
}


@pytest.mark.parametrize("name", sorted(LOOKED_FOR))
def test_a_folder_without_recordings_is_one_line(name: str, tmp_path: Path) -> None:
    options = ["--out", str(tmp_path / "out")] if name == "real_v4_decoding" else []
    command = [sys.executable, "-m", f"benchmarks.{name}", str(tmp_path / "none"), *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == RecordingError.exit_status
    said = [line for line in done.stderr.splitlines() if "error" in line.lower() or "Traceback" in line]
    assert len(said) == 1, done.stderr
    assert said[0].startswith("error: ")
    assert LOOKED_FOR[name] in said[0]
