"""`streamkit bench inference`: the arithmetic, what is asked of the figures, wrong use, a run of a tiny model."""

from __future__ import annotations

import json
import re
import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from apps.bench.inference.acceptance import chosen_rows, median_speedup, misses
from apps.bench.inference.timing import Contender, Effort, at_cadence, in_a_row, quantiles_ms, race, ratio
from apps.bench.inference.work import Ceiling, Work, weight_bytes
from tests.command_line import run
from tests.small_graphs import BIAS, WEIGHT, onnx_bytes

LIMITS = Ceiling(threads=1, gflops=100.0, gbps=20.0)
PERCENTILES = {"p50", "p99"}


def row(**changes: Any) -> dict[str, Any]:
    good = {
        "model": "a",
        "backend": "openvino",
        "precision": "float32",
        "batch": 1,
        "threads": 1,
        "bound": "compute",
        "speedup_vs_eager": 3.0,
        "ratio_to_raw": 1.01,
    }
    return good | changes


def choices(**backends: str) -> dict[str, Any]:
    return {model: {"backend": backend, "threads": 1} for model, backend in backends.items()}


def test_reading_the_weights_binds_below_the_ridge_and_arithmetic_above_it() -> None:
    assert LIMITS.ridge == 5.0
    assert LIMITS.bound(Work(weight_bytes=1000, flops=4999)) == "bandwidth"
    assert LIMITS.bound(Work(weight_bytes=1000, flops=5001)) == "compute"
    assert LIMITS.bound(Work(weight_bytes=0, flops=10)) == "compute"


def test_least_times_are_work_over_rate() -> None:
    work = Work(weight_bytes=20_000_000, flops=100_000_000)
    assert LIMITS.least_ms(work) == {"compute": 1.0, "bandwidth": 1.0}
    assert work.intensity == 5.0
    assert Work(0, 1).intensity == float("inf")


def test_the_bytes_of_a_graph_are_those_of_its_weights() -> None:
    pytest.importorskip("onnx")
    assert weight_bytes(onnx_bytes()) == WEIGHT.nbytes + BIAS.nbytes


def test_operations_are_counted_for_the_whole_batch() -> None:
    torch = pytest.importorskip("torch")
    from apps.bench.inference.work import work_of
    from streamkit.inference import Graph

    class OfMemory(Graph):
        def read(self, file: Any) -> bytes:
            return onnx_bytes()

        def onnx_file(self, precision: Any = "float32") -> Any:
            return precision

    graph, inputs = OfMemory("linear", (), ()), (np.zeros((5, 3, 8), np.float32),)
    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(24, 2)).eval()
    work = work_of(module, inputs, graph)
    assert work.flops == 5 * 2 * 24 * 2
    assert work_of(module, inputs, graph, "bf16").weight_bytes == work.weight_bytes // 2


def test_a_ratio_compares_blocks_of_the_same_round() -> None:
    slow, fast = [np.full(3, 2.0), np.full(3, 20.0), np.full(3, 9.0)], [np.ones(3), np.full(3, 10.0), np.ones(3)]
    assert ratio(slow, fast) == 2.0


def test_percentiles_are_in_milliseconds_over_blocks_and_calls() -> None:
    blocks = [np.full(100, 1e-3), np.full(100, 2e-3), np.full(100, 9e-3)]
    assert quantiles_ms(blocks) == {"p50": 2.0, "p99": 9.0}


def test_no_call_at_cadence_begins_before_it_is_due() -> None:
    begun: list[float] = []
    start = time.perf_counter()
    at_cadence(lambda: begun.append(time.perf_counter()) or np.zeros(1), 5, 0.01)  # type: ignore[arg-type, func-returns-value]
    assert all(begin - start >= 0.01 * (k + 1) for k, begin in enumerate(begun))
    assert len(begun) == 5
    assert len(in_a_row(lambda: np.zeros(1, np.float32), 7)) == 7


def test_effort_is_limited_by_calls_and_by_time() -> None:
    effort = Effort(cadence=0.05, calls=60, seconds=3.0, rounds=6)
    assert effort.calls_at_cadence(1e-5) == 10
    assert effort.calls_at_cadence(0.25) == 2
    assert effort.calls_at_cadence(9.0) == effort.calls_in_a_row(9.0) == 1
    assert effort.calls_in_a_row(1e-5) == 1000
    assert effort.calls_in_a_row(0.01) == 17


