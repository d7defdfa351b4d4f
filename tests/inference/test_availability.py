"""A backend that cannot run says why, and what to do."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from streamkit.errors import BackendError, ConfigError, MissingPackage
from streamkit.inference import BACKENDS, open_backend
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
