"""One optimiser step of a system: the code that measures it, on systems small enough for every test."""

from __future__ import annotations

import math
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("psutil")

from benchmarks.full_size_step import PRIOR, Step, apart, brainae, foretell, largest, measure, prior, row
from models.systems import SYSTEMS

TINY = {"n_chans": 4, "n_times": 64, "embedding": 16, "filters": 4}
SMALL: dict[str, dict[str, Any]] = {"brainae_encoder": TINY, "brainae_decoder": TINY}
PRIOR_ARGS: dict[str, Any] = {"embedding": 8, "condition": 8, "widths": [16, 8], "time": 8}


def check(found: Step) -> None:
    assert len(found.seconds) == 2
    assert all(0 < seconds < 60 for seconds in found.seconds)
    assert 0 < found.before_mb <= found.peak_mb
    assert all(math.isfinite(value) for value in found.losses.values())
    assert found.moved > 0.9


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_step_of_a_small_system_moves_its_weights_and_is_measured(name: str) -> None:
    found = measure(name, 6, "cpu", brainae(SYSTEMS[name], 6, "cpu", SMALL))
    check(found)
    assert set(found.losses) == {"loss", "con", "fea", "recon_brain", "recon_image"}


def test_a_step_of_a_small_prior_is_measured() -> None:
    check(measure(PRIOR, 6, "cpu", prior(6, "cpu", PRIOR_ARGS)))


def probe(batch: int, peak_mb: float, seconds: float) -> dict[str, Any]:
    return {"batch": batch, "peak_mb": peak_mb, "seconds": [2 * seconds, seconds]}


PROBES = [probe(4, 140.0, 0.5), probe(16, 260.0, 1.1)]


def test_a_batch_is_foretold_on_a_line() -> None:
    assert foretell(PROBES, 104) == {"predicted_mb": 1140.0, "predicted_seconds": 5.5}


@pytest.mark.parametrize(
    ("memory", "seconds", "batch"), [(9000.0, 99.0, 800), (5000.0, 99.0, 256), (9000.0, 3.5, 64), (200.0, 99.0, 8)]
)
def test_the_published_batch_is_made_where_it_fits_and_a_power_of_two_elsewhere(
    memory: float, seconds: float, batch: int
) -> None:
    assert largest(PROBES, 800, memory, seconds) == batch


def test_where_nothing_fits_what_was_tried_is_made_again() -> None:
    assert largest(PROBES, 800, 1.0, 1.0) == 16


def test_a_process_that_fails_says_why() -> None:
    failed = apart("nobody", 2, "cpu")
    assert "KeyError: 'nobody'" in failed["failed"]


@pytest.mark.slow
def test_a_full_size_system_makes_a_step_in_a_process_of_its_own() -> None:
    from benchmarks.full_size_step import parse

    found = row("brainae-eeg", 800, parse(["--batch", "4"]))
    assert found["n_parameters"] == 2_999_592 + 1_987_683
    assert found["published_batch"] == 800
    assert found["moved"] > 0.9
