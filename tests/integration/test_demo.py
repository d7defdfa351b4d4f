"""The main job, as the README's first command runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from streamkit.bundle import load_bundle


@pytest.mark.lsl
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_demo_does_everything_and_says_so(tmp_path: Path) -> None:
    out = tmp_path / "demo"
    run = subprocess.run(
        [sys.executable, "-m", "apps.cli", "demo", "--headless", "--out", str(out), "--json"],
        capture_output=True,
        text=True,
        check=False,
        env={key: value for key, value in os.environ.items() if key != "LSLAPICFG"},
    )
    assert run.returncode == 0, run.stderr
    report = json.loads(run.stdout)
    assert report["status"] == "ok"
    assert report["simulated"] is True
    assert report["predictions"] == 120
    assert (report["missed"], report["duplicated"]) == (0, 0)
    assert report["parity_max_abs"] <= 1e-5
    metric = report["metric"]
    assert metric["name"] == "20-way identification"
    assert metric["chance"] == pytest.approx(0.05)
    assert metric["ci95"][0] > metric["chance"]
    assert metric["ci95"][0] > report["beside"]["20-way identification, mean training image"]
    assert "20-way identification, ridge decoder" in report["beside"]
    assert report["latency_ms"]["p50"] <= report["latency_ms"]["p95"] <= report["latency_ms"]["p99"]
    assert load_bundle(report["bundle"]).provenance.simulated
    assert len(report["screenshots"]) >= 3
    last = Image.open(report["screenshots"][-2])
    assert last.size == (1280, 800)
    assert len(last.getcolors(maxcolors=1 << 20)) > 100
    assert json.loads((out / "demo.json").read_text()) == report


def test_the_demo_does_not_replace_a_folder_that_is_not_its_own(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    run = subprocess.run(
        [sys.executable, "-m", "apps.cli", "demo", "--headless", "--out", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 2
    assert "not a former demo" in run.stderr
    assert (tmp_path / "thesis.txt").read_text() == "years of work"
