"""`streamkit bench latency`: the report, wrong use, and the whole of it over LSL."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from apps.bench.consumers import table
from apps.bench.latency import over_runs, ratios, ring_spread, rotated
from tests.command_line import run

QUIETER = "Run again on a quieter machine"
FIGURES = {"p50", "p95", "p99", "p999", "max", "n", "cpu"}


def figures(p50: float, n: int = 10) -> dict[str, Any]:
    rest = dict.fromkeys(("p95", "p99", "p999", "max", "cpu", "chunk_wait_ms"), 4.0)
    return {"p50": p50, **rest, "n": n, "agreement": {"max_relative": p50 * 1e-6}}


def test_every_round_begins_with_another_consumer() -> None:
    rows = list(table.CONSUMERS.values())[:3]
    orders = [[c.name for c in rotated(rows, by)] for by in range(4)]
    assert [order[0] for order in orders] == ["streamkit", "openvino_loop", "mne_lsl", "streamkit"]
    assert all(sorted(order) == sorted(orders[0]) for order in orders)


def test_a_consumer_gets_the_median_of_its_runs_and_the_sum_of_its_predictions() -> None:
    result = over_runs([figures(1.0), figures(9.0), figures(2.0)])
    assert result["p50"] == 2.0
    assert result["n"] == 30
    assert result["agreement"] == 9e-6
    assert len(result["runs"]) == 3


def test_ratios_are_ours_over_theirs() -> None:
    results = {"streamkit": figures(1.0), "ezmsg": figures(4.0)}
    assert ratios(results)["ezmsg"]["p50"] == 0.25
    assert ratios({"ezmsg": figures(4.0)}) == {}


def test_rings_are_compared_with_each_other() -> None:
    names = [table.with_ring(seconds).name for seconds in (1, 100)]
    spread = ring_spread({names[0]: figures(2.0), names[1]: figures(2.2), "streamkit": figures(9.0)})
    assert spread is not None
    assert spread["p50"] == pytest.approx(1.1)
    assert ring_spread({names[0]: figures(2.0)}) is None


def test_every_consumer_names_an_extra_that_this_distribution_has() -> None:
    absent = replace(table.CONSUMERS["mne_lsl"], needs=("no_such_module",))
    assert "pip install 'streamkit[bench]'" in absent.why_not()


def test_an_unknown_consumer_is_answered_with_the_closest(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("bench", "latency", "--consumers", "streamkit,mne-lsl") == 2
    error = capsys.readouterr().err
    assert "no consumer 'mne-lsl'" in error
    assert "Did you mean 'mne_lsl'?" in error


def test_a_consumer_asked_for_and_not_installed_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(table.CONSUMERS, "ezmsg", replace(table.CONSUMERS["ezmsg"], needs=("no_such_module",)))
    assert run("bench", "latency", "--consumers", "streamkit,ezmsg") == 2
    assert "the consumer ezmsg needs the package 'no_such_module'" in capsys.readouterr().err


@pytest.mark.parametrize("rings", ["1,ten", "0", "1,99999"])
def test_a_wrong_ring_is_refused(rings: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("bench", "latency", "--rings", rings) == 2
    assert f"--rings {rings}: " in capsys.readouterr().err


@pytest.mark.lsl
@pytest.mark.slow
def test_streamkit_and_the_loop_by_hand_do_the_same_job(capsys: pytest.CaptureFixture[str]) -> None:
    for module in ("openvino", "psutil", "torch", "onnxscript"):
        pytest.importorskip(module)
    words = ("bench", "latency", "--seconds", 3, "--runs", 1, "--consumers", "streamkit,openvino_loop", "--json")
    for _ in range(4):  # other tests run beside this one: what it says of a machine that is too busy is heeded
        status, out = run(*words), capsys.readouterr()
        if QUIETER not in out.err:
            break
    assert status == 0, out.err
    report = json.loads(out.out)
    assert {"job", "machine", "consumers", "method", "ratios", "ledger", "not_installed"} <= set(report)
    assert set(report["consumers"]) == {"streamkit", "openvino_loop"}
    for result in report["consumers"].values():
        assert set(result) >= FIGURES
        assert 0 < result["p50"] <= result["p95"] <= result["p99"] <= result["p999"] <= result["max"]
        assert result["agreement"] < 1e-4
        assert result["cpu"] > 0
    assert report["job"]["n_samples"] == 3000
    session = report["consumers"]["streamkit"]["runs"][0]["session"]
    assert session["counts"]["samples"] == 3000
    assert session["predictions"] == report["job"]["expected_predictions"]
    assert report["consumers"]["streamkit"]["n"] == session["predictions"] - report["job"]["warmup"]
    assert report["ledger"]["n"] == session["predictions"]
    assert report["ledger"]["largest_error_us"] < 50
    assert report["machine"]["versions"]["openvino"]
    assert "round 1/1 streamkit" in out.err
