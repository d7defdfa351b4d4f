"""An ONNX file that is new here is tried in a process of its own before it may enter this one."""

from __future__ import annotations

import logging
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper

from streamkit.bundle import GraphFiles, load_bundle, write_bundle
from streamkit.errors import BackendError, BundleError
from streamkit.inference import Settings, Wish, quarantine
from tests import small_graphs

RUNTIMES = ["openvino", "onnxruntime"]


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMKIT_CACHE", str(tmp_path / "cache"))


def bundle_of(content: bytes, folder: Path, *, made_here: bool = False) -> Path:
    return write_bundle(
        folder / "bundle",
        contract=small_graphs.contract(),
        graphs={"decoder": GraphFiles(content)},
        references=small_graphs.references(),
        made_here=made_here,
    ).path


def open_in(runtime: str, bundle: Path) -> None:
    load_bundle(bundle).open_runner(Wish(runtime, threads=1), strict=True).close()


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The commands of all quarantines."""
    commands: list[str] = []
    run = quarantine.subprocess.run

    def counted(command: list[str], **options: Any) -> Any:
        commands.append(" ".join(command[1:]))
        return run(command, **options)

    monkeypatch.setattr(quarantine.subprocess, "run", counted)
    return commands


def play(monkeypatch: pytest.MonkeyPatch, folder: Path, script: str) -> None:
    """Let a shell script take the part of the other process."""
    file = folder / "part.sh"
    file.write_text(f"#!/bin/sh\ncat >/dev/null\n{script}\n")
    file.chmod(0o755)
    monkeypatch.setattr(quarantine.sys, "executable", str(file))


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_bundle_from_elsewhere_is_tried_once_with_each_runtime(
    tmp_path: Path, begun: list[str], runtime: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = pytest.importorskip(runtime)
    bundle = bundle_of(small_graphs.onnx_bytes(), tmp_path)
    open_in(runtime, bundle)
    assert begun == ["-m streamkit.inference.quarantine"]
    open_in(runtime, bundle)
    assert len(begun) == 1
    monkeypatch.setattr(module, "__version__", "another")
    open_in(runtime, bundle)
    assert len(begun) == 2


def test_a_bundle_made_here_is_not_tried(tmp_path: Path, begun: list[str]) -> None:
    pytest.importorskip("onnxruntime")
    open_in("onnxruntime", bundle_of(small_graphs.onnx_bytes(), tmp_path, made_here=True))
    assert begun == []


def test_what_was_made_here_is_tried_once_in_fewer_bits(
    tmp_path: Path, begun: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("openvino")
    graph = small_graphs.graph(tmp_path)
    content = graph.onnx_file().read_bytes()
    quarantine.made_here(content)
    bf16 = Settings(precision="bf16")
    for _ in range(2):
        quarantine.pass_quarantine("openvino", "1", graph, bf16, content)
    assert len(begun) == 1
    monkeypatch.setattr(quarantine, "SECONDS", 1.0)
    play(monkeypatch, tmp_path, "printf ready; exec sleep 60")
    with pytest.raises(BackendError, match=r"cannot run .* in bf16 here: .* did not end .* --precision float32"):
        quarantine.pass_quarantine("openvino", "2", graph, bf16, content)


def test_a_copy_of_it_that_was_changed_is_tried(tmp_path: Path, begun: list[str]) -> None:
    pytest.importorskip("onnxruntime")
    bundle_of(small_graphs.onnx_bytes(), tmp_path, made_here=True)
    shutil.rmtree(tmp_path / "bundle")
    other = small_graphs.onnx_model()
    other.producer_name = "somebody else"
    open_in("onnxruntime", bundle_of(other.SerializeToString(), tmp_path))
    assert len(begun) == 1


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("printf ready; kill -SEGV $$", r"died \(SIGSEGV\)"),
        ("printf ready; kill -ABRT $$", r"died \(SIGABRT\)"),
        ("printf ready; exit 7", r"died \(exit status 7\)"),
        ("printf ready; exit 4", "took more memory than such a file can need"),
        ("printf ready; exec sleep 60", "did not end within 1 s"),
    ],
)
def test_what_harms_that_process_does_not_enter_this_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, message: str
) -> None:
    pytest.importorskip("onnxruntime")
    bundle = bundle_of(small_graphs.onnx_bytes(), tmp_path)
    monkeypatch.setattr(quarantine, "SECONDS", 1.0)
    entered: list[Any] = []
    monkeypatch.setattr("onnxruntime.InferenceSession", lambda *args, **options: entered.append(args))
    play(monkeypatch, tmp_path, script)
    for _ in range(2):  # and is no more trusted the next time
        with pytest.raises(
            BackendError, match=rf"decoder\.onnx is damaged or hostile: .* onnxruntime {message}\. Do not"
        ):
            open_in("onnxruntime", bundle)
    assert entered == []


@pytest.mark.parametrize("script", ["exit 1", "kill -SEGV $$"])
def test_a_process_that_never_begins_is_no_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    pytest.importorskip("onnxruntime")
    bundle = bundle_of(small_graphs.onnx_bytes(), tmp_path)
    play(monkeypatch, tmp_path, script)
    open_in("onnxruntime", bundle)


def test_where_no_process_can_be_started_it_goes_on_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip("onnxruntime")
    bundle = bundle_of(small_graphs.onnx_bytes(), tmp_path)
    monkeypatch.setattr(quarantine.sys, "executable", str(tmp_path / "nowhere"))
    with caplog.at_level(logging.WARNING):
        open_in("onnxruntime", bundle)
    assert "no process could be started to try graph decoder" in caplog.text


@pytest.mark.parametrize(("name", "value"), [("executable", ""), ("frozen", True)])
def test_a_program_without_python_does_not_start_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, begun: list[str], name: str, value: Any
) -> None:
    pytest.importorskip("onnxruntime")
    bundle = bundle_of(small_graphs.onnx_bytes(), tmp_path)
    monkeypatch.setattr(sys, name, value, raising=False)
    open_in("onnxruntime", bundle)
    assert begun == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
def test_it_keeps_to_a_limit_that_is_lower_than_its_own() -> None:
    code = (
        "import resource as r; from streamkit.inference.quarantine import _limit;"
        "r.setrlimit(r.RLIMIT_DATA, (3 << 30, 3 << 30)); _limit(1); print(r.getrlimit(r.RLIMIT_DATA)[0] >> 30)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "3\n"


def greedy() -> bytes:
    """A kilobyte that asks for 128 GB."""
    nodes = [
        helper.make_node("ReduceSum", ["x"], ["sum"], keepdims=0),
        helper.make_node("Expand", ["sum", "size"], ["large"]),
        helper.make_node("Add", ["large", "large"], ["larger"]),
        helper.make_node("ReduceMax", ["larger", "axes"], ["most"], keepdims=0),
        helper.make_node("Flatten", ["x"], ["flat"]),
        helper.make_node("Gemm", ["flat", "weight", "bias"], ["clean"], transB=1),
        helper.make_node("Add", ["clean", "most"], ["y"]),
    ]
    shapes = {"x": ["batch", 3, 8]}, {"y": ["batch", 2]}
    tensors = {"weight": small_graphs.WEIGHT, "bias": small_graphs.BIAS}
    model = small_graphs.model_of(nodes, *shapes, size=np.array([1 << 35]), axes=np.array([0]), **tensors)
    return model.SerializeToString()


def endless() -> bytes:
    """A loop that ends in some ten thousand years."""
    value = helper.make_tensor_value_info
    body = helper.make_graph(
        [helper.make_node("Sin", ["state"], ["next"]), helper.make_node("Identity", ["go"], ["go_on"])],
        "body",
        [value("i", 7, []), value("go", 9, []), value("state", 1, ["batch", 3, 8])],
        [value("go_on", 9, []), value("next", 1, ["batch", 3, 8])],
    )
    nodes = [
        helper.make_node("Loop", ["trips", "yes", "x"], ["looped"], body=body),
        helper.make_node("Flatten", ["looped"], ["flat"]),
        helper.make_node("Gemm", ["flat", "weight", "bias"], ["y"], transB=1),
    ]
    shapes = {"x": ["batch", 3, 8]}, {"y": ["batch", 2]}
    tensors = {"weight": small_graphs.WEIGHT, "bias": small_graphs.BIAS}
    model = small_graphs.model_of(nodes, *shapes, trips=np.array(1 << 62), yes=np.array(True), **tensors)
    return model.SerializeToString()


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("make", [greedy, endless])
def test_a_real_file_that_would_take_everything_is_one_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, runtime: str, make: Any
) -> None:
    pytest.importorskip(runtime)
    monkeypatch.setattr(quarantine, "SECONDS", 4.0)
    bundle = bundle_of(make(), tmp_path)
    with pytest.raises((BackendError, BundleError)) as refusal:
        open_in(runtime, bundle)
    assert "\n" not in str(refusal.value)
