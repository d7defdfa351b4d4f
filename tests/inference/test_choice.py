"""A choice is made by measurement, remembered, proven at every load, and never silently replaced."""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamkit.errors import BackendError, CannotRun, ConfigError, MissingPackage
from streamkit.inference import BACKENDS, Graph, Settings, Wish, cuda_driver, machine, memory, open_chosen
from streamkit.inference.cache import cache_dir, read_json, remove, write_json
from streamkit.inference.cuda_driver import Driver
from streamkit.inference.graph import Reduced
from streamkit.inference.wish import backend_of, field_of, thread_counts, wish_for
from tests import small_graphs
from tests.inference.fakes import Stage

Pair = tuple[np.ndarray, np.ndarray]


@pytest.fixture
def graph(tmp_path: Path) -> Graph:
    return small_graphs.graph(tmp_path)


@pytest.fixture(autouse=True)
def one_core(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty cache, and a machine of one core unless a test says otherwise."""
    monkeypatch.setattr("streamkit.inference.wish.usable_cores", lambda: 1)


def chosen(graph: Graph, reference: Pair, *args: Any, **options: Any) -> Any:
    backend, choice = open_chosen(graph, reference, *args, **options)
    backend.close()
    return choice


# By measurement


def test_the_fastest_that_passes_is_open_and_the_others_are_closed(graph: Graph, reference: Pair, stage: Stage) -> None:
    stage.add("slow", 2e-2)
    stage.add("quick", 1e-3)
    stage.add("wrong", 1e-5, wrong=0.1)
    backend, choice = open_chosen(graph, reference)
    assert (backend.name, choice.name, choice.remembered) == ("quick", "quick", False)
    assert [name for name, _ in stage.left_open] == ["quick"]
    np.testing.assert_allclose(backend.infer(reference[0][:1]), reference[1][:1], rtol=1e-5)
    assert {row["backend"]: row["passed"] for row in choice.table} == {"slow": True, "quick": True, "wrong": False}


def test_a_backend_that_is_out_is_told_and_nothing_is_told_when_all_is_well(
    graph: Graph, reference: Pair, stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    stage.add("slow", 2e-2)
    stage.add("quick", 1e-3)
    with caplog.at_level(logging.WARNING):
        chosen(graph, reference)
        assert not caplog.records
        stage.add("wrong", wrong=0.1)
        chosen(graph, reference)
    assert "backend wrong is out, quick is used: backend 'wrong' failed its proof" in caplog.text


def test_threads_that_win_are_taken(graph: Graph, reference: Pair, stage: Stage, four_cores: None) -> None:
    stage.add("a", lambda threads: 1e-2 / threads)
    assert chosen(graph, reference).settings == Settings(threads=4)
    assert chosen(graph, reference, Wish(threads=2)).settings == Settings(threads=2)


def test_the_search_for_threads_keeps_to_the_cores_this_process_may_use() -> None:
    if not hasattr(os, "sched_setaffinity"):
        pytest.skip("this system has no affinity")
    code = "from streamkit.inference.wish import Wish, thread_counts; print(thread_counts(Wish()))"
    allowed = min(os.sched_getaffinity(0))
    run = subprocess.run(
        [sys.executable, "-c", f"import os; os.sched_setaffinity(0, {{{allowed}}})\n{code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.strip() == "(1,)"


@pytest.mark.parametrize(
    ("cores", "counts"), [(1, (1,)), (2, (1, 2)), (4, (1, 2, 4)), (6, (1, 2, 4, 6)), (16, (1, 2, 4, 8, 16))]
)
def test_numbers_of_threads_double_up_to_all_cores(
    cores: int, counts: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamkit.inference.wish.usable_cores", lambda: cores)
    assert thread_counts(Wish()) == counts
    assert thread_counts(Wish(threads=3)) == (3,)


@pytest.mark.parametrize(
    ("quota", "cores"), [("max 100000", 8), ("150000 100000", 2), ("50000 100000", 1), ("", 8), ("1 0", 8)]
)
def test_the_quota_of_a_container_counts(
    quota: str, cores: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cpu.max").write_text(quota)
    monkeypatch.setattr(machine, "CPU_QUOTA", tmp_path / "cpu.max")
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    assert machine.usable_cores() == cores


def test_fewer_bits_are_never_taken_unless_asked_for(tmp_path: Path, reference: Pair, stage: Stage) -> None:
    graph = small_graphs.graph(tmp_path)
    graph = replace(graph, reduced={"int8": Reduced(graph.onnx, 0.05)})
    stage.add("a", precisions={"cpu": ("float32", "bf16", "int8")})
    stage.add("b", precisions={"cpu": ("float32", "int8")})
    chosen(graph, reference)
    assert {settings.precision for _, settings in stage.opened} == {"float32"}
    assert chosen(graph, reference, Wish(precision="int8")).settings.precision == "int8"
    assert chosen(graph, reference, Wish(precision="bf16")).name == "a"


def test_a_gpu_enters_only_where_the_driver_finds_one(
    graph: Graph, reference: Pair, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.add("processor", 2e-3)
    stage.add("gpu", 1e-3, precisions={"cuda": ("float32",)})
    monkeypatch.setattr(cuda_driver, "probe", lambda: Driver(why_not="there is no NVIDIA driver"))
    choice = chosen(graph, reference)
    assert choice.name == "processor"
    assert [row["why_not"] for row in choice.table if row["backend"] == "gpu"] == ["there is no NVIDIA driver"]
    monkeypatch.setattr(cuda_driver, "probe", lambda: Driver("13.0", ("H100",)))
    assert chosen(graph, reference).name == "gpu"
    assert chosen(graph, reference, Wish(device="cpu")).name == "processor"


# Remembered


def test_a_choice_is_remembered_and_proven_again(graph: Graph, reference: Pair, stage: Stage) -> None:
    stage.add("slow", 2e-2)
    stage.add("quick", 1e-3)
    first = chosen(graph, reference)
    opened, calls = len(stage.opened), len(stage.calls)
    again = chosen(graph, reference)
    assert (again.name, again.settings, again.remembered) == (first.name, first.settings, True)
    assert [name for name, _ in stage.opened[opened:]] == ["quick"]
    assert len(stage.calls) - calls == len(reference[0])  # the proof, and no more
    assert again.table == first.table


def test_more_threads_are_remembered_too(graph: Graph, reference: Pair, stage: Stage, four_cores: None) -> None:
    stage.add("a", lambda threads: 1e-2 / threads)
    first, again = (chosen(graph, reference, "a") for _ in range(2))
    assert (first.settings.threads, again.settings.threads, again.remembered) == (4, 4, True)


def test_what_is_remembered_is_chosen_even_when_another_would_win_now(
    graph: Graph, reference: Pair, stage: Stage
) -> None:
    stage.add("a", 1e-3)
    stage.add("b", 2e-3)
    chosen(graph, reference)
    stage.kinds["b"].seconds = staticmethod(lambda threads: 1e-4)
    assert chosen(graph, reference).name == "a"


def test_a_copy_of_the_bundle_is_the_same_bundle(graph: Graph, reference: Pair, stage: Stage, tmp_path: Path) -> None:
    stage.add("a")
    stage.add("b")
    chosen(graph, reference)
    folder = tmp_path / "copy"
    folder.mkdir()
    copy = small_graphs.graph(folder)
    assert chosen(copy, reference).remembered


def changed_weights(graph: Graph) -> Graph:
    graph.weights.write_bytes(graph.weights.read_bytes() + b" ")  # type: ignore[union-attr]
    return graph


def with_int8(graph: Graph) -> Graph:
    file = graph.onnx.with_name("decoder.int8.onnx")  # type: ignore[union-attr]
    file.write_bytes(b"other")
    return replace(graph, reduced={"int8": Reduced(file, 0.1)})


@pytest.mark.parametrize(
    "change",
    [
        changed_weights,
        with_int8,
        lambda graph: replace(graph, name="encoder"),
        lambda graph: replace(graph, builder_args={"depth": 2}),
        lambda graph: replace(graph, digests={"decoder.onnx": "0" * 64}),
    ],
)
def test_another_graph_is_another_choice(graph: Graph, change: Any) -> None:
    before = memory.fingerprint(graph)
    assert memory.fingerprint(change(graph)) != before


INGREDIENTS: dict[str, Any] = {
    "processor": lambda patch: patch.setattr(machine, "processor", lambda: "another"),
    "cores": lambda patch: patch.setattr(machine, "usable_cores", lambda: 77),
    "gpu": lambda patch: patch.setattr(cuda_driver, "probe", lambda: Driver("13.0", ("H100",), release="580")),
    "driver": lambda patch: patch.setattr(cuda_driver, "probe", lambda: Driver("13.0", (), "none", release="590")),
    "streamkit": lambda patch: patch.setattr(memory, "__version__", "99"),
    "runtime": lambda patch: patch.setattr("streamkit.inference.table.version", lambda name: "99"),
}


@pytest.mark.parametrize("ingredient", INGREDIENTS)
def test_another_machine_or_version_is_another_choice(
    graph: Graph, reference: Pair, stage: Stage, ingredient: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.add("a")
    stage.add("b")
    chosen(graph, reference)
    assert chosen(graph, reference).remembered
    INGREDIENTS[ingredient](monkeypatch)
    assert not chosen(graph, reference).remembered


def test_another_wish_cadence_or_contender_is_another_choice(graph: Graph, reference: Pair, stage: Stage) -> None:
    stage.add("a", precisions={"cpu": ("float32", "bf16")})
    stage.add("b", precisions={"cpu": ("float32", "bf16")})
    chosen(graph, reference, cadence=0.02)
    assert chosen(graph, reference, cadence=0.02).remembered
    assert not chosen(graph, reference, cadence=0.01).remembered
    assert not chosen(graph, reference, Wish(device="cpu"), cadence=0.02).remembered
    assert not chosen(graph, reference, Wish(precision="bf16"), cadence=0.02).remembered
    assert not chosen(graph, reference, Wish(threads=2), cadence=0.02).remembered
    stage.add("c")
    assert not chosen(graph, reference, cadence=0.02).remembered


def test_cadences_beyond_what_a_contest_waits_are_one_and_the_same(graph: Graph, reference: Pair, stage: Stage) -> None:
    stage.add("a")
    stage.add("b")
    chosen(graph, reference, cadence=0.5)
    assert chosen(graph, reference, cadence=2.0).remembered
    assert chosen(graph, reference, cadence=None).remembered


def test_a_remembered_choice_that_fails_its_proof_is_forgotten_and_another_made(
    graph: Graph, reference: Pair, stage: Stage
) -> None:
    stage.add("a", 1e-3)
    stage.add("b", 2e-3)
    assert chosen(graph, reference).name == "a"
    stage.kinds["a"].wrong = 0.1
    choice = chosen(graph, reference)
    assert (choice.name, choice.remembered) == ("b", False)
    assert chosen(graph, reference).name == "b"
    assert stage.left_open == []


def test_a_remembered_choice_that_crashes_is_forgotten_too(graph: Graph, reference: Pair, stage: Stage) -> None:
    stage.add("a", 1e-3)
    stage.add("b", 2e-3)
    chosen(graph, reference)
    stage.kinds["a"].crash = RuntimeError("driver was updated")
    choice = chosen(graph, reference)
    assert (choice.name, choice.remembered) == ("b", False)


GOOD = {"name": "a", "device": "cpu", "precision": "float32", "threads": 1, "table": []}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b'{"name": "a"',
        b"[]",
        b"null",
        b"[" * 100_000,
        json.dumps(GOOD | {"name": "abacus"}).encode(),
        json.dumps(GOOD | {"name": 3}).encode(),
        json.dumps(GOOD | {"threads": 0}).encode(),
        json.dumps(GOOD | {"threads": 64}).encode(),
        json.dumps(GOOD | {"device": "moon"}).encode(),
        json.dumps(GOOD | {"device": "cuda"}).encode(),
        json.dumps(GOOD | {"precision": "int8"}).encode(),
        json.dumps(GOOD | {"more": 1}).encode(),
    ],
    ids=range(14),
)
def test_a_corrupt_memory_is_none(
    graph: Graph, reference: Pair, stage: Stage, kept: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    stage.add("a", precisions={"cpu": ("float32", "int8")})
    stage.add("b")
    chosen(graph, reference)
    (file,) = kept.rglob("*.json")
    file.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        assert not chosen(graph, reference).remembered
    assert not caplog.records
    assert chosen(graph, reference).remembered


def test_a_cache_that_cannot_be_written_is_no_error(
    graph: Graph, reference: Pair, stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.add("a")
    stage.add("b")
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("STREAMKIT_CACHE", str(tmp_path / "file" / "cache"))
    for _ in range(2):
        assert not chosen(graph, reference).remembered


def test_forgetting_forgets_all_that_was_chosen_for_a_graph(
    graph: Graph, reference: Pair, stage: Stage, tmp_path: Path
) -> None:
    stage.add("a")
    stage.add("b")
    other = replace(graph, name="other")
    for wish in (Wish(), Wish(threads=2)):
        chosen(graph, reference, wish)
        chosen(other, reference, wish)
    assert memory.forget(graph)
    assert not memory.forget(graph)
    assert not chosen(graph, reference).remembered
    assert chosen(other, reference).remembered


# Fallback


def test_a_named_backend_that_fails_is_replaced_and_that_is_said(
    graph: Graph, reference: Pair, stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    stage.add("wrong", wrong=0.1)
    stage.add("slow", 2e-2)
    stage.add("quick", 1e-3)
    with caplog.at_level(logging.WARNING):
        choice = chosen(graph, reference, "wrong")
    assert (choice.name, choice.fell_back_from) == ("quick", "wrong")
    assert "'wrong' failed its proof" in choice.reason
    assert caplog.messages == [choice.warning]
    assert choice.warning.startswith("backend wrong failed, quick (cpu, float32, 1 thread) is used instead: ")
    assert stage.left_open == []


def test_a_fallback_is_said_at_every_start(graph: Graph, reference: Pair, stage: Stage) -> None:
    stage.add("wrong", wrong=0.1)
    stage.add("a")
    stage.add("b")
    first, again = (chosen(graph, reference, "wrong") for _ in range(2))
    assert (first.fell_back_from, again.fell_back_from) == ("wrong", "wrong")
    assert (first.remembered, again.remembered) == (False, True)


def test_a_named_backend_that_crashes_is_replaced(graph: Graph, reference: Pair, stage: Stage) -> None:
    stage.add("crashes", crash=ValueError("unknown operator"))
    stage.add("works")
    choice = chosen(graph, reference, "crashes")
    assert (choice.name, choice.fell_back_from) == ("works", "crashes")
    assert "unknown operator" in choice.reason


@pytest.mark.parametrize("wish", ["wrong", "auto"])
def test_strict_means_no_other(graph: Graph, reference: Pair, stage: Stage, wish: str) -> None:
    stage.add("wrong", wrong=0.1)
    stage.add("works")
    with pytest.raises(BackendError, match=r"'wrong' failed its proof.*Name another backend") as failure:
        open_chosen(graph, reference, wish, strict=True)
    assert failure.value.exit_status == 1
    assert stage.left_open == []


def test_strict_is_not_satisfied_by_the_memory_of_a_contest_in_which_one_failed(
    graph: Graph, reference: Pair, stage: Stage
) -> None:
    stage.add("wrong", wrong=0.1)
    stage.add("works")
    stage.add("too")
    chosen(graph, reference)
    with pytest.raises(BackendError, match="'wrong' failed"):
        open_chosen(graph, reference, strict=True)
    stage.kinds["wrong"].wrong = 0.0
    assert chosen(graph, reference, strict=True).name == "wrong"
    assert chosen(graph, reference, strict=True).remembered


def test_fewer_bits_that_fail_are_replaced_by_full_precision(
    graph: Graph, reference: Pair, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = replace(graph, reduced={"int8": Reduced(graph.onnx, 0.05)})
    stage.add("a", precisions={"cpu": ("float32", "int8")})
    right = stage.kinds["a"]._run

    def run(backend: Any, arrays: Any) -> Any:
        (answer,) = right(backend, arrays)
        return (answer + np.float32(backend.settings.precision == "int8"),)

    monkeypatch.setattr(stage.kinds["a"], "_run", run)
    for wish in (Wish("a", precision="int8"), Wish(precision="int8")):
        choice = chosen(graph, reference, wish)
        assert (choice.name, choice.settings.precision) == ("a", "float32")
        assert choice.fell_back_from == f"{wish.backend}, int8"
        with pytest.raises(BackendError, match="failed its proof"):
            open_chosen(graph, reference, wish, strict=True)


def test_what_is_absent_or_unfit_is_a_wrong_use_and_nothing_stands_in(
    graph: Graph, reference: Pair, stage: Stage
) -> None:
    stage.add("absent", package="no_such_package")
    stage.add("works")
    with pytest.raises(MissingPackage, match="pip install") as missing:
        open_chosen(graph, reference, "absent")
    with pytest.raises(CannotRun, match="cannot compute in int8 on cpu, only in float32") as unfit:
        open_chosen(graph, reference, Wish("works", precision="int8"))
    with pytest.raises(CannotRun, match="backend works does not run on cuda, only on cpu"):
        open_chosen(graph, reference, Wish("works", device="cuda"))
    with pytest.raises(CannotRun, match=r"no backend can run this graph:\n  absent: .*\n  works: "):
        open_chosen(graph, reference, Wish(precision="int8"))
    assert missing.value.exit_status == unfit.value.exit_status == 2
    assert stage.opened == []


def test_when_nobody_can_stand_in_the_first_failure_is_raised(graph: Graph, reference: Pair, stage: Stage) -> None:
    stage.add("wrong", wrong=0.1)
    stage.add("also", wrong=0.2)
    with pytest.raises(BackendError, match="'wrong' failed its proof"):
        open_chosen(graph, reference, "wrong")
    assert stage.left_open == []


# Wishes


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"backend": "toch"}, "there is no backend 'toch'.*Did you mean 'torch'"),
        ({"device": "gpu"}, "there is no device 'gpu', expected one of cpu, cuda, tensorrt, auto"),
        ({"precision": "flaot32"}, "there is no precision 'flaot32'.*Did you mean 'float32'"),
        ({"threads": 0}, "threads=0 was given, expected a number from 1 or 'auto'"),
        ({"threads": "many"}, "threads='many' was given"),
    ],
)
def test_a_wish_for_what_does_not_exist_is_refused(parts: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Wish(**parts)


def test_a_choice_can_be_asked_for_again_exactly(graph: Graph, reference: Pair, stage: Stage, four_cores: None) -> None:
    stage.add("a", lambda threads: 1e-2 / threads)
    stage.add("b")
    first = chosen(graph, reference, "a")
    calls = len(stage.calls)
    again = chosen(graph, reference, first.wish)
    assert (again.name, again.settings) == (first.name, first.settings)
    assert [row["latency_ms"] for row in again.table] == [None]
    assert len(stage.calls) - calls == len(reference[0])


def test_each_graph_may_have_a_wish_of_its_own() -> None:
    wishes = {"encoder": Wish("openvino"), "decoder": Wish("torch", threads=2)}
    assert wish_for("decoder", wishes) == Wish("torch", threads=2)
    assert wish_for("prior", wishes) == Wish()
    assert wish_for("decoder", "openvino") == Wish("openvino")
    assert (backend_of(wishes), backend_of("torch"), backend_of({"a": Wish("torch")})) == ("auto", "torch", "torch")


def test_who_may_enter_is_found_out_without_importing(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from tests import small_graphs;"
        "from streamkit.inference import Wish; from streamkit.inference.wish import field_of;"
        f"graph = small_graphs.graph(Path({str(tmp_path)!r}));"
        "before = set(sys.modules); field = field_of(graph, Wish());"
        "print(sorted({'torch', 'openvino', 'onnxruntime', 'tensorrt'} & (set(sys.modules) - before)),"
        "[name for name, _ in field.contenders])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[] ['openvino', 'onnxruntime', 'torch']"


def test_the_field_says_who_is_out_and_why(graph: Graph, stage: Stage) -> None:
    stage.add("here")
    stage.add("absent", package="no_such_package")
    found = field_of(graph, Wish())
    assert [name for name, _ in found.contenders] == ["here"]
    ((name, settings), why_not) = found.out[0]
    assert (name, settings) == ("absent", Settings())
    assert "no_such_package" in why_not


# The real ones


def test_a_remembered_choice_does_not_import_torch(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    code = (
        "import sys, json; from pathlib import Path; from tests import small_graphs;"
        "from streamkit.inference import open_chosen;"
        f"graph = small_graphs.graph(Path({str(tmp_path)!r}));"
        "backend, choice = open_chosen(graph, small_graphs.references()['decoder']);"
        "print(json.dumps([choice.name, choice.remembered, 'torch' in sys.modules,"
        "                  [row['backend'] for row in choice.table if row['passed']]]))"
    )
    runs = [
        json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
        for _ in range(2)
    ]
    assert [run[1:3] for run in runs] == [[False, True], [True, False]]
    assert runs[0][0] == runs[1][0]
    assert {"openvino", "onnxruntime", "torch"} <= set(runs[0][3])


def test_the_real_backends_agree_on_a_real_choice(graph: Graph, reference: Pair) -> None:
    backend, choice = open_chosen(graph, reference, Wish(threads=1))
    with backend:
        np.testing.assert_allclose(backend.infer(reference[0][:1]), reference[1][:1], rtol=1e-3, atol=1e-5)
    assert choice.name in BACKENDS
    assert choice.error < 1e-4


# The cache


def test_the_cache_lies_where_it_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMKIT_CACHE", "/somewhere/own")
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere/shared")
    monkeypatch.setenv("HOME", "/somewhere/home")
    assert cache_dir() == Path("/somewhere/own")
    monkeypatch.setenv("STREAMKIT_CACHE", "")
    assert cache_dir() == Path("/somewhere/shared/streamkit")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_dir() == Path("/somewhere/home/.cache/streamkit")


def test_a_user_without_a_home_keeps_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("STREAMKIT_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", no_home)
    assert not write_json(cache_dir() / "a.json", {})
    assert read_json(cache_dir() / "a.json") is None


def test_a_file_is_whole_or_not_there(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = kept / "deep" / "a.json"
    assert write_json(file, {"a": 1})
    assert write_json(file, {"a": [2]})
    assert read_json(file) == {"a": [2]}

    def full(source: str, target: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    assert not write_json(file, {"a": 3})
    assert read_json(file) == {"a": [2]}
    assert [path.name for path in file.parent.iterdir()] == ["a.json"]
    assert remove(file)
    assert not remove(file)
    shutil.rmtree(kept)