def test_every_contender_has_a_block_of_each_kind_in_every_round() -> None:
    pytest.importorskip("torch")
    order: list[str] = []

    def contender(name: str) -> Contender:
        return Contender(name, lambda: order.append(name) or np.zeros(1, np.float32), 1)  # type: ignore[arg-type, func-returns-value]

    several = [contender(name) for name in "abc"]
    race(several, Effort(cadence=0.0, calls=2, seconds=1e-9, rounds=4))
    assert [len(each.tight) for each in several] == [len(each.cadence) for each in several] == [4, 4, 4]
    turns = "".join(name for k, name in enumerate(order) if k == 0 or order[k - 1] != name)
    assert turns == "abcbcacababc"


def test_figures_that_hold_are_not_complained_about() -> None:
    rows = [row(), row(model="b", bound="bandwidth", speedup_vs_eager=0.96), row(model="c", speedup_vs_eager=2.6)]
    assert misses(rows, choices(a="openvino", b="openvino", c="openvino")) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"speedup_vs_eager": 1.9}, "a, openvino: 1.90 × eager, expected 2 (bound by compute)"),
        ({"bound": "bandwidth", "speedup_vs_eager": 0.9}, "0.90 × eager, expected 0.95 (bound by bandwidth)"),
        ({"ratio_to_raw": 1.06}, "a, openvino: 1.060 of the time of the raw runtime, expected at most 1.05"),
        ({"ratio_to_raw": float("nan")}, "nan of the time of the raw runtime"),
        ({"speedup_vs_eager": 2.2}, "median over 1 models: 2.20 × eager, expected 2.5"),
        ({"batch": 8}, "a: openvino was chosen and not measured at batch 1 in float32"),
        ({"precision": "bf16"}, "was chosen and not measured"),
        ({"threads": 2}, "was chosen and not measured"),
    ],
)
def test_what_does_not_hold_is_said(changes: dict[str, Any], said: str) -> None:
    assert any(said in miss for miss in misses([row(**changes)], choices(a="openvino")))


