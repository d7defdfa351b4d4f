"""`streamkit bench train`: what is asked of the figures, wrong use, and a run of a tiny network."""

from __future__ import annotations

import json

import pytest

from apps.bench.train.command import misses
from apps.bench.train.job import TrainJob
from tests.command_line import run


def report(**ratios: float) -> dict:
    return {
        "rows": [
            {"job": {"model": model}, "ratios": {"streamkit": {"plain": {"median": ratio}}}}
            for model, ratio in ratios.items()
        ]
    }


def test_a_plain_loop_that_is_faster_is_a_miss() -> None:
    assert misses(report(eegnet=1.0, linear=1.4)) == []
    assert misses(report(eegnet=0.991)) == ["eegnet: 0.991 of the throughput of a plain loop, expected 1 or more"]


def test_a_job_builds_the_same_network_and_rows_every_time() -> None:
    job = TrainJob(model="linear", n_rows=8, batch_size=4)
    assert job.settings.epochs == 1
    assert (job.rows()[0] == job.rows()[0]).all()
    assert all((a == b).all() for a, b in zip(job.build().parameters(), job.build().parameters(), strict=True))


@pytest.mark.parametrize(
    ("words", "message"),
    [(["--rows", 100], "a multiple of --batch 64"), (["--models", "eegnett"], "Did you mean 'eegnet'")],
)
def test_wrong_use_is_said(words: list, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("bench", "train", *words) == 2
    assert message in capsys.readouterr().err


@pytest.mark.slow
def test_a_small_run_states_throughput_and_memory_of_every_loop(capsys: pytest.CaptureFixture[str]) -> None:
    words = "bench train --models linear --rows 64 --batch 16 --rounds 2 --seconds 0.05 --threads 1 --json"
    assert run(*words.split()) == 0
    said = json.loads(capsys.readouterr().out)
    (row,) = said["rows"]
    assert set(row["contenders"]) == {"streamkit", "streamkit_fused", "plain", "dataloader"}
    for figures in row["contenders"].values():
        assert figures["throughput"] > 0
        assert figures["peak_mb"] >= figures["before_mb"] > 50
    assert row["contenders"]["streamkit"]["loss"] == row["contenders"]["plain"]["loss"]
    assert row["ratios"]["streamkit"]["plain"]["median"] > 0
    assert said["machine"]["versions"]["torch"]
