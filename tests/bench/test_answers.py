"""The job's own answer, and what is made of predictions that differ from it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from apps.bench import engine
from apps.bench.agreement import agreement, beginnings, check_agreement
from apps.bench.job import Job, description, signal_block, windows_ending
from apps.bench.run import Run, check_count
from apps.bench.stages import report
from streamkit.errors import CheckFailed
from streamkit.ledger import STAGES, STAMPS
from streamkit.pipeline import Pipeline
from streamkit.preprocess import PreprocessConfig, WindowConfig
from streamkit.types import Chunk, StreamSpec
from tests.small import linear_onnx

pytest.importorskip("openvino")
JOB = Job(n_chans=4, n_times=50, hop=25, n_outputs=2, seconds=2.0)


@pytest.fixture
def onnx(tmp_path: Path) -> Path:
    file = tmp_path / "linear.onnx"
    file.write_bytes(linear_onnx(JOB.n_chans, JOB.n_times, JOB.n_outputs))
    return file


def run_of(onnx: Path, shift: int = 0, beginning: str = "rest") -> Run:
    """Build what a perfect consumer gives, its stamps `shift` samples early."""
    predict = engine.load(onnx, (JOB.n_chans, JOB.n_times))
    last = np.arange(JOB.n_times - 1, JOB.n_samples - shift, JOB.hop)
    windows = windows_ending(JOB, last + shift, beginnings(JOB)[beginning])
    return Run(np.ones(len(last)), last / JOB.sfreq, last, np.array([predict(w) for w in windows]), 5.0, 0.1, None)


class Echo:
    """A runner that answers with the newest sample of each channel."""

    backend = "echo"

    def infer(self, x: np.ndarray) -> np.ndarray:
        return x[0, :, -1].copy()


def test_a_signal_of_two_seconds_has_79_windows() -> None:
    assert JOB.n_samples == 2000
    assert JOB.n_predictions == 79
    assert description(JOB)["expected_predictions"] == 79


def test_a_sample_waits_until_its_chunk_is_full() -> None:
    assert JOB.chunk_wait_ms(np.array([0, 9, 10, 499])).tolist() == [9.0, 0.0, 9.0, 0.0]


def test_the_offline_answer_is_what_the_live_pipeline_sees() -> None:
    spec = StreamSpec(ch_names=("a", "b", "c", "d"), sfreq=JOB.sfreq, unit="microvolts")
    stage = {"kind": "bandpass", "low": JOB.band[0], "high": JOB.band[1], "order": JOB.order}
    config = PreprocessConfig.model_validate({"stages": [stage]})
    pipeline = Pipeline(spec, config, WindowConfig(mode="hop", n_times=JOB.n_times, hop=JOB.hop), Echo())
    signal = signal_block(JOB)
    live = pipeline.push(Chunk(signal, np.arange(len(signal)) / JOB.sfreq))
    last = np.array([prediction.last for prediction in live])
    offline = windows_ending(JOB, last, beginnings(JOB)["first sample"])[:, :, -1]
    np.testing.assert_allclose([prediction.values for prediction in live], offline, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("beginning", ["rest", "first sample", "first chunk"])
def test_a_faithful_consumer_agrees_however_its_filter_begins(onnx: Path, beginning: str) -> None:
    found = agreement(JOB, run_of(onnx, beginning=beginning), onnx)
    assert found["filter_start"] == beginning
    assert found["max_relative"] == 0
    assert found["n"] == JOB.n_predictions
    check_agreement("faithful", found)


def test_stamps_that_are_one_sample_off_are_no_result(onnx: Path) -> None:
    with pytest.raises(CheckFailed, match="hasty gave predictions that differ"):
        check_agreement("hasty", agreement(JOB, run_of(onnx, shift=1), onnx))


@pytest.mark.parametrize("n", [0, 70, 82])
def test_too_few_or_too_many_predictions_are_no_result(n: int) -> None:
    with pytest.raises(CheckFailed, match=f"gave {n} predictions in 2 s, expected 79"):
        check_count(JOB, "lossy", n)


@pytest.mark.parametrize("n", [72, 79, 81])
def test_about_as_many_predictions_as_windows_will_do(n: int) -> None:
    check_count(JOB, "fine", n)


def ledger_rows(run: Run, step: float = 1e-4) -> np.ndarray:
    names = [*(f"t_{name}" for name in STAMPS), *(f"{name}_ms" for name in STAGES)]
    rows = np.zeros(len(run.stamps), [(name, float) for name in names])
    for k, name in enumerate(STAMPS):
        rows[f"t_{name}"] = run.stamps + k * step
    for name in STAGES[:-1]:
        rows[f"{name}_ms"] = 1e3 * step
    rows["total_ms"] = 1e3 * step * (len(STAMPS) - 1)
    return rows


def test_a_ledger_adds_up_and_leaves_the_hop_to_lsl(onnx: Path) -> None:
    run = run_of(onnx)
    found = report(ledger_rows(run), run)
    assert found["n"] == JOB.n_predictions
    assert found["largest_error_us"] < 1e-3
    assert found["stages_ms"]["inference"]["p50"] == pytest.approx(0.1)
    assert found["lsl_hop_ms"]["p99"] == pytest.approx(1.0 - 0.1 * (len(STAMPS) - 1))


def test_a_ledger_that_lacks_60_microseconds_is_refused(onnx: Path) -> None:
    run = run_of(onnx)
    rows = ledger_rows(run)
    rows["inference_ms"][3] -= 0.06
    with pytest.raises(CheckFailed, match="60 us more or less than its total"):
        report(rows, run)


def test_a_ledger_that_lacks_a_prediction_is_refused(onnx: Path) -> None:
    run = run_of(onnx)
    with pytest.raises(CheckFailed, match="78 rows for 79 predictions"):
        report(ledger_rows(run)[1:], run)
