"""The ledger's percentiles are right and does not grow."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest

from streamkit.ledger import STAGES, STAMPS, Ledger, stages_ms


def timing(*steps_ms: float, start: float = 100.0) -> dict[str, float]:
    stamps = start + np.cumsum([0.0, *steps_ms]) / 1e3
    return dict(zip(STAMPS, stamps.tolist(), strict=True))


def test_stages_are_the_steps_between_stamps_and_their_sum() -> None:
    assert stages_ms(timing(1, 2, 3, 4, 5, 6)) == pytest.approx((1, 2, 3, 4, 5, 6, 21), abs=1e-9)


def test_percentiles_are_right_within_half_a_percent() -> None:
    rng = np.random.default_rng(3)
    steps = rng.lognormal(0, 1, (5000, 6))
    ledger = Ledger()
    for row in steps:
        ledger.add(timing(*row, start=0.0))
    summary = ledger.summary()
    for column, stage in enumerate(STAGES[:-1]):
        found = summary["stages_ms"][stage]
        for key, rank in {"p50": 2500, "p95": 4750, "p99": 4950, "p999": 4995}.items():
            exact = np.sort(steps[:, column])[rank - 1]
            assert found[key] == pytest.approx(exact, rel=0.0051)
        assert found["max"] == pytest.approx(steps[:, column].max(), rel=1e-6)
    assert summary["latency_ms"]["p50"] == pytest.approx(np.median(steps.sum(1)), rel=0.0051)
    assert summary["n"] == 5000


@pytest.mark.parametrize("total_s", [2e-6, 999.0, 5000.0, 41_472.0, 10 * 86_400.0])
def test_percentiles_are_right_from_microseconds_to_days(total_s: float) -> None:
    ledger = Ledger()
    for total in (total_s, total_s, 1.1 * total_s):
        ledger.add({"sample": 0.0, "publish": total})
    assert ledger.summary()["latency_ms"]["p50"] == pytest.approx(1e3 * total_s, rel=0.0051)


def test_a_total_over_budget_is_a_deadline_miss() -> None:
    ledger = Ledger(budget=0.010)
    for total in (9.0, 10.5, 50.0):
        ledger.add(timing(total, 0, 0, 0, 0, 0))
    assert ledger.summary()["deadline_misses"] == 2
    assert ledger.summary()["budget_ms"] == 10.0


def test_an_empty_ledger_is_json_with_nulls() -> None:
    text = json.dumps(Ledger().summary(), allow_nan=False)
    assert json.loads(text)["latency_ms"] == {"p50": None, "p95": None, "p99": None, "p999": None, "max": None}


def test_missing_and_negative_stages_do_no_harm() -> None:
    ledger = Ledger()
    stages = ledger.add({"sample": 2.0, "publish": 1.0})
    assert np.isnan(stages[:-1]).all()
    summary = json.loads(json.dumps(ledger.summary(), allow_nan=False))
    assert summary["stages_ms"]["wait"]["p50"] is None
    assert summary["latency_ms"] == {"p50": -1000.0, "p95": -1000.0, "p99": -1000.0, "p999": -1000.0, "max": -1000.0}


def test_memory_does_not_grow() -> None:
    ledger = Ledger()
    before = sum(sys.getsizeof(value) for value in vars(ledger).values())
    for _ in range(2000):
        ledger.add(timing(1e-7, 1, 10, 1e3, 1e6, 1e12))
    assert sum(sys.getsizeof(value) for value in vars(ledger).values()) <= before + 64
