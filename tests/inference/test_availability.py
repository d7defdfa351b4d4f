"""A backend that cannot run says why, and what to do."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from streamkit.errors import BackendError, CannotRun, ConfigError, MissingPackage
from streamkit.inference import BACKENDS, BackendRow, Settings, cuda_driver, open_backend
from streamkit.inference.cuda_driver import Driver
from tests import small_graphs

EXTRAS = {"openvino": "openvino", "onnxruntime": "onnx", "torch": "train"}


@pytest.mark.parametrize("name", EXTRAS)
def test_an_absent_package_names_the_extra(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = small_graphs.graph(tmp_path)
    monkeypatch.setitem(sys.modules, name, None)
    available, why_not = BACKENDS[name].available()
    assert not available
    assert f"pip install 'streamkit[{EXTRAS[name]}]'" in why_not
    assert BACKENDS[name].version() == ""
    with pytest.raises(MissingPackage, match=f"the {name} backend needs the package '{name}'"):
        open_backend(name, graph)


@pytest.mark.parametrize("name", EXTRAS)
def test_presence_and_version_are_found_without_an_import(name: str) -> None:
    code = (
        "import sys; from streamkit.inference import BACKENDS;"
        f"row = BACKENDS[{name!r}]; print(row.present('cpu')[0], row.version(), {name!r} in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert (said[0], said[2]) == ("True", "False")
    assert said[1][0].isdigit()


def test_a_broken_package_is_told_from_an_absent_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "half_installed.py").write_text("raise OSError('libhalf.so: cannot open shared object file')")
    monkeypatch.syspath_prepend(tmp_path)
    row = replace(BACKENDS["onnxruntime"], package="half_installed")
    assert row.present("cpu") == (True, "")
    assert row.version() == "unknown"
    available, why_not = row.available("cpu")
    assert not available
    assert "cannot import 'half_installed' (OSError: libhalf.so: cannot open shared object file)" in why_not


@pytest.mark.parametrize("name", [name for name, row in BACKENDS.items() if "cuda" in row.precisions])
def test_without_a_driver_nothing_that_needs_one_is_imported(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda_driver, "probe", lambda: Driver(why_not="there is no NVIDIA driver"))
    monkeypatch.setattr(BackendRow, "kind", lambda row: pytest.fail("imported"))
    monkeypatch.setattr("streamkit.inference.table.require", lambda *words: pytest.fail("imported"))
    assert BACKENDS[name].available("cuda") == (False, "there is no NVIDIA driver")


def test_a_device_that_a_backend_does_not_know_is_said(tmp_path: Path) -> None:
    for said in (BACKENDS["openvino"].available("cuda")[1], BACKENDS["openvino"].present("cuda")[1]):
        assert said == "backend openvino does not run on cuda, only on cpu"
    graph = small_graphs.graph(tmp_path)
    assert "does not run on cuda" in BACKENDS["openvino"].lacks(graph, Settings(device="cuda"))
    assert "cannot compute in fp16 on cpu, only in" in BACKENDS["openvino"].lacks(graph, Settings(precision="fp16"))


def test_a_graph_that_was_not_quantised_says_how_to(tmp_path: Path) -> None:
    with pytest.raises(CannotRun, match="has no int8 version in its bundle: make one with `streamkit quantize`"):
        open_backend("openvino", small_graphs.graph(tmp_path), Settings(precision="int8"))


def test_an_unknown_name_lists_the_known(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"no backend 'toch', expected one of openvino, .* or auto\. Did you mean 'torch'\?"
    ):
        open_backend("toch", small_graphs.graph(tmp_path))


def test_torch_cannot_run_somebodys_onnx_and_says_so(tmp_path: Path) -> None:
    graph = small_graphs.graph(tmp_path, builder=None, weights=None, builder_args={})
    with pytest.raises(BackendError, match=r"names no builder \(it was packed from an ONNX file\).*use openvino or"):
        open_backend("torch", graph)


def test_a_graph_without_onnx_is_nothing_for_the_others(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match="has no ONNX file, which the openvino backend runs"):
        open_backend("openvino", small_graphs.graph(tmp_path, onnx=None))


def test_an_unregistered_builder_lists_the_registered(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match=r"built by 'os:system'.*group 'streamkit.models' \(registered: .*linear"):
        open_backend("torch", small_graphs.graph(tmp_path, builder="os:system"))


def test_a_builder_with_wrong_arguments_names_them(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match=r"builder 'linear' could not make graph .* from \{'depth': 3\}: TypeError"):
        open_backend("torch", small_graphs.graph(tmp_path, builder_args={"depth": 3}))


def test_weights_that_do_not_fit_name_their_file(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    graph = small_graphs.graph(tmp_path)
    save_file({"other": np.zeros(3, np.float32)}, tmp_path / "decoder.safetensors")
    with pytest.raises(BackendError, match=r"decoder\.safetensors does not fit builder 'linear'"):
        open_backend("torch", graph)


def test_a_builder_without_weights_says_so(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match="has a builder but no weights"):
        open_backend("torch", small_graphs.graph(tmp_path, weights=None))
