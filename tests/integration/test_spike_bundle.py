"""Spike counts from calibration to live: thresholds travel with the bundle, and live equals offline."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from apps.commands.verify import command
from streamkit.bundle import load_bundle
from streamkit.preprocess import PreprocessConfig, fit_preprocess
from streamkit.recording import write_recording
from tests.small import linear_bundle, noise_recording

STAGES: tuple[dict[str, Any], ...] = (
    {"kind": "bandpass", "low": 20.0, "high": 100.0},
    {"kind": "threshold", "factor": -1.5, "refractory": 0.01},
    {"kind": "bin", "width": 0.02},
)


@pytest.mark.parametrize("learnt", [False, True], ids=["fitted", "learnt live"])
def test_a_decoder_of_spike_counts_answers_live_as_offline(tmp_path: Path, learnt: bool) -> None:
    recording = noise_recording(seconds=8.0)
    (signal,) = recording.signals
    config = PreprocessConfig.model_validate(
        {"stages": [stage | ({"learn": 1.0} if learnt and stage["kind"] == "threshold" else {}) for stage in STAGES]}
    )
    fitted = fit_preprocess(signal.spec, config, [signal.chunks(100)])
    stages = tuple(stage.model_dump() for stage in fitted.stages)
    path = linear_bundle(tmp_path / "bundle", mode="hop", n_times=20, hop=5, stages=stages).path
    bundle = load_bundle(path)
    assert bundle.contract.preprocess == fitted
    assert (bundle.contract.processed.sfreq, bundle.contract.processed.unit) == (50, "counts")
    folder = write_recording(recording, tmp_path / "recording")
    words = [str(path), str(folder), "--json", "--backend", "onnxruntime", "--over", "memory"]
    result = CliRunner().invoke(command, words, standalone_mode=False)
    assert result.exception is None, result.exception
    report = json.loads(result.stdout)
    assert report["passed"], report
    assert report["expected"] == report["live"] > 50
    assert report["bit_equal_on_repeat"]