def test_only_the_chosen_backend_is_held_to_it() -> None:
    rows = [row(), row(backend="torch", speedup_vs_eager=1.0, ratio_to_raw=1.4)]
    assert misses(rows, choices(a="openvino")) == []
    assert chosen_rows(rows, choices(a="torch"))["a"]["backend"] == "torch"
    assert median_speedup(rows, choices(a="torch")) == 1.0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--models", "egnet"), "--models: there is no 'egnet'.*Did you mean 'eegnet'"),
        (("--backends", "auto"), "--backends: there is no 'auto', expected some of openvino"),
        (("--precisions", "fp32"), "--precisions: there is no 'fp32', expected some of float32"),
        (("--batches", "1,none"), "--batches 1,none: expected whole numbers from 1 on, as in 1,8"),
        (("--batches", "0"), "--batches 0: expected whole numbers"),
        (("--threads", "many"), "--threads many: expected auto or a whole number"),
        (("--check", "--batches", "8"), "--check looks at batch 1 in float32"),
        (("--seconds", "0"), "Invalid value for '--seconds'"),
    ],
)
def test_wrong_use_is_one_clear_error(words: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("torch")
    assert run("bench", "inference", *words) == 2
    error = capsys.readouterr().err
    assert re.search(said, error), error
    assert "Traceback" not in error


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """Words that measure one tiny model in a second, on a machine whose limits need no measuring."""
    for package in ("torch", "onnx", "onnxscript", "onnxruntime", "openvino"):
        pytest.importorskip(package)
    from apps.bench.inference import measure
    from models.table import MODELS, window

    monkeypatch.setitem(MODELS, "linear", replace(MODELS["linear"], **window(3, 8, (2,), 100.0)))
    monkeypatch.setattr(measure, "ceiling", lambda threads: LIMITS)
    quick = ("--calls", "4", "--rounds", "2", "--seconds", "0.05", "--cadence", "0.005")
    return ("bench", "inference", "--models", "linear", *quick)


def test_the_report_has_every_backend_and_batch_and_says_what_did_not_run(
    tiny: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*tiny, "--batches", "1,3", "--json") == 0
    out = capsys.readouterr()
    report = json.loads(out.out)
    rows = report["rows"]
    assert [(each["backend"], each["batch"]) for each in rows] == [
        (name, batch) for batch in (1, 3) for name in ("openvino", "onnxruntime", "torch")
    ]
    for each in rows:
        assert (each["model"], each["precision"], each["threads"]) == ("linear", "float32", 1)
        assert each["bound"] == "bandwidth"
        assert each["weight_bytes"] >= 4 * 2 * 25
        assert each["flops"] == each["batch"] * 2 * 24 * 2
        assert set(each["tight_ms"]) == set(each["cadence_ms"]) == PERCENTILES
        assert 0 < each["tight_ms"]["p50"] <= each["tight_ms"]["p99"]
        assert each["cadence_ms"]["p50"] > 0
        assert each["speedup_vs_eager"] > 0
        assert each["ratio_to_raw"] > 0
        assert each["relative_error"] <= 1e-4
        assert each["calls"]["cadence"] == 4
    assert set(report["chosen"]) == {"linear"}
    assert report["chosen"]["linear"] in {"openvino", "onnxruntime", "torch"}
    assert report["machine"]["ceilings"][0]["gflops"] == 100.0
    assert report["machine"]["versions"]["torch"]
    assert {"misses", "median_speedup"} == set(report["acceptance"])
    missing = {(each["backend"], each["device"]) for each in report["not_run"]}
    assert {("cuda_graph", "cuda"), ("tensorrt", "cuda"), ("onnxruntime", "tensorrt")} <= missing
    assert all(each["why_not"] for each in report["not_run"])
    assert "linear" in out.err


def test_people_get_a_table_with_the_choice_marked(tiny: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*tiny, "--batches", "1") == 0
    text = capsys.readouterr().out
    assert "live p50" in text
    assert " *" in text
    assert "not run: cuda_graph on cuda: " in text
    assert "with 1 thread(s) 100 GFLOP/s and 20.0 GB/s" in text


def test_a_precision_that_a_graph_does_not_have_is_not_run(
    tiny: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*tiny, "--batches", "1", "--precisions", "int8", "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["rows"] == []
    said = {each["backend"]: each["why_not"] for each in report["not_run"] if each["device"] == "cpu"}
    assert "has no int8 version" in said["openvino"]
    assert "cannot compute in int8" in said["torch"]


def test_a_network_of_several_inputs_is_measured_too(
    tiny: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from models.table import MODELS

    args = {"embedding": 6, "condition": 4, "widths": [8, 6], "time": 4}
    small = replace(MODELS["brainae_prior"], args=args, inputs=((6,), (), (4,)), output=(6,))
    monkeypatch.setitem(MODELS, "brainae_prior", small)
    words = [word if word != "linear" else "brainae_prior" for word in tiny]
    assert run(*words, "--batches", "1,3", "--json") == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert {(each["model"], each["backend"]) for each in rows} == {
        ("brainae_prior", name) for name in ("openvino", "onnxruntime", "torch")
    }
    assert all(each["relative_error"] <= 1e-4 for each in rows)


def slowed(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Make streamkit's OpenVINO backend, and it alone, wait before it answers."""
    from streamkit.inference.openvino_backend import OpenVinoBackend

    before = {name: getattr(OpenVinoBackend, name) for name in ("_run", "_steps")}

    def slow(self: OpenVinoBackend, arrays: Any) -> Any:
        time.sleep(seconds)
        return before["_run"](self, arrays)

    def slow_steps(self: OpenVinoBackend) -> Any:
        run, first = before["_steps"](self)
        return lambda: (time.sleep(seconds), run()), first

    monkeypatch.setattr(OpenVinoBackend, "_run", slow)
    monkeypatch.setattr(OpenVinoBackend, "_steps", slow_steps)


def openvino_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    from apps.bench.inference import measure
    from streamkit.inference import Settings
    from streamkit.inference.choice import Choice

    monkeypatch.setattr(measure, "choose", lambda *_: Choice("openvino", Settings()))


def test_check_fails_for_a_backend_that_is_slower_than_its_runtime(
    tiny: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    slowed(monkeypatch, 0.003)
    openvino_is_chosen(monkeypatch)
    assert run(*tiny, "--batches", "1", "--backends", "openvino", "--check", "--json") == 1
    out = capsys.readouterr()
    assert "of the time of the raw runtime, expected at most 1.05" in out.err
    assert "× eager, expected" in out.err
    assert len(json.loads(out.out)["acceptance"]["misses"]) == 3


def test_auto_does_not_choose_a_backend_that_was_made_slow(
    tiny: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    slowed(monkeypatch, 0.02)
    assert run(*tiny, "--batches", "1", "--json") == 0
    assert json.loads(capsys.readouterr().out)["chosen"]["linear"] != "openvino"


def test_a_contender_that_answers_otherwise_than_torch_is_no_result(
    tiny: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from apps.bench.inference import opponents

    wrong = lambda network, inputs, settings: lambda: np.full((len(inputs[0]), 2), 9.0, np.float32)  # noqa: E731
    monkeypatch.setitem(opponents.RAW, "onnxruntime", wrong)
    openvino_is_chosen(monkeypatch)
    assert run(*tiny, "--batches", "1") == 1
    assert "raw onnxruntime answers otherwise than torch by" in capsys.readouterr().err
