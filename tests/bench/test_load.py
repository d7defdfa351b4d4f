"""`streamkit bench load`: what counts as lost, wrong use, and the whole of it over LSL with a few channels."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from apps.bench.load.command import check_job, problems
from apps.bench.load.job import LoadJob, description, signal_block
from apps.bench.load.run import agreement, losses
from streamkit.errors import BadInput
from tests.command_line import run

JOB = LoadJob(n_chans=4, seconds=3.0)
SLOW = LoadJob(n_chans=4, sfreq=1000.0, n_streams=2, seconds=3.0)


def stamps(job: LoadJob) -> np.ndarray:
    """Of all predictions, seconds after the first sample, when nothing is lost."""
    return (job.n_window - 1 + job.n_hop * np.arange(job.n_predictions)) / job.sfreq


def of_stream(job: LoadJob = JOB, **changes: Any) -> dict[str, Any]:
    values = np.zeros((job.n_predictions, 2), np.float32)
    return losses(job, stamps(job), job.n_samples) | {"agreement": agreement(job, values, values[:9] + 1)} | changes


@pytest.mark.parametrize("job", [JOB, SLOW], ids=["spikes", "slow"])
def test_a_whole_run_has_lost_nothing(job: LoadJob) -> None:
    found = losses(job, stamps(job), job.n_samples)
    assert (found["lost"], found["lost_predictions"], found["displaced"]) == (0, 0, 0)
    assert job.n_predictions == len(stamps(job)) > 250


def test_one_sample_lost_displaces_every_prediction_after_it() -> None:
    shifted = stamps(JOB)
    shifted[100:] += 1 / JOB.sfreq
    found = losses(JOB, shifted[:-1], JOB.n_samples - 1)
    assert found["lost"] == 1
    assert found["lost_predictions"] == 1
    assert found["displaced"] == JOB.n_predictions - 101


def test_predictions_are_held_against_one_pass_and_then_against_the_period_before() -> None:
    period = JOB.n_block // JOB.n_hop
    values = np.resize(np.random.default_rng(0).normal(0, 1, (period, 2)), (100, 2)).astype(np.float32)
    assert agreement(JOB, values, values[:20]) == {
        "compared": 20,
        "max_relative": 0,
        "max_relative_to_period_before": 0,
    }
    values[70] += 1
    assert agreement(JOB, values, values[:20])["max_relative_to_period_before"] > 0.1
    values[5] += 1
    assert agreement(JOB, values, values[:20] - (np.arange(20) == 5)[:, np.newaxis])["max_relative"] > 0.1


def test_problems_are_named_with_their_stream() -> None:
    assert problems({"streams": [of_stream(agreement={"max_relative": 0, "max_relative_to_period_before": 0})]}) == []
    found = problems({"streams": [of_stream(lost=7)]})
    assert found[0] == "stream 0: lost 7, expected 0"
    assert "max_relative" in found[1]


@pytest.mark.parametrize("job", [JOB, SLOW], ids=["spikes", "slow"])
def test_the_signal_repeats_after_whole_predictions_and_chunks(job: LoadJob) -> None:
    assert job.n_block % job.n_hop == job.n_block % job.n_chunk == 0
    assert signal_block(job).shape == (job.n_block, 4)
    assert description(job)["n_predictions"] == job.n_predictions


def test_a_signal_of_whole_numbers_is_the_other_one_rounded() -> None:
    whole = signal_block(JOB.model_copy(update={"channel_format": "int16"}))
    assert whole.dtype == np.int16
    np.testing.assert_allclose(whole, signal_block(JOB), atol=0.5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"chunk": 0.007}, "--chunk: 210 samples at a time"),
        ({"seconds": 0.5}, "--seconds 0.5: gives 31 predictions"),
        ({"n_chans": 100_000, "ring": 1e4}, r"--ring 10000: rings of that length take .* GB .* but .* GB are free"),
    ],
)
def test_a_job_that_cannot_be_done_is_refused_before_it_begins(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        check_job(JOB.model_copy(update=changes))


@pytest.mark.lsl
@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        ("--channels", "16", "--format", "int16", "--ring", "2"),
        ("--channels", "8", "--sfreq", "1000", "--streams", "3"),
    ],
    ids=["spikes", "three streams"],
)
def test_nothing_is_lost_and_every_prediction_is_right(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("openvino")
    assert run("bench", "load", "--seconds", "2", *words, "--json") == 0
    (figures,) = json.loads(capsys.readouterr().out)["runs"]
    for stream in figures["streams"]:
        assert stream["lost"] == stream["lost_predictions"] == stream["displaced"] == 0
        assert stream["agreement"]["max_relative"] < 1e-4
        assert stream["latency_ms"]["p50"] > 0
    assert figures["processes"]["decoder"]["resident_mb"]["max"] > 50
